//! Limits as a tree: all relays together → relay → sender domain → provider of the recipient → campaign. A message
//! passes when every limit on its path lets it pass; one that is stopped has taken nothing from the others.
//!
//! Where several senders work with one database, each has a part of every limit (`limits/share.rs`).

mod connections;
mod fair;
mod given;
mod meter;
mod places;
mod share;
mod shares;

pub(crate) use self::connections::ConnectionsId;
pub use self::given::{Limit, LimitSettings, Spread};
use self::meter::{Meter, SHARED};
pub(crate) use self::places::{Bound, Place};
pub(crate) use self::share::{OF_OPEN_CONNECTIONS, REMEMBERED, Round};
use self::shares::{ShareId, Shares};
use crate::pace::{Pace, Rate, Window};
use crate::quota::Quota;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;

/// Not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped {
    /// Not before then.
    pub until: Timestamp,
    pub by: NodeId,
    pub bound: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(usize);

/// The limits that a message passes, the widest first. Places without a limit are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Path {
    nodes: Vec<NodeId>,
    /// Of which configuration.
    generation: u64,
}

impl Path {
    pub(crate) fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }
}

/// Who carries a message: a session of this process.
pub(crate) type SessionId = u64;

#[derive(Debug)]
struct Node {
    place: Place,
    meters: Vec<Meter>,
    max_sessions: Option<usize>,
    /// This process's part of them, if they are shared.
    sessions_shared: Option<ShareId>,
    /// How many messages each session has in hand here. Kept only where sessions are limited.
    sessions: HashMap<SessionId, u32>,
    /// Under which name its use is remembered, if it must be.
    remembered_as: Option<Arc<str>>,
}

impl Node {
    /// The shares that messages are counted by here.
    fn shared(&self) -> impl Iterator<Item = ShareId> {
        self.meters.iter().filter_map(|meter| match meter {
            Meter::Shared(id) => Some(*id),
            Meter::Pace(..) | Meter::Window(..) | Meter::Quota(..) | Meter::Spread(..) => None,
        })
    }
}

/// The tree. Places come into being when the first message passes them.
#[derive(Debug)]
pub(crate) struct Tree {
    settings: LimitSettings,
    relays: HashMap<Arc<str>, Limit>,
    nodes: Vec<Node>,
    /// Places without a limit are not in it: there are as many as domains.
    index: HashMap<Place, NodeId>,
    /// By name: minutes and numbers, ascending.
    remembered: HashMap<String, Vec<(i64, u64)>>,
    /// Where what is spread was before the last change of configuration.
    carried: HashMap<Place, Pace>,
    since: Timestamp,
    generation: u64,
    /// If other senders keep the limits together with this process.
    shares: Option<Shares>,
}

/// When a session is what is waited for, it is looked again so soon.
const SESSION_LOOK: Duration = Duration::from_millis(20);

impl Tree {
    /// `remembered`: what was used during the last day, as name, minute and number.
    pub(crate) fn new(
        settings: LimitSettings,
        remembered: impl IntoIterator<Item = (String, i64, u64)>,
        now: Timestamp,
    ) -> Tree {
        let mut by_name: HashMap<String, Vec<(i64, u64)>> = HashMap::new();
        for (name, minute, n) in remembered {
            by_name.entry(name).or_default().push((minute, n));
        }
        by_name.values_mut().for_each(|used| used.sort_unstable());
        Tree {
            settings,
            relays: HashMap::new(),
            nodes: Vec::new(),
            index: HashMap::new(),
            remembered: by_name,
            carried: HashMap::new(),
            since: now,
            generation: 0,
            shares: None,
        }
    }

    /// Sets the limit of a relay.
    pub(crate) fn set_relay(&mut self, name: &Arc<str>, limit: Limit) {
        self.relays.insert(Arc::clone(name), limit);
    }

    pub(crate) fn settings(&self) -> &LimitSettings {
        &self.settings
    }

    /// Other limits from now on. What was used stays used. Every [`Path`] must be made anew.
    pub(crate) fn change(&mut self, settings: LimitSettings, now: Timestamp) {
        self.settings = settings;
        self.since = now;
        self.generation += 1;
        for node in std::mem::take(&mut self.nodes) {
            let spread = node.meters.iter().find_map(|meter| match meter {
                Meter::Spread(_, pace) => Some(pace.clone()),
                Meter::Pace(..) | Meter::Window(..) | Meter::Quota(..) | Meter::Shared(_) => None,
            });
            if let Some(pace) = spread {
                self.carried.insert(node.place.clone(), pace);
            }
            // A day's window holds an hour's too, so that the longest history is the whole one.
            let longest = node.meters.iter().filter_map(|meter| match meter {
                Meter::Quota(_, quota) => Some(quota.history().collect::<Vec<_>>()),
                Meter::Pace(..) | Meter::Window(..) | Meter::Spread(..) | Meter::Shared(_) => None,
            });
            if let Some(history) = longest.max_by_key(Vec::len) {
                self.remembered.insert(node.place.to_string(), history);
            }
        }
        self.index.clear();
    }

