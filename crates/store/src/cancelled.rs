//! What becomes of the open deliveries of a cancelled campaign.

use crate::counters::Deltas;
use crate::deliveries::lock_state;
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::StoreError;
use crate::leases::take_dead_leases;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::DeliveryState;
use tidings_campaign::time::Timestamp;

impl Store {
    /// Cancelled campaigns with deliveries that have no outcome yet: they were with a sender when the campaign was
    /// cancelled, and have come back or never will.
    pub async fn cancelled_but_open(&self) -> Result<Vec<CampaignId>, StoreError> {
        const OPEN: &str = "SELECT c.id FROM campaigns c WHERE c.state = 'cancelled' AND \
            (SELECT SUM(n) FROM campaign_counters k WHERE k.campaign_id = c.id \
                AND k.state IN ('planned', 'leased', 'on_wire', 'deferred')) > 0 ORDER BY c.id";
        let ids: Vec<i64> = on_pool!(self, pool => sqlx::query_scalar(OPEN).fetch_all(pool).await)?;
        Ok(ids.into_iter().map(CampaignId).collect())
    }

    /// Settles what is left of a cancelled campaign, up to `limit` rows at a time so that nobody waits for long: what
    /// was on the wire of a sender that is gone is `unknown`, what still waits is `withheld`. What a living sender
    /// has on the wire is left to it. Returns how many were settled; zero means that nothing more can be now.
    pub async fn settle_cancelled(
        &self,
        campaign: CampaignId,
        limit: i64,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin_write().await?;
        // Several may do this at once, the command and every sender: in turns, so that none waits for another's rows with its own.
        lock_state(&mut tx, campaign).await?;
        let mut deltas = Deltas::default();
        let lost = take_dead_leases(&mut tx, &mut deltas, (campaign, self.parts.of(campaign)), now).await?;
        let withheld = withhold(&mut tx, &mut deltas, campaign, limit, now).await?;
        deltas.write(&mut tx, self.node(), now).await?;
        tx.commit().await?;
        Ok((lost + withheld).unsigned_abs())
    }
}

async fn withhold(
    tx: &mut Tx,
    deltas: &mut Deltas,
    campaign: CampaignId,
    limit: i64,
    now: Timestamp,
) -> Result<i64, StoreError> {
    const WITHHOLD: &str = "UPDATE deliveries SET state = 'withheld', due_at = NULL, lease_id = NULL, \
        settled_at = $1, cause = 'cancelled', reason = 'the campaign was cancelled' \
        WHERE campaign_id = $2 AND seq IN \
        (SELECT seq FROM deliveries WHERE campaign_id = $2 AND state = $3 ORDER BY seq LIMIT $4) AND state = $3";
    let mut withheld = 0;
    for from in [
        DeliveryState::Deferred,
        DeliveryState::Leased,
        DeliveryState::Planned,
    ] {
        let n = on_tx!(tx, conn => sqlx::query(WITHHOLD).bind(now.0).bind(campaign.0).bind(from.as_str())
            .bind(limit - withheld).execute(conn).await.map(|done| done.rows_affected()))?;
        let n = i64::try_from(n).expect("fewer rows than i64::MAX");
        deltas.moved(campaign, from, DeliveryState::Withheld, n);
        withheld += n;
    }
    Ok(withheld)
}
