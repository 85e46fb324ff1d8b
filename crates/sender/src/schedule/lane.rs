//! Messages of one campaign to one provider, waiting.

use super::flow::Flow;
use super::{RelayId, Schedule, Waiting, is_of_letters};
use crate::limits::Path;
use std::collections::VecDeque;
use std::sync::Arc;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct LaneId(pub usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// It is empty.
    Nowhere,
    Ring,
    Parked(Timestamp),
}

#[derive(Debug)]
pub(super) struct Lane<T> {
    pub campaign: CampaignId,
    pub pool: usize,
    pub provider: Arc<str>,
    retries: VecDeque<T>,
    fresh: VecDeque<T>,
    pub place: Where,
    routes: Vec<Route>,
    /// Its provider lets nothing pass before then.
    pub provider_blocks_until: Timestamp,
    /// When the next message that is put aside may be due.
    pub next_slot: Timestamp,
    /// Somebody waits for it to empty.
    pub is_full: bool,
    /// So many have been put aside and not come back, as far as is known.
    pub aside: u64,
}

/// A lane's way through one relay.
#[derive(Debug)]
struct Route {
    relay: RelayId,
    path: Arc<Path>,
    remembered_as: Arc<[Arc<str>]>,
    limits_sessions: bool,
    flow: Flow,
}

/// A lane's way, for the one who takes a message.
pub(super) struct Way {
    pub path: Arc<Path>,
    pub remembered_as: Arc<[Arc<str>]>,
    pub limits_sessions: bool,
}

impl<T: Waiting> Lane<T> {
    pub(super) fn new(campaign: CampaignId, pool: usize, provider: Arc<str>) -> Lane<T> {
        Lane {
            campaign,
            pool,
            provider,
            retries: VecDeque::new(),
            fresh: VecDeque::new(),
            place: Where::Nowhere,
            routes: Vec::new(),
            provider_blocks_until: Timestamp(0),
            next_slot: Timestamp(0),
            is_full: false,
            aside: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.retries.len() + self.fresh.len()
    }

    pub(super) fn push(&mut self, item: T) {
        if item.is_retry() {
            self.retries.push_back(item);
        } else {
            self.fresh.push_back(item);
        }
    }

    /// To the front: it was taken before and came back.
    pub(super) fn push_back_in(&mut self, item: T) {
        self.retries.push_front(item);
    }

    pub(super) fn front(&self) -> Option<&T> {
        self.retries.front().or_else(|| self.fresh.front())
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        self.retries.pop_front().or_else(|| self.fresh.pop_front())
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = T> {
        self.retries.drain(..).chain(self.fresh.drain(..))
    }

    pub(super) fn forget_routes(&mut self) {
        self.routes.clear();
    }

    pub(super) fn way(&self, relay: RelayId) -> Option<Way> {
        let route = self.routes.iter().find(|route| route.relay == relay)?;
        Some(Way {
            path: Arc::clone(&route.path),
            remembered_as: Arc::clone(&route.remembered_as),
            limits_sessions: route.limits_sessions,
        })
    }

    pub(super) fn count(&mut self, relay: RelayId, now: Timestamp) {
        if let Some(route) = self.routes.iter_mut().find(|route| route.relay == relay) {
            route.flow.count(now);
        }
    }

    /// Messages per second through a relay of late.
    pub(super) fn rate_through(&self, relay: RelayId, now: Timestamp) -> f64 {
        let route = self.routes.iter().find(|route| route.relay == relay);
        route.map_or(0.0, |route| route.flow.rate(now))
    }

    /// Messages per second of late.
    pub(super) fn rate(&self, now: Timestamp) -> f64 {
        self.routes.iter().map(|route| route.flow.rate(now)).sum()
    }
}

impl<T: Waiting> Schedule<T> {
    pub(super) fn lane(&self, id: LaneId) -> &Lane<T> {
        self.lanes[id.0]
            .as_ref()
            .expect("a lane in a ring or an index exists")
    }

    pub(super) fn lane_mut(&mut self, id: LaneId) -> &mut Lane<T> {
        self.lanes[id.0]
            .as_mut()
            .expect("a lane in a ring or an index exists")
    }

    /// The lane of a campaign's messages to a provider. `None`: the campaign is not under way.
    pub(super) fn lane_of(&mut self, campaign: CampaignId, provider: Arc<str>) -> Option<LaneId> {
        if let Some(id) = self.index.get(&(campaign, Arc::clone(&provider))) {
            return Some(*id);
        }
        let pool = self.campaigns.get(&campaign)?.pool;
        let lane = Lane::new(campaign, pool, Arc::clone(&provider));
        let id = match self.free.pop() {
            Some(id) => {
                self.lanes[id.0] = Some(lane);
                id
            }
            None => {
                self.lanes.push(Some(lane));
                LaneId(self.lanes.len() - 1)
            }
        };
        self.index.insert((campaign, provider), id);
        Some(id)
    }

    /// The lane's way through a relay, found out once.
    pub(super) fn way(&mut self, id: LaneId, relay: RelayId) -> Way {
        if let Some(way) = self.lane(id).way(relay) {
            return way;
        }
        let (campaign, provider) = (self.lane(id).campaign, Arc::clone(&self.lane(id).provider));
        let entry = &self.campaigns[&campaign];
        let relay_name = &self.relays[relay.0].name;
        let path = self
            .tree
            .path(relay_name, &entry.sender, &provider, (campaign, &entry.limit));
        let route = Route {
            relay,
            remembered_as: self.tree.remembered_as(&path).into(),
            limits_sessions: self.tree.limits_sessions(&path),
            path: Arc::new(path),
            flow: Flow::none(),
        };
        self.lane_mut(id).routes.push(route);
        self.lane(id).way(relay).expect("it was just added")
    }

    /// Puts a lane where it belongs.
    pub(super) fn put(&mut self, id: LaneId, place: Where) {
        let lane = self.lane(id);
        let (pool, before) = (lane.pool, lane.place);
        match before {
            Where::Parked(until) => drop(self.pools[pool].parked.remove(&(until, id))),
            Where::Ring if place != Where::Ring => {
                let ring = &mut self.pools[pool].ring;
                // Nearly always it is the one that was just looked at.
                if ring.front() == Some(&id) {
                    ring.pop_front();
                } else {
                    ring.retain(|other| *other != id);
                }
            }
            _ => {}
        }
        match place {
            Where::Parked(until) => drop(self.pools[pool].parked.insert((until, id))),
            Where::Ring if before != Where::Ring => {
                let is_first = is_of_letters(self.lane(id).campaign);
                let ring = &mut self.pools[pool].ring;
                match is_first {
                    true => ring.push_front(id),
                    false => ring.push_back(id),
                }
            }
            _ => {}
        }
        self.lane_mut(id).place = place;
    }

    pub(super) fn remove_lane(&mut self, id: LaneId) {
        self.put(id, Where::Nowhere);
        let mut lane = self.lanes[id.0].take().expect("it exists");
        self.index.remove(&(lane.campaign, Arc::clone(&lane.provider)));
        self.free.push(id);
        self.gone.extend(lane.drain());
    }
}
