//! What an import tells while it runs and at its end.

use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;
use tidings_campaign::csv_import::{Counts, CsvFile};
use tidings_campaign::ids::ImportId;
use tidings_campaign::time::{Clock, Timestamp};
use tidings_import::{Found, Listener};

/// Between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(3);

/// What an import has done, as `--json` shows it.
#[derive(Serialize)]
pub(super) struct Summary {
    #[serde(flatten)]
    pub(super) counts: Counts,
    pub(super) seconds: f64,
    pub(super) import_id: Option<ImportId>,
    pub(super) list: String,
    pub(super) dry_run: bool,
    /// How many rows had been imported before, by the same command that did not come to its end.
    pub(super) resumed_after: Option<u64>,
    pub(super) rejects_file: Option<PathBuf>,
    /// What the checks of this run have found; nothing if there were none.
    pub(super) checks: Option<Found>,
    pub(super) remarks_file: Option<PathBuf>,
    #[serde(flatten)]
    pub(super) read_as: ReadAs,
    /// Of the first file, as is everything above.
    pub(super) encoding: &'static str,
    /// Whether a person has said what it is.
    #[serde(skip)]
    pub(super) encoding_is_named: bool,
}

/// What the first file was taken for.
#[derive(Serialize)]
pub(super) struct ReadAs {
    /// `csv`, `xlsx` or `ods`.
    format: String,
    /// The file of an archive, the sheet of a spreadsheet, or both.
    part: Option<String>,
    /// None in a spreadsheet.
    delimiter: Option<String>,
    email_column: String,
    /// Whose export it is.
    tool: Option<&'static str>,
}

impl ReadAs {
    pub(super) fn of(file: &CsvFile) -> ReadAs {
        ReadAs {
            format: file.format().to_string(),
            part: file.part().map(str::to_owned),
            delimiter: file.delimiter().map(|delimiter| delimiter.to_string()),
            email_column: file.email_column().to_owned(),
            tool: file.tool(),
        }
    }

    /// In words: `utf-8, comma-separated, addresses in column "email"`.
    fn words(&self, encoding: &str) -> String {
        let mut words = match &self.delimiter {
            Some(delimiter) => format!("{encoding}, {delimiter}-separated"),
            None => self.format.clone(),
        };
        if let Some(part) = &self.part {
            words.push_str(&format!(", \"{part}\" in it"));
        }
        words.push_str(&format!(", addresses in column \"{}\"", self.email_column));
        if let Some(tool) = self.tool {
            words.push_str(&format!(", an export of {tool}"));
        }
        words
    }
}

/// A line on standard error every few seconds.
pub(super) struct Progress<'a> {
    clock: &'a Clock,
    started: Timestamp,
    shown: Timestamp,
    /// Rows that were there before.
    before: u64,
}

impl<'a> Progress<'a> {
    pub(super) fn new(clock: &'a Clock, before: u64) -> Self {
        let now = clock.now();
        Progress {
            clock,
            started: now,
            shown: now,
            before,
        }
    }
}

impl Listener for Progress<'_> {
    fn progress(&mut self, counts: &Counts) {
        let now = self.clock.now();
        if now.since(self.shown) < PROGRESS_EVERY {
            return;
        }
        self.shown = now;
        let rate = (counts.rows - self.before) as f64 / now.since(self.started).as_secs_f64();
        eprintln!(
            "{} rows so far, {rate:.0} a second, {} rejected",
            counts.rows, counts.rejected
        );
    }
}

impl Summary {
    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            writeln!(out, "{}", serde_json::to_string(self)?)?;
            return Ok(());
        }
        let c = &self.counts;
        let done = if self.dry_run {
            "would be imported"
        } else {
            "imported"
        };
        let taken = c.created + c.updated + c.unchanged;
        write!(
            out,
            "{} rows read in {:.1} seconds: {taken} {done} into the list \"{}\"",
            c.rows, self.seconds, self.list
        )?;
        match c.rejected {
            0 => writeln!(out)?,
            rejected => writeln!(out, ", {rejected} rejected")?,
        }
        if let Some(before) = self.resumed_after {
            writeln!(out, "  gone on with after the {before} rows that were there")?;
        }
        writeln!(out, "  read as {}", self.read_as.words(self.encoding))?;
        if self.encoding == "windows-1252" && !self.encoding_is_named {
            writeln!(
                out,
                "  which was taken because it is not UTF-8: look whether the letters of names are right, and if they are not, say \
                 with --encoding what it is"
            )?;
        }
        for (n, what) in [
            (c.created, "created"),
            (c.updated, "updated"),
            (c.unchanged, "unchanged"),
            (c.duplicates, "duplicates: the address stood in an earlier row"),
            (c.suppressed, "suppressed: the address must not be mailed"),
            (c.rejected, "rejected"),
        ] {
            writeln!(out, "{n:>12}  {what}")?;
        }
        if let (Some(path), true) = (&self.rejects_file, c.rejected > 0) {
            writeln!(out, "rejected rows, with line and reason: {}", path.display())?;
        }
        for (n, what) in self.checks.iter().flat_map(Found::lines) {
            writeln!(out, "{n:>12}  {what}")?;
        }
        if let Some(path) = &self.remarks_file {
            writeln!(out, "remarks, with line and address: {}", path.display())?;
        }
        if self.dry_run {
            writeln!(out, "dry run: nothing was changed")?;
        }
        Ok(())
    }
}
