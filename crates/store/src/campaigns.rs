//! Campaigns: making them, reading them, moving them through their life.

use crate::campaign_files;
use crate::deliveries::lock_state;
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
use crate::own_content::{self, OwnContent};
use crate::thresholds;
use std::time::Duration;
use tidings_campaign::ids::{CampaignId, ListId};
use tidings_campaign::lifecycle::{Action, CampaignState, DeliveryState, UnknownPolicy};
use tidings_campaign::message::attachment::Attachment;
use tidings_campaign::schedule::Schedule;
use tidings_campaign::time::Timestamp;
use tidings_campaign::tracking::{Tracking, Utm};
use tidings_feedback::thresholds::OwnThresholds;

/// A campaign to be made. Its texts have been checked before.
#[derive(Clone, Debug)]
pub struct NewCampaign {
    /// For people.
    pub name: String,
    /// To whom.
    pub lists: Vec<ListId>,
    /// The template's name.
    pub template: String,
    /// A Handlebars text.
    pub subject: String,
    /// What inboxes show after it, a Handlebars text; its template's own if there is none.
    pub preheader: Option<String>,
    /// Content of its own, the fallback first; nothing: it sends its template.
    pub own: Vec<OwnContent>,
    /// `Name <address>`.
    pub sender: String,
    /// `Name <address>`.
    pub reply_to: Option<String>,
    /// The greatest rate, as written: `50/s`.
    pub rate: Option<String>,
    /// What happens to deliveries whose answer is lost.
    pub unknown_policy: UnknownPolicy,
    /// How late it may start.
    pub greatest_lateness: Duration,
    /// Through which pool of relays, if not through that of its sender's domain.
    pub pool: Option<String>,
    /// Sessions at once at most.
    pub max_sessions: Option<i64>,
    /// If it goes only to those of another campaign's recipients whose deliveries are in one of these states.
    pub parent: Option<Parent>,
    /// What goes with every message.
    pub files: Vec<Attachment>,
    /// The attribute that names a recipient's own file.
    pub attach_from: Option<String>,
    /// The attribute that names a recipient's language.
    pub language_attribute: String,
    /// When it pauses by itself, where that is not as configured.
    pub thresholds: OwnThresholds,
    /// What becomes of its links; if nothing is said, its lists or the configuration say it when it starts.
    pub tracking: Option<Tracking>,
    /// What is added to their addresses, beside what its lists say.
    pub utm: Utm,
    /// It is kept out of the archives of its lists.
    pub archive_hidden: bool,
}

/// The attribute that names a recipient's language, if nothing else is said.
pub const LANGUAGE_ATTRIBUTE: &str = "language";

/// A campaign before this one, and the states of its deliveries that this one is about.
pub type Parent = (CampaignId, Vec<DeliveryState>);

/// A campaign as it is kept.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Its identity.
    pub id: CampaignId,
    /// For people.
    pub name: String,
    /// Where it stands.
    pub state: CampaignState,
    /// Why it stands there, if that needs a word.
    pub state_reason: Option<String>,
    /// The template's name.
    pub template: String,
    /// The subject's Handlebars text.
    pub subject: String,
    /// The preheader's, if it has one of its own.
    pub preheader: Option<String>,
    /// Grows by one each time the campaign is written.
    pub revision: i64,
    /// `Name <address>`.
    pub sender: String,
    /// `Name <address>`.
    pub reply_to: Option<String>,
    /// The greatest rate, as written.
    pub rate: Option<String>,
    /// What happens to deliveries whose answer is lost.
    pub unknown_policy: UnknownPolicy,
    /// When it starts.
    pub schedule: Option<Schedule>,
    /// How late it may start.
    pub greatest_lateness: Duration,
    /// Over how long its messages are spread from its start on.
    pub spread: Option<Duration>,
    /// Of what the pre-flight list was made that cleared it when it was scheduled; nothing if none was asked for.
    pub cleared: Option<String>,
    /// Through which pool of relays, if not through that of its sender's domain.
    pub pool: Option<String>,
    /// Sessions at once at most.
    pub max_sessions: Option<i64>,
    /// If it goes only to those of another campaign's recipients whose deliveries are in one of these states.
    pub parent: Option<Parent>,
    /// The attribute that names a recipient's own file.
    pub attach_from: Option<String>,
    /// The attribute that names a recipient's language.
    pub language_attribute: String,
    /// What becomes of its links, as far as it says so; once it has started, what holds.
    pub tracking: Option<Tracking>,
    /// What is added to their addresses, as far as it says so; once it has started, all.
    pub utm: Utm,
    /// The frozen newsletter, once it has started: JSON.
    pub content: Option<String>,
    /// How many deliveries were planned.
    pub planned: i64,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When the last delivery had its outcome.
    pub finished_at: Option<Timestamp>,
    /// When retention removed its single deliveries; nothing while they are there.
    pub deliveries_removed_at: Option<Timestamp>,
}

