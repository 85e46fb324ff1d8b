//! `tidings suppression import`: addresses in any file that recipients come in, or hashes, one on a line.

use crate::context::Context;
use crate::output;
use anyhow::{Context as _, ensure};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use tidings_campaign::csv_import::{self, CsvFile, Item, Options, Row};
use tidings_campaign::ids::RecipientId;
use tidings_campaign::suppression::{AddressHash, is_reason, lists_hashes};
use tidings_campaign::time::Clock;
use tidings_store::Store;
use tidings_store::suppressions::NewSuppression;

/// Rows of one transaction.
const BATCH: usize = 20_000;
/// How much of a file says whether it lists addresses or hashes, in octets.
const SAMPLE: u64 = 64 << 10;
/// The longest line with a hash, in octets.
const GREATEST_LINE: u64 = 64 << 10;
/// Rejected rows that are shown.
const SHOWN: usize = 10;

/// What became of the rows.
#[derive(Default)]
struct Counts {
    rows: u64,
    added: u64,
    rejected: u64,
    /// The first rejected rows, in words.
    shown: Vec<String>,
}

pub(super) async fn run(files: &[PathBuf], reason: &str, context: &Context) -> anyhow::Result<()> {
    let stdin = Path::new("-");
    ensure!(
        files.iter().filter(|file| *file == stdin).count() < 2,
        "standard input (-) can be read only once"
    );
    let mut opened = Vec::new();
    for path in files {
        let shown = if path == stdin {
            "standard input".to_owned()
        } else {
            path.display().to_string()
        };
        let source = List::open(path, path == stdin).with_context(|| shown.clone())?;
        opened.push((shown, source));
    }
    let store = context.store().await?;
    let (mut counts, mut hashes) = (Counts::default(), false);
    for (shown, source) in opened {
        match source {
            List::Addresses(file) => {
                addresses(&store, *file, &shown, reason, &context.clock, &mut counts).await
            }
            List::Hashes(lines) => {
                hashes = true;
                self::hashes(&store, lines, &shown, reason, &context.clock, &mut counts).await
            }
        }
        .with_context(|| format!("{shown}: stopped after {} rows, which are kept", counts.rows))?;
    }
    let mut recipients = 0;
    if hashes {
        let mut after = Some(RecipientId(0));
        while let Some(from) = after {
            let (last, added) = store.suppress_by_hash(from, context.clock.now()).await?;
            (after, recipients) = (last, recipients + added);
        }
    }
    counts.tell(hashes.then_some(recipients), context.json)
}

/// A file, opened.
enum List {
    Addresses(Box<CsvFile>),
    Hashes(Box<dyn BufRead + Send>),
}

impl List {
    fn open(path: &Path, stdin: bool) -> anyhow::Result<List> {
        let mut source: Box<dyn Read + Send> = match stdin {
            true => Box::new(std::io::stdin()),
            false => Box::new(File::open(path).context("cannot be read")?),
        };
        let mut sample = Vec::new();
        source
            .by_ref()
            .take(SAMPLE)
            .read_to_end(&mut sample)
            .context("cannot be read")?;
        let hashes = lists_hashes(&String::from_utf8_lossy(&sample));
        let whole = std::io::Cursor::new(sample).chain(source);
        Ok(match hashes {
            true => List::Hashes(Box::new(BufReader::new(whole))),
            false => {
                let source = csv_import::Source::Stream(Box::new(whole));
                let file = CsvFile::open(source, &Options::default(), tempfile::tempfile)?;
                List::Addresses(Box::new(file))
            }
        })
    }
}

async fn addresses(
    store: &Store,
    mut file: CsvFile,
    shown: &str,
    reason: &str,
    clock: &Clock,
    counts: &mut Counts,
) -> anyhow::Result<()> {
    let mut batch = Vec::new();
    loop {
        let item = file.next_row()?;
        let at_end = item.is_none();
        match item {
            Some(Item::Row(row)) => batch.push(suppression(row, shown, reason)),
            Some(Item::Suppression(known)) => batch.push(NewSuppression {
                address: known.address,
                reason: known.reason.word().to_owned(),
                evidence: known.evidence,
            }),
            Some(Item::Reject(reject)) => counts.reject(shown, reject.line, &reject.reason),
            None => {}
        }
        if batch.len() >= BATCH || at_end {
            counts.rows += batch.len() as u64;
            counts.added += store.suppress_all(&batch, clock.now()).await?;
            batch.clear();
        }
        if at_end {
            return Ok(());
        }
    }
}

/// A row may say itself why, and what that is known by, as our own export does.
fn suppression(row: Row, shown: &str, reason: &str) -> NewSuppression {
    let attributes: Map<String, Value> = serde_json::from_str(&row.attributes).unwrap_or_default();
    let word = |name: &str| {
        attributes
            .get(name)
            .and_then(Value::as_str)
            .filter(|word| !word.is_empty())
    };
    NewSuppression {
        address: row.address,
        reason: word("reason")
            .filter(|word| is_reason(word))
            .unwrap_or(reason)
            .to_owned(),
        evidence: word("evidence").map_or_else(|| format!("{shown}, line {}", row.line), str::to_owned),
    }
}

async fn hashes(
    store: &Store,
    mut lines: Box<dyn BufRead + Send>,
    shown: &str,
    reason: &str,
    clock: &Clock,
    counts: &mut Counts,
) -> anyhow::Result<()> {
    let (mut batch, mut line, mut number) = (Vec::new(), Vec::new(), 0);
    loop {
        line.clear();
        let n = lines.by_ref().take(GREATEST_LINE).read_until(b'\n', &mut line)?;
        number += 1;
        let text = String::from_utf8_lossy(&line);
        match AddressHash::in_line(&text) {
            Some(hash) => batch.push(hash),
            // A header, or nothing.
            None if number == 1 || text.trim().is_empty() => {}
            None => counts.reject(shown, number, "has no SHA-256 of 64 hexadecimal digits"),
        }
        if batch.len() >= BATCH || n == 0 {
            counts.rows += batch.len() as u64;
            counts.added += store.suppress_hashes(&batch, reason, shown, clock.now()).await?;
            batch.clear();
        }
        if n == 0 {
            return Ok(());
        }
    }
}

impl Counts {
    fn reject(&mut self, shown: &str, line: u64, reason: &str) {
        self.rows += 1;
        self.rejected += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(format!("{shown}, line {line}: {reason}"));
        }
    }

    /// `recipients`: how many of them are suppressed now by their hash, if hashes came.
    fn tell(self, recipients: Option<u64>, json: bool) -> anyhow::Result<()> {
        let known = self.rows - self.added - self.rejected;
        if json {
            return output::json(&json!({
                "rows": self.rows, "added": self.added, "already_suppressed": known, "rejected": self.rejected,
                "recipients_by_hash": recipients, "rejects": self.shown,
            }));
        }
        output::line(format_args!(
            "{} rows: {} suppressed now, {known} were already, {} rejected",
            self.rows, self.added, self.rejected
        ))?;
        if let Some(recipients) = recipients {
            output::line(format_args!("{recipients} recipients have one of these hashes"))?;
        }
        for reject in &self.shown {
            output::line(format_args!("  {reject}"))?;
        }
        Ok(())
    }
}
