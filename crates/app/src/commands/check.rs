//! `tidings check`: every fault of an installation at once.

pub mod domains;
mod mailboxes;

use crate::commands::relay;
use crate::config::public_url;
use crate::context::Context;
use crate::output;
use anyhow::Context as _;
use serde::Serialize;

#[derive(Serialize)]
struct Finding {
    part: String,
    fault: Option<String>,
    notes: Vec<String>,
}

/// Checks everything and fails if anything is wrong. (A configuration that cannot be read has failed before.)
pub async fn run(context: &Context) -> anyhow::Result<()> {
    let mut findings = vec![Finding {
        part: "configuration".to_owned(),
        fault: None,
        notes: Vec::new(),
    }];
    let mut add = |part: String, outcome: anyhow::Result<()>, notes: Vec<String>| {
        findings.push(Finding {
            part,
            fault: outcome.err().map(|error| format!("{error:#}")),
            notes,
        });
    };
    add("database".to_owned(), database(context).await, Vec::new());
    add("public_url".to_owned(), public_url(context), Vec::new());
    if let Some(folder) = &context.config.mail.attachments_folder {
        let looked = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()));
        add("attachments_folder".to_owned(), looked.map(drop), Vec::new());
    }
    if context.config.feedback.rules_file().is_some() {
        add(
            "feedback".to_owned(),
            context.config.feedback.rules().map(drop),
            Vec::new(),
        );
    }
    if context.config.tracking.rules_file().is_some() {
        add(
            "tracking".to_owned(),
            context.config.tracking.rules().map(drop),
            Vec::new(),
        );
    }
    for listener in &context.config.intake.smtp {
        add(
            format!("intake {}", listener.place()),
            listener.settings().map(drop),
            Vec::new(),
        );
    }
    for hook in &context.config.intake.webhooks {
        let (part, url) = (format!("webhook {}", hook.name), context.public_url());
        let address = url.as_ref().map(|url| {
            let (provider, path) = (hook.provider.as_str(), hook.shown_path());
            format!("{provider} posts to {url}{path}")
        });
        add(part, Ok(()), address.into_iter().collect());
    }
    if context.config.routing.relays.is_empty() {
        add(
            "relay".to_owned(),
            Err(anyhow::anyhow!(
                "none is configured: write [[relay]] into tidings.toml"
            )),
            Vec::new(),
        );
    }
    for settings in &context.config.routing.relays {
        let outcome = relay::try_out(settings).await;
        add(
            format!("relay {}", settings.name),
            outcome,
            relay::notes(settings),
        );
    }
    findings.extend(mailboxes::look(context).await);
    findings.extend(domains::look(context).await);
    if context.json {
        output::json(&findings)?;
    } else {
        for finding in &findings {
            output::line(format!(
                "{:<20} {}",
                finding.part,
                finding.fault.as_deref().unwrap_or("ok")
            ))?;
            finding
                .notes
                .iter()
                .try_for_each(|note| output::line(format!("{:<20} note: {note}", "")))?;
        }
    }
    let faults = findings.iter().filter(|finding| finding.fault.is_some()).count();
    anyhow::ensure!(faults == 0, "{faults} of {} parts need attention", findings.len());
    Ok(())
}

/// That there is none yet is no fault, and looking makes none.
async fn database(context: &Context) -> anyhow::Result<()> {
    match context.missing_database() {
        Some(_) => Ok(()),
        None => context.store().await.map(drop),
    }
}

fn public_url(context: &Context) -> anyhow::Result<()> {
    let doubt = public_url::doubt(context.public_url()?);
    doubt.map_or(Ok(()), |doubt| Err(anyhow::anyhow!(doubt)))
}
