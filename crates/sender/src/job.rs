//! A delivery or a letter in the hands of the sender, and the lease that a delivery belongs to.

use crate::dispatch::Passage;
use crate::fence::Fence;
use crate::letters::LetterInHand;
use crate::recorder::Recorder;
use crate::retry::Retry;
use crate::run::CampaignRun;
use crate::schedule::Waiting;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tidings_campaign::address::EmailAddress;
use tidings_campaign::eligibility::{Mailable, Refusal};
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::UnknownPolicy;
use tidings_campaign::message::attachment::EncodedFile;
use tidings_campaign::message::{BodyEncoding, Built, RenderError};
use tidings_campaign::time::Timestamp;
use tidings_store::Store;
use tidings_store::leases::Lease;
use tidings_store::ledger::{Held, Outcome, Settlement, Tried};
use tokio::sync::oneshot;

/// A lease as long as somebody works on it. When the last delivery is done with, the lease is released.
#[derive(Debug)]
pub struct LeaseTicket {
    lease: Lease,
    fence: Fence,
    recorder: Recorder,
    unsettled: AtomicUsize,
    revoked: AtomicBool,
}

impl LeaseTicket {
    pub(crate) fn new(lease: Lease, fence: Fence, deliveries: usize, recorder: Recorder) -> Arc<LeaseTicket> {
        Arc::new(LeaseTicket {
            lease,
            fence,
            recorder,
            unsettled: AtomicUsize::new(deliveries),
            revoked: AtomicBool::new(false),
        })
    }

    /// A ticket for deliveries that no ledger knows.
    pub fn for_rehearsal(lease: Lease, recorder: Recorder) -> Arc<LeaseTicket> {
        LeaseTicket::new(lease, Fence::none(), usize::MAX, recorder)
    }

