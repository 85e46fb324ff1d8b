//! `tidings token`: programs that use the dashboard's addresses, with `Authorization: Bearer TOKEN`.

use super::user::role;
use crate::context::Context;
use crate::output;
use anyhow::ensure;
use clap::{Args, Subcommand};
use serde_json::json;
use std::time::Duration;
use tidings_campaign::time::Timestamp;
use tidings_store::Store;
use tidings_store::audit::By;
use tidings_store::people::Role;
use tidings_web::Secret;

/// `tidings token …`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// All tokens; never what they are.
    List,
    /// Make a token; it is printed once.
    Create(CreateArgs),
    /// Make a token stop working.
    Revoke(RevokeArgs),
}

/// `token create`
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// What it is for.
    name: String,
    /// viewer, editor or administrator.
    #[arg(long, default_value = "viewer", value_parser = role)]
    role: Role,
    /// How long it works, such as "90 days"; until it is revoked if not given.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    lasts: Option<Duration>,
}

/// `token revoke`
#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// Its number.
    id: i64,
}

/// Does what was asked.
pub async fn run(command: TokenCommand, context: &Context) -> anyhow::Result<()> {
    let store = context.store().await?;
    match command {
        TokenCommand::List => list(context, &store).await,
        TokenCommand::Create(args) => create(args, context, &store).await,
        TokenCommand::Revoke(args) => revoke(args, context, &store).await,
    }
}

async fn list(context: &Context, store: &Store) -> anyhow::Result<()> {
    let tokens = store.tokens().await?;
    let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
    if context.json {
        let tokens: Vec<_> = tokens
            .iter()
            .map(|token| {
                json!({
                    "id": token.id, "name": token.name, "role": token.role.as_str(),
                    "created_at": token.created_at.to_string(), "used_at": text(token.used_at),
                    "expires_at": text(token.expires_at),
                })
            })
            .collect();
        return output::json(&tokens);
    }
    for token in tokens {
        let used = text(token.used_at).map_or_else(|| "never used".to_owned(), |at| format!("used {at}"));
        let (id, role, name) = (token.id, token.role.as_str(), token.name);
        output::line(format!("{id:>3}  {role:<13}  {used}  {name}"))?;
    }
    Ok(())
}

async fn create(args: CreateArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let now = context.clock.now();
    let secret = Secret::random()?;
    let expires_at = args.lasts.map(|lasts| now.plus(lasts));
    let id = store
        .create_token(
            (&args.name, args.role, expires_at),
            secret.digest(),
            &By::command_line(),
            now,
        )
        .await?;
    if context.json {
        return output::json(&json!({ "id": id, "token": secret.expose() }));
    }
    output::line(secret.expose())
}

async fn revoke(args: RevokeArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let id = args.id;
    ensure!(
        store
            .revoke_token(id, &By::command_line(), context.clock.now())
            .await?,
        "there is no token {id}: `tidings token list` names all there are"
    );
    if context.json {
        return output::json(&json!({ "id": id }));
    }
    output::line(format!("token {id} does not work any more"))
}
