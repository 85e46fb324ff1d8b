//! What a person asks of a campaign. Each change is kept in the audit log, in its own transaction.

use crate::audit::{By, audit_in};
use crate::campaigns::move_in;
use crate::counters::Deltas;
use crate::deliveries::lock_state;
use crate::engine::{Store, Tx, on_tx};
use crate::error::StoreError;
use crate::retention::check_deliveries_are_there;
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::{Action, CampaignState, DeliveryState, NotAllowed, UnknownPolicy};
use tidings_campaign::schedule::{Due, Missed, due};
use tidings_campaign::time::Timestamp;

/// How the audit log names a campaign.
pub(crate) fn about(campaign: CampaignId) -> String {
    format!("campaign {campaign}")
}

impl Store {
    /// Pauses, resumes or cancels a campaign. One that has missed its time is not resumed: it would be held again at once.
    /// What a cancelled campaign has not sent is settled by [`Store::settle_cancelled`].
    pub async fn steer_campaign(
        &self,
        campaign: CampaignId,
        action: Action,
        by: &By,
        now: Timestamp,
    ) -> Result<CampaignState, StoreError> {
        let mut tx = self.begin_write().await?;
        let state = lock_state(&mut tx, campaign).await?;
        let next = move_in(&mut tx, campaign, (state, action), None).await?;
        if action == Action::Cancel {
            const CANCELLED: &str = "UPDATE campaigns SET cancelled_at = $1 WHERE id = $2";
            on_tx!(&mut tx, conn => sqlx::query(CANCELLED).bind(now.0).bind(campaign.0).execute(conn).await
                .map(drop))?;
        }
        if action == Action::Resume && next == CampaignState::Scheduled {
            check_not_missed(&mut tx, campaign, now).await?;
        }
        let (what, about) = (format!("{} a campaign", action.word()), about(campaign));
        let detail = format!("{state} → {next}");
        audit_in(&mut tx, by, &what, (&about, &detail), now).await?;
        tx.commit().await?;
        Ok(next)
    }

    /// Sends the campaign's unknown deliveries again: they become due now, and a finished campaign goes on.
    pub async fn resend_unknown(
        &self,
        campaign: CampaignId,
        by: &By,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin_write().await?;
        let state = lock_state(&mut tx, campaign).await?;
        if !state.may_resend() {
            let action = Action::Resume;
            return Err(StoreError::NotAllowed(NotAllowed { state, action }));
        }
        check_deliveries_are_there(&mut tx, campaign).await?;
        const RESEND: &str = "UPDATE deliveries SET state = 'deferred', due_at = $1, lease_id = NULL \
            WHERE campaign_id = $2 AND state = 'unknown'";
        let n = on_tx!(&mut tx, conn => sqlx::query(RESEND).bind(now.0).bind(campaign.0).execute(conn).await
            .map(|done| done.rows_affected()))?;
        if n > 0 && state == CampaignState::Finished {
            const REOPEN: &str = "UPDATE campaigns SET state = 'sending', finished_at = NULL WHERE id = $1";
            on_tx!(&mut tx, conn => sqlx::query(REOPEN).bind(campaign.0).execute(conn).await.map(drop))?;
        }
        let mut deltas = Deltas::default();
        let moved = i64::try_from(n).expect("fewer rows than i64::MAX");
        deltas.moved(campaign, DeliveryState::Unknown, DeliveryState::Deferred, moved);
        deltas.write(&mut tx, self.node(), now).await?;
        let (about, detail) = (about(campaign), format!("{n} deliveries"));
        audit_in(&mut tx, by, "sent the unknown again", (&about, &detail), now).await?;
        tx.commit().await?;
        Ok(n)
    }

    /// Leaves the campaign's unknown deliveries as they are, and those to come: nobody is asked about them any more.
    /// Returns how many there are.
    pub async fn leave_unknown(
        &self,
        campaign: CampaignId,
        by: &By,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        const LEAVE: &str = "UPDATE campaigns SET unknown_policy = $1 WHERE id = $2";
        const COUNT: &str = "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM campaign_counters \
            WHERE campaign_id = $1 AND state = 'unknown'";
        let mut tx = self.begin_write().await?;
        lock_state(&mut tx, campaign).await?;
        let skip = UnknownPolicy::Skip.as_str();
        on_tx!(&mut tx, conn => sqlx::query(LEAVE).bind(skip).bind(campaign.0).execute(conn).await.map(drop))?;
        let n: i64 =
            on_tx!(&mut tx, conn => sqlx::query_scalar(COUNT).bind(campaign.0).fetch_one(conn).await)?;
        let (about, detail) = (about(campaign), format!("{n} deliveries"));
        audit_in(
            &mut tx,
            by,
            "left the unknown as they are",
            (&about, &detail),
            now,
        )
        .await?;
        tx.commit().await?;
        Ok(n.unsigned_abs())
    }
}

async fn check_not_missed(tx: &mut Tx, campaign: CampaignId, now: Timestamp) -> Result<(), StoreError> {
    const TIME: &str = "SELECT scheduled_at, greatest_lateness_seconds FROM campaigns WHERE id = $1";
    let (at, greatest): (Option<i64>, i64) =
        on_tx!(tx, conn => sqlx::query_as(TIME).bind(campaign.0).fetch_one(conn).await)?;
    let greatest = Duration::from_secs(u64::try_from(greatest).unwrap_or(0));
    match at.map(|at| due(Timestamp(at), greatest, now)) {
        Some(Due::TooLate(late)) => Err(StoreError::Missed {
            campaign,
            missed: Missed { late, greatest },
        }),
        _ => Ok(()),
    }
}
