//! `tidings restore`: a backup into a new database of either engine.

use crate::backup_file::{Piece, Placed, PutBack, read};
use crate::commands::backup::check_whole;
use crate::commands::progress::Progress;
use crate::context::Context;
use crate::output;
use anyhow::Context as _;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tidings_store::transfer::{BATCH_OCTETS, BATCH_ROWS, Restored, Restoring, Row, read_line};
use tidings_store::{Store, place_of};
use tokio::sync::mpsc;

/// Restore a backup into a database that holds nothing yet.
///
/// Into either engine, with --data and --database as the server will have them. The whole file is checked before anything is
/// written, and everything is compared afterwards; what fails leaves nothing behind. Files that are in the data folder already
/// stay as they are. When the server starts, every campaign that would send is held until `tidings campaign resume`: what was
/// sent after the backup is not in it.
#[derive(clap::Args, Clone, Debug)]
pub struct RestoreArgs {
    /// The backup.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace texts that this engine does not take, by U+FFFD for what it cannot hold, rather than refuse the backup.
    #[arg(long)]
    replace_unfit: bool,
}

/// What the thread that reads hands over.
enum Batch {
    Table(String, Vec<String>),
    Rows(Vec<Row>),
    NextIds(BTreeMap<String, i64>),
}

/// Restores it.
pub async fn run(args: RestoreArgs, context: &Context) -> anyhow::Result<()> {
    let file = args.file.clone();
    // All of it, before anything is touched.
    let checking = tokio::task::spawn_blocking(move || check_whole(&file));
    let (header, end) = checking.await.context("the thread that reads")??;
    let node = &context.config.sending.node;
    let restoring = Restoring::begin(&context.database, node, header.schema, args.replace_unfit).await?;
    let (restored, Placed { put, kept }) = load(restoring, &args.file, &context.data).await?;
    // Brings an older backup up to date.
    Store::open(&context.database, node).await?.close().await;
    for misfit in &restored.misfits.named {
        tracing::warn!("replaced: {misfit}");
    }
    if context.json {
        return output::json(&json!({
            "instance": header.instance, "made_at": header.made_at, "tables": end.tables, "rows": restored.rows,
            "files": put, "kept_files": kept, "replaced": restored.misfits.replaced,
        }));
    }
    output::line(format!(
        "{}: {} rows of {} tables and {} files of the backup of {} are there",
        place_of(&context.database),
        restored.rows,
        end.tables,
        put.len(),
        header.made_at
    ))?;
    for file in kept {
        output::line(format!(
            "{} was there and stays as it is",
            context.data.join(file).display()
        ))?;
    }
    output::line(
        "every campaign that would send is held when the server starts: look what was sent since, then `tidings campaign resume`",
    )
}

/// Fills the database and puts the files in their places; or nothing is in the database.
async fn load(mut restoring: Restoring, file: &Path, data: &Path) -> anyhow::Result<(Restored, Placed)> {
    let (batches, come) = mpsc::channel(2);
    let (file, data) = (file.to_owned(), data.to_owned());
    let reading = tokio::task::spawn_blocking(move || hand_over(&file, &data, &batches));
    match fill(&mut restoring, come).await {
        Ok(next_ids) => match reading.await.context("the thread that reads")? {
            Ok(files) => finish(restoring, files, &next_ids).await,
            Err(error) => {
                restoring.abandon().await;
                Err(error)
            }
        },
        Err(error) => {
            restoring.abandon().await;
            // It has nobody to read for any more.
            let _ = reading.await;
            Err(error.into())
        }
    }
}

/// The files come first: when there is a database, everything is there. What fails in between can be restored again, and finds
/// the same files.
async fn finish(
    mut restoring: Restoring,
    files: PutBack,
    next_ids: &BTreeMap<String, i64>,
) -> anyhow::Result<(Restored, Placed)> {
    let complete = match restoring.complete(next_ids).await {
        Ok(restored) => files.done().map(|placed| (restored, placed)),
        Err(error) => Err(error.into()),
    };
    match complete {
        Ok(complete) => {
            restoring.finish().await?;
            Ok(complete)
        }
        Err(error) => {
            restoring.abandon().await;
            Err(error)
        }
    }
}

async fn fill(
    restoring: &mut Restoring,
    mut come: mpsc::Receiver<Batch>,
) -> Result<BTreeMap<String, i64>, tidings_store::StoreError> {
    let mut progress = Progress::new();
    let (mut table, mut columns, mut rows) = (String::new(), Vec::new(), 0);
    let mut next_ids = BTreeMap::new();
    while let Some(batch) = come.recv().await {
        match batch {
            Batch::Table(name, of) => (table, columns, rows) = (name, of, 0),
            Batch::Rows(batch) => {
                rows += batch.len();
                restoring.load(&table, &columns, batch).await?;
                progress.tell(|| format!("{table}: {rows} rows"));
            }
            Batch::NextIds(next) => next_ids = next,
        }
    }
    Ok(next_ids)
}

/// Reads the backup once more, and hands rows over in batches.
fn hand_over(file: &Path, data: &Path, batches: &mpsc::Sender<Batch>) -> anyhow::Result<PutBack> {
    let mut files = PutBack::into_folder(data)?;
    let mut rows: Vec<Row> = Vec::new();
    let mut octets = 0;
    let send = |batch| batches.blocking_send(batch).context("the restore was given up");
    read(file, |piece| {
        let full = rows.len() >= BATCH_ROWS || octets >= BATCH_OCTETS;
        if !rows.is_empty() && (full || !matches!(piece, Piece::Row(_))) {
            send(Batch::Rows(std::mem::take(&mut rows)))?;
            octets = 0;
        }
        match piece {
            Piece::Table { name, columns } => send(Batch::Table(name, columns)),
            Piece::Row(line) => {
                octets += line.len();
                rows.push(read_line(line).map_err(anyhow::Error::msg)?);
                Ok(())
            }
            Piece::NextIds(next) => send(Batch::NextIds(next)),
            Piece::File { name, mode } => files.begin(&name, mode),
            Piece::Octets(octets) => files.write(&octets),
        }
    })?;
    Ok(files)
}
