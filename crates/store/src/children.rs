//! Child campaigns: once more, to those whom another campaign did not reach.

use crate::audit::{By, audit_in};
use crate::campaign_files::copy_in;
use crate::campaigns::{NewCampaign, create_in};
use crate::deliveries::lock_state;
use crate::engine::Store;
use crate::error::StoreError;
use crate::retention::check_deliveries_are_there;
use crate::steering::about;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::DeliveryState;
use tidings_campaign::time::Timestamp;

/// What a campaign to those not reached is called, if a person says nothing.
pub fn again_name(parent: &str) -> String {
    format!("{parent}, again")
}

impl Store {
    /// Makes a draft like `parent`, to those of its recipients whose deliveries are in one of `states` when the draft
    /// is started, and who may still be mailed then. Refused while the parent may still reach somebody.
    pub async fn create_child(
        &self,
        parent: CampaignId,
        states: &[DeliveryState],
        name: &str,
        by: &By,
        now: Timestamp,
    ) -> Result<CampaignId, StoreError> {
        if states.is_empty() {
            return Err(StoreError::NoState);
        }
        if let Some(open) = states.iter().find(|state| state.is_open()) {
            return Err(StoreError::NoOutcome(*open));
        }
        let new = NewCampaign {
            name: name.to_owned(),
            parent: Some((parent, states.to_vec())),
            ..self.new_like(parent).await?
        };
        let mut tx = self.begin_write().await?;
        let state = lock_state(&mut tx, parent).await?;
        if !state.is_over() {
            return Err(StoreError::ParentNotDone { parent, state });
        }
        check_deliveries_are_there(&mut tx, parent).await?;
        let id = create_in(&mut tx, &new, now).await?;
        copy_in(&mut tx, parent, id).await?;
        let words: Vec<_> = states.iter().map(|state| state.as_str()).collect();
        let detail = format!("of {}: {}", about(parent), words.join(", "));
        audit_in(&mut tx, by, "made a campaign again", (&about(id), &detail), now).await?;
        tx.commit().await?;
        Ok(id)
    }
}
