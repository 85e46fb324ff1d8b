//! The DNS of the domains in whose names mail goes out.

use super::Finding;
use crate::context::Context;
use std::collections::BTreeMap;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::lifecycle::CampaignState;
use tidings_campaign::message::Mailbox;
use tidings_dns::{DnsSettings, NoAnswer, Resolver, Role, look_at, may_be_asked};

/// What is wrong with them. That the DNS cannot be asked is worth a note and no fault: mail may go out all the same.
pub(super) async fn look(context: &Context) -> Vec<Finding> {
    let mut domains = domains(context).await;
    domains.retain(|domain, _| may_be_asked(domain));
    if domains.is_empty() {
        return Vec::new();
    }
    let Some(settings) = &context.config.dns else {
        return vec![not_asked(
            "not asked about sender domains: [dns] enabled is false",
        )];
    };
    match ask(domains, settings).await {
        Ok(findings) => findings,
        Err(no_answer) => vec![not_asked(no_answer)],
    }
}

fn not_asked(why: impl ToString) -> Finding {
    Finding {
        part: "dns".to_owned(),
        fault: None,
        notes: vec![why.to_string()],
    }
}

/// The From domains of campaigns that are not over and of pools, and where bounces go.
async fn domains(context: &Context) -> BTreeMap<String, Role> {
    let mut senders: Vec<String> = from_domains_of_campaigns(context).await.unwrap_or_default();
    let pools = context.config.routing.pools.iter();
    senders.extend(pools.flat_map(|pool| pool.sender_domains.clone()));
    let return_path = context.config.mail.return_path_domain.as_deref();
    let mut domains = BTreeMap::new();
    for domain in senders {
        let role = Role {
            is_from: true,
            is_return_path: return_path.is_none(),
        };
        domains.insert(domain, role);
    }
    // It was checked with the configuration.
    let bounces_to = return_path.and_then(|domain| EmailAddress::parse(&format!("b@{domain}")).ok());
    if let Some(address) = bounces_to {
        let nobody = Role {
            is_from: false,
            is_return_path: false,
        };
        let role = domains.entry(address.domain().to_owned()).or_insert(nobody);
        role.is_return_path = true;
    }
    domains
}

/// `None` if the database cannot tell, which is a fault of its own.
async fn from_domains_of_campaigns(context: &Context) -> Option<Vec<String>> {
    if context.missing_database().is_some() {
        return None;
    }
    let not_over = [
        CampaignState::Draft,
        CampaignState::Scheduled,
        CampaignState::Sending,
        CampaignState::Paused,
        CampaignState::Held,
    ];
    let store = context.store().await.ok()?;
    let campaigns = store.list_campaigns(&not_over).await.ok()?;
    let domain = |sender: &str| Some(Mailbox::parse(sender).ok()?.address.domain().to_owned());
    Some(
        campaigns
            .iter()
            .filter_map(|campaign| domain(&campaign.sender))
            .collect(),
    )
}

/// All at once, so that a DNS that is away costs its time-out once. The error: there was no answer about any of them.
async fn ask(domains: BTreeMap<String, Role>, settings: &DnsSettings) -> Result<Vec<Finding>, NoAnswer> {
    let resolver = Resolver::new(settings)?;
    let asking: Vec<_> = domains
        .into_iter()
        .map(|(domain, role)| {
            let resolver = resolver.clone();
            tokio::spawn(async move {
                let looked = look_at(&resolver, &domain, role).await;
                (domain, looked)
            })
        })
        .collect();
    let mut findings = Vec::new();
    let mut unanswered = None;
    let mut is_answered = false;
    for one in asking {
        let Ok((domain, looked)) = one.await else {
            continue;
        };
        let (faults, notes) = match looked {
            Ok(faults) => {
                is_answered = true;
                (faults, Vec::new())
            }
            Err(no_answer) => {
                let note = no_answer.to_string();
                unanswered.get_or_insert(no_answer);
                (Vec::new(), vec![note])
            }
        };
        findings.push(Finding {
            part: format!("domain {domain}"),
            fault: (!faults.is_empty()).then(|| faults.join("; ")),
            notes,
        });
    }
    match unanswered {
        Some(no_answer) if !is_answered => Err(no_answer),
        _ => Ok(findings),
    }
}
