//! CSV that may be opened in a spreadsheet: what a stranger wrote must not become a formula there.

use std::borrow::Cow;

/// The text of a cell, with an apostrophe before it if a spreadsheet would take it for a formula: if it begins with
/// `=`, `+`, `-`, `@`, one of these in full width (as spreadsheets in Japanese take them too), a tab or the end of a line.
/// A number stays a number.
pub fn spreadsheet_safe(cell: &str) -> Cow<'_, str> {
    if is_formula(cell.as_bytes()) && cell.parse::<f64>().is_err() {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

/// The same for octets that need not be text.
pub fn spreadsheet_safe_octets(cell: &[u8]) -> Cow<'_, [u8]> {
    if is_formula(cell) {
        Cow::Owned([b"'", cell].concat())
    } else {
        Cow::Borrowed(cell)
    }
}

/// The text that a cell had before [`spreadsheet_safe`] gave it an apostrophe, so that what was exported can be imported
/// again: a suppressed address must not come back as another one.
pub fn without_apostrophe(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if is_formula(rest.as_bytes()) => rest,
        _ => cell,
    }
}

fn is_formula(cell: &[u8]) -> bool {
    const FULL_WIDTH: [&str; 4] = ["＝", "＋", "－", "＠"];
    matches!(
        cell.first(),
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n')
    ) || FULL_WIDTH.iter().any(|sign| cell.starts_with(sign.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_like_a_formula_gets_an_apostrophe() {
        for cell in [
            "=1+1",
            "+cmd",
            "-cmd",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "＝1+1",
            "＠SUM(A1)",
            "+41 79 000 00 00",
        ] {
            assert_eq!(spreadsheet_safe(cell), format!("'{cell}"));
            assert_eq!(without_apostrophe(&spreadsheet_safe(cell)), cell);
            assert_eq!(
                *spreadsheet_safe_octets(cell.as_bytes()),
                *format!("'{cell}").as_bytes()
            );
        }
        for cell in ["", "Ann", "ann@example.org", "1=1", "-3", "+4.5", "'=1"] {
            assert_eq!(spreadsheet_safe(cell), cell);
        }
        for cell in ["", "'", "'s-Gravenhage", "=1", "''=1"] {
            assert_eq!(without_apostrophe(cell), cell);
        }
        assert_eq!(*spreadsheet_safe_octets(b"\xff="), *b"\xff=");
    }
}
