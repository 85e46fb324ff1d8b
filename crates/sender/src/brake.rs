//! A campaign that hurts the sender's name pauses by itself: too many addresses that are gone, or too many complaints.

use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::Action;
use tidings_feedback::thresholds::{Thresholds, passed};
use tidings_store::{Store, StoreError};

/// Pauses a sending campaign if it has passed one of its thresholds since a person last resumed it, and something of it
/// is left to send. `configured`: what holds where the campaign says nothing else.
pub(crate) async fn brake(store: &Store, id: CampaignId, configured: Thresholds) -> Result<(), StoreError> {
    let (own, before) = store.campaign_thresholds(id).await?;
    let tally = store.tally(id).await?;
    let Some(passed) = passed(own.over(configured), tally.since(before)) else {
        return Ok(());
    };
    if store.count_open(id).await? == 0 {
        return Ok(());
    }
    let why = passed.reason(id);
    match store.move_campaign(id, Action::Pause, Some(&why)).await {
        Ok(_) => tracing::warn!(campaign = id.0, "{why}"),
        // Another node or a person was faster.
        Err(StoreError::NotAllowed(error)) => tracing::debug!(campaign = id.0, "not paused: {error}"),
        Err(error) => return Err(error),
    }
    Ok(())
}
