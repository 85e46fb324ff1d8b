//! Lists of those who must not be mailed: addresses in any file that recipients come in, or hashes, one on a line.

use anyhow::Context as _;
use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, Read};
use tidings_campaign::csv_import::{self, CsvFile, Item, Options, Row};
use tidings_campaign::ids::RecipientId;
use tidings_campaign::suppression::{AddressHash, is_reason, lists_hashes};
use tidings_campaign::time::Clock;
use tidings_store::suppressions::NewSuppression;
use tidings_store::{Store, StoreError};

/// Rows of one transaction.
const BATCH: usize = 20_000;
/// How much of a file says whether it lists addresses or hashes, in octets.
const SAMPLE: u64 = 64 << 10;
/// The longest line with a hash, in octets.
const GREATEST_LINE: u64 = 64 << 10;
/// Rejected rows that are shown.
const SHOWN: usize = 10;

/// What became of the rows.
#[derive(Clone, Debug, Default)]
pub struct SuppressionCounts {
    /// All of them.
    pub rows: u64,
    /// Suppressed now, and not before.
    pub added: u64,
    /// Neither address nor hash.
    pub rejected: u64,
    /// The first rejected rows, in words.
    pub shown: Vec<String>,
}

/// A file, opened.
pub struct SuppressionList {
    shown: String,
    content: Content,
}

enum Content {
    Addresses(Box<CsvFile>),
    Hashes(Box<dyn BufRead + Send>),
}

impl SuppressionList {
    /// Looks at the beginning of a file. `shown`: as the person named it.
    pub fn open(mut source: Box<dyn Read + Send>, shown: &str) -> anyhow::Result<SuppressionList> {
        let mut sample = Vec::new();
        source
            .by_ref()
            .take(SAMPLE)
            .read_to_end(&mut sample)
            .context("cannot be read")?;
        let hashes = lists_hashes(&String::from_utf8_lossy(&sample));
        let whole = std::io::Cursor::new(sample).chain(source);
        let content = match hashes {
            true => Content::Hashes(Box::new(BufReader::new(whole))),
            false => {
                let source = csv_import::Source::Stream(Box::new(whole));
                let file = CsvFile::open(source, &Options::default(), tempfile::tempfile)?;
                Content::Addresses(Box::new(file))
            }
        };
        Ok(SuppressionList {
            shown: shown.to_owned(),
            content,
        })
    }

    /// Whether it lists hashes: then [`suppress_by_hash`] says which recipients they mean.
    pub fn has_hashes(&self) -> bool {
        matches!(self.content, Content::Hashes(_))
    }

    /// Suppresses everybody in it, batch by batch. `reason`: of rows that do not say it themselves. `told`: after each batch.
    pub async fn import(
        self,
        store: &Store,
        reason: &str,
        clock: &Clock,
        counts: &mut SuppressionCounts,
        mut told: impl FnMut(&SuppressionCounts),
    ) -> anyhow::Result<()> {
        let shown = self.shown;
        let mut batches = match self.content {
            Content::Addresses(file) => Batches::Addresses {
                file,
                shown: &shown,
                reason,
            },
            Content::Hashes(lines) => Batches::Hashes {
                lines,
                shown: &shown,
                number: 0,
            },
        };
        loop {
            let (batch, is_last) = batches.next(counts).with_context(|| stopped(&shown, counts))?;
            counts.rows += batch.len() as u64;
            let written = match &batch {
                Batch::Addresses(batch) => store.suppress_all(batch, clock.now()).await,
                Batch::Hashes(batch) => store.suppress_hashes(batch, reason, &shown, clock.now()).await,
            };
            counts.added += written.with_context(|| stopped(&shown, counts))?;
            told(counts);
            if is_last {
                return Ok(());
            }
        }
    }
}

fn stopped(shown: &str, counts: &SuppressionCounts) -> String {
    format!("{shown}: stopped after {} rows, which are kept", counts.rows)
}

/// Suppresses the recipients whose hashes are known. Returns how many they were.
pub async fn suppress_by_hash(store: &Store, clock: &Clock) -> Result<u64, StoreError> {
    let (mut recipients, mut after) = (0, Some(RecipientId(0)));
    while let Some(from) = after {
        let (last, added) = store.suppress_by_hash(from, clock.now()).await?;
        (after, recipients) = (last, recipients + added);
    }
    Ok(recipients)
}

enum Batch {
    Addresses(Vec<NewSuppression>),
    Hashes(Vec<AddressHash>),
}

impl Batch {
    fn len(&self) -> usize {
        match self {
            Batch::Addresses(batch) => batch.len(),
            Batch::Hashes(batch) => batch.len(),
        }
    }
}

/// Reads batches.
enum Batches<'a> {
    Addresses {
        file: Box<CsvFile>,
        shown: &'a str,
        reason: &'a str,
    },
    Hashes {
        lines: Box<dyn BufRead + Send>,
        shown: &'a str,
        number: u64,
    },
}

impl Batches<'_> {
    /// The next batch, and whether it is the last.
    fn next(&mut self, counts: &mut SuppressionCounts) -> anyhow::Result<(Batch, bool)> {
        match self {
            Batches::Addresses { file, shown, reason } => addresses(file, shown, reason, counts),
            Batches::Hashes { lines, shown, number } => hashes(lines, shown, number, counts),
        }
    }
}

fn addresses(
    file: &mut CsvFile,
    shown: &str,
    reason: &str,
    counts: &mut SuppressionCounts,
) -> anyhow::Result<(Batch, bool)> {
    let mut batch = Vec::new();
    while batch.len() < BATCH {
        match file.next_row()? {
            Some(Item::Row(row)) => batch.push(suppression(row, shown, reason)),
            Some(Item::Suppression(known)) => batch.push(NewSuppression {
                address: known.address,
                reason: known.reason.word().to_owned(),
                evidence: known.evidence,
            }),
            Some(Item::Reject(reject)) => counts.reject(shown, reject.line, &reject.reason),
            None => return Ok((Batch::Addresses(batch), true)),
        }
    }
    Ok((Batch::Addresses(batch), false))
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

fn hashes(
    lines: &mut Box<dyn BufRead + Send>,
    shown: &str,
    number: &mut u64,
    counts: &mut SuppressionCounts,
) -> anyhow::Result<(Batch, bool)> {
    let (mut batch, mut line) = (Vec::new(), Vec::new());
    while batch.len() < BATCH {
        line.clear();
        if lines.by_ref().take(GREATEST_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok((Batch::Hashes(batch), true));
        }
        *number += 1;
        let text = String::from_utf8_lossy(&line);
        match AddressHash::in_line(&text) {
            Some(hash) => batch.push(hash),
            // A header, or nothing.
            None if *number == 1 || text.trim().is_empty() => {}
            None => counts.reject(shown, *number, "has no SHA-256 of 64 hexadecimal digits"),
        }
    }
    Ok((Batch::Hashes(batch), false))
}

impl SuppressionCounts {
    fn reject(&mut self, shown: &str, line: u64, reason: &str) {
        self.rows += 1;
        self.rejected += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(format!("{shown}, line {line}: {reason}"));
        }
    }

    /// How many were suppressed before.
    pub fn known(&self) -> u64 {
        self.rows - self.added - self.rejected
    }
}
