//! A session takes its next message.

use super::connections::NoConnection;
use super::lane::{LaneId, Where};
use super::{Offered, RelayId, Schedule, Seat, Stop, Taken, Turn, Waiting, fairness, is_of_letters};
use crate::circuit::Admission;
use crate::limits::{Place, Stopped};
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::time::Timestamp;

/// A lane that waits for its part of a limit asks so often.
const LOOK: Duration = Duration::from_secs(1);

/// What became of the attempt to take from one pool.
enum Look<T> {
    Take(Taken<T>),
    Nothing(Option<Timestamp>),
    /// The relay can take nothing at all before then.
    RelayStopped(Timestamp),
    NoConnection(NoConnection),
}

/// What became of the attempt to take from one lane.
enum LaneLook<T> {
    Take(Taken<T>),
    Empty,
    /// Something that has nothing to do with this relay stops it.
    Parked,
    /// This relay cannot take it before then; another may.
    NotHere(Timestamp),
    RelayStopped(Timestamp),
    /// It would take it over another connection, which may not be opened before then.
    NoConnection(NoConnection),
}

impl<T: Waiting> Schedule<T> {
    /// The next message for a session, if one may go now.
    pub(crate) fn take(&mut self, seat: Seat, now: Timestamp) -> Turn<T> {
        let entry = &self.relays[seat.relay.0];
        if entry.closed {
            return Turn::Closed;
        }
        if !seat.connected
            && let Admission::NotBefore(until) = entry.circuit.asks(now)
        {
            return Turn::Wait(Some(until));
        }
        if seat.connected && self.must_close(seat, now) {
            return Turn::Closed;
        }
        let mut soonest: Option<Timestamp> = None;
        let mut wait = |until: Timestamp| soonest = Some(soonest.map_or(until, |soonest| soonest.min(until)));
        let first = (0..self.pools.len()).find(|pool| self.begins_with_letters(*pool));
        let others = (0..self.pools.len()).filter(|pool| Some(*pool) != first);
        for pool in first.into_iter().chain(others) {
            self.unpark(pool, now);
            match self.take_from_pool(pool, seat, now) {
                Look::Take(taken) => {
                    if !seat.connected {
                        self.relays[seat.relay.0].circuit.admit(now);
                    }
                    self.note_connection(seat, now);
                    return Turn::Take(taken);
                }
                Look::RelayStopped(until) => {
                    wait(until);
                    break;
                }
                Look::NoConnection(NoConnection { until, others }) => {
                    return Turn::NoConnection { until, others };
                }
                Look::Nothing(until) => {
                    if let Some(until) = until {
                        wait(until);
                    }
                }
            }
        }
        Turn::Wait(soonest)
    }

    fn begins_with_letters(&self, pool: usize) -> bool {
        let first = self.pools[pool].ring.front();
        first.is_some_and(|lane| is_of_letters(self.lane(*lane).campaign))
    }

    fn unpark(&mut self, pool: usize, now: Timestamp) {
        while let Some((until, lane)) = self.pools[pool].parked.first().copied()
            && until <= now
        {
            self.put(lane, Where::Ring);
        }
    }

    fn take_from_pool(&mut self, pool: usize, seat: Seat, now: Timestamp) -> Look<T> {
        let parked = self.pools[pool].parked.first().map(|(until, _)| *until);
        if self.pools[pool].ring.is_empty() || !self.is_in_charge(pool, seat.relay) {
            return Look::Nothing(parked);
        }
        if self.must_wait_for_others(pool, seat.relay, now) {
            return Look::Nothing(Some(now.plus(fairness::LOOK)));
        }
        let mut soonest = parked;
        for _ in 0..self.pools[pool].ring.len() {
            let Some(lane) = self.pools[pool].ring.front().copied() else {
                break;
            };
            match self.take_from_lane(lane, seat, now) {
                LaneLook::Take(taken) => {
                    self.after_take(pool, lane, seat.relay);
                    return Look::Take(taken);
                }
                LaneLook::Empty => self.remove_lane_if_idle(lane),
                LaneLook::Parked => {}
                LaneLook::NotHere(until) => {
                    self.pools[pool].ring.rotate_left(1);
                    soonest = Some(soonest.map_or(until, |soonest| soonest.min(until)));
                }
                LaneLook::RelayStopped(until) => return Look::RelayStopped(until),
                LaneLook::NoConnection(not) => return Look::NoConnection(not),
            }
        }
        let parked = self.pools[pool].parked.first().map(|(until, _)| *until);
        Look::Nothing([soonest, parked].into_iter().flatten().min())
    }

