//! Opening the files of an import, and reading them in a thread of its own.

use anyhow::{Context as _, ensure};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidings_campaign::csv_import::{
    self, CsvFile, Item, Options, Refusal, Reject, Remark, Remarks, Row, Suppression,
};
use tokio::sync::mpsc;

/// Rows of one transaction, which a sender beside the import waits for: 80 ms of work at the rate of docs/benchmarks.md on
/// SQLite.
const BATCH_ROWS: usize = 30_000;
/// Octets of one batch, about, so that long rows do not fill the memory.
const BATCH_OCTETS: usize = 8 << 20;

/// A file that is to be read.
#[derive(Clone, Debug)]
pub struct Input {
    /// As the person named it.
    pub shown: String,
    /// Where it is; nothing for standard input.
    pub path: Option<PathBuf>,
}

impl Input {
    /// Whether it can be read once only: standard input, or a pipe that has a name.
    pub fn is_pipe(&self) -> bool {
        let Some(path) = &self.path else { return true };
        path.metadata()
            .is_ok_and(|found| !found.is_file() && !found.is_dir())
    }
}

/// A file that has been opened and looked at.
pub struct Source {
    shown: String,
    /// What it was found to be.
    pub file: CsvFile,
}

/// What the reading thread does besides reading.
pub(crate) struct Reading {
    /// So many rows are passed over.
    pub skip: u64,
    /// What is remarked on.
    pub remarks: Remarks,
    /// Whether rows may still be rejected: then they are handed over with their original text.
    pub keeps_originals: bool,
}

/// What the reading thread hands over.
#[derive(Default)]
pub(crate) struct Batch {
    pub rows: Vec<Row>,
    pub suppressions: Vec<Suppression>,
    pub rejects: Vec<Reject>,
    pub remarked: Vec<Remarked>,
    /// Of each row, if it may still be rejected.
    originals: Vec<Original>,
    /// Where each reject stands among the items of the batch; as long as `rejects` if rows may still be rejected.
    reject_places: Vec<usize>,
    items: usize,
    octets: usize,
    pub first_encoding: &'static str,
}

/// What a row was before it was a recipient.
struct Original {
    place: usize,
    /// If that does not go without saying.
    file: Option<Arc<str>>,
    text: Vec<u8>,
}

/// A remark about a row.
pub(crate) struct Remarked {
    pub line: u64,
    pub address: String,
    pub remark: Remark,
    /// In words, with the file if that does not go without saying.
    pub text: String,
}

/// Opens all files. None is read further than to see what it is, so that what cannot be taken is refused before
/// anything is written.
pub fn open_all(inputs: &[Input], options: &Options) -> anyhow::Result<Vec<Source>> {
    inputs
        .iter()
        .map(|input| {
            let file = open_one(input.path.as_deref(), options).with_context(|| input.shown.clone())?;
            Ok(Source {
                shown: input.shown.clone(),
                file,
            })
        })
        .collect()
}

fn open_one(path: Option<&Path>, options: &Options) -> anyhow::Result<CsvFile> {
    let source = match path {
        None => csv_import::Source::Stream(Box::new(std::io::stdin())),
        Some(path) => {
            let file = File::open(path).map_err(Refusal::Unreadable)?;
            ensure!(
                !file.metadata().map_err(Refusal::Unreadable)?.is_dir(),
                "is a folder, not a file"
            );
            csv_import::Source::File(file)
        }
    };
    Ok(CsvFile::open(source, options, tempfile::tempfile)?)
}

/// Reads and parses in a thread of its own: the database has the other core. A plain thread, because one that waits
/// for standard input must not keep the program from ending.
pub(crate) fn read_in_thread(
    mut sources: Vec<Source>,
    reading: Reading,
) -> anyhow::Result<mpsc::Receiver<anyhow::Result<Batch>>> {
    let (sender, receiver) = mpsc::channel(2);
    std::thread::Builder::new()
        .name("import-reader".to_owned())
        .spawn(move || {
            // A failure to send means that the other side has given up.
            if let Err(error) = read_all(&mut sources, &reading, &sender) {
                drop(sender.blocking_send(Err(error)));
            }
        })
        .context("cannot start a thread to read the file")?;
    Ok(receiver)
}

