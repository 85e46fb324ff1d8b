//! `tidings list archive`: whether a list has a public archive.

use crate::context::Context;
use crate::output;
use anyhow::ensure;
use clap::Args;
use serde_json::json;
use tidings_store::Store;
use tidings_store::audit::By;
use tidings_store::list_changes::{ListChange, ListChanged};

/// `list archive`
#[derive(Args, Debug)]
pub struct ArchiveArgs {
    /// The list's name.
    name: String,
    /// Open it: anybody may read what the list has got and will get.
    #[arg(long, conflicts_with = "off", required_unless_present = "off")]
    on: bool,
    /// Close it.
    #[arg(long)]
    off: bool,
}

/// Does it, and says where the archive is.
pub(super) async fn run(args: ArchiveArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let ArchiveArgs { name, on, .. } = args;
    let url = match on {
        true => Some(context.public_url()?.trim_end_matches('/').to_owned()),
        false => None,
    };
    let list = store.find_list(&name).await?;
    let change = ListChange::Archived(on);
    let changed = store
        .change_list(&name, change, &By::command_line(), context.clock.now())
        .await?;
    ensure!(changed == ListChanged::Done, "there is no list `{name}`");
    let url = url.zip(list).map(|(url, id)| format!("{url}/archive/{id}"));
    if context.json {
        return output::json(&json!({ "list": name, "archive": on, "url": url }));
    }
    match url {
        Some(url) => output::line(format!(
            "the archive of list {name} is open: {url} (feed: {url}/feed.xml)"
        )),
        None => output::line(format!("the archive of list {name} is closed")),
    }
}
