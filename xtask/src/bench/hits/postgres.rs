//! The same hits with PostgreSQL on this machine, beside SQLite.

use super::{Asked, SCRIPT, ask_and_fold, come_back, prepare, sections};
use crate::bench::installation::Installation;
use crate::bench::sink::Sink;
use crate::bench::{ROUNDS, median, psql, spread};
use crate::components::{self, Component};
use crate::postgres::Cluster;
use crate::workspace;
use std::fmt::Write;
use std::path::Path;

const KINDS: [&str; 3] = ["open pixel", "click", "one-click POST"];
const ENGINES: [&str; 2] = ["SQLite", "PostgreSQL"];

/// Requests a second on each engine, and what they would be if they lasted.
pub fn run(binary: &Path) -> anyhow::Result<String> {
    components::require(&[Component::Wrk, Component::Sqlite, Component::Postgres])?;
    let tokens = workspace::build_example("tidings-web", "hit_paths")?;
    let (sink, cluster) = (Sink::start()?, Cluster::start_durable()?);
    let sections = sections(&sink);
    let url = psql::database(&cluster, "hits")?;
    let sides = [
        prepare(Installation::new(binary, &sections)?, &tokens)?,
        prepare(Installation::new(binary, &sections)?.with_database(url), &tokens)?,
    ];
    let script = sides[0].0.folder().join("ask.lua");
    std::fs::write(&script, SCRIPT)?;
    let mut all: [[Vec<Asked>; 2]; 3] = Default::default();
    for round in 1..=ROUNDS {
        for (engine, (installation, askings)) in sides.iter().enumerate() {
            come_back(installation)?;
            let (_server, at) = installation.serve()?;
            for (kind, asking) in askings.iter().enumerate() {
                all[kind][engine].push(ask_and_fold(installation, (&script, at, asking), round)?);
            }
        }
    }
    let mut table = String::from(
        "The hits of `bench hits` with PostgreSQL, its default settings and on the same machine, beside SQLite.\n\n\
         | | | requests/s (median) | of each round | p99 in ms | ratio | if it lasted |\n|---|---|---|---|---|---|---|\n",
    );
    for (kind, engines) in KINDS.iter().zip(&all) {
        let rate = |asked: &[Asked]| median(asked.iter().map(|asked| asked.rate));
        for (engine, asked) in ENGINES.iter().zip(engines) {
            let rates: Vec<f64> = asked.iter().map(|asked| asked.rate).collect();
            writeln!(
                table,
                "| {kind} | {engine} | {:.0} | {} | {:.1} | {:.2} | {:.0} |",
                rate(asked),
                spread(&rates),
                median(asked.iter().map(|asked| asked.p99)),
                rate(asked) / rate(&engines[0]),
                median(asked.iter().map(Asked::lasting)),
            )?;
        }
    }
    Ok(table)
}
