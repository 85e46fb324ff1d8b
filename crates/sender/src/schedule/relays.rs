//! The relays of a schedule: which there are, how they fare, and how many of their sessions wait.

use super::fairness::Member;
use super::flow::Flows;
use super::lane::Where;
use super::{LaneId, Pool, PoolSettings, RelayId, Schedule, Waiting};
use crate::circuit::Circuit;
use crate::dispatch::Routing;
use crate::limits::{ConnectionsId, Limit};
use crate::relay::RelaySettings;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use tidings_campaign::time::Timestamp;
use tidings_store::relay_status::RelayStatus;

#[derive(Debug)]
pub(super) struct RelayEntry {
    pub name: Arc<str>,
    pub circuit: Circuit,
    /// What went wrong last, and when.
    pub last_fault: Option<(Timestamp, String)>,
    /// Faults of ready connections since a message last went through.
    faults_in_a_row: u32,
    /// Sessions with a connection.
    pub connected: usize,
    pub max_sessions: usize,
    /// Where several senders have no more of them together.
    pub connections: Option<ConnectionsId>,
    /// Somebody waits until one more may be opened.
    pub wants_connection: bool,
    /// Its own limits, or those of all relays, let nothing pass before then.
    pub blocked_until: Timestamp,
    /// Of the domains that have no lanes of their own.
    pub flows: Flows,
    pub closed: bool,
}

/// So many broken connections in a row show that the relay is down, rather than that one connection broke.
const BROKEN_IN_A_ROW: u32 = 3;

impl RelayEntry {
    fn new(settings: &RelaySettings, connections: Option<ConnectionsId>) -> RelayEntry {
        RelayEntry {
            name: settings.name.as_str().into(),
            circuit: Circuit::Closed,
            last_fault: None,
            faults_in_a_row: 0,
            connected: 0,
            max_sessions: settings.max_sessions,
            connections,
            wants_connection: false,
            blocked_until: Timestamp(0),
            flows: Flows::none(),
            closed: false,
        }
    }

    /// Whether it takes mail, as far as is known.
    pub(super) fn is_usable(&self) -> bool {
        !self.closed && (self.circuit.is_closed() || self.connected > 0)
    }
}

/// What a new configuration changes for the sessions.
#[derive(Debug, Default)]
pub(crate) struct RelayChange {
    /// These end.
    pub closed: Vec<RelayId>,
    /// These begin.
    pub opened: Vec<(RelayId, RelaySettings)>,
}

impl<T: Waiting> Schedule<T> {
    /// Other relays, pools and limits from now on. What waits goes on waiting, what was used stays used. A relay whose
    /// settings have changed is a new one: its sessions end, and others begin.
    pub(crate) fn change(
        &mut self,
        routing: &Routing,
        is_same: impl Fn(&RelaySettings) -> bool,
        now: Timestamp,
    ) -> RelayChange {
        let relays = &routing.relays;
        let mut change = RelayChange::default();
        let mut ids = Vec::new();
        for settings in relays {
            let known = self
                .relays
                .iter()
                .position(|entry| !entry.closed && *entry.name == *settings.name);
            match known.filter(|_| is_same(settings)) {
                Some(at) => ids.push(RelayId(at)),
                None => {
                    let (name, most) = (settings.name.as_str().into(), settings.max_sessions);
                    // Those of the relay as it was before count until they are closed.
                    let connections = self.tree.share_connections(&name, most, now);
                    self.relays.push(RelayEntry::new(settings, connections));
                    let id = RelayId(self.relays.len() - 1);
                    ids.push(id);
                    change.opened.push((id, settings.clone()));
                }
            }
        }
        for (at, entry) in self.relays.iter_mut().enumerate() {
            if !entry.closed && !ids.contains(&RelayId(at)) {
                entry.closed = true;
                change.closed.push(RelayId(at));
            }
        }
        self.shapes.retain(|(relay, _), _| ids.contains(relay));
        self.tree.change(routing.limits.clone(), now);
        for settings in relays {
            let limit = Limit {
                rates: settings.rates.clone(),
                ..Limit::default()
            };
            self.tree.set_relay(&settings.name.as_str().into(), limit);
        }
        self.change_pools(relays, &ids, &routing.pools);
        self.wake.extend(ids);
        change
    }

