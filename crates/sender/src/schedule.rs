//! Which message goes next, and through which relay: pure, with the time passed in.
//!
//! Messages wait in lanes, one for each campaign and provider. A session of a relay takes the next message that every
//! limit lets pass; a lane that must wait is parked and in nobody's way. What a slow provider's lane cannot hold is put
//! aside: back into the ledger, with a time.

mod connections;
mod fairness;
mod flow;
mod lane;
mod offer;
mod relays;
mod take;
mod words;

use self::fairness::Member;
use self::lane::{Lane, LaneId};
use self::relays::RelayEntry;
use crate::limits::{Limit, LimitSettings, NodeId, Path, SessionId, Tree};
use crate::shaping::{Heard, Shape};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::provider;
use tidings_campaign::time::Timestamp;

pub(crate) use self::relays::RelayChange;

/// Letters wait as the messages of campaigns do, those of each sender domain as if of a campaign with a negative number, and go
/// before them.
pub(crate) fn is_of_letters(campaign: CampaignId) -> bool {
    campaign.0 < 0
}

/// What waits: a message to be handed to a relay.
pub(crate) trait Waiting {
    /// Whose.
    fn campaign(&self) -> CampaignId;
    /// The recipient's domain.
    fn domain(&self) -> &str;
    /// Whether it was tried before: then it goes before new ones.
    fn is_retry(&self) -> bool;
    /// Whether it need not go any more.
    fn is_gone(&self) -> bool;
}

/// A pool of relays: which, and for the mail of which sender domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Its name.
    pub name: String,
    /// The names of its relays.
    pub relays: Vec<String>,
    /// Campaigns from these domains use it, unless they name another.
    pub sender_domains: Vec<String>,
}

/// A relay in this schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct RelayId(usize);

impl RelayId {
    /// Relays are numbered from zero in the order in which they came.
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// A session that asks for work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat {
    pub relay: RelayId,
    pub session: SessionId,
    /// Whether it has a connection already.
    pub connected: bool,
    /// Other sessions of the relay that have a connection and wait, as far as is known.
    pub idle: usize,
}

/// What a session may do now.
#[derive(Debug)]
pub(crate) enum Turn<T> {
    Take(Taken<T>),
    /// Nothing now; look again then, or when woken.
    Wait(Option<Timestamp>),
    /// A message may go, but no more connections may be opened: look again then, or when woken.
    NoConnection {
        until: Timestamp,
        /// Others have one, and are to look now.
        others: bool,
    },
    /// The relay is no longer used, or its connections have become fewer and this one is to be closed.
    Closed,
}

/// A message that may go now. What it used of the limits is used.
#[derive(Debug)]
pub(crate) struct Taken<T> {
    pub item: T,
    /// To be given back when the message is done with, if sessions are limited on its path.
    pub path: Option<Arc<Path>>,
    /// The limits that must remember it.
    pub remembered_as: Arc<[Arc<str>]>,
}

/// What became of a message that was offered.
#[derive(Debug)]
pub(crate) enum Offered<T> {
    Queued,
    /// There is enough waiting already: offer it again when there is room.
    Full(T),
    /// Its provider takes no more for now: until then it is somebody else's.
    Aside(T, Arc<str>, Timestamp),
}

#[derive(Debug)]
struct Pool {
    members: Vec<Member>,
    ring: VecDeque<LaneId>,
    parked: BTreeSet<(Timestamp, LaneId)>,
}

#[derive(Debug)]
struct Entry {
    pool: usize,
    pool_name: Option<String>,
    sender: Arc<str>,
    limit: Limit,
    /// What stopped a message of this campaign last.
    stopped: Option<(Timestamp, Stop)>,
}

/// What stopped a message, in the tree or beside it.
#[derive(Clone, Debug)]
enum Stop {
    Limit(NodeId, crate::limits::Bound),
    Pair(RelayId, Arc<str>),
    Connections(RelayId),
}

