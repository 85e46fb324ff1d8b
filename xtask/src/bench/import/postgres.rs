//! Our import into PostgreSQL beside COPY and an upsert of the same rows, as a person does it in psql.

use super::{Counts, rate};
use crate::bench::installation::{Installation, write_recipients};
use crate::bench::meter::{self, Costs};
use crate::bench::{ROUNDS, ROWS, median, psql, spread};
use crate::components::{self, Component};
use crate::postgres::Cluster;
use anyhow::{Context, ensure};
use std::path::Path;

/// The two in turns, each into a database of its own.
pub fn run(binary: &Path) -> anyhow::Result<String> {
    components::require(&[Component::Postgres])?;
    let cluster = Cluster::start_durable()?;
    let folder = tempfile::Builder::new().prefix("tidings-bench-").tempdir()?;
    let file = folder.path().join("recipients.csv");
    write_recipients(&file, ROWS)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        ours.push(ours_once(
            binary,
            &psql::database(&cluster, &format!("ours{round}"))?,
            &file,
        )?);
        theirs.push(psql_once(
            &psql::database(&cluster, &format!("psql{round}"))?,
            &file,
        )?);
        eprintln!(
            "round {round}: tidings {:.0} rows/s, psql {:.0} rows/s",
            rate(&ours[round - 1], ROWS),
            rate(&theirs[round - 1], ROWS)
        );
    }
    let rates = |all: &[Costs]| all.iter().map(|costs| rate(costs, ROWS)).collect::<Vec<f64>>();
    let (our_rates, their_rates) = (rates(&ours), rates(&theirs));
    let (our_rate, their_rate) = (median(our_rates.clone()), median(their_rates.clone()));
    Ok(format!(
        "{ROWS} rows of four columns into an empty database of PostgreSQL with its default settings; whole process\n\n\
         | | rows/s (median) | of each round |\n|---|---|---|\n\
         | tidings import | {our_rate:.0} | {} |\n| psql: COPY and upsert | {their_rate:.0} | {} |\n\
         | **ratio** | **{:.2}** | |\n",
        spread(&our_rates),
        spread(&their_rates),
        our_rate / their_rate,
    ))
}

fn ours_once(binary: &Path, database: &str, file: &Path) -> anyhow::Result<Costs> {
    let installation = Installation::new(binary, "")?;
    let file = file.to_string_lossy();
    let costs = meter::measure(&mut installation.command(&[
        "--database",
        database,
        "import",
        &file,
        "--list",
        "readers",
    ]))?;
    let counts: Counts = serde_json::from_slice(&costs.stdout).context("the output of `import`")?;
    ensure!(counts.created == ROWS as u64, "not every row was imported");
    Ok(costs)
}

fn psql_once(database: &str, file: &Path) -> anyhow::Result<Costs> {
    let copy = format!(
        "\\copy staging FROM '{}' WITH (FORMAT csv, HEADER)",
        file.display()
    );
    meter::measure(&mut psql::command(
        database,
        &[
            "CREATE TABLE recipients (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email TEXT NOT NULL UNIQUE, \
             name TEXT, city TEXT, plan TEXT)",
            "CREATE TEMPORARY TABLE staging (email TEXT, name TEXT, city TEXT, plan TEXT)",
            &copy,
            "INSERT INTO recipients (email, name, city, plan) SELECT DISTINCT ON (lower(email)) lower(email), name, city, plan \
             FROM staging ON CONFLICT (email) DO UPDATE SET name = excluded.name, city = excluded.city, plan = excluded.plan",
        ],
    )?)
}
