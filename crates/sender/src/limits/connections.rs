//! Connections to one relay, of which several senders together have no more than it allows: how many this process may have, and
//! which of its sessions must close theirs. A connection counts from before it is opened until its socket is closed, so that
//! the relay never has more of them than are counted.

use super::share::{Share, Using};
use super::shares::ShareId;
use super::{SHARED, SessionId, Tree};
use std::sync::Arc;
use tidings_campaign::time::Timestamp;

/// The connections to a relay, in a tree with shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionsId(ShareId);

/// See the module.
pub(crate) struct Connections<'a> {
    share: &'a mut Share,
    hungry: &'a mut bool,
}

impl Tree {
    /// From now on all senders together have so many connections to a relay at most. None if this process sends alone: it has as
    /// many sessions as it may have connections.
    pub(crate) fn share_connections(
        &mut self,
        relay: &Arc<str>,
        most: usize,
        now: Timestamp,
    ) -> Option<ConnectionsId> {
        let shares = self.shares.as_mut()?;
        Some(ConnectionsId(shares.of_connections(relay, most, now)))
    }

    pub(crate) fn connections(&mut self, id: ConnectionsId) -> Connections<'_> {
        let (share, hungry) = self.shares.as_mut().expect(SHARED).share_mut(id.0);
        Connections { share, hungry }
    }
}

impl Connections<'_> {
    /// Those that are open, or being opened or closed.
    pub(crate) fn open(&self) -> u64 {
        self.counted().0
    }

    fn counted(&self) -> (u64, &[SessionId]) {
        match &self.share.using {
            Using::Connections { now, closing, .. } => (*now, closing),
            _ => unreachable!("{CONNECTIONS}"),
        }
    }

    fn may_grow(&self, now: Timestamp) -> bool {
        self.open() < self.share.allowed(now)
    }

    /// Whether who has waited for one is to look again.
    pub(crate) fn is_to_look(&self, now: Timestamp) -> bool {
        self.may_grow(now) || self.open() == 0
    }

    /// Whether one more may be opened for mail that waits, which is demand if it must go on waiting.
    pub(crate) fn has_room(&mut self, now: Timestamp) -> bool {
        self.share.note_ask(now);
        let has_room = self.may_grow(now);
        if !has_room {
            *self.hungry |= self.share.note_stop(now);
        }
        has_room
    }

    /// Mail goes over one of them.
    pub(crate) fn note_use(&mut self, now: Timestamp) {
        self.share.note_ask(now);
    }

    /// One more is opened; [`Connections::has_room`] has said yes.
    pub(crate) fn begin(&mut self) {
        let Using::Connections { now, most, .. } = &mut self.share.using else {
            unreachable!("{CONNECTIONS}");
        };
        *now += 1;
        *most = (*most).max(*now);
    }

    /// One is closed, or did not come about.
    pub(crate) fn end(&mut self, session: SessionId) {
        let Using::Connections { now, closing, .. } = &mut self.share.using else {
            unreachable!("{CONNECTIONS}");
        };
        *now = now.saturating_sub(1);
        closing.retain(|other| *other != session);
    }

    /// So many are open that this process must not have any more, besides those that are being closed.
    pub(crate) fn beyond(&self, now: Timestamp) -> u64 {
        let (open, closing) = self.counted();
        open.saturating_sub(closing.len() as u64)
            .saturating_sub(self.share.allowed(now))
    }

    /// Whether a session that has no message in hand must close its connection. `idle`: others that have none either, and are
    /// asked as well. A session that must is not asked again.
    pub(crate) fn must_close(&mut self, session: SessionId, idle: u64, now: Timestamp) -> bool {
        if self.counted().1.contains(&session) {
            return true;
        }
        if self.beyond(now) <= idle {
            return false;
        }
        if let Using::Connections { closing, .. } = &mut self.share.using {
            closing.push(session);
        }
        true
    }

    /// Until when those that are open are surely this process's, whatever becomes of the database.
    pub(crate) fn last_until(&self) -> Timestamp {
        self.share.lasts_until()
    }
}

const CONNECTIONS: &str = "a relay's connections are counted as such";
