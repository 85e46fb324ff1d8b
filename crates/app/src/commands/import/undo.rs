//! `tidings import --undo`: taking an import back.

use crate::context::Context;
use crate::output;
use anyhow::bail;
use serde_json::json;
use tidings_campaign::ids::ImportId;
use tidings_import::{TakenBack, TakingBack};
use tidings_store::audit::By;

/// Takes the import back. Cut off, it goes on with the same command.
pub(super) async fn run(id: ImportId, context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    let (by, clock) = (By::command_line(), &context.clock);
    let Some(taking_back) = TakingBack::begin(&store, id, &context.data, &by, clock).await? else {
        bail!("import {id} is running: stop it first");
    };
    tell(id, taking_back.to_the_end(clock).await?, context.json)
}

fn tell(id: ImportId, done: TakenBack, json: bool) -> anyhow::Result<()> {
    let TakenBack {
        counts,
        goes_on,
        kept_file,
    } = done;
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
