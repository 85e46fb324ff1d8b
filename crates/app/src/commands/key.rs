//! `tidings key`: the keys that sign links, return paths and Message-IDs.

use crate::context::Context;
use crate::output;
use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;
use std::time::Duration;
use tidings_store::Store;
use tidings_store::signing_keys::{KEY_SETTLES_IN, KeySummary};

/// `tidings key …`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// All keys there are and were.
    List,
    /// Make a new key, which signs from then on. What older keys have signed still works.
    Rotate,
    /// Accept nothing any more that a key has signed: links in mails that are out stop working, for good.
    Retire(RetireArgs),
}

/// `key retire`
#[derive(Args, Debug)]
pub struct RetireArgs {
    /// The key's id.
    id: u8,
    /// Do it; without this the command only says how many campaigns it would cut off.
    #[arg(long)]
    yes: bool,
}

/// Of how long ago campaigns are counted that a retired key cuts off.
const LOOKS_BACK: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Does what was asked.
pub async fn run(command: KeyCommand, context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    match command {
        KeyCommand::List => list(context, &store).await,
        KeyCommand::Rotate => rotate(context, &store).await,
        KeyCommand::Retire(args) => retire(args, context, &store).await,
    }
}

async fn list(context: &Context, store: &Store) -> anyhow::Result<()> {
    let now = context.clock.now();
    // A new installation has its first key from its first use.
    store.key_ring(now).await?;
    let keys = store.list_keys(now).await?;
    if context.json {
        let keys: Vec<_> = keys
            .iter()
            .map(|key| {
                json!({
                    "id": key.id, "created_at": key.created_at.to_string(),
                    "retired_at": key.retired_at.map(|at| at.to_string()),
                    "signs": key.signs, "names_messages": key.names_messages,
                })
            })
            .collect();
        return output::json(&keys);
    }
    for key in &keys {
        output::line(format!("{:>3}  made {}  {}", key.id, key.created_at, does(key)))?;
    }
    Ok(())
}

fn does(key: &KeySummary) -> String {
    match (key.retired_at, key.signs, key.names_messages) {
        (Some(at), ..) => format!("retired {at}"),
        (None, true, true) => "signs everything".to_owned(),
        (None, true, false) => "signs all but Message-IDs".to_owned(),
        (None, false, true) => "signs Message-IDs, checks what it has signed".to_owned(),
        (None, false, false) => "checks what it has signed".to_owned(),
    }
}

async fn rotate(context: &Context, store: &Store) -> anyhow::Result<()> {
    let id = store.rotate_keys(context.clock.now()).await?;
    let seconds = KEY_SETTLES_IN.as_secs();
    if context.json {
        return output::json(&json!({ "id": id, "signs_in_seconds": seconds }));
    }
    output::line(format!(
        "key {id} is made, and signs in {seconds} seconds, when every running process knows it; what older keys have \
         signed still works"
    ))
}

async fn retire(args: RetireArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let RetireArgs { id, yes } = args;
    let now = context.clock.now();
    let campaigns = store.campaigns_signed_by(id, now.minus(LOOKS_BACK)).await?;
    let cut_off = match campaigns {
        1 => "1 campaign of the last year".to_owned(),
        n => format!("{n} campaigns of the last year"),
    };
    if !yes {
        let known = store.list_keys(now).await?;
        if !known.iter().any(|key| key.id == id && key.retired_at.is_none()) {
            bail!("there is no key {id} that could be retired: `tidings key list` names all there are");
        }
        bail!(
            "retiring key {id} cuts off {cut_off}: unsubscribe links and addresses in their mails stop working, and \
             bounces to them find no delivery. It cannot be undone: say --yes if that is what you want"
        );
    }
    store.retire_key(id, now).await?;
    if context.json {
        return output::json(&json!({ "id": id, "campaigns_of_last_year": campaigns }));
    }
    output::line(format!(
        "key {id} is retired: what it has signed is not accepted any more, which cuts off {cut_off}"
    ))
}
