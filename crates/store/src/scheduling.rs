//! When campaigns start: giving them a time, taking it away, and what is coming.

use crate::audit::{By, audit_in};
use crate::campaigns::{Campaign, has_started};
use crate::deliveries::lock_state;
use crate::engine::{Store, on_pool, on_tx, on_write_pool};
use crate::error::{StoreError, bad_row};
use crate::steering::about;
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::{Action, CampaignState};
use tidings_campaign::schedule::Schedule;
use tidings_campaign::time::Timestamp;

/// When and how a campaign starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its time.
    pub schedule: Schedule,
    /// Over how long its messages are spread from then on, in whole seconds; as fast as the limits let them if nothing is said.
    pub spread: Option<Duration>,
    /// How late it may start, in whole seconds; as before if nothing is said.
    pub greatest_lateness: Option<Duration>,
    /// Of what the pre-flight list was made that clears it: changed since, it is held when its time comes. Nothing: no list is
    /// asked for.
    pub cleared: Option<String>,
}

/// A campaign as the calendar shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarEntry {
    /// Its identity.
    pub id: CampaignId,
    /// For people.
    pub name: String,
    /// Where it stands.
    pub state: CampaignState,
    /// When it started, or else when it is to start.
    pub at: Timestamp,
    /// Over how long its messages are spread.
    pub spread: Option<Duration>,
}

/// Campaigns of a calendar's page at most.
const SHOWN: i64 = 1000;

impl Store {
    /// Gives a campaign its time.
    pub async fn schedule_campaign(
        &self,
        id: CampaignId,
        start: &Start,
        by: &By,
        now: Timestamp,
    ) -> Result<CampaignState, StoreError> {
        const SCHEDULE: &str = "UPDATE campaigns SET state = $1, state_reason = NULL, scheduled_at = $2, \
            scheduled_local = $3, scheduled_zone = $4, spread_seconds = $5, \
            greatest_lateness_seconds = COALESCE($6, greatest_lateness_seconds), cleared_fingerprint = $7 WHERE id = $8";
        let Start {
            schedule,
            spread,
            greatest_lateness,
            cleared,
        } = start;
        let mut tx = self.begin_write().await?;
        let state = lock_state(&mut tx, id).await?;
        let next = state.after(Action::Schedule, has_started(&mut tx, id).await?)?;
        on_tx!(&mut tx, conn => sqlx::query(SCHEDULE).bind(next.as_str()).bind(schedule.at.0)
            .bind(&schedule.local).bind(&schedule.zone).bind(spread.map(seconds))
            .bind(greatest_lateness.map(seconds)).bind(cleared).bind(id.0).execute(conn).await.map(drop))?;
        let detail = match spread {
            Some(spread) => format!("for {}, spread over {} s", schedule.at, spread.as_secs()),
            None => format!("for {}", schedule.at),
        };
        audit_in(&mut tx, by, "scheduled a campaign", (&about(id), &detail), now).await?;
        tx.commit().await?;
        Ok(next)
    }

    /// Makes a campaign that has not started a draft again.
    pub async fn unschedule_campaign(
        &self,
        id: CampaignId,
        by: &By,
        now: Timestamp,
    ) -> Result<CampaignState, StoreError> {
        const UNSCHEDULE: &str = "UPDATE campaigns SET state = $1, state_reason = NULL, scheduled_at = NULL, \
            scheduled_local = NULL, scheduled_zone = NULL, spread_seconds = NULL, cleared_fingerprint = NULL WHERE id = $2";
        let mut tx = self.begin_write().await?;
        let state = lock_state(&mut tx, id).await?;
        let next = state.after(Action::Unschedule, has_started(&mut tx, id).await?)?;
        on_tx!(&mut tx, conn => sqlx::query(UNSCHEDULE).bind(next.as_str()).bind(id.0).execute(conn).await
            .map(drop))?;
        let detail = format!("{state} → {next}");
        audit_in(
            &mut tx,
            by,
            "took a campaign off the calendar",
            (&about(id), &detail),
            now,
        )
        .await?;
        tx.commit().await?;
        Ok(next)
    }

    /// Holds a campaign that cannot start now that its time has come. False, and nothing is changed, if it is not any more what was
    /// read: another node has started or held it meanwhile, or a person has changed it.
    pub async fn hold_scheduled(&self, campaign: &Campaign, reason: &str) -> Result<bool, StoreError> {
        const HOLD: &str = "UPDATE campaigns SET state = $1, state_reason = $2 \
            WHERE id = $3 AND state = 'scheduled' AND revision = $4 AND scheduled_at = $5";
        let held = campaign.state.after(Action::Hold, false)?;
        let at = campaign.schedule.as_ref().map(|schedule| schedule.at.0);
        let rows = on_write_pool!(self, pool => sqlx::query(HOLD).bind(held.as_str()).bind(reason).bind(campaign.id.0)
            .bind(campaign.revision).bind(at).execute(pool).await.map(|done| done.rows_affected()))?;
        Ok(rows == 1)
    }

    /// The campaigns that started or are to start in this time, the first first.
    pub async fn calendar(
        &self,
        from: Timestamp,
        before: Timestamp,
    ) -> Result<Vec<CalendarEntry>, StoreError> {
        const CALENDAR: &str = "SELECT id, name, state, COALESCE(started_at, scheduled_at), spread_seconds \
            FROM campaigns WHERE COALESCE(started_at, scheduled_at) >= $1 AND COALESCE(started_at, scheduled_at) < $2 \
            AND (started_at IS NOT NULL OR state IN ('scheduled', 'paused', 'held')) \
            ORDER BY COALESCE(started_at, scheduled_at), id LIMIT $3";
        let rows: Vec<(i64, String, String, i64, Option<i64>)> = on_pool!(self, pool => sqlx::query_as(CALENDAR)
            .bind(from.0).bind(before.0).bind(SHOWN).fetch_all(pool).await)?;
        let entry = |(id, name, state, at, spread): (i64, String, String, i64, Option<i64>)| {
            let state = CampaignState::parse(&state)
                .ok_or_else(|| bad_row("campaigns", id, "unknown state".to_owned()))?;
            Ok(CalendarEntry {
                id: CampaignId(id),
                name,
                state,
                at: Timestamp(at),
                spread: spread
                    .and_then(|seconds| u64::try_from(seconds).ok())
                    .map(Duration::from_secs),
            })
        };
        rows.into_iter().map(entry).collect()
    }

    /// The zone in which somebody last gave a campaign its time.
    pub async fn last_zone(&self) -> Result<Option<String>, StoreError> {
        const ZONE: &str =
            "SELECT scheduled_zone FROM campaigns WHERE scheduled_local <> '' ORDER BY id DESC LIMIT 1";
        let zone: Option<String> =
            on_pool!(self, pool => sqlx::query_scalar(ZONE).fetch_optional(pool).await)?;
        Ok(zone)
    }
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}
