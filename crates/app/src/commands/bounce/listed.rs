//! `tidings bounce list` and `show`: what came in, and what was done about it.

use crate::context::Context;
use crate::rows::{self, Format, unless_closed};
use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};
use std::io::Write;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;
use tidings_store::feedback::ListedEvent;

/// Events that are read at once.
const PAGE: i64 = 1_000;

/// What the events of a list are about.
pub struct About {
    pub campaign: Option<CampaignId>,
    pub address: Option<String>,
}

const COLUMNS: [&str; 19] = [
    "event",
    "arrival",
    "way",
    "at",
    "kind",
    "address",
    "told",
    "campaign",
    "seq",
    "class",
    "cause",
    "reason",
    "status",
    "code",
    "text",
    "host",
    "rule",
    "matched_by",
    "done",
];

/// Prints the newest events.
pub async fn list(about: About, limit: i64, format: Format, context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    if let Some(id) = about.campaign {
        store.get_campaign(id).await?;
    }
    let mut rows = rows::to_stdout(format, context.json, &COLUMNS)?;
    let written: anyhow::Result<()> = async {
        if let Some(address) = &about.address {
            let address =
                EmailAddress::parse(address).map_err(|error| anyhow!("the address {address} {error}"))?;
            for event in store.events_of_address(&address.key(), limit).await? {
                rows.add(&row(&event))?;
            }
            return Ok(rows.end()?);
        }
        let (mut before, mut left) = (i64::MAX, limit);
        while left > 0 {
            let page = store.list_events(about.campaign, before, left.min(PAGE)).await?;
            let Some(last) = page.last() else { break };
            before = last.id;
            left -= i64::try_from(page.len()).unwrap_or(left);
            for event in &page {
                rows.add(&row(event))?;
            }
        }
        Ok(rows.end()?)
    }
    .await;
    unless_closed(written)
}

fn row(event: &ListedEvent) -> Vec<Value> {
    vec![
        json!(event.id),
        json!(event.arrival_id),
        json!(event.way),
        json!(Timestamp(event.happened_at).to_string()),
        json!(event.kind),
        json!(event.address_key),
        json!(event.told_address),
        json!(event.campaign_id),
        json!(event.seq),
        json!(event.class),
        json!(event.cause),
        json!(event.reason),
        json!(event.status),
        json!(event.code),
        json!(event.text),
        json!(event.host),
        json!(event.rule),
        json!(event.matched_by),
        json!(event.done),
    ]
}

/// Writes an arrival to standard output, octet by octet.
pub async fn show(id: i64, context: &Context) -> anyhow::Result<()> {
    let arrived = context
        .existing_store()
        .await?
        .arrival(id)
        .await?
        .with_context(|| format!("nothing came in with the number {id}"))?;
    anyhow::ensure!(
        !arrived.raw.is_empty() || arrived.octets == 0,
        "arrival {id} came in at {} by {}; it is old, and its {} octets were deleted",
        arrived.received_at,
        arrived.way,
        arrived.octets
    );
    let mut out = std::io::stdout().lock();
    unless_closed(
        out.write_all(&arrived.raw)
            .and_then(|()| out.flush())
            .map_err(anyhow::Error::from),
    )
}
