//! `tidings bounce ingest`: messages that came back, applied.

use super::classify::{NamedReport, octets_of};
use crate::context::Context;
use crate::output;
use clap::Args;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use tidings_feedback::message::{self, classify};
use tidings_feedback::rules::Rules;
use tidings_intake::{Arrival, Intake, Mail, maildir};
use tidings_store::feedback::{Taken, TakenEvent, Way};
use tokio_util::sync::CancellationToken;

/// Messages that are under way at once, so that many share a transaction.
const AT_ONCE: usize = 64;

/// Take messages that came back, and do what follows. Prints one JSON object for each: what it says, as `classify` does, and
/// what was done. The same message counts once, however often it is brought.
#[derive(Args, Debug)]
pub struct IngestArgs {
    /// Messages as files, or - for one on standard input. Of a folder that is a Maildir, what is new in it: it is moved to
    /// what has been read.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
}

#[derive(Serialize)]
struct Ingested<'a> {
    #[serde(flatten)]
    report: NamedReport<'a>,
    arrival: i64,
    known: bool,
    events: Vec<Done>,
}

#[derive(Serialize)]
struct Done {
    campaign: Option<i64>,
    seq: Option<i64>,
    matched_by: &'static str,
    done: &'static str,
}

impl From<&TakenEvent> for Done {
    fn from(event: &TakenEvent) -> Self {
        Done {
            campaign: event.delivery.map(|(campaign, _)| campaign.0),
            seq: event.delivery.map(|(_, seq)| seq.0),
            matched_by: event.matched_by.as_str(),
            done: event.done.as_str(),
        }
    }
}

/// Takes all files; the first that cannot be read or kept ends it.
pub async fn run(args: &IngestArgs, context: &Context) -> anyhow::Result<()> {
    let rules = Arc::new(context.config.feedback.rules()?);
    let store = context.existing_store().await?;
    let keys = store.key_ring(context.clock.now()).await?;
    let intake = Intake::start(
        store.clone(),
        keys,
        Arc::clone(&rules),
        context.config.feedback.policy,
        context.clock.clone(),
    );
    let (maildirs, files): (Vec<&String>, Vec<&String>) =
        args.files.iter().partition(|file| Path::new(file).is_dir());
    for folder in maildirs {
        take_maildir(folder, &intake).await?;
    }
    let mut taken = stream::iter(files)
        .map(|file| take(file, &rules, &intake))
        .buffered(AT_ONCE);
    while let Some(outcome) = taken.next().await {
        let (file, report, taken) = outcome?;
        output::json(&Ingested {
            report: NamedReport { file, report },
            arrival: taken.id,
            known: taken.is_known,
            events: taken.events.iter().map(Done::from).collect(),
        })?;
    }
    drop(taken);
    store.close().await;
    Ok(())
}

/// What is new in a Maildir. A file that cannot be read is named, and the others are taken.
async fn take_maildir(folder: &str, intake: &Intake) -> anyhow::Result<()> {
    let brought = maildir::pass(intake, Path::new(folder), &CancellationToken::new()).await?;
    output::json(&json!({ "maildir": folder, "messages": brought.messages }))?;
    let unreadable: Vec<String> = brought
        .unreadable
        .iter()
        .map(|one| format!("{}: {}", one.file.display(), one.why))
        .collect();
    anyhow::ensure!(unreadable.is_empty(), "not read: {}", unreadable.join("; "));
    Ok(())
}

async fn take<'f>(
    file: &'f str,
    rules: &Rules,
    intake: &Intake,
) -> anyhow::Result<(&'f str, message::Report, Taken)> {
    let octets = octets_of(file)?;
    let report = classify(rules, &octets);
    let mail = Mail {
        way: Way::Ingest,
        recipients: Vec::new(),
        octets,
    };
    let taken = intake.take(Arrival::Mail(mail)).await?;
    Ok((file, report, taken))
}
