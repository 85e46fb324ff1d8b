//! Finding out what separates the fields of a file, and whether its first row is a header.

use super::delimiter::Delimiter;
use super::encoding::State;
use super::lines::Lines;
use super::records::{Records, Step};
use crate::address::EmailAddress;
use std::io::Cursor;

/// Rows that are looked at.
const SAMPLE_ROWS: usize = 200;

/// The delimiter in a first line `sep=;`, which spreadsheets understand, and the length of that line.
pub(super) fn announced_delimiter(window: &[u8]) -> Option<(Delimiter, usize)> {
    let rest = window
        .strip_prefix(b"sep=")
        .or_else(|| window.strip_prefix(b"SEP="))?;
    let delimiter = Delimiter::ALL
        .into_iter()
        .find(|d| rest.first() == Some(&d.octet()))?;
    match rest.get(1..)? {
        [b'\r', b'\n', ..] => Some((delimiter, 7)),
        [b'\n' | b'\r', ..] => Some((delimiter, 6)),
        _ => None,
    }
}

/// The first rows, as they are with this delimiter. Rows that do not parse are left out.
pub(super) fn sample_records(sample: &[u8], delimiter: Delimiter, state: &State) -> Vec<Vec<String>> {
    let lines = Lines::new(Box::new(Cursor::new(sample.to_vec())));
    let mut records = Records::new(lines, delimiter, state.clone());
    let mut rows = Vec::new();
    while rows.len() < SAMPLE_ROWS {
        match records.step().expect("reading from memory cannot fail") {
            Step::End => break,
            Step::Broken(..) => {}
            Step::Record => {
                if let Ok(fields) = records.fields() {
                    rows.push(fields.iter().map(str::to_owned).collect());
                }
            }
        }
    }
    rows
}

/// Whether the first row does not parse and is nobody's, as no address can stand in it: then it is a header, of which the names of
/// the columns would be lost if it were passed over.
pub(super) fn is_broken_header(sample: &[u8], delimiter: Delimiter, state: &State) -> bool {
    let lines = Lines::new(Box::new(Cursor::new(sample.to_vec())));
    let mut records = Records::new(lines, delimiter, state.clone());
    let is_broken = match records.step().expect("reading from memory cannot fail") {
        Step::End => false,
        Step::Broken(..) => true,
        Step::Record => records.fields().is_err(),
    };
    is_broken && !records.original().contains(&b'@')
}

/// The delimiter under which most rows have a field that is an address, then under which most rows have the same
/// number of fields, then under which there are most fields.
pub(super) fn detect_delimiter(sample: &[u8], state: &State) -> Delimiter {
    let judged = |delimiter: &Delimiter| {
        let rows = sample_records(sample, *delimiter, state);
        let addresses = rows.iter().filter(|row| has_address(row)).count();
        let width = rows.first().map_or(0, Vec::len);
        let alike = if width > 1 {
            rows.iter().filter(|row| row.len() == width).count()
        } else {
            0
        };
        (addresses, alike, width)
    };
    // Of equals `max_by_key` takes the last, and the comma is the best guess.
    Delimiter::ALL
        .into_iter()
        .rev()
        .max_by_key(judged)
        .expect("there are four delimiters")
}

/// The first row is a header unless an address stands in it.
pub(super) fn has_header(rows: &[Vec<String>]) -> bool {
    !rows.first().is_some_and(|row| has_address(row))
}

fn has_address(row: &[String]) -> bool {
    row.iter().any(|field| EmailAddress::parse(field).is_ok())
}
