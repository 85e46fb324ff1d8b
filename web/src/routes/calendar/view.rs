//! A month as a table of weeks. Pure.

use crate::figures::numbers::span as span_words;
use crate::figures::zones::{self, Zone};
use jiff::ToSpan;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use serde::Serialize;
use tidings_campaign::time::Timestamp;
use tidings_store::scheduling::CalendarEntry;
use url::form_urlencoded::Serializer;

/// A month of a year from 1970 to 2200.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Month {
    first: Date,
}

/// The page.
#[derive(Debug, Serialize)]
pub(super) struct CalendarPage {
    /// `December 2026`
    title: String,
    month: String,
    zone: String,
    zones: Vec<Zone>,
    previous: String,
    next: String,
    /// Where this month is, if another one is shown.
    this_month: Option<String>,
    weeks: Vec<[Day; 7]>,
    is_empty: bool,
}

#[derive(Debug, Default, Serialize)]
struct Day {
    /// `7`
    number: String,
    /// `Monday, 7 December`
    name: String,
    is_today: bool,
    /// Of the month before or after.
    is_outside: bool,
    entries: Vec<EntryView>,
    /// So many more than are shown.
    more: usize,
}

#[derive(Debug, Serialize)]
struct EntryView {
    id: i64,
    name: String,
    state: &'static str,
    /// `09:00`
    time: String,
    /// `over 4 h 0 min`
    spread: Option<String>,
}

/// Campaigns of one day that are shown.
const SHOWN: usize = 8;

impl Month {
    pub(super) fn of(day: Date) -> Month {
        Month {
            first: day.first_of_month(),
        }
    }

    /// `2026-12`
    pub(super) fn parse(text: &str) -> Option<Month> {
        let (year, month) = text.split_once('-')?;
        let (year, month) = (year.parse().ok()?, month.parse().ok()?);
        let is_known = (1970..=2200).contains(&year) && (1..=12).contains(&month);
        is_known.then(|| Month {
            first: date(year, month, 1),
        })
    }

    fn code(self) -> String {
        self.first.strftime("%Y-%m").to_string()
    }

    fn other(self, months: i32) -> Month {
        Month {
            first: self.first.saturating_add(months.months()),
        }
    }

    /// The Monday with which its table begins, and how many weeks it has.
    fn table(self) -> (Date, usize) {
        let before = self.first.weekday().to_monday_zero_offset();
        let days =
            usize::from(before.unsigned_abs()) + usize::from(self.first.days_in_month().unsigned_abs());
        (
            self.first.saturating_sub(i64::from(before).days()),
            days.div_ceil(7),
        )
    }

    /// The time of its table's days.
    pub(super) fn span(self, tz: &TimeZone) -> (Timestamp, Timestamp) {
        let (monday, weeks) = self.table();
        let days = i64::try_from(weeks * 7).expect("a month has at most six weeks");
        let moment = |day: Date| {
            tz.to_ambiguous_timestamp(day.at(0, 0, 0, 0))
                .compatible()
                .map_or(Timestamp(0), Timestamp::from)
        };
        (moment(monday), moment(monday.saturating_add(days.days())))
    }
}

impl CalendarPage {
    pub(super) fn new(
        month: Month,
        today: Date,
        (zone, tz): (String, &TimeZone),
        entries: &[CalendarEntry],
    ) -> CalendarPage {
        let (monday, weeks) = month.table();
        let mut day = monday;
        let mut next_day = || {
            let view = day_view(day, month, today, tz, entries);
            day = day.saturating_add(1.days());
            view
        };
        let weeks = (0..weeks).map(|_| std::array::from_fn(|_| next_day())).collect();
        let this = Month::of(today);
        CalendarPage {
            title: month.first.strftime("%B %Y").to_string(),
            month: month.code(),
            previous: href(month.other(-1), &zone),
            next: href(month.other(1), &zone),
            this_month: (this != month).then(|| href(this, &zone)),
            weeks,
            is_empty: entries.is_empty(),
            zones: zones::all(),
            zone,
        }
    }
}

