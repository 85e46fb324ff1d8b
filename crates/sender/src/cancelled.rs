//! Settling what is left of cancelled campaigns: at once what waits, later what was with a sender then.

use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Clock;
use tidings_store::{Store, StoreError};

/// Rows of one transaction at most, so that nobody waits for long.
const ROWS: i64 = 20_000;

/// Settles what can be settled of one campaign.
pub async fn settle(store: &Store, campaign: CampaignId, clock: &Clock) -> Result<(), StoreError> {
    while store.settle_cancelled(campaign, ROWS, clock.now()).await? > 0 {}
    Ok(())
}

/// Settles what has come back since campaigns were cancelled, or was lost with its sender.
pub async fn sweep(store: &Store, clock: &Clock) -> Result<(), StoreError> {
    for campaign in store.cancelled_but_open().await? {
        settle(store, campaign, clock).await?;
    }
    Ok(())
}
