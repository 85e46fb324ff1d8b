//! `tidings export`: everything about recipients, streamed, as CSV or JSON lines.

use crate::context::Context;
use crate::rows::{self, Format, unless_closed};
use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashSet};
use tidings_campaign::ids::{CampaignId, LetterId, ListId, RecipientId, SignUpId};
use tidings_campaign::time::Timestamp;
use tidings_store::Store;
use tidings_store::exports::ExportedRecipient;

/// Rows that are read at once.
const PAGE: i64 = 5_000;
/// Columns that spreadsheets and our own import take.
const GREATEST_WIDTH: usize = 4_000;

/// Export recipients, lists and consent.
#[derive(clap::Args, Clone, Debug)]
pub struct ExportArgs {
    #[command(subcommand)]
    what: What,
    /// How rows are written; with --json they are one array.
    #[arg(long, value_enum, default_value_t = Format::Csv, global = true)]
    format: Format,
}

/// What is exported.
#[derive(clap::Subcommand, Clone, Debug)]
enum What {
    /// Addresses, names and attributes; as CSV every attribute is a column.
    Recipients {
        /// Only those who are on this list, with their standing on it.
        #[arg(long, value_name = "NAME")]
        list: Option<String>,
    },
    /// The lists, with their recipients counted by their standing.
    Lists,
    /// Who stands how on which list, since when, and where that comes from.
    Consent {
        /// Only this list.
        #[arg(long, value_name = "NAME")]
        list: Option<String>,
    },
    /// The proof of consent: every sign-up, with what was agreed to, when, from where, and its confirmation.
    SignUps {
        /// Only those for this list.
        #[arg(long, value_name = "NAME")]
        list: Option<String>,
    },
    /// The letters of the last week, the newest first: what for, to whom, and what became of them.
    Letters,
    /// Every unsubscribe: when, by which campaign and way.
    Unsubscribes,
    /// Every pause, also one that is over: since when, until when, and why.
    Pauses,
}

/// Writes the rows to standard output.
pub async fn run(args: ExportArgs, context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    let (format, json) = (args.format, context.json);
    unless_closed(match args.what {
        What::Recipients { list } => {
            let list = find_list(&store, list.as_deref()).await?;
            recipients(&store, list, format, json).await
        }
        What::Lists => lists(&store, format, json).await,
        What::Consent { list } => {
            let list = find_list(&store, list.as_deref()).await?;
            consent(&store, list, format, json).await
        }
        What::SignUps { list } => {
            let list = find_list(&store, list.as_deref()).await?;
            sign_ups(&store, list, format, json).await
        }
        What::Letters => letters(&store, format, json).await,
        What::Unsubscribes => unsubscribes(&store, format, json).await,
        What::Pauses => pauses(&store, format, json).await,
    })
}

async fn find_list(store: &Store, name: Option<&str>) -> anyhow::Result<Option<ListId>> {
    let Some(name) = name else { return Ok(None) };
    match store.find_list(name).await? {
        None => bail!("there is no list `{name}`: `tidings export lists` shows those that there are"),
        found => Ok(found),
    }
}

/// Columns of a recipient that are no attributes.
const FIXED: [&str; 5] = ["email", "name", "subscription", "created_at", "updated_at"];

async fn recipients(store: &Store, list: Option<ListId>, format: Format, json: bool) -> anyhow::Result<()> {
    let with_columns = format == Format::Csv && !json;
    let attributes = match with_columns {
        true => attribute_names(store, list).await?,
        false => Vec::new(),
    };
    let fixed: Vec<&str> = FIXED
        .into_iter()
        .filter(|column| list.is_some() || *column != "subscription")
        .collect();
    let mut columns: Vec<String> = fixed.iter().map(|&column| column.to_owned()).collect();
    match with_columns {
        true => columns.extend(attribute_columns(&attributes)),
        false => columns.push("attributes".to_owned()),
    }
    let mut rows = rows::to_stdout(format, json, &columns)?;
    let mut after = RecipientId(0);
    loop {
        let page = recipients_page(store, list, after).await?;
        let Some(last) = page.last() else { break };
        after = RecipientId(last.id);
        for recipient in page {
            let mut of_recipient = attributes_of(&recipient)?;
            let mut values: Vec<Value> = fixed
                .iter()
                .map(|column| fixed_value(column, &recipient))
                .collect();
            match with_columns {
                true => values.extend(
                    attributes
                        .iter()
                        .map(|name| of_recipient.remove(name).unwrap_or_default()),
                ),
                false => values.push(Value::Object(of_recipient)),
            }
            rows.add(&values)?;
        }
    }
    Ok(rows.end()?)
}

