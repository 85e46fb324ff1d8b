//! Leases: which sender works on which range of a campaign's deliveries, and until when.

use crate::attempts::{Ended, keeping};
use crate::counters::Deltas;
use crate::engine::{Store, Tx, on_pool, on_tx, on_write_pool, values_list};
use crate::error::StoreError;
use crate::parts::Part;
use crate::transitions::ROWS;
use sqlx::AssertSqlSafe;
use tidings_campaign::ids::{CampaignId, LeaseId, Seq};
use tidings_campaign::lifecycle::{DeliveryState, UnknownPolicy};
use tidings_campaign::time::Timestamp;

/// What a lease covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseKind {
    /// Every planned delivery of the range.
    Range,
    /// The retries of the range that are marked with the lease.
    Retry,
}

/// A sender's claim on a range of deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its identity.
    pub id: LeaseId,
    /// Whose deliveries.
    pub campaign: CampaignId,
    /// What it covers.
    pub kind: LeaseKind,
    /// The first of the range.
    pub first: Seq,
    /// The last of the range, included.
    pub last: Seq,
}

impl Lease {
    /// The stored state of its deliveries before they go on the wire.
    pub fn waiting_state(&self) -> DeliveryState {
        match self.kind {
            LeaseKind::Range => DeliveryState::Planned,
            LeaseKind::Retry => DeliveryState::Leased,
        }
    }
}

/// Who asks for a lease, how much and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The claiming process; unique for every start.
    pub owner: &'a str,
    /// Deliveries at most.
    pub size: i64,
    /// Now.
    pub now: Timestamp,
    /// When the lease runs out if it is not renewed.
    pub expires_at: Timestamp,
}

impl Store {
    /// Leases some deliveries of a sending campaign: retries that are due first, then what another sender
    /// left behind, then new ones. `None` if there is nothing to do now.
    ///
    /// Taking over a lease whose owner is gone makes its deliveries that were on the wire `unknown`. It gets another identity with
    /// that, so that whatever the former owner still says about it is not about the new one. Nobody takes over from himself: what has run
    /// out is still in his hands, or he gives it back ([`Store::free_forgotten`]).
    pub async fn claim(&self, campaign: CampaignId, claim: Claim<'_>) -> Result<Option<Lease>, StoreError> {
        // Taken outside the transaction, so that senders do not wait for each other's commit on PostgreSQL.
        let id = LeaseId(self.allocate_ids("leases", 1).await?);
        let mut tx = self.begin_write().await?;
        const SENDING: &str = "SELECT unknown_policy FROM campaigns WHERE id = $1 AND state = 'sending'";
        let policy: Option<String> = on_tx!(&mut tx, conn => sqlx::query_scalar(SENDING)
            .bind(campaign.0).fetch_optional(conn).await)?;
        let Some(policy) = policy else { return Ok(None) };
        let mut deltas = Deltas::default();
        let part = self.parts.of(campaign);
        let mut lease = claim_due_retries(&mut tx, &mut deltas, (campaign, part), id, claim).await?;
        if lease.is_none() {
            let policy = UnknownPolicy::parse(&policy).unwrap_or_default();
            lease = take_over(&mut tx, &mut deltas, (campaign, part), policy, id, claim).await?;
        }
        if lease.is_none() {
            lease = claim_new_range(&mut tx, campaign, id, claim).await?;
        }
        deltas.write(&mut tx, self.node(), claim.now).await?;
        tx.commit().await?;
        Ok(lease)
    }

