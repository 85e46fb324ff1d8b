//! `tidings bounce`: what came back, what it means, and what was done about it.

mod classify;
mod ingest;
mod listed;

use crate::context::Context;
use crate::rows::Format;
use clap::Subcommand;
use tidings_campaign::ids::CampaignId;

/// `bounce`
#[derive(Debug, Subcommand)]
pub enum BounceCommand {
    Classify(classify::ClassifyArgs),
    Ingest(ingest::IngestArgs),
    /// List what came in, the newest first: what it says, which delivery it is about, and what was done.
    List {
        /// About one campaign only.
        #[arg(long)]
        campaign: Option<CampaignId>,
        /// About one address only.
        #[arg(long, conflicts_with = "campaign")]
        address: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..))]
        limit: i64,
        /// How rows are written; with --json they are one array.
        #[arg(long, value_enum, default_value_t = Format::Csv)]
        format: Format,
    },
    /// Print something that came in, as it came in; its number is `arrival` in the list.
    Show {
        /// Which.
        arrival: i64,
    },
}

/// Runs a command about bounces.
pub async fn run(command: BounceCommand, context: &Context) -> anyhow::Result<()> {
    match command {
        BounceCommand::Classify(args) => classify::run(&args, context),
        BounceCommand::Ingest(args) => ingest::run(&args, context).await,
        BounceCommand::List {
            campaign,
            address,
            limit,
            format,
        } => {
            let about = listed::About { campaign, address };
            listed::list(about, limit, format, context).await
        }
        BounceCommand::Show { arrival } => listed::show(arrival, context).await,
    }
}
