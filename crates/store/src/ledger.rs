//! Writing the ledger: what the senders report, many deliveries in one transaction (group commit).

use crate::bulk::{Bulk, Value};
use crate::counters::Deltas;
use crate::engine::{Store, Tx, on_tx};
use crate::error::StoreError;
use crate::leases::{after_lost_answer, renew_in};
use std::collections::HashSet;
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
        let mut leases: Vec<LeaseId> = batch.on_wire.iter().map(|held| held.lease).collect();
        leases.extend(batch.settled.iter().map(|settlement| settlement.held.lease));
        leases.sort_unstable();
        leases.dedup();
        // Nearly always everything is as the senders think. Then the whole batch is a few statements, run in one go;
        // if one of them finds fewer rows than it should, all is undone and done again with care.
        if leases.is_empty() {
            return Ok(HashSet::new());
        }
        let usual = self.usual(batch, &leases, owner, lease_expires_at, now);
        if self.run_as_expected(usual).await? {
            return Ok(batch.on_wire.iter().copied().collect());
        }
        self.record_with_care(batch, &leases, owner, lease_expires_at, now)
            .await
    }

    fn usual(
        &self,
        batch: &Batch,
        leases: &[LeaseId],
        owner: &str,
        lease_expires_at: Timestamp,
        now: Timestamp,
    ) -> Vec<Bulk> {
        let mut deltas = Deltas::default();
        let mut statements = vec![renewal(leases, owner, lease_expires_at, batch.number)];
        let (accepted, others) = split(batch.settled.iter());
        // Settled first: a delivery given back and tried again may be in the same batch twice.
        statements.extend(accepted.chunks(ROWS).map(|rows| acceptance(rows, now)));
        statements.extend(others.chunks(ROWS).map(|rows| settlement(rows, now)));
        statements.extend(batch.on_wire.chunks(ROWS).map(|rows| putting_on_wire(rows, now)));
        for s in &batch.settled {
            count(&mut deltas, s, s.from());
        }
        count_on_wire(&mut deltas, &batch.on_wire);
        statements.extend(deltas.statements(self.node(), now));
        statements
    }

    async fn record_with_care(
        &self,
        batch: &Batch,
        leases: &[LeaseId],
        owner: &str,
        lease_expires_at: Timestamp,
        now: Timestamp,
    ) -> Result<HashSet<Held>, StoreError> {
        let mut tx = self.begin_write().await?;
        let mut deltas = Deltas::default();
        let alive = renew_in(&mut tx, leases, owner, lease_expires_at, Some(batch.number)).await?;
        let is_alive = |held: &Held| alive.contains(&held.lease);
        for s in &batch.settled {
            if is_alive(&s.held) {
                settle_one(&mut tx, &mut deltas, s, now).await?;
            } else {
                settle_late(&mut tx, &mut deltas, s, now).await?;
            }
        }
        let mut granted = HashSet::with_capacity(batch.on_wire.len());
        for held in batch.on_wire.iter().filter(|held| is_alive(held)) {
            if tx.run(putting_on_wire(&[*held], now)).await? == 1 {
                granted.insert(*held);
                count_on_wire(&mut deltas, &[*held]);
            }
        }
        deltas.write(&mut tx, self.node(), now).await?;
        tx.commit().await?;
        Ok(granted)
    }

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

async fn is_on_wire(tx: &mut Tx, held: &Held) -> Result<bool, StoreError> {
    const IS: &str = "SELECT COUNT(*) FROM deliveries \
        WHERE campaign_id = $1 AND seq = $2 AND state = 'on_wire' AND lease_id = $3";
    let n: i64 = on_tx!(tx, conn => sqlx::query_scalar(IS)
        .bind(held.campaign.0).bind(held.seq.0).bind(held.lease.0).fetch_one(conn).await)?;
    Ok(n == 1)
}

/// The common outcome has a statement of its own, with half the values.
fn split<'s>(settled: impl Iterator<Item = &'s Settlement>) -> (Vec<&'s Settlement>, Vec<&'s Settlement>) {
    settled.partition(|s| s.was_on_wire && matches!(s.outcome, Outcome::Accepted(_)))
}

fn renewal(leases: &[LeaseId], owner: &str, expires_at: Timestamp, batch: i64) -> Bulk {
    let mut values = vec![expires_at.0.into(), batch.into(), owner.into()];
    values.extend(leases.iter().map(|lease| Value::from(lease.0)));
    Bulk::new(
        "UPDATE leases SET expires_at = ?, batch = ? WHERE owner = ? AND id IN ",
        "",
        values,
        1,
        leases.len(),
        leases.len() as u64,
    )
}

/// Rows that no delivery has fill a statement up to a power of two, so that few different texts are prepared.
fn padded(rows: usize) -> usize {
    rows.next_power_of_two()
}

const NOBODY: i64 = -1;