    /// The path of a message. `own`: the campaign's own limit.
    pub(crate) fn path(
        &mut self,
        relay: &Arc<str>,
        sender: &Arc<str>,
        provider: &Arc<str>,
        (campaign, own): (CampaignId, &Limit),
    ) -> Path {
        let places = [
            Place::All,
            Place::Relay(Arc::clone(relay)),
            Place::Sender(Arc::clone(sender)),
            Place::Provider(Arc::clone(provider)),
            Place::Campaign(campaign),
        ];
        Path {
            nodes: places
                .into_iter()
                .filter_map(|place| self.node(place, own))
                .collect(),
            generation: self.generation,
        }
    }

    fn node(&mut self, place: Place, own: &Limit) -> Option<NodeId> {
        if let Some(known) = self.index.get(&place) {
            return Some(*known);
        }
        let limits = self.limits_at(&place, own);
        let rates: Vec<Rate> = limits
            .iter()
            .flat_map(|limit| limit.rates.iter().copied())
            .collect();
        let max_sessions = limits.iter().filter_map(|limit| limit.max_sessions).min();
        let spread = limits.iter().find_map(|limit| limit.spread);
        if rates.is_empty() && max_sessions.is_none() && spread.is_none() {
            return None;
        }
        let mut node = match &mut self.shares {
            Some(shares) => shared_node(shares, &place, &limits, max_sessions, self.since),
            None => self.make(place.clone(), &rates, max_sessions),
        };
        if let Some(spread) = spread.filter(|_| self.shares.is_none()) {
            let per_second = spread.per_second();
            // Another configuration gives no message away.
            let pace = match self.carried.remove(&place) {
                Some(mut pace) => {
                    pace.change(per_second);
                    pace
                }
                None => Pace::spread(per_second, self.since),
            };
            node.meters.push(Meter::Spread(spread, pace));
        }
        self.nodes.push(node);
        let id = NodeId(self.nodes.len() - 1);
        self.index.insert(place, id);
        Some(id)
    }

    fn limits_at(&self, place: &Place, own: &Limit) -> Vec<Limit> {
        let settings = &self.settings;
        match place {
            Place::All => vec![settings.all.clone()],
            Place::Relay(name) => self.relays.get(name).cloned().into_iter().collect(),
            Place::Sender(domain) => settings.senders.get(&**domain).cloned().into_iter().collect(),
            Place::Provider(name) => settings
                .providers
                .get(&**name)
                .or(settings.other_providers.as_ref())
                .cloned()
                .into_iter()
                .collect(),
            Place::Campaign(_) => vec![settings.campaigns.clone(), own.clone()],
        }
    }

    fn make(&self, place: Place, rates: &[Rate], max_sessions: Option<usize>) -> Node {
        let name = place.to_string();
        let used = self.remembered.get(&name).map_or(&[][..], Vec::as_slice);
        let recently = used
            .last()
            .is_some_and(|(minute, _)| *minute >= self.since.minute() - 1);
        let meters = rates.iter().map(|rate| match rate.allowance_minutes() {
            Some(minutes) => {
                let mut quota = Quota::new(u64::from(rate.messages()), minutes);
                used.iter().for_each(|(minute, n)| quota.remember(*minute, *n));
                Meter::Quota(*rate, quota)
            }
            None => {
                // A process before this one may have sent a moment ago.
                let from = if recently || !rate.outlives_a_restart() {
                    self.since.plus(rate.rest_after_restart())
                } else {
                    self.since
                };
                match Window::of_few(*rate, from) {
                    Some(window) => Meter::Window(*rate, window),
                    None => Meter::Pace(*rate, Pace::new(*rate, from)),
                }
            }
        });
        Node {
            meters: meters.collect(),
            max_sessions,
            sessions_shared: None,
            sessions: HashMap::new(),
            remembered_as: rates.iter().any(Rate::outlives_a_restart).then(|| name.into()),
            place,
        }
    }

