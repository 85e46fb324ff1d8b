//! What is to be done about each event of a batch.

use super::matching::{Delivery, Match};
use super::{Done, MatchedBy, TakenEvent, Told};
use crate::engine::{Tx, on_tx, values_list};
use crate::erasure::erased_keys_in;
use crate::error::StoreError;
use crate::history::history_in;
use sqlx::AssertSqlSafe;
use std::collections::{HashMap, HashSet};
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::lifecycle::DeliveryState;
use tidings_campaign::time::Timestamp;
use tidings_feedback::event::EventKind;
use tidings_feedback::policy::{self, Action, Past, Policy, SoftRule, Why};
use tidings_feedback::verdict::Class;

/// Values of one statement.
const ROWS: usize = 300;

/// An event, and what is done about it.
pub(super) struct Judged<'e, 't> {
    pub told: &'t Told<'e>,
    pub about: Match,
    pub matched_by: MatchedBy,
    pub done: Done,
    /// For what the address is suppressed.
    pub why: Option<Why>,
    /// Recognises the same event; only for the one that counts.
    pub once: Option<String>,
    /// The recipient's comparison key, or that of the address that was told.
    pub address_key: String,
    /// Whether it is the recipient's. Nothing is done about an address that somebody merely tells.
    pub is_recipients: bool,
    /// Whether it is about somebody who has had everything erased: then nothing is kept that names them.
    pub is_erased: bool,
}

impl Judged<'_, '_> {
    pub(super) fn delivery(&self) -> Option<&Delivery> {
        match &self.about {
            Match::Delivery(delivery) => Some(delivery),
            _ => None,
        }
    }

    pub(super) fn recipient(&self) -> Option<(CampaignId, RecipientId)> {
        match &self.about {
            Match::Delivery(delivery) => Some((delivery.campaign, delivery.recipient)),
            Match::Recipient(campaign, recipient) => Some((*campaign, *recipient)),
            Match::Gone | Match::Forged | Match::Nothing => None,
        }
    }

    pub(super) fn taken(&self) -> TakenEvent {
        TakenEvent {
            delivery: self.delivery().map(|found| (found.campaign, found.seq)),
            matched_by: self.matched_by,
            done: self.done,
        }
    }
}

/// Judges the events of a batch, in their order.
pub(super) async fn judge<'e, 't>(
    tx: &mut Tx,
    told: &'t [Told<'e>],
    matches: Vec<(Match, MatchedBy)>,
    policy: &Policy,
    now: Timestamp,
) -> Result<Vec<Judged<'e, 't>>, StoreError> {
    let mut judged = Vec::with_capacity(told.len());
    for (told, (about, matched_by)) in told.iter().zip(matches) {
        judged.push(first_look(tx, told, about, matched_by, policy, now).await?);
    }
    find_erased(tx, &mut judged).await?;
    let once: Vec<&str> = judged.iter().filter_map(|one| one.once.as_deref()).collect();
    let mut counted = already_counted(tx, &once).await?;
    for one in &mut judged {
        let is_again = one
            .once
            .as_ref()
            .is_some_and(|once| !counted.insert(once.clone()));
        let is_known_refusal = one.told.event.kind == EventKind::Bounce
            && one.delivery().is_some_and(|delivery| {
                matches!(delivery.state, DeliveryState::Rejected | DeliveryState::Expired)
            });
        if is_again || is_known_refusal {
            one.once = None;
            one.done = Done::Known;
        }
    }
    let lifted = last_lifted(tx, &judged).await?;
    for one in &mut judged {
        act(tx, one, policy, lifted.get(&one.address_key).copied()).await?;
    }
    Ok(judged)
}

/// Whether the event can be about that delivery at all.
async fn first_look<'e, 't>(
    tx: &mut Tx,
    told: &'t Told<'e>,
    about: Match,
    matched_by: MatchedBy,
    policy: &Policy,
    now: Timestamp,
) -> Result<Judged<'e, 't>, StoreError> {
    let kind = told.event.kind;
    let done = match &about {
        _ if kind == EventKind::Other => Done::Kept,
        Match::Forged => Done::Forged,
        Match::Nothing => Done::Unmatched,
        Match::Gone => Done::Stale,
        // A person's word holds for ever.
        Match::Recipient(..) if matches!(kind, EventKind::Complaint | EventKind::Unsubscribe) => {
            Done::Counted
        }
        Match::Recipient(..) => Done::Stale,
        Match::Delivery(delivery) if delivery.attempts == 0 => Done::Stale,
        Match::Delivery(delivery) => {
            let is_old = delivery
                .settled_at
                .is_some_and(|settled| now.since(settled) > policy.stale);
            let may_be_late = matches!(
                kind,
                EventKind::Complaint | EventKind::Unsubscribe | EventKind::Autoreply
            );
            if is_old && !may_be_late {
                Done::Stale
            } else {
                Done::Counted
            }
        }
    };
    let once = match (&about, done) {
        (Match::Delivery(delivery), Done::Counted) => Some(format!(
            "{}:{}:{}",
            kind.as_str(),
            delivery.campaign,
            delivery.recipient
        )),
        (Match::Recipient(campaign, recipient), Done::Counted) => {
            Some(format!("{}:{campaign}:{recipient}", kind.as_str()))
        }
        _ => None,
    };
    let known_key = recipient_key(tx, &about).await?;
    let is_erased = known_key.is_none() && matches!(about, Match::Delivery(_) | Match::Recipient(..));
    Ok(Judged {
        told,
        about,
        matched_by,
        done,
        why: None,
        once,
        is_recipients: known_key.is_some(),
        is_erased,
        address_key: known_key.unwrap_or_else(|| told_key(&told.event.address)),
    })
}

