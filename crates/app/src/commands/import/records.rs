//! `tidings import list` and `show`: the records of imports.

use crate::output;
use anyhow::bail;
use serde_json::{Value, json};
use std::path::PathBuf;
use tidings_campaign::ids::ImportId;
use tidings_import::resuming::job_of;
use tidings_import::{Job, REJECTS, REMARKS, RowFile};
use tidings_store::Store;
use tidings_store::imports::{ImportLock, ImportRecord, ImportState};

/// Imports that are listed at most.
const NEWEST: u32 = 100;

pub(super) async fn list(store: &Store, json: bool) -> anyhow::Result<()> {
    let records = store.imports(NEWEST).await?;
    let mut shown = Vec::new();
    for record in &records {
        let state = state(store, record).await?;
        if json {
            shown.push(as_json(record, &state));
            continue;
        }
        output::line(format_args!(
            "{:>6}  {}  {:11}  {:>9} rows  {}  into \"{}\"",
            record.id, record.started_at, state, record.counts.rows, record.files, record.list
        ))?;
    }
    if json { output::json(&shown) } else { Ok(()) }
}

pub(super) async fn show(store: &Store, id: ImportId, json: bool) -> anyhow::Result<()> {
    let Some(record) = store.find_import(id).await? else {
        bail!("there is no import {id}: `tidings import list` shows those that there are");
    };
    let state = state(store, &record).await?;
    let job = record.details.is_some().then(|| job_of(&record)).transpose()?;
    if json {
        let mut value = as_json(&record, &state);
        if let Some(job) = &job {
            let [rejects, remarks] = row_files(&record, job);
            value["files"] = serde_json::to_value(&job.files)?;
            value["rejects_file"] = json!(rejects);
            value["remarks_file"] = json!(remarks);
        }
        return output::json(&value);
    }
    print(&record, &state, job.as_ref())
}

/// Where rejected rows and remarks are, if there are some.
fn row_files(record: &ImportRecord, job: &Job) -> [Option<PathBuf>; 2] {
    let rejects = RowFile::of_job(&REJECTS, job.rejects.as_deref(), &job.folder);
    let remarks = RowFile::of_job(&REMARKS, job.remarks.as_deref(), &job.folder);
    [
        rejects.kept(record.id, record.rejects_octets),
        remarks.kept(record.id, record.remarks_octets),
    ]
}

/// The state in a word; "interrupted" if it should be running and no process works on it, "half undone" if it should be
/// taken back.
async fn state(store: &Store, record: &ImportRecord) -> anyhow::Result<String> {
    let cut_off = match record.state {
        ImportState::Running => "interrupted",
        ImportState::Undoing => "half undone",
        state => return Ok(state.to_string()),
    };
    if ImportLock::is_held(store, record.id).await? {
        return Ok(record.state.to_string());
    }
    Ok(cut_off.to_owned())
}

fn as_json(record: &ImportRecord, state: &str) -> Value {
    json!({
        "id": record.id, "list": record.list, "file_names": record.files, "state": state, "reason": record.reason,
        "started_by": record.started_by, "consent": record.consent, "counts": record.counts,
        "started_at": record.started_at.to_string(), "updated_at": record.updated_at.to_string(),
        "finished_at": record.finished_at.map(|at| at.to_string()),
    })
}

fn print(record: &ImportRecord, state: &str, job: Option<&Job>) -> anyhow::Result<()> {
    output::line(format_args!(
        "import {} into \"{}\": {state}",
        record.id, record.list
    ))?;
    if let Some(reason) = &record.reason {
        output::line(format_args!("  stopped because: {reason}"))?;
    }
    let by = &record.started_by;
    output::line(format_args!("  begun {} by {by}", record.started_at))?;
    if let Some(at) = record.finished_at {
        output::line(format_args!("  ended {at}"))?;
    }
    output::line(format_args!(
        "  consent: {}",
        record.consent.as_deref().unwrap_or("not stated")
    ))?;
    let c = &record.counts;
    for (n, what) in [
        (c.rows, "rows"),
        (c.created, "created"),
        (c.updated, "updated"),
        (c.unchanged, "unchanged"),
        (c.duplicates, "duplicates"),
        (c.suppressed, "suppressed"),
        (c.rejected, "rejected"),
    ] {
        output::line(format_args!("{n:>12}  {what}"))?;
    }
    let Some(job) = job else {
        return output::line(format_args!("  {}", record.files));
    };
    let [rejects, remarks] = row_files(record, job);
    for (what, path) in [("rejected rows", rejects), ("remarks", remarks)] {
        if let Some(path) = path {
            output::line(format_args!("  {what}: {}", path.display()))?;
        }
    }
    for file in &job.files {
        output::line(format_args!(
            "  {}: {} octets, SHA-256 {}",
            file.name, file.octets, file.sha256
        ))?;
        for rule in &file.mapping {
            output::line(format_args!("    {rule}"))?;
        }
    }
    Ok(())
}
