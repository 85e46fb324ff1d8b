//! Pre-flight lists: asked for, made, kept, and what of them somebody takes on.
//!
//! Whoever asks writes a row (`asked`); whoever makes lists claims it (`running`), says every few seconds how far it is, and writes
//! the findings (`done`). One that has not moved for [`ABANDONED_AFTER`] is claimed again, so that a list outlives the process
//! that began it.

mod fingerprint;
mod overrides;

use crate::audit::{By, audit_in};
use crate::campaigns::has_started;
use crate::deliveries::lock_state;
use crate::engine::{Store, Tx, on_pool, on_tx, on_write_pool};
use crate::error::{StoreError, bad_row};
use crate::steering::about;
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::{Action, CampaignState, NotAllowed};
use tidings_campaign::preflight::Finding;
use tidings_campaign::preflight::verdict::{Kept, Override, Verdict, verdict};
use tidings_campaign::time::Timestamp;

/// After so long without a sign of life, a list that is being made is taken for abandoned.
pub const ABANDONED_AFTER: Duration = Duration::from_secs(60);

/// Where a list is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreflightState {
    /// Nobody has begun it yet.
    Asked,
    /// It is being made; how many recipients' messages have been.
    Running(u64),
    /// It is there.
    Done {
        /// What was found.
        findings: Vec<Finding>,
        /// Of what it was made.
        fingerprint: String,
        /// When it was finished.
        finished_at: Timestamp,
    },
    /// It could not be made; why.
    Failed(String),
}

/// The newest list of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preflight {
    /// Whose.
    pub campaign: CampaignId,
    /// Where it is.
    pub state: PreflightState,
    /// Who asked for it.
    pub asked_by: String,
    /// When.
    pub asked_at: Timestamp,
}

/// A list that this process makes: the campaign, and when it was asked for. Asked for again, it is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreflightClaim {
    /// Whose.
    pub campaign: CampaignId,
    asked_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Row {
    state: String,
    asked_by: String,
    asked_at: i64,
    rendered: i64,
    finished_at: Option<i64>,
    fingerprint: Option<String>,
    findings: Option<String>,
    failure: Option<String>,
}

impl Row {
    fn read(self, campaign: CampaignId) -> Result<Preflight, StoreError> {
        let bad = |problem: String| bad_row("preflights", campaign, problem);
        let state = match self.state.as_str() {
            "asked" => PreflightState::Asked,
            "running" => PreflightState::Running(self.rendered.unsigned_abs()),
            "failed" => PreflightState::Failed(self.failure.unwrap_or_default()),
            "done" => {
                let findings = self.findings.unwrap_or_default();
                PreflightState::Done {
                    findings: serde_json::from_str(&findings).map_err(|error| bad(error.to_string()))?,
                    fingerprint: self.fingerprint.unwrap_or_default(),
                    finished_at: Timestamp(self.finished_at.unwrap_or(self.asked_at)),
                }
            }
            word => return Err(bad(format!("unknown state `{word}`"))),
        };
        Ok(Preflight {
            campaign,
            state,
            asked_by: self.asked_by,
            asked_at: Timestamp(self.asked_at),
        })
    }
}

