//! What becomes of a campaign's links.

use clap::Args;
use tidings_campaign::tracking::{Tracking, Utm};

/// `--tracking` and the UTM parameters.
#[derive(Args, Debug)]
pub(super) struct LinkArgs {
    /// How much is known of who opens it and follows its links: full, anonymous or off; if not given, the strictest of
    /// its lists says it, or the configuration.
    #[arg(long, value_name = "MODE", value_parser = mode)]
    pub(super) tracking: Option<Tracking>,
    #[command(flatten)]
    pub(super) utm: UtmArgs,
}

/// The UTM parameters.
#[derive(Args, Clone, Debug)]
pub struct UtmArgs {
    /// Adds utm_source to the addresses of its links, such as newsletter.
    #[arg(long, value_name = "VALUE", value_parser = Utm::value)]
    utm_source: Option<String>,
    /// Adds utm_medium, such as email.
    #[arg(long, value_name = "VALUE", value_parser = Utm::value)]
    utm_medium: Option<String>,
    /// Adds utm_campaign.
    #[arg(long, value_name = "VALUE", value_parser = Utm::value)]
    utm_campaign: Option<String>,
    /// Adds utm_content.
    #[arg(long, value_name = "VALUE", value_parser = Utm::value)]
    utm_content: Option<String>,
    /// Adds utm_term.
    #[arg(long, value_name = "VALUE", value_parser = Utm::value)]
    utm_term: Option<String>,
}

impl UtmArgs {
    /// As they were typed.
    pub fn utm(self) -> Utm {
        Utm {
            source: self.utm_source,
            medium: self.utm_medium,
            campaign: self.utm_campaign,
            content: self.utm_content,
            term: self.utm_term,
        }
    }
}

/// A mode as it is typed.
pub fn mode(word: &str) -> Result<Tracking, String> {
    Tracking::parse(word).ok_or_else(|| format!("tracking is one of {}", words()))
}

/// The modes as they are typed.
pub fn words() -> String {
    Tracking::ALL.map(Tracking::as_str).join(", ")
}
