//! Writing the ledger: what the senders report, many deliveries in one transaction (group commit).

use crate::counters::Deltas;
use crate::engine::{Store, Tx, on_tx, values_list};
use crate::error::StoreError;
use crate::leases::{after_lost_answer, renew_in};
use std::collections::{HashMap, HashSet};
use tidings_campaign::ids::{CampaignId, LeaseId, Seq};
use tidings_campaign::lifecycle::{DeliveryState, UnknownPolicy};
use tidings_campaign::time::Timestamp;
use tidings_feedback::verdict::Verdict;

/// A delivery in the hands of a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// Its campaign.
    pub campaign: CampaignId,
    /// Its place in the campaign.
    pub seq: Seq,
    /// The lease under which it is held.
    pub lease: LeaseId,
    /// Its stored state before it goes on the wire: `Planned`, or `Leased` for a retry.
    pub waiting: DeliveryState,
}

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

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The relay took it.
    Accepted(KeptReply),
    /// Refused for now; again at the time given.
    Deferred(KeptReply, Verdict, Timestamp),
    /// Refused for good.
    Rejected(KeptReply, Verdict),
    /// Refused for now, and its time is over.
    Expired(KeptReply, Verdict),
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
}

impl Outcome {
    /// The state of the delivery afterwards. `waiting`: where it goes when it is given back.
    pub fn state(&self, waiting: DeliveryState) -> DeliveryState {
        match self {
            Outcome::Accepted(_) => DeliveryState::Accepted,
            Outcome::Deferred(..) => DeliveryState::Deferred,
            Outcome::Rejected(..) => DeliveryState::Rejected,
            Outcome::Expired(..) => DeliveryState::Expired,
            Outcome::Withheld { .. } => DeliveryState::Withheld,
            Outcome::Unknown { policy, .. } => after_lost_answer(*policy),
            Outcome::Returned => waiting,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Outcome::Unknown { .. } => DeliveryState::Unknown.as_str(),
            other => other.state(DeliveryState::Planned).as_str(),
        }
    }

    fn reply(&self) -> Option<&KeptReply> {
        match self {
            Outcome::Accepted(reply)
            | Outcome::Deferred(reply, ..)
            | Outcome::Rejected(reply, _)
            | Outcome::Expired(reply, _) => Some(reply),
            _ => None,
        }
    }

    fn verdict(&self) -> Option<&Verdict> {
        match self {
            Outcome::Deferred(_, verdict, _)
            | Outcome::Rejected(_, verdict)
            | Outcome::Expired(_, verdict) => Some(verdict),
            _ => None,
        }
    }

    fn class(&self) -> Option<&'static str> {
        match self {
            Outcome::Unknown { .. } => Some("other"),
            _ => self.verdict().map(|v| v.class.as_str()),
        }
    }

    fn cause(&self) -> Option<&str> {
        match self {
            Outcome::Unknown { .. } => Some("network"),
            Outcome::Withheld { reason, .. } => Some(reason),
            _ => self.verdict().map(|v| v.cause.as_str()),
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Outcome::Unknown { detail, .. } | Outcome::Withheld { detail, .. } => Some(detail),
            _ => self.verdict().map(|v| v.reason),
        }
    }
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
}

impl Settlement {
    fn from(&self) -> DeliveryState {
        if self.was_on_wire {
            DeliveryState::OnWire
        } else {
            self.held.waiting
        }
    }
}

/// One transaction's worth of the ledger.
#[derive(Debug, Default)]
pub struct Batch {
    /// Counts the owner's batches from 1.
    pub number: i64,
    /// Deliveries about to be put on the wire.
    pub on_wire: Vec<Held>,
    /// Deliveries whose outcome is known.
    pub settled: Vec<Settlement>,
}

/// Rows of one statement at most: 15 values each stay below SQLite's limit of 32,766.
const ROWS: usize = 500;

