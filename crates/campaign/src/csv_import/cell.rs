//! What the cell of a spreadsheet says, as the text that would stand in a CSV.

use super::sheet::CellText;
use calamine::{DataRef, ExcelDateTime};

/// Numbers of days that are dates to a spreadsheet: up to the end of the year 9999.
const DAYS: std::ops::Range<f64> = 0.0..2_958_466.0;

/// The text of a cell; none if it is empty.
pub(super) fn text(value: &DataRef<'_>) -> Option<CellText> {
    Some(match value {
        DataRef::Empty => return None,
        DataRef::String(text) => Ok(text.clone()),
        DataRef::SharedString(text) => Ok((*text).to_owned()),
        DataRef::Int(number) => Ok(number.to_string()),
        DataRef::Float(value) => Ok(number(*value)),
        DataRef::Bool(yes) => Ok(yes.to_string()),
        DataRef::DateTime(time) => date(*time),
        DataRef::DateTimeIso(time) => Ok(day_or_time(time)),
        DataRef::DurationIso(duration) => Ok(clock_time(duration)),
        DataRef::Error(error) => Err(has_error(&error.to_string())),
    })
}

/// Why a cell with an error is not taken. Reads on after the cell.
pub(super) fn has_error(error: &str) -> String {
    format!("has the error {error} in place of a value: correct it in the spreadsheet")
}

/// Why a formula without a value is not taken. Reads on after the cell.
pub(super) const NOT_COMPUTED: &str = "has a formula that was never computed: open the file in a spreadsheet program, which computes it, and save it again";

/// A number as a spreadsheet shows it: whole ones without decimals, all of them with 15 digits at most, beyond which
/// its sums are not exact.
pub(super) fn number(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let shown: f64 = format!("{value:.14e}").parse().unwrap_or(value);
    shown.to_string()
}

fn date(time: ExcelDateTime) -> CellText {
    if !DAYS.contains(&time.as_f64()) {
        return Err("has a date that is no date: before 1900 or after 9999".to_owned());
    }
    let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    if time.is_duration() {
        let seconds = (time.as_f64() * 86_400.0).round() as u64;
        return Ok(format!(
            "{:02}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        ));
    }
    Ok(if time.as_f64() < 1.0 {
        clock
    } else if clock == "00:00:00" {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02}T{clock}")
    })
}

/// An ISO date; the time is left out if it is midnight.
pub(super) fn day_or_time(iso: &str) -> String {
    match iso.split_once('T') {
        Some((day, clock)) if clock.starts_with("00:00:00") => day.to_owned(),
        _ => iso.to_owned(),
    }
}

/// `PT09H30M00S` as `09:30:00`; what is written otherwise stays as it is.
pub(super) fn clock_time(duration: &str) -> String {
    let parts = || {
        let (hours, rest) = duration.strip_prefix("PT")?.split_once('H')?;
        let (minutes, rest) = rest.split_once('M')?;
        let seconds = rest.strip_suffix('S')?.split(['.', ',']).next()?;
        Some(format!("{hours:0>2}:{minutes:0>2}:{seconds:0>2}"))
    };
    parts().unwrap_or_else(|| duration.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use calamine::ExcelDateTimeType;

    #[test]
    fn numbers_are_written_as_a_spreadsheet_shows_them() {
        for (value, shown) in [
            (41.0, "41"),
            (-3.0, "-3"),
            (41_791_234_567.0, "41791234567"),
            (19.9, "19.9"),
            (0.1 + 0.2, "0.3"),
            (1.0 / 3.0, "0.333333333333333"),
        ] {
            assert_eq!(number(value), shown);
        }
    }

    #[test]
    fn dates_are_iso() {
        let shown = |value, kind| date(ExcelDateTime::new(value, kind, false));
        let date_time = ExcelDateTimeType::DateTime;
        assert_eq!(shown(46_053.0, date_time).unwrap(), "2026-01-31");
        assert_eq!(
            shown(46_053.395_833_333_336, date_time).unwrap(),
            "2026-01-31T09:30:00"
        );
        assert_eq!(shown(0.5, date_time).unwrap(), "12:00:00");
        assert_eq!(shown(1.5, ExcelDateTimeType::TimeDelta).unwrap(), "36:00:00");
        assert!(shown(-1.0, date_time).is_err());
        assert_eq!(day_or_time("2026-01-31T00:00:00"), "2026-01-31");
        assert_eq!(clock_time("PT09H30M00S"), "09:30:00");
        assert_eq!(clock_time("P1Y"), "P1Y");
    }
}
