//! `tidings template`: adding, listing and looking at templates.

mod check;
mod render;
mod translations;

use crate::context::Context;
use crate::output;
use anyhow::{Context as _, anyhow, bail, ensure};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde_json::json;
use std::path::{Path, PathBuf};
use tidings_campaign::language::Language;
use tidings_campaign::starters::Starter;
use tidings_campaign::template::{
    MAX_TEMPLATE, Newsletter, Source, TemplateError, check_html, check_name, check_subject, check_text,
};
use tidings_campaign::time::Clock;
use tidings_store::Store;
use tidings_store::templates::TemplateSummary;

/// Templates: Handlebars subjects, HTML and texts.
#[derive(clap::Subcommand, Clone, Debug)]
pub enum TemplateCommand {
    /// Add a template, or replace the one of this name. Campaigns that have started keep what they started with.
    Add(AddArgs),
    /// List the templates.
    List,
    /// List the newsletters that come with Tidings, for `add --starter`.
    Starters,
    /// Show what one recipient would get.
    Render(render::RenderArgs),
    /// Find out for whom of a list a template would fail, and which of its variables who lacks.
    Check(check::CheckArgs),
    /// Remove a template, or one of its translations. Campaigns that have started keep what they started with.
    Remove(translations::RemoveArgs),
}

/// A template to be added.
#[derive(clap::Args, Clone, Debug)]
pub struct AddArgs {
    /// Its name, by which campaigns and other templates refer to it: letters, digits, dots, hyphens, underscores.
    name: String,
    /// The file with the HTML, or MJML.
    #[arg(long, value_name = "FILE", required_unless_present = "starter")]
    html: Option<PathBuf>,
    /// The file with the text. Without it the text is made from the HTML.
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// The subject for campaigns that do not have their own.
    #[arg(long)]
    subject: Option<String>,
    /// Its language, as a BCP 47 tag (de, pt-BR): it is kept beside the template of this name, which is for all others.
    #[arg(long, value_name = "TAG", conflicts_with = "starter")]
    language: Option<Language>,
    /// Begin with one of the newsletters that come with Tidings.
    #[arg(
        long,
        value_parser = starters(),
        value_name = "WHICH",
        num_args = 0..=1,
        default_missing_value = "announcement",
        conflicts_with_all = ["html", "text"]
    )]
    starter: Option<Starter>,
}

fn starters() -> impl TypedValueParser<Value = Starter> {
    let words = Starter::all()
        .iter()
        .map(|starter| PossibleValue::new(starter.name()).help(starter.purpose()));
    PossibleValuesParser::new(words).map(|name| Starter::parse(&name).expect("one of the possible values"))
}

/// Runs one of the commands.
pub async fn run(command: TemplateCommand, context: &Context) -> anyhow::Result<()> {
    match command {
        TemplateCommand::Add(args) => add(args, &context.store().await?, &context.clock, context.json).await,
        TemplateCommand::List => list(&context.existing_store().await?, context.json).await,
        TemplateCommand::Starters => list_starters(context.json),
        TemplateCommand::Render(args) => render::run(args, &context.existing_store().await?, context).await,
        TemplateCommand::Check(args) => check::run(args, context).await,
        TemplateCommand::Remove(args) => translations::remove(args, context).await,
    }
}

async fn add(args: AddArgs, store: &Store, clock: &Clock, json: bool) -> anyhow::Result<()> {
    check_name(&args.name).map_err(|problem| anyhow!("template {}: {problem}", args.name))?;
    let subject = args
        .subject
        .or_else(|| args.starter.map(|starter| starter.subject().to_owned()));
    if let Some(subject) = &subject {
        ensure!(
            !subject.trim().is_empty(),
            "--subject: it is empty; leave it away if campaigns have their own"
        );
        check_subject(subject).map_err(|error| TemplateError {
            template: "--subject".to_owned(),
            ..error
        })?;
    }
    let mut source = match args.starter {
        Some(starter) => starter.source(args.name),
        None => Source {
            name: args.name,
            html: String::new(),
            text: None,
        },
    };
    if let Some(file) = &args.html {
        source.html = read(file)?;
        check_html(&source.name, &source.html, args.text.is_none()).map_err(|error| in_file(error, file))?;
    }
    if let Some(file) = &args.text {
        let text = read(file)?;
        check_text(&source.name, &text).map_err(|error| in_file(error, file))?;
        source.text = Some(text);
    }
    let (name, language) = (source.name.clone(), args.language);
    translations::store_checked(store, source, language.as_ref(), subject.as_deref(), clock.now()).await?;
    match json {
        true => output::json(&json!({ "name": name, "language": language, "subject": subject })),
        false => {
            let template = translations::named(&name, language.as_ref());
            output::line(format_args!("template {template} is stored"))
        }
    }
}

/// Errors name the file that the person has before them, not the template that it would have become.
fn in_file(error: TemplateError, file: &Path) -> TemplateError {
    TemplateError {
        template: file.display().to_string(),
        ..error
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let shown = file.display();
    let size = std::fs::metadata(file)
        .with_context(|| format!("cannot read {shown}"))?
        .len();
    ensure!(
        size <= MAX_TEMPLATE as u64,
        "{shown}: {size} octets are too many, at most {MAX_TEMPLATE} are allowed"
    );
    let octets = std::fs::read(file).with_context(|| format!("cannot read {shown}"))?;
    String::from_utf8(octets).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|&&octet| octet == b'\n').count() + 1;
        anyhow!("{shown}:{line}: this is not UTF-8: save the file as UTF-8")
    })
}

async fn list(store: &Store, json: bool) -> anyhow::Result<()> {
    let templates = store.list_templates().await?;
    if json {
        let shown = |t: &TemplateSummary| {
            let updated_at = t.updated_at.to_string();
            json!({
                "name": t.name, "subject": t.subject, "has_text": t.has_text, "languages": t.languages,
                "updated_at": updated_at
            })
        };
        return output::json(&templates.iter().map(shown).collect::<Vec<_>>());
    }
    for template in templates {
        let subject = template.subject.unwrap_or_default();
        let languages: String = template
            .languages
            .iter()
            .map(|language| format!(" +{language}"))
            .collect();
        output::line(format_args!(
            "{:30}  {}  {subject}{languages}",
            template.name, template.updated_at
        ))?;
    }
    Ok(())
}

fn list_starters(json: bool) -> anyhow::Result<()> {
    if json {
        let shown = |starter: &Starter| json!({ "name": starter.name(), "purpose": starter.purpose(), "subject": starter.subject() });
        return output::json(&Starter::all().iter().map(shown).collect::<Vec<_>>());
    }
    for starter in Starter::all() {
        output::line(format_args!("{:16}  {}", starter.name(), starter.purpose()))?;
    }
    Ok(())
}

/// The template of this name in all its languages, each with everything that it refers to. A subject that is given
/// stands for its own.
async fn load(name: &str, subject: Option<&str>, store: &Store) -> anyhow::Result<Newsletter> {
    let Some(template) = store.find_template(name).await? else {
        bail!("there is no template `{name}`: `tidings template list` shows those that there are");
    };
    let subject = subject.or(template.subject.as_deref()).unwrap_or_default();
    Ok(store.load_newsletter(name, subject).await?)
}
