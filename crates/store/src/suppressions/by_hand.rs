//! Suppressions that a person makes or lifts in the dashboard; the audit log keeps who did it.

use super::{Suppression, lift_in, suppress_in};
use crate::audit::{By, audit_in};
use crate::engine::Store;
use crate::error::StoreError;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::time::Timestamp;

impl Store {
    /// Suppresses an address, as [`Store::suppress`] does. Returns whether it is new; if not, nothing is done.
    pub async fn suppress_by(
        &self,
        address: &EmailAddress,
        (reason, evidence): (&str, &str),
        by: &By,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        let key = address.key();
        let is_new = suppress_in(&mut tx, &key, (reason, evidence), now).await?;
        if is_new {
            let about = (key.as_str(), reason);
            audit_in(&mut tx, by, "suppressed an address", about, now).await?;
        }
        tx.commit().await?;
        Ok(is_new)
    }

    /// Lets an address be mailed again, as [`Store::lift_suppression`] does.
    pub async fn lift_suppression_by(
        &self,
        address: &EmailAddress,
        by: &By,
        now: Timestamp,
    ) -> Result<Option<Suppression>, StoreError> {
        let Some(found) = self.find_suppression(address).await? else {
            return Ok(None);
        };
        let mut tx = self.begin_write().await?;
        lift_in(&mut tx, address, Some(&found), now).await?;
        let key = address.key();
        let about = (key.as_str(), found.reason.as_str());
        audit_in(&mut tx, by, "lifted a suppression", about, now).await?;
        tx.commit().await?;
        Ok(Some(found))
    }
}