/// The whole schedule.
#[derive(Debug)]
pub(crate) struct Schedule<T> {
    tree: Tree,
    relays: Vec<RelayEntry>,
    pools: Vec<Pool>,
    pool_settings: Vec<PoolSettings>,
    campaigns: HashMap<CampaignId, Entry>,
    lanes: Vec<Option<Lane<T>>>,
    free: Vec<LaneId>,
    index: HashMap<(CampaignId, Arc<str>), LaneId>,
    shapes: HashMap<(RelayId, Arc<str>), Shape>,
    /// Domains without a limit of their own that have been shaped all the same: they get lanes of their own.
    split: HashMap<String, Arc<str>>,
    /// The large providers of domains that do not tell it by their names: those of which the DNS has told.
    known: HashMap<Box<str>, &'static str>,
    other: Arc<str>,
    /// Relays that have work for one more session; for the caller to wake.
    wake: Vec<RelayId>,
    /// Relays to which one more session may connect that waited for it; for the caller to wake.
    connect: Vec<RelayId>,
    /// Messages that need not go any more; for the caller to let go.
    gone: Vec<T>,
    /// Messages that were moved to a provider that takes no more for now; for the caller to put aside, with the limit
    /// and the time.
    aside: Vec<(T, Arc<str>, Timestamp)>,
    /// There is room again where there was none.
    room_made: bool,
}

/// What stopped a campaign longer ago does not bind it now.
const BINDS: Duration = Duration::from_secs(2);

/// No campaign can be sent through a pool that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no pool of relays called `{0}` is configured: write [[pool]] with name = \"{0}\" into tidings.toml")]
pub struct NoSuchPool(String);

impl<T: Waiting> Schedule<T> {
    /// Without relays and pools: [`Schedule::change`] sets them. `used`: what limits remember of the last day.
    pub(crate) fn new(
        limits: LimitSettings,
        used: impl IntoIterator<Item = (String, i64, u64)>,
        now: Timestamp,
    ) -> Schedule<T> {
        Schedule {
            tree: Tree::new(limits, used, now),
            relays: Vec::new(),
            pools: Vec::new(),
            pool_settings: Vec::new(),
            campaigns: HashMap::new(),
            lanes: Vec::new(),
            free: Vec::new(),
            index: HashMap::new(),
            shapes: HashMap::new(),
            split: HashMap::new(),
            known: HashMap::new(),
            other: provider::OTHER.into(),
            wake: Vec::new(),
            connect: Vec::new(),
            gone: Vec::new(),
            aside: Vec::new(),
            room_made: false,
        }
    }

    /// Lets a campaign in. `pool`: the one it names itself.
    pub(crate) fn begin(
        &mut self,
        id: CampaignId,
        pool: Option<&str>,
        sender_domain: &str,
        limit: Limit,
    ) -> Result<(), NoSuchPool> {
        let entry = Entry {
            pool: self.find_pool(pool, sender_domain)?,
            pool_name: pool.map(str::to_owned),
            sender: sender_domain.into(),
            limit,
            stopped: None,
        };
        self.campaigns.insert(id, entry);
        Ok(())
    }

    /// The pool that a campaign names, or that of its sender's domain, or all relays.
    fn find_pool(&self, name: Option<&str>, sender_domain: &str) -> Result<usize, NoSuchPool> {
        let at = match name {
            Some(name) => {
                let named = self.pool_settings.iter().position(|pool| pool.name == name);
                Some(named.ok_or_else(|| NoSuchPool(name.to_owned()))?)
            }
            None => {
                let is_its =
                    |pool: &PoolSettings| pool.sender_domains.iter().any(|domain| domain == sender_domain);
                self.pool_settings.iter().position(is_its)
            }
        };
        // The pool of all relays stands behind the configured ones.
        Ok(at.unwrap_or(self.pool_settings.len()))
    }

    /// Lets go of everything of a campaign that still waits.
    pub(crate) fn forget(&mut self, id: CampaignId) {
        self.campaigns.remove(&id);
        for at in 0..self.lanes.len() {
            if self.lanes[at].as_ref().is_some_and(|lane| lane.campaign == id) {
                self.remove_lane(LaneId(at));
            }
        }
    }

    /// Lets go of everything that still waits.
    pub(crate) fn forget_all(&mut self) {
        let ids: Vec<CampaignId> = self.campaigns.keys().copied().collect();
        ids.into_iter().for_each(|id| self.forget(id));
    }