    fn take_from_lane(&mut self, id: LaneId, seat: Seat, now: Timestamp) -> LaneLook<T> {
        self.let_go(id);
        while self.move_front(id, now) {}
        if self.lane(id).len() == 0 {
            return LaneLook::Empty;
        }
        let way = self.way(id, seat.relay);
        if let Err(stopped) = self.tree.ask(&way.path, seat.session, now) {
            let is_known = !self.tree.has_no_part(&way.path, now);
            return self.stop(id, seat.relay, (stopped, is_known), now);
        }
        if let Some(until) = self.ask_shape(id, seat.relay, now) {
            return LaneLook::NotHere(until);
        }
        if !seat.connected
            && let Err(not) = self.ask_connection(seat.relay, self.lane(id).campaign, now)
        {
            return LaneLook::NoConnection(not);
        }
        self.tree.take(&way.path, seat.session, now);
        if self.tree.is_shared() {
            // Its part may have grown since it was stopped.
            let lane = self.lane_mut(id);
            lane.provider_blocks_until = lane.provider_blocks_until.min(now);
        }
        if !self.shapes.is_empty() {
            let pair = (seat.relay, Arc::clone(&self.lane(id).provider));
            if let Some(shape) = self.shapes.get_mut(&pair) {
                shape.take(now);
            }
        }
        let lane = self.lane_mut(id);
        lane.count(seat.relay, now);
        let item = lane.pop().expect("it is not empty");
        if self.lane(id).provider == self.other {
            self.relays[seat.relay.0].flows.count(item.domain(), now);
        }
        self.make_room(id);
        LaneLook::Take(Taken {
            item,
            path: way.limits_sessions.then_some(way.path),
            remembered_as: way.remembered_as,
        })
    }

    /// Lets go of what need not go any more.
    fn let_go(&mut self, id: LaneId) {
        while self.lane(id).front().is_some_and(Waiting::is_gone) {
            let item = self.lane_mut(id).pop().expect("it has a front");
            self.gone.push(item);
            self.make_room(id);
        }
    }

    /// Moves the first message of a lane to that of its provider, if that has become known since it came or its domain
    /// has a lane of its own now. It is offered there as a new one would be: a provider that takes little must not hold
    /// more than it can take.
    fn move_front(&mut self, id: LaneId, now: Timestamp) -> bool {
        let Some(provider) = self.front_belongs_to(id) else {
            return false;
        };
        let item = self.lane_mut(id).pop().expect("it has a front");
        self.make_room(id);
        match self.offer(item, now) {
            Offered::Queued => {}
            Offered::Aside(item, limit, due) => self.aside.push((item, limit, due)),
            // It has room here already.
            Offered::Full(item) => self.push_into(item, provider),
        }
        true
    }

    /// The provider of the first message if it is another than its lane's.
    fn front_belongs_to(&self, id: LaneId) -> Option<Arc<str>> {
        if self.split.is_empty() && self.known.is_empty() {
            return None;
        }
        let lane = self.lane(id);
        let domain = lane.front()?.domain();
        let is_by_name = lane.provider == self.other || *lane.provider == *domain;
        let is_news = self.known.contains_key(domain) || self.split.contains_key(domain);
        if !is_by_name || !is_news {
            return None;
        }
        Some(self.provider_of(domain)).filter(|provider| *provider != lane.provider)
    }

    /// The pair of relay and provider lets nothing pass before the time returned.
    fn ask_shape(&mut self, id: LaneId, relay: RelayId, now: Timestamp) -> Option<Timestamp> {
        if self.shapes.is_empty() {
            return None;
        }
        let (campaign, provider) = (self.lane(id).campaign, Arc::clone(&self.lane(id).provider));
        let pair = (relay, provider);
        let shape = self.shapes.get_mut(&pair)?;
        let until = shape.next(now);
        if shape.is_forgotten() {
            self.shapes.remove(&pair);
        }
        if until <= now {
            return None;
        }
        let lane = self.lane_mut(id);
        lane.provider_blocks_until = lane.provider_blocks_until.max(until);
        self.note_stop(campaign, Stop::Pair(relay, pair.1), now);
        Some(until)
    }

    /// `is_known`: the limit's speed is, so that it may be told when a message is due.
    fn stop(
        &mut self,
        id: LaneId,
        relay: RelayId,
        (stopped, is_known): (Stopped, bool),
        now: Timestamp,
    ) -> LaneLook<T> {
        let campaign = self.lane(id).campaign;
        self.note_stop(campaign, Stop::Limit(stopped.by, stopped.bound), now);
        match self.tree.place(stopped.by) {
            Place::All | Place::Relay(_) => {
                self.relays[relay.0].blocked_until = stopped.until;
                LaneLook::RelayStopped(stopped.until)
            }
            place => {
                if matches!(place, Place::Provider(_)) && is_known {
                    self.lane_mut(id).provider_blocks_until = stopped.until;
                }
                // What is shared may come sooner, and who asks shows that he waits.
                let until = match self.tree.is_shared() {
                    true => stopped.until.min(now.plus(LOOK)),
                    false => stopped.until,
                };
                self.put(id, Where::Parked(until));
                LaneLook::Parked
            }
        }
    }

    pub(super) fn note_stop(
        &mut self,
        campaign: tidings_campaign::ids::CampaignId,
        stop: Stop,
        now: Timestamp,
    ) {
        if let Some(entry) = self.campaigns.get_mut(&campaign) {
            entry.stopped = Some((now, stop));
        }
    }

    fn after_take(&mut self, pool: usize, lane: LaneId, relay: RelayId) {
        self.count_share(pool, relay);
        if self.lane(lane).len() == 0 {
            self.put(lane, Where::Nowhere);
        } else if !is_of_letters(self.lane(lane).campaign) {
            // The next message is another lane's.
            self.pools[pool].ring.rotate_left(1);
        }
        if !self.pools[pool].ring.is_empty() {
            self.wake.push(relay);
        }
    }

    fn remove_lane_if_idle(&mut self, id: LaneId) {
        if self.lane(id).aside > 0 {
            self.put(id, Where::Nowhere);
        } else {
            self.remove_lane(id);
        }
    }
}
