//! What a row is on its way from one database into another, as one line of JSON, and how many rows are known to be the same.

use data_encoding::BASE64;
use sha2::{Digest, Sha256};

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Text(String),
    /// Octets.
    Octets(Vec<u8>),
    /// What stands in a column of texts and is not UTF-8, which SQLite may hold.
    NotUtf8(Vec<u8>),
}

/// The values of a row, in the order of its table's columns.
pub type Row = Vec<Value>;

/// The names of values that JSON has no form for.
const FLOAT: &str = "float";
const OCTETS: &str = "octets";

/// Writes a row as one line of JSON, with its end: `[1,null,"text",{"octets":"AAE="},{"float":"0.5"}]`. The same row is the
/// same line, whichever engine it comes from.
pub fn write_line(row: &[Value], line: &mut Vec<u8>) {
    line.push(b'[');
    for (at, value) in row.iter().enumerate() {
        if at > 0 {
            line.push(b',');
        }
        write_value(value, line);
    }
    line.extend_from_slice(b"]\n");
}

fn write_value(value: &Value, line: &mut Vec<u8>) {
    match value {
        Value::Null => line.extend_from_slice(b"null"),
        Value::Integer(n) => line.extend_from_slice(n.to_string().as_bytes()),
        // The shortest text that gives the same number again.
        Value::Float(x) => line.extend_from_slice(format!("{{\"{FLOAT}\":\"{x:?}\"}}").as_bytes()),
        Value::Text(text) => write_text(text, line),
        Value::NotUtf8(octets) => write_text(&String::from_utf8_lossy(octets), line),
        Value::Octets(octets) => {
            line.extend_from_slice(format!("{{\"{OCTETS}\":\"").as_bytes());
            line.extend_from_slice(BASE64.encode(octets).as_bytes());
            line.extend_from_slice(b"\"}");
        }
    }
}

fn write_text(text: &str, line: &mut Vec<u8>) {
    serde_json::to_writer(line, text)
        .expect("a text can always be written as JSON, and memory does not fail");
}

/// Reads what [`write_line`] wrote; else what is wrong with it.
pub fn read_line(line: &[u8]) -> Result<Row, String> {
    let values: Vec<serde_json::Value> =
        serde_json::from_slice(line).map_err(|error| format!("not a row: {error}"))?;
    values.into_iter().map(read_value).collect()
}

fn read_value(value: serde_json::Value) -> Result<Value, String> {
    use serde_json::Value as Json;
    let object = match value {
        Json::Null => return Ok(Value::Null),
        Json::String(text) => return Ok(Value::Text(text)),
        Json::Number(n) => {
            let n = n.as_i64().ok_or_else(|| format!("{n} is no whole number"))?;
            return Ok(Value::Integer(n));
        }
        Json::Object(object) => object,
        other => return Err(format!("{other} is no value of a column")),
    };
    let entry = object.iter().next();
    match entry.and_then(|(name, text)| Some((name.as_str(), text.as_str()?))) {
        Some((FLOAT, text)) => text
            .parse()
            .map(Value::Float)
            .map_err(|_| format!("{text} is no number")),
        Some((OCTETS, text)) => BASE64
            .decode(text.as_bytes())
            .map(Value::Octets)
            .map_err(|error| format!("not base64: {error}")),
        _ => Err("an object that is no value of a column".to_owned()),
    }
}

/// How many rows, and the sum of their hashes: the same for the same rows in any order. The first 128 bits of each row's
/// SHA-256 are added up. That finds every accident; against whoever wants to deceive stands the checksum of the whole file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// How many.
    pub rows: u64,
    hashes: u128,
}

impl Sum {
    /// A sum that was written down.
    pub fn of(rows: u64, hashes: &str) -> Option<Sum> {
        let hashes = u128::from_str_radix(hashes, 16).ok()?;
        Some(Sum { rows, hashes })
    }

    /// Adds a row, as the line that it is.
    pub fn add(&mut self, line: &[u8]) {
        let digest = Sha256::digest(line);
        let (first, _) = digest.split_first_chunk::<16>().expect("a SHA-256 has 32 octets");
        self.rows += 1;
        self.hashes = self.hashes.wrapping_add(u128::from_be_bytes(*first));
    }

    /// The sum of the hashes, to be written down.
    pub fn hashes(&self) -> String {
        format!("{:032x}", self.hashes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back_as_it_was() {
        let row = vec![
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Integer(i64::MAX),
            Value::Float(0.1 + 0.2),
            Value::Float(f64::NEG_INFINITY),
            Value::Text(String::new()),
            Value::Text("a\0b\n\"\\ \u{2028} ü 🙂".to_owned()),
            Value::Octets((0..=255).collect()),
            Value::Octets(Vec::new()),
        ];
        let mut line = Vec::new();
        write_line(&row, &mut line);
        assert_eq!(
            line.iter().filter(|octet| **octet == b'\n').count(),
            1,
            "a row is a line"
        );
        assert_eq!(read_line(&line).unwrap(), row);
    }

    #[test]
    fn a_line_that_is_no_row_is_told() {
        for line in [
            "",
            "{}",
            "[1",
            "[true]",
            "[[1]]",
            "[1.5]",
            "[18446744073709551615]",
            "[{}]",
            r#"[{"octets":"?"}]"#,
            r#"[{"float":"much"}]"#,
            r#"[{"other":"1"}]"#,
        ] {
            assert!(read_line(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn a_sum_is_of_the_rows_and_not_of_their_order() {
        let sum = |lines: &[&str]| {
            let mut sum = Sum::default();
            lines.iter().for_each(|line| sum.add(line.as_bytes()));
            sum
        };
        assert_eq!(sum(&["a", "b", "b"]), sum(&["b", "a", "b"]));
        assert_ne!(sum(&["a", "b"]), sum(&["a", "c"]));
        assert_ne!(sum(&["a", "b", "b"]), sum(&["a", "a", "b"]));
        let one = sum(&["a"]);
        assert_eq!(Sum::of(one.rows, &one.hashes()), Some(one));
    }
}