fn read_all(
    sources: &mut [Source],
    reading: &Reading,
    sender: &mpsc::Sender<anyhow::Result<Batch>>,
) -> anyhow::Result<()> {
    let several = sources.len() > 1;
    let mut skip = reading.skip;
    let mut batch = Batch::default();
    let mut first_encoding = None;
    for Source { shown, file } in sources {
        let name = several.then(|| Arc::from(shown.as_str()));
        while let Some(item) = file
            .next_row()
            .with_context(|| format!("{shown}: cannot be read any further"))?
        {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            if let Item::Row(_) = item
                && reading.keeps_originals
            {
                batch.keep(file.original(), name.clone());
            }
            batch.add(item, name.as_deref(), reading);
            if batch.is_full() {
                batch.first_encoding = first_encoding.unwrap_or_else(|| file.encoding());
                if sender.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
                    return Ok(());
                }
            }
        }
        first_encoding.get_or_insert(file.encoding());
    }
    batch.first_encoding = first_encoding.unwrap_or_default();
    // The last batch is sent even if nothing is in it: an import without rows is one too.
    drop(sender.blocking_send(Ok(batch)));
    Ok(())
}

impl Batch {
    /// `file`: its name, if that does not go without saying.
    fn add(&mut self, item: Item, file: Option<&str>, reading: &Reading) {
        match item {
            Item::Row(row) => {
                self.octets += row.attributes.len() + 2 * row.address.as_str().len();
                self.remark(&row, file, &reading.remarks);
                self.rows.push(row);
            }
            Item::Suppression(known) => {
                self.octets += known.evidence.len() + 2 * known.address.as_str().len();
                self.suppressions.push(known);
            }
            Item::Reject(mut reject) => {
                reject.reason = in_file(file, reject.reason);
                self.octets += reject.row.len();
                self.rejects.push(reject);
                if reading.keeps_originals {
                    self.reject_places.push(self.items);
                }
            }
        }
        self.items += 1;
    }

    fn remark(&mut self, row: &Row, file: Option<&str>, remarks: &Remarks) {
        for remark in remarks.about(&row.address) {
            self.remarked.push(Remarked {
                line: row.line,
                address: row.address.as_str().to_owned(),
                remark,
                text: in_file(file, remark.to_string()),
            });
        }
    }

    /// Keeps the original text of the row that is added next.
    fn keep(&mut self, text: Vec<u8>, file: Option<Arc<str>>) {
        self.octets += text.len();
        self.originals.push(Original {
            place: self.items,
            file,
            text,
        });
    }

    /// Rejects rows after all: their index, in order, and why. Rejects stay in the order of the files.
    pub fn reject(&mut self, refused: Vec<(usize, String)>) {
        if refused.is_empty() {
            return;
        }
        let mut refused = refused.into_iter().peekable();
        let places = std::mem::take(&mut self.reject_places);
        let mut rejects: Vec<_> = places
            .into_iter()
            .zip(std::mem::take(&mut self.rejects))
            .collect();
        let rows = std::mem::take(&mut self.rows).into_iter();
        for (at, (row, original)) in rows.zip(std::mem::take(&mut self.originals)).enumerate() {
            match refused.next_if(|(index, _)| *index == at) {
                None => self.rows.push(row),
                Some((_, reason)) => {
                    let reject = Reject {
                        line: row.line,
                        reason: in_file(original.file.as_deref(), reason),
                        row: original.text,
                    };
                    rejects.push((original.place, reject));
                }
            }
        }
        rejects.sort_by_key(|(place, _)| *place);
        self.rejects = rejects.into_iter().map(|(_, reject)| reject).collect();
    }

    fn is_full(&self) -> bool {
        self.items >= BATCH_ROWS || self.octets >= BATCH_OCTETS
    }
}

fn in_file(file: Option<&str>, text: String) -> String {
    match file {
        Some(file) => format!("{file}: {text}"),
        None => text,
    }
}