    /// Prolongs the leases that `owner` still has. A lease that is missing from the answer is lost: another
    /// sender has it.
    pub async fn renew(
        &self,
        leases: &[LeaseId],
        owner: &str,
        expires_at: Timestamp,
    ) -> Result<Vec<LeaseId>, StoreError> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.begin_write().await?;
        let alive = renew_in(&mut tx, leases, owner, expires_at, None).await?;
        tx.commit().await?;
        Ok(alive)
    }

    /// Frees the leases of `owner` that have run out and are not among those `in_hand`: of a claim whose answer was lost, or a release
    /// that failed. Returns how many.
    pub async fn free_forgotten(
        &self,
        owner: &str,
        in_hand: &[LeaseId],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        const FORGOTTEN: &str = "SELECT id FROM leases WHERE owner = $1 AND expires_at <= $2";
        const FREE: &str = "UPDATE leases SET owner = NULL WHERE id = $1 AND owner = $2 AND expires_at <= $3";
        let run_out: Vec<i64> = on_pool!(self, pool => sqlx::query_scalar(FORGOTTEN).bind(owner).bind(now.0)
            .fetch_all(pool).await)?;
        let mut freed = 0;
        for id in run_out.into_iter().filter(|id| !in_hand.contains(&LeaseId(*id))) {
            freed += on_write_pool!(self, pool => sqlx::query(FREE).bind(id).bind(owner).bind(now.0)
                .execute(pool).await.map(|done| done.rows_affected()))?;
        }
        Ok(freed)
    }

    /// Whether this sending campaign has anything for `owner` to claim now: a cheap look before [`Store::claim`].
    pub async fn has_work(
        &self,
        campaign: CampaignId,
        owner: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const WORK: &str = "SELECT COUNT(*) FROM campaigns c WHERE c.id = $1 AND c.state = 'sending' AND ( \
            c.next_seq <= c.planned \
            OR EXISTS (SELECT 1 FROM leases l WHERE l.campaign_id = $1 AND (l.owner IS NULL OR (l.expires_at <= $2 AND l.owner <> $3))) \
            OR EXISTS (SELECT 1 FROM {deliveries} d \
                WHERE d.campaign_id = $1 AND d.state = 'deferred' AND d.due_at <= $2))";
        let work = self.parts.of(campaign).statement(WORK);
        let n: i64 = on_pool!(self, pool => sqlx::query_scalar(work).bind(campaign.0).bind(now.0)
            .bind(owner).fetch_one(pool).await)?;
        Ok(n > 0)
    }

    /// Ends a lease. `open`: whether deliveries of it are still to be sent; they are then free for the next claim.
    pub async fn release(&self, lease: LeaseId, owner: &str, open: bool) -> Result<(), StoreError> {
        const FREE: &str = "UPDATE leases SET owner = NULL WHERE id = $1 AND owner = $2";
        const DONE: &str = "DELETE FROM leases WHERE id = $1 AND owner = $2";
        let text = if open { FREE } else { DONE };
        on_write_pool!(self, pool => sqlx::query(text).bind(lease.0).bind(owner).execute(pool).await.map(drop))?;
        Ok(())
    }

    /// Lets every lease run out now. Only for the one sender of an SQLite file, who knows by the lock on the
    /// file that every former owner is dead.
    pub async fn expire_all_leases(&self) -> Result<(), StoreError> {
        const EXPIRE: &str = "UPDATE leases SET expires_at = 0";
        const EXPIRE_LETTERS: &str = "UPDATE letters SET held_until = 0 WHERE state IN ('leased', 'on_wire')";
        for text in [EXPIRE, EXPIRE_LETTERS] {
            on_write_pool!(self, pool => sqlx::query(text).execute(pool).await.map(drop))?;
        }
        Ok(())
    }

    /// How many deliveries of the campaign are under a living lease and not on the wire yet.
    pub async fn count_leased(&self, campaign: CampaignId, now: Timestamp) -> Result<i64, StoreError> {
        const LEASED: &str = "SELECT COUNT(*) FROM leases l JOIN deliveries d \
            ON d.campaign_id = l.campaign_id AND d.seq BETWEEN l.first_seq AND l.last_seq AND d.state = 'planned' \
            WHERE l.campaign_id = $1 AND l.kind = 'range' AND l.owner IS NOT NULL AND l.expires_at > $2";
        Ok(
            on_pool!(self, pool => sqlx::query_scalar(LEASED).bind(campaign.0).bind(now.0).fetch_one(pool).await)?,
        )
    }
}

/// Prolongs leases inside a transaction and holds them against a take-over until it commits. `batch`: leaves
/// the batch's number on them, by which a commit can be recognised whose answer was lost.
pub(crate) async fn renew_in(
    tx: &mut Tx,
    leases: &[LeaseId],
    owner: &str,
    expires_at: Timestamp,
    batch: Option<i64>,
) -> Result<Vec<LeaseId>, StoreError> {
    if leases.is_empty() {
        return Ok(Vec::new());
    }
    let text = tx.bulk_text(format!(
        "UPDATE leases SET expires_at = $1, batch = COALESCE($2, batch) WHERE owner = $3 AND id IN {} RETURNING id",
        values_list(1, leases.len(), 4)
    ));
    let alive: Vec<i64> = on_tx!(tx, conn => {
        let mut query = sqlx::query_scalar(text).bind(expires_at.0).bind(batch).bind(owner);
        for lease in leases {
            query = query.bind(lease.0);
        }
        query.fetch_all(conn).await
    })?;
    Ok(alive.into_iter().map(LeaseId).collect())
}

