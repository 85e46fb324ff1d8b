//! `tidings campaign attempts`: what became of every attempt.

use crate::commands::campaign::deliveries::Format;
use crate::output;
use anyhow::Context as _;
use clap::Args;
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

/// Writes them as a file that programs can read.
pub async fn run(args: AttemptsArgs, store: &Store) -> anyhow::Result<()> {
    const PAGE: i64 = 5000;
    store.get_campaign(args.id).await?;
    let out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut csv = csv::Writer::from_writer(out);
    let mut write = |attempt: &ListedAttempt| match args.format {
        Format::Csv => csv.serialize(attempt).map_err(anyhow::Error::from),
        Format::Jsonl => output::json(attempt),
    };
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
    csv.flush()?;
    Ok(())
}

async fn find(store: &Store, campaign: CampaignId, text: &str) -> anyhow::Result<Seq> {
    let address = EmailAddress::parse(text).with_context(|| format!("--address \"{text}\""))?;
    let recipient = store.find_recipient(&address).await?;
    let recipient = recipient.with_context(|| format!("no recipient has the address {text}"))?;
    let seq = store.find_delivery(campaign, recipient.id).await?;
    seq.with_context(|| format!("campaign {campaign} has no delivery to {text}"))
}
