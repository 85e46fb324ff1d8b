//! `date`: a date, perhaps with a time, as the recipient's language writes it.

use super::call::{Call, Fault, Term};
use super::language;
use icu_calendar::{Date, Gregorian};
use icu_datetime::FixedCalendarDateTimeFormatter;
use icu_datetime::fieldsets::builder::{DateFields, FieldSetBuilder};
use icu_datetime::fieldsets::enums::CompositeDateTimeFieldSet;
use icu_datetime::options::{Length, TimePrecision};
use icu_locale_core::LanguageIdentifier;
use icu_time::{DateTime, Time};
use jiff::civil;
use jiff::tz::TimeZone;

/// The longest pattern such as `%d.%m.%Y`, in octets.
const LONGEST_PATTERN: usize = 100;

pub(super) type DateFormatter = FixedCalendarDateTimeFormatter<Gregorian, CompositeDateTimeFieldSet>;

/// Which parts of a date are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Style {
    Short,
    Medium,
    Long,
    Full,
    Month,
    Day,
    Weekday,
    Time,
}

impl Style {
    const ALL: [(&'static str, Style); 8] = [
        ("short", Style::Short),
        ("medium", Style::Medium),
        ("long", Style::Long),
        ("full", Style::Full),
        ("month", Style::Month),
        ("day", Style::Day),
        ("weekday", Style::Weekday),
        ("time", Style::Time),
    ];

    fn parse(word: &str) -> Result<Style, Fault> {
        Style::named(word).ok_or_else(|| Fault::Because(Style::not_known(word)))
    }

    fn named(word: &str) -> Option<Style> {
        let found = Style::ALL.into_iter().find(|(name, _)| *name == word);
        found.map(|(_, style)| style)
    }

    fn not_known(word: &str) -> String {
        let names = Style::ALL.map(|(name, _)| name).join(", ");
        format!("there is no style “{word}”, only {names}, or a pattern such as \"%d.%m.%Y\"")
    }

    fn fields(self) -> (Length, Option<DateFields>) {
        match self {
            Style::Short => (Length::Short, Some(DateFields::YMD)),
            Style::Medium => (Length::Medium, Some(DateFields::YMD)),
            Style::Long => (Length::Long, Some(DateFields::YMD)),
            Style::Full => (Length::Long, Some(DateFields::YMDE)),
            Style::Month => (Length::Long, Some(DateFields::YM)),
            Style::Day => (Length::Long, Some(DateFields::MD)),
            Style::Weekday => (Length::Long, Some(DateFields::E)),
            Style::Time => (Length::Medium, None),
        }
    }
}

/// What a formatter is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    style: Style,
    with_time: bool,
}

impl Shape {
    pub(super) fn formatter(self, language: &LanguageIdentifier) -> Result<DateFormatter, String> {
        let (length, fields) = self.style.fields();
        let mut builder = FieldSetBuilder::new();
        builder.length = Some(length);
        builder.date_fields = fields;
        builder.time_precision = self.with_time.then_some(TimePrecision::Minute);
        let fields = builder
            .build_composite_datetime()
            .map_err(|error| error.to_string())?;
        DateFormatter::try_new(language.into(), fields).map_err(|error| error.to_string())
    }
}

/// Whether the month names of this language are known. Without them dates would read like `2026 M01 31`.
pub(super) fn has_names(language: &LanguageIdentifier) -> bool {
    let shape = Shape {
        style: Style::Long,
        with_time: false,
    };
    let Ok(formatter) = shape.formatter(language) else {
        return false;
    };
    !formatter
        .format(&icu(civil::date(2026, 1, 31).at(0, 0, 0, 0)))
        .to_string()
        .contains("M01")
}

fn icu(value: civil::DateTime) -> DateTime<Gregorian> {
    let date = Date::try_new_gregorian(
        value.year().into(),
        value.month().unsigned_abs(),
        value.day().unsigned_abs(),
    );
    let time = Time::try_new(
        value.hour().unsigned_abs(),
        value.minute().unsigned_abs(),
        value.second().unsigned_abs(),
        0,
    );
    DateTime {
        date: date.expect("jiff's dates exist"),
        time: time.expect("jiff's times exist"),
    }
}

