//! A campaign's card: its bar, its pace and what happened.

use super::happened::Happened;
use super::ledger_bar::{Segment, segments};
use super::numbers::{count, per_second, span, start};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tidings_campaign::lifecycle::{CampaignState, DeliveryState, UnknownPolicy};
use tidings_store::stats::CampaignSummary;

/// How a campaign fares just now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pulse {
    /// Messages accepted per second.
    pub(crate) rate: f64,
    /// What keeps it from going faster.
    pub(crate) limit: Option<String>,
    /// Until all that is open has gone out.
    pub(crate) eta_seconds: Option<f64>,
}

/// A campaign's card.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CampaignView {
    id: i64,
    name: String,
    state: &'static str,
    reason: Option<String>,
    decision: Option<String>,
    started_sending: bool,
    texts: BTreeMap<&'static str, String>,
    segments: Vec<Segment>,
}

impl CampaignView {
    pub(crate) fn new(summary: &CampaignSummary, happened: Happened, pulse: &Pulse) -> Self {
        let left: i64 = DeliveryState::ALL
            .iter()
            .filter(|s| s.is_open())
            .map(|state| summary.count(*state))
            .sum();
        let started = summary.planned > 0 || summary.started_at.is_some();
        let texts = BTreeMap::from([
            (
                "progress",
                if started {
                    progress(summary.planned, left)
                } else {
                    waiting(summary)
                },
            ),
            ("pace", pace(summary.state, pulse, left)),
            ("limit", limit(summary.state, pulse)),
            ("bounced", count(happened.bounced())),
            ("hard", count(happened.hard)),
            ("soft", count(happened.soft)),
            ("block", count(happened.block)),
            ("other", count(happened.other)),
            ("complaints", count(happened.complaints)),
            ("unsubscribed", count(happened.unsubscribed)),
        ]);
        CampaignView {
            id: summary.id.0,
            name: summary.name.clone(),
            state: summary.state.as_str(),
            reason: summary.state_reason.clone(),
            decision: decision(summary),
            started_sending: started,
            texts,
            segments: segments(summary),
        }
    }

    /// What keeps it from going faster: id, name, the words.
    pub(crate) fn binding(&self) -> Option<(i64, &str, &str)> {
        let words = self.texts.get("limit")?.as_str();
        (!words.is_empty()).then_some((self.id, self.name.as_str(), words))
    }

    /// What the page must be fetched again for when it changes.
    pub(crate) fn shape(&self) -> impl std::hash::Hash + '_ {
        (
            self.id,
            &self.name,
            self.state,
            &self.reason,
            &self.decision,
            self.started_sending,
        )
    }
}

/// What a person has to decide.
fn decision(summary: &CampaignSummary) -> Option<String> {
    let unknown = summary.count(DeliveryState::Unknown);
    (unknown > 0 && summary.unknown_policy == UnknownPolicy::Hold).then(|| {
        format!(
            "{} unknown wait for a decision: send them again, or leave them",
            count(unknown)
        )
    })
}

fn progress(planned: i64, left: i64) -> String {
    let done = (planned - left).clamp(0, planned);
    let percent = if planned == 0 { 100 } else { done * 100 / planned };
    format!("{} of {} done ({percent} %)", count(done), count(planned))
}

fn waiting(summary: &CampaignSummary) -> String {
    match (&summary.schedule, summary.state) {
        (Some(schedule), CampaignState::Scheduled) => format!("starts {}", start(schedule)),
        (_, CampaignState::Draft) => "not scheduled yet".to_owned(),
        _ => "nothing planned".to_owned(),
    }
}

fn pace(state: CampaignState, pulse: &Pulse, left: i64) -> String {
    if state != CampaignState::Sending || left <= 0 {
        return String::new();
    }
    let by_rate = (pulse.rate > 0.0).then(|| left as f64 / pulse.rate);
    let Some(seconds) = pulse.eta_seconds.or(by_rate) else {
        return String::new();
    };
    format!(
        "{}/s, about {} left",
        per_second(pulse.rate),
        span(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)))
    )
}

fn limit(state: CampaignState, pulse: &Pulse) -> String {
    match &pulse.limit {
        // A relay that is down, or retries that are not due, are no limits.
        Some(why)
            if state == CampaignState::Sending
                && (why.contains(" is down") || why.starts_with("waiting ")) =>
        {
            why.clone()
        }
        Some(limit) if state == CampaignState::Sending => format!("limited by {limit}"),
        _ => String::new(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use tidings_campaign::ids::CampaignId;
    use tidings_campaign::time::Timestamp;

    pub(crate) fn summary(planned: i64, counts: &[(DeliveryState, i64)]) -> CampaignSummary {
        let mut states = [0; DeliveryState::ALL.len()];
        for (state, n) in counts {
            states[DeliveryState::ALL.iter().position(|s| s == state).unwrap()] = *n;
        }
        CampaignSummary {
            id: CampaignId(7),
            name: "Spring".into(),
            state: CampaignState::Sending,
            state_reason: None,
            unknown_policy: UnknownPolicy::Hold,
            planned,
            schedule: None,
            started_at: Some(Timestamp::from_seconds(0)),
            finished_at: None,
            deliveries_removed_at: None,
            states,
        }
    }

    #[test]
    fn progress_tells_what_is_done_and_how_long_the_rest_takes() {
        let summary = summary(
            4000,
            &[
                (DeliveryState::Accepted, 900),
                (DeliveryState::Unknown, 100),
                (DeliveryState::Planned, 3000),
            ],
        );
        let mut pulse = Pulse {
            rate: 25.0,
            ..Pulse::default()
        };
        let view = CampaignView::new(&summary, Happened::default(), &pulse);
        assert_eq!(view.texts["progress"], "1,000 of 4,000 done (25 %)");
        assert_eq!(view.texts["pace"], "25/s, about 2 min left");
        assert_eq!(view.texts["limit"], "");

        pulse.limit = Some("provider gmail: 1/s".to_owned());
        pulse.eta_seconds = Some(900.0);
        let view = CampaignView::new(&summary, Happened::default(), &pulse);
        assert_eq!(view.texts["pace"], "25/s, about 15 min left");
        assert_eq!(view.texts["limit"], "limited by provider gmail: 1/s");

        pulse.limit = Some("relay primary is down, next try in 2 s: it fell silent".to_owned());
        let view = CampaignView::new(&summary, Happened::default(), &pulse);
        assert_eq!(
            view.texts["limit"],
            "relay primary is down, next try in 2 s: it fell silent"
        );
    }
}