    /// Whether a message of this session may pass now. Takes nothing.
    pub(crate) fn ask(&mut self, path: &Path, session: SessionId, now: Timestamp) -> Result<(), Stopped> {
        for by in &path.nodes {
            let node = &mut self.nodes[by.0];
            for meter in &mut node.meters {
                let until = meter.next(self.shares.as_mut(), now);
                if until > now {
                    let bound = meter.bound(self.shares.as_ref());
                    return Err(Stopped {
                        until,
                        by: *by,
                        bound,
                    });
                }
            }
            if let Some(most) = node.max_sessions
                && !lets_session(node, most, session, self.shares.as_mut(), now)
            {
                let bound = Bound::Sessions(most);
                let until = now.plus(SESSION_LOOK);
                return Err(Stopped {
                    until,
                    by: *by,
                    bound,
                });
            }
        }
        Ok(())
    }

    /// A message passes now; [`Tree::ask`] has said yes.
    pub(crate) fn take(&mut self, path: &Path, session: SessionId, now: Timestamp) {
        for id in &path.nodes {
            let node = &mut self.nodes[id.0];
            for meter in &mut node.meters {
                meter.take(self.shares.as_mut(), now);
            }
            if node.max_sessions.is_some() {
                *node.sessions.entry(session).or_default() += 1;
                if let (Some(share), Some(shares)) = (node.sessions_shared, &mut self.shares) {
                    shares.count_sessions(share, node.sessions.len());
                }
            }
        }
    }

    /// A message of this session is done with. One that began under another configuration is not counted any more.
    pub(crate) fn release(&mut self, path: &Path, session: SessionId) {
        if path.generation != self.generation {
            return;
        }
        for id in &path.nodes {
            let node = &mut self.nodes[id.0];
            if let Some(n) = node.sessions.get_mut(&session) {
                *n -= 1;
                if *n == 0 {
                    node.sessions.remove(&session);
                    if let (Some(share), Some(shares)) = (node.sessions_shared, &mut self.shares) {
                        shares.count_sessions(share, node.sessions.len());
                    }
                }
            }
        }
    }

    pub(crate) fn place(&self, id: NodeId) -> &Place {
        &self.nodes[id.0].place
    }

    /// Whether anything on the path limits sessions, so that [`Tree::release`] must be told of the end.
    pub(crate) fn limits_sessions(&self, path: &Path) -> bool {
        path.nodes
            .iter()
            .any(|id| self.nodes[id.0].max_sessions.is_some())
    }

    /// The names under which the use of this path is remembered.
    pub(crate) fn remembered_as(&self, path: &Path) -> Vec<Arc<str>> {
        path.nodes
            .iter()
            .filter_map(|id| self.nodes[id.0].remembered_as.clone())
            .collect()
    }

    /// How long `messages` take at a place at least.
    pub(crate) fn time_for(&mut self, id: NodeId, messages: u64, now: Timestamp) -> Duration {
        let shares = self.shares.as_ref();
        let spans = self.nodes[id.0].meters.iter_mut().map(|meter| match meter {
            Meter::Pace(rate, _) | Meter::Window(rate, _) => messages as f64 / rate.per_second(),
            Meter::Spread(spread, _) => messages as f64 / spread.per_second(),
            Meter::Quota(rate, quota) => {
                let next = quota.next(now);
                rate.allowance_takes(messages, quota.left(), next.since(now))
            }
            Meter::Shared(id) => shares.expect(SHARED).time_for(*id, messages, now),
        });
        Duration::from_secs_f64(spans.fold(0.0, f64::max))
    }
}

fn shared_node(
    shares: &mut Shares,
    place: &Place,
    limits: &[Limit],
    max_sessions: Option<usize>,
    since: Timestamp,
) -> Node {
    let (meters, sessions_shared) = shares.of(place, limits, since);
    Node {
        place: place.clone(),
        meters: meters.into_iter().map(Meter::Shared).collect(),
        max_sessions,
        sessions_shared,
        sessions: HashMap::new(),
        // What is used is written down with the shares.
        remembered_as: None,
    }
}

/// Whether a session may carry a message where so many may.
fn lets_session(
    node: &Node,
    most: usize,
    session: SessionId,
    shares: Option<&mut Shares>,
    now: Timestamp,
) -> bool {
    let (at_work, is_one) = (node.sessions.len(), node.sessions.contains_key(&session));
    match (node.sessions_shared, shares) {
        (Some(share), Some(shares)) => shares.lets_session(share, at_work, is_one, now),
        _ => at_work < most || is_one,
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_shares;
