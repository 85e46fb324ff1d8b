//! `tidings suppression import`: addresses in any file that recipients come in, or hashes, one on a line.

use crate::context::Context;
use crate::output;
use anyhow::{Context as _, ensure};
use serde_json::json;
use std::fs::File;
use std::path::{Path, PathBuf};
use tidings_campaign::csv_import::{Options, Source};
use tidings_import::{SuppressionCounts, SuppressionList, suppress_by_hash};

pub(super) async fn run(
    files: &[PathBuf],
    reason: &str,
    options: &Options,
    context: &Context,
) -> anyhow::Result<()> {
    let stdin = Path::new("-");
    ensure!(
        files.iter().filter(|file| *file == stdin).count() < 2,
        "standard input (-) can be read only once"
    );
    let mut opened = Vec::new();
    for path in files {
        let is_stdin = path == stdin;
        let shown = match is_stdin {
            true => "standard input".to_owned(),
            false => path.display().to_string(),
        };
        opened.push(open(path, is_stdin, &shown, options).with_context(|| shown.clone())?);
    }
    let store = context.store().await?;
    let mut counts = SuppressionCounts::default();
    let has_hashes = opened.iter().any(SuppressionList::has_hashes);
    for list in opened {
        list.import(&store, reason, &context.clock, &mut counts, |_| {})
            .await?;
    }
    let mut recipients = None;
    if has_hashes {
        recipients = Some(suppress_by_hash(&store, &context.clock).await?);
    }
    tell(&counts, recipients, context.json)
}

fn open(path: &Path, is_stdin: bool, shown: &str, options: &Options) -> anyhow::Result<SuppressionList> {
    let source = match is_stdin {
        true => Source::Stream(Box::new(std::io::stdin())),
        false => Source::File(File::open(path).context("cannot be read")?),
    };
    SuppressionList::open(source, shown, options)
}

/// `recipients`: how many of them are suppressed now by their hash, if hashes came.
fn tell(counts: &SuppressionCounts, recipients: Option<u64>, json: bool) -> anyhow::Result<()> {
    let known = counts.known();
    if json {
        return output::json(&json!({
            "rows": counts.rows, "added": counts.added, "already_suppressed": known, "rejected": counts.rejected,
            "recipients_by_hash": recipients, "rejects": counts.shown,
        }));
    }
    output::line(format_args!(
        "{} rows: {} suppressed now, {known} were already, {} rejected",
        counts.rows, counts.added, counts.rejected
    ))?;
    if let Some(recipients) = recipients {
        output::line(format_args!("{recipients} recipients have one of these hashes"))?;
    }
    for reject in &counts.shown {
        output::line(format_args!("  {reject}"))?;
    }
    Ok(())
}
