//! When a campaign starts: a local time in a named zone, over changes of daylight-saving time.

use crate::time::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use std::time::Duration;

/// A start that a person chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The moment it means.
    pub at: Timestamp,
    /// What the person wrote, for showing again.
    pub local: String,
    /// The zone it was meant in, by its IANA name.
    pub zone: String,
}

/// A time that cannot be taken as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not a date and time.
    #[error("`{0}` is not a date and time: write it as \"2026-12-01 09:00\"")]
    NotATime(String),
    /// Not a zone of the time-zone database.
    #[error("`{0}` is not a time zone: write its IANA name, for example Europe/Berlin or America/New_York")]
    NoSuchZone(String),
    /// The clocks jump over it.
    #[error(
        "{local} does not exist in {zone}: the clocks go forward there, from {before} to {after}; choose a time before or after the gap"
    )]
    Skipped {
        /// As written.
        local: String,
        /// The zone.
        zone: String,
        /// UTC offset before the change.
        before: String,
        /// UTC offset after the change.
        after: String,
    },
    /// It happens twice.
    #[error(
        "{local} exists twice in {zone}: the clocks go back there; add the offset that you mean, \"{local}{before}\" for the first or \"{local}{after}\" for the second"
    )]
    Twice {
        /// As written.
        local: String,
        /// The zone.
        zone: String,
        /// UTC offset of the first.
        before: String,
        /// UTC offset of the second.
        after: String,
    },
    /// An offset was written that the zone does not have then.
    #[error("{local} is not a time of {zone}: its offset from UTC is then {expected}")]
    WrongOffset {
        /// As written.
        local: String,
        /// The zone.
        zone: String,
        /// The offset in force then.
        expected: String,
    },
}

/// A start that was missed by more than the campaign may be late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its time was missed by {}, and it may be {} late at most: schedule it again", in_words(*.late), in_words(*.greatest))]
pub struct Missed {
    /// By how much.
    pub late: Duration,
    /// How late it may be.
    pub greatest: Duration,
}

fn in_words(span: Duration) -> String {
    humantime::format_duration(Duration::from_secs(span.as_secs())).to_string()
}

/// Reads a local time, with or without an offset (`2026-12-01 09:00`, `2026-10-25 02:30+02:00`), in a zone.
pub fn parse(local: &str, zone: &str) -> Result<Schedule, ScheduleError> {
    let local = local.trim();
    let tz = TimeZone::get(zone).map_err(|_| ScheduleError::NoSuchZone(zone.to_owned()))?;
    let (civil_text, offset_text) = split_offset(local);
    let civil = read_civil(civil_text).ok_or_else(|| ScheduleError::NotATime(local.to_owned()))?;
    let ambiguous = tz.to_ambiguous_timestamp(civil);
    let at = match (ambiguous.offset(), offset_text) {
        (_, Some(offset)) => with_offset(local, civil, offset, &tz, zone)?,
        (AmbiguousOffset::Unambiguous { offset }, None) => offset
            .to_timestamp(civil)
            .map_err(|_| ScheduleError::NotATime(local.to_owned()))?,
        (AmbiguousOffset::Gap { before, after }, None) => {
            return Err(ScheduleError::Skipped {
                local: local.to_owned(),
                zone: zone.to_owned(),
                before: show_offset(before),
                after: show_offset(after),
            });
        }
        (AmbiguousOffset::Fold { before, after }, None) => {
            return Err(ScheduleError::Twice {
                local: local.to_owned(),
                zone: zone.to_owned(),
                before: show_offset(before),
                after: show_offset(after),
            });
        }
    };
    Ok(Schedule {
        at: at.into(),
        local: local.to_owned(),
        zone: zone.to_owned(),
    })
}

fn split_offset(local: &str) -> (&str, Option<&str>) {
    // The offset follows a time of day, so a sign before the first colon belongs to the date.
    let Some(colon) = local.find(':') else {
        return (local, None);
    };
    match local[colon..].find(['+', '-', 'Z']) {
        Some(at) => (local[..colon + at].trim_end(), Some(&local[colon + at..])),
        None => (local, None),
    }
}

