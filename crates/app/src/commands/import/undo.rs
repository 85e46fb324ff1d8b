//! `tidings import --undo`: taking an import back.

use super::resuming;
use crate::context::Context;
use crate::output;
use anyhow::{Context as _, bail};
use serde_json::json;
use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use tidings_campaign::ids::ImportId;
use tidings_campaign::spreadsheet_safe::spreadsheet_safe;
use tidings_store::imports::{ImportState, Kept, Undo, UndoCounts};

/// The file that names what stays: address and why. Made when there is something to be named.
struct Report {
    path: PathBuf,
    /// Whether there may be a file of the same undo, which was cut off.
    goes_on: bool,
    open: Option<csv::Writer<File>>,
}

/// Takes the import back, step by step. Cut off, it goes on with the same command.
pub(super) async fn run(id: ImportId, context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    let record = store.find_import(id).await?;
    let begun = resuming::when_released(async || Undo::begin(&store, id, context.clock.now()).await).await?;
    let Some(mut undo) = begun else {
        bail!("import {id} is running: stop it first");
    };
    let mut report = Report {
        path: context.data.join(format!("kept-{id}.csv")),
        goes_on: record
            .as_ref()
            .is_some_and(|record| record.state == ImportState::Undoing),
        open: None,
    };
    while let Some(kept) = undo.step(context.clock.now()).await.context(HALF_WAY)? {
        report.add(&kept).context(HALF_WAY)?;
    }
    let counts = undo.counts();
    undo.finish(context.clock.now()).await.context(HALF_WAY)?;
    if let Some(record) = record.filter(|record| record.details.is_some()) {
        resuming::job_of(&record)?.remove_copies();
    }
    let goes_on = report.goes_on;
    let named = report.open.is_some() || (goes_on && report.path.exists());
    tell(id, counts, goes_on, named.then_some(report.path), context.json)
}

const HALF_WAY: &str = "the import is taken back in part; the same command goes on";

/// `goes_on`: what was taken back before it was cut off is not in the counts.
fn tell(
    id: ImportId,
    counts: UndoCounts,
    goes_on: bool,
    kept_file: Option<PathBuf>,
    json: bool,
) -> anyhow::Result<()> {
    if json {
        return output::json(&json!({
            "import_id": id, "removed": counts.removed, "restored": counts.restored, "kept": counts.kept,
            "suppressions_lifted": counts.suppressions_lifted, "kept_file": kept_file,
        }));
    }
    let since = if goes_on { "; since it was cut off:" } else { "" };
    output::line(format_args!("import {id} is taken back{since}"))?;
    for (n, what) in [
        (counts.removed, "had been created and are gone"),
        (counts.restored, "had been changed and are as before"),
        (counts.kept, "stay, or keep what has changed since"),
        (counts.suppressions_lifted, "suppressions of this import lifted"),
    ] {
        output::line(format_args!("{n:>12}  {what}"))?;
    }
    match kept_file {
        Some(path) => output::line(format_args!("what stays, and why: {}", path.display())),
        None => Ok(()),
    }
}

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
