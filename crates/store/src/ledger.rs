//! Writing the ledger: what the senders report, many deliveries in one transaction (group commit).

use crate::attempts::{Ended, forget_last, keeping};
use crate::bulk::{Bulk, Value};
use crate::counters::Deltas;
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::StoreError;
use crate::leases::renew_in;
use crate::limit_usage;
pub use crate::limit_usage::Usage;
pub use crate::outcome::{KeptReply, Outcome, Settlement, Tried};
use crate::parts::Parts;
use crate::suppressing::suppressing;
use crate::transitions::{ROWS, acceptance, putting_on_wire, settlement};
use std::collections::HashSet;
use tidings_campaign::ids::{CampaignId, LeaseId, Seq};
use tidings_campaign::lifecycle::DeliveryState;
use tidings_campaign::time::Timestamp;

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

/// One transaction's worth of the ledger.
#[derive(Debug, Default)]
pub struct Batch {
    /// Counts the owner's batches from 1.
    pub number: i64,
    /// Deliveries about to be put on the wire.
    pub on_wire: Vec<Held>,
    /// Deliveries whose outcome is known.
    pub settled: Vec<Settlement>,
    /// What was used of the limits. After a commit whose answer was lost it may be counted twice if there is nothing
    /// else in the batch: no limit is exceeded by that.
    pub usage: Vec<Usage>,
}

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
        if leases.is_empty() && batch.usage.is_empty() {
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
    ) -> Vec<Vec<Bulk>> {
        let mut deltas = Deltas::default();
        let mut statements = Vec::new();
        let mut groups = Vec::new();
        // Leases first: from there on nobody takes them over.
        if !leases.is_empty() {
            statements.push(renewal(leases, owner, lease_expires_at, batch.number));
        }
        let (mut accepted, mut others) = split(batch.settled.iter());
        let parts = self.parts;
        let pieces = parts.pieces(&mut accepted, ROWS, |s| s.held.campaign);
        statements.extend(pieces.map(|(part, rows)| acceptance(part, rows, now)));
        if !others.is_empty() {
            let pieces = parts.pieces(&mut others, ROWS, |s| s.held.campaign);
            statements.extend(pieces.map(|(part, rows)| settlement(part, rows, now)));
            // What follows must see it: attempts are read from their deliveries, and a delivery given back and tried again
            // may be in the same batch twice.
            groups.push(std::mem::take(&mut statements));
        }
        let mut ended: Vec<_> = others.iter().filter_map(|s| Ended::of(s, now)).collect();
        let pieces = parts.pieces(&mut ended, ROWS, |ended| ended.campaign);
        statements.extend(pieces.map(|(part, rows)| keeping(part, rows)));
        statements.extend(suppressing(parts, &others, now));
        let mut on_wire = batch.on_wire.clone();
        let pieces = parts.pieces(&mut on_wire, ROWS, |held| held.campaign);
        statements.extend(pieces.map(|(part, rows)| putting_on_wire(part, rows, now)));
        for s in &batch.settled {
            count(&mut deltas, s, s.from());
        }
        count_on_wire(&mut deltas, &batch.on_wire);
        statements.extend(deltas.statements(self.node(), now));
        statements.extend(limit_usage::statements(&batch.usage, self.node(), now));
        groups.push(statements);
        groups
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
        // It may be an earlier try of this batch, whose answer was lost, that has done what this one finds done. If that is not
        // over yet, this waits for it.
        let alive = renew_in(&mut tx, leases, owner, lease_expires_at, None).await?;
        if is_recorded(&mut tx, batch, owner).await? {
            let granted = granted(&mut tx, batch).await?;
            tx.commit().await?;
            return Ok(granted);
        }
        renew_in(&mut tx, &alive, owner, lease_expires_at, Some(batch.number)).await?;
        let is_alive = |held: &Held| alive.contains(&held.lease);
        for s in &batch.settled {
            if is_alive(&s.held) {
                settle_one(&mut tx, &mut deltas, (self.parts, s), now).await?;
            } else {
                settle_late(&mut tx, &mut deltas, (self.parts, s), now).await?;
            }
        }
        let mut granted = HashSet::with_capacity(batch.on_wire.len());
        for held in batch.on_wire.iter().filter(|held| is_alive(held)) {
            if tx
                .run(putting_on_wire(self.parts.of(held.campaign), &[*held], now))
                .await?
                == 1
            {
                granted.insert(*held);
                count_on_wire(&mut deltas, &[*held]);
            }
        }
        deltas.write(&mut tx, self.node(), now).await?;
        for statement in limit_usage::statements(&batch.usage, self.node(), now) {
            tx.run(statement).await?;
        }
        tx.commit().await?;
        Ok(granted)
    }

    /// After [`Store::record`] failed: whether the batch was committed all the same and only the answer was
    /// lost. If so, what may go on the wire; if not, `None`, and the batch can be recorded again.
    pub async fn recorded(&self, batch: &Batch, owner: &str) -> Result<Option<HashSet<Held>>, StoreError> {
        let mut tx = self.begin_write().await?;
        Ok(match is_recorded(&mut tx, batch, owner).await? {
            true => Some(granted(&mut tx, batch).await?),
            false => None,
        })
    }

    /// Whether the database knows that a delivery was put on the wire, and, if it was accepted since, knows that. False only if it
    /// looks as it did before: others may have found it unknown since, let it go again, or removed it with its campaign's.
    pub async fn remembers(&self, held: Held, is_accepted: bool) -> Result<bool, StoreError> {
        const FOUND: &str =
            "SELECT state, attempts, lease_id FROM deliveries WHERE campaign_id = $1 AND seq = $2";
        const REMOVED: &str =
            "SELECT COUNT(*) FROM campaigns WHERE id = $1 AND deliveries_removed_at IS NOT NULL";
        let found: Option<(String, i64, Option<i64>)> = on_pool!(self, pool => sqlx::query_as(FOUND)
            .bind(held.campaign.0).bind(held.seq.0).fetch_optional(pool).await)?;
        let Some((state, attempts, lease)) = found else {
            let removed: i64 = on_pool!(self, pool => sqlx::query_scalar(REMOVED)
                .bind(held.campaign.0).fetch_one(pool).await)?;
            return Ok(removed > 0);
        };
        let is = |known: DeliveryState| known.as_str() == state;
        let is_under_the_lease = lease == Some(held.lease.0);
        let waits =
            is(DeliveryState::Planned) && attempts == 0 || is(DeliveryState::Leased) && is_under_the_lease;
        let is_on_wire = is(DeliveryState::OnWire) && is_under_the_lease;
        Ok(!(waits || is_accepted && is_on_wire))
    }
}

