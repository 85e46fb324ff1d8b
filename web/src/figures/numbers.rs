//! Numbers, shares and times as text.

use std::time::Duration;
use tidings_campaign::schedule::Schedule;
use tidings_campaign::time::Timestamp;

/// `1,234,567`.
pub(crate) fn count(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        text.push('−');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A rate with one decimal below ten and none above.
pub(crate) fn per_second(rate: f64) -> String {
    if rate > 0.0 && rate < 9.95 {
        format!("{rate:.1}")
    } else {
        count(rate.round() as i64)
    }
}

/// `n` of `whole` in percent, exact where it is small: `0.07 %`, `4.2 %`, `31 %`. Of nothing: a dash.
pub(crate) fn share(n: i64, whole: i64) -> String {
    if whole <= 0 {
        return none();
    }
    let percent = n as f64 * 100.0 / whole as f64;
    match percent {
        0.0 => "0 %".to_owned(),
        ..0.995 => format!("{percent:.2} %"),
        ..9.95 => format!("{percent:.1} %"),
        _ => format!("{percent:.0} %"),
    }
}

/// `40 s`, `12 min`, `3 h 20 min`, `4 days`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{} s", seconds.max(1)),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Where there is no figure.
pub(crate) fn none() -> String {
    "–".to_owned()
}

/// As the person wrote it; a start "now" has no such words.
pub(crate) fn start(schedule: &Schedule) -> String {
    if schedule.local.is_empty() {
        moment(schedule.at)
    } else {
        format!("{} {}", schedule.local, schedule.zone)
    }
}

/// `2026-12-01 09:00:00 UTC`.
pub(crate) fn moment(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `1 Dec, 09:00`, in UTC.
pub(crate) fn short_moment(at: Timestamp) -> String {
    at.to_jiff().strftime("%-d %b, %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_thousands_separators() {
        assert_eq!(
            [0, 999, 1000, 1_234_567, -1000].map(count),
            ["0", "999", "1,000", "1,234,567", "−1,000"]
        );
    }

    #[test]
    fn rates_are_exact_where_they_are_small() {
        assert_eq!(
            [0.0, 0.25, 9.94, 9.96, 1234.4].map(per_second),
            ["0", "0.2", "9.9", "10", "1,234"]
        );
    }

    #[test]
    fn shares_are_exact_where_they_are_small() {
        let shares = [(0, 10), (7, 10_000), (42, 1000), (31, 100), (1, 0)];
        assert_eq!(
            shares.map(|(n, whole)| share(n, whole)),
            ["0 %", "0.07 %", "4.2 %", "31 %", "–"]
        );
    }
}
