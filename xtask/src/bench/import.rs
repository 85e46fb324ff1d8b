//! Our import beside that of the sqlite3 shell: the same file into a table with the same unique index.

use super::installation::{Installation, write_recipients};
use super::meter::{self, Costs};
use super::{ROUNDS, median, spread};
use crate::components::{self, Component, find};
use anyhow::{Context, ensure};
use std::path::Path;
use std::process::Command;

const ROWS: usize = 1_000_000;

/// The two in turns.
pub fn run(binary: &Path) -> anyhow::Result<String> {
    components::require(&[Component::Sqlite])?;
    let folder = tempfile::Builder::new().prefix("tidings-bench-").tempdir()?;
    let file = folder.path().join("recipients.csv");
    write_recipients(&file, ROWS)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        ours.push(ours_once(binary, &file)?);
        theirs.push(shell_once(&file)?);
        eprintln!(
            "round {round}: tidings {:.0} rows/s, sqlite3 {:.0} rows/s",
            rate(&ours[round - 1]),
            rate(&theirs[round - 1])
        );
    }
    let (our_rates, their_rates): (Vec<f64>, Vec<f64>) =
        (ours.iter().map(rate).collect(), theirs.iter().map(rate).collect());
    let (our_rate, their_rate) = (median(our_rates.clone()), median(their_rates.clone()));
    let memory = median(ours.iter().map(|costs| costs.peak_memory as f64 / 1e6));
    Ok(format!(
        "{ROWS} rows of four columns into an empty SQLite database; whole process\n\n\
         | | rows/s (median) | of each round | peak memory |\n|---|---|---|---|\n\
         | tidings import | {our_rate:.0} | {} | {memory:.0} MB |\n| sqlite3 .import | {their_rate:.0} | {} | |\n\
         | **ratio** | **{:.2}** | | |\n",
        spread(&our_rates),
        spread(&their_rates),
        our_rate / their_rate,
    ))
}

fn ours_once(binary: &Path, file: &Path) -> anyhow::Result<Costs> {
    let installation = Installation::new(binary, "")?;
    let costs =
        meter::measure(&mut installation.command(&["import", &file.to_string_lossy(), "--list", "readers"]))?;
    let counts: serde_json::Value =
        serde_json::from_slice(&costs.stdout).context("the output of `import`")?;
    ensure!(
        counts["created"].as_u64() == Some(ROWS as u64),
        "not every row was imported: {counts}"
    );
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

fn rate(costs: &Costs) -> f64 {
    ROWS as f64 / costs.wall.as_secs_f64()
}
