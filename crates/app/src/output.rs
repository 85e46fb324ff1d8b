//! What goes to standard output, and how a failure is told.

use serde::Serialize;
use std::io::{self, Write};
use std::process::ExitCode;

/// One line on standard output. A reader that has gone away is not an error.
pub fn line(text: impl std::fmt::Display) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Octets on standard output, as they are.
pub fn octets(octets: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(octets).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The one JSON document of `--json`.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string(value)?)
}

/// A remark on standard error, beside what a command puts out.
pub fn note(text: impl std::fmt::Display) {
    // Nothing depends on it, and there may be nobody to read it.
    let _ = writeln!(io::stderr(), "tidings: {text}");
}

/// Tells what happened, with its causes, without repeating itself.
pub fn fail(error: &anyhow::Error) -> ExitCode {
    // Nothing is left to be told if standard error is gone too.
    let _ = writeln!(io::stderr(), "tidings: {}", in_one_line(error));
    ExitCode::FAILURE
}

/// An error with its causes, without those that it tells itself already.
pub fn in_one_line(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.ends_with(&cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause);
    }
    text
}
