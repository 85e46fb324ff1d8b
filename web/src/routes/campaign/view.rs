//! The page of one campaign. Pure.

use super::choices::Choices;
use super::rate::chart;
use super::response::{Range, anonymous, range};
use crate::figures::campaign::{CampaignView, Pulse};
use crate::figures::chart::Chart;
use crate::figures::happened::Happened;
use crate::figures::numbers::{count, moment, none, share, span, start};
use crate::figures::reason::reason_in_words;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tidings_campaign::lifecycle::{CampaignState, DeliveryState};
use tidings_campaign::time::Timestamp;
use tidings_campaign::tracking::Tracking;
use tidings_feedback::hits::HitKind;
use tidings_feedback::thresholds::ComplaintLine;
use tidings_store::bounces::SaidCount;
use tidings_store::campaigns::Campaign;
use tidings_store::flow::CampaignMinute;
use tidings_store::hits::{HitCount, HitRecipientCount};
use tidings_store::people::Role;
use tidings_store::stats::{Breakdown, CampaignSummary};

/// What was read of it.
pub(super) struct Read {
    /// It was given content of its own.
    pub(super) is_own: bool,
    pub(super) summary: CampaignSummary,
    pub(super) campaign: Campaign,
    pub(super) lists: Vec<String>,
    pub(super) minutes: Vec<CampaignMinute>,
    pub(super) parts: Vec<Breakdown>,
    pub(super) said: Vec<SaidCount>,
    pub(super) recipients: Vec<HitRecipientCount>,
    pub(super) hits: Vec<HitCount>,
    /// Hits of all campaigns that are not judged and counted yet.
    pub(super) waiting: i64,
}

/// Who looks at it, and when.
pub(super) struct Look {
    pub(super) role: Role,
    /// What was asked and not done, and why.
    pub(super) problem: Option<String>,
    pub(super) now: Timestamp,
}

/// The page.
#[derive(Debug, Serialize)]
pub(super) struct CampaignPage {
    problem: Option<String>,
    choices: Choices,
    campaign: CampaignView,
    /// Something may still change by itself.
    is_open: bool,
    facts: Vec<Fact>,
    chart: Option<Chart>,
    opens: Range,
    clicks: Range,
    /// Opens or clicks were seen.
    is_tracked: bool,
    /// How many hits are not judged and counted yet; nothing if all are.
    waiting: Option<String>,
    /// Why there are none, if there are none.
    tracking: &'static str,
    unsubscribed: Told,
    complaints: Told,
    complaints_line: String,
    complaints_level: &'static str,
    bounces: Vec<Bounces>,
    has_bounces: bool,
    rows: Vec<BreakdownRow>,
    /// When the page was made, for its printed form.
    printed: String,
}

#[derive(Debug, Serialize)]
struct Fact {
    name: &'static str,
    value: String,
}

/// A number and its share.
#[derive(Debug, Serialize)]
struct Told {
    n: String,
    share: String,
}

/// What bounced, by one thing.
#[derive(Debug, Serialize)]
struct Bounces {
    title: &'static str,
    rows: Vec<BounceRow>,
}

#[derive(Debug, Serialize)]
struct BounceRow {
    key: String,
    n: String,
    share: String,
    /// Thousandths of the greatest row.
    width: i64,
}

/// A row of the table of all outcomes.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct BreakdownRow {
    relay: String,
    provider: String,
    outcome: String,
    class: String,
    n: String,
}