fn fixed_value(column: &str, recipient: &ExportedRecipient) -> Value {
    match column {
        "email" => json!(recipient.address),
        "name" => json!(recipient.name),
        "subscription" => json!(recipient.subscription),
        "created_at" => moment(recipient.created_at),
        _ => moment(recipient.updated_at),
    }
}

async fn recipients_page(
    store: &Store,
    list: Option<ListId>,
    after: RecipientId,
) -> anyhow::Result<Vec<ExportedRecipient>> {
    Ok(match list {
        Some(list) => store.export_recipients_of(list, after, PAGE).await?,
        None => store.export_recipients(after, PAGE).await?,
    })
}

fn attributes_of(recipient: &ExportedRecipient) -> anyhow::Result<Map<String, Value>> {
    serde_json::from_str(&recipient.attributes)
        .with_context(|| format!("recipient {}: the attributes", recipient.id))
}

/// The names of all attributes that occur. The recipients are read once more for it, because a header comes first.
async fn attribute_names(store: &Store, list: Option<ListId>) -> anyhow::Result<Vec<String>> {
    let mut names = BTreeSet::new();
    let mut after = RecipientId(0);
    loop {
        let page = recipients_page(store, list, after).await?;
        let Some(last) = page.last() else { break };
        after = RecipientId(last.id);
        for recipient in &page {
            names.extend(attributes_of(recipient)?.into_iter().map(|(name, _)| name));
        }
        ensure!(
            names.len() <= GREATEST_WIDTH,
            "there are more than {GREATEST_WIDTH} different attributes, which no CSV can hold: use --format jsonl"
        );
    }
    Ok(names.into_iter().collect())
}

/// An attribute that is called like a column of its own gets another name.
fn attribute_columns(attributes: &[String]) -> Vec<String> {
    let taken: HashSet<&str> = FIXED.into_iter().collect();
    attributes
        .iter()
        .map(|name| match taken.contains(name.as_str()) {
            true => format!("attributes.{name}"),
            false => name.clone(),
        })
        .collect()
}

async fn lists(store: &Store, format: Format, json: bool) -> anyhow::Result<()> {
    let columns = ["list", "created_at", "confirmed", "pending", "unsubscribed"];
    let mut rows = rows::to_stdout(format, json, &columns)?;
    for list in store.export_lists().await? {
        rows.add(&[
            json!(list.name),
            moment(list.created_at),
            json!(list.confirmed),
            json!(list.pending),
            json!(list.unsubscribed),
        ])?;
    }
    Ok(rows.end()?)
}

