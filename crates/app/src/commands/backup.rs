//! `tidings backup`: everything in one file, while the server runs; `tidings backup verify`: whether such a file is whole.

use crate::backup_file::{CONFIGURATION, Destination, End, Header, Record, VERSION, Writer, files_of, read};
use crate::commands::progress::Progress;
use crate::config::settings_with_passwords;
use crate::context::Context;
use crate::lifecycle;
use crate::output;
use anyhow::{Context as _, anyhow, ensure};
use data_encoding::HEXLOWER;
use futures_util::StreamExt;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tidings_store::Store;
use tidings_store::transfer::{Snapshot, Sum, Table, Value, write_line};

/// Back everything up into one file, while the server runs and sends.
///
/// Either engine's database as it is at one moment, and the files of the data folder that belong to it; `tidings restore` brings
/// it back into either engine. The keys that sign links are in it, so nobody else may read it. Files of
/// passwords are not; but a password that stands in a URL of `tidings.toml` is.
#[derive(clap::Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct BackupArgs {
    #[command(subcommand)]
    command: Option<BackupCommand>,
    /// A new file; a folder, in which the file is named after the time; or `-` for standard output.
    #[arg(long, value_name = "FILE", required = true)]
    to: Option<PathBuf>,
}

/// Looking at backups.
#[derive(clap::Subcommand, Clone, Debug)]
enum BackupCommand {
    /// Read a backup to its end, and say whether it is as it was written.
    Verify {
        /// The backup.
        file: PathBuf,
    },
}

/// How much of a file goes into one line.
const CHUNK: usize = 192 << 10;

/// Backs up, or looks at a backup.
pub async fn run(args: BackupArgs, context: &Context) -> anyhow::Result<()> {
    match (args.command, args.to) {
        (Some(BackupCommand::Verify { file }), _) => verify(&file, context),
        (None, Some(to)) => back_up(&to, context).await,
        (None, None) => unreachable!("the command line demands --to"),
    }
}

/// Reads a backup to its end, tells how far it is, and finds out whether all of it is as it was written.
pub fn check_whole(file: &Path) -> anyhow::Result<(Header, End)> {
    let mut progress = Progress::new();
    let mut lines = 0_u64;
    read(file, |_| {
        lines += 1;
        progress.tell(|| format!("{lines} lines are as they were written"));
        Ok(())
    })
}

fn verify(file: &Path, context: &Context) -> anyhow::Result<()> {
    let (header, end) = check_whole(file)?;
    if context.json {
        return output::json(&told(&header, &end, None));
    }
    output::line(format!(
        "{}: whole; {} rows of {} tables and {} files, made {} by version {}",
        file.display(),
        end.rows,
        end.tables,
        end.files,
        header.made_at,
        header.version
    ))
}

/// A backup in the words of `--json`.
fn told(header: &Header, end: &End, file: Option<&Path>) -> serde_json::Value {
    let mut told = json!({
        "instance": header.instance, "made_at": header.made_at, "version": header.version,
        "schema": header.schema, "engine": header.engine,
        "tables": end.tables, "rows": end.rows, "files": end.files,
    });
    if let Some(file) = file {
        told["file"] = json!(file);
    }
    told
}

async fn back_up(to: &Path, context: &Context) -> anyhow::Result<()> {
    let made_at = context.clock.now().to_string();
    let destination = Destination::of(to, &made_at);
    let to_stdout = matches!(destination, Destination::Stdout);
    ensure!(
        !(to_stdout && context.json),
        "--json and a backup cannot both go to standard output: name a file"
    );
    let store = context.existing_store().await?;
    let writer = Writer::begin(&destination)?;
    let snapshot = store.snapshot().await?.without_sessions();
    let header = header(&store, &snapshot, made_at).await?;
    let mut backup = Backup {
        writer,
        end: End::default(),
        replaced: 0,
        progress: Progress::new(),
    };
    let stop = lifecycle::stop_on_signals()?;
    let outcome = tokio::select! {
        outcome = backup.everything(&header, snapshot, &context.data) => outcome,
        () = stop.cancelled() => Err(anyhow!("stopped by a signal: no backup was made")),
    };
    if let Err(error) = outcome {
        backup.writer.abandon().await;
        return Err(error);
    }
    let end = backup.end.clone();
    backup.writer.end(backup.end).await?;
    store.close().await;
    if backup.replaced > 0 {
        tracing::warn!(
            "{} texts were not UTF-8; what could not be read in them is U+FFFD in the backup",
            backup.replaced
        );
    }
    warn_of_passwords(&context.data);
    let Destination::File(file) = destination else {
        return Ok(());
    };
    if context.json {
        return output::json(&told(&header, &end, Some(&file)));
    }
    output::line(format!(
        "{}: {} rows of {} tables and {} files",
        file.display(),
        end.rows,
        end.tables,
        end.files
    ))
}

