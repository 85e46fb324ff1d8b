//! `tidings retention`: removing the single deliveries of campaigns that have long been over, now or to see what would go.

use crate::context::Context;
use crate::output;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use std::time::Duration;
use tidings_campaign::time::{Clock, Timestamp};
use tidings_store::audit::By;
use tidings_store::retention::OldCampaign;
use tidings_store::{Store, StoreError};

/// `tidings retention …`
#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Remove the single deliveries of campaigns that have been over for longer than `[retention] deliveries` says. Their records
    /// and all figures stay. A server does the same by itself.
    Run(RunArgs),
}

/// `retention run`
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Only say what would go, and what stays and why.
    #[arg(long)]
    dry_run: bool,
}

/// Deliveries that are deleted at once: others want to write too.
const BATCH: i64 = 1_000;
/// Between two batches, so that others get their turn.
const BREATH: Duration = Duration::from_millis(50);

/// Does what was asked.
pub async fn run(command: RetentionCommand, context: &Context) -> anyhow::Result<()> {
    let RetentionCommand::Run(args) = command;
    let keep = context.config.retention.deliveries.context(
        "deliveries are kept for ever: write `deliveries = \"400days\"` into the section [retention] of tidings.toml to change that",
    )?;
    let store = context.existing_store().await?;
    let before = context.clock.now().minus(keep);
    let old = store.old_campaigns(before).await?;
    if !args.dry_run {
        let removal = Removal {
            store: &store,
            clock: &context.clock,
            by: By::command_line(),
            may_go_on: &|| true,
        };
        removal.of(&old, before).await?;
    }
    store.close().await;
    match context.json {
        true => output::json(&json!({
            "over_before": before.to_string(),
            "dry_run": args.dry_run,
            "campaigns": old.iter().map(campaign_json).collect::<Vec<_>>(),
        })),
        false => tell(&old, before, args.dry_run),
    }
}

fn campaign_json(old: &OldCampaign) -> serde_json::Value {
    json!({
        "id": old.id, "name": old.name, "deliveries": old.planned, "over_at": old.over_at.to_string(),
        "goes": old.stays.is_none(), "stays_because": old.stays.map(|stays| stays.words()),
    })
}

fn tell(old: &[OldCampaign], before: Timestamp, is_dry: bool) -> anyhow::Result<()> {
    for one in old {
        let what = match one.stays {
            None if is_dry => "would go".to_owned(),
            None => "removed".to_owned(),
            Some(stays) => format!("stays: {}", stays.words()),
        };
        output::line(format!(
            "{:>5}  over since {}  {:>9} deliveries  {what}  {}",
            one.id, one.over_at, one.planned, one.name
        ))?;
    }
    let going = old.iter().filter(|one| one.stays.is_none());
    let (n, deliveries) = going.fold((0, 0), |(n, sum), one| (n + 1, sum + one.planned));
    let done = if is_dry { "would be removed" } else { "are removed" };
    output::line(format!(
        "{deliveries} deliveries of {n} campaigns that were over before {before} {done}; all figures stay"
    ))
}

/// Removing what is old enough. Several processes may do so at once.
pub struct Removal<'r> {
    /// Where.
    pub store: &'r Store,
    /// The time.
    pub clock: &'r Clock,
    /// Who does so.
    pub by: By,
    /// Asked before each step that others would wait for.
    pub may_go_on: &'r (dyn Fn() -> bool + Sync),
}

impl Removal<'_> {
    /// Removes those of these campaigns that may go, over since before `before`, and what an earlier removal was stopped at.
    /// Returns of how many campaigns.
    pub async fn of(&self, old: &[OldCampaign], before: Timestamp) -> Result<u64, StoreError> {
        let mut marked = 0;
        for one in old.iter().filter(|one| one.stays.is_none()) {
            let now = self.clock.now();
            if (self.may_go_on)() && self.store.mark_removed(one.id, before, &self.by, now).await? {
                marked += 1;
            }
        }
        if !(self.may_go_on)() {
            return Ok(marked);
        }
        // A part that somebody reads keeps nothing else from going.
        let dropped = self.store.drop_removed_parts().await;
        self.delete().await?;
        dropped.map(|_| marked)
    }

    /// What does not fill a part, and what another process was stopped at.
    async fn delete(&self) -> Result<(), StoreError> {
        for campaign in self.store.removed_but_there().await? {
            while (self.may_go_on)() && self.store.delete_removed(campaign, BATCH).await? {
                tokio::time::sleep(BREATH).await;
            }
        }
        Ok(())
    }
}
