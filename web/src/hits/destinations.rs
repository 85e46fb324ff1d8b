//! Where links lead: only to addresses that stand in the campaign itself.

use crate::site::{Site, Trouble};
use actix_web::http::header::HeaderValue;
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use tidings_campaign::ids::CampaignId;
use tidings_campaign::token::HitTarget;

/// Campaigns whose links are remembered. Mail of more campaigns is rarely read at the same time.
const REMEMBERED: usize = 256;

/// Where a token leads.
pub(crate) enum Destination {
    /// To an address of the campaign, as a Location field.
    Link(HeaderValue),
    /// Nowhere: it is the trap.
    Trap,
}

type Links = Arc<HashMap<u32, HeaderValue>>;

/// The links of campaigns, remembered.
#[derive(Default)]
pub(crate) struct Destinations {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    campaigns: HashMap<CampaignId, (Links, u64)>,
    /// Counts uses, so that the longest unused is found.
    uses: u64,
}

impl Destinations {
    /// Where a target leads; nothing if the campaign has no such link (any more), or the target is none to be followed.
    pub(crate) async fn find(
        &self,
        site: &Site,
        campaign: CampaignId,
        target: HitTarget,
    ) -> Result<Option<Destination>, Trouble> {
        let number = match target {
            HitTarget::Trap => return Ok(Some(Destination::Trap)),
            HitTarget::Pixel => return Ok(None),
            HitTarget::Link(number) => number,
        };
        if let Some(link) = self.remembered(campaign, number) {
            return Ok(Some(Destination::Link(link)));
        }
        let store = site.store.clone();
        let links = site.ask(async move { store.links_of(campaign).await }).await?;
        let links: HashMap<u32, HeaderValue> = links
            .into_iter()
            .filter_map(|link| Some((link.number, location(&link.url)?)))
            .collect();
        let link = links.get(&number).cloned();
        if link.is_some() {
            self.remember(campaign, Arc::new(links));
        }
        Ok(link.map(Destination::Link))
    }

    fn remembered(&self, campaign: CampaignId, number: u32) -> Option<HeaderValue> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.uses += 1;
        let uses = known.uses;
        let (links, used) = known.campaigns.get_mut(&campaign)?;
        *used = uses;
        links.get(&number).cloned()
    }

    fn remember(&self, campaign: CampaignId, links: Links) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.campaigns.len() >= REMEMBERED {
            let longest_unused = known.campaigns.iter().min_by_key(|(_, (_, used))| *used);
            if let Some(campaign) = longest_unused.map(|(campaign, _)| *campaign) {
                known.campaigns.remove(&campaign);
            }
        }
        known.uses += 1;
        let uses = known.uses;
        known.campaigns.insert(campaign, (links, uses));
    }
}

/// An address as a Location field: of the web, in ASCII, without anything that could end the field.
pub(crate) fn location(url: &str) -> Option<HeaderValue> {
    let scheme = url.split_once("://")?.0;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let mut ascii = String::with_capacity(url.len());
    for octet in url.bytes() {
        match octet {
            b'!'..=b'~' => ascii.push(char::from(octet)),
            _ => write!(ascii, "%{octet:02X}").expect("writing to a String cannot fail"),
        }
    }
    HeaderValue::from_str(&ascii).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_are_led_to() {
        for (url, expected) in [
            (
                "https://example.com/a?b=c&d=%20#e",
                Some("https://example.com/a?b=c&d=%20#e"),
            ),
            ("HTTP://example.com", Some("HTTP://example.com")),
            (
                "https://example.com/grün e",
                Some("https://example.com/gr%C3%BCn%20e"),
            ),
            (
                "https://example.com/\r\nX-Evil: 1",
                Some("https://example.com/%0D%0AX-Evil:%201"),
            ),
            ("javascript://example.com/%0aalert(1)", None),
            ("//example.com", None),
            ("mailto:ann@example.com", None),
            ("", None),
        ] {
            let location = location(url);
            assert_eq!(
                location.as_ref().map(|value| value.to_str().unwrap()),
                expected,
                "{url}"
            );
        }
    }

    #[test]
    fn the_longest_unused_campaign_is_forgotten() {
        let destinations = Destinations::default();
        let links: Links = Arc::new(HashMap::from([(
            1,
            HeaderValue::from_static("https://example.com"),
        )]));
        for campaign in 0..REMEMBERED as i64 {
            destinations.remember(CampaignId(campaign), Arc::clone(&links));
        }
        assert!(destinations.remembered(CampaignId(0), 1).is_some());
        destinations.remember(CampaignId(-1), links);
        assert!(destinations.remembered(CampaignId(0), 1).is_some());
        assert!(destinations.remembered(CampaignId(1), 1).is_none());
        assert_eq!(destinations.known.lock().unwrap().campaigns.len(), REMEMBERED);
    }
}
