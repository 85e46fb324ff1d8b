//! Where a session takes its work, and tells what it hears of its relay.

use super::port::{Port, Waits};
use super::{Dispatcher, LOOK, Passage};
use crate::job::Job;
use crate::limits::SessionId;
use crate::relay::RelayFault;
use crate::schedule::{RelayId, Seat, Turn};
use crate::shaping::Heard;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tidings_campaign::provider;
use tokio::time::sleep;

/// A session's place at a relay, for as long as it has no connection.
#[derive(Debug)]
pub struct Desk {
    pub(super) dispatcher: Dispatcher,
    pub(super) port: Arc<Port>,
    pub(super) relay: RelayId,
    pub(super) session: SessionId,
    /// Whether several senders keep the relay's connections together.
    pub(super) is_shared: bool,
}

impl Desk {
    /// The next delivery. `None`: there will be no more for this relay, or, if `connected`, for this connection.
    pub(crate) async fn take(&self, connected: bool) -> Option<Job> {
        let notify = if connected {
            &self.port.connected
        } else {
            &self.port.cold
        };
        loop {
            let woken = notify.notified();
            let until = match self.try_take(connected) {
                Turn::Take(taken) => {
                    if !connected && self.is_shared {
                        self.port.crowded.store(false, Ordering::Relaxed);
                    }
                    return Some(taken.item);
                }
                Turn::Closed => return None,
                Turn::Wait(until) => until,
                Turn::NoConnection { until, others } => {
                    self.port.crowded.store(others, Ordering::Relaxed);
                    if others {
                        // This one may have been woken in the place of one that was about to wait.
                        self.port.connected.notify_one();
                    }
                    Some(until)
                }
            };
            let _waiting = connected.then(|| Waits::at(&self.port));
            let span = until.map_or(LOOK, |until| until.since(self.dispatcher.0.timeline.now()));
            // Another session's timer will do for later moments.
            let own =
                until.is_some_and(|until| self.port.timer.fetch_min(until.0, Ordering::AcqRel) > until.0);
            let span = if own { span.min(LOOK) } else { LOOK };
            tokio::select! {
                () = woken => {}
                () = sleep(span) => {}
            }
            if own {
                self.port.timer.store(i64::MAX, Ordering::Release);
            }
        }
    }

    /// The next delivery if one may go now.
    pub(crate) fn take_now(&self) -> Option<Job> {
        match self.try_take(true) {
            Turn::Take(taken) => Some(taken.item),
            Turn::Wait(_) | Turn::NoConnection { .. } | Turn::Closed => None,
        }
    }

    fn try_take(&self, connected: bool) -> Turn<Job> {
        if self.dispatcher.0.closed.load(Ordering::Acquire) {
            return Turn::Closed;
        }
        let idle = self.port.connected_waiting.load(Ordering::Relaxed);
        let seat = Seat {
            relay: self.relay,
            session: self.session,
            connected,
            idle,
        };
        let mut turn = self.dispatcher.with(|schedule, now| {
            let mut turn = schedule.take(seat, now);
            if let Turn::Take(taken) = &mut turn
                && taken.item.provider == provider::OTHER
            {
                // It may have been found out since the delivery was loaded.
                taken.item.provider = schedule.known_provider(taken.item.domain());
            }
            turn
        });
        if let Turn::Take(taken) = &mut turn {
            let sessions = taken
                .path
                .take()
                .map(|path| (self.dispatcher.clone(), path, self.session));
            let remembered_as = Arc::clone(&taken.remembered_as);
            taken.item.passage = Some(Passage {
                sessions,
                remembered_as,
                has_relief: idle > 0,
            });
        }
        turn
    }

    /// A connection is going to be opened for a delivery that was taken without one. Where several senders share the relay's, it
    /// counts until what is returned is dropped.
    pub(crate) fn opening(&self) -> Option<Opening<'_>> {
        self.is_shared.then_some(Opening(self))
    }

    /// A connection is ready. It counts until what is returned is dropped.
    pub(crate) fn connected(&self, relay: &str) -> Connected<'_> {
        if self.dispatcher.with(|schedule, _| schedule.connected(self.relay)) {
            tracing::info!(relay.name = %relay, "relay works again");
        }
        Connected(self)
    }

    /// A fault of the relay. `was_ready`: of a connection that had been made.
    pub(crate) fn fault(&self, relay: &str, fault: &RelayFault, was_ready: bool) {
        let words = fault.to_string();
        let left_alone = self
            .dispatcher
            .with(|schedule, now| schedule.fault(self.relay, words, was_ready, now));
        if left_alone {
            tracing::warn!(relay.name = %relay, "relay put aside: {fault}");
        }
    }

    /// A message went through, whatever was said to it.
    pub(crate) fn works(&self) {
        self.dispatcher.with(|schedule, _| schedule.works(self.relay));
    }

    /// The recipient's provider said something about our speed. `domain`: the recipient's.
    pub(crate) fn hear(&self, domain: &str, heard: Heard) {
        let inner = &self.dispatcher.0;
        if heard == Heard::Accepted && !inner.shaped.load(Ordering::Relaxed) {
            return;
        }
        let shaped = self.dispatcher.with(|schedule, now| {
            schedule.hear(self.relay, domain, heard, now);
            schedule.is_shaped()
        });
        inner.shaped.store(shaped, Ordering::Relaxed);
    }

    /// Puts a delivery back in front of the others.
    pub(crate) fn give_back(&self, job: Job) {
        self.dispatcher.give_back(job);
    }
}

/// A connection that is open, or being opened or closed, counted where several senders share a relay's.
#[derive(Debug)]
pub(crate) struct Opening<'a>(&'a Desk);

impl Opening<'_> {
    /// Waits until another sender may count it as its own, because the database has not been heard of for so long.
    pub(crate) async fn lost(&self) {
        let Desk {
            dispatcher, relay, ..
        } = self.0;
        loop {
            let until = dispatcher.schedule().connections_last_until(*relay);
            let left = until.since(dispatcher.0.timeline.now());
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let Desk {
            dispatcher,
            relay,
            session,
            ..
        } = self.0;
        dispatcher.with(|schedule, now| schedule.connection_closed(*relay, *session, now));
    }
}

/// A connection of a relay, counted.
#[derive(Debug)]
pub(crate) struct Connected<'a>(&'a Desk);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0
            .dispatcher
            .with(|schedule, _| schedule.disconnected(self.0.relay));
    }
}
