//! `tidings relay`: `test` connects to a relay, tries what it announces, and says what it finds.

mod finding;

pub use self::finding::Finding;
use crate::commands::transcripts;
use crate::context::Context;
use crate::output;
use anyhow::{Context as _, bail};
use clap::Subcommand;
use std::time::Duration;
use tidings_campaign::time::Clock;
use tidings_sender::connection::Connection;
use tidings_sender::relay::{RelayFault, RelaySettings};

/// `tidings relay …`
#[derive(Debug, Subcommand)]
pub enum RelayCommand {
    /// Connect, encrypt and log in, and print what the relay announces. No message is sent.
    Test {
        /// The relay's name; all of them if not given.
        name: Option<String>,
    },
    /// What was said in the last sessions with a relay that failed, the newest first; secrets are masked.
    Transcripts {
        /// The relay's name.
        name: String,
    },
}

/// A person does not wait for the minutes that a campaign can.
const PATIENCE: Duration = Duration::from_secs(30);

/// Does what was asked.
pub async fn run(command: RelayCommand, context: &Context) -> anyhow::Result<()> {
    match command {
        RelayCommand::Test { name } => test_all(name, context).await,
        RelayCommand::Transcripts { name } => transcripts::run(&name, context).await,
    }
}

/// Tests the relays; fails if one does not work.
async fn test_all(name: Option<String>, context: &Context) -> anyhow::Result<()> {
    let relays: Vec<_> = context
        .config
        .routing
        .relays
        .iter()
        .filter(|relay| name.as_ref().is_none_or(|name| *name == relay.name))
        .collect();
    match (&name, relays.is_empty()) {
        (Some(name), true) => bail!("no relay called `{name}` is configured"),
        (None, true) => bail!("no relay is configured: write [[relay]] into tidings.toml"),
        _ => {}
    }
    let mut findings = Vec::new();
    for relay in relays {
        findings.push(test(relay, &context.clock).await);
    }
    if context.json {
        output::json(&findings)?;
    } else {
        findings.iter().try_for_each(Finding::print)?;
    }
    let broken = findings.iter().find(|finding| !finding.works);
    broken.map_or(Ok(()), |finding| {
        Err(anyhow::anyhow!("relay {} does not work", finding.relay))
    })
}

/// Connects once; the fault, if there is one, in words.
pub async fn try_out(relay: &RelaySettings) -> anyhow::Result<()> {
    let mut connection = Connection::open(&patient(relay))
        .await
        .map_err(|failed| failed.fault)
        .with_context(|| format!("relay {}", relay.name))?;
    let outcome = connection.try_announced().await;
    connection.quit().await;
    outcome.with_context(|| format!("relay {}", relay.name))
}

/// What is to be said of its settings, even if it works.
pub fn notes(relay: &RelaySettings) -> Vec<String> {
    Finding::of(relay).hints
}

fn patient(relay: &RelaySettings) -> RelaySettings {
    RelaySettings {
        timeouts: relay.timeouts.at_most(PATIENCE),
        ..relay.clone()
    }
}

/// Connects to a relay, tries what it announces, and tells what was found.
pub async fn test(relay: &RelaySettings, clock: &Clock) -> Finding {
    let mut finding = Finding::of(relay);
    let mut connection = match Connection::open(&patient(relay)).await {
        Ok(connection) => connection,
        Err(failed) => {
            finding.certificate = failed.certificate.map(Into::into);
            finding.fault = Some(in_full(&failed.fault, relay));
            finding.transcript = Some(failed.transcript);
            return finding;
        }
    };
    finding.describe(&connection, relay, clock.now());
    match connection.try_announced().await {
        Ok(()) => finding.works = true,
        Err(fault) => {
            finding.fault = Some(in_full(&fault, relay));
            finding.transcript = Some(connection.transcript());
        }
    }
    connection.quit().await;
    finding
}

/// The fault, and that a campaign would have waited longer.
fn in_full(fault: &RelayFault, relay: &RelaySettings) -> String {
    match fault {
        RelayFault::TimedOut { step, limit } if *limit >= PATIENCE => {
            let timeouts = relay.timeouts;
            let allowed = if *step == "the greeting" {
                timeouts.greeting
            } else {
                timeouts.command
            };
            format!("{fault} (a campaign would wait {} s)", allowed.as_secs())
        }
        _ => fault.to_string(),
    }
}
