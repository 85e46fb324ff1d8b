//! What came in from outside: kept as it was, matched to its deliveries, counted once, and acted upon; all in the
//! transaction that makes it durable.

mod arrivals;
mod counting;
mod effects;
mod events;
mod judging;
mod listed;
mod matching;

use crate::counters::Deltas;
use crate::engine::Store;
use crate::error::StoreError;
use tidings_campaign::ids::{CampaignId, Seq};
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::KeyRing;
use tidings_feedback::event::Event;
pub use tidings_feedback::matching::MatchedBy;
use tidings_feedback::policy::Policy;

pub use listed::{Arrived, ListedEvent};

/// By which way something came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Our SMTP or LMTP listener.
    Smtp,
    /// A mailbox, by IMAP.
    Imap,
    /// A Maildir.
    Maildir,
    /// `tidings bounce ingest`.
    Ingest,
    /// A webhook of Amazon SES by SNS.
    Ses,
    /// A webhook of SendGrid.
    SendGrid,
    /// A webhook of Postmark.
    Postmark,
    /// A webhook of Mailgun.
    Mailgun,
    /// A webhook of SparkPost.
    SparkPost,
    /// A webhook of Mailjet.
    Mailjet,
    /// A webhook of Brevo.
    Brevo,
}

impl Way {
    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Way::Smtp => "smtp",
            Way::Imap => "imap",
            Way::Maildir => "maildir",
            Way::Ingest => "ingest",
            Way::Ses => "ses",
            Way::SendGrid => "sendgrid",
            Way::Postmark => "postmark",
            Way::Mailgun => "mailgun",
            Way::SparkPost => "sparkpost",
            Way::Mailjet => "mailjet",
            Way::Brevo => "brevo",
        }
    }
}

/// Something that came in, understood.
#[derive(Clone, Debug)]
pub struct NewArrival {
    /// By which way.
    pub way: Way,
    /// Recognises the same arrival if it comes again.
    pub key: String,
    /// What it says.
    pub events: Vec<Event>,
    /// As it came in.
    pub raw: Vec<u8>,
    /// When.
    pub received_at: Timestamp,
}

/// What was done about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It was counted; nothing follows.
    Counted,
    /// It was counted and its address is suppressed.
    Suppressed,
    /// It was counted and its recipient left the lists.
    Unsubscribed,
    /// The same was known: it is kept as evidence.
    Known,
    /// Its token is not ours: it is kept, and changes nothing.
    Forged,
    /// It is about a message of long ago, or one that was never sent: it is kept, and changes nothing.
    Stale,
    /// Nobody knows about which message it is: it is kept, and changes nothing.
    Unmatched,
    /// It is no feedback: it is kept, and nothing follows.
    Kept,
}

impl Done {
    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Done::Counted => "counted",
            Done::Suppressed => "suppressed",
            Done::Unsubscribed => "unsubscribed",
            Done::Known => "known",
            Done::Forged => "forged",
            Done::Stale => "stale",
            Done::Unmatched => "unmatched",
            Done::Kept => "kept",
        }
    }
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenEvent {
    /// About which delivery it is, if that is known.
    pub delivery: Option<(CampaignId, Seq)>,
    /// By what it was found.
    pub matched_by: MatchedBy,
    /// What was done.
    pub done: Done,
}

/// What became of an arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its number.
    pub id: i64,
    /// Whether the same had come in before; then nothing was done.
    pub is_known: bool,
    /// What became of its events, in their order; none if it is known.
    pub events: Vec<TakenEvent>,
}

/// How often a batch is begun again because somebody else counted one of its events at the same time.
const TRIES: usize = 10;

impl Store {
    /// Keeps what has come in and does what follows from it, in one transaction. The answers are in the order of `arrivals`.
    ///
    /// # Errors
    /// If the database fails. Nothing has been done then, and the same arrivals may be brought again.
    pub async fn take_feedback(
        &self,
        arrivals: &[NewArrival],
        policy: &Policy,
        keys: &KeyRing,
        now: Timestamp,
    ) -> Result<Vec<Taken>, StoreError> {
        for _ in 0..TRIES {
            match self.try_take(arrivals, policy, keys, now).await {
                Ok(Some(taken)) => return Ok(taken),
                Ok(None) => {}
                Err(error) if error.is_deadlock() => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Contended)
    }

    /// Nothing if an event was counted by somebody else meanwhile.
    async fn try_take(
        &self,
        arrivals: &[NewArrival],
        policy: &Policy,
        keys: &KeyRing,
        now: Timestamp,
    ) -> Result<Option<Vec<Taken>>, StoreError> {
        let mut tx = self.begin_write().await?;
        let kept = arrivals::keep(&mut tx, arrivals).await?;
        let mut told = Vec::new();
        for (at, (arrival, kept)) in arrivals.iter().zip(&kept).enumerate() {
            if !kept.is_known {
                told.extend(arrival.events.iter().map(|event| Told {
                    place: at,
                    arrival: kept.id,
                    event,
                    at: event.at.unwrap_or(arrival.received_at).min(arrival.received_at),
                }));
            }
        }
        let mut matches = matching::matches(&mut tx, &told, policy, keys, now).await?;
        matching::hold_recipients(&mut tx, &mut matches).await?;
        let mut deltas = Deltas::default();
        let judged = judging::judge(&mut tx, &told, matches, policy, now).await?;
        if !events::keep(&mut tx, &judged).await? {
            return Ok(None);
        }
        arrivals::empty(
            &mut tx,
            judged
                .iter()
                .filter(|one| one.is_erased)
                .map(|one| one.told.arrival),
        )
        .await?;
        effects::bring_about(&mut tx, &mut deltas, &judged, now).await?;
        counting::count(&mut tx, &mut deltas, &judged).await?;
        deltas.write(&mut tx, self.node(), now).await?;
        tx.commit().await?;
        let mut taken: Vec<Taken> = kept
            .iter()
            .map(|kept| Taken {
                id: kept.id,
                is_known: kept.is_known,
                events: Vec::new(),
            })
            .collect();
        for judged in &judged {
            taken[judged.told.place].events.push(judged.taken());
        }
        Ok(Some(taken))
    }
}

/// An event of an arrival that is new.
struct Told<'e> {
    /// Which of the batch's arrivals told it.
    place: usize,
    /// The arrival's number.
    arrival: i64,
    event: &'e Event,
    /// When it happened, as far as that is told.
    at: Timestamp,
}