fn read_civil(text: &str) -> Option<DateTime> {
    [
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M:%S",
    ]
    .iter()
    .find_map(|format| DateTime::strptime(format, text).ok())
}

fn with_offset(
    local: &str,
    civil: DateTime,
    offset: &str,
    tz: &TimeZone,
    zone: &str,
) -> Result<jiff::Timestamp, ScheduleError> {
    let offset = if offset == "Z" { "+00:00" } else { offset };
    let at: jiff::Timestamp = format!("{civil}{offset}")
        .parse()
        .map_err(|_| ScheduleError::NotATime(local.to_owned()))?;
    let in_force = tz.to_offset(at);
    if in_force.to_datetime(at) != civil {
        return Err(ScheduleError::WrongOffset {
            local: local.to_owned(),
            zone: zone.to_owned(),
            expected: show_offset(in_force),
        });
    }
    Ok(at)
}

fn show_offset(offset: jiff::tz::Offset) -> String {
    let seconds = offset.seconds();
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// What a scheduled campaign does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Its time has not come.
    NotYet,
    /// It starts.
    Now,
    /// Its time was missed by more than the campaign allows: a person must look.
    TooLate(Duration),
}

/// Compares a schedule with the clock. `greatest_lateness`: how late a start may be after an outage.
pub fn due(at: Timestamp, greatest_lateness: Duration, now: Timestamp) -> Due {
    if now < at {
        return Due::NotYet;
    }
    let late = now.since(at);
    if late > greatest_lateness {
        Due::TooLate(late)
    } else {
        Due::Now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_time_means_the_offset_in_force_that_day() {
        assert_eq!(
            parse("2026-12-01 09:00", "Europe/Berlin").unwrap().at.to_string(),
            "2026-12-01T08:00:00Z"
        );
        assert_eq!(
            parse("2026-07-01 09:00", "Europe/Berlin").unwrap().at.to_string(),
            "2026-07-01T07:00:00Z"
        );
        assert_eq!(
            parse("2026-07-01T09:00:30", "America/New_York")
                .unwrap()
                .at
                .to_string(),
            "2026-07-01T13:00:30Z"
        );
    }

    #[test]
    fn a_time_that_the_clocks_skip_is_explained() {
        let error = parse("2026-03-29 02:30", "Europe/Berlin")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("does not exist") && error.contains("+01:00") && error.contains("+02:00"),
            "{error}"
        );
    }

    #[test]
    fn a_time_that_exists_twice_is_explained_and_can_be_told_apart() {
        let error = parse("2026-10-25 02:30", "Europe/Berlin")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("exists twice") && error.contains("2026-10-25 02:30+02:00"),
            "{error}"
        );
        let first = parse("2026-10-25 02:30+02:00", "Europe/Berlin").unwrap().at;
        let second = parse("2026-10-25 02:30+01:00", "Europe/Berlin").unwrap().at;
        assert_eq!(second.since(first), Duration::from_secs(3600));
    }

    #[test]
    fn an_offset_that_the_zone_does_not_have_is_refused() {
        let error = parse("2026-12-01 09:00+05:00", "Europe/Berlin").unwrap_err();
        assert!(matches!(error, ScheduleError::WrongOffset { .. }), "{error}");
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        assert!(
            parse("tomorrow", "Europe/Berlin")
                .unwrap_err()
                .to_string()
                .contains("2026-12-01 09:00")
        );
        assert!(
            parse("2026-12-01 09:00", "Berlin")
                .unwrap_err()
                .to_string()
                .contains("Europe/Berlin")
        );
    }

    #[test]
    fn a_start_that_is_too_late_waits_for_a_person() {
        let at = Timestamp::from_seconds(1_000_000);
        let hour = Duration::from_secs(3600);
        assert_eq!(due(at, hour, at.minus(Duration::from_secs(1))), Due::NotYet);
        assert_eq!(due(at, hour, at.plus(hour)), Due::Now);
        assert_eq!(due(at, hour, at.plus(2 * hour)), Due::TooLate(2 * hour));
    }
}
