//! `campaign deliveries`: the ledger, row by row.

use super::state;
use crate::context::Context;
use crate::output;
use crate::rows::{self, Format, unless_closed};
use clap::Args;
use tidings_campaign::ids::{CampaignId, Seq};
use tidings_campaign::lifecycle::DeliveryState;
use tidings_store::Store;
use tidings_store::campaigns::Campaign;
use tidings_store::deliveries::ListedDelivery;

/// `campaign deliveries`
#[derive(Args, Debug)]
pub struct DeliveriesArgs {
    /// The campaign's id.
    id: CampaignId,
    /// Only deliveries in this state.
    #[arg(long, value_parser = state)]
    state: Option<DeliveryState>,
    /// How rows are written; with --json they are one array.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

/// Lists them.
pub(super) async fn run(args: DeliveriesArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    unless_closed(write(args, context, store).await)
}

async fn write(args: DeliveriesArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    const PAGE: i64 = 5000;
    note_removal(&store.get_campaign(args.id).await?);
    let mut rows = rows::to_stdout(args.format, context.json, &ListedDelivery::COLUMNS)?;
    let mut after = Seq(0);
    loop {
        let page = store.list_deliveries(args.id, args.state, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Seq(last.seq);
        for delivery in page {
            rows.add(&delivery.values())?;
        }
    }
    Ok(rows.end()?)
}

/// Says beside the rows why there are none, if they were there once.
pub(in crate::commands) fn note_removal(campaign: &Campaign) {
    if let Some(at) = campaign.deliveries_removed_at {
        output::note(format!(
            "the single deliveries of campaign {} were removed by retention on {at}; `tidings campaign show {0}` has the figures",
            campaign.id
        ));
    }
}