/// By name: a connection to SQLite that was opened before a migration would be taken by surprise by a `*`.
macro_rules! all_columns {
    () => {
        "SELECT id, name, state, state_reason, template_name, subject, preheader, revision, sender, reply_to, rate, unknown_policy, \
         scheduled_at, scheduled_local, scheduled_zone, greatest_lateness_seconds, spread_seconds, \
         cleared_fingerprint, pool, max_sessions, parent_id, \
         parent_states, attach_from, language_attribute, tracking, utm, content, planned, started_at, finished_at, \
         deliveries_removed_at FROM campaigns"
    };
}

const GET: &str = concat!(all_columns!(), " WHERE id = $1");

#[derive(sqlx::FromRow)]
struct CampaignRow {
    id: i64,
    name: String,
    state: String,
    state_reason: Option<String>,
    template_name: String,
    subject: String,
    preheader: Option<String>,
    revision: i64,
    sender: String,
    reply_to: Option<String>,
    rate: Option<String>,
    unknown_policy: String,
    scheduled_at: Option<i64>,
    scheduled_local: Option<String>,
    scheduled_zone: Option<String>,
    greatest_lateness_seconds: i64,
    spread_seconds: Option<i64>,
    cleared_fingerprint: Option<String>,
    pool: Option<String>,
    max_sessions: Option<i64>,
    parent_id: Option<i64>,
    parent_states: Option<String>,
    attach_from: Option<String>,
    language_attribute: String,
    tracking: Option<String>,
    utm: Option<String>,
    content: Option<String>,
    planned: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    deliveries_removed_at: Option<i64>,
}

impl TryFrom<CampaignRow> for Campaign {
    type Error = StoreError;

    fn try_from(row: CampaignRow) -> Result<Self, StoreError> {
        let bad = |problem: &str| bad_row("campaigns", row.id, problem);
        let parent = match row.parent_id {
            Some(id) => {
                let states = row.parent_states.as_deref().unwrap_or_default();
                let states = parse_states(states).ok_or_else(|| bad("unknown states of its parent"))?;
                Some((CampaignId(id), states))
            }
            None => None,
        };
        let tracking = parse_tracking(row.tracking.as_deref()).ok_or_else(|| bad("unknown tracking"))?;
        let utm = row
            .utm
            .as_deref()
            .map_or(Ok(Utm::default()), serde_json::from_str);
        let utm = utm.map_err(|error| bad(&format!("its utm: {error}")))?;
        Ok(Campaign {
            id: CampaignId(row.id),
            state: CampaignState::parse(&row.state).ok_or_else(|| bad("unknown state"))?,
            unknown_policy: UnknownPolicy::parse(&row.unknown_policy).ok_or_else(|| bad("unknown policy"))?,
            schedule: row.scheduled_at.map(|at| Schedule {
                at: Timestamp(at),
                local: row.scheduled_local.unwrap_or_default(),
                zone: row.scheduled_zone.unwrap_or_default(),
            }),
            greatest_lateness: Duration::from_secs(u64::try_from(row.greatest_lateness_seconds).unwrap_or(0)),
            spread: row
                .spread_seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map(Duration::from_secs),
            cleared: row.cleared_fingerprint,
            pool: row.pool,
            max_sessions: row.max_sessions,
            parent,
            attach_from: row.attach_from,
            language_attribute: row.language_attribute,
            tracking,
            utm,
            name: row.name,
            state_reason: row.state_reason,
            template: row.template_name,
            subject: row.subject,
            preheader: row.preheader,
            revision: row.revision,
            sender: row.sender,
            reply_to: row.reply_to,
            rate: row.rate,
            content: row.content,
            planned: row.planned,
            started_at: row.started_at.map(Timestamp),
            finished_at: row.finished_at.map(Timestamp),
            deliveries_removed_at: row.deliveries_removed_at.map(Timestamp),
        })
    }
}

