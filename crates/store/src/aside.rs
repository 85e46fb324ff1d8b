//! Deliveries that were put aside because a limit had nothing to spare. The ledger keeps them as deferred, with the cause
//! `limit` and the limit as the reason.

use crate::engine::{Store, on_pool, on_tx};
use crate::error::StoreError;
use sqlx::AssertSqlSafe;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;

impl Store {
    /// Makes the earliest `rows` deliveries that wait for this limit due now. Returns how many were not due yet.
    pub async fn pull_forward(
        &self,
        campaign: CampaignId,
        limit: &str,
        rows: i64,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin_write().await?;
        // Those that are due already count, so that asking twice does not make twice as many due.
        // Chosen once: in a subquery that locks rows, PostgreSQL may choose again and again.
        let table = self.parts.of(campaign).of_table("deliveries");
        let text = format!(
            "WITH earliest AS MATERIALIZED (SELECT seq FROM {table} \
             WHERE campaign_id = $2 AND state = 'deferred' AND cause = 'limit' AND reason = $3 \
             ORDER BY due_at, seq LIMIT $4{}) \
             UPDATE {table} SET due_at = $1 WHERE campaign_id = $2 AND due_at > $1 \
             AND state = 'deferred' AND cause = 'limit' AND seq IN (SELECT seq FROM earliest)",
            tx.skip_locked()
        );
        let pulled = on_tx!(&mut tx, conn => sqlx::query(AssertSqlSafe(text)).bind(now.0).bind(campaign.0)
            .bind(limit).bind(rows).execute(conn).await.map(|done| done.rows_affected()))?;
        tx.commit().await?;
        Ok(pulled)
    }

    /// How many deliveries of a campaign wait for each limit.
    pub async fn count_aside(&self, campaign: CampaignId) -> Result<Vec<(String, i64)>, StoreError> {
        const COUNT: &str = "SELECT reason, COUNT(*) FROM {deliveries} \
            WHERE campaign_id = $1 AND state = 'deferred' AND cause = 'limit' GROUP BY reason ORDER BY reason";
        let count = self.parts.of(campaign).statement(COUNT);
        Ok(on_pool!(self, pool => sqlx::query_as(count).bind(campaign.0).fetch_all(pool).await)?)
    }
}
