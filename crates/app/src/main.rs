//! The `tidings` command: bulk e-mail campaigns without loss and without doubles.

mod backup_file;
mod cli;
mod commands;
mod config;
mod context;
mod demo;
mod durable;
mod in_force;
mod lifecycle;
mod node;
mod operator;
mod output;
mod rows;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    lifecycle::start_logging(cli.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(worker_threads())
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return output::fail(&anyhow::anyhow!("cannot start: {error}")),
    };
    let outcome = runtime.block_on(cli.run());
    // A blocked reader of standard input must not keep the process from ending.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::fail(&error),
    }
}

/// One core is left to SQLite's writer and the kernel: threads that push each other aside lose more than a core gives
/// (docs/benchmarks.md has the figure).
fn worker_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}