/// A date, with a time or without.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Read {
    value: civil::DateTime,
    has_time: bool,
}

/// Reads `2026-01-31`, or with a time `2026-01-31 19:00`, which may end with an offset; without one it is UTC. A time is
/// brought into the zone, a date alone stays what it is.
fn read(text: &str, zone: &TimeZone) -> Option<Read> {
    const LONGEST: usize = 100;
    let text = text.trim();
    if text.len() > LONGEST {
        return None;
    }
    if text.len() == "2026-01-31".len() {
        let value = text.parse::<civil::Date>().ok()?.at(0, 0, 0, 0);
        return Some(Read {
            value,
            has_time: false,
        });
    }
    if text.as_bytes().get(4) != Some(&b'-') {
        return None;
    }
    let instant = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => instant,
        Err(_) => TimeZone::UTC
            .to_timestamp(text.parse::<civil::DateTime>().ok()?)
            .ok()?,
    };
    let value = zone.to_datetime(instant);
    Some(Read {
        value,
        has_time: true,
    })
}

/// What is wrong with a time zone, if it is none.
pub(super) fn unknown_zone(name: &str) -> Option<String> {
    TimeZone::get(name).is_err().then(|| zone_not_known(name))
}

fn zone_not_known(name: &str) -> String {
    format!("the time zone “{name}” is not known: write it like Europe/Berlin")
}

/// What is wrong with a style, if it is neither one nor a pattern that can be used.
pub(super) fn unknown_style(style: &str) -> Option<String> {
    if style.contains('%') {
        let any = civil::date(2026, 1, 31).at(0, 0, 0, 0);
        return by_pattern(style, any).is_err().then(|| bad_pattern(style));
    }
    Style::named(style).is_none().then(|| Style::not_known(style))
}

pub(super) fn date<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    let zone = match call.text_option("zone")? {
        None => TimeZone::UTC,
        Some(name) => TimeZone::get(&name).map_err(|_| zone_not_known(&name))?,
    };
    let term = call.param(0)?;
    let read = match term {
        Term::Text(text) => read(text, &zone),
        _ => None,
    };
    let read = read.ok_or_else(|| {
        format!(
            "{} is not a date: write dates like 2026-01-31 or 2026-01-31T19:00Z",
            term.shown()
        )
    })?;
    let asked = match call.params.get(1) {
        None => "medium".into(),
        Some(_) => call.text(1)?,
    };
    if asked.contains('%') {
        return pattern(&asked, read.value);
    }
    let style = Style::parse(&asked)?;
    let with_time = match call.option("time")? {
        None => style == Style::Time,
        Some(asked) => asked.is_truthy() || style == Style::Time,
    };
    if with_time && !read.has_time {
        return Err(Fault::Because(format!("{} has no time", term.shown())));
    }
    if with_time && matches!(style, Style::Month | Style::Day | Style::Weekday) {
        return Err(Fault::Because(format!(
            "the style {asked} has no place for a time"
        )));
    }
    let language = language::of(call)?;
    let shape = Shape { style, with_time };
    language::with_dates(&language, shape, |formatter| {
        Term::owned(formatter.format(&icu(read.value)).to_string())
    })
}

fn pattern<'a>(pattern: &str, value: civil::DateTime) -> Result<Term<'a>, Fault> {
    by_pattern(pattern, value)
        .map(Term::owned)
        .map_err(|()| Fault::Because(bad_pattern(pattern)))
}

fn by_pattern(pattern: &str, value: civil::DateTime) -> Result<String, ()> {
    if pattern.len() > LONGEST_PATTERN {
        return Err(());
    }
    jiff::fmt::strtime::format(pattern, value).map_err(drop)
}

fn bad_pattern(pattern: &str) -> String {
    format!("the pattern “{pattern}” cannot be used: %d, %m, %Y, %H, %M and their like can")
}
