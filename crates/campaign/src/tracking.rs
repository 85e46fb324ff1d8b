//! Which links of a newsletter are followed, where they lead, and how much is known of who follows them.
//!
//! Links are found once for a campaign, in the HTML as it is sent, and numbered. In the messages each leads to
//! `{public_url}/c/TOKEN`, whence it is redirected. The text part keeps its links.

mod links;
mod map;
pub(crate) mod places;
pub(crate) mod target;
mod utm;

pub(crate) use links::VariantLinks;
pub use links::{LinkTable, MAX_LINKS, TrackedLink};
pub use map::{MappedNewsletter, NoMap};
pub use utm::{Utm, UtmError};

use crate::ids::CampaignId;
use crate::token::KeyRing;
use serde::{Deserialize, Serialize};

/// How much is known of who opens a newsletter and follows its links. What is later in this order knows less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tracking {
    /// Each message has links of its own: it is known who followed which.
    Full,
    /// All messages have the same links: it is known how often each was followed. So it is where nobody says
    /// otherwise, because to know more takes the readers' consent.
    #[default]
    Anonymous,
    /// The links stay as they were written, and there is no pixel.
    Off,
}

impl Tracking {
    /// From the most to the least that is known.
    pub const ALL: [Tracking; 3] = [Tracking::Full, Tracking::Anonymous, Tracking::Off];

    /// As it stands in the configuration and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Tracking::Full => "full",
            Tracking::Anonymous => "anonymous",
            Tracking::Off => "off",
        }
    }

    /// From that word.
    pub fn parse(word: &str) -> Option<Tracking> {
        Tracking::ALL.into_iter().find(|mode| mode.as_str() == word)
    }

    /// What holds for a campaign: its own wish; else the strictest of its lists' wishes; else what is configured.
    pub fn chosen(
        campaign: Option<Tracking>,
        lists: impl IntoIterator<Item = Option<Tracking>>,
        configured: Tracking,
    ) -> Tracking {
        let strictest = || lists.into_iter().flatten().max();
        campaign.or_else(strictest).unwrap_or(configured)
    }
}

/// What a campaign wants of its links.
#[derive(Clone, Debug)]
pub struct TrackingSettings {
    /// How much is known.
    pub mode: Tracking,
    /// What is added to the links' addresses.
    pub utm: Utm,
    /// The links as they were kept when the campaign started; `None` before.
    pub kept: Option<Vec<TrackedLink>>,
}

impl TrackingSettings {
    /// Links stay as they were written.
    pub fn off() -> TrackingSettings {
        TrackingSettings {
            mode: Tracking::Off,
            utm: Utm::default(),
            kept: None,
        }
    }
}

/// What is needed to make a campaign's tracked links.
#[derive(Debug)]
pub(crate) struct Tracker {
    pub(crate) mode: Tracking,
    pub(crate) utm: Utm,
    pub(crate) campaign: CampaignId,
    /// Without a slash at the end.
    pub(crate) public_url: String,
    pub(crate) keys: KeyRing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_campaigns_own_wish_wins_then_the_strictest_list_then_the_configuration() {
        use Tracking::{Anonymous, Full, Off};
        let lists = [Some(Full), None, Some(Off), Some(Anonymous)];
        assert_eq!(Tracking::chosen(Some(Full), lists, Anonymous), Full);
        assert_eq!(Tracking::chosen(None, lists, Full), Off);
        assert_eq!(Tracking::chosen(None, [None, Some(Full)], Off), Full);
        assert_eq!(Tracking::chosen(None, [None], Anonymous), Anonymous);
        for mode in Tracking::ALL {
            assert_eq!(Tracking::parse(mode.as_str()), Some(mode));
            assert_eq!(
                serde_json::to_string(&mode).unwrap(),
                format!("\"{}\"", mode.as_str())
            );
        }
        assert_eq!(Tracking::parse("Full"), None);
    }
}