fn day_view(day: Date, month: Month, today: Date, tz: &TimeZone, entries: &[CalendarEntry]) -> Day {
    let of_day = entries
        .iter()
        .map(|entry| (entry, tz.to_datetime(entry.at.to_jiff())))
        .filter(|(_, at)| at.date() == day);
    let mut views: Vec<_> = of_day
        .map(|(entry, at)| EntryView {
            id: entry.id.0,
            name: entry.name.clone(),
            state: entry.state.as_str(),
            time: at.strftime("%H:%M").to_string(),
            spread: entry.spread.map(|spread| format!("over {}", span_words(spread))),
        })
        .collect();
    let more = views.len().saturating_sub(SHOWN);
    views.truncate(SHOWN);
    Day {
        number: day.day().to_string(),
        name: day.strftime("%A, %-d %B").to_string(),
        is_today: day == today,
        is_outside: Month::of(day) != month,
        entries: views,
        more,
    }
}

fn href(month: Month, zone: &str) -> String {
    let query = Serializer::new(String::new())
        .append_pair("month", &month.code())
        .append_pair("zone", zone)
        .finish();
    format!("/calendar?{query}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tidings_campaign::ids::CampaignId;
    use tidings_campaign::lifecycle::CampaignState;

    fn entry(at: &str) -> CalendarEntry {
        CalendarEntry {
            id: CampaignId(7),
            name: "Winter".to_owned(),
            state: CampaignState::Scheduled,
            at: at.parse::<jiff::Timestamp>().unwrap().into(),
            spread: Some(Duration::from_secs(4 * 3600)),
        }
    }

    fn page(month: &str, zone: &str, entries: &[CalendarEntry]) -> CalendarPage {
        let (name, tz) = zones::named(zone);
        CalendarPage::new(
            Month::parse(month).unwrap(),
            date(2026, 12, 24),
            (name, &tz),
            entries,
        )
    }

    #[test]
    fn a_month_is_whole_weeks_from_monday_on() {
        let page = page("2026-12", "UTC", &[]);
        assert_eq!(page.title, "December 2026");
        assert_eq!(page.weeks.len(), 5);
        assert_eq!(page.weeks[0][0].name, "Monday, 30 November");
        assert!(page.weeks[0][0].is_outside && !page.weeks[0][1].is_outside);
        assert_eq!(page.weeks[4][6].name, "Sunday, 3 January");
        let today: Vec<_> = page.weeks.iter().flatten().filter(|day| day.is_today).collect();
        assert_eq!(today[0].number, "24");
        assert!(page.is_empty && page.this_month.is_none());
        assert_eq!(page.next, "/calendar?month=2027-01&zone=UTC");
        assert_eq!(page.previous, "/calendar?month=2026-11&zone=UTC");
    }

    #[test]
    fn a_campaign_stands_on_the_day_that_it_is_in_the_zone() {
        let late = [entry("2026-12-07T23:30:00Z")];
        let on = |zone| {
            let page = page("2026-12", zone, &late);
            let days = page.weeks.iter().flatten();
            let found: Vec<_> = days
                .filter(|day| !day.entries.is_empty())
                .map(|day| (day.number.clone(), day.entries[0].time.clone()))
                .collect();
            found
        };
        assert_eq!(on("UTC"), [("7".to_owned(), "23:30".to_owned())]);
        assert_eq!(on("Europe/Berlin"), [("8".to_owned(), "00:30".to_owned())]);
    }

    #[test]
    fn a_day_with_very_many_says_how_many_more() {
        let many = vec![entry("2026-12-07T09:00:00Z"); SHOWN + 3];
        let page = page("2026-12", "UTC", &many);
        let day = page.weeks.iter().flatten().find(|day| day.more > 0).unwrap();
        assert_eq!((day.entries.len(), day.more), (SHOWN, 3));
        assert_eq!(day.entries[0].spread.as_deref(), Some("over 4 h 0 min"));
    }

    #[test]
    fn only_months_are_months() {
        for text in ["", "2026", "2026-13", "2026-0", "99999-1", "x-y"] {
            assert_eq!(Month::parse(text), None, "{text}");
        }
        let (from, before) = Month::parse("2026-12").unwrap().span(&TimeZone::UTC);
        assert_eq!(from.to_string(), "2026-11-30T00:00:00Z");
        assert_eq!(before.to_string(), "2027-01-04T00:00:00Z");
    }
}
