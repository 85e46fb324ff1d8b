//! `tidings stats`: figures from the counters.

mod hits;
mod table;

use crate::context::Context;
use crate::output;
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;
use tidings_store::bounces::{Asked, BounceBreakdown, By, Figures};

/// `tidings stats …`
#[derive(Debug, Subcommand)]
pub enum StatsCommand {
    /// Bounces, complaints and what else came back, by class, reason, provider, relay, day or campaign.
    Bounces(BouncesArgs),
    /// Opens and clicks, from what persons did for certain to everything.
    Hits(hits::HitsArgs),
    /// Judge the hits that are kept again, after the rules have changed ([tracking] rules).
    ReclassifyHits(hits::ReclassifyArgs),
}

/// `stats bounces`
#[derive(Args, Debug)]
pub struct BouncesArgs {
    /// Of one campaign only.
    #[arg(long)]
    campaign: Option<CampaignId>,
    /// What the rows stand for.
    #[arg(long, value_enum, default_value_t = ByArg::Class)]
    by: ByArg,
    /// From this day on, in UTC: 2026-12-01.
    #[arg(long, value_name = "DATE", value_parser = since)]
    since: Option<Timestamp>,
    /// How rows are written; a table if not given.
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ByArg {
    Class,
    Reason,
    Provider,
    Relay,
    Day,
    Campaign,
}

impl From<ByArg> for By {
    fn from(arg: ByArg) -> By {
        match arg {
            ByArg::Class => By::Class,
            ByArg::Reason => By::Reason,
            ByArg::Provider => By::Provider,
            ByArg::Relay => By::Relay,
            ByArg::Day => By::Day,
            ByArg::Campaign => By::Campaign,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
}

fn since(text: &str) -> Result<Timestamp, String> {
    let date: jiff::civil::Date = text
        .parse()
        .map_err(|_| "it is no date: write it as 2026-12-01".to_owned())?;
    let midnight = jiff::tz::TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0));
    Ok(midnight.map_err(|error| error.to_string())?.into())
}

/// A row as programs read it.
#[derive(Debug, Serialize)]
struct Row<'f> {
    key: &'f str,
    accepted: i64,
    /// Refused for good or for too long, or accepted and bounced later.
    bounced: i64,
    /// Refused for now; every refusal counts.
    deferred: i64,
    hard: i64,
    soft: i64,
    block: i64,
    other: i64,
    complaints: i64,
    autoreplies: i64,
    unsubscribes: i64,
    /// Of what was accepted or refused: in the row, or in all where the rows stand for classes or reasons.
    bounce_rate: f64,
    /// Of what was accepted.
    complaint_rate: f64,
    complaint_line: &'static str,
}

impl<'f> Row<'f> {
    fn of(figures: &'f Figures, all: &Figures) -> Row<'f> {
        Row {
            key: &figures.key,
            accepted: figures.accepted,
            bounced: figures.bounced(),
            deferred: figures.deferred,
            hard: figures.hard,
            soft: figures.soft,
            block: figures.block,
            other: figures.other,
            complaints: figures.complaints,
            autoreplies: figures.autoreplies,
            unsubscribes: figures.unsubscribes,
            bounce_rate: figures.bounce_rate(all),
            complaint_rate: figures.complaint_rate(all),
            complaint_line: figures.complaint_line(all).as_str(),
        }
    }
}

/// Prints the figures.
pub async fn run(command: StatsCommand, context: &Context) -> anyhow::Result<()> {
    match command {
        StatsCommand::Bounces(args) => bounces(args, context).await,
        StatsCommand::Hits(args) => hits::show(args, context).await,
        StatsCommand::ReclassifyHits(args) => hits::reclassify(args, context).await,
    }
}

async fn bounces(args: BouncesArgs, context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    if let Some(id) = args.campaign {
        store.get_campaign(id).await?;
    }
    let by = By::from(args.by);
    let asked = Asked {
        campaign: args.campaign,
        by,
        since: args.since,
    };
    let BounceBreakdown { rows, total } = store
        .bounce_breakdown(asked)
        .await
        .context("the counters of bounces")?;
    // What was accepted has no class and no reason: there, a rate is of everything.
    let of_what = |figures| if by.is_of_verdicts() { &total } else { figures };
    let rows: Vec<_> = rows.iter().map(|figures| (figures, of_what(figures))).collect();
    if context.json {
        let rows: Vec<_> = rows.iter().map(|(figures, all)| Row::of(figures, all)).collect();
        return output::json(&rows);
    }
    match args.format {
        Some(Format::Csv) => table::csv(&rows),
        None => table::print(&rows, &total),
    }
}
