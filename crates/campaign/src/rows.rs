//! Rows for other programs: CSV that a spreadsheet may open, JSON lines, or one JSON array; written as they come.

use crate::spreadsheet_safe::spreadsheet_safe;
use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, Write};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A header and a line for each row.
    Csv,
    /// One JSON object on each line.
    Lines,
    /// One JSON document, with an object for each row.
    Array,
}

/// Where rows go.
pub struct Rows<W: Write> {
    columns: Vec<String>,
    out: Out<W>,
}

enum Out<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Lines(W),
    /// True once there is a row in it.
    Array(W, bool),
}

/// The error of `out` itself, so that its kind can be asked for.
fn as_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        kind => io::Error::other(format!("a row cannot be written as CSV: {kind:?}")),
    }
}

impl<W: Write> Rows<W> {
    /// Begins with the header, where there is one.
    ///
    /// # Errors
    /// Whatever `out` says; the same holds for all that follows.
    pub fn begin<C: AsRef<str>>(
        out: W,
        shape: Shape,
        columns: impl IntoIterator<Item = C>,
    ) -> io::Result<Self> {
        let mut rows = Rows::go_on(out, shape, columns);
        match &mut rows.out {
            Out::Csv(csv) => {
                for column in &rows.columns {
                    csv.write_field(spreadsheet_safe(column).as_bytes())
                        .map_err(as_io)?;
                }
                csv.write_record(None::<&[u8]>).map_err(as_io)?;
            }
            Out::Lines(_) => {}
            Out::Array(out, _) => out.write_all(b"[")?,
        }
        Ok(rows)
    }

    /// Goes on with rows that were begun before, in another part: without the header.
    pub fn go_on<C: AsRef<str>>(out: W, shape: Shape, columns: impl IntoIterator<Item = C>) -> Self {
        let columns = columns
            .into_iter()
            .map(|column| column.as_ref().to_owned())
            .collect();
        let out = match shape {
            Shape::Array => Out::Array(out, false),
            Shape::Lines => Out::Lines(out),
            Shape::Csv => Out::Csv(Box::new(csv::Writer::from_writer(out))),
        };
        Rows { columns, out }
    }

    /// Writes a row: as many values as there are columns.
    pub fn add(&mut self, values: &[Value]) -> io::Result<()> {
        match &mut self.out {
            Out::Csv(csv) => {
                for value in values {
                    csv.write_field(cell(value).as_bytes()).map_err(as_io)?;
                }
                csv.write_record(None::<&[u8]>).map_err(as_io)?;
            }
            Out::Lines(out) => {
                write_object(out, &self.columns, values)?;
                out.write_all(b"\n")?;
            }
            Out::Array(out, begun) => {
                if std::mem::replace(begun, true) {
                    out.write_all(b",\n")?;
                }
                write_object(out, &self.columns, values)?;
            }
        }
        Ok(())
    }

    /// Nothing comes any more.
    pub fn end(self) -> io::Result<()> {
        match self.out {
            Out::Csv(mut csv) => csv.flush(),
            Out::Lines(mut out) => out.flush(),
            Out::Array(mut out, _) => {
                out.write_all(b"]\n")?;
                out.flush()
            }
        }
    }
}

fn cell(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => spreadsheet_safe(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn write_object(out: &mut impl Write, columns: &[String], values: &[Value]) -> io::Result<()> {
    out.write_all(b"{")?;
    for (at, (column, value)) in columns.iter().zip(values).enumerate() {
        let between = if at == 0 { "" } else { "," };
        write!(out, "{between}{}:{value}", Value::from(column.as_str()))?;
    }
    out.write_all(b"}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(shape: Shape) -> String {
        let mut octets = Vec::new();
        let columns = vec!["name".to_owned(), "=1".to_owned()];
        let mut rows = Rows::begin(&mut octets, shape, columns).unwrap();
        rows.add(&[json!("=cmd|' /C calc'!A0"), json!(-3)]).unwrap();
        rows.add(&[json!("Ann, \"the tall\""), Value::Null]).unwrap();
        rows.end().unwrap();
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn a_csv_is_safe_in_a_spreadsheet_and_json_is_as_it_was() {
        assert_eq!(
            written(Shape::Csv),
            "name,'=1\n'=cmd|' /C calc'!A0,-3\n\"Ann, \"\"the tall\"\"\",\n"
        );
        let lines = written(Shape::Lines);
        assert_eq!(
            lines.lines().next(),
            Some(r#"{"name":"=cmd|' /C calc'!A0","=1":-3}"#)
        );
        let array: Value = serde_json::from_str(&written(Shape::Array)).unwrap();
        assert_eq!(array[1]["name"], "Ann, \"the tall\"");
    }
}