    /// A provider said something about the speed of a relay. `domain`: the recipient's.
    pub(crate) fn hear(&mut self, relay: RelayId, domain: &str, heard: Heard, now: Timestamp) {
        let provider = self.provider_of(domain);
        let is_mixed = provider == self.other;
        let key = if is_mixed {
            if heard == Heard::Accepted {
                return;
            }
            self.split_off(domain)
        } else {
            provider
        };
        if heard == Heard::Accepted && !self.shapes.contains_key(&(relay, Arc::clone(&key))) {
            return;
        }
        let rate = if is_mixed {
            self.relays[relay.0].flows.rate(domain, now)
        } else {
            self.pair_rate(relay, &key, now)
        };
        self.shapes
            .entry((relay, key))
            .or_default()
            .hear(heard, rate, now);
    }

    /// Whether acceptances need to be heard at all.
    pub(crate) fn is_shaped(&self) -> bool {
        !self.shapes.is_empty()
    }

    fn split_off(&mut self, domain: &str) -> Arc<str> {
        let name: Arc<str> = domain.into();
        Arc::clone(self.split.entry(domain.to_owned()).or_insert(name))
    }

    fn pair_rate(&self, relay: RelayId, provider: &Arc<str>, now: Timestamp) -> f64 {
        let lanes = self
            .lanes
            .iter()
            .flatten()
            .filter(|lane| lane.provider == *provider);
        lanes.map(|lane| lane.rate_through(relay, now)).sum()
    }

    /// Whoever runs the mailboxes of a domain, as was found out. What waits for the domain is that provider's from now
    /// on, and moves to its lane when its turn comes.
    pub(crate) fn know_provider(&mut self, domain: &str, provider: &'static str) {
        if provider == provider::OTHER {
            self.known.remove(domain);
        } else {
            self.known.insert(domain.into(), provider);
        }
    }

    /// The provider of a domain that does not tell it by its name, as far as it was found out.
    pub(crate) fn known_provider(&self, domain: &str) -> &'static str {
        self.known.get(domain).copied().unwrap_or(provider::OTHER)
    }

    /// The name under which a domain's limits stand and its messages wait.
    fn provider_of(&self, domain: &str) -> Arc<str> {
        let limits = self.tree.settings();
        if limits.providers.contains_key(domain) {
            return domain.into();
        }
        let name = provider::by_domain(domain);
        if name != provider::OTHER {
            return name.into();
        }
        if let Some(known) = self.known.get(domain) {
            return (*known).into();
        }
        if let Some(split) = self.split.get(domain) {
            return Arc::clone(split);
        }
        match limits.other_providers {
            Some(_) => domain.into(),
            None => Arc::clone(&self.other),
        }
    }

    /// A message is done with.
    pub(crate) fn release(&mut self, path: &Path, session: SessionId) {
        self.tree.release(path, session);
    }

    /// See [`Tree::share`]. Before the first relays are set.
    pub(crate) fn share_limits(&mut self, owner: Arc<str>) {
        self.tree.share(owner);
    }

    /// The limits, for a round in which they are shared anew.
    pub(crate) fn limits(&mut self) -> &mut Tree {
        &mut self.tree
    }

    /// Relays with work for one more session, since the last call.
    pub(crate) fn take_wakes(&mut self) -> Vec<RelayId> {
        std::mem::take(&mut self.wake)
    }

    /// Relays to which a session may connect that waited for it, since the last call.
    pub(crate) fn take_connects(&mut self) -> Vec<RelayId> {
        std::mem::take(&mut self.connect)
    }

    /// Whether a message that was refused for want of room can be offered again, since the last call.
    pub(crate) fn has_made_room(&mut self) -> bool {
        std::mem::take(&mut self.room_made)
    }

    /// Messages to be let go, since the last call.
    pub(crate) fn take_gone(&mut self) -> Vec<T> {
        std::mem::take(&mut self.gone)
    }

    /// Messages to be put aside, with the limit and the time, since the last call.
    pub(crate) fn take_aside(&mut self) -> Vec<(T, Arc<str>, Timestamp)> {
        std::mem::take(&mut self.aside)
    }
}

#[cfg(test)]
mod tests;
