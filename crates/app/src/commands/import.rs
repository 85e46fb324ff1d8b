//! `tidings import`: files with recipients into a list, as a job that can be gone on with and taken back.

mod records;
mod summary;
mod undo;

use crate::commands::file_options::FileOptions;
use crate::context::Context;
use crate::lifecycle;
use anyhow::{Context as _, bail, ensure};
use std::path::{Path, PathBuf};
use summary::{Progress, ReadAs, Summary};
use tidings_campaign::ids::ImportId;
use tidings_import::{Beside, Check, Checking, Done, Input, Job, Source, open_all, resuming};
use tidings_store::Store;
use tidings_store::audit::By;
use tidings_store::imports::{DryRun, Import, NewImport};
use tokio_util::sync::CancellationToken;

/// Import recipients from CSV files and spreadsheets into a list.
///
/// Files may be CSV, .xlsx or .ods, as they are or in a .gz or .zip; what they are is told by what is in them. Delimiter, encoding and the column with the e-mail addresses are detected. Every other column becomes an attribute
/// under its header's name. An import never lifts a suppression or an unsubscribe; it may be repeated. One that was cut
/// off goes on with the same command, and --undo takes one back.
#[derive(clap::Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ImportArgs {
    #[command(subcommand)]
    command: Option<ImportCommand>,
    /// The files; `-` reads standard input.
    #[arg(required_unless_present = "undo", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The list that the recipients are subscribed to. It is made if it does not exist.
    #[arg(long, value_name = "NAME", required_unless_present = "undo")]
    list: Option<String>,
    #[command(flatten)]
    read_as: FileOptions,
    /// Where rows that cannot be taken are written: line, reason, original text.
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Where remarks about rows are written: line, address, remark.
    #[arg(long, value_name = "FILE")]
    remarks: Option<PathBuf>,
    /// Look closer at each address: mx, disposable, role, typos, several with commas between them, or all.
    #[arg(long = "check", value_delimiter = ',', value_name = "CHECKS")]
    checks: Vec<Check>,
    /// Count what would happen, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Where these people agreed to get mail, for the record: "sign-up at the trade fair, May 2026".
    #[arg(long, value_name = "TEXT")]
    consent: Option<String>,
    /// Who imports, for the record; the name of the account if not given.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Take this import back: what it created goes, what it changed is as before, and what has changed since stays.
    #[arg(long, value_name = "ID", conflicts_with_all = ["files", "list", "rules", "rejects", "remarks", "checks", "part", "dry_run", "header", "delimiter", "encoding", "consent", "by"])]
    undo: Option<ImportId>,
}

/// Looking at imports.
#[derive(clap::Subcommand, Clone, Debug)]
enum ImportCommand {
    /// List the newest imports.
    List,
    /// Show one import: its files, its mapping, what became of its rows.
    Show {
        /// The import.
        id: ImportId,
    },
}

impl ImportArgs {
    /// The import of one file, with everything detected.
    pub fn of_file(file: PathBuf, list: &str, rejects: PathBuf) -> ImportArgs {
        ImportArgs {
            command: None,
            files: vec![file],
            list: Some(list.to_owned()),
            read_as: FileOptions::default(),
            rejects: Some(rejects),
            remarks: None,
            checks: Vec::new(),
            dry_run: false,
            consent: None,
            by: None,
            undo: None,
        }
    }

