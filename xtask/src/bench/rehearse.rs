//! A rehearsal of a large campaign that has one recipient for whom the newsletter cannot be made.

use super::installation::{Installation, write_recipients};
use super::meter;
use anyhow::{Context, ensure};
use std::path::Path;

/// Has no plan, which the newsletter names.
const BROKEN: &str = "without.plan@example.test";

/// What `rehearse` prints, as far as it is looked at here.
#[derive(serde::Deserialize)]
struct Rehearsed {
    recipients: u64,
    sent: u64,
    failed: u64,
    failures: Vec<Failure>,
}

#[derive(serde::Deserialize)]
struct Failure {
    recipient: String,
    reason: String,
}

/// Rehearses a campaign to `rows` recipients, of whom one is found.
pub fn run(binary: &Path, rows: usize) -> anyhow::Result<String> {
    let installation = Installation::new(binary, "")?;
    let (file, broken) = (
        installation.folder().join("recipients.csv"),
        installation.folder().join("broken.csv"),
    );
    std::fs::write(&broken, format!("email,name,city\n{BROKEN},Nobody,Nowhere\n"))?;
    installation.run(&["import", &broken.to_string_lossy(), "--list", "readers"])?;
    write_recipients(&file, rows - 1)?;
    let id = installation.campaign_to(&file)?;
    let costs = meter::measure(&mut installation.command(&["rehearse", &id]))?;
    let rehearsed: Rehearsed = serde_json::from_slice(&costs.stdout).context("the output of `rehearse`")?;
    let all = u64::try_from(rows)?;
    ensure!(
        (rehearsed.recipients, rehearsed.sent, rehearsed.failed) == (all, all - 1, 1),
        "of {} recipients {} got their message and {} failed",
        rehearsed.recipients,
        rehearsed.sent,
        rehearsed.failed
    );
    let [Failure { recipient, reason }] = &rehearsed.failures[..] else {
        anyhow::bail!("{} failures are named", rehearsed.failures.len());
    };
    ensure!(
        recipient == BROKEN && reason.contains("plan"),
        "{recipient}: {reason}"
    );
    Ok(format!(
        "{rows} recipients, of whom one lacks an attribute that the newsletter names; that one was named, with the reason \
         \u{201c}{reason}\u{201d}.\n\n\
         | recipients | seconds | messages/s | peak memory |\n|---|---|---|---|\n| {rows} | {:.1} | {:.0} | {:.0} MB |\n",
        costs.wall.as_secs_f64(),
        rows as f64 / costs.wall.as_secs_f64(),
        costs.peak_memory as f64 / 1e6,
    ))
}