impl CampaignPage {
    pub(super) fn new(read: Read, pulse: &Pulse, look: Look) -> CampaignPage {
        let Look { role, problem, now } = look;
        let summary = &read.summary;
        let accepted = summary.count(DeliveryState::Accepted).max(0);
        let happened = happened(&read);
        let positive = |n: i64| u64::try_from(n).unwrap_or_default();
        let line = ComplaintLine::of(positive(happened.complaints), positive(accepted));
        let bounces = bounces(&read.said);
        CampaignPage {
            problem,
            choices: Choices::of(summary, role),
            campaign: CampaignView::new(summary, happened, pulse),
            is_open: !matches!(
                summary.state,
                CampaignState::Finished | CampaignState::Cancelled | CampaignState::Draft
            ),
            facts: facts(&read, pulse, now),
            chart: chart(&read.minutes),
            opens: response(&read, HitKind::Open, accepted),
            clicks: response(&read, HitKind::Click, accepted),
            is_tracked: !read.hits.is_empty(),
            waiting: (read.waiting > 0).then(|| count(read.waiting)),
            tracking: match read.campaign.tracking {
                Some(Tracking::Off) => "not tracked",
                Some(Tracking::Full | Tracking::Anonymous) | None => "none was seen yet",
            },
            unsubscribed: Told {
                n: count(happened.unsubscribed),
                share: share(happened.unsubscribed, accepted),
            },
            complaints: Told {
                n: count(happened.complaints),
                share: share(happened.complaints, accepted),
            },
            complaints_line: line.to_string(),
            complaints_level: match line {
                ComplaintLine::Good => "good",
                ComplaintLine::Raised => "warn",
                ComplaintLine::Harmful => "bad",
            },
            has_bounces: bounces.iter().any(|one| !one.rows.is_empty()),
            bounces,
            rows: breakdown_rows(read.parts),
            printed: moment(now),
        }
    }
}

fn response(read: &Read, kind: HitKind, accepted: i64) -> Range {
    match read.campaign.tracking {
        Some(Tracking::Anonymous) => anonymous(kind, &read.hits),
        _ => range(kind, &read.recipients, accepted),
    }
}

/// Refusals and unsubscribes by the counters of sending, the rest by those of reports.
fn happened(read: &Read) -> Happened {
    let mut happened = Happened::default();
    for part in &read.parts {
        happened.add(&part.outcome, &part.class, part.n);
    }
    // Refusals are among the parts already.
    let reported = read
        .said
        .iter()
        .filter(|said| matches!(said.kind.as_str(), "bounce" | "complaint"));
    for said in reported {
        happened.add(&said.kind, &said.class, said.n);
    }
    happened
}

fn facts(read: &Read, pulse: &Pulse, now: Timestamp) -> Vec<Fact> {
    let campaign = &read.campaign;
    let mut facts = Vec::new();
    let mut say = |name, value: String| facts.push(Fact { name, value });
    say("Subject", campaign.subject.clone());
    say("From", campaign.sender.clone());
    say("Lists", shown(read.lists.join(", ")));
    if let Some(preheader) = &campaign.preheader {
        say("Preheader", preheader.clone());
    }
    match read.is_own {
        true => say("Content", "its own".to_owned()),
        false => say("Template", campaign.template.clone()),
    }
    let schedule = campaign.schedule.as_ref();
    say("Scheduled for", schedule.map_or_else(none, start));
    say("Started", campaign.started_at.map_or_else(none, moment));
    match (campaign.finished_at, pulse.eta_seconds) {
        (Some(at), _) => say("Finished", moment(at)),
        (None, Some(seconds)) if campaign.state == CampaignState::Sending => {
            let left = Duration::from_secs_f64(seconds.clamp(0.0, 1e9));
            say("Estimated end", moment(now.plus(left)));
        }
        _ => {}
    }
    if let Some(at) = campaign.deliveries_removed_at {
        say(
            "Single deliveries",
            format!("removed by retention on {}; the figures stay", moment(at)),
        );
    }
    if let Some(spread) = campaign.spread {
        say("Spread over", span(spread));
    }
    if let Some(rate) = &campaign.rate {
        say("Own limit", rate.clone());
    }
    if let Some((parent, states)) = &campaign.parent {
        let states: Vec<_> = states.iter().map(|state| state.as_str()).collect();
        say(
            "Again to",
            format!("recipients of campaign {parent} that were {}", states.join(", ")),
        );
    }
    facts
}

/// Rows of each table of bounces at most.
const ROWS: usize = 8;

