//! `tidings list sign-up`: whether strangers may sign up for a list, and what they are asked.

use crate::context::Context;
use crate::output;
use anyhow::{Context as _, ensure};
use clap::{ArgGroup, Args};
use serde_json::json;
use tidings_campaign::ids::ListId;
use tidings_campaign::sign_up::{Field, SignUpForm};
use tidings_store::Store;
use tidings_store::audit::By;
use tidings_store::list_changes::{ListChange, ListChanged};
use tidings_web::embeddable_form;

/// `list sign-up`
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("what").required(true).args(["open", "close", "html"])))]
pub struct SignUpArgs {
    /// The list's name.
    name: String,
    /// Open it; what is given besides takes the place of what was said before.
    #[arg(long, requires = "from")]
    open: bool,
    /// Close it. Links that are on their way can still be confirmed.
    #[arg(long)]
    close: bool,
    /// Print the form as HTML for a page of your own.
    #[arg(long)]
    html: bool,
    /// Who writes the letters that ask for confirmation.
    #[arg(long, value_name = "NAME <ADDRESS>", requires = "open")]
    from: Option<String>,
    /// Ask for something besides the address: `name`, or an attribute, with a label if you like (`city=Your city`). May be
    /// repeated.
    #[arg(long, value_name = "ATTRIBUTE[=LABEL]", requires = "open", value_parser = Field::parse)]
    field: Vec<Field>,
    /// What people agree to, instead of our sentence in their language.
    #[arg(long, requires = "open")]
    text: Option<String>,
    /// A page of this origin may post JSON from a browser, such as https://www.example.com. May be repeated.
    #[arg(long, value_name = "URL", requires = "open")]
    origin: Vec<String>,
    /// The language of the printed form: en, de, fr or es.
    #[arg(long, value_name = "TAG", requires = "html", default_value = "en")]
    language: String,
}

/// Does it, and says where the form is.
pub(super) async fn run(args: SignUpArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let list = store.find_list(&args.name).await?;
    let list = list.with_context(|| {
        format!(
            "there is no list `{}`: `tidings list show` names all there are",
            args.name
        )
    })?;
    match (args.open, args.html) {
        (true, _) => open(args, list, context, store).await,
        (_, true) => html(&args, list, context, store).await,
        _ => close(&args.name, context, store).await,
    }
}

async fn open(args: SignUpArgs, list: ListId, context: &Context, store: &Store) -> anyhow::Result<()> {
    let url = format!("{}/s/{list}", context.public_url()?.trim_end_matches('/'));
    let from = args.from.unwrap_or_default();
    let form = SignUpForm::new(&from, args.field, args.text, args.origin)?;
    set(&args.name, Some(&form), context, store).await?;
    if context.json {
        return output::json(&json!({ "list": args.name, "sign_up": form, "url": url }));
    }
    output::line(format!("anybody may sign up for list {}: {url}", args.name))
}

async fn close(name: &str, context: &Context, store: &Store) -> anyhow::Result<()> {
    set(name, None, context, store).await?;
    if context.json {
        return output::json(&json!({ "list": name, "sign_up": null, "url": null }));
    }
    output::line(format!("nobody may sign up for list {name} any more"))
}

async fn html(args: &SignUpArgs, list: ListId, context: &Context, store: &Store) -> anyhow::Result<()> {
    let name = &args.name;
    let form = store.sign_up_form(list).await?;
    let (_, form) = form.with_context(|| {
        format!("list {name} is not open: `tidings list sign-up {name:?} --open --from …`")
    })?;
    let html = embeddable_form(context.public_url()?, (list, name), &form, &args.language);
    if context.json {
        return output::json(&json!({ "list": name, "html": html }));
    }
    output::line(html.trim_end())
}

async fn set(name: &str, form: Option<&SignUpForm>, context: &Context, store: &Store) -> anyhow::Result<()> {
    let change = ListChange::SignUp(form);
    let changed = store
        .change_list(name, change, &By::command_line(), context.clock.now())
        .await?;
    ensure!(changed == ListChanged::Done, "there is no list `{name}`");
    Ok(())
}
