//! `tidings import`: CSV files into a list.

mod rejects;

use crate::context::Context;
use anyhow::{Context as _, bail, ensure};
use rejects::Rejects;
use serde::Serialize;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidings_campaign::csv_import::{
    Counts, CsvFile, Delimiter, Item, Options, Refusal, Reject, Row, Rule, TextEncoding,
};
use tidings_campaign::ids::ImportId;
use tidings_campaign::time::{Clock, Timestamp};
use tidings_store::Store;
use tidings_store::imports::{DryRun, Import};
use tokio::sync::mpsc;

/// Rows of one transaction: some 200 ms of work, so that a sender beside the import does not wait longer.
const BATCH_ROWS: usize = 20_000;
/// Octets of one batch, about, so that long rows do not fill the memory.
const BATCH_OCTETS: usize = 8 << 20;
/// Between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(3);

/// Import recipients from CSV files into a list.
///
/// Delimiter, encoding and the column with the e-mail addresses are detected. Every other column becomes an attribute
/// under its header's name. An import never lifts a suppression or an unsubscribe; it may be repeated.
#[derive(clap::Args, Clone, Debug)]
pub struct ImportArgs {
    /// The CSV files; `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The list that the recipients are subscribed to. It is made if it does not exist.
    #[arg(long, value_name = "NAME")]
    list: String,
    /// What a column means: "Column=email", "Column=name", "Column=ignore", "Column=attribute", or an attribute with a
    /// type: "Age=age:number", "VIP=vip:boolean", "Since=since:date". The column is its header, or #3 for the third.
    #[arg(long = "map", value_name = "COLUMN=FIELD")]
    rules: Vec<Rule>,
    /// Where rows that cannot be taken are written: line, reason, original text.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Count what would happen, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// What separates the fields: comma, semicolon, tab or pipe.
    #[arg(long)]
    delimiter: Option<Delimiter>,
    /// What the text is written in: utf-8, utf-16le, utf-16be, windows-1252 or another WHATWG name.
    #[arg(long)]
    encoding: Option<TextEncoding>,
}

impl ImportArgs {
    /// The import of one file, with everything detected.
    pub fn of_file(file: PathBuf, list: &str, rejects: PathBuf) -> ImportArgs {
        ImportArgs {
            files: vec![file],
            list: list.to_owned(),
            rules: Vec::new(),
            rejects: Some(rejects),
            dry_run: false,
            delimiter: None,
            encoding: None,
        }
    }
}

/// What an import has done, as `--json` shows it.
#[derive(Serialize)]
struct Summary {
    #[serde(flatten)]
    counts: Counts,
    seconds: f64,
    import_id: Option<ImportId>,
    list: String,
    dry_run: bool,
    rejects_file: Option<PathBuf>,
    /// Of the first file, as are the next two.
    delimiter: String,
    encoding: &'static str,
    email_column: String,
}

/// A file that has been opened and looked at.
struct Source {
    shown: String,
    file: CsvFile,
}

/// What the reading thread hands over.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    rejects: Vec<Reject>,
    octets: usize,
    first_encoding: &'static str,
}

/// What becomes of the rows.
enum Target {
    Real(Import),
    Dry(DryRun),
}

/// Imports the files. A dry run where there is no database yet counts in an empty one that is gone afterwards.
pub async fn run(args: ImportArgs, context: &Context) -> anyhow::Result<()> {
    let Some(file) = context.missing_database().filter(|_| args.dry_run) else {
        return import(args, &context.store().await?, context, true).await;
    };
    eprintln!(
        "there is no database at {} yet: everybody would be new",
        file.display()
    );
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let empty = format!("sqlite://{}", folder.path().join("empty.db").display());
    let store = Store::open(&empty, &context.config.sending.node).await?;
    import(args, &store, context, true).await
}

