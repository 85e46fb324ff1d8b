//! What statistics show of hits. Reads counters, never the hits.

use crate::engine::{Store, on_pool};
use crate::error::{StoreError, bad_row};
use tidings_campaign::ids::CampaignId;
use tidings_campaign::token::HitTarget;
use tidings_feedback::hits::{HitKind, HitVerdict};

/// How many hits there were on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitCount {
    /// Of which campaign.
    pub campaign: CampaignId,
    /// Days since 1970, in UTC.
    pub day: i64,
    /// Of what.
    pub target: HitTarget,
    /// What they speak for.
    pub verdict: HitVerdict,
    /// How many.
    pub n: i64,
}

/// How many recipients opened or clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitRecipientCount {
    /// Which campaign.
    pub campaign: CampaignId,
    /// What they did.
    pub kind: HitKind,
    /// The greatest verdict of each.
    pub verdict: HitVerdict,
    /// How many.
    pub n: i64,
}

fn verdict(number: i64) -> Result<HitVerdict, StoreError> {
    HitVerdict::from_number(number).ok_or_else(|| bad_row("hit_counters", number, "unknown verdict"))
}

impl Store {
    /// Hits by day, target and verdict: of one campaign, or of all.
    pub async fn hit_counts(&self, campaign: Option<CampaignId>) -> Result<Vec<HitCount>, StoreError> {
        const OF_ONE: &str = "SELECT campaign_id, hour / 24, target, verdict, CAST(SUM(n) AS BIGINT) FROM hit_counters \
            WHERE campaign_id = $1 GROUP BY campaign_id, hour / 24, target, verdict ORDER BY 1, 2, 3, 4";
        const OF_ALL: &str = "SELECT campaign_id, hour / 24, target, verdict, CAST(SUM(n) AS BIGINT) FROM hit_counters \
            GROUP BY campaign_id, hour / 24, target, verdict ORDER BY 1, 2, 3, 4";
        let rows: Vec<(i64, i64, i64, i64, i64)> = match campaign {
            Some(id) => on_pool!(self, pool => sqlx::query_as(OF_ONE).bind(id.0).fetch_all(pool).await)?,
            None => on_pool!(self, pool => sqlx::query_as(OF_ALL).fetch_all(pool).await)?,
        };
        rows.into_iter()
            .filter(|row| row.4 != 0)
            .map(|(campaign, day, target, number, n)| {
                Ok(HitCount {
                    campaign: CampaignId(campaign),
                    day,
                    target: HitTarget::from_number(target)
                        .ok_or_else(|| bad_row("hit_counters", target, "unknown target"))?,
                    verdict: verdict(number)?,
                    n,
                })
            })
            .collect()
    }

    /// Recipients by what they did and the greatest verdict of each: of one campaign, or of all.
    pub async fn hit_recipient_counts(
        &self,
        campaign: Option<CampaignId>,
    ) -> Result<Vec<HitRecipientCount>, StoreError> {
        const OF_ONE: &str = "SELECT campaign_id, kind, verdict, CAST(SUM(n) AS BIGINT) FROM hit_recipient_counters \
            WHERE campaign_id = $1 GROUP BY campaign_id, kind, verdict ORDER BY 1, 2, 3";
        const OF_ALL: &str = "SELECT campaign_id, kind, verdict, CAST(SUM(n) AS BIGINT) FROM hit_recipient_counters \
            GROUP BY campaign_id, kind, verdict ORDER BY 1, 2, 3";
        let rows: Vec<(i64, String, i64, i64)> = match campaign {
            Some(id) => on_pool!(self, pool => sqlx::query_as(OF_ONE).bind(id.0).fetch_all(pool).await)?,
            None => on_pool!(self, pool => sqlx::query_as(OF_ALL).fetch_all(pool).await)?,
        };
        rows.into_iter()
            .filter(|row| row.3 != 0)
            .map(|(campaign, word, number, n)| {
                let kind = HitKind::ALL.into_iter().find(|kind| kind.as_str() == word);
                Ok(HitRecipientCount {
                    campaign: CampaignId(campaign),
                    kind: kind.ok_or_else(|| bad_row("hit_recipient_counters", &word, "unknown kind"))?,
                    verdict: verdict(number)?,
                    n,
                })
            })
            .collect()
    }
}
