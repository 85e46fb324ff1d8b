//! `tidings relay test`: connects to a relay and says what it finds.

use crate::context::Context;
use crate::output;
use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde::Serialize;
use tidings_sender::connection::Connection;
use tidings_sender::relay::RelaySettings;

/// `tidings relay …`
#[derive(Debug, Subcommand)]
pub enum RelayCommand {
    /// Connect, encrypt and log in, and print what the relay announces. No message is sent.
    Test {
        /// The relay's name; all of them if not given.
        name: Option<String>,
    },
}

#[derive(Serialize)]
struct Finding {
    relay: String,
    address: String,
    works: bool,
    fault: Option<String>,
    greeting: Option<String>,
    encrypted: bool,
    pipelining: bool,
    eight_bit_mime: bool,
    smtp_utf8: bool,
    size: Option<usize>,
    hints: Vec<&'static str>,
}

/// Tests the relays; fails if one does not work.
pub async fn run(command: RelayCommand, context: &Context) -> anyhow::Result<()> {
    let RelayCommand::Test { name } = command;
    let relays: Vec<_> = context
        .config
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
        findings.push(test(relay).await);
    }
    if context.json {
        output::json(&findings)?;
    } else {
        findings.iter().try_for_each(print)?;
    }
    let broken = findings.iter().find(|finding| !finding.works);
    broken.map_or(Ok(()), |finding| {
        Err(anyhow::anyhow!("relay {} does not work", finding.relay))
    })
}

/// Connects once; the fault, if there is one, in the relay's words.
pub async fn try_out(relay: &RelaySettings) -> anyhow::Result<()> {
    let connection = Connection::open(relay)
        .await
        .with_context(|| format!("relay {}", relay.name))?;
    connection.quit().await;
    Ok(())
}

async fn test(relay: &RelaySettings) -> Finding {
    let mut finding = Finding {
        relay: relay.name.clone(),
        address: format!("{}:{}", relay.host, relay.port),
        works: false,
        fault: None,
        greeting: None,
        encrypted: false,
        pipelining: false,
        eight_bit_mime: false,
        smtp_utf8: false,
        size: None,
        hints: Vec::new(),
    };
    match Connection::open(relay).await {
        Ok(connection) => {
            let announced = *connection.announced();
            finding.works = true;
            finding.greeting = Some(connection.greeting().to_owned());
            finding.encrypted = connection.is_encrypted();
            finding.pipelining = announced.pipelining;
            finding.eight_bit_mime = announced.eight_bit_mime;
            finding.smtp_utf8 = announced.smtp_utf8;
            finding.size = announced.size;
            if !announced.pipelining {
                finding
                    .hints
                    .push("no PIPELINING: every message takes four round trips instead of one");
            }
            if !announced.eight_bit_mime {
                finding
                    .hints
                    .push("no 8BITMIME: messages with umlauts are encoded, which makes them larger");
            }
            if !connection.is_encrypted()
                && relay
                    .host
                    .parse()
                    .is_ok_and(|ip: std::net::IpAddr| !ip.is_loopback())
            {
                finding
                    .hints
                    .push("not encrypted: anybody on the way can read the messages");
            }
            connection.quit().await;
        }
        Err(fault) => finding.fault = Some(fault.to_string()),
    }
    finding
}

fn print(finding: &Finding) -> anyhow::Result<()> {
    output::line(format!("relay {} at {}", finding.relay, finding.address))?;
    if let Some(fault) = &finding.fault {
        return output::line(format!("  does not work: {fault}"));
    }
    let greeting = finding.greeting.as_deref().unwrap_or_default();
    output::line(format!("  works: {greeting}"))?;
    let yes = |flag| if flag { "yes" } else { "no" };
    output::line(format!(
        "  encrypted {}, PIPELINING {}, 8BITMIME {}, SMTPUTF8 {}, SIZE {}",
        yes(finding.encrypted),
        yes(finding.pipelining),
        yes(finding.eight_bit_mime),
        yes(finding.smtp_utf8),
        finding.size.map_or("no".to_owned(), |size| size.to_string())
    ))?;
    finding
        .hints
        .iter()
        .try_for_each(|hint| output::line(format!("  note: {hint}")))
}