/// Imports the files. All of them are opened and looked at before anything is written.
pub async fn import(args: ImportArgs, store: &Store, context: &Context, tell: bool) -> anyhow::Result<()> {
    let clock = &context.clock;
    let started = clock.now();
    let list = args.list.trim();
    ensure!(
        !list.is_empty() && !list.contains(char::is_control),
        "--list: the name of a list is a line of text"
    );
    let sources = open_all(&args)?;
    let first = &sources[0].file;
    let (delimiter, email_column) = (first.delimiter().to_string(), first.email_column().to_owned());
    let mut rejects = match &args.rejects {
        Some(path) => Rejects::at(path)?,
        None if args.dry_run => Rejects::nowhere(),
        None => Rejects::in_folder(&context.data)?,
    };
    let mut target = if args.dry_run {
        Target::Dry(DryRun::new(store, list).await?)
    } else {
        Target::Real(Import::new(store, list, &shown_files(&sources)))
    };
    let mut batches = read_in_thread(sources)?;
    let mut counts = Counts::default();
    let mut encoding = "utf-8";
    let mut progress = Progress {
        clock,
        started,
        shown: started,
    };
    while let Some(batch) = batches.recv().await {
        let batch = batch.with_context(|| partly(&target, &counts))?;
        counts += target
            .take(&batch, clock.now())
            .await
            .with_context(|| partly(&target, &counts))?;
        for reject in &batch.rejects {
            counts.count_reject();
            rejects
                .write(reject, target.id())
                .with_context(|| partly(&target, &counts))?;
        }
        encoding = batch.first_encoding;
        progress.show(&counts);
    }
    let import_id = target.finish(&counts, clock.now()).await?;
    let rejects_file = rejects.close().with_context(|| partly(&target, &counts))?;
    let summary = Summary {
        counts,
        seconds: clock.now().since(started).as_secs_f64(),
        import_id,
        list: list.to_owned(),
        dry_run: args.dry_run,
        rejects_file,
        delimiter,
        encoding,
        email_column,
    };
    if tell { summary.print(context.json) } else { Ok(()) }
}

/// What a failure in the middle leaves behind, for the person who has to go on from there.
fn partly(target: &Target, counts: &Counts) -> String {
    match target {
        Target::Real(_) if counts.rows > 0 => format!(
            "the import stopped after {} rows, which are kept; run it again when the cause is removed (what is there already counts as unchanged)",
            counts.rows
        ),
        _ => "nothing was imported".to_owned(),
    }
}

fn open_all(args: &ImportArgs) -> anyhow::Result<Vec<Source>> {
    let stdin = Path::new("-");
    ensure!(
        args.files.iter().filter(|file| *file == stdin).count() < 2,
        "standard input (-) can be read only once"
    );
    if let Some(rejects) = args.rejects.as_ref().and_then(|path| path.canonicalize().ok()) {
        let same = args
            .files
            .iter()
            .find(|file| file.canonicalize().is_ok_and(|file| file == rejects));
        if let Some(file) = same {
            bail!(
                "--rejects would overwrite {}, which is to be imported",
                file.display()
            );
        }
    }
    let options = Options {
        delimiter: args.delimiter,
        encoding: args.encoding,
        rules: args.rules.clone(),
    };
    args.files
        .iter()
        .map(|path| {
            let shown = if path == stdin {
                "standard input".to_owned()
            } else {
                path.display().to_string()
            };
            let file = open_one(path, path == stdin, &options).with_context(|| shown.clone())?;
            Ok(Source { shown, file })
        })
        .collect()
}

fn open_one(path: &Path, stdin: bool, options: &Options) -> anyhow::Result<CsvFile> {
    let source: Box<dyn Read + Send> = if stdin {
        Box::new(std::io::stdin())
    } else {
        let file = File::open(path).map_err(Refusal::Unreadable)?;
        ensure!(
            !file.metadata().map_err(Refusal::Unreadable)?.is_dir(),
            "is a folder, not a file"
        );
        Box::new(file)
    };
    Ok(CsvFile::open(source, options)?)
}

