//! `campaign deliveries`: the ledger, row by row.

use super::state;
use crate::context::Context;
use clap::{Args, ValueEnum};
use std::io::{self, BufWriter, ErrorKind, Write};
use tidings_campaign::ids::{CampaignId, Seq};
use tidings_campaign::lifecycle::DeliveryState;
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

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A header and a line for each row.
    Csv,
    /// One JSON object on each line.
    Jsonl,
}

/// Where rows go.
enum Rows<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Lines(W),
    /// One document; true once there is a row in it.
    Array(W, bool),
}

/// Lists them. A reader who has seen enough ends it, and that is no failure.
pub(super) async fn run(args: DeliveriesArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    match write(args, context, store).await {
        Err(error) if is_closed(&error) => Ok(()),
        outcome => outcome,
    }
}

async fn write(args: DeliveriesArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    const PAGE: i64 = 5000;
    store.get_campaign(args.id).await?;
    let out = BufWriter::new(io::stdout().lock());
    let mut rows = match (context.json, args.format) {
        (true, _) => Rows::array(out)?,
        (false, Format::Jsonl) => Rows::Lines(out),
        (false, Format::Csv) => Rows::Csv(Box::new(csv::Writer::from_writer(out))),
    };
    let mut after = Seq(0);
    loop {
        let mut page = store.list_deliveries(args.id, args.state, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Seq(last.seq);
        for delivery in &mut page {
            if let Some(limit) = delivery.waits_for() {
                delivery.reason = Some(format!("not refused: waits for a limit ({limit})"));
            }
            rows.add(delivery)?;
        }
    }
    rows.end()
}

impl<W: Write> Rows<W> {
    fn array(mut out: W) -> io::Result<Self> {
        out.write_all(b"[")?;
        Ok(Rows::Array(out, false))
    }

    fn add(&mut self, row: &ListedDelivery) -> anyhow::Result<()> {
        match self {
            Rows::Csv(csv) => csv.serialize(row)?,
            Rows::Lines(out) => writeln!(out, "{}", serde_json::to_string(row)?)?,
            Rows::Array(out, begun) => {
                let between = if std::mem::replace(begun, true) { ",\n" } else { "" };
                write!(out, "{between}{}", serde_json::to_string(row)?)?;
            }
        }
        Ok(())
    }

    fn end(self) -> anyhow::Result<()> {
        match self {
            Rows::Csv(mut csv) => csv.flush()?,
            Rows::Lines(mut out) => out.flush()?,
            Rows::Array(mut out, _) => {
                out.write_all(b"]\n")?;
                out.flush()?;
            }
        }
        Ok(())
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    let closed = |error: &io::Error| error.kind() == ErrorKind::BrokenPipe;
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(closed)
            || matches!(
                cause.downcast_ref::<csv::Error>().map(csv::Error::kind),
                Some(csv::ErrorKind::Io(error)) if closed(error)
            )
    })
}
