//! Templates in several languages: which one is meant, and `template remove`.

use crate::context::Context;
use crate::output;
use anyhow::{bail, ensure};
use serde_json::json;
use tidings_campaign::language::Language;
use tidings_campaign::template::Source;
use tidings_campaign::time::Timestamp;
use tidings_store::Store;
use tidings_store::audit::By;

/// What is to be removed.
#[derive(clap::Args, Clone, Debug)]
pub struct RemoveArgs {
    /// The template's name.
    name: String,
    /// Only its translation into this language.
    #[arg(long, value_name = "TAG")]
    language: Option<Language>,
}

/// Removes a template or one of its translations. What others still need stays.
pub(super) async fn remove(args: RemoveArgs, context: &Context) -> anyhow::Result<()> {
    let store = context.existing_store().await?;
    let RemoveArgs { name, language } = args;
    let removed = match &language {
        Some(language) => {
            store
                .remove_translation(&name, language, &By::command_line(), context.clock.now())
                .await?
        }
        None => {
            if let Some(other) = store.template_that_refers_to(&name).await? {
                bail!("the template `{other}` refers to `{name}`: change or remove that first");
            }
            store
                .remove_template(&name, &By::command_line(), context.clock.now())
                .await?
        }
    };
    ensure!(
        removed,
        "there is no template {}: `tidings template list` shows those that there are",
        named(&name, language.as_ref())
    );
    match context.json {
        true => output::json(&json!({ "name": name, "language": language })),
        false => output::line(format_args!(
            "template {} is removed",
            named(&name, language.as_ref())
        )),
    }
}

/// Stores a template that has been checked alone: as the fallback, or as a translation beside it.
pub(super) async fn store_checked(
    store: &Store,
    source: Source,
    language: Option<&Language>,
    subject: Option<&str>,
    now: Timestamp,
) -> anyhow::Result<()> {
    let name = &source.name;
    if language.is_some() && store.find_template(name).await?.is_none() {
        bail!(
            "there is no template `{name}` yet: add the one for all other languages first, without --language"
        );
    }
    store
        .save_template((&source, language), subject, None, &By::command_line(), now)
        .await??;
    Ok(())
}

/// A template in a language, for people.
pub(super) fn named(name: &str, language: Option<&Language>) -> String {
    language.map_or_else(|| name.to_owned(), |language| format!("{name} in {language}"))
}
