//! The DNS of the domains in whose names mail goes out.

use super::Finding;
use crate::context::Context;
use std::collections::BTreeMap;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::lifecycle::CampaignState;
use tidings_campaign::message::Mailbox;
use tidings_dns::{DnsSettings, NoAnswer, Resolver, Role, look_at, may_be_asked};
use tidings_sender::schedule::PoolSettings;
use tidings_store::Store;

/// What was found out about a domain.
pub struct OfDomain {
    /// Which.
    pub domain: String,
    /// What it is to our mail.
    pub role: Role,
    /// What is wrong with it, or why nothing is known.
    pub looked: Result<Vec<String>, NoAnswer>,
}

/// What is wrong with them. That the DNS cannot be asked is worth a note and no fault: mail may go out all the same.
pub(super) async fn look(context: &Context) -> Vec<Finding> {
    // That the database cannot tell is a fault of its own.
    let store = match context.missing_database() {
        Some(_) => None,
        None => context.store().await.ok(),
    };
    let pools = &context.config.routing.pools;
    let domains = domains(
        store.as_ref(),
        pools,
        context.config.mail.return_path_domain.as_deref(),
    )
    .await;
    if domains.is_empty() {
        return Vec::new();
    }
    let Some(settings) = &context.config.dns else {
        return vec![not_asked(NOT_ASKED)];
    };
    match ask(domains, settings).await {
        Ok(found) => found.into_iter().map(finding).collect(),
        Err(no_answer) => vec![not_asked(no_answer)],
    }
}

/// Why nothing is known where the DNS must not be asked.
pub const NOT_ASKED: &str = "not asked about sender domains: [dns] enabled is false";

fn not_asked(why: impl ToString) -> Finding {
    Finding {
        part: "dns".to_owned(),
        fault: None,
        notes: vec![why.to_string()],
    }
}

fn finding(found: OfDomain) -> Finding {
    let (faults, notes) = match found.looked {
        Ok(faults) => (faults, Vec::new()),
        Err(no_answer) => (Vec::new(), vec![no_answer.to_string()]),
    };
    Finding {
        part: format!("domain {}", found.domain),
        fault: (!faults.is_empty()).then(|| faults.join("; ")),
        notes,
    }
}

/// The From domains of campaigns that are not over and of pools, and where bounces go; those that are for examples are left out.
pub async fn domains(
    store: Option<&Store>,
    pools: &[PoolSettings],
    return_path: Option<&str>,
) -> BTreeMap<String, Role> {
    let mut senders: Vec<String> = match store {
        Some(store) => from_domains_of_campaigns(store).await.unwrap_or_default(),
        None => Vec::new(),
    };
    senders.extend(pools.iter().flat_map(|pool| pool.sender_domains.clone()));
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
    domains.retain(|domain, _| may_be_asked(domain));
    domains
}

/// `None` if the database cannot tell.
async fn from_domains_of_campaigns(store: &Store) -> Option<Vec<String>> {
    let not_over = [
        CampaignState::Draft,
        CampaignState::Scheduled,
        CampaignState::Sending,
        CampaignState::Paused,
        CampaignState::Held,
    ];
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
pub async fn ask(domains: BTreeMap<String, Role>, settings: &DnsSettings) -> Result<Vec<OfDomain>, NoAnswer> {
    let resolver = Resolver::new(settings)?;
    let asking: Vec<_> = domains
        .into_iter()
        .map(|(domain, role)| {
            let resolver = resolver.clone();
            tokio::spawn(async move {
                let looked = look_at(&resolver, &domain, role).await;
                OfDomain { domain, role, looked }
            })
        })
        .collect();
    let mut found = Vec::new();
    for one in asking {
        found.extend(one.await);
    }
    let is_answered = found.iter().any(|one| one.looked.is_ok());
    let unanswered = found.iter().find_map(|one| one.looked.clone().err());
    match unanswered {
        Some(no_answer) if !is_answered => Err(no_answer),
        _ => Ok(found),
    }
}
