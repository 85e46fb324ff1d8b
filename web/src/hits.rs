//! Hits of pixels and links: who is answered without being recorded, where links lead, and the task that makes hits durable.

mod destinations;
mod folder;
mod limits;
mod recorder;
mod rounds;
pub(crate) mod visitor;

use destinations::Destinations;
use ipnet::IpNet;
use recorder::Recorder;
use std::sync::Arc;
use std::time::Duration;
use tidings_feedback::hits::HitRules;
use tidings_store::Store;
use tidings_store::hits::{HitTurns, NewHit};

pub(crate) use destinations::{Destination, location};
pub(crate) use limits::PerSpan;
pub(crate) use rounds::Waiters;
pub(crate) use visitor::{address, is_prefetch, user_agent};

/// How hits are recorded.
#[derive(Clone, Debug)]
pub struct HitSettings {
    /// What they speak for.
    pub rules: Arc<HitRules>,
    /// So many from one network in a minute are recorded; 0: no limit. Proxies of mailbox providers are not limited.
    pub per_minute: u32,
    /// How long they are kept; the counters stay.
    pub keep: Duration,
}

/// So many hits of one message in a minute are recorded. No person does more, and what is judged together stays small.
const PER_RECIPIENT: u32 = 240;
/// Places that networks and recipients share by their hashes.
const HITS: &str = "hits a minute were answered and not recorded";
const NETWORKS: usize = 1 << 16;
const RECIPIENTS: usize = 1 << 18;

/// What the handlers of hits share.
pub(crate) struct Hits {
    pub(crate) destinations: Destinations,
    /// Whose word about the visitor's address is taken.
    pub(crate) trusted_proxies: Vec<IpNet>,
    rules: Arc<HitRules>,
    networks: PerSpan,
    recipients: PerSpan,
    recorder: Recorder,
}

impl Hits {
    /// Starts the recorder. Must be called in the runtime that outlives the server's workers.
    pub(crate) fn new(
        store: Store,
        settings: &HitSettings,
        trusted_proxies: Vec<IpNet>,
    ) -> Result<Hits, getrandom::Error> {
        let turns = HitTurns::of(getrandom::u64()?);
        let (rules, keep) = (Arc::clone(&settings.rules), settings.keep);
        Ok(Hits {
            destinations: Destinations::default(),
            trusted_proxies,
            rules: Arc::clone(&settings.rules),
            networks: PerSpan::new(settings.per_minute, NETWORKS, HITS),
            recipients: PerSpan::new(PER_RECIPIENT, RECIPIENTS, HITS),
            recorder: Recorder::start(store, rules, keep, turns),
        })
    }

    /// The requests of a worker that wait for their hits to be durable. Must be called there.
    pub(crate) fn waiters(&self) -> Waiters {
        self.recorder.waiters()
    }

    /// Records a hit; durable when it returns, as a rule. Visitors never see an error because we are busy: after two seconds, and
    /// beyond the limits, they are answered all the same, and the log says how many were not recorded.
    pub(crate) async fn record(&self, hit: NewHit, waiters: &Waiters) {
        let minute = hit.at.minute();
        let by_network = hit
            .network
            .filter(|network| !self.rules.is_proxy(*network))
            .is_none_or(|network| self.networks.admits(network, minute));
        let by_recipient = hit
            .recipient
            .is_none_or(|recipient| self.recipients.admits((hit.campaign, recipient), minute));
        if by_network && by_recipient {
            self.recorder.record(hit, waiters).await;
        }
    }
}
