//! A share against its lines. Pure.

use super::view::Seen;
use crate::figures::numbers::{count, share};
use crate::live::Day;
use serde::Serialize;
use tidings_feedback::thresholds::{ComplaintLine, Share};

/// A share against its lines; lengths in thousandths of the whole.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Meter {
    pub(super) share: String,
    /// `37 of 41,200 accepted`.
    pub(super) of: String,
    pub(super) width: i64,
    lines: Vec<Line>,
    level: &'static str,
    /// The level in words.
    words: String,
}

#[derive(Debug, Serialize)]
struct Line {
    x: i64,
    label: String,
    is_worst: bool,
}

/// Where mailbox providers begin to look, and where they refuse, in millionths.
const COMPLAINT_LINES: [u32; 2] = [1_000, 3_000];

impl Meter {
    /// Hard bounces of the last day against the threshold at which campaigns pause.
    pub(super) fn hard(seen: &Seen<'_>) -> Meter {
        let (n, whole) = (seen.day.happened.hard, seen.day.settled);
        let threshold = seen.thresholds.hard_bounces;
        let passed = threshold != Share::NEVER && threshold.is_passed_by(positive(n), positive(whole));
        let near = threshold != Share::NEVER && threshold.is_passed_by(positive(n) * 2, positive(whole));
        let (level, words) = match (passed, near) {
            (true, _) => ("bad", format!("above {threshold}, where campaigns pause")),
            (_, true) => (
                "warn",
                format!("more than half of {threshold}, where campaigns pause"),
            ),
            _ if threshold == Share::NEVER => ("good", "no threshold is set".to_owned()),
            _ => ("good", format!("campaigns pause at {threshold}")),
        };
        let lines: Vec<u32> = match threshold {
            Share::NEVER => Vec::new(),
            threshold => vec![threshold.millionths()],
        };
        Meter::new((n, whole), "with an outcome", &lines, (level, words))
    }

    /// Complaints of the last day against what mailbox providers put up with.
    pub(super) fn complaints(day: &Day) -> Meter {
        let (n, whole) = (day.happened.complaints, day.accepted);
        let line = ComplaintLine::of(positive(n), positive(whole));
        let level = match line {
            ComplaintLine::Good => "good",
            ComplaintLine::Raised => "warn",
            ComplaintLine::Harmful => "bad",
        };
        Meter::new(
            (n, whole),
            "accepted",
            &COMPLAINT_LINES,
            (level, line.to_string()),
        )
    }

    pub(super) fn level(&self) -> &'static str {
        self.level
    }

    fn new((n, whole): (i64, i64), of: &str, lines: &[u32], (level, words): (&'static str, String)) -> Meter {
        let value = match whole {
            ..=0 => 0.0,
            _ => n as f64 * 1e6 / whole as f64,
        };
        // The last line stands at two thirds, unless the value is beyond the end then.
        let last = lines.last().map_or(50_000.0, |line| f64::from(*line));
        let end = (last * 1.5).max(value);
        let place = |millionths: f64| (millionths * 1000.0 / end).round() as i64;
        Meter {
            share: share(n, whole),
            of: format!("{} of {} {of}", count(n), count(whole)),
            width: place(value),
            lines: lines
                .iter()
                .map(|line| Line {
                    x: place(f64::from(*line)),
                    label: Share::of_millionths(*line).to_string(),
                    is_worst: Some(line) == lines.last(),
                })
                .collect(),
            level,
            words,
        }
    }
}

fn positive(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::happened::Happened;

    fn day(complaints: i64) -> Day {
        Day {
            accepted: 10_000,
            settled: 10_000,
            happened: Happened {
                complaints,
                ..Happened::default()
            },
            ..Day::default()
        }
    }

    #[test]
    fn complaints_are_measured_at_the_lines_of_the_providers() {
        let levels = [0, 9, 10, 30].map(|n| Meter::complaints(&day(n)).level());
        assert_eq!(levels, ["good", "good", "warn", "bad"]);
        let meter = Meter::complaints(&day(15));
        assert_eq!((meter.width, meter.lines[0].x, meter.lines[1].x), (333, 222, 667));
        assert_eq!(meter.of, "15 of 10,000 accepted");
    }

    #[test]
    fn a_value_beyond_the_lines_fills_the_meter() {
        let meter = Meter::complaints(&day(100));
        assert_eq!((meter.width, meter.lines[1].x), (1000, 300));
        assert_eq!(Meter::complaints(&Day::default()).width, 0);
    }
}
