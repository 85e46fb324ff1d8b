//! `tidings template check`: a template tried on everybody of a list, before there is a campaign.

use super::render::LIST;
use crate::context::Context;
use crate::output;
use anyhow::bail;
use serde::Serialize;
use tidings_campaign::ids::{ListId, RecipientId};
use tidings_campaign::language::Language;
use tidings_campaign::merge::MergeData;
use tidings_campaign::preflight::{Failure, Failures};
use tidings_campaign::recipient::Recipient;
use tidings_campaign::template::variables::{Presence, Variable};
use tidings_campaign::template::{Content, Newsletter, RenderError, TemplateError, Templates, check_subject};
use tidings_campaign::time::Timestamp;
use tidings_store::Store;
use tidings_store::campaigns::LANGUAGE_ATTRIBUTE;

/// Recipients that are read at once.
const PAGE: i64 = 1000;
/// Addresses that are named of those who share a problem.
const EXAMPLES: usize = 2;

/// A template and the list that it is meant for.
#[derive(clap::Args, Clone, Debug)]
pub struct CheckArgs {
    /// The template's name.
    name: String,
    /// The list; everybody on it whom a campaign would reach is tried.
    #[arg(long, value_name = "NAME")]
    list: String,
    /// The campaign's subject, if it is not that of the template.
    #[arg(long)]
    subject: Option<String>,
}

#[derive(Serialize)]
struct Report {
    template: String,
    list: String,
    recipients: u64,
    failing: u64,
    variables: Vec<Lacked>,
    /// Reasons why messages cannot be rendered, other than a variable that is reported already.
    failures: Vec<Failure>,
}

/// A variable that somebody lacks.
#[derive(Serialize)]
struct Lacked {
    /// Of which translation; none for the fallback.
    language: Option<Language>,
    variable: String,
    places: Vec<String>,
    optional: bool,
    absent: u64,
    empty: u64,
    examples: Vec<String>,
}

/// The template in one language.
struct Tried {
    language: Option<Language>,
    templates: Templates,
    variables: Vec<(Variable, Lacked)>,
}

/// What is counted while the list is read.
struct Check {
    variants: Vec<Tried>,
    failures: Failures,
    failing: u64,
    recipients: u64,
}

/// Checks and reports; fails if there is a recipient for whom rendering fails, or if no campaign could start with it.
pub(super) async fn run(args: CheckArgs, context: &Context) -> anyhow::Result<()> {
    let store = &context.existing_store().await?;
    if let Some(subject) = &args.subject {
        check_subject(subject)?;
    }
    let newsletter = super::load(&args.name, args.subject.as_deref(), store).await?;
    let Some(list) = store.find_list(&args.list).await? else {
        bail!(
            "there is no list `{}`: `tidings import FILE --list {0}` makes it",
            args.list
        );
    };
    let mut check = Check::of(&newsletter)?;
    let now = context.clock.now();
    check.everybody((list, now), &args, &newsletter, store).await?;
    let report = check.into_report(args);
    if context.json {
        output::json(&report)?;
    } else {
        report.print()?;
    }
    let Report {
        recipients, failing, ..
    } = report;
    anyhow::ensure!(
        failing == 0,
        "{failing} of {recipients} recipients would get no message"
    );
    Ok(())
}

impl Tried {
    fn new(language: Option<&Language>, content: &Content) -> Result<Tried, TemplateError> {
        let templates = Templates::compile(content)
            .and_then(|templates| templates.check_unsubscribe_link().map(|()| templates))
            .map_err(|error| error.in_language(language))?;
        let lacked = |variable: Variable| {
            let lacked = Lacked {
                language: language.cloned(),
                variable: variable.name(),
                places: variable.places.clone(),
                optional: variable.optional,
                absent: 0,
                empty: 0,
                examples: Vec::new(),
            };
            (variable, lacked)
        };
        Ok(Tried {
            language: language.cloned(),
            variables: templates.variables(content).into_iter().map(lacked).collect(),
            templates,
        })
    }
}