impl Store {
    /// Commits a batch. Returns those of `batch.on_wire` that may go on the wire: a delivery is missing if its
    /// lease was lost, its campaign was cancelled or somebody else settled it.
    pub async fn record(
        &self,
        batch: &Batch,
        owner: &str,
        lease_expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<HashSet<Held>, StoreError> {
        let mut tx = self.begin_write().await?;
        let mut deltas = Deltas::default();
        let leases: HashSet<LeaseId> = batch
            .on_wire
            .iter()
            .map(|held| held.lease)
            .chain(batch.settled.iter().map(|settlement| settlement.held.lease))
            .collect();
        let mut leases: Vec<_> = leases.into_iter().collect();
        leases.sort();
        let alive: HashSet<LeaseId> = renew_in(&mut tx, &leases, owner, lease_expires_at, Some(batch.number))
            .await?
            .into_iter()
            .collect();

        // Settled first: a delivery given back and tried again may be in the same batch twice.
        let (sure, late): (Vec<_>, Vec<_>) = batch
            .settled
            .iter()
            .partition(|settlement| alive.contains(&settlement.held.lease));
        settle(&mut tx, &mut deltas, &sure, now).await?;
        for settlement in late {
            settle_late(&mut tx, &mut deltas, settlement, now).await?;
        }
        let asked: Vec<Held> = batch
            .on_wire
            .iter()
            .filter(|held| alive.contains(&held.lease))
            .copied()
            .collect();
        let granted = put_on_wire(&mut tx, &mut deltas, &asked, now).await?;
        deltas.write(&mut tx, self.node(), now).await?;
        tx.commit().await?;
        Ok(granted)
    }
}

impl Store {
    /// After [`Store::record`] failed: whether the batch was committed all the same and only the answer was
    /// lost. If so, what may go on the wire; if not, `None`, and the batch can be recorded again.
    pub async fn recorded(&self, batch: &Batch, owner: &str) -> Result<Option<HashSet<Held>>, StoreError> {
        const COMMITTED: &str = "SELECT COUNT(*) FROM leases WHERE owner = $1 AND batch = $2";
        let mut tx = self.begin_write().await?;
        let n: i64 = on_tx!(&mut tx, conn => sqlx::query_scalar(COMMITTED).bind(owner).bind(batch.number)
            .fetch_one(conn).await)?;
        if n == 0 {
            return Ok(None);
        }
        let mut granted = HashSet::new();
        for held in &batch.on_wire {
            if is_on_wire(&mut tx, held).await? {
                granted.insert(*held);
            }
        }
        Ok(Some(granted))
    }
}

async fn put_on_wire(
    tx: &mut Tx,
    deltas: &mut Deltas,
    asked: &[Held],
    now: Timestamp,
) -> Result<HashSet<Held>, StoreError> {
    let mut granted = HashSet::with_capacity(asked.len());
    for rows in asked.chunks(ROWS) {
        let text = tx.bulk_text(format!(
            "UPDATE deliveries SET state = 'on_wire', lease_id = v.column3, attempts = attempts + 1, \
             first_attempt_at = COALESCE(first_attempt_at, v.column4) FROM (VALUES {}) AS v \
             WHERE deliveries.campaign_id = v.column1 AND deliveries.seq = v.column2 \
             AND (deliveries.state = 'planned' OR (deliveries.state = 'leased' AND deliveries.lease_id = v.column3))",
            values_list(rows.len(), 4, 1)
        ));
        let changed = on_tx!(tx, conn => {
            let mut query = sqlx::query(text);
            for held in rows {
                query = query.bind(held.campaign.0).bind(held.seq.0).bind(held.lease.0).bind(now.0);
            }
            query.execute(conn).await.map(|done| done.rows_affected())
        })?;
        if changed == rows.len() as u64 {
            granted.extend(rows.iter().copied());
        } else {
            for held in rows {
                if is_on_wire(tx, held).await? {
                    granted.insert(*held);
                }
            }
        }
    }
    let mut moves: HashMap<(CampaignId, DeliveryState), i64> = HashMap::new();
    for held in &granted {
        *moves.entry((held.campaign, held.waiting)).or_default() += 1;
    }
    for ((campaign, from), n) in moves {
        deltas.moved(campaign, from, DeliveryState::OnWire, n);
    }
    Ok(granted)
}

async fn is_on_wire(tx: &mut Tx, held: &Held) -> Result<bool, StoreError> {
    const IS: &str = "SELECT COUNT(*) FROM deliveries \
        WHERE campaign_id = $1 AND seq = $2 AND state = 'on_wire' AND lease_id = $3";
    let n: i64 = on_tx!(tx, conn => sqlx::query_scalar(IS)
        .bind(held.campaign.0).bind(held.seq.0).bind(held.lease.0).fetch_one(conn).await)?;
    Ok(n == 1)
}

async fn settle(
    tx: &mut Tx,
    deltas: &mut Deltas,
    settlements: &[&Settlement],
    now: Timestamp,
) -> Result<(), StoreError> {
    let (accepted, others): (Vec<&Settlement>, Vec<&Settlement>) = settlements
        .iter()
        .partition(|s| s.was_on_wire && matches!(s.outcome, Outcome::Accepted(_)));
    for rows in accepted.chunks(ROWS) {
        let changed = write_accepted(tx, rows, now).await?;
        count_or_check(tx, deltas, rows, changed).await?;
    }
    for rows in others.chunks(ROWS) {
        let changed = write_others(tx, rows, now).await?;
        count_or_check(tx, deltas, rows, changed).await?;
    }
    Ok(())
}

/// The common outcome has a statement of its own, with half the values.
async fn write_accepted(tx: &mut Tx, rows: &[&Settlement], now: Timestamp) -> Result<u64, StoreError> {
    let text = tx.bulk_text(format!(
        "UPDATE deliveries SET state = 'accepted', lease_id = NULL, due_at = NULL, class = NULL, cause = NULL, \
         reason = NULL, relay = v.column4, code = v.column5, enhanced = v.column6, reply = v.column7, \
         settled_at = v.column8 \
         FROM (VALUES {}) AS v WHERE deliveries.campaign_id = v.column1 AND deliveries.seq = v.column2 \
         AND deliveries.state = 'on_wire' AND deliveries.lease_id = v.column3",
        values_list(rows.len(), 8, 1)
    ));
    let changed = on_tx!(tx, conn => {
        let mut query = sqlx::query(text);
        for s in rows {
            let reply = s.outcome.reply().expect("only accepted deliveries come here");
            query = query.bind(s.held.campaign.0).bind(s.held.seq.0).bind(s.held.lease.0).bind(&s.relay)
                .bind(i64::from(reply.code)).bind(&reply.enhanced).bind(&reply.text).bind(now.0);
        }
        query.execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(changed)
}

async fn write_others(tx: &mut Tx, rows: &[&Settlement], now: Timestamp) -> Result<u64, StoreError> {
    // A refusal before the dot never was on the wire: its attempt is counted here. A delivery that comes back
    // keeps its lease if it is a retry, since that marks whose it is.
    let text = tx.bulk_text(format!(
        "UPDATE deliveries SET state = v.column5, \
         lease_id = CASE WHEN v.column5 IN ('leased', 'unknown') THEN v.column3 ELSE NULL END, \
         attempts = attempts + v.column6, \
         first_attempt_at = CASE WHEN v.column6 = 1 THEN COALESCE(first_attempt_at, v.column15) ELSE first_attempt_at END, \
         due_at = v.column7, settled_at = v.column15, relay = v.column8, code = v.column9, enhanced = v.column10, \
         reply = v.column11, class = v.column12, cause = v.column13, reason = v.column14 \
         FROM (VALUES {}) AS v WHERE deliveries.campaign_id = v.column1 AND deliveries.seq = v.column2 \
         AND deliveries.state = v.column4 AND (v.column4 = 'planned' OR deliveries.lease_id = v.column3)",
        values_list(rows.len(), 15, 1)
    ));
    let changed = on_tx!(tx, conn => {
        let mut query = sqlx::query(text);
        for s in rows {
            let reply = s.outcome.reply();
            query = query
                .bind(s.held.campaign.0).bind(s.held.seq.0).bind(s.held.lease.0).bind(s.from().as_str())
                .bind(s.outcome.state(s.held.waiting).as_str()).bind(attempt_to_count(s)).bind(due_at(s, now))
                .bind(&s.relay).bind(reply.map(|r| i64::from(r.code))).bind(reply.and_then(|r| r.enhanced.clone()))
                .bind(reply.map(|r| r.text.clone())).bind(s.outcome.class())
                .bind(s.outcome.cause().map(str::to_owned)).bind(s.outcome.reason().map(str::to_owned)).bind(now.0);
        }
        query.execute(conn).await.map(|done| done.rows_affected())
    })?;
    Ok(changed)
}

fn attempt_to_count(s: &Settlement) -> i64 {
    match (&s.outcome, s.was_on_wire) {
        // A fault of the relay is not charged to the recipient.
        (Outcome::Returned, true) => -1,
        (Outcome::Deferred(..) | Outcome::Rejected(..) | Outcome::Expired(..), false) => 1,
        _ => 0,
    }
}

fn due_at(s: &Settlement, now: Timestamp) -> Option<i64> {
    match &s.outcome {
        Outcome::Deferred(_, _, due) => Some(due.0),
        Outcome::Unknown {
            policy: UnknownPolicy::Resend,
            ..
        } => Some(now.0),
        _ => None,
    }
}

/// Counts the transitions. If the statement changed fewer rows than it named, each is looked at by itself.
async fn count_or_check(
    tx: &mut Tx,
    deltas: &mut Deltas,
    rows: &[&Settlement],
    changed: u64,
) -> Result<(), StoreError> {
    if changed == rows.len() as u64 {
        for s in rows {
            count(deltas, s, s.from());
        }
        return Ok(());
    }
    for s in rows {
        const STATE: &str = "SELECT state FROM deliveries WHERE campaign_id = $1 AND seq = $2";
        let state: Option<String> = on_tx!(tx, conn => sqlx::query_scalar(STATE)
            .bind(s.held.campaign.0).bind(s.held.seq.0).fetch_optional(conn).await)?;
        // Under a living lease only this sender moves a delivery, or a cancelled campaign withholds it.
        if state.as_deref() == Some(s.outcome.state(s.held.waiting).as_str()) {
            count(deltas, s, s.from());
        }
    }
    Ok(())
}

fn count(deltas: &mut Deltas, s: &Settlement, from: DeliveryState) {
    deltas.moved(s.held.campaign, from, s.outcome.state(s.held.waiting), 1);
    if s.outcome != Outcome::Returned {
        let class = s.outcome.class().unwrap_or_default();
        deltas.happened(s.held.campaign, &s.relay, s.provider, s.outcome.word(), class, 1);
    }
}

/// An outcome that comes after the lease was lost. Only a delivery that is unknown since then can still be
/// told the truth; anything else is somebody else's now.
async fn settle_late(
    tx: &mut Tx,
    deltas: &mut Deltas,
    s: &Settlement,
    now: Timestamp,
) -> Result<(), StoreError> {
    let final_answer = matches!(
        s.outcome,
        Outcome::Accepted(_) | Outcome::Rejected(..) | Outcome::Expired(..)
    );
    if !s.was_on_wire || !final_answer {
        return Ok(());
    }
    const LATE: &str = "UPDATE deliveries SET state = $1, lease_id = NULL, settled_at = $2, relay = $3, code = $4, \
        enhanced = $5, reply = $6, class = $7, cause = $8, reason = $9 \
        WHERE campaign_id = $10 AND seq = $11 AND lease_id = $12 AND state = $13";
    for from in [DeliveryState::Unknown, DeliveryState::OnWire] {
        let reply = s.outcome.reply();
        let changed = on_tx!(tx, conn => sqlx::query(LATE)
            .bind(s.outcome.state(s.held.waiting).as_str()).bind(now.0).bind(&s.relay)
            .bind(reply.map(|r| i64::from(r.code))).bind(reply.and_then(|r| r.enhanced.clone()))
            .bind(reply.map(|r| r.text.clone())).bind(s.outcome.class()).bind(s.outcome.cause().map(str::to_owned))
            .bind(s.outcome.reason().map(str::to_owned))
            .bind(s.held.campaign.0).bind(s.held.seq.0).bind(s.held.lease.0).bind(from.as_str())
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if changed == 1 {
            count(deltas, s, from);
            break;
        }
    }
    Ok(())
}
