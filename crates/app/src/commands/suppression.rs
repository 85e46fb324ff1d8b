//! `tidings suppression`: addresses that must not be mailed.

mod import;

use crate::commands::file_options::FileOptions;
use crate::context::Context;
use crate::output;
use crate::rows::{self, Format, unless_closed};
use anyhow::{anyhow, ensure};
use serde_json::json;
use std::path::PathBuf;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::suppression::{AddressHash, is_reason};
use tidings_store::Store;
use tidings_store::suppressions::Suppression;

/// Rows that are read at once.
const PAGE: i64 = 5_000;

/// Suppressions: addresses that must not be mailed, whatever list they are on.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum SuppressionCommand {
    /// Suppress one address.
    Add {
        /// The address.
        address: String,
        /// Why, in a word, such as complaint.
        #[arg(long, default_value = "by_hand", value_parser = reason)]
        reason: String,
        /// What it is known by.
        #[arg(long, default_value = "")]
        evidence: String,
    },
    /// Let an address be mailed again.
    Lift {
        /// The address.
        address: String,
    },
    /// Say whether an address is suppressed, and why.
    Show {
        /// The address.
        address: String,
    },
    /// Import a list of addresses, or of their SHA-256 hashes (of the address in lower case, hexadecimal).
    Import {
        /// The files; `-` reads standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Why, in a word, for rows that do not say so themselves in a column called reason.
        #[arg(long, default_value = "imported", value_parser = reason)]
        reason: String,
        #[command(flatten)]
        read_as: FileOptions,
    },
    /// Export all of them.
    Export {
        /// How rows are written; with --json they are one array.
        #[arg(long, value_enum, default_value_t = Format::Csv)]
        format: Format,
        /// SHA-256 hashes only: whom not to mail, without saying whom.
        #[arg(long)]
        hashes: bool,
    },
}

fn reason(word: &str) -> Result<String, String> {
    match is_reason(word) {
        true => Ok(word.to_owned()),
        false => Err("a reason is a word of lower-case letters, digits and underscores".to_owned()),
    }
}

/// Runs one of the commands.
pub async fn run(command: SuppressionCommand, context: &Context) -> anyhow::Result<()> {
    match command {
        SuppressionCommand::Add {
            address,
            reason,
            evidence,
        } => {
            let address = parse(&address)?;
            let store = context.store().await?;
            let added = store
                .suppress(&address, &reason, &evidence, context.clock.now())
                .await?;
            tell(
                &store,
                &address,
                context.json,
                if added {
                    "is suppressed now"
                } else {
                    "was suppressed already"
                },
            )
            .await
        }
        SuppressionCommand::Lift { address } => {
            let address = parse(&address)?;
            let store = context.existing_store().await?;
            let lifted = store.lift_suppression(&address, context.clock.now()).await?;
            ensure!(lifted.is_some(), "{address} is not suppressed");
            match context.json {
                true => output::json(
                    &json!({ "address": address.as_str(), "lifted": lifted.as_ref().map(as_json) }),
                ),
                false => output::line(format_args!("{address} may be mailed again")),
            }
        }
        SuppressionCommand::Show { address } => {
            let address = parse(&address)?;
            tell(
                &context.existing_store().await?,
                &address,
                context.json,
                "is suppressed",
            )
            .await
        }
        SuppressionCommand::Import {
            files,
            reason,
            read_as,
        } => import::run(&files, &reason, &read_as.options(), context).await,
        SuppressionCommand::Export { format, hashes } => {
            let store = context.existing_store().await?;
            unless_closed(match hashes {
                true => export_hashes(&store, format, context.json).await,
                false => export(&store, format, context.json).await,
            })
        }
    }
}

fn parse(address: &str) -> anyhow::Result<EmailAddress> {
    EmailAddress::parse(address).map_err(|error| anyhow!("the address {address} {error}"))
}

async fn tell(store: &Store, address: &EmailAddress, json: bool, verb: &str) -> anyhow::Result<()> {
    let found = store.find_suppression(address).await?;
    if json {
        let suppression = found.as_ref().map(as_json);
        return output::json(&json!({ "address": address.as_str(), "suppression": suppression }));
    }
    match found {
        None => output::line(format_args!("{address} is not suppressed")),
        Some(found) => output::line(format_args!(
            "{address} {verb}: {} since {}{}",
            found.reason,
            found.created_at,
            if found.evidence.is_empty() {
                String::new()
            } else {
                format!(" ({})", found.evidence)
            }
        )),
    }
}

fn as_json(suppression: &Suppression) -> serde_json::Value {
    json!({
        "reason": suppression.reason, "evidence": suppression.evidence,
        "since": suppression.created_at.to_string(),
    })
}

async fn export(store: &Store, format: Format, json: bool) -> anyhow::Result<()> {
    let mut rows = rows::to_stdout(format, json, &["email", "reason", "evidence", "since"])?;
    let mut after = String::new();
    loop {
        let page = store.list_suppressions(&after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.who);
        for row in &page {
            rows.add(&[
                json!(row.who),
                json!(row.reason),
                json!(row.evidence),
                json!(row.created_at.to_string()),
            ])?;
        }
    }
    Ok(rows.end()?)
}

/// The hashes of all addresses, and those of which only the hash is known.
async fn export_hashes(store: &Store, format: Format, json: bool) -> anyhow::Result<()> {
    let mut rows = rows::to_stdout(format, json, &["sha256", "reason", "since"])?;
    let mut add = |hash: &str, row: &Suppression| {
        rows.add(&[json!(hash), json!(row.reason), json!(row.created_at.to_string())])
    };
    let mut after = String::new();
    loop {
        let page = store.list_suppressions(&after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.who);
        // Recipients that were suppressed because their hash is known come with the hashes.
        for row in page.iter().filter(|row| row.reason != Suppression::BY_HASH) {
            add(AddressHash::of_key(&row.who).as_str(), row)?;
        }
    }
    after.clear();
    loop {
        let page = store.list_suppression_hashes(&after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.who);
        for row in &page {
            add(&row.who, row)?;
        }
    }
    Ok(rows.end()?)
}