impl Store {
    /// Makes a campaign, as a draft.
    pub async fn create_campaign(&self, new: &NewCampaign, now: Timestamp) -> Result<CampaignId, StoreError> {
        let mut tx = self.begin_write().await?;
        let id = create_in(&mut tx, new, now).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// The campaign, which must exist.
    pub async fn get_campaign(&self, id: CampaignId) -> Result<Campaign, StoreError> {
        let row: Option<CampaignRow> =
            on_pool!(self, pool => sqlx::query_as(GET).bind(id.0).fetch_optional(pool).await)?;
        row.ok_or_else(|| StoreError::NotFound {
            what: "campaign",
            name: id.to_string(),
        })?
        .try_into()
    }

    /// All campaigns in one of `states` (all, if none is given), the newest first.
    pub async fn list_campaigns(&self, states: &[CampaignState]) -> Result<Vec<Campaign>, StoreError> {
        const LIST: &str = concat!(all_columns!(), " ORDER BY id DESC");
        let rows: Vec<CampaignRow> = on_pool!(self, pool => sqlx::query_as(LIST).fetch_all(pool).await)?;
        let campaigns = rows
            .into_iter()
            .map(Campaign::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(campaigns
            .into_iter()
            .filter(|c| states.is_empty() || states.contains(&c.state))
            .collect())
    }

    /// The campaigns that are sending, by id: what the sender looks at several times a second.
    pub async fn sending_campaigns(&self) -> Result<Vec<CampaignId>, StoreError> {
        const SENDING: &str = "SELECT id FROM campaigns WHERE state = 'sending' ORDER BY id";
        let ids: Vec<i64> = on_pool!(self, pool => sqlx::query_scalar(SENDING).fetch_all(pool).await)?;
        Ok(ids.into_iter().map(CampaignId).collect())
    }

    /// Scheduled campaigns whose time has come.
    pub async fn due_campaigns(&self, now: Timestamp) -> Result<Vec<Campaign>, StoreError> {
        const DUE: &str = concat!(
            all_columns!(),
            " WHERE state = 'scheduled' AND scheduled_at <= $1 ORDER BY scheduled_at, id"
        );
        let rows: Vec<CampaignRow> =
            on_pool!(self, pool => sqlx::query_as(DUE).bind(now.0).fetch_all(pool).await)?;
        rows.into_iter().map(Campaign::try_from).collect()
    }

    /// The names of a campaign's lists with their ids, the oldest first.
    pub async fn lists_of(&self, campaign: CampaignId) -> Result<Vec<(ListId, String)>, StoreError> {
        const LISTS: &str = "SELECT l.id, l.name FROM lists l JOIN campaign_lists cl ON cl.list_id = l.id \
            WHERE cl.campaign_id = $1 ORDER BY l.id";
        let rows: Vec<(i64, String)> =
            on_pool!(self, pool => sqlx::query_as(LISTS).bind(campaign.0).fetch_all(pool).await)?;
        Ok(rows.into_iter().map(|(id, name)| (ListId(id), name)).collect())
    }

    /// Moves a campaign to the state after `action`, with the reason that is shown to people.
    pub async fn move_campaign(
        &self,
        id: CampaignId,
        action: Action,
        reason: Option<&str>,
    ) -> Result<CampaignState, StoreError> {
        let mut tx = self.begin_write().await?;
        let state = lock_state(&mut tx, id).await?;
        let next = move_in(&mut tx, id, (state, action), reason).await?;
        tx.commit().await?;
        Ok(next)
    }

    /// Finishes a sending campaign if every delivery has its outcome. Returns whether it is finished now.
    pub async fn finish_if_done(&self, id: CampaignId, now: Timestamp) -> Result<bool, StoreError> {
        /// Whether it is done. A campaign is asked this again and again, so first without keeping anybody waiting.
        macro_rules! done {
            () => {
                "WHERE id = $1 AND state = 'sending' AND next_seq > planned \
                 AND NOT EXISTS (SELECT 1 FROM leases WHERE campaign_id = $1) \
                 AND NOT EXISTS (SELECT 1 FROM {deliveries} WHERE campaign_id = $1 AND state = 'deferred' AND due_at IS NOT NULL)"
            };
        }
        const LOOK: &str = concat!("SELECT EXISTS (SELECT 1 FROM campaigns ", done!(), ")");
        const FINISH: &str = concat!(
            "UPDATE campaigns SET state = 'finished', finished_at = $2 ",
            done!()
        );
        let part = self.parts.of(id);
        let is_done: bool = on_pool!(self, pool => sqlx::query_scalar(part.statement(LOOK)).bind(id.0).fetch_one(pool).await)?;
        if !is_done {
            return Ok(false);
        }
        // What somebody has just made of its deliveries is seen only by a statement that begins when the campaign's row is held.
        let mut tx = self.begin_write().await?;
        lock_state(&mut tx, id).await?;
        let rows = on_tx!(&mut tx, conn => sqlx::query(part.statement(FINISH)).bind(id.0).bind(now.0)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        tx.commit().await?;
        Ok(rows == 1)
    }

    /// How many deliveries are in each state, from the counters.
    pub async fn delivery_counts(&self, id: CampaignId) -> Result<Vec<(DeliveryState, i64)>, StoreError> {
        const COUNTS: &str = "SELECT state, CAST(SUM(n) AS BIGINT) FROM campaign_counters \
            WHERE campaign_id = $1 GROUP BY state";
        let rows: Vec<(String, i64)> =
            on_pool!(self, pool => sqlx::query_as(COUNTS).bind(id.0).fetch_all(pool).await)?;
        rows.into_iter()
            .map(|(word, n)| match DeliveryState::parse(&word) {
                Some(state) => Ok((state, n)),
                None => Err(bad_row(
                    "campaign_counters",
                    id,
                    format!("unknown state `{word}`"),
                )),
            })
            .collect()
    }
}

/// Moves a campaign, whose state was read and locked in this transaction, to the state after an action.
pub(crate) async fn move_in(
    tx: &mut Tx,
    id: CampaignId,
    (state, action): (CampaignState, Action),
    reason: Option<&str>,
) -> Result<CampaignState, StoreError> {
    let next = state.after(action, has_started(tx, id).await?)?;
    const MOVE: &str = "UPDATE campaigns SET state = $1, state_reason = $2 WHERE id = $3";
    on_tx!(tx, conn => sqlx::query(MOVE).bind(next.as_str()).bind(reason).bind(id.0)
        .execute(conn).await.map(drop))?;
    if action == Action::Resume {
        thresholds::begin_anew_in(tx, id).await?;
    }
    Ok(next)
}

/// The campaign inside a transaction, which must exist.
pub(crate) async fn get_in(tx: &mut Tx, id: CampaignId) -> Result<Campaign, StoreError> {
    let row: CampaignRow = on_tx!(tx, conn => sqlx::query_as(GET).bind(id.0).fetch_one(conn).await)?;
    row.try_into()
}

/// Whether its deliveries have been planned, be it to nobody.
pub(crate) async fn has_started(tx: &mut Tx, id: CampaignId) -> Result<bool, StoreError> {
    const STARTED: &str = "SELECT COUNT(*) FROM campaigns WHERE id = $1 AND started_at IS NOT NULL";
    let n: i64 = on_tx!(tx, conn => sqlx::query_scalar(STARTED).bind(id.0).fetch_one(conn).await)?;
    Ok(n == 1)
}

/// Makes a campaign inside a transaction.
pub(crate) async fn create_in(
    tx: &mut Tx,
    new: &NewCampaign,
    now: Timestamp,
) -> Result<CampaignId, StoreError> {
    const INSERT: &str = "INSERT INTO campaigns (name, template_name, subject, sender, reply_to, rate, \
        unknown_policy, greatest_lateness_seconds, pool, max_sessions, parent_id, parent_states, \
        attach_from, language_attribute, tracking, utm, archive_hidden, created_at, preheader) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) RETURNING id";
    const LIST: &str = "INSERT INTO campaign_lists (campaign_id, list_id) VALUES ($1, $2)";
    let lateness = i64::try_from(new.greatest_lateness.as_secs()).unwrap_or(i64::MAX);
    let parent = new.parent.as_ref();
    let utm = utm_json(&new.utm);
    let id: i64 = on_tx!(tx, conn => sqlx::query_scalar(INSERT)
        .bind(&new.name).bind(&new.template).bind(&new.subject).bind(&new.sender).bind(&new.reply_to)
        .bind(&new.rate).bind(new.unknown_policy.as_str()).bind(lateness).bind(&new.pool).bind(new.max_sessions)
        .bind(parent.map(|(id, _)| id.0)).bind(parent.map(|(_, states)| join_states(states)))
        .bind(&new.attach_from).bind(&new.language_attribute).bind(new.tracking.map(Tracking::as_str))
        .bind(&utm).bind(i64::from(new.archive_hidden)).bind(now.0).bind(&new.preheader)
        .fetch_one(conn).await)?;
    for list in &new.lists {
        on_tx!(tx, conn => sqlx::query(LIST).bind(id).bind(list.0).execute(conn).await.map(drop))?;
    }
    own_content::keep_in(tx, CampaignId(id), &new.own).await?;
    campaign_files::keep_in(tx, CampaignId(id), &new.files).await?;
    thresholds::keep_in(tx, CampaignId(id), new.thresholds).await?;
    Ok(CampaignId(id))
}

/// UTM parameters as they are kept; nothing if there are none.
pub(crate) fn utm_json(utm: &Utm) -> Option<String> {
    (!utm.is_empty()).then(|| serde_json::json!(utm).to_string())
}

/// A mode as it is kept, if one is; `None` if it is none.
pub(crate) fn parse_tracking(word: Option<&str>) -> Option<Option<Tracking>> {
    word.map_or(Some(None), |word| Tracking::parse(word).map(Some))
}

fn join_states(states: &[DeliveryState]) -> String {
    let words: Vec<_> = states.iter().map(|state| state.as_str()).collect();
    words.join(",")
}

fn parse_states(text: &str) -> Option<Vec<DeliveryState>> {
    text.split(',').map(DeliveryState::parse).collect()
}
