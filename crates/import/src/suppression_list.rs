//! Lists of those who must not be mailed: addresses in any file that recipients come in, or hashes, one on a line.

use anyhow::Context as _;
use serde_json::{Map, Value};
use std::io::{BufRead, BufReader, Cursor, Read, Seek};
use tidings_campaign::csv_import::{CsvFile, Item, Options, Row, Source};
use tidings_campaign::ids::RecipientId;
use tidings_campaign::suppression::{AddressHash, is_reason, lists_hashes};
use tidings_campaign::time::Clock;
use tidings_store::suppressions::NewSuppression;
use tidings_store::{Store, StoreError};

/// Lines of the file that are read for one transaction, whatever becomes of them.
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
    /// Looks at the beginning of a file, and through one that is packed. `shown`: as the person named it.
    pub fn open(source: Source, shown: &str, options: &Options) -> anyhow::Result<SuppressionList> {
        let (sample, source) = sample(source).context("cannot be read")?;
        let content = match lists_hashes(&String::from_utf8_lossy(&sample)) {
            true => Content::Hashes(match source {
                Source::Stream(stream) => Box::new(BufReader::new(stream)),
                Source::File(file) => Box::new(BufReader::new(file)),
            }),
            false => Content::Addresses(Box::new(CsvFile::open(source, options, tempfile::tempfile)?)),
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
        let mut reader = Reader {
            content: self.content,
            shown: shown.clone(),
            reason: reason.to_owned(),
            number: 0,
        };
        loop {
            // Reading waits for the disk, and compressed files for the processor.
            let so_far = counts.clone();
            let reading = tokio::task::spawn_blocking(move || reader.next(so_far));
            let (back, read, so_far) = reading.await.context("the file could not be read")?;
            (reader, *counts) = (back, so_far);
            let (batch, is_last) = read.with_context(|| stopped(&shown, counts))?;
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

/// The beginning of a file, which stays to be read: from its front, or from a pipe that has a name.
fn sample(source: Source) -> std::io::Result<(Vec<u8>, Source)> {
    let mut sample = Vec::new();
    let mut stream: Box<dyn Read + Send> = match source {
        Source::Stream(stream) => stream,
        Source::File(mut file) => {
            (&file).take(SAMPLE).read_to_end(&mut sample)?;
            if file.rewind().is_ok() {
                return Ok((sample, Source::File(file)));
            }
            Box::new(file)
        }
    };
    if sample.is_empty() {
        stream.by_ref().take(SAMPLE).read_to_end(&mut sample)?;
    }
    let whole = Cursor::new(sample.clone()).chain(stream);
    Ok((sample, Source::Stream(Box::new(whole))))
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

/// A batch, and whether it is the last.
type Batched = anyhow::Result<(Batch, bool)>;

/// Reads batches, on a thread for blocking work: it goes there and comes back.
struct Reader {
    content: Content,
    shown: String,
    /// Of rows that do not say it themselves.
    reason: String,
    /// Lines with hashes that were read.
    number: u64,
}

impl Reader {
    /// The next batch, and the counts with what was rejected on the way to it.
    fn next(mut self, mut counts: SuppressionCounts) -> (Reader, Batched, SuppressionCounts) {
        let (shown, reason) = (&self.shown, &self.reason);
        let read = match &mut self.content {
            Content::Addresses(file) => addresses(file, shown, reason, &mut counts),
            Content::Hashes(lines) => hashes(lines, shown, &mut self.number, &mut counts),
        };
        (self, read, counts)
    }
}

fn addresses(file: &mut CsvFile, shown: &str, reason: &str, counts: &mut SuppressionCounts) -> Batched {
    let mut batch = Vec::new();
    for _ in 0..BATCH {
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
) -> Batched {
    let (mut batch, mut line) = (Vec::new(), Vec::new());
    for _ in 0..BATCH {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_batch_ends_after_its_lines_whatever_they_are() {
        let lines = format!("sha256\n{}", "nonsense\n".repeat(2 * BATCH));
        let mut lines: Box<dyn BufRead + Send> = Box::new(Cursor::new(lines));
        let (mut number, mut counts) = (0, SuppressionCounts::default());
        let (batch, is_last) = hashes(&mut lines, "x", &mut number, &mut counts).unwrap();
        assert_eq!((batch.len(), is_last, number), (0, false, BATCH as u64));
        let text = "email\n".to_owned() + &"nonsense\n".repeat(2 * BATCH);
        let source = Source::Stream(Box::new(Cursor::new(text)));
        let mut file = CsvFile::open(source, &Options::default(), tempfile::tempfile).unwrap();
        let mut counts = SuppressionCounts::default();
        let (batch, is_last) = addresses(&mut file, "x", "imported", &mut counts).unwrap();
        assert_eq!((batch.len(), is_last, counts.rejected), (0, false, BATCH as u64));
    }
    #[test]
    fn a_packed_list_that_is_cut_off_suppresses_nobody() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"\x1f\x8b\x08\0\0\0\0\0\0\x03").unwrap();
        let refused = SuppressionList::open(Source::File(file), "x", &Options::default());
        let refused = refused.err().unwrap().to_string();
        assert!(
            refused.starts_with("is damaged: the compressed data ends in the middle"),
            "{refused}"
        );
    }
}