impl Store {
    /// Asks for the list of a campaign that has not started. One that is being made already goes on.
    pub async fn ask_preflight(
        &self,
        campaign: CampaignId,
        by: &By,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const ASK: &str = "INSERT INTO preflights (campaign_id, state, asked_by, asked_at, touched_at) \
            VALUES ($1, 'asked', $2, $3, $3) ON CONFLICT (campaign_id) DO UPDATE SET state = 'asked', asked_by = $2, \
            asked_at = $3, touched_at = $3, rendered = 0, finished_at = NULL, fingerprint = NULL, findings = NULL, failure = NULL \
            WHERE preflights.state IN ('done', 'failed')";
        let mut tx = self.begin_write().await?;
        check_not_started(&mut tx, campaign).await?;
        let asked = on_tx!(&mut tx, conn => sqlx::query(ASK).bind(campaign.0).bind(&by.who).bind(now.0)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if asked > 0 {
            audit_in(
                &mut tx,
                by,
                "ran the pre-flight list",
                (&about(campaign), ""),
                now,
            )
            .await?;
        }
        tx.commit().await
    }

    /// Takes the oldest list that nobody makes, if there is one.
    pub async fn claim_preflight(&self, now: Timestamp) -> Result<Option<PreflightClaim>, StoreError> {
        const NEXT: &str = "SELECT campaign_id, asked_at, touched_at FROM preflights \
            WHERE state = 'asked' OR (state = 'running' AND touched_at < $1) ORDER BY asked_at LIMIT 1";
        // Of several that look at once, one finds it as it was.
        const CLAIM: &str = "UPDATE preflights SET state = 'running', touched_at = $1, rendered = 0 \
            WHERE campaign_id = $2 AND asked_at = $3 AND touched_at = $4 AND state IN ('asked', 'running')";
        let abandoned = now.minus(ABANDONED_AFTER);
        let next: Option<(i64, i64, i64)> =
            on_pool!(self, pool => sqlx::query_as(NEXT).bind(abandoned.0).fetch_optional(pool).await)?;
        let Some((campaign, asked_at, touched_at)) = next else {
            return Ok(None);
        };
        // Always another time than before, so that a second claim does not find it.
        let touched_now = now.0.max(touched_at + 1);
        let claimed = on_write_pool!(self, pool => sqlx::query(CLAIM).bind(touched_now).bind(campaign).bind(asked_at)
            .bind(touched_at).execute(pool).await.map(|done| done.rows_affected()))?;
        Ok((claimed == 1).then_some(PreflightClaim {
            campaign: CampaignId(campaign),
            asked_at: Timestamp(asked_at),
        }))
    }

    /// Says how far a list is; false if it is not this process's any more.
    pub async fn touch_preflight(
        &self,
        claim: PreflightClaim,
        rendered: u64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const TOUCH: &str = "UPDATE preflights SET rendered = $1, touched_at = $2 \
            WHERE campaign_id = $3 AND asked_at = $4 AND state = 'running'";
        let rendered = i64::try_from(rendered).unwrap_or(i64::MAX);
        let rows = on_write_pool!(self, pool => sqlx::query(TOUCH).bind(rendered).bind(now.0)
            .bind(claim.campaign.0).bind(claim.asked_at.0).execute(pool).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// Keeps what was found, or why nothing could be: the list is at its end. False if it was asked for anew meanwhile.
    pub async fn finish_preflight(
        &self,
        claim: PreflightClaim,
        found: Result<(&[Finding], &str), &str>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const FINISH: &str = "UPDATE preflights SET state = $1, finished_at = $2, findings = $3, fingerprint = $4, failure = $5 \
            WHERE campaign_id = $6 AND asked_at = $7 AND state = 'running'";
        let (state, findings, fingerprint, failure) = match found {
            Ok((findings, fingerprint)) => ("done", Some(findings_json(findings)), Some(fingerprint), None),
            Err(why) => ("failed", None, None, Some(why)),
        };
        let rows = on_write_pool!(self, pool => sqlx::query(FINISH).bind(state).bind(now.0).bind(&findings)
            .bind(fingerprint).bind(failure).bind(claim.campaign.0).bind(claim.asked_at.0).execute(pool).await
            .map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// The newest list of a campaign, if there is one.
    pub async fn find_preflight(&self, campaign: CampaignId) -> Result<Option<Preflight>, StoreError> {
        const FIND: &str = "SELECT state, asked_by, asked_at, rendered, finished_at, fingerprint, findings, failure \
            FROM preflights WHERE campaign_id = $1";
        let row: Option<Row> =
            on_pool!(self, pool => sqlx::query_as(FIND).bind(campaign.0).fetch_optional(pool).await)?;
        row.map(|row| row.read(campaign)).transpose()
    }

    /// Whether a campaign may be scheduled from the dashboard, by its newest pre-flight list; and of what the verdict is, which
    /// goes with the campaign when it is scheduled ([`Start::cleared`](crate::scheduling::Start::cleared)).
    pub async fn preflight_verdict(
        &self,
        campaign: CampaignId,
        now: Timestamp,
    ) -> Result<(Verdict, String), StoreError> {
        let fingerprint = self.preflight_fingerprint(campaign).await?;
        let overrides = self.preflight_overrides(campaign).await?;
        let kept = self.find_preflight(campaign).await?;
        let verdict = verdict_of(kept.as_ref(), &overrides, &fingerprint, now);
        Ok((verdict, fingerprint))
    }
}

/// What follows from a list as it is kept.
pub fn verdict_of(
    preflight: Option<&Preflight>,
    overrides: &[Override],
    fingerprint_now: &str,
    now: Timestamp,
) -> Verdict {
    let kept = preflight.map(|preflight| match &preflight.state {
        PreflightState::Asked | PreflightState::Running(_) => Kept::Underway,
        PreflightState::Failed(_) => Kept::Failed,
        PreflightState::Done {
            findings,
            fingerprint,
            ..
        } => Kept::Done {
            findings,
            fingerprint,
            began: preflight.asked_at,
        },
    });
    verdict(kept.as_ref(), overrides, fingerprint_now, now)
}

fn findings_json(findings: &[Finding]) -> String {
    serde_json::to_string(findings).expect("findings are texts")
}

/// A list is about what is to come.
async fn check_not_started(tx: &mut Tx, campaign: CampaignId) -> Result<(), StoreError> {
    let state = lock_state(tx, campaign).await?;
    if has_started(tx, campaign).await? || state == CampaignState::Cancelled {
        let action = Action::Schedule;
        return Err(StoreError::NotAllowed(NotAllowed { state, action }));
    }
    Ok(())
}