    fn inputs(&self) -> anyhow::Result<Vec<Input>> {
        let stdin = Path::new("-");
        ensure!(
            self.files.iter().filter(|file| *file == stdin).count() < 2,
            "standard input (-) can be read only once"
        );
        for (option, path) in [("--rejects", &self.rejects), ("--remarks", &self.remarks)] {
            let Some(written) = path.as_ref().and_then(|path| path.canonicalize().ok()) else {
                continue;
            };
            let is_written = |file: &&PathBuf| file.canonicalize().is_ok_and(|file| file == written);
            if let Some(file) = self.files.iter().find(is_written) {
                bail!(
                    "{option} would overwrite {}, which is to be imported",
                    file.display()
                );
            }
        }
        ensure!(
            self.rejects.is_none() || self.rejects != self.remarks,
            "--rejects and --remarks must be two files"
        );
        ensure!(
            self.remarks.is_none() || tidings_import::has_remarks(&self.checks),
            "--remarks needs something to remark on: --check disposable,role,typos"
        );
        let input = |path: &PathBuf| match path == stdin {
            true => Input {
                shown: "standard input".to_owned(),
                path: None,
            },
            false => Input {
                shown: path.display().to_string(),
                path: Some(path.clone()),
            },
        };
        Ok(self.files.iter().map(input).collect())
    }
}

/// Does what was asked: imports, takes back, or shows.
pub async fn run(args: ImportArgs, context: &Context) -> anyhow::Result<()> {
    match (&args.command, args.undo) {
        (Some(ImportCommand::List), _) => records::list(&context.existing_store().await?, context.json).await,
        (Some(ImportCommand::Show { id }), _) => {
            records::show(&context.existing_store().await?, *id, context.json).await
        }
        (None, Some(id)) => undo::run(id, context).await,
        (None, None) if args.dry_run => dry_run(args, context).await,
        (None, None) => {
            let stop = lifecycle::stop_on_signals()?;
            import(args, &context.store().await?, context, &stop, true).await
        }
    }
}

/// Counts what would happen. Where there is no database yet, in an empty one that is gone afterwards.
async fn dry_run(args: ImportArgs, context: &Context) -> anyhow::Result<()> {
    let empty = tempfile::tempdir().context("no temporary folder")?;
    let store = match context.missing_database() {
        None => context.store().await?,
        Some(file) => {
            eprintln!(
                "there is no database at {} yet: everybody would be new",
                file.display()
            );
            let url = format!("sqlite://{}", empty.path().join("empty.db").display());
            Store::open(&url, &context.config.sending.node).await?
        }
    };
    let list = list_name(&args)?;
    let sources = open_all(&args.inputs()?, &args.read_as.options())?;
    let checking = Checking::new(&args.checks, context.config.dns.as_ref())?;
    let beside = Beside::of_dry_run(checking, args.rejects.as_deref(), args.remarks.as_deref())?;
    let told = Told::before(&args, &sources, list, context);
    let target = DryRun::new(&store, list).await?;
    let done = tidings_import::count(sources, target, beside, &mut Progress::new(&context.clock, 0)).await?;
    told.summary(done, None, None, context).print(context.json)
}

