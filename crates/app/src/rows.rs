//! Rows for other programs: CSV that a spreadsheet may open, JSON lines, or one JSON array; written as they come.

use clap::ValueEnum;
use serde_json::Value;
use std::borrow::Cow;
use std::io::{self, BufWriter, ErrorKind, Stdout, Write};
use tidings_campaign::spreadsheet_safe::spreadsheet_safe;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A header and a line for each row.
    Csv,
    /// One JSON object on each line.
    Jsonl,
}

/// Where rows go.
pub struct Rows<W: Write> {
    columns: Vec<String>,
    out: Out<W>,
}

enum Out<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Lines(W),
    /// One document; true once there is a row in it.
    Array(W, bool),
}

impl Rows<BufWriter<Stdout>> {
    /// To standard output. With `json` they are one array, whatever the format.
    pub fn to_stdout(format: Format, json: bool, columns: &[&str]) -> anyhow::Result<Self> {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Rows::begin(BufWriter::new(io::stdout()), format, json, columns)
    }
}

impl<W: Write> Rows<W> {
    /// Begins with the header, where there is one.
    pub fn begin(mut out: W, format: Format, json: bool, columns: Vec<String>) -> anyhow::Result<Self> {
        let out = match (json, format) {
            (true, _) => {
                out.write_all(b"[")?;
                Out::Array(out, false)
            }
            (false, Format::Jsonl) => Out::Lines(out),
            (false, Format::Csv) => {
                let mut csv = csv::Writer::from_writer(out);
                for column in &columns {
                    csv.write_field(spreadsheet_safe(column).as_bytes())?;
                }
                csv.write_record(None::<&[u8]>)?;
                Out::Csv(Box::new(csv))
            }
        };
        Ok(Rows { columns, out })
    }

    /// Writes a row: as many values as there are columns.
    pub fn add(&mut self, values: &[Value]) -> anyhow::Result<()> {
        match &mut self.out {
            Out::Csv(csv) => {
                for value in values {
                    csv.write_field(cell(value).as_bytes())?;
                }
                csv.write_record(None::<&[u8]>)?;
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
    pub fn end(self) -> anyhow::Result<()> {
        match self.out {
            Out::Csv(mut csv) => csv.flush()?,
            Out::Lines(mut out) => out.flush()?,
            Out::Array(mut out, _) => {
                out.write_all(b"]\n")?;
                out.flush()?;
            }
        }
        Ok(())
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

/// A reader who has seen enough ends it, and that is no failure.
pub fn unless_closed(outcome: anyhow::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error) if is_closed(&error) => Ok(()),
        outcome => outcome,
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    let closed = |error: &io::Error| error.kind() == ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(closed)
            || matches!(
                cause.downcast_ref::<csv::Error>().map(csv::Error::kind),
                Some(csv::ErrorKind::Io(error)) if closed(error)
            )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(format: Format, json: bool) -> String {
        let mut octets = Vec::new();
        let columns = vec!["name".to_owned(), "=1".to_owned()];
        let mut rows = Rows::begin(&mut octets, format, json, columns).unwrap();
        rows.add(&[json!("=cmd|' /C calc'!A0"), json!(-3)]).unwrap();
        rows.add(&[json!("Ann, \"the tall\""), Value::Null]).unwrap();
        rows.end().unwrap();
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn a_csv_is_safe_in_a_spreadsheet_and_json_is_as_it_was() {
        assert_eq!(
            written(Format::Csv, false),
            "name,'=1\n'=cmd|' /C calc'!A0,-3\n\"Ann, \"\"the tall\"\"\",\n"
        );
        let lines = written(Format::Jsonl, false);
        assert_eq!(
            lines.lines().next(),
            Some(r#"{"name":"=cmd|' /C calc'!A0","=1":-3}"#)
        );
        let array: Value = serde_json::from_str(&written(Format::Csv, true)).unwrap();
        assert_eq!(array[1]["name"], "Ann, \"the tall\"");
    }
}
