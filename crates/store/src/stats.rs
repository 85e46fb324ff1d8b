//! What the dashboard and `tidings stats` show. Reads counters, never the ledger.

use crate::engine::{Store, on_pool};
use crate::error::{StoreError, bad_row};
use std::collections::HashMap;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::lifecycle::{CampaignState, DeliveryState, UnknownPolicy};
use tidings_campaign::schedule::Schedule;
use tidings_campaign::time::Timestamp;

/// A campaign as the dashboard shows it.
#[derive(Clone, Debug)]
pub struct CampaignSummary {
    /// Its identity.
    pub id: CampaignId,
    /// For people.
    pub name: String,
    /// Where it stands.
    pub state: CampaignState,
    /// Why it stands there, if that needs a word.
    pub state_reason: Option<String>,
    /// What happens to deliveries whose answer was lost.
    pub unknown_policy: UnknownPolicy,
    /// How many deliveries were planned.
    pub planned: i64,
    /// When it is to start.
    pub schedule: Option<Schedule>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When the last delivery had its outcome.
    pub finished_at: Option<Timestamp>,
    /// When retention removed its single deliveries; nothing while they are there.
    pub deliveries_removed_at: Option<Timestamp>,
    /// How many deliveries are in each state, in the order of [`DeliveryState::ALL`].
    pub states: [i64; DeliveryState::ALL.len()],
}

impl CampaignSummary {
    /// How many deliveries are in this state.
    pub fn count(&self, state: DeliveryState) -> i64 {
        DeliveryState::ALL
            .iter()
            .position(|s| *s == state)
            .map_or(0, |index| self.states[index])
    }
}

/// What happened to a campaign in one minute.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct MinuteCount {
    /// The campaign's id.
    pub campaign_id: i64,
    /// Minutes since 1970.
    pub minute: i64,
    /// A state of a delivery (outcome of an attempt), or `unsubscribed`.
    pub outcome: String,
    /// The verdict's class; empty if there was no verdict.
    pub class: String,
    /// How often.
    pub n: i64,
}

/// What happened on one day, by everything that the counters tell apart.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Breakdown {
    /// Days since 1970, in UTC.
    pub day: i64,
    /// The relay's name; empty for what no relay had a part in.
    pub relay: String,
    /// The mailbox provider; empty likewise.
    pub provider: String,
    /// As in [`MinuteCount`].
    pub outcome: String,
    /// As in [`MinuteCount`].
    pub class: String,
    /// How often.
    pub n: i64,
}

#[derive(sqlx::FromRow)]
pub(crate) struct SummaryRow {
    pub(crate) id: i64,
    name: String,
    state: String,
    state_reason: Option<String>,
    unknown_policy: String,
    planned: i64,
    scheduled_at: Option<i64>,
    scheduled_local: Option<String>,
    scheduled_zone: Option<String>,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    deliveries_removed_at: Option<i64>,
}

impl SummaryRow {
    pub(crate) fn into_summary(
        self,
        states: [i64; DeliveryState::ALL.len()],
    ) -> Result<CampaignSummary, StoreError> {
        let state = CampaignState::parse(&self.state)
            .ok_or_else(|| bad_row("campaigns", self.id, format!("unknown state `{}`", self.state)))?;
        let unknown_policy = UnknownPolicy::parse(&self.unknown_policy)
            .ok_or_else(|| bad_row("campaigns", self.id, "unknown policy".to_owned()))?;
        Ok(CampaignSummary {
            id: CampaignId(self.id),
            name: self.name,
            state,
            state_reason: self.state_reason,
            unknown_policy,
            planned: self.planned,
            schedule: self.scheduled_at.map(|at| Schedule {
                at: Timestamp(at),
                local: self.scheduled_local.unwrap_or_default(),
                zone: self.scheduled_zone.unwrap_or_default(),
            }),
            started_at: self.started_at.map(Timestamp),
            finished_at: self.finished_at.map(Timestamp),
            deliveries_removed_at: self.deliveries_removed_at.map(Timestamp),
            states,
        })
    }
}

/// What is under way or waits for somebody comes first.
const NEWEST: &str = "SELECT id, name, state, state_reason, unknown_policy, planned, scheduled_at, scheduled_local, scheduled_zone, \
    started_at, finished_at, deliveries_removed_at FROM campaigns \
    ORDER BY CASE WHEN state IN ('scheduled', 'sending', 'paused', 'held') THEN 0 ELSE 1 END, id DESC LIMIT $1";

const ONE: &str = "SELECT id, name, state, state_reason, unknown_policy, planned, scheduled_at, scheduled_local, scheduled_zone, \
    started_at, finished_at, deliveries_removed_at FROM campaigns WHERE id = $1";

