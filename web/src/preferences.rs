//! What recipients may do behind the link to their preferences, and how often.

use crate::hits::{PerSpan, address};
use crate::public::catalogue::{Translation, filled};
use actix_web::HttpRequest;
use ipnet::IpNet;
use std::time::Duration;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::preferences::OpenAttribute;
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::{AddressMark, KeyRing, PreferencesToken};
use tidings_feedback::hits::Network;

/// What the operator opens to recipients.
#[derive(Clone, Debug)]
pub struct PreferenceSettings {
    /// The names of lists that whoever has a link may join.
    pub lists: Vec<String>,
    /// Whether the name may be changed.
    pub name: bool,
    /// The attributes that are shown and may be changed, in this order.
    pub attributes: Vec<OpenAttribute>,
    /// Whether another address may be given.
    pub change_address: bool,
    /// Whether everything that is stored can be fetched.
    pub download: bool,
    /// Whether recipients may have everything erased.
    pub erase: bool,
}

impl Default for PreferenceSettings {
    fn default() -> Self {
        PreferenceSettings {
            lists: Vec::new(),
            name: true,
            attributes: Vec::new(),
            change_address: true,
            download: true,
            erase: true,
        }
    }
}

/// How long the link holds by which another address is confirmed.
pub(crate) const CHANGE_HOLDS: Duration = Duration::from_secs(48 * 3600);

/// What one recipient may ask for in an hour. Letters have caps of their own, by address and network.
const DOWNLOADS: u32 = 10;
const CHANGES: u32 = 5;
const PLACES: usize = 1 << 14;

/// What the handlers of these pages share.
pub(crate) struct PreferencePages {
    pub(crate) settings: PreferenceSettings,
    /// Where this instance is reached from outside, without a slash at the end.
    pub(crate) public_url: String,
    trusted_proxies: Vec<IpNet>,
    downloads: PerSpan,
    changes: PerSpan,
}

impl PreferencePages {
    pub(crate) fn new(settings: PreferenceSettings, public_url: &str, trusted_proxies: Vec<IpNet>) -> Self {
        let an_hour = "requests for data, or for another address, of one recipient in an hour";
        PreferencePages {
            settings,
            public_url: public_url.trim_end_matches('/').to_owned(),
            trusted_proxies,
            downloads: PerSpan::new(DOWNLOADS, PLACES, an_hour),
            changes: PerSpan::new(CHANGES, PLACES, an_hour),
        }
    }

    pub(crate) fn admits_download(&self, recipient: RecipientId, now: Timestamp) -> bool {
        self.downloads.admits(recipient, now.minute() / 60)
    }

    pub(crate) fn admits_change(&self, recipient: RecipientId, now: Timestamp) -> bool {
        self.changes.admits(recipient, now.minute() / 60)
    }

    /// The visitor's network: of the address the part that is kept.
    pub(crate) fn network(&self, request: &HttpRequest) -> Option<String> {
        let address = address(request, &self.trusted_proxies)?;
        Some(Network::of(address).to_string())
    }
}

/// The token of a recipient's preferences, for the address that they have.
pub(crate) fn token(
    keys: &KeyRing,
    (campaign, recipient): (CampaignId, RecipientId),
    address: &EmailAddress,
) -> String {
    PreferencesToken {
        campaign,
        recipient,
        mark: AddressMark::of(address),
    }
    .sign(keys)
}

/// What a letter about another address says.
pub(crate) struct LetterWords {
    pub(crate) text: String,
    pub(crate) html: String,
}

impl LetterWords {
    /// Asks whether the address is right.
    pub(crate) fn asking(translation: &Translation, to: &EmailAddress, link: &str) -> Self {
        let texts = &translation.texts.preferences;
        let hours = (CHANGE_HOLDS.as_secs() / 3600).to_string();
        let ask = filled(&texts.letter_ask, &[("address", to.as_str())]);
        let until = filled(&texts.letter_until, &[("hours", &hours)]);
        LetterWords::of(&[&ask, link, &until])
    }

    /// Tells whoever reads it that the address is known already.
    pub(crate) fn known(translation: &Translation, to: &EmailAddress) -> Self {
        let texts = &translation.texts.preferences;
        LetterWords::of(&[&filled(&texts.letter_known, &[("address", to.as_str())])])
    }

    fn of(paragraphs: &[&str]) -> Self {
        let html: String = paragraphs
            .iter()
            .map(|paragraph| {
                let escaped = handlebars::html_escape(paragraph);
                match paragraph.starts_with("https://") || paragraph.starts_with("http://") {
                    true => format!("<p><a href=\"{escaped}\">{escaped}</a></p>\n"),
                    false => format!("<p>{escaped}</p>\n"),
                }
            })
            .collect();
        LetterWords {
            text: paragraphs.join("\n\n") + "\n",
            html: format!("<!doctype html>\n<html><body>\n{html}</body></html>\n"),
        }
    }
}