async fn consent(store: &Store, list: Option<ListId>, format: Format, json: bool) -> anyhow::Result<()> {
    let columns = [
        "email",
        "list",
        "state",
        "since",
        "import",
        "files",
        "imported_by",
        "consent",
    ];
    let mut rows = rows::to_stdout(format, json, &columns)?;
    let mut after = (list.unwrap_or(ListId(0)), RecipientId(0));
    loop {
        let page = store.export_consent(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = (ListId(last.list_id), RecipientId(last.recipient_id));
        for consent in page {
            if list.is_some_and(|list| list.0 != consent.list_id) {
                return Ok(rows.end()?);
            }
            rows.add(&[
                json!(consent.address),
                json!(consent.list),
                json!(consent.state),
                moment(consent.since),
                json!(consent.import_id),
                json!(consent.import_files),
                json!(consent.imported_by),
                json!(consent.consent),
            ])?;
        }
    }
    Ok(rows.end()?)
}

async fn sign_ups(store: &Store, list: Option<ListId>, format: Format, json: bool) -> anyhow::Result<()> {
    let columns = [
        "id",
        "email",
        "list",
        "form",
        "language",
        "text",
        "text_shown_by",
        "name",
        "attributes",
        "asked_at",
        "network",
        "user_agent",
        "confirmed_at",
        "confirmed_network",
        "confirmed_user_agent",
        "stood_before",
    ];
    let mut rows = rows::to_stdout(format, json, &columns)?;
    let mut after = SignUpId(0);
    loop {
        let page = store.export_sign_ups(list, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = SignUpId(last.id);
        for sign_up in page {
            let attributes: Value = serde_json::from_str(&sign_up.attributes)
                .with_context(|| format!("sign-up {}: the attributes", sign_up.id))?;
            rows.add(&[
                json!(sign_up.id),
                json!(sign_up.address),
                json!(sign_up.list),
                json!(sign_up.form),
                json!(sign_up.language),
                json!(sign_up.text),
                json!(sign_up.text_shown_by),
                json!(sign_up.name),
                attributes,
                moment(sign_up.asked_at),
                json!(sign_up.network),
                json!(sign_up.user_agent),
                sign_up.confirmed_at.map_or(Value::Null, moment),
                json!(sign_up.confirmed_network),
                json!(sign_up.confirmed_user_agent),
                json!(sign_up.was),
            ])?;
        }
    }
    Ok(rows.end()?)
}

async fn letters(store: &Store, format: Format, json: bool) -> anyhow::Result<()> {
    let columns = [
        "id",
        "kind",
        "email",
        "state",
        "attempts",
        "queued_at",
        "due_at",
        "settled_at",
        "relay",
        "reply",
        "reason",
    ];
    let mut rows = rows::to_stdout(format, json, &columns)?;
    let mut before = LetterId(i64::MAX);
    loop {
        let page = store.list_letters(before, PAGE).await?;
        let Some(last) = page.last() else { break };
        before = LetterId(last.id);
        for letter in page {
            rows.add(&[
                json!(letter.id),
                json!(letter.kind),
                json!(letter.address),
                json!(letter.state),
                json!(letter.attempts),
                moment(letter.queued_at),
                moment(letter.due_at),
                letter.settled_at.map_or(Value::Null, moment),
                json!(letter.relay),
                json!(letter.reply),
                json!(letter.reason),
            ])?;
        }
    }
    Ok(rows.end()?)
}

async fn unsubscribes(store: &Store, format: Format, json: bool) -> anyhow::Result<()> {
    let columns = [
        "email",
        "at",
        "campaign",
        "how",
        "scope",
        "reason",
        "comment",
        "undone_at",
    ];
    let mut rows = rows::to_stdout(format, json, &columns)?;
    let mut after = (CampaignId(0), RecipientId(0));
    loop {
        let page = store.export_unsubscribes(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = (CampaignId(last.campaign_id), RecipientId(last.recipient_id));
        for unsubscribe in page {
            rows.add(&[
                json!(unsubscribe.address),
                moment(unsubscribe.at),
                json!(unsubscribe.campaign_id),
                json!(unsubscribe.how),
                json!(unsubscribe.scope),
                json!(unsubscribe.reason),
                json!(unsubscribe.comment),
                unsubscribe.undone_at.map_or(Value::Null, moment),
            ])?;
        }
    }
    Ok(rows.end()?)
}

async fn pauses(store: &Store, format: Format, json: bool) -> anyhow::Result<()> {
    let columns = ["email", "at", "until", "campaign", "reason", "comment"];
    let mut rows = rows::to_stdout(format, json, &columns)?;
    let mut after = RecipientId(0);
    loop {
        let page = store.export_pauses(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = RecipientId(last.recipient_id);
        for pause in page {
            rows.add(&[
                json!(pause.address),
                moment(pause.at),
                moment(pause.paused_until),
                json!(pause.campaign_id),
                json!(pause.reason),
                json!(pause.comment),
            ])?;
        }
    }
    Ok(rows.end()?)
}

fn moment(microseconds: i64) -> Value {
    json!(Timestamp(microseconds).to_string())
}
