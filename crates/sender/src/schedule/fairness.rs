//! The choice among the relays of a pool: by weight among the healthy, the others only when those are down.

use super::{RelayId, Schedule, Waiting};
use std::time::Duration;
use tidings_campaign::time::Timestamp;

/// A relay in a pool.
#[derive(Debug)]
pub(super) struct Member {
    pub relay: RelayId,
    weight: f64,
    priority: u32,
    /// Messages taken, divided by the weight.
    served: f64,
    /// Others wait for it since then.
    owed_since: Option<Timestamp>,
    /// It did not keep up: nobody waits for it before then.
    lags_until: Timestamp,
    lag: Duration,
}

/// A relay may be so many messages ahead of its share.
const LEAD: f64 = 16.0;
/// So long a relay that is ahead waits for one that is behind, before it takes that one's share.
const PATIENCE: Duration = Duration::from_millis(50);
const LAG: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(32));

impl Member {
    pub(super) fn new(relay: RelayId, weight: u32, priority: u32) -> Member {
        Member {
            relay,
            weight: f64::from(weight),
            priority,
            served: 0.0,
            owed_since: None,
            lags_until: Timestamp(0),
            lag: LAG.0,
        }
    }
}

impl<T: Waiting> Schedule<T> {
    /// Whether a relay is one of the pool's best that are not down.
    pub(super) fn is_in_charge(&self, pool: usize, relay: RelayId) -> bool {
        let members = &self.pools[pool].members;
        let Some(own) = members.iter().find(|member| member.relay == relay) else {
            return false;
        };
        !members
            .iter()
            .any(|other| other.priority < own.priority && self.relays[other.relay.0].is_usable())
    }

    /// Whether `relay` has had its share and must wait for others. Those are woken.
    pub(super) fn must_wait_for_others(&mut self, pool: usize, relay: RelayId, now: Timestamp) -> bool {
        let members = &self.pools[pool].members;
        if members.len() < 2 {
            return false;
        }
        let Some(own) = members.iter().find(|member| member.relay == relay) else {
            return false;
        };
        let (served, priority) = (own.served, own.priority);
        let relays = &self.relays;
        let mut waits = false;
        let mut woken = Vec::new();
        for other in &mut self.pools[pool].members {
            if other.relay == relay || other.priority != priority {
                continue;
            }
            let entry = &relays[other.relay.0];
            if !entry.is_usable() || entry.blocked_until > now || other.lags_until > now {
                // What it could not take it does not get later.
                other.served = other.served.max(served);
                other.owed_since = None;
                continue;
            }
            if other.served + LEAD / other.weight > served {
                continue;
            }
            let since = *other.owed_since.get_or_insert(now);
            if now.since(since) < PATIENCE {
                waits = true;
                woken.push(other.relay);
            } else {
                other.served = served;
                other.owed_since = None;
                other.lags_until = now.plus(other.lag);
                other.lag = (other.lag * 2).min(LAG.1);
            }
        }
        self.wake.extend(woken);
        waits
    }

    pub(super) fn count_share(&mut self, pool: usize, relay: RelayId) {
        let pool = &mut self.pools[pool];
        if pool.members.len() < 2 {
            return;
        }
        if let Some(own) = pool.members.iter_mut().find(|member| member.relay == relay) {
            own.served += 1.0 / own.weight;
            if own.owed_since.take().is_some() {
                own.lag = LAG.0;
            }
        }
        // Those who waited for it may go on.
        self.wake.extend(
            pool.members
                .iter()
                .map(|member| member.relay)
                .filter(|other| *other != relay),
        );
    }
}

/// How soon a relay that waits for others looks again.
pub(super) const LOOK: Duration = PATIENCE;