impl Check {
    fn of(newsletter: &Newsletter) -> Result<Check, TemplateError> {
        let variants = newsletter.variants();
        Ok(Check {
            variants: variants
                .map(|(language, content)| Tried::new(language, content))
                .collect::<Result<_, _>>()?,
            failures: Failures::default(),
            failing: 0,
            recipients: 0,
        })
    }

    async fn everybody(
        &mut self,
        (list, now): (ListId, Timestamp),
        args: &CheckArgs,
        newsletter: &Newsletter,
        store: &Store,
    ) -> anyhow::Result<()> {
        let mut after = RecipientId(0);
        loop {
            let page = store.recipients_of_list(list, after, PAGE, now).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = last.id;
            for recipient in &page {
                let at = newsletter.variant_for(recipient, LANGUAGE_ATTRIBUTE);
                self.one(recipient, args, at);
            }
        }
    }

    /// `at`: in which variant.
    fn one(&mut self, recipient: &Recipient, args: &CheckArgs, at: usize) {
        self.recipients += 1;
        let tried = &mut self.variants[at];
        for (variable, lacked) in &mut tried.variables {
            match variable.of(recipient) {
                Presence::There => continue,
                Presence::Empty => lacked.empty += 1,
                Presence::Absent => lacked.absent += 1,
            }
            exemplify(&mut lacked.examples, recipient);
        }
        let data = MergeData {
            list_name: Some(&args.list),
            ..MergeData::sample(recipient, &args.name, LIST)
        };
        if let Err(error) = tried.templates.render(&data) {
            self.failing += 1;
            self.failed(recipient, error, at);
        }
    }

    fn failed(&mut self, recipient: &Recipient, error: RenderError, at: usize) {
        let tried = &self.variants[at];
        let place = match &error {
            RenderError::Missing(at) | RenderError::Template(at) => {
                format!("{}:{}:{}", at.template, at.line, at.column)
            }
            RenderError::TooLarge => String::new(),
        };
        let is_reported =
            |(_, lacked): &(Variable, Lacked)| !lacked.optional && lacked.places.contains(&place);
        if matches!(error, RenderError::Missing(_)) && tried.variables.iter().any(is_reported) {
            return;
        }
        let reason = error.in_language(tried.language.as_ref()).to_string();
        // The same place in another language is another one.
        let key = format!("{at} {place}");
        self.failures.add(recipient.address.as_str(), &key, &reason);
    }

    fn into_report(self, args: CheckArgs) -> Report {
        let variables = self.variants.into_iter().flat_map(|tried| tried.variables);
        let lacked = variables.map(|(_, lacked)| lacked);
        let failures = self.failures.most_frequent().into_iter().cloned().collect();
        Report {
            template: args.name,
            list: args.list,
            recipients: self.recipients,
            failing: self.failing,
            variables: lacked.filter(|lacked| lacked.absent + lacked.empty > 0).collect(),
            failures,
        }
    }
}

fn exemplify(examples: &mut Vec<String>, recipient: &Recipient) {
    if examples.len() < EXAMPLES {
        examples.push(recipient.address.to_string());
    }
}

impl Report {
    fn print(&self) -> anyhow::Result<()> {
        output::line(format!(
            "{} recipients of {}: {} get a message, {} would get none",
            self.recipients,
            self.list,
            self.recipients - self.failing,
            self.failing
        ))?;
        for lacked in &self.variables {
            let without = if lacked.optional {
                "can be without"
            } else {
                "needed"
            };
            output::line(format!(
                "variable {} ({without}): {} lack it, {} have it empty, such as {}",
                super::translations::named(&lacked.variable, lacked.language.as_ref()),
                lacked.absent,
                lacked.empty,
                lacked.examples.join(", ")
            ))?;
            lacked
                .places
                .iter()
                .try_for_each(|place| output::line(format!("  {place}")))?;
        }
        for failure in &self.failures {
            output::line(format!(
                "{} recipients, such as {}:",
                failure.recipients,
                failure.examples.join(", ")
            ))?;
            output::line(format!("  {}", failure.reason))?;
        }
        Ok(())
    }
}