const STATES_OF_ONE: &str = "SELECT campaign_id, state, CAST(SUM(n) AS BIGINT) FROM campaign_counters \
    WHERE campaign_id = $1 GROUP BY campaign_id, state";

const STATES_OF_NEWEST: &str = "SELECT campaign_id, state, CAST(SUM(n) AS BIGINT) FROM campaign_counters \
    WHERE campaign_id IN (SELECT id FROM campaigns \
        ORDER BY CASE WHEN state IN ('scheduled', 'sending', 'paused', 'held') THEN 0 ELSE 1 END, id DESC LIMIT $1) \
    GROUP BY campaign_id, state";

impl Store {
    /// At most `limit` campaigns: first those that are under way or wait, then the others; the newest first.
    pub async fn campaign_summaries(&self, limit: i64) -> Result<Vec<CampaignSummary>, StoreError> {
        let rows: Vec<SummaryRow> =
            on_pool!(self, pool => sqlx::query_as(NEWEST).bind(limit).fetch_all(pool).await)?;
        let counts: Vec<(i64, String, i64)> =
            on_pool!(self, pool => sqlx::query_as(STATES_OF_NEWEST).bind(limit).fetch_all(pool).await)?;
        let mut states = by_campaign(counts)?;
        rows.into_iter()
            .map(|row| {
                let states = states.remove(&row.id).unwrap_or_default();
                row.into_summary(states)
            })
            .collect()
    }

    /// One campaign, if it exists.
    pub async fn find_campaign_summary(&self, id: CampaignId) -> Result<Option<CampaignSummary>, StoreError> {
        let row: Option<SummaryRow> =
            on_pool!(self, pool => sqlx::query_as(ONE).bind(id.0).fetch_optional(pool).await)?;
        let Some(row) = row else { return Ok(None) };
        let counts: Vec<(i64, String, i64)> =
            on_pool!(self, pool => sqlx::query_as(STATES_OF_ONE).bind(id.0).fetch_all(pool).await)?;
        let states = by_campaign(counts)?.remove(&id.0).unwrap_or_default();
        row.into_summary(states).map(Some)
    }

    /// What happened in this minute (since 1970) and later, to all campaigns, summed over nodes, relays and
    /// providers.
    pub async fn counts_since(&self, minute: i64) -> Result<Vec<MinuteCount>, StoreError> {
        const SINCE: &str = "SELECT campaign_id, minute, outcome, class, CAST(SUM(n) AS BIGINT) AS n \
            FROM send_counters WHERE minute >= $1 GROUP BY campaign_id, minute, outcome, class";
        Ok(on_pool!(self, pool => sqlx::query_as(SINCE).bind(minute).fetch_all(pool).await)?)
    }

    /// What happened by day, relay, provider, outcome and class: to one campaign, or to all together.
    pub async fn breakdown(&self, campaign: Option<CampaignId>) -> Result<Vec<Breakdown>, StoreError> {
        const OF_ONE: &str = "SELECT minute / 1440 AS day, relay, provider, outcome, class, CAST(SUM(n) AS BIGINT) AS n \
            FROM send_counters WHERE campaign_id = $1 GROUP BY minute / 1440, relay, provider, outcome, class \
            ORDER BY 1, 2, 3, 4, 5";
        const OF_ALL: &str = "SELECT minute / 1440 AS day, relay, provider, outcome, class, CAST(SUM(n) AS BIGINT) AS n \
            FROM send_counters GROUP BY minute / 1440, relay, provider, outcome, class ORDER BY 1, 2, 3, 4, 5";
        Ok(match campaign {
            Some(id) => on_pool!(self, pool => sqlx::query_as(OF_ONE).bind(id.0).fetch_all(pool).await)?,
            None => on_pool!(self, pool => sqlx::query_as(OF_ALL).fetch_all(pool).await)?,
        })
    }
}

pub(crate) fn by_campaign(
    rows: Vec<(i64, String, i64)>,
) -> Result<HashMap<i64, [i64; DeliveryState::ALL.len()]>, StoreError> {
    let mut campaigns: HashMap<i64, [i64; DeliveryState::ALL.len()]> = HashMap::new();
    for (campaign, word, n) in rows {
        let index = DeliveryState::ALL
            .iter()
            .position(|state| state.as_str() == word)
            .ok_or_else(|| bad_row("campaign_counters", campaign, format!("unknown state `{word}`")))?;
        campaigns.entry(campaign).or_default()[index] = n;
    }
    Ok(campaigns)
}
