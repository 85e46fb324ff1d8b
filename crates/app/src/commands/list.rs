//! `tidings list`: what holds for lists of recipients.

mod archive;
mod sign_up;

use crate::commands::campaign::links;
use crate::context::Context;
use crate::output;
use anyhow::ensure;
use clap::{Args, Subcommand};
use serde_json::json;
use tidings_campaign::tracking::Tracking;
use tidings_store::Store;

/// `tidings list …`
#[derive(Debug, Subcommand)]
pub enum ListCommand {
    /// All lists, with how many want their mail.
    Show,
    /// Say what holds for a list.
    Set(SetArgs),
    /// Let anybody read the finished newsletters of a list, with a feed, or nobody any more.
    Archive(archive::ArchiveArgs),
    /// Let anybody sign up for a list, by a form and a letter that asks for confirmation, or nobody any more.
    SignUp(sign_up::SignUpArgs),
}

/// `list set`
#[derive(Args, Debug)]
pub struct SetArgs {
    /// The list's name.
    name: String,
    /// What becomes of the links of campaigns that go to it, where they do not say it themselves: full, anonymous, off,
    /// or default for what is configured.
    #[arg(long, value_name = "MODE", value_parser = wish)]
    tracking: Wish,
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
        ListCommand::Show => show(context, &store).await,
        ListCommand::Set(args) => set(args, context, &store).await,
        ListCommand::Archive(args) => archive::run(args, context, &store).await,
        ListCommand::SignUp(args) => sign_up::run(args, context, &store).await,
    }
}

async fn show(context: &Context, store: &Store) -> anyhow::Result<()> {
    let lists = store.lists().await?;
    if context.json {
        let lists: Vec<_> = lists
            .iter()
            .map(|list| {
                json!({
                    "name": list.name, "confirmed": list.confirmed, "tracking": word(list.tracking),
                    "archive": list.archived, "sign_up": list.open_for_sign_up,
                })
            })
            .collect();
        return output::json(&lists);
    }
    for list in lists {
        let (confirmed, name) = (list.confirmed, list.name);
        let archive = if list.archived {
            "archive open"
        } else {
            "no archive"
        };
        let sign_up = if list.open_for_sign_up {
            "sign-up open"
        } else {
            "no sign-up"
        };
        output::line(format!(
            "{confirmed:>9} confirmed  tracking {:<9}  {archive:<12}  {sign_up:<12}  {name}",
            word(list.tracking)
        ))?;
    }
    Ok(())
}

async fn set(args: SetArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let SetArgs { name, tracking } = args;
    ensure!(
        store.set_list_tracking(&name, tracking.0).await?,
        "there is no list `{name}`: `tidings list show` names all there are"
    );
    let tracking = word(tracking.0);
    if context.json {
        return output::json(&json!({ "name": name, "tracking": tracking }));
    }
    output::line(format!("list {name}: tracking {tracking}"))
}
