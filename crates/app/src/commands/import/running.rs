//! An import under way: batch by batch from the reading thread into the database.

use super::job::Job;
use super::reading::{Source, read_in_thread};
use super::rejects::Rejects;
use super::summary::Progress;
use anyhow::{Context as _, anyhow};
use std::path::PathBuf;
use tidings_campaign::csv_import::Counts;
use tidings_campaign::time::Clock;
use tidings_store::imports::{DryRun, Import, ImportBatch};
use tokio_util::sync::CancellationToken;

/// What came of an import.
pub(super) struct Done {
    pub(super) counts: Counts,
    /// Of the first file.
    pub(super) encoding: &'static str,
    pub(super) rejects_file: Option<PathBuf>,
}

/// Counts what an import would do.
pub(super) async fn count(
    sources: Vec<Source>,
    mut target: DryRun,
    mut rejects: Rejects,
    clock: &Clock,
) -> anyhow::Result<Done> {
    let mut batches = read_in_thread(sources, 0)?;
    let mut progress = Progress::new(clock, 0);
    let mut done = Done {
        counts: Counts::default(),
        encoding: "utf-8",
        rejects_file: None,
    };
    while let Some(batch) = batches.recv().await {
        let batch = batch.context("nothing was imported")?;
        done.counts += target.count(&batch.rows).await.context("nothing was imported")?;
        for _ in &batch.rejects {
            done.counts.count_reject();
        }
        rejects.write(&batch.rejects, tidings_campaign::ids::ImportId(0))?;
        done.encoding = batch.first_encoding;
        progress.show(&done.counts);
    }
    done.rejects_file = rejects.file().map(Into::into);
    Ok(done)
}

/// Imports to the end. What comes in between is recorded with the import and told; whether a signal to stop is
/// recorded too depends on who asks: a server that stops goes on when it starts.
pub(super) async fn to_the_end(
    job: &Job,
    sources: Vec<Source>,
    mut import: Import,
    mut rejects: Rejects,
    clock: &Clock,
    stop: &CancellationToken,
) -> anyhow::Result<Done> {
    let mut encoding = "utf-8";
    let outcome = all_batches(&mut import, sources, &mut rejects, clock, stop, &mut encoding).await;
    let counts = import.counts();
    let id = import.id();
    let Err(error) = outcome else {
        import.finish(clock.now()).await.with_context(|| kept(&counts))?;
        job.remove_copies();
        return Ok(Done {
            counts,
            encoding,
            rejects_file: rejects.file().map(Into::into),
        });
    };
    if let Err(unrecorded) = import.stop(&format!("{error:#}"), clock.now()).await {
        tracing::warn!("import {id} is stopped, which could not be recorded: {unrecorded}");
    }
    Err(error.context(kept(&counts)))
}

async fn all_batches(
    import: &mut Import,
    sources: Vec<Source>,
    rejects: &mut Rejects,
    clock: &Clock,
    stop: &CancellationToken,
    encoding: &mut &'static str,
) -> anyhow::Result<()> {
    let before = import.counts().rows;
    let mut batches = read_in_thread(sources, before)?;
    let mut progress = Progress::new(clock, before);
    loop {
        let batch = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(anyhow!("a signal asked it to stop")),
            batch = batches.recv() => batch,
        };
        let Some(batch) = batch.transpose()? else {
            return Ok(());
        };
        let rejects_octets = rejects.write(&batch.rejects, import.id())?;
        let rows = ImportBatch {
            rows: &batch.rows,
            rejected: batch.rejects.len() as u64,
            rejects_octets,
            remarks_octets: 0,
        };
        import.write(rows, clock.now()).await?;
        *encoding = batch.first_encoding;
        progress.show(&import.counts());
    }
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