type Of = fn(&SaidCount) -> &str;
type InWords = fn(&str) -> String;

/// By what bounces are shown.
const TABLES: [(&str, Of, InWords); 4] = [
    ("By class", |said| &said.class, str::to_owned),
    ("By reason", |said| &said.reason, reason_in_words),
    ("By provider", |said| &said.provider, str::to_owned),
    ("By relay", |said| &said.relay, str::to_owned),
];

fn bounces(said: &[SaidCount]) -> Vec<Bounces> {
    let tables = TABLES.iter().map(|(title, of, words)| {
        let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
        for said in said.iter().filter(|said| said.kind != "complaint") {
            *sums.entry(of(said)).or_default() += said.n;
        }
        let mut rows: Vec<_> = sums.into_iter().filter(|(_, n)| *n > 0).collect();
        rows.sort_by_key(|(_, n)| -n);
        let most = rows.first().map_or(1, |(_, n)| *n);
        let whole: i64 = rows.iter().map(|(_, n)| n).sum();
        let rows = rows.into_iter().take(ROWS).map(|(key, n)| BounceRow {
            key: shown(words(key)),
            n: count(n),
            share: share(n, whole),
            width: (n * 1000 / most).max(4),
        });
        Bounces {
            title,
            rows: rows.collect(),
        }
    });
    tables.collect()
}

fn shown(word: String) -> String {
    if word.is_empty() { none() } else { word }
}

/// Days added up, the most frequent first.
fn breakdown_rows(parts: Vec<Breakdown>) -> Vec<BreakdownRow> {
    let mut sums: BTreeMap<(String, String, String, String), i64> = BTreeMap::new();
    for part in parts {
        *sums
            .entry((part.relay, part.provider, part.outcome, part.class))
            .or_default() += part.n;
    }
    let mut rows: Vec<_> = sums.into_iter().collect();
    rows.sort_by_key(|(_, n)| -n);
    rows.into_iter()
        .map(|((relay, provider, outcome, class), n)| BreakdownRow {
            relay: shown(relay),
            provider: shown(provider),
            outcome,
            class: shown(class),
            n: count(n),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounces_are_shown_by_each_thing_the_most_frequent_first() {
        let said = |provider: &str, kind: &str, class: &str, n| SaidCount {
            relay: String::new(),
            provider: provider.into(),
            kind: kind.into(),
            class: class.into(),
            reason: "mailbox_full".into(),
            n,
        };
        let tables = bounces(&[
            said("gmail", "rejected", "hard", 1),
            said("yahoo", "bounce", "hard", 2),
            said("yahoo", "expired", "soft", 1),
            said("yahoo", "complaint", "complaint", 9),
        ]);
        let of = |at: usize| -> Vec<_> {
            let rows = tables[at].rows.iter();
            rows.map(|row| (row.key.as_str(), row.n.as_str(), row.width))
                .collect()
        };
        assert_eq!(of(0), [("hard", "3", 1000), ("soft", "1", 333)]);
        assert_eq!(of(1), [("mailbox full", "4", 1000)]);
        assert_eq!(of(2), [("yahoo", "3", 1000), ("gmail", "1", 333)]);
        assert_eq!(of(3), [("–", "4", 1000)]);
    }

    #[test]
    fn days_are_added_up_and_the_most_frequent_comes_first() {
        let part = |day, outcome: &str, n| Breakdown {
            day,
            relay: "primary".into(),
            provider: "gmail".into(),
            outcome: outcome.into(),
            class: String::new(),
            n,
        };
        let rows = breakdown_rows(vec![
            part(1, "rejected", 3),
            part(1, "accepted", 2),
            part(2, "accepted", 5),
        ]);
        let rows: Vec<_> = rows
            .iter()
            .map(|row| (row.outcome.as_str(), row.n.as_str(), row.class.as_str()))
            .collect();
        assert_eq!(rows, [("accepted", "7", "–"), ("rejected", "3", "–")]);
    }
}
