//! `tidings campaign attempts`: what became of every attempt.

use crate::commands::campaign::deliveries::note_removal;
use crate::rows::{self, Format, unless_closed};
use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::{CampaignId, Seq};
use tidings_store::Store;
use tidings_store::attempts::ListedAttempt;

/// `campaign attempts`
#[derive(Args, Debug)]
pub struct AttemptsArgs {
    /// The campaign's id.
    id: CampaignId,
    /// Only the attempts of the delivery to this recipient.
    #[arg(long)]
    address: Option<String>,
    /// How rows are written.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
}

/// The columns, as scripts know them.
const COLUMNS: [&str; 16] = [
    "seq",
    "address",
    "attempt",
    "at",
    "relay",
    "session",
    "outcome",
    "code",
    "enhanced",
    "reply",
    "class",
    "cause",
    "reason",
    "duration_us",
    "rule",
    "action",
];

/// Writes them as a file that programs can read.
pub async fn run(args: AttemptsArgs, store: &Store) -> anyhow::Result<()> {
    unless_closed(write(args, store).await)
}

async fn write(args: AttemptsArgs, store: &Store) -> anyhow::Result<()> {
    const PAGE: i64 = 5000;
    note_removal(&store.get_campaign(args.id).await?);
    let mut rows = rows::to_stdout(args.format, false, &COLUMNS)?;
    let mut write = |attempt: &ListedAttempt| rows.add(&values(attempt));
    if let Some(address) = &args.address {
        let seq = find(store, args.id, address).await?;
        store.attempts(args.id, seq).await?.iter().try_for_each(write)?;
    } else {
        let mut after = (Seq(0), 0);
        loop {
            let page = store.list_attempts(args.id, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = (Seq(last.seq), last.attempt);
            page.iter().try_for_each(&mut write)?;
        }
    }
    Ok(rows.end()?)
}

fn values(attempt: &ListedAttempt) -> [Value; COLUMNS.len()] {
    [
        json!(attempt.seq),
        json!(attempt.address),
        json!(attempt.attempt),
        json!(attempt.at),
        json!(attempt.relay),
        json!(attempt.session),
        json!(attempt.outcome),
        json!(attempt.code),
        json!(attempt.enhanced),
        json!(attempt.reply),
        json!(attempt.class),
        json!(attempt.cause),
        json!(attempt.reason),
        json!(attempt.duration_us),
        json!(attempt.rule),
        json!(attempt.action),
    ]
}

async fn find(store: &Store, campaign: CampaignId, text: &str) -> anyhow::Result<Seq> {
    let address = EmailAddress::parse(text).with_context(|| format!("--address \"{text}\""))?;
    let recipient = store.find_recipient(&address).await?;
    let recipient = recipient.with_context(|| format!("no recipient has the address {text}"))?;
    let seq = store.find_delivery(campaign, recipient.id).await?;
    seq.with_context(|| format!("campaign {campaign} has no delivery to {text}"))
}
