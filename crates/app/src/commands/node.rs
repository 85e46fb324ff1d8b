//! `tidings node`: the processes that work on the database.

use crate::context::Context;
use crate::output;
use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;
use std::time::Duration;
use tidings_store::Store;
use tidings_store::audit::By;
use tidings_store::nodes::{Node, NodeState};

/// `tidings node …`
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// All nodes of the last day, with what they do.
    List,
    /// Let a node take nothing more: what is under way is finished, and its pages go on.
    Drain(DrainArgs),
    /// Let a node that drains work again.
    Resume(ResumeArgs),
}

/// `node drain`
#[derive(Args, Debug)]
pub struct DrainArgs {
    /// The node's name, or its owner where several have that name.
    #[arg(value_name = "NAME|OWNER")]
    node: String,
    /// Wait until nothing is under way any more.
    #[arg(long)]
    wait: bool,
}

/// `node resume`
#[derive(Args, Debug)]
pub struct ResumeArgs {
    /// The node's name, or its owner where several have that name.
    #[arg(value_name = "NAME|OWNER")]
    node: String,
}

const LOOK: Duration = Duration::from_millis(250);

/// Does what was asked.
pub async fn run(command: NodeCommand, context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    match command {
        NodeCommand::List => list(context, &store).await,
        NodeCommand::Drain(args) => drain(args, context, &store).await,
        NodeCommand::Resume(args) => {
            let owner = ask(&args.node, false, context, &store).await?;
            tell(context, &args.node, &owner, "works again")
        }
    }
}

async fn ask(node: &str, drain: bool, context: &Context, store: &Store) -> anyhow::Result<String> {
    let (by, now) = (By::command_line(), context.clock.now());
    Ok(store.drain_node(node, drain, &by, now).await?)
}

async fn drain(args: DrainArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let owner = ask(&args.node, true, context, store).await?;
    if !args.wait {
        return tell(context, &args.node, &owner, "takes nothing more");
    }
    loop {
        let nodes = store.nodes(context.clock.now()).await?;
        match nodes.iter().find(|node| node.owner == owner) {
            Some(node) if node.state == NodeState::Lost => bail!(
                "node {} is lost: what it had leased is taken over when its leases run out",
                args.node
            ),
            Some(node) if !node.drain => bail!("somebody has let node {} work again", args.node),
            Some(node) if matches!(node.state, NodeState::Running | NodeState::Draining) => {}
            _ => return tell(context, &args.node, &owner, "is drained"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn tell(context: &Context, node: &str, owner: &str, what: &str) -> anyhow::Result<()> {
    if context.json {
        return output::json(&json!({ "owner": owner, "said": what }));
    }
    output::line(format!("node {node} {what}"))
}

async fn list(context: &Context, store: &Store) -> anyhow::Result<()> {
    let now = context.clock.now();
    let nodes = store.nodes(now).await?;
    if context.json {
        return output::json(&nodes.iter().map(as_json).collect::<Vec<_>>());
    }
    if nodes.is_empty() {
        return output::line("no node has been seen during the last day");
    }
    for node in nodes {
        let seen = now.since(node.seen_at).as_secs();
        output::line(format!(
            "{:<16}  {:<8}  {:<25}  seen {seen} s ago  {}  {}",
            node.name,
            node.state.as_str(),
            node.roles,
            in_words(&node),
            node.owner
        ))?;
    }
    Ok(())
}

/// What a node does.
fn in_words(node: &Node) -> String {
    let mut words = Vec::new();
    if let Some(listen) = &node.listen {
        words.push(format!("pages at {listen}"));
    }
    if !node.doing.campaigns.is_empty() {
        let ids: Vec<String> = node.doing.campaigns.iter().map(ToString::to_string).collect();
        let (sessions, rate) = (node.doing.sessions, node.doing.rate_per_second);
        let ids = ids.join(", ");
        words.push(format!(
            "sends campaign {ids} in {sessions} sessions at {rate:.0}/s"
        ));
    }
    if words.is_empty() {
        return "idle".to_owned();
    }
    words.join("; ")
}

fn as_json(node: &Node) -> serde_json::Value {
    json!({
        "owner": node.owner,
        "name": node.name,
        "roles": node.roles.split(',').collect::<Vec<_>>(),
        "version": node.version,
        "state": node.state.as_str(),
        "drain": node.drain,
        "started_at": node.started_at.to_string(),
        "seen_at": node.seen_at.to_string(),
        "listen": node.listen,
        "campaigns": node.doing.campaigns.iter().map(|id| id.0).collect::<Vec<_>>(),
        "sessions": node.doing.sessions,
        "rate_per_second": node.doing.rate_per_second,
    })
}