/// Batches are recorded one after the other: a later one tells it too.
async fn is_recorded(tx: &mut Tx, batch: &Batch, owner: &str) -> Result<bool, StoreError> {
    const COMMITTED: &str = "SELECT COUNT(*) FROM leases WHERE owner = $1 AND batch >= $2";
    let n: i64 = on_tx!(tx, conn => sqlx::query_scalar(COMMITTED).bind(owner).bind(batch.number)
        .fetch_one(conn).await)?;
    Ok(n > 0)
}

/// Those of a recorded batch that may go on the wire.
async fn granted(tx: &mut Tx, batch: &Batch) -> Result<HashSet<Held>, StoreError> {
    let mut granted = HashSet::new();
    for held in &batch.on_wire {
        if is_on_wire(tx, held).await? {
            granted.insert(*held);
        }
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

/// The common outcome has a statement of its own, with half the values.
fn split<'s>(settled: impl Iterator<Item = &'s Settlement>) -> (Vec<&'s Settlement>, Vec<&'s Settlement>) {
    settled.partition(|s| s.is_acceptance())
}

/// A statement that was given up, and has been on its way ever since, finds that a later batch was there.
fn renewal(leases: &[LeaseId], owner: &str, expires_at: Timestamp, batch: i64) -> Bulk {
    let mut values = vec![expires_at.0.into(), batch.into(), owner.into()];
    values.extend(leases.iter().map(|lease| Value::from(lease.0)));
    values.push(batch.into());
    Bulk::new(
        "UPDATE leases SET expires_at = ?, batch = ? WHERE owner = ? AND id IN (VALUES ",
        ") AND batch < ?",
        values,
        leases.len(),
        1,
        leases.len() as u64,
    )
}

/// Under a living lease only this sender moves a delivery, or a cancelled campaign withholds it. If the lease had run out
/// meanwhile and the sender took it again, an answer may come late all the same.
async fn settle_one(
    tx: &mut Tx,
    deltas: &mut Deltas,
    (parts, s): (Parts, &Settlement),
    now: Timestamp,
) -> Result<(), StoreError> {
    let part = parts.of(s.held.campaign);
    let statement = if s.is_acceptance() {
        acceptance(part, &[s], now)
    } else {
        settlement(part, &[s], now)
    };
    if tx.run(statement).await? == 1 {
        count(deltas, s, s.from());
        if let Some(ended) = Ended::of(s, now) {
            tx.run(keeping(part, &[ended])).await?;
        }
        for statement in suppressing(parts, &[s], now) {
            tx.run(statement).await?;
        }
        return Ok(());
    }
    settle_late(tx, deltas, (parts, s), now).await
}

fn count_on_wire(deltas: &mut Deltas, granted: &[Held]) {
    for held in granted {
        deltas.moved(held.campaign, held.waiting, DeliveryState::OnWire, 1);
    }
}

fn count(deltas: &mut Deltas, s: &Settlement, from: DeliveryState) {
    deltas.moved(s.held.campaign, from, s.outcome.state(s.held.waiting), 1);
    if !s.outcome.is_quiet() {
        let class = s.outcome.class().unwrap_or_default();
        deltas.happened(s.held.campaign, &s.relay, s.provider, s.outcome.word(), class, 1);
    }
    if let Some(ruling) = s.outcome.ruling() {
        let word = s.outcome.word();
        deltas.said(s.held.campaign, &s.relay, s.provider, word, &ruling.verdict);
    }
}

/// An outcome that comes after the lease was lost. A delivery that is unknown since then can still be told the truth; anything else
/// is somebody else's now. But what was accepted does not go out again, whatever the ledger thinks of it, unless that is done already.
async fn settle_late(
    tx: &mut Tx,
    deltas: &mut Deltas,
    (parts, s): (Parts, &Settlement),
    now: Timestamp,
) -> Result<(), StoreError> {
    use DeliveryState::{Deferred, Leased, OnWire, Planned, Unknown};
    let states: &[DeliveryState] = match s.outcome {
        _ if !s.was_on_wire => return Ok(()),
        Outcome::Accepted(_) => &[Unknown, OnWire, Deferred, Leased, Planned],
        Outcome::Rejected(..) | Outcome::Expired(..) => &[Unknown, OnWire],
        _ => return Ok(()),
    };
    const LATE: &str = "UPDATE {deliveries} SET state = $1, lease_id = NULL, due_at = NULL, settled_at = $2, relay = $3, code = $4, \
        enhanced = $5, reply = $6, class = $7, cause = $8, reason = $9, session = $10, duration_us = $11, \
        attempts = attempts + CASE WHEN $15 = 'planned' THEN 1 ELSE 0 END, \
        first_attempt_at = COALESCE(first_attempt_at, $2) \
        WHERE campaign_id = $12 AND seq = $13 AND (lease_id = $14 OR $15 IN ('planned', 'leased', 'deferred')) AND state = $15";
    // It must not go from a state that is asked for later to one that was asked for before.
    const HOLD: &str = "UPDATE {deliveries} SET state = state WHERE campaign_id = $1 AND seq = $2";
    let part = parts.of(s.held.campaign);
    on_tx!(&mut *tx, conn => sqlx::query(part.statement(HOLD)).bind(s.held.campaign.0).bind(s.held.seq.0)
        .execute(conn).await.map(drop))?;
    for &from in states {
        let reply = s.outcome.reply();
        let changed = on_tx!(tx, conn => sqlx::query(part.statement(LATE))
            .bind(s.outcome.state(s.held.waiting).as_str()).bind(now.0).bind(&s.relay)
            .bind(reply.map(|r| i64::from(r.code))).bind(reply.and_then(|r| r.enhanced.clone()))
            .bind(reply.map(|r| r.text.clone())).bind(s.outcome.class()).bind(s.outcome.cause().map(str::to_owned))
            .bind(s.outcome.reason().map(str::to_owned)).bind(s.session()).bind(s.duration_us())
            .bind(s.held.campaign.0).bind(s.held.seq.0).bind(s.held.lease.0).bind(from.as_str())
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if changed == 1 {
            count(deltas, s, from);
            match Ended::of(s, now) {
                Some(ended) => drop(tx.run(keeping(part, &[ended])).await?),
                None => forget_last(tx, s.held.campaign, s.held.seq).await?,
            }
            for statement in suppressing(parts, &[s], now) {
                tx.run(statement).await?;
            }
            break;
        }
    }
    Ok(())
}
