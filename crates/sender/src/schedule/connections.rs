//! Connections to relays where several senders have no more of them together than is allowed: who may open one, who must close
//! his, and who is woken when that changes.

use super::{RelayId, Schedule, Seat, Stop, Waiting};
use crate::limits::{Round, SessionId};
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;
use tidings_store::limit_shares::{ShareChanges, SharesSeen};

/// Who waits for a connection looks again so soon, and so shows that he waits. He is woken when there is one.
const LOOK: Duration = Duration::from_millis(250);

/// None may be opened before then. `others`: the relay has some.
pub(super) struct NoConnection {
    pub until: Timestamp,
    pub others: bool,
}

impl<T: Waiting> Schedule<T> {
    /// Whether a connection may be opened for a message that could go now.
    pub(super) fn ask_connection(
        &mut self,
        relay: RelayId,
        campaign: CampaignId,
        now: Timestamp,
    ) -> Result<(), NoConnection> {
        let Some(id) = self.relays[relay.0].connections else {
            return Ok(());
        };
        let mut connections = self.tree.connections(id);
        if connections.has_room(now) {
            return Ok(());
        }
        let others = connections.open() > 0;
        let until = now.plus(LOOK);
        let entry = &mut self.relays[relay.0];
        entry.wants_connection = true;
        if !others {
            // The other relays of its pools need not wait for it.
            entry.blocked_until = until;
        }
        self.note_stop(campaign, Stop::Connections(relay), now);
        Err(NoConnection { until, others })
    }

    /// A session has a message to send now, over the connection that it has or opens.
    pub(super) fn note_connection(&mut self, seat: Seat, now: Timestamp) {
        let Some(id) = self.relays[seat.relay.0].connections else {
            return;
        };
        let mut connections = self.tree.connections(id);
        connections.note_use(now);
        if !seat.connected {
            connections.begin();
        }
    }

    /// Whether a session that has no message in hand must close its connection, because others have a right to it.
    pub(super) fn must_close(&mut self, seat: Seat, now: Timestamp) -> bool {
        let Some(id) = self.relays[seat.relay.0].connections else {
            return false;
        };
        let mut connections = self.tree.connections(id);
        connections.must_close(seat.session, seat.idle as u64, now)
    }

    /// A connection is closed, or did not come about.
    pub(crate) fn connection_closed(&mut self, relay: RelayId, session: SessionId, now: Timestamp) {
        if let Some(id) = self.relays[relay.0].connections {
            self.tree.connections(id).end(session);
            self.wake_for_connections(now);
        }
    }

    /// Until when the open connections to a relay are surely this process's.
    pub(crate) fn connections_last_until(&mut self, relay: RelayId) -> Timestamp {
        let id = self.relays[relay.0].connections;
        id.map_or(Timestamp(i64::MAX), |id| self.tree.connections(id).last_until())
    }

    /// See [`crate::limits::Tree::decide`]. Who must close a connection and has nothing to do is woken.
    pub(crate) fn decide_shares(&mut self, seen: &SharesSeen, round: &Round, now: Timestamp) -> ShareChanges {
        let changes = self.tree.decide(seen, round, now);
        for (at, entry) in self.relays.iter().enumerate() {
            if let Some(id) = entry.connections.filter(|_| !entry.closed) {
                let beyond = self.tree.connections(id).beyond(now);
                let beyond = usize::try_from(beyond).unwrap_or(usize::MAX);
                self.wake
                    .extend(std::iter::repeat_n(RelayId(at), beyond.min(entry.max_sessions)));
            }
        }
        changes
    }

    /// See [`crate::limits::Tree::end_round`]. Who waits for a connection that may be opened now is woken.
    pub(crate) fn end_shares(&mut self, committed: bool, now: Timestamp) {
        self.tree.end_round(committed, now);
        self.wake_for_connections(now);
    }

    /// One of a relay is enough: who takes a message wakes the next. Also where none is left: then nobody with a connection takes what
    /// comes.
    fn wake_for_connections(&mut self, now: Timestamp) {
        for (at, entry) in self.relays.iter_mut().enumerate() {
            if let Some(id) = entry.connections.filter(|_| entry.wants_connection)
                && self.tree.connections(id).is_to_look(now)
            {
                entry.wants_connection = false;
                entry.blocked_until = entry.blocked_until.min(now);
                self.connect.push(RelayId(at));
            }
        }
    }
}
