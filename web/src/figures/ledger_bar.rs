//! The ledger's sum as one bar.

use super::numbers::count;
use serde::Serialize;
use tidings_campaign::lifecycle::DeliveryState;
use tidings_store::stats::CampaignSummary;

/// One part of a bar, in thousandths of its width.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Segment {
    pub(crate) key: &'static str,
    label: &'static str,
    meaning: &'static str,
    pub(crate) n: i64,
    pub(crate) count: String,
    pub(crate) x: i64,
    pub(crate) width: i64,
}

type Part = (&'static str, &'static str, &'static str, &'static [DeliveryState]);

/// Key, label, meaning, states: the bar from left to right.
const PARTS: [Part; 8] = [
    (
        "accepted",
        "accepted",
        "a relay took it",
        &[DeliveryState::Accepted],
    ),
    (
        "rejected",
        "rejected",
        "refused for good",
        &[DeliveryState::Rejected],
    ),
    (
        "expired",
        "expired",
        "put off until its time was over",
        &[DeliveryState::Expired],
    ),
    (
        "withheld",
        "withheld",
        "not sent by us: not eligible any more, or not renderable",
        &[DeliveryState::Withheld],
    ),
    (
        "unknown",
        "unknown",
        "handed over, but the answer was lost: never sent again without being told to",
        &[DeliveryState::Unknown],
    ),
    (
        "deferred",
        "deferred",
        "refused for now, or waiting for a limit: goes out when it is due",
        &[DeliveryState::Deferred],
    ),
    (
        "underway",
        "on the way",
        "held by a sender or on the wire",
        &[DeliveryState::Leased, DeliveryState::OnWire],
    ),
    (
        "planned",
        "to go",
        "waits for its turn",
        &[DeliveryState::Planned],
    ),
];

/// The bar of a campaign.
pub(crate) fn segments(summary: &CampaignSummary) -> Vec<Segment> {
    let whole = summary.planned.max(1);
    // A single node's counters may be negative for a moment; the sum over all of them is not, but it may lag.
    let counts = PARTS.map(|(.., states)| states.iter().map(|s| summary.count(*s)).sum::<i64>().max(0));
    let mut before = 0;
    PARTS
        .iter()
        .zip(counts)
        .map(|((key, label, meaning, _), n)| {
            let x = (before * 1000 / whole).min(1000);
            before += n;
            let end = (before * 1000 / whole).min(1000);
            Segment {
                key,
                label,
                meaning,
                n,
                count: count(n),
                x,
                width: end - x,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::campaign::tests::summary;

    #[test]
    fn the_bar_has_no_gaps_and_is_never_longer_than_the_whole() {
        let summary = summary(
            3,
            &[
                (DeliveryState::Accepted, 1),
                (DeliveryState::Rejected, 1),
                (DeliveryState::Planned, 2),
            ],
        );
        let segments = segments(&summary);
        let mut x = 0;
        for segment in &segments {
            assert_eq!(segment.x, x);
            x += segment.width;
        }
        assert_eq!(x, 1000);
    }
}
