//! Taking an import back, and naming what stays.

use crate::resuming::{job_of, when_released};
use anyhow::Context as _;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use tidings_campaign::ids::ImportId;
use tidings_campaign::spreadsheet_safe::spreadsheet_safe;
use tidings_campaign::time::Clock;
use tidings_store::Store;
use tidings_store::audit::By;
use tidings_store::imports::{ImportRecord, ImportState, Kept, Undo, UndoCounts};

/// What came of it.
#[derive(Debug)]
pub struct TakenBack {
    /// What was taken back, by this run.
    pub counts: UndoCounts,
    /// It had been cut off before: what was taken back by then is not in the counts.
    pub goes_on: bool,
    /// Where it is said what stays, and why; nothing if nothing does.
    pub kept_file: Option<PathBuf>,
}

/// An import that is being taken back.
pub struct TakingBack {
    undo: Undo,
    record: Option<ImportRecord>,
    report: Report,
}

/// What the name of a file that says what stays begins with.
pub(crate) const KEPT: &str = "kept";

/// Where it is said what stays of an import.
pub fn kept_file(folder: &Path, id: ImportId) -> PathBuf {
    folder.join(format!("{KEPT}-{id}.csv"))
}

/// The file that names what stays: address and why. Made when there is something to be named.
struct Report {
    path: PathBuf,
    /// Whether there may be a file of the same undo, which was cut off.
    goes_on: bool,
    open: Option<csv::Writer<File>>,
}

impl TakingBack {
    /// Begins, or goes on where it was cut off; none if a process works on the import. `folder`: where what stays is named.
    pub async fn begin(
        store: &Store,
        id: ImportId,
        folder: &Path,
        by: &By,
        clock: &Clock,
    ) -> anyhow::Result<Option<TakingBack>> {
        let record = store.find_import(id).await?;
        let begun = when_released(|| Undo::begin(store, id, by, clock.now())).await?;
        let goes_on = record
            .as_ref()
            .is_some_and(|record| record.state == ImportState::Undoing);
        Ok(begun.map(|undo| TakingBack {
            undo,
            record,
            report: Report {
                path: kept_file(folder, id),
                goes_on,
                open: None,
            },
        }))
    }

    /// Takes it back, step by step. Cut off, it can be gone on with.
    pub async fn to_the_end(mut self, clock: &Clock) -> anyhow::Result<TakenBack> {
        while let Some(kept) = self.undo.step(clock.now()).await.context(HALF_WAY)? {
            self.report.add(&kept).context(HALF_WAY)?;
        }
        let counts = self.undo.counts();
        self.undo.finish(clock.now()).await.context(HALF_WAY)?;
        if let Some(record) = self.record.filter(|record| record.details.is_some()) {
            job_of(&record)?.remove_copies();
        }
        let goes_on = self.report.goes_on;
        let is_named = self.report.open.is_some() || (goes_on && self.report.path.exists());
        Ok(TakenBack {
            counts,
            goes_on,
            kept_file: is_named.then_some(self.report.path),
        })
    }
}

const HALF_WAY: &str = "the import is taken back in part; the same command goes on";

impl Report {
    fn open_file(&self) -> anyhow::Result<csv::Writer<File>> {
        if self.goes_on && self.path.exists() {
            let file = OpenOptions::new().append(true).open(&self.path)?;
            return Ok(csv::Writer::from_writer(file));
        }
        let mut writer = csv::Writer::from_path(&self.path)?;
        writer.write_record(["address", "why"])?;
        Ok(writer)
    }

    fn add(&mut self, kept: &[Kept]) -> anyhow::Result<()> {
        let problem = || format!("cannot write what stays to {}", self.path.display());
        if self.open.is_none() && !kept.is_empty() {
            self.open = Some(self.open_file().with_context(problem)?);
        }
        if let Some(writer) = &mut self.open {
            for kept in kept {
                writer
                    .write_record([
                        &*spreadsheet_safe(&kept.address),
                        &*spreadsheet_safe(&kept.why.to_string()),
                    ])
                    .with_context(problem)?;
            }
            writer.flush().with_context(problem)?;
        }
        Ok(())
    }
}
