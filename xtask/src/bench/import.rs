//! Our import beside that of the sqlite3 shell: the same file into a table with the same unique index.

mod faults;
pub mod postgres;

use super::installation::{Installation, write_recipients};
use super::meter::{self, Costs};
use super::{ROUNDS, median, spread};
use crate::components::{self, Component, find};
use anyhow::{Context, ensure};
use std::path::Path;
use std::process::Command;

/// What an import prints, as far as it is looked at here.
#[derive(serde::Deserialize)]
struct Counts {
    created: u64,
    rejected: u64,
    rejects_file: Option<std::path::PathBuf>,
}

/// A file with faults in it beside the shell with the same number of rows without any.
pub fn with_faults(binary: &Path, rows: usize) -> anyhow::Result<String> {
    components::require(&[Component::Sqlite])?;
    let folder = tempfile::Builder::new().prefix("tidings-bench-").tempdir()?;
    let (file, clean) = (folder.path().join("faults.csv"), folder.path().join("clean.csv"));
    let faults = faults::write(&file, rows)?;
    write_recipients(&clean, rows)?;
    let (mut ours, mut theirs, mut memory, mut kinds) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 1..=ROUNDS {
        let installation = Installation::new(binary, "")?;
        let shown = file.to_string_lossy();
        let typed = ["--map", "since=since:date", "--map", "points=points:number"];
        let words = ["import", &shown, "--list", "readers"];
        let costs = meter::measure(&mut installation.command(&[&words[..], &typed[..]].concat()))?;
        let counts: Counts = serde_json::from_slice(&costs.stdout).context("the output of `import`")?;
        ensure!(
            (counts.created, counts.rejected) == ((rows - faults) as u64, faults as u64),
            "{} created, {} rejected",
            counts.created,
            counts.rejected
        );
        kinds = faults::check(&counts.rejects_file.context("no file of rejects")?, rows)?;
        ours.push(rate(&costs, rows));
        memory.push(costs.peak_memory as f64 / 1e6);
        theirs.push(rate(&shell_once(&clean)?, rows));
        eprintln!(
            "round {round}: tidings {:.0} rows/s, sqlite3 {:.0} rows/s",
            ours[round - 1],
            theirs[round - 1]
        );
    }
    let (our_rate, their_rate) = (median(ours.iter().copied()), median(theirs.iter().copied()));
    Ok(format!(
        "{rows} rows, {faults} of them with one of {kinds} kinds of faults; each was told with its line and its reason. The shell \
         imports as many rows without faults.\n\n\
         | | rows/s (median) | of each round | peak memory |\n|---|---|---|---|\n\
         | tidings import | {our_rate:.0} | {} | {:.0} MB |\n| sqlite3 .import | {their_rate:.0} | {} | |\n\
         | **ratio** | **{:.2}** | | |\n",
        spread(&ours),
        median(memory),
        spread(&theirs),
        our_rate / their_rate,
    ))
}

/// The two in turns.
pub fn run(binary: &Path, rows: usize) -> anyhow::Result<String> {
    components::require(&[Component::Sqlite])?;
    let folder = tempfile::Builder::new().prefix("tidings-bench-").tempdir()?;
    let file = folder.path().join("recipients.csv");
    write_recipients(&file, rows)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        ours.push(ours_once(binary, &file, rows)?);
        theirs.push(shell_once(&file)?);
        eprintln!(
            "round {round}: tidings {:.0} rows/s, sqlite3 {:.0} rows/s",
            rate(&ours[round - 1], rows),
            rate(&theirs[round - 1], rows)
        );
    }
    let rates = |all: &[Costs]| all.iter().map(|costs| rate(costs, rows)).collect::<Vec<f64>>();
    let (our_rates, their_rates) = (rates(&ours), rates(&theirs));
    let (our_rate, their_rate) = (median(our_rates.clone()), median(their_rates.clone()));
    let memory = median(ours.iter().map(|costs| costs.peak_memory as f64 / 1e6));
    Ok(format!(
        "{rows} rows of four columns into an empty SQLite database; whole process\n\n\
         | | rows/s (median) | of each round | peak memory |\n|---|---|---|---|\n\
         | tidings import | {our_rate:.0} | {} | {memory:.0} MB |\n| sqlite3 .import | {their_rate:.0} | {} | |\n\
         | **ratio** | **{:.2}** | | |\n",
        spread(&our_rates),
        spread(&their_rates),
        our_rate / their_rate,
    ))
}

fn ours_once(binary: &Path, file: &Path, rows: usize) -> anyhow::Result<Costs> {
    let installation = Installation::new(binary, "")?;
    let costs =
        meter::measure(&mut installation.command(&["import", &file.to_string_lossy(), "--list", "readers"]))?;
    let counts: Counts = serde_json::from_slice(&costs.stdout).context("the output of `import`")?;
    ensure!(counts.created == rows as u64, "not every row was imported");
    Ok(costs)
}

fn shell_once(file: &Path) -> anyhow::Result<Costs> {
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("shell.db");
    let import = format!(".import --csv --skip 1 {} recipients", file.display());
    meter::measure(
        Command::new(find("sqlite3").context("sqlite3")?)
            .arg(&database)
            .arg("CREATE TABLE recipients (email TEXT NOT NULL UNIQUE, name TEXT, city TEXT, plan TEXT)")
            .arg(import),
    )
}

fn rate(costs: &Costs, rows: usize) -> f64 {
    rows as f64 / costs.wall.as_secs_f64()
}
