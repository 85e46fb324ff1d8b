//! Amber findings that somebody takes on, with a reason.

use super::{PreflightState, check_not_started, findings_json};
use crate::audit::{By, audit_in};
use crate::engine::{Store, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
use crate::steering::about;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::preflight::verdict::{Override, key};
use tidings_campaign::preflight::{Check, Finding};
use tidings_campaign::time::Timestamp;

#[derive(sqlx::FromRow)]
struct Row {
    check_code: String,
    finding: String,
    reason: String,
    who: String,
    at: i64,
}

impl Store {
    /// Somebody takes an amber finding on. It must stand in the campaign's newest list as it was read; a red one is refused, and one
    /// that stands for others; what is taken on already gets the newer reason.
    pub async fn override_preflight(
        &self,
        campaign: CampaignId,
        finding: &Finding,
        reason: &str,
        by: &By,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const KEEP: &str = "INSERT INTO preflight_overrides (campaign_id, check_code, finding, reason, who, at) \
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (campaign_id, check_code, finding) \
            DO UPDATE SET reason = $4, who = $5, at = $6";
        // The list is asked again inside of the transaction: it may have been made anew meanwhile.
        const STANDS: &str =
            "SELECT COUNT(*) FROM preflights WHERE campaign_id = $1 AND state = 'done' AND findings = $2";
        let stored = self
            .find_preflight(campaign)
            .await?
            .map(|preflight| preflight.state);
        let findings = match stored {
            Some(PreflightState::Done { findings, .. }) => findings,
            _ => return Err(StoreError::NotInPreflight),
        };
        if !finding.may_be_taken_on() || !findings.contains(finding) {
            return Err(StoreError::NotInPreflight);
        }
        let mut tx = self.begin_write().await?;
        check_not_started(&mut tx, campaign).await?;
        let stands: i64 = on_tx!(&mut tx, conn => sqlx::query_scalar(STANDS).bind(campaign.0)
            .bind(findings_json(&findings)).fetch_one(conn).await)?;
        if stands == 0 {
            return Err(StoreError::NotInPreflight);
        }
        on_tx!(&mut tx, conn => sqlx::query(KEEP).bind(campaign.0).bind(finding.check.code()).bind(key(finding))
            .bind(reason).bind(&by.who).bind(now.0).execute(conn).await.map(drop))?;
        // Not what was found: it may name a recipient, and what is in the audit log stays when somebody is erased.
        let detail = format!("{}: {reason}", finding.check);
        audit_in(
            &mut tx,
            by,
            "overrode a pre-flight finding",
            (&about(campaign), &detail),
            now,
        )
        .await?;
        tx.commit().await
    }

    /// What somebody has taken on of a campaign's lists, also of former ones: it holds where the same is found again.
    pub async fn preflight_overrides(&self, campaign: CampaignId) -> Result<Vec<Override>, StoreError> {
        const ALL: &str = "SELECT check_code, finding, reason, who, at FROM preflight_overrides WHERE campaign_id = $1 \
            ORDER BY check_code, finding";
        let rows: Vec<Row> =
            on_pool!(self, pool => sqlx::query_as(ALL).bind(campaign.0).fetch_all(pool).await)?;
        let read = |row: Row| match Check::parse(&row.check_code) {
            Some(check) => Ok(Override {
                check,
                finding: row.finding,
                reason: row.reason,
                who: row.who,
                at: Timestamp(row.at),
            }),
            None => Err(bad_row(
                "preflight_overrides",
                campaign,
                format!("unknown check `{}`", row.check_code),
            )),
        };
        rows.into_iter().map(read).collect()
    }
}
