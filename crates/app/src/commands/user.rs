//! `tidings user`: people who may use the dashboard.

use crate::context::Context;
use crate::output;
use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::json;
use tidings_campaign::address::EmailAddress;
use tidings_store::Store;
use tidings_store::audit::By;
use tidings_store::people::{LINK_WORKS_FOR, Person, Role};
use tidings_web::Secret;

/// `tidings user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Everybody who may use the dashboard.
    List,
    /// Add a person; prints the link by which they choose a password.
    Add(AddArgs),
    /// Make a person's password and sessions stop working; prints the link by which they choose another.
    Reset(OneArgs),
    /// Keep a person out. Their sessions end at once.
    Disable(OneArgs),
    /// Let a person in again.
    Enable(OneArgs),
}

/// `user add`
#[derive(Args, Debug)]
pub struct AddArgs {
    /// The person's e-mail address, under which they sign in.
    email: String,
    /// Their name; the part before the @ if not given.
    #[arg(long)]
    name: Option<String>,
    /// viewer, editor or administrator.
    #[arg(long, default_value = "editor", value_parser = role)]
    role: Role,
}

/// Names a person.
#[derive(Args, Debug)]
pub struct OneArgs {
    /// The person's e-mail address.
    email: String,
}

/// Reads a role.
pub(super) fn role(word: &str) -> Result<Role, String> {
    let words = Role::ALL.map(Role::as_str).join(", ");
    Role::parse(word).ok_or_else(|| format!("a role is one of {words}"))
}

/// Does what was asked.
pub async fn run(command: UserCommand, context: &Context) -> anyhow::Result<()> {
    let store = context.store().await?;
    match command {
        UserCommand::List => list(context, &store).await,
        UserCommand::Add(args) => add(args, context, &store).await,
        UserCommand::Reset(args) => reset(args, context, &store).await,
        UserCommand::Disable(args) => change(args, true, context, &store).await,
        UserCommand::Enable(args) => change(args, false, context, &store).await,
    }
}

async fn list(context: &Context, store: &Store) -> anyhow::Result<()> {
    let people = store.people().await?;
    if context.json {
        let people: Vec<_> = people
            .iter()
            .map(|person| {
                json!({
                    "email": person.email, "name": person.name, "role": person.role.as_str(), "state": state(person),
                })
            })
            .collect();
        return output::json(&people);
    }
    for person in people {
        let (role, state) = (person.role.as_str(), state(&person));
        output::line(format!(
            "{role:<13}  {state:<9}  {}  {}",
            person.email, person.name
        ))?;
    }
    Ok(())
}

fn state(person: &Person) -> &'static str {
    match (&person.disabled_at, &person.password_hash) {
        (Some(_), _) => "disabled",
        (None, None) => "invited",
        (None, Some(_)) => "active",
    }
}

async fn add(args: AddArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let address = EmailAddress::parse(&args.email).with_context(|| format!("`{}`", args.email))?;
    let email = address.to_string();
    let name = args.name.unwrap_or_else(|| {
        let (local, _) = email.rsplit_once('@').unwrap_or((&email, ""));
        local.to_owned()
    });
    let secret = Secret::random()?;
    let new = (email.as_str(), name.trim(), args.role);
    let is_new = store
        .invite(new, secret.digest(), &By::command_line(), context.clock.now())
        .await?;
    ensure!(
        is_new,
        "there is somebody with the address {email}; `tidings user reset {email}` makes a new link"
    );
    print_link(context, &email, &secret)
}

async fn reset(args: OneArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let person = find(&args.email, store).await?;
    let secret = Secret::random()?;
    store
        .reset_password(
            person.id,
            secret.digest(),
            &By::command_line(),
            context.clock.now(),
        )
        .await?;
    print_link(context, &person.email, &secret)
}

async fn change(args: OneArgs, is_disabled: bool, context: &Context, store: &Store) -> anyhow::Result<()> {
    let person = find(&args.email, store).await?;
    let changed = store
        .change_person(
            person.id,
            (person.role, is_disabled),
            &By::command_line(),
            context.clock.now(),
        )
        .await?;
    ensure!(
        changed,
        "nobody would be left who can sign in as an administrator: make another one first"
    );
    let state = if is_disabled { "disabled" } else { "enabled" };
    if context.json {
        return output::json(&json!({ "email": person.email, "state": state }));
    }
    output::line(format!("{} is {state}", person.email))
}

async fn find(email: &str, store: &Store) -> anyhow::Result<Person> {
    match store.find_person(email).await? {
        Some(person) => Ok(person),
        None => bail!("there is nobody with the address {email}: `tidings user list` names everybody"),
    }
}

fn print_link(context: &Context, email: &str, secret: &Secret) -> anyhow::Result<()> {
    let link = format!("http://{}/enter/{}", context.config.web.listen, secret.expose());
    let hours = LINK_WORKS_FOR.as_secs() / 3600;
    if context.json {
        return output::json(&json!({ "email": email, "link": link, "works_for_hours": hours }));
    }
    output::line(format!(
        "{email} chooses a password here, once and within {hours} hours (under whatever name the dashboard is reached by):\n{link}"
    ))
}
