//! What the click map shows. Pure.

use crate::figures::numbers::count;
use serde::Serialize;
use std::collections::HashMap;
use tidings_campaign::token::HitTarget;
use tidings_campaign::tracking::{TrackedLink, Tracking};
use tidings_feedback::hits::HitVerdict;
use tidings_store::campaigns::Campaign;
use tidings_store::hits::HitCount;

/// What the page is made of.
pub(super) struct Read {
    pub(super) campaign: Campaign,
    pub(super) links: Vec<TrackedLink>,
    pub(super) hits: Vec<HitCount>,
}

/// Links that are listed.
const SHOWN: usize = 500;

#[derive(Debug, Serialize)]
pub(super) struct ClickMapPage {
    id: i64,
    name: String,
    /// Why there is nothing to be seen, if so.
    nothing: Option<&'static str>,
    links: Vec<LinkView>,
    /// How many links there are beyond those that are listed.
    more: Option<String>,
    /// All clicks together.
    total: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct LinkView {
    number: u32,
    text: String,
    url: String,
    /// The languages of the newsletter in which it stands, unless it is in the one for everybody.
    languages: Option<String>,
    /// `120 to 310`.
    clicks: String,
    /// In thousandths of the link that was followed most.
    x: i64,
    width: i64,
}

/// How often something was followed: by persons for certain, and in all.
#[derive(Clone, Copy, Default)]
struct Clicks {
    least: i64,
    most: i64,
}

impl Clicks {
    fn words(self) -> String {
        match self.least == self.most {
            true => count(self.most),
            false => format!("{} to {}", count(self.least), count(self.most)),
        }
    }
}

impl ClickMapPage {
    pub(super) fn new(read: Read) -> ClickMapPage {
        let mut of_links: HashMap<u32, Clicks> = HashMap::new();
        for hit in &read.hits {
            if let HitTarget::Link(number) = hit.target {
                let clicks = of_links.entry(number).or_default();
                clicks.most += hit.n;
                if hit.verdict == HitVerdict::Human {
                    clicks.least += hit.n;
                }
            }
        }
        let greatest = of_links
            .values()
            .map(|clicks| clicks.most)
            .max()
            .unwrap_or(0)
            .max(1);
        let total = of_links.values().fold(Clicks::default(), |sum, clicks| Clicks {
            least: sum.least + clicks.least,
            most: sum.most + clicks.most,
        });
        let more = read.links.len().saturating_sub(SHOWN);
        let links: Vec<LinkView> = read
            .links
            .into_iter()
            .take(SHOWN)
            .map(|link| {
                let clicks = of_links.get(&link.number).copied().unwrap_or_default();
                view(link, clicks, greatest)
            })
            .collect();
        ClickMapPage {
            id: read.campaign.id.0,
            nothing: nothing(&read.campaign, &links),
            name: read.campaign.name,
            links,
            more: (more > 0).then(|| count(i64::try_from(more).unwrap_or(i64::MAX))),
            total: total.words(),
        }
    }
}

fn nothing(campaign: &Campaign, links: &[LinkView]) -> Option<&'static str> {
    if campaign.content.is_none() {
        return Some("The links are found when the campaign starts.");
    }
    match campaign.tracking {
        Some(Tracking::Off) | None => Some(
            "The links of this campaign were not tracked: tracking was off when it started. What was followed is not known.",
        ),
        Some(Tracking::Full | Tracking::Anonymous) if links.is_empty() => {
            Some("There is no link in this newsletter that could be tracked.")
        }
        Some(Tracking::Full | Tracking::Anonymous) => None,
    }
}

fn view(link: TrackedLink, clicks: Clicks, greatest: i64) -> LinkView {
    let place = |n: i64| (n * 1000 / greatest).clamp(0, 1000);
    let is_everywhere = link.languages.split(' ').any(|language| language == "*");
    LinkView {
        number: link.number,
        text: link.text,
        url: link.url,
        languages: (!is_everywhere).then(|| link.languages.replace(' ', ", ")),
        clicks: clicks.words(),
        x: place(clicks.least),
        // What is there is seen.
        width: (place(clicks.most) - place(clicks.least)).max(i64::from(clicks.most > 0) * 4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_shown_with_its_range_beside_the_one_that_was_followed_most() {
        let link = TrackedLink {
            number: 3,
            url: "https://example.com/a".to_owned(),
            text: "Read".to_owned(),
            languages: "de fr".to_owned(),
        };
        let shown = view(link, Clicks { least: 50, most: 200 }, 400);
        assert_eq!(
            (shown.clicks.as_str(), shown.x, shown.width),
            ("50 to 200", 125, 375)
        );
        assert_eq!(shown.languages.as_deref(), Some("de, fr"));
        assert_eq!(Clicks { least: 7, most: 7 }.words(), "7");
    }
}
