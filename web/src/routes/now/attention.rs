//! What needs a person, the most urgent first. Pure.

use super::view::Seen;
use crate::figures::numbers::{count, moment, share};
use crate::figures::sentence::sentence;
use serde::Serialize;
use tidings_campaign::lifecycle::{CampaignState, DeliveryState, UnknownPolicy};
use tidings_feedback::thresholds::ComplaintLine;
use tidings_store::imports::ImportRecord;
use tidings_store::relay_status::{RelayHealth, RelayStatus};
use tidings_store::stats::CampaignSummary;

/// One thing that needs a person.
#[derive(Clone, Debug, Hash, PartialEq, Eq, Serialize)]
pub(crate) struct Attention {
    /// The name of its colour.
    level: &'static str,
    what: String,
    why: String,
    /// Where more is to be seen.
    href: Option<String>,
    /// Where an administrator sees and tests the relay that it is about.
    relay_test: Option<&'static str>,
    /// What is to be done where `href` leads.
    act: Option<&'static str>,
}

/// What needs a person.
pub(super) fn attention(seen: &Seen<'_>) -> Vec<Attention> {
    let mut found: Vec<Attention> = Vec::new();
    let is_sending = seen
        .summaries
        .iter()
        .any(|summary| summary.state == CampaignState::Sending);
    if seen.is_sender_away && is_sending {
        found.push(Attention {
            level: "bad",
            what: "No sender is at work".to_owned(),
            why: "A campaign is to be sent, and no process has said for half a minute that it sends. \
                A relay must be in the settings, and `tidings serve` at work; `tidings check` says what keeps it."
                .to_owned(),
            href: Some("/nodes".to_owned()),
            relay_test: None,
            act: Some("See the nodes"),
        });
    }
    found.extend(seen.relays.iter().filter_map(relay));
    found.extend(seen.summaries.iter().filter_map(standing));
    found.extend(seen.summaries.iter().filter_map(unknown));
    found.extend(complaints(seen));
    found.extend(seen.stopped_imports.iter().map(import));
    // What stops mail comes before what only asks; the order within is kept.
    found.sort_by_key(|one| one.level != "bad");
    found
}

fn relay(status: &RelayStatus) -> Option<Attention> {
    if status.health == RelayHealth::Works {
        return None;
    }
    let fault = status.fault.as_ref();
    Some(Attention {
        level: "bad",
        what: format!("Relay {} is down", status.relay),
        why: fault.map_or_else(
            || "It is tried again by itself.".to_owned(),
            |(_, words)| sentence(words),
        ),
        href: None,
        relay_test: Some("/settings/relays"),
        act: None,
    })
}

/// Stopped by us: held, or paused because a threshold was passed.
fn standing(summary: &CampaignSummary) -> Option<Attention> {
    let (level, word) = match (summary.state, &summary.state_reason) {
        (CampaignState::Held, _) => ("bad", "held"),
        (CampaignState::Paused, Some(_)) => ("warn", "paused"),
        _ => return None,
    };
    Some(Attention {
        level,
        what: format!("“{}” is {word}", summary.name),
        why: summary
            .state_reason
            .as_deref()
            .map_or_else(|| "No reason was given.".to_owned(), sentence),
        href: Some(format!("/campaigns/{}", summary.id)),
        relay_test: None,
        act: Some("Look and resume"),
    })
}

fn unknown(summary: &CampaignSummary) -> Option<Attention> {
    let n = summary.count(DeliveryState::Unknown);
    if n <= 0 || summary.unknown_policy != UnknownPolicy::Hold {
        return None;
    }
    let (noun, them) = match n {
        1 => ("delivery", "it"),
        _ => ("deliveries", "them"),
    };
    Some(Attention {
        level: "warn",
        what: format!("{} unknown {noun} of “{}”", count(n), summary.name),
        why: format!(
            "The relay's answer was lost. You decide whether to send {them} again, or to leave {them}."
        ),
        href: Some(format!("/campaigns/{}", summary.id)),
        relay_test: None,
        act: Some("Decide"),
    })
}

fn complaints(seen: &Seen<'_>) -> Option<Attention> {
    let (n, accepted) = (seen.day.happened.complaints, seen.day.accepted);
    let positive = |n: i64| u64::try_from(n).unwrap_or_default();
    let line = ComplaintLine::of(positive(n), positive(accepted));
    if line != ComplaintLine::Harmful {
        return None;
    }
    Some(Attention {
        level: "bad",
        what: format!("Complaints are {line}"),
        why: format!(
            "{} of {} messages accepted in the last 24 hours ({}). Mailbox providers refuse senders above 0.3 %.",
            count(n),
            count(accepted),
            share(n, accepted)
        ),
        href: Some("/bounces?days=7".to_owned()),
        relay_test: None,
        act: Some("Look"),
    })
}

fn import(record: &ImportRecord) -> Attention {
    let why = sentence(record.reason.as_deref().unwrap_or("it was ended"));
    Attention {
        level: "warn",
        what: format!("Import {} into “{}” stopped", record.id, record.list),
        why: format!(
            "{why} It stands since {}. You decide whether it goes on or is taken back.",
            moment(record.updated_at)
        ),
        href: Some(format!("/imports/{}", record.id)),
        relay_test: None,
        act: Some("Decide"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::campaign::tests::summary;
    use crate::live::{Day, Flows};
    use tidings_campaign::time::Timestamp;
    use tidings_feedback::thresholds::Thresholds;

    fn what(summaries: &[CampaignSummary], relays: &[RelayStatus], is_sender_away: bool) -> Vec<String> {
        let (flows, day) = (Flows::default(), Day::default());
        let seen = Seen {
            now: Timestamp::from_seconds(0),
            problem: None,
            rate: 0.0,
            rates: &[],
            summaries,
            cards: Vec::new(),
            is_sender_away,
            relays,
            flows: &flows,
            day: &day,
            stopped_imports: &[],
            thresholds: Thresholds::default(),
        };
        attention(&seen).into_iter().map(|one| one.what).collect()
    }

    #[test]
    fn what_stops_mail_comes_first() {
        let unknown = summary(10, &[(DeliveryState::Unknown, 2)]);
        let held = CampaignSummary {
            state: CampaignState::Held,
            ..summary(10, &[])
        };
        let relay = RelayStatus {
            relay: "primary".into(),
            health: RelayHealth::Resting,
            sessions: 0,
            max_sessions: 5,
            resting_until: None,
            fault: None,
        };
        assert_eq!(
            what(&[unknown.clone(), held], &[relay], true),
            [
                "No sender is at work",
                "Relay primary is down",
                "“Spring” is held",
                "2 unknown deliveries of “Spring”",
            ]
        );
        let skipped = CampaignSummary {
            unknown_policy: UnknownPolicy::Skip,
            ..unknown
        };
        assert!(what(&[skipped], &[], false).is_empty());
    }

    #[test]
    fn a_pause_that_a_person_made_needs_nobody() {
        let paused = CampaignSummary {
            state: CampaignState::Paused,
            ..summary(10, &[])
        };
        assert!(what(std::slice::from_ref(&paused), &[], true).is_empty());
        let by_itself = CampaignSummary {
            state_reason: Some("paused by itself".into()),
            ..paused
        };
        assert_eq!(what(&[by_itself], &[], true), ["“Spring” is paused"]);
    }
}
