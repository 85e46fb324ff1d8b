//! An import under way: batch by batch from the reading thread into the database.

use crate::checks::{Checking, Found};
use crate::job::Job;
use crate::reading::{Batch, Source, read_in_thread};
use crate::row_file::{self, REJECTS, REMARKS, RowFile};
use anyhow::{Context as _, anyhow};
use std::path::{Path, PathBuf};
use tidings_campaign::csv_import::{Counts, Reject};
use tidings_campaign::ids::ImportId;
use tidings_campaign::time::Clock;
use tidings_store::StoreError;
use tidings_store::imports::{DryRun, Import, ImportBatch};
use tokio_util::sync::CancellationToken;

/// Who is told how an import gets on.
pub trait Listener: Send {
    /// Of all rows so far, after each batch.
    fn progress(&mut self, _counts: &Counts) {}
    /// Rows that were just found to be none.
    fn rejected(&mut self, _rejects: &[Reject]) {}
}

/// Nobody is told; the database says it too.
pub(crate) struct Nobody;

impl Listener for Nobody {}

/// What is done with the rows besides importing them.
pub struct Beside {
    /// Looking closer.
    pub checking: Checking,
    /// Where rejected rows go.
    pub rejects: RowFile,
    /// Where remarks go.
    pub remarks: RowFile,
}

/// What came of an import.
pub struct Done {
    /// Of the whole import.
    pub counts: Counts,
    /// Of this run, as is everything below.
    pub found: Found,
    /// Of the first file.
    pub encoding: &'static str,
    /// Rejected rows, if there are some.
    pub rejects_file: Option<PathBuf>,
    /// Remarks, if there are some.
    pub remarks_file: Option<PathBuf>,
}

impl Beside {
    /// In the files that were asked for, and otherwise in the folder.
    pub fn new(
        checking: Checking,
        rejects: Option<&Path>,
        remarks: Option<&Path>,
        folder: &Path,
    ) -> anyhow::Result<Beside> {
        let place = |kind, asked: Option<&Path>| match asked {
            Some(path) => RowFile::at(kind, path),
            None => RowFile::in_folder(kind, folder),
        };
        Ok(Beside {
            checking,
            rejects: place(&REJECTS, rejects)?,
            remarks: place(&REMARKS, remarks)?,
        })
    }

    /// Only in files that were asked for.
    pub fn of_dry_run(
        checking: Checking,
        rejects: Option<&Path>,
        remarks: Option<&Path>,
    ) -> anyhow::Result<Beside> {
        let place = |kind, asked: Option<&Path>| match asked {
            Some(path) => RowFile::at(kind, path),
            None => Ok(RowFile::nowhere(kind)),
        };
        Ok(Beside {
            checking,
            rejects: place(&REJECTS, rejects)?,
            remarks: place(&REMARKS, remarks)?,
        })
    }

    /// Checks a batch, and writes its rejects and remarks. Returns how long the two files are then.
    async fn take(&mut self, batch: &mut Batch, import: ImportId) -> anyhow::Result<[u64; 2]> {
        self.checking.check(batch).await;
        let rejected = batch.rejects.iter().map(row_file::rejected);
        let remarked = batch
            .remarked
            .iter()
            .map(|remarked| row_file::remarked(remarked.line, &remarked.address, &remarked.text));
        Ok([
            self.rejects.write(rejected, import)?,
            self.remarks.write(remarked, import)?,
        ])
    }

    fn done(&self, counts: Counts, encoding: &'static str) -> Done {
        Done {
            counts,
            found: self.checking.found,
            encoding,
            rejects_file: self.rejects.file().map(Into::into),
            remarks_file: self.remarks.file().map(Into::into),
        }
    }
}

