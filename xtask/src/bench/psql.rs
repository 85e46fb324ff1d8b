//! `psql` beside a benchmark: databases of its own, and what PostgreSQL says.

use crate::components::find;
use crate::postgres::Cluster;
use anyhow::{Context, ensure};
use std::process::Command;

/// Creates a database and returns its URL.
pub fn database(cluster: &Cluster, name: &str) -> anyhow::Result<String> {
    let url = cluster.url();
    run(&url, &[&format!("CREATE DATABASE {name}")])?;
    let (server, _) = url.rsplit_once('/').context("the cluster's URL")?;
    Ok(format!("{server}/{name}"))
}

/// Runs statements, one after the other.
pub fn run(database: &str, statements: &[&str]) -> anyhow::Result<()> {
    let status = command(database, statements)?.status()?;
    ensure!(status.success(), "psql: {status}");
    Ok(())
}

/// The command that runs them.
pub fn command(database: &str, statements: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(find("psql").context("psql")?);
    command.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", database]);
    for statement in statements {
        command.args(["--command", statement]);
    }
    Ok(command)
}

/// The rows of an answer, each with its columns.
pub fn ask(database: &str, question: &str) -> anyhow::Result<Vec<Vec<String>>> {
    let output = Command::new(find("psql").context("psql")?)
        .args(["--no-psqlrc", "-At", "-F", "\t", database, "-c", question])
        .output()
        .context("psql")?;
    ensure!(
        output.status.success(),
        "psql: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).context("what psql prints")?;
    let columns = |line: &str| line.split('\t').map(str::to_owned).collect();
    Ok(text.lines().map(columns).collect())
}
