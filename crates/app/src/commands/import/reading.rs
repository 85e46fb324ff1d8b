//! Opening the files of an import, and reading them in a thread of its own.

use anyhow::{Context as _, ensure};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use tidings_campaign::csv_import::{CsvFile, Item, Options, Refusal, Reject, Row};
use tokio::sync::mpsc;

/// Rows of one transaction: some 200 ms of work, so that a sender beside the import does not wait longer.
const BATCH_ROWS: usize = 20_000;
/// Octets of one batch, about, so that long rows do not fill the memory.
const BATCH_OCTETS: usize = 8 << 20;

/// A file that is to be read.
#[derive(Clone, Debug)]
pub(super) struct Input {
    /// As the person named it.
    pub(super) shown: String,
    /// Where it is; nothing for standard input.
    pub(super) path: Option<PathBuf>,
}

/// A file that has been opened and looked at.
pub(super) struct Source {
    shown: String,
    pub(super) file: CsvFile,
}

/// What the reading thread hands over.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) rows: Vec<Row>,
    pub(super) rejects: Vec<Reject>,
    octets: usize,
    pub(super) first_encoding: &'static str,
}

/// Opens all files. None is read further than to see what it is, so that what cannot be taken is refused before
/// anything is written.
pub(super) fn open_all(inputs: &[Input], options: &Options) -> anyhow::Result<Vec<Source>> {
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
    let source: Box<dyn Read + Send> = match path {
        None => Box::new(std::io::stdin()),
        Some(path) => {
            let file = File::open(path).map_err(Refusal::Unreadable)?;
            ensure!(
                !file.metadata().map_err(Refusal::Unreadable)?.is_dir(),
                "is a folder, not a file"
            );
            Box::new(file)
        }
    };
    Ok(CsvFile::open(source, options)?)
}

/// Reads and parses in a thread of its own: the database has the other core. A plain thread, because one that waits
/// for standard input must not keep the program from ending. The first `skip` rows are passed over.
pub(super) fn read_in_thread(
    mut sources: Vec<Source>,
    skip: u64,
) -> anyhow::Result<mpsc::Receiver<anyhow::Result<Batch>>> {
    let (sender, receiver) = mpsc::channel(2);
    std::thread::Builder::new()
        .name("import-reader".to_owned())
        .spawn(move || {
            // A failure to send means that the other side has given up.
            if let Err(error) = read_all(&mut sources, skip, &sender) {
                drop(sender.blocking_send(Err(error)));
            }
        })
        .context("cannot start a thread to read the file")?;
    Ok(receiver)
}

fn read_all(
    sources: &mut [Source],
    mut skip: u64,
    sender: &mpsc::Sender<anyhow::Result<Batch>>,
) -> anyhow::Result<()> {
    let several = sources.len() > 1;
    let mut batch = Batch::default();
    let mut first_encoding = None;
    for Source { shown, file } in sources {
        while let Some(item) = file
            .next_row()
            .with_context(|| format!("{shown}: cannot be read any further"))?
        {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            batch.add(item, several.then_some(shown.as_str()));
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
    fn add(&mut self, item: Item, file: Option<&str>) {
        match item {
            Item::Row(row) => {
                self.octets += row.attributes.len() + 2 * row.address.as_str().len();
                self.rows.push(row);
            }
            Item::Reject(mut reject) => {
                if let Some(file) = file {
                    reject.reason = format!("{file}: {}", reject.reason);
                }
                self.octets += reject.row.len();
                self.rejects.push(reject);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.rows.len() + self.rejects.len() >= BATCH_ROWS || self.octets >= BATCH_OCTETS
    }
}
