//! A message is offered: it waits here, or is put aside until its provider takes more.

use super::lane::{LaneId, Where};
use super::{Offered, Schedule, Waiting};
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;

/// A lane holds so many messages for each session that could take them.
const WAITING_PER_SESSION: usize = 4;
/// A slow provider's lane holds what it takes in so many seconds.
const LANE_SECONDS: f64 = 4.0;
const LANE: std::ops::RangeInclusive<usize> = 2..=2000;
/// What was put aside comes back so much before its provider can take it, so that the provider never waits for us.
const EARLY: Duration = Duration::from_secs(2);
/// Not sooner than this, or it would only go to and fro.
const SOONEST: Duration = Duration::from_secs(1);

impl<T: Waiting> Schedule<T> {
    /// Takes a message in, unless there is no room or its provider takes nothing for now.
    pub(crate) fn offer(&mut self, item: T, now: Timestamp) -> Offered<T> {
        let campaign = item.campaign();
        let provider = self.provider_of(item.domain());
        let Some(id) = self.lane_of(campaign, provider) else {
            self.gone.push(item);
            return Offered::Queued;
        };
        let blocked = self.lane(id).provider_blocks_until > now;
        if blocked && self.lane(id).len() >= self.lane_room(id, now) {
            let due = self.slot(id, now);
            let lane = self.lane_mut(id);
            lane.aside += 1;
            return Offered::Aside(item, format!("provider {}", lane.provider).into(), due);
        }
        if !blocked && self.lane(id).len() >= self.most(id) {
            self.lane_mut(id).is_full = true;
            return Offered::Full(item);
        }
        self.lane_mut(id).push(item);
        self.show(id);
        Offered::Queued
    }

    /// Takes back a message that a session could not send for a reason of its own. It goes first.
    pub(crate) fn give_back(&mut self, item: T) {
        let (campaign, provider) = (item.campaign(), self.provider_of(item.domain()));
        let Some(id) = self.lane_of(campaign, provider) else {
            self.gone.push(item);
            return;
        };
        self.lane_mut(id).push_back_in(item);
        self.show(id);
    }

    /// Takes in a message that waited in another lane, although this one is full.
    pub(super) fn push_into(&mut self, item: T, provider: Arc<str>) {
        let Some(id) = self.lane_of(item.campaign(), provider) else {
            self.gone.push(item);
            return;
        };
        self.lane_mut(id).push(item);
        self.show(id);
    }

    /// A lane that nothing but the relays' speed holds up may hold so many.
    fn most(&self, id: LaneId) -> usize {
        WAITING_PER_SESSION * self.sessions_of(self.lane(id).pool).max(1)
    }

    /// Something has left a lane. Who waits for room is told when the lane is half empty, not for every message.
    pub(super) fn make_room(&mut self, id: LaneId) {
        if self.lane(id).is_full && self.lane(id).len() <= self.most(id) / 2 {
            self.lane_mut(id).is_full = false;
            self.room_made = true;
        }
    }

    fn show(&mut self, id: LaneId) {
        if self.lane(id).place == Where::Nowhere {
            self.put(id, Where::Ring);
        }
        let pool = self.lane(id).pool;
        // All of them, because it is each relay's turn to say whether it is in charge.
        let members = self.pools[pool].members.iter().map(|member| member.relay);
        self.wake.extend(members);
    }

    fn lane_room(&self, id: LaneId, now: Timestamp) -> usize {
        let room = self.provider_rate(id, now) * LANE_SECONDS;
        (room as usize).clamp(*LANE.start(), *LANE.end())
    }

    /// Messages per second that the lane's provider takes, as far as is known.
    pub(super) fn provider_rate(&self, id: LaneId, now: Timestamp) -> f64 {
        let lane = self.lane(id);
        let limited = self.tree.provider_per_second(&lane.provider);
        let members = self.pools[lane.pool].members.iter();
        let shaped: Option<f64> = members
            .map(|member| {
                let shape = self.shapes.get(&(member.relay, Arc::clone(&lane.provider)))?;
                match shape.suspended_until(now) {
                    Some(_) => Some(0.0),
                    None => shape.rate(now),
                }
            })
            .sum();
        let told = [limited, shaped].into_iter().flatten().reduce(f64::min);
        told.unwrap_or_else(|| lane.rate(now)).max(1.0 / 60.0)
    }

    /// When a message that is put aside now is due: behind all that wait and that were put aside before.
    fn slot(&mut self, id: LaneId, now: Timestamp) -> Timestamp {
        let rate = self.provider_rate(id, now);
        let lane = self.lane_mut(id);
        let queue = Duration::from_secs_f64(lane.len() as f64 / rate);
        let slot = lane
            .next_slot
            .max(lane.provider_blocks_until.max(now).plus(queue));
        lane.next_slot = slot.plus(Duration::from_secs_f64(1.0 / rate));
        slot.minus(EARLY).max(now.plus(SOONEST))
    }

    /// So many messages of a limit were found put aside, as at the begin of a campaign.
    pub(crate) fn know_aside(&mut self, campaign: CampaignId, limit: &str, n: u64) {
        let Some(provider) = limit.strip_prefix("provider ") else {
            return;
        };
        if let Some(id) = self.lane_of(campaign, provider.into()) {
            self.lane_mut(id).aside = n;
        }
    }

    /// Lanes that have run dry although messages were put aside for them: the name of their limit, and how many they
    /// could hold.
    pub(crate) fn hungry(&self, campaign: CampaignId, now: Timestamp) -> Vec<(String, u64)> {
        let lanes = self
            .lanes
            .iter()
            .enumerate()
            .filter_map(|(at, lane)| Some((LaneId(at), lane.as_ref()?)));
        lanes
            .filter(|(_, lane)| lane.campaign == campaign && lane.aside > 0)
            .filter(|(_, lane)| lane.provider_blocks_until < now.plus(EARLY))
            .filter_map(|(id, lane)| {
                let room = match lane.provider_blocks_until > now.minus(EARLY) {
                    true => self.lane_room(id, now),
                    // Nothing has stopped it of late: it can take as much as it is given.
                    false => *LANE.end() / 4,
                };
                (lane.len() * 2 < room)
                    .then(|| (format!("provider {}", lane.provider), (room - lane.len()) as u64))
            })
            .collect()
    }

    /// So many were asked back for a limit, and so many came.
    pub(crate) fn came_back(&mut self, campaign: CampaignId, limit: &str, asked: u64, came: u64) {
        let Some(provider) = limit.strip_prefix("provider ") else {
            return;
        };
        if let Some(id) = self.index.get(&(campaign, provider.into())).copied() {
            let lane = self.lane_mut(id);
            lane.aside = if came < asked {
                0
            } else {
                lane.aside.saturating_sub(came)
            };
            lane.next_slot = Timestamp(0);
        }
    }
}