/// The configuration is in the backup as it is.
fn warn_of_passwords(data: &Path) {
    let text = std::fs::read_to_string(data.join(CONFIGURATION)).unwrap_or_default();
    let settings = settings_with_passwords(&text);
    if !settings.is_empty() {
        tracing::warn!(
            "the backup has passwords in it, which stand in {CONFIGURATION} at {}: keep it as you keep them, or use password_file \
             there",
            settings.join(", ")
        );
    }
}

async fn header(store: &Store, snapshot: &Snapshot, made_at: String) -> anyhow::Result<Header> {
    let engine = match store.sqlite_file() {
        Some(_) => "sqlite",
        None => "postgres",
    };
    Ok(Header {
        tidings_backup: VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema: snapshot.schema(),
        instance: store.instance().await?.id,
        engine: engine.to_owned(),
        made_at,
    })
}

/// A backup under way.
struct Backup {
    writer: Writer,
    /// What has been written so far.
    end: End,
    /// Texts that were not UTF-8.
    replaced: u64,
    progress: Progress,
}

impl Backup {
    async fn everything(
        &mut self,
        header: &Header,
        mut snapshot: Snapshot,
        data: &Path,
    ) -> anyhow::Result<()> {
        self.writer.record(&Record::Backup(header.clone())).await?;
        for table in snapshot.tables().to_vec() {
            self.table(&mut snapshot, &table).await?;
        }
        let next_ids = snapshot.next_ids().await?;
        self.writer.record(&Record::NextIds(next_ids)).await?;
        // The database is held no longer than it must be.
        drop(snapshot);
        for name in files_of(data)? {
            self.file(data, &name).await?;
        }
        Ok(())
    }

    async fn table(&mut self, snapshot: &mut Snapshot, table: &Table) -> anyhow::Result<()> {
        let columns = table.columns.iter().map(|column| column.name.clone());
        let begin = Record::Table {
            name: table.name.clone(),
            columns: columns.collect(),
        };
        self.writer.record(&begin).await?;
        let mut sum = Sum::default();
        let mut line = Vec::new();
        let mut rows = snapshot.rows(table);
        while let Some(row) = rows.next().await {
            let row = row?;
            let unread = row.iter().filter(|value| matches!(value, Value::NotUtf8(_)));
            self.replaced += unread.count() as u64;
            line.clear();
            write_line(&row, &mut line);
            sum.add(&line);
            self.writer.row(&line).await?;
            let (name, rows) = (&table.name, sum.rows);
            self.progress.tell(|| format!("{name}: {rows} rows"));
        }
        self.end.tables += 1;
        self.end.rows += sum.rows;
        let end = Record::EndOfTable {
            rows: sum.rows,
            sum: sum.hashes(),
        };
        self.writer.record(&end).await
    }

    /// Writes a file of the data folder, if it is still there: uploads go when they are imported.
    async fn file(&mut self, data: &Path, name: &Path) -> anyhow::Result<()> {
        let path = data.join(name);
        let cannot = || format!("cannot read {}", path.display());
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(cannot),
        };
        let mode = file.metadata().with_context(cannot)?.permissions().mode() & 0o777;
        let text = name.to_str().context("a file's name that is not UTF-8")?;
        let begin = Record::File {
            name: text.to_owned(),
            mode,
        };
        self.writer.record(&begin).await?;
        let (mut octets, mut digest, mut line) = (0, Sha256::new(), Vec::new());
        loop {
            let mut chunk = Vec::new();
            (&mut file)
                .take(CHUNK as u64)
                .read_to_end(&mut chunk)
                .with_context(cannot)?;
            if chunk.is_empty() {
                break;
            }
            octets += chunk.len() as u64;
            digest.update(&chunk);
            line.clear();
            write_line(&[Value::Octets(chunk)], &mut line);
            self.writer.row(&line).await?;
        }
        self.end.files += 1;
        let end = Record::EndOfFile {
            octets,
            sha256: HEXLOWER.encode(&digest.finalize()),
        };
        self.writer.record(&end).await
    }
}
