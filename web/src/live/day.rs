//! The last 24 hours: bounces, complaints and unsubscribes against what was accepted.

use crate::figures::happened::Happened;
use std::collections::BTreeMap;
use tidings_store::flow::HourCount;

/// Hours that are shown.
pub(crate) const HOURS: usize = 24;

/// What happened in the last hours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Day {
    pub(crate) accepted: i64,
    /// Accepted, or refused for good.
    pub(crate) settled: i64,
    pub(crate) happened: Happened,
    pub(crate) by_hour: BTreeMap<i64, Happened>,
}

impl Day {
    pub(crate) fn of(counts: &[HourCount]) -> Day {
        let mut day = Day::default();
        for count in counts {
            match count.kind.as_str() {
                "accepted" => {
                    day.accepted += count.n;
                    day.settled += count.n;
                }
                "rejected" | "expired" => day.settled += count.n,
                _ => {}
            }
            day.happened.add(&count.kind, &count.class, count.n);
            let hour = day.by_hour.entry(count.hour).or_default();
            hour.add(&count.kind, &count.class, count.n);
        }
        day
    }

    /// One figure by the hour, `hour` (since 1970) the last one.
    pub(crate) fn by_hour(&self, hour: i64, figure: impl Fn(&Happened) -> i64) -> Vec<f64> {
        let first = hour + 1 - i64::try_from(HOURS).unwrap_or(i64::MAX);
        (first..=hour)
            .map(|hour| {
                self.by_hour
                    .get(&hour)
                    .map_or(0.0, |happened| figure(happened) as f64)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_about_something_that_was_accepted_before() {
        let count = |hour, kind: &str, class: &str, n| HourCount {
            hour,
            kind: kind.into(),
            class: class.into(),
            n,
        };
        let day = Day::of(&[
            count(9, "accepted", "", 90),
            count(9, "rejected", "hard", 10),
            count(10, "bounce", "hard", 3),
            count(10, "complaint", "complaint", 1),
        ]);
        assert_eq!((day.accepted, day.settled), (90, 100));
        assert_eq!((day.happened.hard, day.happened.complaints), (13, 1));
        let hard = day.by_hour(10, |happened| happened.hard);
        assert_eq!(hard[HOURS - 2..], [10.0, 3.0]);
    }
}
