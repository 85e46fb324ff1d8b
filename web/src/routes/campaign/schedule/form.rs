//! What is written into the form that gives a campaign its time. Pure.

use serde::Deserialize;
use std::time::Duration;
use tidings_campaign::schedule::{Schedule, ScheduleError, parse};
use tidings_campaign::time::Timestamp;
use tidings_store::scheduling::Start;

/// The form, as it was sent.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ScheduleForm {
    /// `now`, or `at` the time that is written.
    pub(super) when: String,
    /// `2026-12-01`
    pub(super) date: String,
    /// `09:00`
    pub(super) time: String,
    /// `+02:00`, where a time exists twice.
    pub(super) offset: String,
    pub(super) zone: String,
    /// Hours; `1.5` are 90 minutes. Nothing: as fast as the limits let it.
    pub(super) spread: String,
    /// Minutes.
    pub(super) lateness: String,
}

/// What the campaign has already. The command line may have said it more finely than the form writes it down.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kept {
    pub(super) spread: Option<Duration>,
    pub(super) lateness: Duration,
}

impl Kept {
    /// As the form shows it, in hours.
    pub(super) fn spread_text(&self) -> String {
        self.spread.map_or_else(String::new, |span| rounded(span, 3600.0))
    }

    /// The same, in minutes.
    pub(super) fn lateness_text(&self) -> String {
        rounded(self.lateness, 60.0)
    }
}

fn rounded(span: Duration, unit: f64) -> String {
    ((span.as_secs_f64() / unit * 100.0).round() / 100.0).to_string()
}

/// What is wrong with it, field by field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Faults {
    pub(super) time: Option<String>,
    /// The offsets of the first and the second, if the time exists twice.
    pub(super) offsets: Option<[String; 2]>,
    pub(super) zone: Option<String>,
    pub(super) spread: Option<String>,
    pub(super) lateness: Option<String>,
}

impl Faults {
    fn is_none(&self) -> bool {
        *self == Faults::default()
    }
}

/// The longest spread: 31 days, in hours.
const LONGEST_SPREAD: f64 = 744.0;
/// The greatest lateness: a week, in minutes.
const LATEST: u64 = 7 * 24 * 60;

impl ScheduleForm {
    /// What it says, or all that is wrong with it. What nobody has changed stays just as it is. No list has cleared it yet.
    pub(super) fn read(&self, now: Timestamp, kept: &Kept) -> Result<Start, Box<Faults>> {
        let mut faults = Faults::default();
        let schedule = self.schedule(now, &mut faults);
        let spread = match self.spread == kept.spread_text() {
            true => Ok(kept.spread),
            false => spread(&self.spread),
        };
        let greatest_lateness = match self.lateness == kept.lateness_text() {
            true => Ok(Some(kept.lateness)),
            false => lateness(&self.lateness),
        };
        let spread = spread.unwrap_or_else(|fault| {
            faults.spread = Some(fault);
            None
        });
        let greatest_lateness = greatest_lateness.unwrap_or_else(|fault| {
            faults.lateness = Some(fault);
            None
        });
        match schedule {
            Some(schedule) if faults.is_none() => Ok(Start {
                schedule,
                spread,
                greatest_lateness,
                cleared: None,
            }),
            _ => Err(Box::new(faults)),
        }
    }

    fn schedule(&self, now: Timestamp, faults: &mut Faults) -> Option<Schedule> {
        if self.when == "now" {
            return Some(Schedule {
                at: now,
                local: String::new(),
                zone: "UTC".to_owned(),
            });
        }
        let (date, time) = (self.date.trim(), self.time.trim());
        if date.is_empty() || time.is_empty() {
            faults.time = Some("choose a date and a time, or send at once".to_owned());
            return None;
        }
        match parse(&format!("{date} {time}{}", self.offset.trim()), self.zone.trim()) {
            Ok(schedule) if schedule.at <= now => {
                faults.time = Some(format!("{date} {time} is over there: choose a later time"));
                None
            }
            Ok(schedule) => Some(schedule),
            Err(error) => {
                match &error {
                    ScheduleError::NoSuchZone(_) => faults.zone = Some(error.to_string()),
                    ScheduleError::Twice {
                        local,
                        zone,
                        before,
                        after,
                    } => {
                        faults.time = Some(format!(
                            "{local} exists twice in {zone}: the clocks go back there; say which one you mean"
                        ));
                        faults.offsets = Some([before.clone(), after.clone()]);
                    }
                    _ => faults.time = Some(error.to_string()),
                }
                None
            }
        }
    }
}

