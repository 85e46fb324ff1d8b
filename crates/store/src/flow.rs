//! How mail flows, minute by minute and hour by hour: what the charts draw. Reads counters, never the ledger.

use crate::counters::hour;
use crate::engine::{Store, on_pool};
use crate::error::StoreError;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;

/// What happened in one minute with one relay and one provider, to all campaigns.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct FlowCount {
    /// Minutes since 1970.
    pub minute: i64,
    /// The relay's name; empty for what no relay had a part in.
    pub relay: String,
    /// The mailbox provider; empty likewise.
    pub provider: String,
    /// The state that deliveries came into, or `unsubscribed`.
    pub outcome: String,
    /// How often.
    pub n: i64,
}

/// What happened in one hour, to all campaigns.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct HourCount {
    /// Hours since 1970.
    pub hour: i64,
    /// `accepted`, `unsubscribed`, `rejected`, `expired`, `bounce` or `complaint`.
    pub kind: String,
    /// The verdict's class; empty if there was no verdict.
    pub class: String,
    /// How often.
    pub n: i64,
}

/// What happened in one minute to one campaign.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct CampaignMinute {
    /// Minutes since 1970.
    pub minute: i64,
    /// As in [`FlowCount`].
    pub outcome: String,
    /// How often.
    pub n: i64,
}

impl Store {
    /// What happened in this minute (since 1970) and later.
    pub async fn flow_since(&self, minute: i64) -> Result<Vec<FlowCount>, StoreError> {
        const SINCE: &str = "SELECT minute, relay, provider, outcome, CAST(SUM(n) AS BIGINT) AS n \
            FROM send_counters WHERE minute >= $1 GROUP BY minute, relay, provider, outcome ORDER BY 1, 2, 3, 4";
        Ok(on_pool!(self, pool => sqlx::query_as(SINCE).bind(minute).fetch_all(pool).await)?)
    }

    /// What happened in the hour of this moment and later. Deferrals are not in it.
    pub async fn hours_since(&self, since: Timestamp) -> Result<Vec<HourCount>, StoreError> {
        const SAID: &str = "SELECT hour, kind, class, CAST(SUM(n) AS BIGINT) AS n FROM bounce_counters \
            WHERE hour >= $1 AND kind IN ('rejected', 'expired', 'bounce', 'complaint') \
            GROUP BY hour, kind, class ORDER BY 1, 2, 3";
        const SENT: &str = "SELECT minute / 60 AS hour, outcome AS kind, '' AS class, CAST(SUM(n) AS BIGINT) AS n \
            FROM send_counters WHERE minute >= $1 AND outcome IN ('accepted', 'unsubscribed') \
            GROUP BY minute / 60, outcome ORDER BY 1, 2";
        let since = hour(since);
        let mut counts: Vec<HourCount> =
            on_pool!(self, pool => sqlx::query_as(SENT).bind(since * 60).fetch_all(pool).await)?;
        let said: Vec<HourCount> =
            on_pool!(self, pool => sqlx::query_as(SAID).bind(since).fetch_all(pool).await)?;
        counts.extend(said);
        Ok(counts)
    }

    /// What happened to a campaign, minute by minute, the oldest first.
    pub async fn minutes_of(&self, campaign: CampaignId) -> Result<Vec<CampaignMinute>, StoreError> {
        const OF_ONE: &str = "SELECT minute, outcome, CAST(SUM(n) AS BIGINT) AS n FROM send_counters \
            WHERE campaign_id = $1 GROUP BY minute, outcome ORDER BY 1, 2";
        Ok(on_pool!(self, pool => sqlx::query_as(OF_ONE).bind(campaign.0).fetch_all(pool).await)?)
    }
}
