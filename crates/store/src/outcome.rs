//! How an attempt ended, and what the ledger keeps of it.

use crate::leases::after_lost_answer;
use crate::ledger::Held;
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::lifecycle::{DeliveryState, UnknownPolicy};
use tidings_campaign::time::Timestamp;
use tidings_feedback::event::EventKind;
use tidings_feedback::policy::{self, Action, SoftRule, Why};
use tidings_feedback::verdict::{Class, Ruling};

/// What the relay said, as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptReply {
    /// The reply code, 200–599.
    pub code: u16,
    /// The enhanced status code (RFC 3463), if there was one.
    pub enhanced: Option<String>,
    /// The text, one line, bounded.
    pub text: String,
}

/// What became of a delivery in a sender's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The relay took it.
    Accepted(KeptReply),
    /// Refused for now; again at the time given.
    Deferred(KeptReply, Ruling, Timestamp),
    /// Refused for good.
    Rejected(KeptReply, Ruling),
    /// Refused for now, and its time is over.
    Expired(KeptReply, Ruling),
    /// We did not send it: why, as a short word, and in full.
    Withheld {
        /// `suppressed`, `unsubscribed`, `not_confirmed`, `unrenderable`, …
        reason: &'static str,
        /// For people.
        detail: String,
    },
    /// The answer is lost: the relay may have taken it.
    Unknown {
        /// What happened to the connection.
        detail: String,
        /// The campaign's policy.
        policy: UnknownPolicy,
    },
    /// Not the recipient's fault and surely not sent: it goes back unharmed.
    Returned,
    /// It was not tried, because a limit has nothing to spare: it makes way for others until it is due. Only for a
    /// delivery that is not on the wire.
    PutAside {
        /// Which limit, in words: `provider gmail`.
        limit: Arc<str>,
        /// When it is looked at again.
        due: Timestamp,
    },
}

/// The cause that a delivery's row gives while it waits for a limit.
pub(crate) const LIMIT: &str = "limit";

impl Outcome {
    /// The state of the delivery afterwards. `waiting`: where it goes when it is given back.
    pub fn state(&self, waiting: DeliveryState) -> DeliveryState {
        match self {
            Outcome::Accepted(_) => DeliveryState::Accepted,
            Outcome::Deferred(..) | Outcome::PutAside { .. } => DeliveryState::Deferred,
            Outcome::Rejected(..) => DeliveryState::Rejected,
            Outcome::Expired(..) => DeliveryState::Expired,
            Outcome::Withheld { .. } => DeliveryState::Withheld,
            Outcome::Unknown { policy, .. } => after_lost_answer(*policy),
            Outcome::Returned => waiting,
        }
    }

    /// Whether nothing happened to the delivery: there is nothing to count.
    pub(crate) fn is_quiet(&self) -> bool {
        matches!(self, Outcome::Returned | Outcome::PutAside { .. })
    }

    /// Whether an attempt ended so that has a row of its own.
    pub(crate) fn is_kept_apart(&self) -> bool {
        matches!(
            self,
            Outcome::Deferred(..) | Outcome::Rejected(..) | Outcome::Expired(..) | Outcome::Unknown { .. }
        )
    }