fn shown_files(sources: &[Source]) -> String {
    sources
        .iter()
        .map(|source| source.shown.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// Reads and parses in a thread of its own: the database has the other core. A plain thread, because one that waits
/// for standard input must not keep the program from ending.
fn read_in_thread(mut sources: Vec<Source>) -> anyhow::Result<mpsc::Receiver<anyhow::Result<Batch>>> {
    let (sender, receiver) = mpsc::channel(2);
    std::thread::Builder::new()
        .name("import-reader".to_owned())
        .spawn(move || {
            // A failure to send means that the other side has given up.
            if let Err(error) = read_all(&mut sources, &sender) {
                drop(sender.blocking_send(Err(error)));
            }
        })
        .context("cannot start a thread to read the file")?;
    Ok(receiver)
}

fn read_all(sources: &mut [Source], sender: &mpsc::Sender<anyhow::Result<Batch>>) -> anyhow::Result<()> {
    let several = sources.len() > 1;
    let mut batch = Batch::default();
    let mut first_encoding = None;
    for Source { shown, file } in sources {
        while let Some(item) = file
            .next_row()
            .with_context(|| format!("{shown}: cannot be read any further"))?
        {
            batch.add(item, several.then_some(shown.as_str()));
            if batch.is_full() {
                batch.first_encoding = first_encoding.unwrap_or_else(|| file.encoding());
                if sender.blocking_send(Ok(std::mem::take(&mut batch))).is_err() {
                    return Ok(());
                }
            }
        }
        first_encoding.get_or_insert(file.encoding());
    }
    batch.first_encoding = first_encoding.unwrap_or_default();
    // The last batch is sent even if nothing is in it: an import without rows is one too.
    drop(sender.blocking_send(Ok(batch)));
    Ok(())
}

impl Batch {
    /// `file`: its name, if that does not go without saying.
    fn add(&mut self, item: Item, file: Option<&str>) {
        match item {
            Item::Row(row) => {
                self.octets += row.attributes.len() + 2 * row.address.as_str().len();
                self.rows.push(row);
            }
            Item::Reject(mut reject) => {
                if let Some(file) = file {
                    reject.reason = format!("{file}: {}", reject.reason);
                }
                self.octets += reject.row.len();
                self.rejects.push(reject);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.rows.len() + self.rejects.len() >= BATCH_ROWS || self.octets >= BATCH_OCTETS
    }
}

impl Target {
    async fn take(&mut self, batch: &Batch, now: Timestamp) -> anyhow::Result<Counts> {
        Ok(match self {
            Target::Real(import) => import.write(&batch.rows, now).await?,
            Target::Dry(run) => run.count(&batch.rows).await?,
        })
    }

    fn id(&self) -> Option<ImportId> {
        match self {
            Target::Real(import) => import.id(),
            Target::Dry(_) => None,
        }
    }

    async fn finish(&mut self, counts: &Counts, now: Timestamp) -> anyhow::Result<Option<ImportId>> {
        Ok(match self {
            Target::Real(import) => Some(import.finish(counts, now).await?),
            Target::Dry(_) => None,
        })
    }
}

/// A line on standard error every few seconds.
struct Progress<'a> {
    clock: &'a Clock,
    started: Timestamp,
    shown: Timestamp,
}

impl Progress<'_> {
    fn show(&mut self, counts: &Counts) {
        let now = self.clock.now();
        if now.since(self.shown) < PROGRESS_EVERY {
            return;
        }
        self.shown = now;
        let rate = counts.rows as f64 / now.since(self.started).as_secs_f64();
        eprintln!(
            "{} rows so far, {rate:.0} a second, {} rejected",
            counts.rows, counts.rejected
        );
    }
}

impl Summary {
    fn print(&self, json: bool) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            writeln!(out, "{}", serde_json::to_string(self)?)?;
            return Ok(());
        }
        let c = &self.counts;
        let done = if self.dry_run {
            "would be imported"
        } else {
            "imported"
        };
        writeln!(
            out,
            "{} rows {done} into the list \"{}\" in {:.1} seconds",
            c.rows, self.list, self.seconds
        )?;
        writeln!(
            out,
            "  read as {}, {}-separated, addresses in column \"{}\"",
            self.encoding, self.delimiter, self.email_column
        )?;
        for (n, what) in [
            (c.created, "created"),
            (c.updated, "updated"),
            (c.unchanged, "unchanged"),
            (c.duplicates, "duplicates: the address stood in an earlier row"),
            (c.suppressed, "suppressed: the address must not be mailed"),
            (c.rejected, "rejected"),
        ] {
            writeln!(out, "{n:>12}  {what}")?;
        }
        if let (Some(path), true) = (&self.rejects_file, c.rejected > 0) {
            writeln!(out, "rejected rows, with line and reason: {}", path.display())?;
        }
        if self.dry_run {
            writeln!(out, "dry run: nothing was changed")?;
        }
        Ok(())
    }
}
