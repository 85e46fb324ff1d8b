//! Pre-flight lists: renders a campaign to everybody, asks links, relays and the DNS, and hands what was found to the checks of
//! `tidings_campaign::preflight`.
//!
//! Where to look: [`examine`] makes one list, for the command; [`run`] makes those that pages ask for, as they come. The
//! recipients are walked through in `walk.rs`; links are asked in `links.rs`, domains in `domains.rs`, relays in `relays.rs`.

mod domains;
mod links;
mod relays;
mod run;
mod walk;

pub use links::LinkSettings;
pub use run::run;

use tidings_campaign::ids::CampaignId;
use tidings_campaign::message::MessageFactory;
use tidings_campaign::preflight::{Facts, Finding, Sender, findings};
use tidings_campaign::time::Clock;
use tidings_campaign::tracking::Tracking;
use tidings_dns::DnsSettings;
use tidings_sender::dispatch::Routing;
use tidings_sender::planner;
use tidings_sender::retry::Retry;
use tidings_sender::run::{CannotRun, Identity, factory};
use tidings_store::campaigns::Campaign;
use tidings_store::{Store, StoreError};
use tokio::sync::watch;
use walk::{Readers, Walked};

/// What lists are made with.
#[derive(Clone, Debug)]
pub struct PreflightSettings {
    /// What messages say about this instance.
    pub identity: Identity,
    /// Who is asked about domains, if anybody.
    pub dns: Option<DnsSettings>,
    /// The relays as they are now, which are asked how large a message may be.
    pub routing: watch::Receiver<Routing>,
    /// How links are asked.
    pub links: LinkSettings,
    /// The sender's postal address, which every newsletter is to have.
    pub postal_address: Option<String>,
    /// Where the relay's public key is, below `_domainkey`.
    pub dkim_selector: Option<String>,
    /// How retries are spaced: nothing is retried here, but a campaign is prepared with it.
    pub retry: Retry,
}

/// A list that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examined {
    /// What was found.
    pub findings: Vec<Finding>,
    /// Of what it was made ([`Store::preflight_fingerprint`]).
    pub fingerprint: String,
}

/// Makes the list of a campaign, changing nothing. `progress` hears how many recipients' messages have been made. The error is one of
/// the database: whatever is wrong with the campaign is a finding.
pub async fn examine(
    store: &Store,
    campaign: CampaignId,
    settings: &PreflightSettings,
    clock: &Clock,
    progress: impl Fn(u64),
) -> Result<Examined, StoreError> {
    // Before anything is read: what changes meanwhile makes the list stale.
    let fingerprint = store.preflight_fingerprint(campaign).await?;
    let campaign = store.get_campaign(campaign).await?;
    let findings = match look(store, campaign, settings, clock, progress).await {
        Ok(facts) => findings(&facts),
        Err(CannotRun::Content(why)) => vec![Finding::unmakeable(format!("It cannot be sent: {why}."))],
        Err(CannotRun::Store(error @ StoreError::NotFound { .. })) => {
            vec![Finding::unmakeable(format!("It cannot be sent: {error}."))]
        }
        Err(CannotRun::Store(error)) => return Err(error),
    };
    Ok(Examined {
        findings,
        fingerprint,
    })
}

async fn look(
    store: &Store,
    campaign: Campaign,
    settings: &PreflightSettings,
    clock: &Clock,
    progress: impl Fn(u64),
) -> Result<Facts, CannotRun> {
    let identity = &settings.identity;
    let pool = campaign.pool.clone();
    let as_read = as_read(store, &campaign, identity).await?;
    let images = images(store, campaign.id).await?;
    let run = planner::as_it_stands(store, campaign, identity, settings.retry).await?;
    let from_domain = run.sender_domain.clone();
    let return_path_domain = identity
        .return_path_domain
        .clone()
        .unwrap_or_else(|| from_domain.clone());
    // First, because the form that they take says how large messages are.
    let routing = settings.routing.borrow().clone();
    let (relays, encoding) = relays::ask(&routing, pool.as_deref(), &from_domain).await;
    let readers = Readers {
        run,
        as_read,
        encoding,
        clock: clock.clone(),
    };
    let Walked { tally, samples } = walk::everybody(store, readers, progress).await?;
    let (answers, domain_faults, dkim) = tokio::join!(
        links::ask(samples.addresses(), &identity.public_url, settings.links),
        domains::look(&from_domain, &return_path_domain, settings.dns.as_ref()),
        domains::look_at_key(
            &from_domain,
            settings.dkim_selector.as_deref(),
            settings.dns.as_ref()
        ),
    );
    Ok(Facts {
        sender: Sender {
            from_domain,
            return_path_domain,
            public_url: identity.public_url.clone(),
            postal_address: settings.postal_address.clone(),
            allow_private_links: settings.links.allow_private_addresses,
            relays,
            images,
        },
        tally,
        samples: samples.all(),
        answers,
        domain_faults,
        dkim,
    })
}

/// Makes the messages as their author wrote the links, which is what readers are led to in the end.
async fn as_read(
    store: &Store,
    campaign: &Campaign,
    identity: &Identity,
) -> Result<MessageFactory, CannotRun> {
    let newsletter = store.newsletter_of(campaign).await?;
    let untracked = Campaign {
        tracking: Some(Tracking::Off),
        ..campaign.clone()
    };
    factory(store, &untracked, &newsletter, identity).await
}

/// The images that go with every message: name and octets.
async fn images(store: &Store, campaign: CampaignId) -> Result<Vec<(String, usize)>, StoreError> {
    let files = store.list_files(campaign).await?;
    let shown = files.into_iter().filter(|file| file.content_id.is_some());
    Ok(shown
        .map(|file| (file.file_name, usize::try_from(file.size).unwrap_or(usize::MAX)))
        .collect())
}