fn putting_on_wire(rows: &[Held], now: Timestamp) -> Bulk {
    let columns = |held: &Held| [held.campaign.0, held.seq.0, held.lease.0, now.0].map(Value::from);
    let filler = std::iter::repeat_n([NOBODY; 4].map(Value::from), padded(rows.len()) - rows.len());
    Bulk::new(
        "UPDATE deliveries SET state = 'on_wire', lease_id = v.column3, attempts = attempts + 1, \
         first_attempt_at = COALESCE(first_attempt_at, v.column4) FROM (VALUES ",
        ") AS v WHERE deliveries.campaign_id = v.column1 AND deliveries.seq = v.column2 \
         AND (deliveries.state = 'planned' OR (deliveries.state = 'leased' AND deliveries.lease_id = v.column3))",
        rows.iter().map(columns).chain(filler).flatten().collect(),
        padded(rows.len()),
        4,
        rows.len() as u64,
    )
}

fn acceptance(rows: &[&Settlement], now: Timestamp) -> Bulk {
    let columns = |s: &&Settlement| {
        let reply = s.outcome.reply();
        [
            s.held.campaign.0.into(),
            s.held.seq.0.into(),
            s.held.lease.0.into(),
            Value::Text(Some(s.relay.clone())),
            Value::Int(reply.map(|r| i64::from(r.code))),
            Value::Text(reply.and_then(|r| r.enhanced.clone())),
            Value::Text(reply.map(|r| r.text.clone())),
            now.0.into(),
        ]
    };
    let nobody = || {
        let (int, text) = (|| Value::Int(Some(NOBODY)), || Value::Text(None));
        [int(), int(), int(), text(), int(), text(), text(), int()]
    };
    let filler = std::iter::repeat_with(nobody).take(padded(rows.len()) - rows.len());
    Bulk::new(
        "UPDATE deliveries SET state = 'accepted', lease_id = NULL, due_at = NULL, class = NULL, cause = NULL, \
         reason = NULL, relay = v.column4, code = v.column5, enhanced = v.column6, reply = v.column7, \
         settled_at = v.column8 FROM (VALUES ",
        ") AS v WHERE deliveries.campaign_id = v.column1 AND deliveries.seq = v.column2 \
         AND deliveries.state = 'on_wire' AND deliveries.lease_id = v.column3",
        rows.iter().map(columns).chain(filler).flatten().collect(),
        padded(rows.len()),
        8,
        rows.len() as u64,
    )
}

fn settlement(rows: &[&Settlement], now: Timestamp) -> Bulk {
    let text = |text: Option<&str>| Value::Text(text.map(str::to_owned));
    let columns = |s: &&Settlement| {
        let reply = s.outcome.reply();
        [
            s.held.campaign.0.into(),
            s.held.seq.0.into(),
            s.held.lease.0.into(),
            s.from().as_str().into(),
            s.outcome.state(s.held.waiting).as_str().into(),
            attempt_to_count(s).into(),
            Value::Int(due_at(s, now)),
            Value::Text(Some(s.relay.clone())),
            Value::Int(reply.map(|r| i64::from(r.code))),
            text(reply.and_then(|r| r.enhanced.as_deref())),
            text(reply.map(|r| r.text.as_str())),
            text(s.outcome.class()),
            text(s.outcome.cause()),
            text(s.outcome.reason()),
            now.0.into(),
        ]
    };
    // A refusal before the dot never was on the wire: its attempt is counted here. A delivery that comes back
    // keeps its lease if it is a retry, since that marks whose it is; one that was never really tried has no first attempt.
    Bulk::new(
        "UPDATE deliveries SET state = v.column5, \
         lease_id = CASE WHEN v.column5 IN ('leased', 'unknown') THEN v.column3 ELSE NULL END, \
         attempts = attempts + v.column6, \
         first_attempt_at = CASE WHEN v.column6 = 1 THEN COALESCE(first_attempt_at, v.column15) \
             WHEN attempts + v.column6 = 0 THEN NULL ELSE first_attempt_at END, \
         due_at = v.column7, settled_at = v.column15, relay = v.column8, code = v.column9, enhanced = v.column10, \
         reply = v.column11, class = v.column12, cause = v.column13, reason = v.column14 FROM (VALUES ",
        ") AS v WHERE deliveries.campaign_id = v.column1 AND deliveries.seq = v.column2 \
         AND deliveries.state = v.column4 AND (v.column4 = 'planned' OR deliveries.lease_id = v.column3)",
        rows.iter().flat_map(columns).collect(),
        rows.len(),
        15,
        rows.len() as u64,
    )
}

/// Under a living lease only this sender moves a delivery, or a cancelled campaign withholds it.
async fn settle_one(
    tx: &mut Tx,
    deltas: &mut Deltas,
    s: &Settlement,
    now: Timestamp,
) -> Result<(), StoreError> {
    let accepted = s.was_on_wire && matches!(s.outcome, Outcome::Accepted(_));
    let statement = if accepted {
        acceptance(&[s], now)
    } else {
        settlement(&[s], now)
    };
    if tx.run(statement).await? == 1 {
        count(deltas, s, s.from());
    }
    Ok(())
}

fn count_on_wire(deltas: &mut Deltas, granted: &[Held]) {
    for held in granted {
        deltas.moved(held.campaign, held.waiting, DeliveryState::OnWire, 1);
    }
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
    const LATE: &str = "UPDATE deliveries SET state = $1, lease_id = NULL, due_at = NULL, settled_at = $2, relay = $3, code = $4, \
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