async fn claim_due_retries(
    tx: &mut Tx,
    deltas: &mut Deltas,
    (campaign, part): (CampaignId, Part),
    id: LeaseId,
    claim: Claim<'_>,
) -> Result<Option<Lease>, StoreError> {
    // As many as one statement may name.
    let size = claim.size.min(10_000);
    let text = format!(
        "SELECT seq FROM {} WHERE campaign_id = $1 AND state = 'deferred' AND due_at <= $2 \
         ORDER BY due_at LIMIT $3{}",
        part.of_table("deliveries"),
        tx.skip_locked()
    );
    let due: Vec<i64> = on_tx!(tx, conn => sqlx::query_scalar(AssertSqlSafe(text))
        .bind(campaign.0).bind(claim.now.0).bind(size).fetch_all(conn).await)?;
    let (Some(first), Some(last)) = (due.iter().min(), due.iter().max()) else {
        return Ok(None);
    };
    let text = tx.bulk_text(format!(
        "UPDATE {} AS deliveries SET state = 'leased', lease_id = $1 FROM (VALUES {}) AS v \
         WHERE deliveries.campaign_id = ${} AND deliveries.seq = v.column1",
        part.of_table("deliveries"),
        values_list(due.len(), 1, 2),
        due.len() + 2
    ));
    on_tx!(tx, conn => {
        let mut query = sqlx::query(text).bind(id.0);
        for seq in &due {
            query = query.bind(*seq);
        }
        query.bind(campaign.0).execute(conn).await.map(drop)
    })?;
    let n = i64::try_from(due.len()).expect("a claim has fewer rows than i64::MAX");
    deltas.moved(campaign, DeliveryState::Deferred, DeliveryState::Leased, n);
    let lease = Lease {
        id,
        campaign,
        kind: LeaseKind::Retry,
        first: Seq(*first),
        last: Seq(*last),
    };
    insert(tx, &lease, claim).await?;
    Ok(Some(lease))
}

/// `id, kind, first_seq, last_seq`.
type LeaseRow = (i64, String, i64, i64);

fn lease(campaign: CampaignId, (id, kind, first, last): LeaseRow) -> Lease {
    let kind = if kind == "retry" {
        LeaseKind::Retry
    } else {
        LeaseKind::Range
    };
    Lease {
        id: LeaseId(id),
        campaign,
        kind,
        first: Seq(first),
        last: Seq(last),
    }
}

async fn take_over(
    tx: &mut Tx,
    deltas: &mut Deltas,
    (campaign, part): (CampaignId, Part),
    policy: UnknownPolicy,
    id: LeaseId,
    claim: Claim<'_>,
) -> Result<Option<Lease>, StoreError> {
    let text = format!(
        "SELECT id, kind, first_seq, last_seq FROM leases \
         WHERE campaign_id = $1 AND (owner IS NULL OR (expires_at <= $2 AND owner <> $3)) ORDER BY id LIMIT 1{}",
        tx.skip_locked()
    );
    let row: Option<LeaseRow> = on_tx!(tx, conn => sqlx::query_as(AssertSqlSafe(text))
        .bind(campaign.0).bind(claim.now.0).bind(claim.owner).fetch_optional(conn).await)?;
    let Some(row) = row else {
        return Ok(None);
    };
    let lease = lease(campaign, row);
    const TAKE: &str = "UPDATE leases SET id = $1, owner = $2, expires_at = $3, batch = 0 WHERE id = $4";
    on_tx!(tx, conn => sqlx::query(TAKE).bind(id.0).bind(claim.owner).bind(claim.expires_at.0).bind(lease.id.0)
        .execute(conn).await.map(drop))?;
    lose_on_wire(tx, deltas, (&lease, part), policy, claim.now).await?;
    const REMARK: &str = "UPDATE {deliveries} SET lease_id = $1 \
        WHERE campaign_id = $2 AND seq BETWEEN $3 AND $4 AND state = 'leased' AND lease_id = $5";
    if lease.kind == LeaseKind::Retry {
        on_tx!(tx, conn => sqlx::query(part.statement(REMARK)).bind(id.0).bind(campaign.0)
            .bind(lease.first.0).bind(lease.last.0).bind(lease.id.0).execute(conn).await.map(drop))?;
    }
    Ok(Some(Lease { id, ..lease }))
}

/// Where a delivery goes whose answer was lost.
pub(crate) fn after_lost_answer(policy: UnknownPolicy) -> DeliveryState {
    match policy {
        UnknownPolicy::Resend => DeliveryState::Deferred,
        UnknownPolicy::Hold | UnknownPolicy::Skip => DeliveryState::Unknown,
    }
}

