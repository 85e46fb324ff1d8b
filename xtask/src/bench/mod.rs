//! `cargo xtask bench`: figures for docs/benchmarks.md, each beside something that is not ours, run in the same minutes.

mod campaign;
mod hits;
mod import;
mod ingest;
mod installation;
mod machine;
mod meter;
mod nodes;
mod on_postgres;
mod pages;
mod psql;
mod rehearse;
mod relays;
mod sink;
mod throttle;

use crate::workspace::{self, Profile};
use anyhow::{Context, bail, ensure};

/// How often each side of a comparison is run.
const ROUNDS: usize = 3;

/// Rows of a file, where nothing else is said.
const ROWS: usize = 1_000_000;

/// What `--rows` says, and at least a thousand; `--debug` is passed over.
fn rows_of(which: &str, options: &[&str]) -> anyhow::Result<usize> {
    let mut rows = ROWS;
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match *word {
            "--rows" => {
                let n = words.next().context("--rows needs a number")?;
                rows = n.parse().with_context(|| format!("--rows {n}"))?;
                ensure!(rows >= 1000, "--rows: at least 1000");
            }
            "--debug" => {}
            other => bail!("`bench {which}` has --rows N and --debug, not `{other}`"),
        }
    }
    Ok(rows)
}

/// Runs one benchmark and prints its lines for docs/benchmarks.md on standard output.
pub fn run(which: &str, options: &[&str]) -> anyhow::Result<()> {
    let rows = match which {
        "import" | "import-faults" | "rehearse" => rows_of(which, options)?,
        "pages" => ROWS,
        _ => {
            ensure!(options.is_empty(), "`bench {which}` has no options");
            ROWS
        }
    };
    // For trying a benchmark itself.
    let profile = match options.contains(&"--debug") {
        true => Profile::Debug,
        false => Profile::Release,
    };
    let binary = workspace::build_binary(profile)?;
    let table = match which {
        "send" => campaign::send(&binary)?,
        "pages" => pages::run(&binary, options)?,
        "nodes" => nodes::run(&binary)?,
        "postgres" => on_postgres::run(&binary)?,
        "plan" => campaign::plan(&binary)?,
        "memory" => campaign::memory(&binary)?,
        "hits" => hits::run(&binary)?,
        "hits-postgres" => hits::postgres::run(&binary)?,
        "import" => import::run(&binary, rows)?,
        "import-faults" => import::with_faults(&binary, rows)?,
        "import-postgres" => import::postgres::run(&binary)?,
        "ingest" => ingest::run(&binary)?,
        "rehearse" => rehearse::run(&binary, rows)?,
        "relays" => relays::several(&binary)?,
        "latency" => relays::latency(&binary)?,
        "tls" => relays::tls(&binary)?,
        "throttle" => throttle::run(&binary)?,
        other => bail!(
            "no benchmark `{other}`: there are send, hits, hits-postgres, import, import-faults, import-postgres, ingest, nodes, pages, plan, postgres, memory, rehearse, relays, latency, tls and throttle"
        ),
    };
    report(&format!("Machine: {}", machine::describe()));
    let command: Vec<&str> = [which].into_iter().chain(options.iter().copied()).collect();
    report(&format!("\nCommand: `cargo xtask bench {}`\n", command.join(" ")));
    report(&table);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are what this command is for")]
fn report(text: &str) {
    println!("{text}");
}

/// The middle one of an odd number of figures.
fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// All figures, for showing how far they lie apart.
fn spread(figures: &[f64]) -> String {
    figures
        .iter()
        .map(|figure| format!("{figure:.0}"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_moved_by_one_wild_figure() {
        assert_eq!(median([10.0, 1000.0, 11.0]), 11.0);
    }
}
