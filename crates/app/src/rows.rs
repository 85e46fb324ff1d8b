//! Rows for other programs on standard output.

use clap::ValueEnum;
use std::io::{self, BufWriter, ErrorKind, Stdout};
use tidings_campaign::rows::{Rows, Shape};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A header and a line for each row.
    Csv,
    /// One JSON object on each line.
    Jsonl,
}

/// Begins rows on standard output. With `json` they are one array, whatever the format.
pub fn to_stdout<C: AsRef<str>>(
    format: Format,
    json: bool,
    columns: &[C],
) -> io::Result<Rows<BufWriter<Stdout>>> {
    let shape = match (json, format) {
        (true, _) => Shape::Array,
        (false, Format::Csv) => Shape::Csv,
        (false, Format::Jsonl) => Shape::Lines,
    };
    Rows::begin(BufWriter::new(io::stdout()), shape, columns)
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
    error
        .chain()
        .any(|cause| cause.downcast_ref::<io::Error>().is_some_and(closed))
}
