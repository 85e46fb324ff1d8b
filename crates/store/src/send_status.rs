//! What the senders say of a campaign that is under way: its rate, and the limit that binds it now.

use crate::engine::{Store, on_pool, on_write_pool};
use crate::error::StoreError;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;

/// The state of the sending of one campaign, all nodes together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SendStatus {
    /// Attempts that ended, per second.
    pub rate_per_second: f64,
    /// What keeps it from going faster, in words.
    pub binding_limit: Option<String>,
    /// Seconds until all that is open has gone out, by the rate and the limits.
    pub eta_seconds: Option<f64>,
}

impl Store {
    /// Says how a campaign fares on this node.
    pub async fn set_send_status(
        &self,
        campaign: CampaignId,
        status: &SendStatus,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SET: &str = "INSERT INTO send_status (campaign_id, node, rate_per_second, binding_limit, updated_at, eta_seconds) \
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (campaign_id, node) DO UPDATE SET \
            rate_per_second = excluded.rate_per_second, binding_limit = excluded.binding_limit, \
            updated_at = excluded.updated_at, eta_seconds = excluded.eta_seconds";
        on_write_pool!(self, pool => sqlx::query(SET).bind(campaign.0).bind(self.node())
            .bind(status.rate_per_second).bind(&status.binding_limit).bind(now.0)
            .bind(status.eta_seconds).execute(pool).await.map(drop))?;
        Ok(())
    }

    /// What was said since `since`; nothing if no sender is at work.
    pub async fn send_status(
        &self,
        campaign: CampaignId,
        since: Timestamp,
    ) -> Result<Option<SendStatus>, StoreError> {
        const GET: &str = "SELECT rate_per_second, binding_limit, eta_seconds FROM send_status \
            WHERE campaign_id = $1 AND updated_at >= $2 ORDER BY node";
        let rows: Vec<(f64, Option<String>, Option<f64>)> =
            on_pool!(self, pool => sqlx::query_as(GET).bind(campaign.0).bind(since.0).fetch_all(pool).await)?;
        Ok(rows
            .into_iter()
            .fold(None, |sum: Option<SendStatus>, (rate, limit, eta)| {
                let sum = sum.unwrap_or_default();
                Some(SendStatus {
                    rate_per_second: sum.rate_per_second + rate,
                    binding_limit: sum.binding_limit.or(limit),
                    // Who sends alone ends last.
                    eta_seconds: sum.eta_seconds.into_iter().chain(eta).reduce(f64::max),
                })
            }))
    }
}
