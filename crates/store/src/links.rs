//! The tracked links of campaigns.

use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
use tidings_campaign::ids::CampaignId;
use tidings_campaign::tracking::TrackedLink;

type LinkRow = (i64, String, String, String);

impl Store {
    /// The tracked links of a campaign, by number; none before it has started.
    pub async fn links_of(&self, campaign: CampaignId) -> Result<Vec<TrackedLink>, StoreError> {
        const LINKS: &str = "SELECT number, url, text, languages FROM campaign_links \
            WHERE campaign_id = $1 ORDER BY number";
        let rows: Vec<LinkRow> =
            on_pool!(self, pool => sqlx::query_as(LINKS).bind(campaign.0).fetch_all(pool).await)?;
        rows.into_iter().map(|row| read(campaign, row)).collect()
    }
}

fn read(campaign: CampaignId, (number, url, text, languages): LinkRow) -> Result<TrackedLink, StoreError> {
    let number = u32::try_from(number)
        .map_err(|_| bad_row("campaign_links", campaign, format!("the number {number}")))?;
    Ok(TrackedLink {
        number,
        url,
        text,
        languages,
    })
}

/// Keeps the links in the transaction that starts the campaign.
pub(crate) async fn put_in(
    tx: &mut Tx,
    campaign: CampaignId,
    links: &[TrackedLink],
) -> Result<(), StoreError> {
    const PUT: &str = "INSERT INTO campaign_links (campaign_id, number, url, text, languages) \
        VALUES ($1, $2, $3, $4, $5)";
    for link in links {
        on_tx!(tx, conn => sqlx::query(PUT).bind(campaign.0).bind(i64::from(link.number)).bind(&link.url)
            .bind(&link.text).bind(&link.languages).execute(conn).await.map(drop))?;
    }
    Ok(())
}