    /// The lease.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Until when the lease is surely held.
    pub(crate) fn fence(&self) -> &Fence {
        &self.fence
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

/// One message to be handed to a relay.
#[derive(Debug)]
pub struct Job {
    /// What is to be sent.
    pub cargo: Cargo,
    /// The recipient's provider.
    pub provider: &'static str,
    /// Attempts before this one.
    pub attempts: u32,
    /// When it was first tried.
    pub first_attempt_at: Option<Timestamp>,
    /// Connections that broke while this message was being handed over.
    pub broken: u32,
    /// The attempt under way, if a transaction was opened for it.
    pub attempt: Option<Attempt>,
    /// Its way through the limits, once it may go.
    pub passage: Option<Passage>,
}

/// What a job is about.
#[derive(Debug)]
pub enum Cargo {
    /// A campaign's message to a recipient.
    Delivery(DeliveryInHand),
    /// A letter.
    Letter(LetterInHand),
}

/// A delivery of a campaign, leased.
#[derive(Debug)]
pub struct DeliveryInHand {
    /// Which delivery.
    pub held: Held,
    /// To whom, with the proof that it may be mailed.
    pub to: Mailable,
    /// When it was asked whether it may be mailed.
    pub asked_at: Instant,
    /// Its campaign.
    pub run: Arc<CampaignRun>,
    /// Its lease.
    pub ticket: Arc<LeaseTicket>,
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

/// Who is asked whether a message may go on the wire.
enum Asked {
    Delivery(Recorder, Held),
    Letter(oneshot::Receiver<bool>),
}

/// An older answer of `may_mail` is asked for again at hand-over, so that an unsubscribe takes effect within two
/// seconds however slowly the relay takes its mail. At full speed a lease is done with sooner.
const STALE: Duration = Duration::from_millis(1500);

/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

impl Job {
    /// Asks again whether the recipient may be mailed if the answer is old. `None`: not any more, and settled; or
    /// it cannot be asked, and its lease takes it back.
    pub async fn asked_again(mut self, store: &Store, now: Timestamp) -> Option<Job> {
        let delivery = match &mut self.cargo {
            // Dropped, it goes back to the letters, which know what is too late.
            Cargo::Letter(letter) => return (!letter.is_late(now)).then_some(self),
            Cargo::Delivery(delivery) => delivery,
        };
        if delivery.asked_at.elapsed() < STALE {
            return Some(self);
        }
        delivery.asked_at = Instant::now();
        let (campaign, recipient) = (delivery.held.campaign, delivery.to.recipient().id);
        let standing = match store.within(ANSWER, store.standing(campaign, recipient)).await {
            Ok(standing) => standing,
            Err(error) => {
                tracing::warn!("a recipient's standing cannot be read: {error}");
                return None;
            }
        };
        match delivery.to.clone().still(&standing, now) {
            Ok(to) => {
                delivery.to = to;
                Some(self)
            }
            Err(refusal) => {
                self.settle("", false, withheld(refusal));
                None
            }
        }
    }

    /// The delivery, if it is one.
    pub(crate) fn delivery(&self) -> Option<&DeliveryInHand> {
        match &self.cargo {
            Cargo::Delivery(delivery) => Some(delivery),
            Cargo::Letter(_) => None,
        }
    }

    /// To whom it goes.
    pub(crate) fn address(&self) -> &EmailAddress {
        match &self.cargo {
            Cargo::Delivery(delivery) => &delivery.to.recipient().address,
            Cargo::Letter(letter) => &letter.letter().to,
        }
    }

    /// The recipient's domain.
    pub fn domain(&self) -> &str {
        self.address().domain()
    }

    /// The envelope's sender.
    pub(crate) fn return_path(&self) -> String {
        match &self.cargo {
            Cargo::Delivery(delivery) => delivery.run.messages.return_path(delivery.held.seq),
            Cargo::Letter(letter) => letter.return_path(),
        }
    }

    /// How its retries are spaced.
    pub(crate) fn retry(&self) -> Retry {
        match &self.cargo {
            Cargo::Delivery(delivery) => delivery.run.retry,
            Cargo::Letter(letter) => letter.retry(),
        }
    }

    /// Writes the message into `out`, which is cleared first.
    pub(crate) fn write(
        &self,
        own: Option<&EncodedFile>,
        now: Timestamp,
        encoding: BodyEncoding,
        out: &mut Vec<u8>,
    ) -> Result<Built, RenderError> {
        match &self.cargo {
            Cargo::Delivery(delivery) => {
                let messages = &delivery.run.messages;
                messages.build_attaching(&delivery.to, own, now, encoding, out)
            }
            Cargo::Letter(letter) => {
                out.clear();
                out.extend_from_slice(&letter.letter().message);
                let eight_bit = !out.is_ascii() || letter.letter().to.needs_smtputf8();
                Ok(Built { eight_bit })
            }
        }
    }

    /// The limits whose use is kept in the database with this message.
    fn limits_to_remember(&self) -> Arc<[Arc<str>]> {
        let passage = self.passage.as_ref();
        passage.map_or_else(|| Arc::from([]), |passage| Arc::clone(&passage.remembered_as))
    }

    /// Whether it must be let go.
    pub fn is_revoked(&self) -> bool {
        match &self.cargo {
            Cargo::Delivery(delivery) => delivery.ticket.is_revoked() || delivery.run.is_stopped(),
            Cargo::Letter(_) => false,
        }
    }

    /// How long it is surely this process that may send it; zero: another one may have it.
    pub(crate) fn held_for(&self) -> Duration {
        match &self.cargo {
            Cargo::Delivery(delivery) => delivery.ticket.fence().left(),
            Cargo::Letter(letter) => letter.fence().left(),
        }
    }

    /// Commits that it is about to be put on the wire. False: it must not be. What is awaited does not hold the job.
    pub(crate) fn put_on_wire(&self, recorder: &Recorder) -> impl Future<Output = bool> + use<> {
        let used = self.limits_to_remember();
        let asked = match &self.cargo {
            Cargo::Delivery(delivery) => Asked::Delivery(recorder.clone(), delivery.held),
            Cargo::Letter(letter) => Asked::Letter(letter.putting_on_wire(&used)),
        };
        let has_relief = self.passage.as_ref().is_some_and(|passage| passage.has_relief);
        async move {
            match asked {
                Asked::Delivery(recorder, held) => recorder.put_on_wire(held, used, has_relief).await,
                Asked::Letter(granted) => granted.await.unwrap_or(false),
            }
        }
    }

    /// Reports the outcome; the job is done with.
    pub fn settle(self, relay: &str, was_on_wire: bool, outcome: Outcome) {
        match self.cargo {
            Cargo::Delivery(delivery) => {
                delivery.run.count(&outcome);
                let settlement = Settlement {
                    held: delivery.held,
                    was_on_wire,
                    relay: relay.to_owned(),
                    provider: self.provider,
                    outcome,
                    attempt: self.attempt.map(Attempt::ended),
                };
                delivery.ticket.settle(settlement);
            }
            Cargo::Letter(letter) => letter.settle(relay, outcome),
        }
    }

    /// Its answer is lost: whether it was taken, nobody knows.
    pub(crate) fn lose(self, relay: &str, detail: String) {
        let policy = self
            .delivery()
            .map_or(UnknownPolicy::Hold, |delivery| delivery.run.unknown_policy);
        self.settle(relay, true, Outcome::Unknown { detail, policy });
    }

    /// Takes it off the wire, where it surely never was, and keeps it for another try.
    pub fn take_back(&self, relay: &str) {
        match &self.cargo {
            Cargo::Delivery(delivery) => {
                let settlement = Settlement {
                    held: delivery.held,
                    was_on_wire: true,
                    relay: relay.to_owned(),
                    provider: self.provider,
                    outcome: Outcome::Returned,
                    attempt: None,
                };
                delivery.ticket.settle(settlement);
            }
            Cargo::Letter(letter) => letter.take_back(relay),
        }
    }
}

impl Waiting for Job {
    fn campaign(&self) -> CampaignId {
        match &self.cargo {
            Cargo::Delivery(delivery) => delivery.held.campaign,
            Cargo::Letter(letter) => letter.lane(),
        }
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