    fn change_pools(&mut self, relays: &[RelaySettings], ids: &[RelayId], pools: &[PoolSettings]) {
        let make = |is_member: &dyn Fn(&str) -> bool| Pool {
            members: relays
                .iter()
                .zip(ids)
                .filter(|(settings, _)| is_member(&settings.name))
                .map(|(settings, id)| Member::new(*id, settings.weight, settings.priority))
                .collect(),
            ring: VecDeque::new(),
            parked: BTreeSet::new(),
        };
        let lanes: Vec<LaneId> = (0..self.lanes.len())
            .filter(|at| self.lanes[*at].is_some())
            .map(LaneId)
            .collect();
        for id in &lanes {
            self.put(*id, Where::Nowhere);
        }
        self.pools = pools
            .iter()
            .map(|pool| make(&|name| pool.relays.iter().any(|relay| relay == name)))
            .chain([make(&|_| true)])
            .collect();
        self.pool_settings = pools.to_vec();
        let chosen: Vec<_> = self
            .campaigns
            .iter()
            .map(|(id, entry)| {
                // A pool that is gone is replaced by that of the domain, or by all relays, until the campaign is begun anew.
                let named = self.find_pool(entry.pool_name.as_deref(), &entry.sender);
                let pool = named.or_else(|_| self.find_pool(None, &entry.sender));
                (*id, pool.unwrap_or(self.pool_settings.len()))
            })
            .collect();
        for (id, pool) in chosen {
            if let Some(entry) = self.campaigns.get_mut(&id) {
                entry.pool = pool;
            }
        }
        for id in lanes {
            let pool = self.campaigns[&self.lane(id).campaign].pool;
            let lane = self.lane_mut(id);
            lane.pool = pool;
            lane.forget_routes();
            if lane.len() > 0 {
                self.put(id, Where::Ring);
            }
        }
    }

    /// A connection is ready. True if the relay was thought to be down.
    pub(crate) fn connected(&mut self, relay: RelayId) -> bool {
        let entry = &mut self.relays[relay.0];
        entry.connected += 1;
        let news = entry.circuit.works();
        // Its other sessions may connect too.
        self.wake
            .extend(std::iter::repeat_n(relay, if news { 4 } else { 1 }));
        news
    }

    /// A ready connection has ended.
    pub(crate) fn disconnected(&mut self, relay: RelayId) {
        let entry = &mut self.relays[relay.0];
        entry.connected = entry.connected.saturating_sub(1);
    }

    /// A message went through, whatever was said to it.
    pub(crate) fn works(&mut self, relay: RelayId) {
        self.relays[relay.0].faults_in_a_row = 0;
    }

    /// A fault of the relay. `was_ready`: of a connection that had been made. True if the relay is left alone now.
    pub(crate) fn fault(&mut self, relay: RelayId, words: String, was_ready: bool, now: Timestamp) -> bool {
        let entry = &mut self.relays[relay.0];
        entry.last_fault = Some((now, words));
        if was_ready {
            entry.faults_in_a_row += 1;
            if entry.faults_in_a_row < BROKEN_IN_A_ROW {
                return false;
            }
        }
        let opened = entry.circuit.fails(now);
        if opened {
            // Those of a lower priority may be in charge now.
            self.wake.extend((0..self.relays.len()).map(RelayId));
        }
        opened
    }

    /// How the relays fare, for the pages.
    pub(crate) fn relay_statuses(&self, now: Timestamp) -> Vec<RelayStatus> {
        let entries = self.relays.iter().filter(|entry| !entry.closed);
        let number = |n| i64::try_from(n).unwrap_or(i64::MAX);
        let statuses = entries.map(|entry| RelayStatus {
            relay: entry.name.to_string(),
            health: entry.circuit.health(),
            sessions: number(entry.connected),
            max_sessions: number(entry.max_sessions),
            resting_until: entry.circuit.is_open_until().filter(|until| *until > now),
            fault: entry.last_fault.clone(),
        });
        statuses.collect()
    }

    /// The sessions that a pool may have.
    pub(super) fn sessions_of(&self, pool: usize) -> usize {
        let members = self.pools[pool].members.iter();
        members
            .map(|member| self.relays[member.relay.0].max_sessions)
            .sum()
    }
}
