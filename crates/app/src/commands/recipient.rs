//! `tidings recipient`: what is known of one address, for us and for its owner, and forgetting it.

use crate::context::Context;
use crate::output;
use anyhow::{anyhow, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use tidings_campaign::address::EmailAddress;
use tidings_campaign::time::Timestamp;
use tidings_store::feedback::ListedEvent;
use tidings_store::recipient_record::{RecipientDelivery, RecipientRecord};
use tidings_store::suppressions::Suppression;

/// Deliveries and events that are shown.
const SHOWN: i64 = 100;

/// `recipient`
#[derive(Debug, Subcommand)]
pub enum RecipientCommand {
    /// Show everything that is known of an address: lists, what was sent, what came back, and why it is not mailed.
    Show {
        /// The address.
        address: String,
    },
    /// Print everything that is stored of an address, as JSON: what the person may ask for.
    Export {
        /// The address.
        address: String,
    },
    /// Forget whoever has an address. What was counted stays; of the address only a keyed hash, so that no import brings it
    /// back to be mailed. This cannot be undone.
    Erase {
        /// The address.
        address: String,
    },
}

/// Runs a command about recipients.
pub async fn run(command: RecipientCommand, context: &Context) -> anyhow::Result<()> {
    match command {
        RecipientCommand::Show { address } => show(&parse(&address)?, context).await,
        RecipientCommand::Export { address } => export(&parse(&address)?, context).await,
        RecipientCommand::Erase { address } => erase(&parse(&address)?, context).await,
    }
}

fn parse(address: &str) -> anyhow::Result<EmailAddress> {
    EmailAddress::parse(address).map_err(|error| anyhow!("the address {address} {error}"))
}

async fn export(address: &EmailAddress, context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    match store.personal_data(address).await? {
        Some(data) => output::json(&data),
        None => bail!("nothing is stored of {address}"),
    }
}

async fn erase(address: &EmailAddress, context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    let was_recipient = store.erase_address(address, context.clock.now()).await?;
    if context.json {
        return output::json(&json!({ "erased": true, "was_recipient": was_recipient }));
    }
    output::line(match was_recipient {
        true => "erased: nothing names this person any more, and no import brings the address back",
        false => "there was no recipient with this address; no import will make one",
    })?;
    output::line(match store.sqlite_file() {
        Some(_) => "what was deleted or written over earlier may still be in the file until `tidings vacuum`",
        None => "what was deleted is in PostgreSQL's files until it has vacuumed the tables",
    })
}

async fn show(address: &EmailAddress, context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    let record = store.recipient_record(address, SHOWN).await?;
    if context.json {
        return output::json(&as_json(address, &record));
    }
    print(address, &record)
}

fn time(micros: i64) -> String {
    Timestamp(micros).to_string()
}

fn as_json(address: &EmailAddress, record: &RecipientRecord) -> Value {
    let suppression = |found: &Suppression| {
        json!({
            "reason": found.reason, "evidence": found.evidence, "since": found.created_at.to_string(),
        })
    };
    let lifted = |(found, at): &(Suppression, Timestamp)| {
        let mut lifted = suppression(found);
        lifted["lifted_at"] = json!(at.to_string());
        lifted
    };
    json!({
        "address": address.as_str(),
        "name": record.recipient.as_ref().map(|recipient| &recipient.name),
        "attributes": record.recipient.as_ref().map(|recipient| &recipient.attributes),
        "lists": record.lists.iter().map(|list| json!({
            "list": list.list, "state": list.state, "since": time(list.since),
        })).collect::<Vec<_>>(),
        "suppression": record.suppression.as_ref().map(suppression),
        "paused_until": record.paused_until.map(|until| until.to_string()),
        "lifted": record.lifted.iter().map(lifted).collect::<Vec<_>>(),
        "deliveries": record.deliveries.iter().map(delivery_json).collect::<Vec<_>>(),
        "deliveries_removed_at": record.deliveries_removed_at.map(|at| at.to_string()),
        "events": record.events.iter().map(event_json).collect::<Vec<_>>(),
    })
}

fn delivery_json(delivery: &RecipientDelivery) -> Value {
    json!({
        "campaign": delivery.campaign_id, "name": delivery.campaign, "seq": delivery.seq, "state": delivery.state,
        "attempts": delivery.attempts, "class": delivery.class, "reason": delivery.reason, "code": delivery.code,
        "reply": delivery.reply, "rule": delivery.rule, "action": delivery.action,
        "at": delivery.settled_at.map(time),
    })
}

fn event_json(event: &ListedEvent) -> Value {
    json!({
        "event": event.id, "arrival": event.arrival_id, "way": event.way, "at": time(event.happened_at),
        "kind": event.kind, "campaign": event.campaign_id, "class": event.class, "cause": event.cause,
        "reason": event.reason, "status": event.status, "code": event.code, "text": event.text, "rule": event.rule,
        "matched_by": event.matched_by, "done": event.done,
    })
}

fn print(address: &EmailAddress, record: &RecipientRecord) -> anyhow::Result<()> {
    match &record.recipient {
        Some(recipient) if !recipient.name.is_empty() => {
            output::line(format_args!("{address}  {}", recipient.name))?;
        }
        Some(_) => output::line(address)?,
        None => output::line(format_args!("{address} is no recipient"))?,
    }
    if let Some(found) = &record.suppression {
        output::line(format_args!(
            "suppressed: {} since {}: {}\n  lift it with: tidings suppression lift {address}",
            found.reason, found.created_at, found.evidence
        ))?;
    }
    if let Some(until) = record.paused_until {
        output::line(format_args!("pause by own wish until {until}"))?;
    }
    for (found, at) in &record.lifted {
        output::line(format_args!(
            "lifted {at}: {} since {}: {}",
            found.reason, found.created_at, found.evidence
        ))?;
    }
    for list in &record.lists {
        output::line(format_args!(
            "list {}: {} since {}",
            list.list,
            list.state,
            time(list.since)
        ))?;
    }
    for delivery in &record.deliveries {
        output::line(format_args!(
            "campaign {} {}: {}{}{}{}",
            delivery.campaign_id,
            delivery.campaign,
            delivery.state,
            delivery
                .settled_at
                .map_or(String::new(), |at| format!(" {}", time(at))),
            delivery
                .reply
                .as_ref()
                .map_or(String::new(), |reply| format!(": {reply}")),
            delivery
                .rule
                .as_ref()
                .map_or(String::new(), |rule| format!(" (rule {rule})")),
        ))?;
    }
    if let Some(at) = record.deliveries_removed_at {
        output::line(format_args!(
            "deliveries of old campaigns are not kept: they were last removed by retention on {at}"
        ))?;
    }
    for event in &record.events {
        output::line(format_args!(
            "{} {} by {}, {}: {} {} {} (found by {}, arrival {})",
            time(event.happened_at),
            event.kind,
            event.way,
            event.done,
            event.class,
            event.reason,
            event.text.replace('\n', " "),
            event.matched_by,
            event.arrival_id
        ))?;
    }
    Ok(())
}
