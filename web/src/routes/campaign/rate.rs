//! How fast a campaign went out, over time. Pure.

use crate::figures::chart::{Chart, Series, rounded};
use std::collections::BTreeMap;
use tidings_store::flow::CampaignMinute;

/// Points of the chart at most: what is longer is drawn in wider steps.
const POINTS: i64 = 240;

/// Messages accepted, deferred and refused per minute, from the first minute of sending to the last. None if nothing was
/// sent.
pub(super) fn chart(minutes: &[CampaignMinute]) -> Option<Chart> {
    let sent = || {
        minutes
            .iter()
            .filter(|row| kind(&row.outcome).is_some())
            .map(|row| row.minute)
    };
    let (first, last) = (sent().min()?, sent().max()?);
    // An empty minute on each side, so that a short campaign is a hill and not a dot.
    let (first, last) = (first - 1, last + 1);
    let step = (last - first) / POINTS + 1;
    let n = (last - first) / step + 1;
    let mut sums: BTreeMap<(&str, i64), i64> = BTreeMap::new();
    for row in minutes {
        if let Some(kind) = kind(&row.outcome) {
            *sums.entry((kind, (row.minute - first) / step)).or_default() += row.n;
        }
    }
    let series = KINDS.map(|(key, label)| Series {
        key,
        label,
        values: (0..n)
            .map(|at| sums.get(&(key, at)).copied().unwrap_or_default() as f64 / step as f64)
            .map(rounded)
            .collect(),
    });
    let seconds: Vec<i64> = (0..n).map(|at| (first + at * step) * 60).collect();
    let slots = usize::try_from(n).unwrap_or_default();
    let label = "messages accepted, deferred and refused per minute";
    Some(Chart::new(label, &seconds, slots, &series))
}

const KINDS: [(&str, &str); 3] = [
    ("accepted", "accepted/min"),
    ("deferred", "deferred/min"),
    ("rejected", "refused/min"),
];

fn kind(outcome: &str) -> Option<&'static str> {
    match outcome {
        "accepted" => Some("accepted"),
        "deferred" => Some("deferred"),
        "rejected" | "expired" => Some("rejected"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minute: i64, outcome: &str, n: i64) -> CampaignMinute {
        CampaignMinute {
            minute,
            outcome: outcome.into(),
            n,
        }
    }

    #[test]
    fn a_short_campaign_is_drawn_by_the_minute() {
        let rows = [
            minute(10, "accepted", 600),
            minute(11, "rejected", 6),
            minute(5000, "unsubscribed", 1),
        ];
        let json = serde_json::to_value(chart(&rows).unwrap()).unwrap();
        assert_eq!(
            json["data"],
            r#"{"x":[540,600,660,720],"series":[{"key":"accepted","label":"accepted/min","y":[0.0,600.0,0.0,0.0]},{"key":"deferred","label":"deferred/min","y":[0.0,0.0,0.0,0.0]},{"key":"rejected","label":"refused/min","y":[0.0,0.0,6.0,0.0]}]}"#
        );
        assert!(chart(&rows[2..]).is_none(), "an unsubscribe is no sending");
    }

    #[test]
    fn a_long_campaign_has_no_more_points_than_can_be_seen() {
        let rows: Vec<_> = (0..10_000).map(|at| minute(at, "accepted", 60)).collect();
        let json = serde_json::to_value(chart(&rows).unwrap()).unwrap();
        let data: serde_json::Value = serde_json::from_str(json["data"].as_str().unwrap()).unwrap();
        let y = data["series"][0]["y"].as_array().unwrap();
        assert!(y.len() <= 241, "{}", y.len());
        assert_eq!(y[100], 60.0, "a rate, whatever the step");
    }
}