/// Ends the leases of a campaign that nobody holds any more. Returns how many deliveries of theirs were on the wire:
/// they are `unknown` now. For a campaign that sends nothing again, whatever its policy was.
pub(crate) async fn take_dead_leases(
    tx: &mut Tx,
    deltas: &mut Deltas,
    (campaign, part): (CampaignId, Part),
    now: Timestamp,
) -> Result<i64, StoreError> {
    const TAKE: &str = "DELETE FROM leases WHERE campaign_id = $1 AND (owner IS NULL OR expires_at <= $2) \
        RETURNING id, kind, first_seq, last_seq";
    let rows: Vec<LeaseRow> = on_tx!(tx, conn => sqlx::query_as(TAKE).bind(campaign.0).bind(now.0)
        .fetch_all(conn).await)?;
    let mut lost = 0;
    for row in rows {
        lost += lose_on_wire(
            tx,
            deltas,
            (&lease(campaign, row), part),
            UnknownPolicy::Hold,
            now,
        )
        .await?;
    }
    Ok(lost)
}

async fn lose_on_wire(
    tx: &mut Tx,
    deltas: &mut Deltas,
    (lease, part): (&Lease, Part),
    policy: UnknownPolicy,
    now: Timestamp,
) -> Result<i64, StoreError> {
    const LOSE: &str = "UPDATE {deliveries} SET state = $1, \
        due_at = CASE WHEN $1 = 'deferred' THEN $2 ELSE NULL END, settled_at = $2, relay = NULL, code = NULL, \
        enhanced = NULL, reply = NULL, class = 'other', cause = 'network', \
        reason = 'the sender stopped before the relay answered', session = NULL, duration_us = NULL \
        WHERE campaign_id = $3 AND seq BETWEEN $4 AND $5 AND state = 'on_wire' AND lease_id = $6 \
        RETURNING seq, attempts, first_attempt_at";
    let to = after_lost_answer(policy);
    let rows: Vec<(i64, i64, Option<i64>)> = on_tx!(tx, conn => sqlx::query_as(part.statement(LOSE))
        .bind(to.as_str()).bind(now.0)
        .bind(lease.campaign.0).bind(lease.first.0).bind(lease.last.0).bind(lease.id.0)
        .fetch_all(conn).await)?;
    let lost = i64::try_from(rows.len()).expect("fewer rows than i64::MAX");
    if lost > 0 {
        let ended: Vec<_> = rows
            .into_iter()
            .map(|row| lost_attempt(lease, row, now))
            .collect();
        for rows in ended.chunks(ROWS) {
            tx.run(keeping(part, rows)).await?;
        }
        deltas.moved(lease.campaign, DeliveryState::OnWire, to, lost);
        let word = DeliveryState::Unknown.as_str();
        deltas.happened(lease.campaign, "", "other", word, "other", lost);
        tracing::warn!(
            campaign = lease.campaign.0,
            lost,
            "deliveries of a sender that is gone were on the wire: unknown"
        );
    }
    Ok(lost)
}

/// When a retry began is not known: only when it was found to be lost.
fn lost_attempt(
    lease: &Lease,
    (seq, attempts, first_attempt_at): (i64, i64, Option<i64>),
    now: Timestamp,
) -> Ended {
    Ended {
        campaign: lease.campaign,
        seq: Seq(seq),
        began: first_attempt_at.filter(|_| attempts == 1).map_or(now, Timestamp),
        outcome: DeliveryState::Unknown.as_str(),
        rule: None,
        action: None,
    }
}

async fn claim_new_range(
    tx: &mut Tx,
    campaign: CampaignId,
    id: LeaseId,
    claim: Claim<'_>,
) -> Result<Option<Lease>, StoreError> {
    const ADVANCE: &str = "UPDATE campaigns SET next_seq = next_seq + $1 \
        WHERE id = $2 AND next_seq <= planned RETURNING next_seq - $1, planned";
    let row: Option<(i64, i64)> = on_tx!(tx, conn => sqlx::query_as(ADVANCE)
        .bind(claim.size).bind(campaign.0).fetch_optional(conn).await)?;
    let Some((first, planned)) = row else {
        return Ok(None);
    };
    let last = (first + claim.size - 1).min(planned);
    let lease = Lease {
        id,
        campaign,
        kind: LeaseKind::Range,
        first: Seq(first),
        last: Seq(last),
    };
    insert(tx, &lease, claim).await?;
    Ok(Some(lease))
}

async fn insert(tx: &mut Tx, lease: &Lease, claim: Claim<'_>) -> Result<(), StoreError> {
    const INSERT: &str = "INSERT INTO leases (id, campaign_id, kind, first_seq, last_seq, owner, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let kind = match lease.kind {
        LeaseKind::Range => "range",
        LeaseKind::Retry => "retry",
    };
    on_tx!(tx, conn => sqlx::query(INSERT)
        .bind(lease.id.0).bind(lease.campaign.0).bind(kind).bind(lease.first.0).bind(lease.last.0)
        .bind(claim.owner).bind(claim.expires_at.0).execute(conn).await.map(drop))?;
    Ok(())
}
