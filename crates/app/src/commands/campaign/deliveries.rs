//! `campaign deliveries`: the ledger, row by row.

use super::state;
use crate::context::Context;
use crate::rows::{Format, Rows, unless_closed};
use clap::Args;
use serde_json::{Value, json};
use tidings_campaign::ids::{CampaignId, Seq};
use tidings_campaign::lifecycle::DeliveryState;
use tidings_campaign::time::Timestamp;
use tidings_store::Store;
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

/// The columns, as scripts know them.
const COLUMNS: [&str; 15] = [
    "seq",
    "address",
    "state",
    "attempts",
    "relay",
    "code",
    "enhanced",
    "reply",
    "class",
    "cause",
    "reason",
    "settled_at",
    "due_at",
    "session",
    "duration_us",
];

/// Lists them.
pub(super) async fn run(args: DeliveriesArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    unless_closed(write(args, context, store).await)
}

async fn write(args: DeliveriesArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    const PAGE: i64 = 5000;
    store.get_campaign(args.id).await?;
    let mut rows = Rows::to_stdout(args.format, context.json, &COLUMNS)?;
    let mut after = Seq(0);
    loop {
        let mut page = store.list_deliveries(args.id, args.state, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Seq(last.seq);
        for delivery in &mut page {
            if let Some(limit) = delivery.waits_for() {
                delivery.reason = Some(format!("not refused: waits for a limit ({limit})"));
            }
            rows.add(&values(delivery))?;
        }
    }
    rows.end()
}

fn values(delivery: &ListedDelivery) -> [Value; COLUMNS.len()] {
    let moment = |at: Option<i64>| json!(at.map(|at| Timestamp(at).to_string()));
    [
        json!(delivery.seq),
        json!(delivery.address),
        json!(delivery.state),
        json!(delivery.attempts),
        json!(delivery.relay),
        json!(delivery.code),
        json!(delivery.enhanced),
        json!(delivery.reply),
        json!(delivery.class),
        json!(delivery.cause),
        json!(delivery.reason),
        moment(delivery.settled_at),
        moment(delivery.due_at),
        json!(delivery.session),
        json!(delivery.duration_us),
    ]
}
