//! Writing a backup: compressed in a thread of its own, under a name of its own until all of it is on the disk.

use super::format::{End, Record};
use crate::durable;
use anyhow::Context;
use data_encoding::HEXLOWER;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// About so many octets go to the thread at once, and a few of these wait for it: memory does not grow with the backup.
const BLOCK: usize = 256 << 10;
const BLOCKS_WAITING: usize = 4;

/// Where a backup goes.
#[derive(Clone, Debug)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file that is not there yet.
    File(PathBuf),
}

enum Out {
    Stdout(io::Stdout),
    File(NamedTempFile, PathBuf),
}

/// A backup that is being written. It ends by [`Writer::end`] or [`Writer::abandon`].
pub struct Writer {
    block: Vec<u8>,
    blocks: mpsc::Sender<Vec<u8>>,
    /// None once it is known how it ended.
    thread: Option<JoinHandle<anyhow::Result<()>>>,
    digest: Sha256,
}

impl Writer {
    /// Begins it. Touches the disk.
    pub fn begin(destination: &Destination) -> anyhow::Result<Writer> {
        let out = match destination {
            Destination::Stdout => Out::Stdout(io::stdout()),
            Destination::File(file) => {
                anyhow::ensure!(
                    !file.exists(),
                    "{} is there already: a backup does not take the place of anything",
                    file.display()
                );
                let folder = durable::folder_of(file);
                // Nobody else may read it: keys that sign links are in it. So it is made, with mode 0600.
                let new = tempfile::Builder::new()
                    .prefix(".tidings-backup-")
                    .tempfile_in(folder)
                    .with_context(|| format!("cannot write into {}", folder.display()))?;
                Out::File(new, file.clone())
            }
        };
        let (blocks, come) = mpsc::channel(BLOCKS_WAITING);
        let thread = tokio::task::spawn_blocking(move || compress(come, out));
        Ok(Writer {
            block: Vec::with_capacity(BLOCK),
            blocks,
            thread: Some(thread),
            digest: Sha256::new(),
        })
    }

    /// Writes a line that is a row, with its end.
    pub async fn row(&mut self, line: &[u8]) -> anyhow::Result<()> {
        self.digest.update(line);
        self.block.extend_from_slice(line);
        if self.block.len() >= BLOCK {
            self.hand_over().await?;
        }
        Ok(())
    }

    /// Writes any other line.
    pub async fn record(&mut self, record: &Record) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.row(&line).await
    }

    /// Writes the last line, and gives the file its name when all of it is on the disk.
    pub async fn end(mut self, mut end: End) -> anyhow::Result<()> {
        end.sha256 = HEXLOWER.encode(&self.digest.clone().finalize());
        self.record(&Record::End(end)).await?;
        self.hand_over().await?;
        // An empty block says that this was all: a channel that closes without one is a backup that was given up.
        let _ = self.blocks.send(Vec::new()).await;
        self.thread_ended().await
    }

    /// Leaves no file.
    pub async fn abandon(mut self) {
        // It ends when nothing can come any more.
        self.blocks = mpsc::channel(1).0;
        // Why it is given up is known already.
        let _ = self.thread_ended().await;
    }

    async fn thread_ended(&mut self) -> anyhow::Result<()> {
        match self.thread.take() {
            Some(thread) => thread.await.context("the thread that compresses")?,
            None => Ok(()),
        }
    }

    async fn hand_over(&mut self) -> anyhow::Result<()> {
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        if block.is_empty() || self.blocks.send(block).await.is_ok() {
            return Ok(());
        }
        // The thread has ended before its time, and says why.
        self.thread_ended().await?;
        anyhow::bail!("the backup was given up")
    }
}

fn compress(mut blocks: mpsc::Receiver<Vec<u8>>, mut out: Out) -> anyhow::Result<()> {
    let what = match &out {
        Out::Stdout(_) => "standard output".to_owned(),
        Out::File(_, file) => file.display().to_string(),
    };
    let cannot = || format!("cannot write {what}");
    let sink: &mut dyn Write = match &mut out {
        Out::Stdout(out) => out,
        Out::File(new, _) => new.as_file_mut(),
    };
    // Text like this becomes hardly smaller by more work, and the work is what a backup would wait for.
    let mut packed = GzEncoder::new(BufWriter::new(sink), Compression::new(3));
    loop {
        match blocks.blocking_recv() {
            Some(block) if block.is_empty() => break,
            Some(block) => packed.write_all(&block).with_context(cannot)?,
            None => return Ok(()),
        }
    }
    packed
        .finish()
        .and_then(|mut rest| rest.flush())
        .with_context(cannot)?;
    let Out::File(new, file) = out else {
        return Ok(());
    };
    durable::put(new, &file, durable::Place::MustBeFree).with_context(cannot)
}

impl Destination {
    /// What was asked for: `-`, a folder, in which a file is named after the time, or a file.
    pub fn of(to: &Path, made_at: &str) -> Destination {
        if to == Path::new("-") {
            return Destination::Stdout;
        }
        let named_by_time = || to.join(format!("tidings-{}.backup", made_at.replace(':', "-")));
        match fs::metadata(to) {
            Ok(there) if there.is_dir() => Destination::File(named_by_time()),
            _ => Destination::File(to.to_owned()),
        }
    }
}
