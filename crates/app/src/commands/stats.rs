//! `tidings stats`: figures from the counters.

use crate::context::Context;
use crate::output;
use crate::rows::{self, Rows};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;

/// `tidings stats …`
#[derive(Debug, Subcommand)]
pub enum StatsCommand {
    /// Refusals by class, provider, relay or day.
    Bounces(BouncesArgs),
}

/// `stats bounces`
#[derive(Args, Debug)]
pub struct BouncesArgs {
    /// Of one campaign only.
    #[arg(long)]
    campaign: Option<CampaignId>,
    /// What the rows stand for.
    #[arg(long, value_enum, default_value_t = By::Class)]
    by: By,
    /// How rows are written; a table if not given.
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Class,
    Provider,
    Relay,
    Day,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
}

#[derive(Debug, Default, Serialize)]
struct Row {
    key: String,
    accepted: i64,
    /// Refused for good, or for too long.
    bounced: i64,
    /// Refused for now; every refusal counts.
    deferred: i64,
}

/// Prints the figures.
pub async fn run(command: StatsCommand, context: &Context) -> anyhow::Result<()> {
    let StatsCommand::Bounces(args) = command;
    let store = context.existing_store().await?;
    if let Some(id) = args.campaign {
        store.get_campaign(id).await?;
    }
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for part in store.breakdown(args.campaign).await? {
        let accepted = part.outcome == "accepted";
        if args.by == By::Class && accepted {
            continue;
        }
        let key = match args.by {
            By::Class => part.class,
            By::Provider => part.provider,
            By::Relay => part.relay,
            By::Day => Timestamp::from_seconds(part.day * 86_400).to_string()[..10].to_owned(),
        };
        let row = rows.entry(key.clone()).or_insert_with(|| Row {
            key,
            ..Row::default()
        });
        match part.outcome.as_str() {
            "accepted" => row.accepted += part.n,
            "rejected" | "expired" => row.bounced += part.n,
            "deferred" => row.deferred += part.n,
            _ => {}
        }
    }
    let rows: Vec<_> = rows
        .into_values()
        .filter(|row| row.accepted + row.bounced + row.deferred > 0)
        .collect();
    if context.json {
        return output::json(&rows);
    }
    if args.format == Some(Format::Csv) {
        let mut csv = Rows::to_stdout(
            rows::Format::Csv,
            false,
            &["key", "accepted", "bounced", "deferred"],
        )?;
        for row in &rows {
            csv.add(&[
                json!(row.key),
                json!(row.accepted),
                json!(row.bounced),
                json!(row.deferred),
            ])?;
        }
        return csv.end();
    }
    output::line(format!(
        "{:<24} {:>10} {:>10} {:>10}",
        "", "accepted", "bounced", "deferred"
    ))?;
    for row in rows {
        output::line(format!(
            "{:<24} {:>10} {:>10} {:>10}",
            row.key, row.accepted, row.bounced, row.deferred
        ))?;
    }
    Ok(())
}