/// Recognises the addresses of people who have had everything erased where no delivery tells it.
async fn find_erased(tx: &mut Tx, judged: &mut [Judged<'_, '_>]) -> Result<(), StoreError> {
    let keys: Vec<String> = judged
        .iter()
        .filter(|one| !one.is_recipients && !one.is_erased)
        .map(|one| one.address_key.clone())
        .collect();
    if keys.is_empty() {
        return Ok(());
    }
    let erased = erased_keys_in(tx, &keys).await?;
    for one in judged {
        one.is_erased |= !one.is_recipients && erased.contains(&one.address_key);
    }
    Ok(())
}

async fn recipient_key(tx: &mut Tx, about: &Match) -> Result<Option<String>, StoreError> {
    const OF_RECIPIENT: &str = "SELECT address_key FROM recipients WHERE id = $1";
    Ok(match about {
        Match::Delivery(delivery) => delivery.address_key.clone(),
        Match::Recipient(_, recipient) => on_tx!(tx, conn => sqlx::query_scalar(OF_RECIPIENT)
            .bind(recipient.0).fetch_optional(conn).await)?,
        Match::Gone | Match::Forged | Match::Nothing => None,
    })
}

fn told_key(address: &str) -> String {
    let parsed = EmailAddress::parse(address).map(|address| address.key().to_string());
    parsed.unwrap_or_else(|_| address.to_lowercase())
}

/// Which of these events have been counted before.
async fn already_counted(tx: &mut Tx, once: &[&str]) -> Result<HashSet<String>, StoreError> {
    let mut counted = HashSet::new();
    for chunk in once.chunks(ROWS) {
        let text = format!(
            "SELECT once FROM feedback_events WHERE once IN {}",
            values_list(1, chunk.len(), 1)
        );
        let rows: Vec<String> = on_tx!(tx, conn => {
            let mut query = sqlx::query_scalar(AssertSqlSafe(text));
            for word in chunk {
                query = query.bind(*word);
            }
            query.fetch_all(conn).await
        })?;
        counted.extend(rows);
    }
    Ok(counted)
}

/// When a person last let these addresses be mailed again.
async fn last_lifted(
    tx: &mut Tx,
    judged: &[Judged<'_, '_>],
) -> Result<HashMap<String, Timestamp>, StoreError> {
    let mut lifted = HashMap::new();
    let keys: Vec<&str> = judged
        .iter()
        .filter(|one| one.told.event.kind == EventKind::Bounce && one.delivery().is_some())
        .map(|one| one.address_key.as_str())
        .collect();
    for chunk in keys.chunks(ROWS) {
        let text = format!(
            "SELECT address_key, MAX(lifted_at) FROM lifted_suppressions WHERE address_key IN {} GROUP BY address_key",
            values_list(1, chunk.len(), 1)
        );
        let rows: Vec<(String, i64)> = on_tx!(tx, conn => {
            let mut query = sqlx::query_as(AssertSqlSafe(text));
            for key in chunk {
                query = query.bind(*key);
            }
            query.fetch_all(conn).await
        })?;
        lifted.extend(rows.into_iter().map(|(key, at)| (key, Timestamp(at))));
    }
    Ok(lifted)
}

/// Asks the policy. A bounce of a message from before its address was let be mailed again says nothing new. One that is
/// known already does not count, but may say more than the first: that the address is gone.
async fn act(
    tx: &mut Tx,
    one: &mut Judged<'_, '_>,
    policy: &Policy,
    lifted: Option<Timestamp>,
) -> Result<(), StoreError> {
    let event = one.told.event;
    let says_more = one.done == Done::Known && event.verdict.class == Class::Hard;
    if one.done != Done::Counted && !says_more {
        return Ok(());
    }
    let is_from_before = one
        .delivery()
        .and_then(|delivery| delivery.settled_at)
        .zip(lifted)
        .is_some_and(|(settled, lifted)| settled <= lifted);
    if event.kind == EventKind::Bounce && is_from_before {
        return Ok(());
    }
    let history = match (event.kind, event.verdict.class, one.delivery()) {
        (EventKind::Bounce, Class::Soft, Some(delivery)) => {
            let mut history = history_in(tx, delivery.recipient, SoftRule::MOST).await?;
            put_this(&mut history, delivery, one.told.at);
            history
        }
        _ => Vec::new(),
    };
    match policy::decide(event.kind, &event.verdict, policy.soft, &history) {
        Action::Suppress(_) if !one.is_recipients => {}
        Action::Keep => {}
        Action::Suppress(why) => {
            one.why = Some(why);
            if one.done == Done::Counted {
                one.done = Done::Suppressed;
            }
        }
        Action::Unsubscribe => one.done = Done::Unsubscribed,
    }
    Ok(())
}

/// The bounce that is being judged is not kept yet: the history shows its delivery as accepted.
fn put_this(history: &mut Vec<Past>, delivery: &Delivery, at: Timestamp) {
    let sent = delivery.settled_at.unwrap_or(at);
    let this = Past {
        at: sent,
        bounced: Some(Class::Soft),
    };
    match history
        .iter_mut()
        .find(|past| past.at == sent && past.bounced.is_none())
    {
        Some(past) => *past = this,
        None => {
            history.push(this);
            history.sort_by_key(|past| std::cmp::Reverse(past.at));
        }
    }
}