    pub(crate) fn word(&self) -> &'static str {
        match self {
            Outcome::Unknown { .. } => DeliveryState::Unknown.as_str(),
            other => other.state(DeliveryState::Planned).as_str(),
        }
    }

    pub(crate) fn reply(&self) -> Option<&KeptReply> {
        match self {
            Outcome::Accepted(reply)
            | Outcome::Deferred(reply, ..)
            | Outcome::Rejected(reply, _)
            | Outcome::Expired(reply, _) => Some(reply),
            _ => None,
        }
    }

    /// What a refusal means.
    pub(crate) fn ruling(&self) -> Option<&Ruling> {
        match self {
            Outcome::Deferred(_, ruling, _) | Outcome::Rejected(_, ruling) | Outcome::Expired(_, ruling) => {
                Some(ruling)
            }
            _ => None,
        }
    }

    /// For what the address is suppressed at once.
    pub(crate) fn suppresses(&self) -> Option<Why> {
        let Outcome::Rejected(_, ruling) = self else {
            return None;
        };
        // Without a history nothing but the verdict can suppress.
        match policy::decide(EventKind::Bounce, &ruling.verdict, SoftRule::default(), &[]) {
            Action::Suppress(why) => Some(why),
            Action::Keep | Action::Unsubscribe => None,
        }
    }

    pub(crate) fn class(&self) -> Option<&'static str> {
        match self {
            Outcome::Unknown { .. } => Some("other"),
            _ => self.ruling().map(|ruling| ruling.verdict.class.as_str()),
        }
    }

    pub(crate) fn cause(&self) -> Option<&str> {
        match self {
            Outcome::Unknown { .. } => Some("network"),
            Outcome::Withheld { reason, .. } => Some(reason),
            Outcome::PutAside { .. } => Some(LIMIT),
            _ => self.ruling().map(|ruling| ruling.verdict.cause.as_str()),
        }
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Outcome::Unknown { detail, .. } | Outcome::Withheld { detail, .. } => Some(detail),
            Outcome::PutAside { limit, .. } => Some(limit),
            _ => self.ruling().map(|ruling| ruling.verdict.reason),
        }
    }
}

/// One try to hand a delivery to a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Which session of the process, counted from its start.
    pub session: i64,
    /// When the transaction was opened.
    pub began: Timestamp,
    /// Until the reply that decided it, or until it was lost.
    pub took: Duration,
}

/// The outcome of one delivery, as a session reports it.
#[derive(Clone, Debug)]
pub struct Settlement {
    /// Which delivery.
    pub held: Held,
    /// Whether it had been committed as on the wire.
    pub was_on_wire: bool,
    /// Through which relay; empty if none was tried.
    pub relay: String,
    /// The recipient's provider.
    pub provider: &'static str,
    /// What happened.
    pub outcome: Outcome,
    /// The try that ended so; nothing if a relay was not asked.
    pub attempt: Option<Tried>,
}

impl Settlement {
    /// Where the delivery comes from.
    pub(crate) fn from(&self) -> DeliveryState {
        if self.was_on_wire {
            DeliveryState::OnWire
        } else {
            self.held.waiting
        }
    }

    /// Whether it is an acceptance as nearly all are.
    pub(crate) fn is_acceptance(&self) -> bool {
        self.was_on_wire && matches!(self.outcome, Outcome::Accepted(_))
    }

    /// Whether it was a soft bounce for good: with others before, it may be one too many ([`Store::wear_out`]).
    ///
    /// [`Store::wear_out`]: crate::Store::wear_out
    pub fn is_soft_bounce(&self) -> bool {
        match &self.outcome {
            Outcome::Rejected(_, ruling) | Outcome::Expired(_, ruling) => ruling.verdict.class == Class::Soft,
            _ => false,
        }
    }

    /// What is added to the delivery's attempts.
    pub(crate) fn attempts(&self) -> i64 {
        match (&self.outcome, self.was_on_wire) {
            // A fault of the relay is not charged to the recipient, and waiting for a limit is no attempt.
            (Outcome::Returned | Outcome::PutAside { .. }, true) => -1,
            (Outcome::Deferred(..) | Outcome::Rejected(..) | Outcome::Expired(..), false) => 1,
            _ => 0,
        }
    }

    /// When the delivery goes out again.
    pub(crate) fn due_at(&self, now: Timestamp) -> Option<i64> {
        match &self.outcome {
            Outcome::Deferred(_, _, due) | Outcome::PutAside { due, .. } => Some(due.0),
            Outcome::Unknown {
                policy: UnknownPolicy::Resend,
                ..
            } => Some(now.0),
            _ => None,
        }
    }

    pub(crate) fn session(&self) -> Option<i64> {
        self.attempt.map(|tried| tried.session)
    }

    pub(crate) fn duration_us(&self) -> Option<i64> {
        let micros = self.attempt?.took.as_micros();
        Some(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}
