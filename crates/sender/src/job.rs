//! A delivery in the hands of the sender, and the lease it belongs to.

use crate::dispatch::Passage;
use crate::recorder::Recorder;
use crate::run::CampaignRun;
use crate::schedule::Waiting;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tidings_campaign::eligibility::{Mailable, Refusal};
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;
use tidings_store::Store;
use tidings_store::leases::Lease;
use tidings_store::ledger::{Held, Outcome, Settlement, Tried};

/// A lease as long as somebody works on it. When the last delivery is done with, the lease is released.
#[derive(Debug)]
pub struct LeaseTicket {
    lease: Lease,
    recorder: Recorder,
    unsettled: AtomicUsize,
    revoked: AtomicBool,
}

impl LeaseTicket {
    pub(crate) fn new(lease: Lease, deliveries: usize, recorder: Recorder) -> Arc<LeaseTicket> {
        Arc::new(LeaseTicket {
            lease,
            recorder,
            unsettled: AtomicUsize::new(deliveries),
            revoked: AtomicBool::new(false),
        })
    }

    /// A ticket for deliveries that no ledger knows.
    pub fn for_rehearsal(lease: Lease, recorder: Recorder) -> Arc<LeaseTicket> {
        LeaseTicket::new(lease, usize::MAX, recorder)
    }

    /// The lease.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Asks everybody to let go of deliveries that are not on the wire.
    pub fn revoke(&self) {
        self.revoked.store(true, Ordering::Release);
    }

    /// Whether its deliveries must be let go.
    pub fn is_revoked(&self) -> bool {
        self.revoked.load(Ordering::Acquire)
    }

    pub(crate) fn settle(&self, settlement: Settlement) {
        if settlement.outcome != Outcome::Returned {
            self.unsettled.fetch_sub(1, Ordering::AcqRel);
        }
        self.recorder.settle(settlement);
    }
}

impl Drop for LeaseTicket {
    fn drop(&mut self) {
        // Comes behind all settlements of this lease in the recorder's queue.
        self.recorder
            .release(self.lease.id, self.unsettled.load(Ordering::Acquire) > 0);
    }
}

/// One delivery to be handed to a relay.
#[derive(Debug)]
pub struct Job {
    /// Which delivery.
    pub held: Held,
    /// To whom, with the proof that it may be mailed.
    pub to: Mailable,
    /// When it was asked whether it may be mailed.
    pub asked_at: Instant,
    /// The recipient's provider.
    pub provider: &'static str,
    /// Attempts before this one.
    pub attempts: u32,
    /// When it was first tried.
    pub first_attempt_at: Option<Timestamp>,
    /// Connections that broke while this delivery was being handed over.
    pub broken: u32,
    /// The attempt under way, if a transaction was opened for it.
    pub attempt: Option<Attempt>,
    /// Its campaign.
    pub run: Arc<CampaignRun>,
    /// Its lease.
    pub ticket: Arc<LeaseTicket>,
    /// Its way through the limits, once it may go.
    pub passage: Option<Passage>,
}

/// An attempt under way.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Which session of this process.
    pub session: i64,
    /// When its MAIL was written.
    pub began: Timestamp,
    /// The same moment, for measuring.
    pub since: Instant,
}

impl Attempt {
    fn ended(self) -> Tried {
        Tried {
            session: self.session,
            began: self.began,
            took: self.since.elapsed(),
        }
    }
}

/// An older answer of `may_mail` is asked for again at hand-over, so that an unsubscribe takes effect within two
/// seconds however slowly the relay takes its mail. At full speed a lease is done with sooner.
const STALE: Duration = Duration::from_millis(1500);

impl Job {
    /// Asks again whether the recipient may be mailed if the answer is old. `None`: not any more, and settled; or
    /// it cannot be asked, and its lease takes it back.
    pub async fn asked_again(self, store: &Store, now: Timestamp) -> Option<Job> {
        if self.asked_at.elapsed() < STALE {
            return Some(self);
        }
        let asked_at = Instant::now();
        let standing = match store.standing(self.held.campaign, self.to.recipient().id).await {
            Ok(standing) => standing,
            Err(error) => {
                tracing::warn!("a recipient's standing cannot be read: {error}");
                return None;
            }
        };
        match self.to.clone().still(&standing, now) {
            Ok(to) => Some(Job { to, asked_at, ..self }),
            Err(refusal) => {
                self.settle("", false, withheld(refusal));
                None
            }
        }
    }

    /// The recipient's domain.
    pub fn domain(&self) -> &str {
        self.to.recipient().address.domain()
    }

    /// The limits whose use is kept in the database with this delivery.
    pub(crate) fn limits_to_remember(&self) -> Arc<[Arc<str>]> {
        let passage = self.passage.as_ref();
        passage.map_or_else(|| Arc::from([]), |passage| Arc::clone(&passage.remembered_as))
    }

    /// Whether it must be let go.
    pub fn is_revoked(&self) -> bool {
        self.ticket.is_revoked() || self.run.is_stopped()
    }

    /// Reports the outcome; the job is done with.
    pub fn settle(self, relay: &str, was_on_wire: bool, outcome: Outcome) {
        self.run.count(&outcome);
        let settlement = Settlement {
            held: self.held,
            was_on_wire,
            relay: relay.to_owned(),
            provider: self.provider,
            outcome,
            attempt: self.attempt.map(Attempt::ended),
        };
        self.ticket.settle(settlement);
    }

    /// Takes it off the wire, where it surely never was, and keeps it for another try.
    pub fn take_back(&self, relay: &str) {
        let settlement = Settlement {
            held: self.held,
            was_on_wire: true,
            relay: relay.to_owned(),
            provider: self.provider,
            outcome: Outcome::Returned,
            attempt: None,
        };
        self.ticket.settle(settlement);
    }
}

impl Waiting for Job {
    fn campaign(&self) -> CampaignId {
        self.held.campaign
    }

    fn domain(&self) -> &str {
        Job::domain(self)
    }

    fn is_retry(&self) -> bool {
        self.attempts > 0
    }

    fn is_gone(&self) -> bool {
        self.is_revoked()
    }
}

/// The outcome for a recipient who may not be mailed.
pub(crate) fn withheld(refusal: Refusal) -> Outcome {
    let reason = match refusal {
        Refusal::Suppressed(_) => "suppressed",
        Refusal::Unsubscribed => "unsubscribed",
        Refusal::NotConfirmed => "not_confirmed",
        Refusal::Paused(_) => "paused",
    };
    Outcome::Withheld {
        reason,
        detail: refusal.to_string(),
    }
}
