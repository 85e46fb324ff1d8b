//! `tidings list`: what holds for lists of recipients.

mod archive;
mod sign_up;

use crate::commands::campaign::links;
use crate::context::Context;
use crate::output;
use anyhow::{anyhow, ensure};
use clap::{Args, Subcommand};
use serde_json::json;
use tidings_campaign::tracking::{Tracking, Utm};
use tidings_store::Store;
use tidings_store::audit::By;
use tidings_store::list_changes::{ListChange, ListChanged};
use tidings_store::lists::List;

/// `tidings list …`
#[derive(Debug, Subcommand)]
pub enum ListCommand {
    /// All lists, with how many want their mail.
    Show(ShowArgs),
    /// Say what holds for a list.
    Set(SetArgs),
    /// Let anybody read the finished newsletters of a list, with a feed, or nobody any more.
    Archive(archive::ArchiveArgs),
    /// Let anybody sign up for a list, by a form and a letter that asks for confirmation, or nobody any more.
    SignUp(sign_up::SignUpArgs),
}

/// `list show`
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// Only this list: its name, or its number, which stands in the address of its archive.
    list: Option<String>,
}

/// `list set`
#[derive(Args, Debug)]
#[group(id = "wishes", required = true, multiple = true, args = ["tracking", "utm_source", "utm_medium", "utm_campaign",
    "utm_content", "utm_term", "no_utm"])]
pub struct SetArgs {
    /// The list's name.
    name: String,
    /// What becomes of the links of campaigns that go to it, where they do not say it themselves: full, anonymous, off,
    /// or default for what is configured.
    #[arg(long, value_name = "MODE", value_parser = wish)]
    tracking: Option<Wish>,
    #[command(flatten)]
    utm: links::UtmArgs,
    /// Adds no UTM parameters any more.
    #[arg(long, conflicts_with_all = ["utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"])]
    no_utm: bool,
}

/// A mode, or none.
#[derive(Clone, Copy, Debug)]
struct Wish(Option<Tracking>);

const DEFAULT: &str = "default";

fn wish(word: &str) -> Result<Wish, String> {
    match word {
        DEFAULT => Ok(Wish(None)),
        word => links::mode(word)
            .map(|mode| Wish(Some(mode)))
            .map_err(|_| format!("tracking is one of {}, {DEFAULT}", links::words())),
    }
}

fn word(tracking: Option<Tracking>) -> &'static str {
    tracking.map_or(DEFAULT, Tracking::as_str)
}

/// Does what was asked.
pub async fn run(command: ListCommand, context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    match command {
        ListCommand::Show(args) => show(args, context, &store).await,
        ListCommand::Set(args) => set(args, context, &store).await,
        ListCommand::Archive(args) => archive::run(args, context, &store).await,
        ListCommand::SignUp(args) => sign_up::run(args, context, &store).await,
    }
}

async fn show(args: ShowArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let mut lists = store.lists().await?;
    if let Some(wanted) = &args.list {
        // A list may be called like the number of another.
        let is_name = lists.iter().any(|list| list.name == *wanted);
        lists.retain(|list| match is_name {
            true => list.name == *wanted,
            false => list.id.to_string() == *wanted,
        });
        ensure!(
            !lists.is_empty(),
            "there is no list `{wanted}`: `tidings list show` names all there are"
        );
    }
    if context.json {
        let lists: Vec<_> = lists.iter().map(as_json).collect();
        return output::json(&lists);
    }
    for list in lists {
        let archive = match list.archived {
            true => "archive open",
            false => "no archive",
        };
        let (confirmed, tracking, name) = (list.confirmed, word(list.tracking), list.name);
        let utm = match list.utm.is_empty() {
            true => String::new(),
            false => format!("  ({})", list.utm),
        };
        let sign_up = if list.open_for_sign_up {
            "sign-up open"
        } else {
            "no sign-up"
        };
        output::line(format!(
            "{confirmed:>9} confirmed  tracking {tracking:<9}  {archive:<12}  {sign_up:<12}  {name}{utm}"
        ))?;
    }
    Ok(())
}

fn as_json(list: &List) -> serde_json::Value {
    json!({
        "id": list.id, "name": list.name, "confirmed": list.confirmed, "tracking": word(list.tracking),
        "utm": list.utm, "archive": list.archived, "sign_up": list.open_for_sign_up,
    })
}

async fn set(args: SetArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let SetArgs {
        name,
        tracking,
        utm,
        no_utm,
    } = args;
    let unknown = || anyhow!("there is no list `{name}`: `tidings list show` names all there are");
    let lists = store.lists().await?;
    let list = lists.into_iter().find(|list| list.name == name);
    let mut list = list.ok_or_else(unknown)?;
    let (by, now) = (By::command_line(), context.clock.now());
    if let Some(Wish(tracking)) = tracking {
        let change = ListChange::Tracking(tracking);
        let changed = store.change_list(&name, change, &by, now).await?;
        ensure!(changed == ListChanged::Done, unknown());
        list.tracking = tracking;
    }
    let utm = utm.utm();
    if no_utm || !utm.is_empty() {
        list.utm = match no_utm {
            true => Utm::default(),
            false => utm.or(list.utm),
        };
        let change = ListChange::Utm(&list.utm);
        let changed = store.change_list(&name, change, &by, now).await?;
        ensure!(changed == ListChanged::Done, unknown());
    }
    if context.json {
        return output::json(&as_json(&list));
    }
    let utm = match list.utm.is_empty() {
        true => String::new(),
        false => format!(", {}", list.utm),
    };
    output::line(format!("list {name}: tracking {}{utm}", word(list.tracking)))
}