/// Counts what an import would do.
pub async fn count(
    sources: Vec<Source>,
    mut target: DryRun,
    mut beside: Beside,
    listener: &mut dyn Listener,
) -> anyhow::Result<Done> {
    let mut batches = read_in_thread(sources, beside.checking.reading(0))?;
    let mut counts = Counts::default();
    let mut encoding = "utf-8";
    while let Some(batch) = batches.recv().await {
        let mut batch = batch.context("nothing was imported")?;
        beside.take(&mut batch, ImportId(0)).await?;
        counts += target
            .count(&batch.rows, &batch.suppressions)
            .await
            .context("nothing was imported")?;
        for _ in &batch.rejects {
            counts.count_reject();
        }
        encoding = batch.first_encoding;
        listener.rejected(&batch.rejects);
        listener.progress(&counts);
    }
    Ok(beside.done(counts, encoding))
}

/// Imports to the end. What comes in between is recorded with the import and told; whether a signal to stop is
/// recorded too depends on who asks: a server that stops goes on when it starts.
pub async fn to_the_end(
    job: &Job,
    sources: Vec<Source>,
    mut import: Import,
    mut beside: Beside,
    clock: &Clock,
    stop: &CancellationToken,
    listener: &mut dyn Listener,
) -> anyhow::Result<Done> {
    let mut encoding = "utf-8";
    let mut told = Told {
        listener,
        encoding: &mut encoding,
    };
    let outcome = all_batches(&mut import, sources, &mut beside, clock, stop, &mut told).await;
    let counts = import.counts();
    let id = import.id();
    let Err(error) = outcome else {
        import.finish(clock.now()).await.with_context(|| kept(&counts))?;
        job.remove_copies();
        return Ok(beside.done(counts, encoding));
    };
    // A database that is away comes back, and then a server goes on with what still counts as running.
    if passes_by_itself(&error) {
        return Err(error.context(kept(&counts)));
    }
    if let Err(unrecorded) = import.stop(&format!("{error:#}"), clock.now()).await {
        tracing::warn!("import {id} is stopped, which could not be recorded: {unrecorded}");
    }
    Err(error.context(kept(&counts)))
}

/// Whether trying again in a while may help.
pub(crate) fn passes_by_itself(error: &anyhow::Error) -> bool {
    let of_store = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<StoreError>()
            .is_some_and(StoreError::is_transient)
    };
    error.chain().any(of_store)
}

/// What is told of each batch.
struct Told<'a> {
    listener: &'a mut dyn Listener,
    encoding: &'a mut &'static str,
}

async fn all_batches(
    import: &mut Import,
    sources: Vec<Source>,
    beside: &mut Beside,
    clock: &Clock,
    stop: &CancellationToken,
    told: &mut Told<'_>,
) -> anyhow::Result<()> {
    let before = import.counts().rows;
    let mut batches = read_in_thread(sources, beside.checking.reading(before))?;
    loop {
        let batch = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(stopped()),
            batch = batches.recv() => batch,
        };
        let Some(mut batch) = batch.transpose()? else {
            return Ok(());
        };
        let [rejects_octets, remarks_octets] = tokio::select! {
            biased;
            // The DNS may keep a batch waiting.
            () = stop.cancelled() => return Err(stopped()),
            octets = beside.take(&mut batch, import.id()) => octets?,
        };
        let rows = ImportBatch {
            rows: &batch.rows,
            suppressions: &batch.suppressions,
            rejected: batch.rejects.len() as u64,
            rejects_octets,
            remarks_octets,
        };
        import.write(rows, clock.now()).await?;
        *told.encoding = batch.first_encoding;
        told.listener.progress(&import.counts());
        // Tens of thousands of texts are let go of while the next batch is written.
        drop(tokio::task::spawn_blocking(move || drop(batch)));
    }
}

fn stopped() -> anyhow::Error {
    anyhow!("a signal asked it to stop")
}

/// What a failure in the middle leaves behind, for the person who has to go on from there.
fn kept(counts: &Counts) -> String {
    match counts.rows {
        0 => "nothing was imported; the same command begins again".to_owned(),
        n => format!(
            "the import stopped after {n} rows, which are kept; the same command goes on there, and --undo takes them back"
        ),
    }
}
