//! The list of campaigns. Pure.

use crate::figures::happened::Happened;
use crate::figures::ledger_bar::{Segment, segments};
use crate::figures::numbers::{count, none, share, short_moment, start};
use serde::Serialize;
use std::collections::HashMap;
use tidings_campaign::lifecycle::{CampaignState, DeliveryState};
use tidings_feedback::thresholds::ComplaintLine;
use tidings_store::campaign_pages::{CampaignSearch, CampaignsFound};
use tidings_store::stats::CampaignSummary;
use url::form_urlencoded::Serializer;

/// The page.
#[derive(Debug, Serialize)]
pub(super) struct ListView {
    q: String,
    state: &'static str,
    tabs: Vec<Tab>,
    rows: Vec<Row>,
    /// `1–25 of 312`.
    range: String,
    previous: Option<String>,
    next: Option<String>,
    /// There is no campaign at all, whatever is looked for.
    is_empty: bool,
    /// Nothing was found.
    is_missing: bool,
}

#[derive(Debug, Serialize)]
struct Tab {
    label: &'static str,
    n: String,
    href: String,
    is_here: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    id: i64,
    name: String,
    state: &'static str,
    has_started: bool,
    segments: Vec<Segment>,
    planned: String,
    accepted: String,
    bounced: String,
    complaints: String,
    complaints_level: &'static str,
    /// When it starts, or started.
    when: String,
}

impl ListView {
    /// `page`: counted from 1.
    pub(super) fn new(
        search: &CampaignSearch,
        page: i64,
        found: &CampaignsFound,
        happened: &HashMap<i64, Happened>,
    ) -> ListView {
        let in_state = |state| {
            let of_state = found.by_state.iter().filter(|(one, _)| *one == state);
            of_state.map(|(_, n)| n).sum::<i64>()
        };
        let all: i64 = found.by_state.iter().map(|(_, n)| n).sum();
        let total = search.state.map_or(all, in_state);
        let shown = i64::try_from(found.campaigns.len()).unwrap_or_default();
        let mut tabs = vec![Tab {
            label: "All",
            n: count(all),
            href: href(&search.text, None, 1),
            is_here: search.state.is_none(),
        }];
        let states = CampaignState::ALL
            .into_iter()
            .filter(|state| in_state(*state) > 0 || search.state == Some(*state));
        tabs.extend(states.map(|state| Tab {
            label: title(state),
            n: count(in_state(state)),
            href: href(&search.text, Some(state), 1),
            is_here: search.state == Some(state),
        }));
        ListView {
            q: search.text.clone(),
            state: search.state.map_or("", CampaignState::as_str),
            tabs,
            rows: found
                .campaigns
                .iter()
                .map(|campaign| row(campaign, happened))
                .collect(),
            range: match shown {
                0 => String::new(),
                _ => format!(
                    "{}–{} of {}",
                    count(search.skip + 1),
                    count(search.skip + shown),
                    count(total)
                ),
            },
            previous: (page > 1).then(|| href(&search.text, search.state, page - 1)),
            next: (search.skip + shown < total && shown > 0)
                .then(|| href(&search.text, search.state, page + 1)),
            is_empty: all == 0 && search.text.is_empty(),
            is_missing: shown == 0,
        }
    }
}

fn row(campaign: &CampaignSummary, happened: &HashMap<i64, Happened>) -> Row {
    let happened = happened.get(&campaign.id.0).copied().unwrap_or_default();
    let count_of = |state| campaign.count(state).max(0);
    let accepted = count_of(DeliveryState::Accepted);
    let refused = count_of(DeliveryState::Rejected) + count_of(DeliveryState::Expired);
    // Of what reports said afterwards, only bounces are in it: refusals are in the ledger.
    let bounced = refused + happened.bounced();
    let positive = |n: i64| u64::try_from(n).unwrap_or_default();
    let line = ComplaintLine::of(positive(happened.complaints), positive(accepted));
    let when = match (&campaign.schedule, campaign.started_at) {
        (_, Some(at)) => short_moment(at),
        (Some(schedule), None) => start(schedule),
        (None, None) => none(),
    };
    Row {
        id: campaign.id.0,
        name: campaign.name.clone(),
        state: campaign.state.as_str(),
        has_started: campaign.planned > 0 || campaign.started_at.is_some(),
        segments: segments(campaign),
        planned: count(campaign.planned),
        accepted: count(accepted),
        bounced: share(bounced, accepted + refused),
        complaints: share(happened.complaints, accepted),
        complaints_level: match line {
            ComplaintLine::Good => "",
            ComplaintLine::Raised => "warn",
            ComplaintLine::Harmful => "bad",
        },
        when,
    }
}

const fn title(state: CampaignState) -> &'static str {
    match state {
        CampaignState::Draft => "Draft",
        CampaignState::Scheduled => "Scheduled",
        CampaignState::Sending => "Sending",
        CampaignState::Paused => "Paused",
        CampaignState::Held => "Held",
        CampaignState::Finished => "Finished",
        CampaignState::Cancelled => "Cancelled",
    }
}

/// Where the same search stands with this state and page.
fn href(text: &str, state: Option<CampaignState>, page: i64) -> String {
    let mut query = Serializer::new(String::new());
    if !text.is_empty() {
        query.append_pair("q", text);
    }
    if let Some(state) = state {
        query.append_pair("state", state.as_str());
    }
    if page > 1 {
        query.append_pair("page", &page.to_string());
    }
    match query.finish() {
        query if query.is_empty() => "/campaigns".to_owned(),
        query => format!("/campaigns?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::campaign::tests::summary;

    fn search(text: &str, skip: i64) -> CampaignSearch {
        CampaignSearch {
            text: text.into(),
            state: Some(CampaignState::Sending),
            skip,
            limit: 25,
        }
    }

    fn found(rows: usize) -> CampaignsFound {
        CampaignsFound {
            campaigns: vec![
                summary(
                    100,
                    &[(DeliveryState::Accepted, 90), (DeliveryState::Rejected, 10)]
                );
                rows
            ],
            by_state: vec![(CampaignState::Sending, 30), (CampaignState::Draft, 2)],
        }
    }

    #[test]
    fn pages_keep_what_is_looked_for() {
        let view = ListView::new(&search("a&b", 25), 2, &found(5), &HashMap::new());
        assert_eq!(view.range, "26–30 of 30");
        assert_eq!(view.previous.as_deref(), Some("/campaigns?q=a%26b&state=sending"));
        assert_eq!(view.next, None);
        let tabs: Vec<_> = view.tabs.iter().map(|tab| (tab.label, tab.n.as_str())).collect();
        assert_eq!(tabs, [("All", "32"), ("Draft", "2"), ("Sending", "30")]);
        let view = ListView::new(&search("", 0), 1, &found(25), &HashMap::new());
        assert_eq!(view.next.as_deref(), Some("/campaigns?state=sending&page=2"));
        assert_eq!(view.previous, None);
    }

    #[test]
    fn what_a_report_said_is_added_to_what_was_refused() {
        let reported = Happened {
            hard: 8,
            complaints: 1,
            ..Happened::default()
        };
        let row = row(&found(1).campaigns[0], &HashMap::from([(7, reported)]));
        assert_eq!((row.bounced.as_str(), row.complaints.as_str()), ("18 %", "1.1 %"));
        assert_eq!(row.complaints_level, "bad");
    }
}