/// Imports the files. All of them are opened and looked at before anything is written.
pub async fn import(
    args: ImportArgs,
    store: &Store,
    context: &Context,
    stop: &CancellationToken,
    tell: bool,
) -> anyhow::Result<()> {
    let list = list_name(&args)?;
    let options = args.read_as.options();
    let mut inputs = args.inputs()?;
    let checking = Checking::new(&args.checks, context.config.dns.as_ref())?;
    // Files that can be opened without taking anything away are refused before a pipe is read to its end.
    let (pipes, files): (Vec<Input>, Vec<Input>) = inputs.iter().cloned().partition(Input::is_pipe);
    if !pipes.is_empty() {
        open_all(&files, &options)?;
    }
    let files = tidings_import::take_stock(&inputs, &context.data)?;
    for (input, file) in inputs.iter_mut().zip(&files) {
        input.path = Some(file.path.clone());
    }
    let copies = Copies(
        files
            .iter()
            .filter(|file| file.copied)
            .map(|file| file.path.clone())
            .collect(),
    );
    let sources = open_all(&inputs, &options)?;
    let told = Told::before(&args, &sources, list, context);
    let job = Job::new(files, &sources, &options, &args.checks, &context.data)?
        .keep_in(args.rejects.as_deref(), args.remarks.as_deref())?;
    let fingerprint = job.fingerprint(list);
    let clock = &context.clock;
    if let Some(record) = store.find_unfinished_import(&fingerprint).await? {
        let (id, by) = (record.id, By::command_line());
        let resumed =
            resuming::when_released(|| Import::resume(store, &record, Some(&by), clock.now())).await?;
        let Some((import, record)) = resumed else {
            bail!(
                "import {id} of the same files is running already: `tidings import show {id}` says how far it is"
            );
        };
        drop(copies);
        let job = resuming::job_of(&record)?;
        let rows = import.counts().rows;
        eprintln!("import {id} goes on after {rows} rows");
        let done = resuming::go_on(
            &job,
            import,
            &record,
            context.config.dns.as_ref(),
            clock,
            stop,
            &mut Progress::new(clock, rows),
        )
        .await?;
        let summary = told.summary(done, Some(id), Some(rows), context);
        return if tell { summary.print(context.json) } else { Ok(()) };
    }
    let (rejects, remarks) = (args.rejects.as_deref(), args.remarks.as_deref());
    let beside = Beside::new(checking, rejects, remarks, &context.data)?;
    let new = NewImport {
        list: list.to_owned(),
        files: shown_files(&job),
        started_by: args.by.clone().unwrap_or_else(account),
        by: By::command_line(),
        consent: args.consent.clone(),
        fingerprint: Some(fingerprint),
        details: Some(serde_json::to_string(&job).context("the job is not JSON")?),
    };
    let import = Import::begin(store, &new, clock.now()).await?;
    copies.keep();
    let id = import.id();
    let done = tidings_import::to_the_end(
        &job,
        sources,
        import,
        beside,
        clock,
        stop,
        &mut Progress::new(clock, 0),
    )
    .await?;
    let summary = told.summary(done, Some(id), None, context);
    if tell { summary.print(context.json) } else { Ok(()) }
}

/// Our copies of standard input, which go unless an import needs them.
struct Copies(Vec<PathBuf>);

impl Copies {
    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// What the summary says of the files, noted before they are read.
struct Told {
    list: String,
    read_as: ReadAs,
    is_checked: bool,
    encoding_is_named: bool,
    started: tidings_campaign::time::Timestamp,
}

impl Told {
    fn before(args: &ImportArgs, sources: &[Source], list: &str, context: &Context) -> Told {
        Told {
            list: list.to_owned(),
            read_as: ReadAs::of(&sources[0].file),
            is_checked: !args.checks.is_empty(),
            encoding_is_named: args.read_as.names_encoding(),
            started: context.clock.now(),
        }
    }

    fn summary(
        self,
        done: Done,
        import_id: Option<ImportId>,
        resumed_after: Option<u64>,
        context: &Context,
    ) -> Summary {
        Summary {
            counts: done.counts,
            seconds: context.clock.now().since(self.started).as_secs_f64(),
            import_id,
            list: self.list,
            dry_run: import_id.is_none(),
            resumed_after,
            rejects_file: done.rejects_file,
            remarks_file: done.remarks_file,
            checks: self.is_checked.then_some(done.found),
            read_as: self.read_as,
            encoding: done.encoding,
            encoding_is_named: self.encoding_is_named,
        }
    }
}

fn list_name(args: &ImportArgs) -> anyhow::Result<&str> {
    let list = args.list.as_deref().unwrap_or_default().trim();
    ensure!(
        !list.is_empty() && !list.contains(char::is_control),
        "--list: the name of a list is a line of text"
    );
    Ok(list)
}

/// The name of the account that this process runs under.
fn account() -> String {
    ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|account| !account.is_empty()))
        .unwrap_or_else(|| "command line".to_owned())
}

fn shown_files(job: &Job) -> String {
    let names: Vec<&str> = job.files.iter().map(|file| file.name.as_str()).collect();
    names.join(", ")
}
