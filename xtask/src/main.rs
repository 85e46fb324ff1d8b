//! Chores of the project: `cargo xtask test`, `cargo xtask bench`, `cargo xtask thumbnails` and `cargo xtask screenshots`.

use anyhow::bail;
use std::process::ExitCode;

mod bench;
mod components;
mod failures;
mod postgres;
mod screenshots;
mod test;
mod thumbnails;
mod unpacked;
mod workspace;

const USAGE: &str = "\
usage: cargo xtask test [-p PACKAGE]... [FILTER]...   build, start a PostgreSQL of its own, run every test, clean up
       cargo xtask bench WHAT [OPTIONS]               measure, and print the lines for docs/benchmarks.md:
                                                      send, hits, hits-postgres, import, import-faults, import-postgres, ingest, nodes, pages,
                                                      plan, postgres, memory, rehearse, relays, latency, tls or throttle
       cargo xtask thumbnails                         take pictures of the starter newsletters, with Chromium
       cargo xtask screenshots                        take pictures of the dashboard for the README, the same way";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> anyhow::Result<()> {
    match words {
        ["test", rest @ ..] => test::run(&test::Selection::parse(rest)?),
        ["bench", which, options @ ..] => bench::run(which, options),
        ["thumbnails"] => thumbnails::run(),
        ["screenshots"] => screenshots::run(),
        _ => bail!("{USAGE}"),
    }
}
