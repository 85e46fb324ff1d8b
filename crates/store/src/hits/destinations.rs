//! Where the links of a campaign lead.

use crate::engine::{Store, on_pool};
use crate::error::StoreError;
use tidings_campaign::ids::CampaignId;

impl Store {
    /// The links of a campaign: number and address.
    pub async fn hit_destinations(&self, campaign: CampaignId) -> Result<Vec<(u32, String)>, StoreError> {
        const LINKS: &str = "SELECT number, url FROM campaign_links WHERE campaign_id = $1 ORDER BY number";
        let rows: Vec<(i64, String)> =
            on_pool!(self, pool => sqlx::query_as(LINKS).bind(campaign.0).fetch_all(pool).await)?;
        Ok(rows
            .into_iter()
            .filter_map(|(number, url)| Some((u32::try_from(number).ok()?, url)))
            .collect())
    }
}
