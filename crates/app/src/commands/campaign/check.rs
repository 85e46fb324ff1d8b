//! `tidings campaign check`: the pre-flight list of a campaign, made here and now.

use crate::context::Context;
use crate::in_force::InForce;
use crate::output;
use clap::Args;
use serde::Serialize;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::preflight::verdict::override_of;
use tidings_campaign::preflight::{Finding, Level};
use tidings_preflight::{PreflightSettings, examine};
use tidings_sender::run::Identity;
use tidings_store::Store;

/// `campaign check`
#[derive(Args, Clone, Copy, Debug)]
pub struct CheckArgs {
    /// The campaign's id.
    id: CampaignId,
}

#[derive(Serialize)]
struct Checked {
    id: i64,
    red: usize,
    amber: usize,
    findings: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    title: &'static str,
    #[serde(flatten)]
    finding: Finding,
    /// Who has taken it on in the dashboard.
    #[serde(skip_serializing_if = "Option::is_none")]
    overridden_by: Option<String>,
}

/// What lists are made with, as it is configured.
pub fn preflight_settings(context: &Context, in_force: &InForce, identity: Identity) -> PreflightSettings {
    let config = &context.config;
    PreflightSettings {
        identity,
        dns: config.dns.clone(),
        routing: in_force.routing(),
        links: config.preflight.links,
        postal_address: config.brand.postal_address().map(str::to_owned),
        dkim_selector: config.preflight.dkim_selector.clone(),
        retry: config.retry,
    }
}

/// Makes the list and prints it; nothing is kept. Fails if anything is red.
pub(super) async fn run(args: CheckArgs, context: &Context, store: &Store) -> anyhow::Result<()> {
    let in_force = InForce::of(context)?;
    let settings = preflight_settings(context, &in_force, context.identity(store).await?);
    let examined = examine(store, args.id, &settings, &context.clock, |_| {}).await?;
    let overrides = store.preflight_overrides(args.id).await?;
    let findings = examined.findings.into_iter().map(|finding| Shown {
        title: finding.check.title(),
        overridden_by: override_of(&finding, &overrides).map(|one| one.who.clone()),
        finding,
    });
    let findings: Vec<Shown> = findings.collect();
    let count = |level| {
        findings
            .iter()
            .filter(|shown| shown.finding.level == level)
            .count()
    };
    let checked = Checked {
        id: args.id.0,
        red: count(Level::Red),
        amber: count(Level::Amber),
        findings,
    };
    if context.json {
        output::json(&checked)?;
    } else {
        checked.findings.iter().try_for_each(Shown::print)?;
    }
    anyhow::ensure!(
        checked.red == 0,
        "red findings: {}; mend them before campaign {} goes out",
        checked.red,
        args.id
    );
    Ok(())
}

impl Shown {
    fn print(&self) -> anyhow::Result<()> {
        let Finding {
            check,
            level,
            sentence,
            place,
            advice,
            is_rest: _,
        } = &self.finding;
        output::line(format!(
            "{:<6} {check}  {}: {sentence}",
            level.as_str(),
            self.title
        ))?;
        let beside = [
            ("where", place),
            ("do", advice),
            ("overridden by", &self.overridden_by),
        ];
        for (name, text) in beside {
            if let Some(text) = text {
                output::line(format!("             {name}: {text}"))?;
            }
        }
        Ok(())
    }
}