fn spread(text: &str) -> Result<Option<Duration>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let hours: f64 = text.replace(',', ".").parse().unwrap_or(f64::NAN);
    match hours {
        0.0 => Ok(None),
        _ if (0.1..=LONGEST_SPREAD).contains(&hours) => {
            Ok(Some(Duration::from_secs((hours * 3600.0).round() as u64)))
        }
        _ => Err("write hours from 0.1 to 744, or leave it empty".to_owned()),
    }
}

fn lateness(text: &str) -> Result<Option<Duration>, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<u64>() {
        Ok(minutes) if (1..=LATEST).contains(&minutes) => Ok(Some(Duration::from_secs(minutes * 60))),
        _ => Err(format!("write whole minutes from 1 to {LATEST}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-10-01 00:00 UTC.
    const NOW: Timestamp = Timestamp::from_seconds(1_790_812_800);

    fn form(date: &str, time: &str, zone: &str) -> ScheduleForm {
        ScheduleForm {
            when: "at".to_owned(),
            date: date.to_owned(),
            time: time.to_owned(),
            zone: zone.to_owned(),
            ..ScheduleForm::default()
        }
    }

    #[test]
    fn a_date_a_time_and_a_zone_are_a_moment() {
        let written = ScheduleForm {
            spread: "1,5".to_owned(),
            lateness: "30".to_owned(),
            ..form("2026-12-01", "09:00", "Europe/Berlin")
        };
        let start = written.read(NOW, &Kept::default()).unwrap();
        assert_eq!(start.schedule.at.to_string(), "2026-12-01T08:00:00Z");
        assert_eq!(start.schedule.local, "2026-12-01 09:00");
        assert_eq!(start.spread, Some(Duration::from_secs(5400)));
        assert_eq!(start.greatest_lateness, Some(Duration::from_secs(1800)));
    }

    #[test]
    fn at_once_needs_no_time() {
        let now = ScheduleForm {
            when: "now".to_owned(),
            ..ScheduleForm::default()
        };
        let start = now.read(NOW, &Kept::default()).unwrap();
        assert_eq!((start.schedule.at, start.spread), (NOW, None));
    }

    #[test]
    fn every_fault_stands_at_its_field() {
        let faults = form("2026-09-30", "09:00", "Europe/Berlin")
            .read(NOW, &Kept::default())
            .unwrap_err();
        assert!(faults.time.unwrap().contains("is over there"));
        let faults = form("2026-12-01", "09:00", "Mars/Olympus")
            .read(NOW, &Kept::default())
            .unwrap_err();
        assert!(faults.zone.unwrap().contains("IANA name") && faults.time.is_none());
        let faults = form("2027-03-28", "02:30", "Europe/Berlin")
            .read(NOW, &Kept::default())
            .unwrap_err();
        assert!(faults.time.unwrap().contains("does not exist"));
        let faults = ScheduleForm {
            spread: "a while".to_owned(),
            lateness: "soon".to_owned(),
            ..form("", "", "UTC")
        };
        let faults = faults.read(NOW, &Kept::default()).unwrap_err();
        assert!(faults.time.is_some() && faults.spread.is_some() && faults.lateness.is_some());
    }

    #[test]
    fn a_time_that_exists_twice_is_asked_about() {
        let mut written = form("2026-10-25", "02:30", "Europe/Berlin");
        let faults = written.read(NOW, &Kept::default()).unwrap_err();
        assert_eq!(faults.offsets, Some(["+02:00".to_owned(), "+01:00".to_owned()]));
        written.offset = "+01:00".to_owned();
        let start = written.read(NOW, &Kept::default()).unwrap();
        assert_eq!(start.schedule.at.to_string(), "2026-10-25T01:30:00Z");
    }

    #[test]
    fn what_nobody_has_changed_is_not_rounded() {
        let kept = Kept {
            spread: Some(Duration::from_secs(100)),
            lateness: Duration::from_secs(2),
        };
        let as_shown = ScheduleForm {
            spread: kept.spread_text(),
            lateness: kept.lateness_text(),
            ..form("2026-12-01", "09:00", "Europe/Zurich")
        };
        assert_eq!(
            (as_shown.spread.as_str(), as_shown.lateness.as_str()),
            ("0.03", "0.03")
        );
        let start = as_shown.read(NOW, &kept).unwrap();
        assert_eq!(
            (start.spread, start.greatest_lateness),
            (kept.spread, Some(kept.lateness))
        );
        // Written by a person, it is what it says.
        assert!(as_shown.read(NOW, &Kept::default()).is_err());
    }
}
