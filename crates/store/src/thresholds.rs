//! When campaigns pause by themselves: what each says of its thresholds, and what is counted against them.

use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
use tidings_campaign::ids::CampaignId;
use tidings_feedback::thresholds::{OwnThresholds, Share, Tally};

const SETTLED: &str = "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT), \
    CAST(COALESCE(SUM(CASE WHEN state = 'accepted' THEN n ELSE 0 END), 0) AS BIGINT) \
    FROM campaign_counters WHERE campaign_id = $1 AND state IN ('accepted', 'rejected', 'expired')";

const BOUNCED: &str = "SELECT \
    CAST(COALESCE(SUM(CASE WHEN class = 'hard' AND kind IN ('rejected', 'expired', 'bounce') THEN n ELSE 0 END), 0) \
        AS BIGINT), \
    CAST(COALESCE(SUM(CASE WHEN kind = 'complaint' THEN n ELSE 0 END), 0) AS BIGINT) \
    FROM bounce_counters WHERE campaign_id = $1";

type Pair = (i64, i64);

fn tally((settled, accepted): Pair, (hard, complaints): Pair) -> Tally {
    let count = |n| u64::try_from(n).unwrap_or_default();
    Tally {
        settled: count(settled),
        accepted: count(accepted),
        hard: count(hard),
        complaints: count(complaints),
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    hard_bounces: Option<i64>,
    complaints: Option<i64>,
    after_settled: Option<i64>,
    settled_before: i64,
    accepted_before: i64,
    hard_before: i64,
    complaints_before: i64,
}

impl Store {
    /// What a campaign says of its thresholds, and how it stood when it was last resumed.
    pub async fn campaign_thresholds(&self, id: CampaignId) -> Result<(OwnThresholds, Tally), StoreError> {
        const GET: &str = "SELECT hard_bounces, complaints, after_settled, settled_before, accepted_before, \
            hard_before, complaints_before FROM campaign_thresholds WHERE campaign_id = $1";
        let row: Option<Row> =
            on_pool!(self, pool => sqlx::query_as(GET).bind(id.0).fetch_optional(pool).await)?;
        let Some(row) = row else {
            return Ok(Default::default());
        };
        let bad = || bad_row("campaign_thresholds", id, "a number out of its range");
        let share = |n: Option<i64>| n.map(|n| u32::try_from(n).map(Share::of_millionths)).transpose();
        let own = OwnThresholds {
            hard_bounces: share(row.hard_bounces).map_err(|_| bad())?,
            complaints: share(row.complaints).map_err(|_| bad())?,
            after: row
                .after_settled
                .map(u64::try_from)
                .transpose()
                .map_err(|_| bad())?,
        };
        let before = tally(
            (row.settled_before, row.accepted_before),
            (row.hard_before, row.complaints_before),
        );
        Ok((own, before))
    }

    /// What is counted against a campaign's thresholds, from its start.
    pub async fn tally(&self, id: CampaignId) -> Result<Tally, StoreError> {
        let settled: Pair = on_pool!(self, pool => sqlx::query_as(SETTLED).bind(id.0).fetch_one(pool).await)?;
        let bounced: Pair = on_pool!(self, pool => sqlx::query_as(BOUNCED).bind(id.0).fetch_one(pool).await)?;
        Ok(tally(settled, bounced))
    }
}

/// Keeps what a new campaign says of its thresholds.
pub(crate) async fn keep_in(tx: &mut Tx, id: CampaignId, own: OwnThresholds) -> Result<(), StoreError> {
    const KEEP: &str = "INSERT INTO campaign_thresholds (campaign_id, hard_bounces, complaints, after_settled) \
        VALUES ($1, $2, $3, $4)";
    if own == OwnThresholds::default() {
        return Ok(());
    }
    let share = |share: Option<Share>| share.map(|share| i64::from(share.millionths()));
    let after = own.after.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
    on_tx!(tx, conn => sqlx::query(KEEP).bind(id.0).bind(share(own.hard_bounces)).bind(share(own.complaints))
        .bind(after).execute(conn).await.map(drop))?;
    Ok(())
}

/// From now on only what is still to come counts: a person has looked and lets the campaign go on.
pub(crate) async fn begin_anew_in(tx: &mut Tx, id: CampaignId) -> Result<(), StoreError> {
    const BEGIN: &str = "INSERT INTO campaign_thresholds \
        (campaign_id, settled_before, accepted_before, hard_before, complaints_before) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (campaign_id) DO UPDATE SET settled_before = excluded.settled_before, \
        accepted_before = excluded.accepted_before, hard_before = excluded.hard_before, \
        complaints_before = excluded.complaints_before";
    let settled: Pair = on_tx!(tx, conn => sqlx::query_as(SETTLED).bind(id.0).fetch_one(conn).await)?;
    let bounced: Pair = on_tx!(tx, conn => sqlx::query_as(BOUNCED).bind(id.0).fetch_one(conn).await)?;
    on_tx!(tx, conn => sqlx::query(BEGIN).bind(id.0).bind(settled.0).bind(settled.1).bind(bounced.0)
        .bind(bounced.1).execute(conn).await.map(drop))?;
    Ok(())
}
