//! The ledger's rows: planning them, reading what a lease covers, listing them. Moving them from state to state
//! is in [`crate::ledger`].

use crate::campaigns::utm_json;
use crate::counters::Deltas;
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
use crate::leases::{Lease, LeaseKind};
use crate::links;
use crate::outcome::LIMIT;
use std::collections::HashMap;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::eligibility::Standing;
use tidings_campaign::ids::{CampaignId, ListId, RecipientId, Seq};
use tidings_campaign::lifecycle::{Action, CampaignState, DeliveryState};
use tidings_campaign::recipient::{Recipient, Subscription};
use tidings_campaign::time::Timestamp;
use tidings_campaign::tracking::{TrackedLink, Tracking, Utm};

/// A leased delivery with all that is needed to decide and to send.
#[derive(Debug)]
pub struct Leased {
    /// Its place in the campaign.
    pub seq: Seq,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first tried.
    pub first_attempt_at: Option<Timestamp>,
    /// To whom; or why the recipient cannot be read, in words for its row.
    pub recipient: Result<Recipient, String>,
    /// What is known of the recipient's wish.
    pub standing: Standing,
}

/// One delivery as it is listed for people.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ListedDelivery {
    /// Its place in the campaign.
    pub seq: i64,
    /// The recipient's address; empty if the recipient is gone.
    pub address: String,
    /// Its state.
    pub state: String,
    /// How often it was tried.
    pub attempts: i64,
    /// The relay of the last try.
    pub relay: Option<String>,
    /// The relay's reply code.
    pub code: Option<i64>,
    /// The enhanced status code.
    pub enhanced: Option<String>,
    /// The relay's words.
    pub reply: Option<String>,
    /// The verdict's class.
    pub class: Option<String>,
    /// The verdict's cause, or why it was withheld.
    pub cause: Option<String>,
    /// The finer reason, or the whole story.
    pub reason: Option<String>,
    /// When it was last settled, UTC microseconds.
    pub settled_at: Option<i64>,
    /// When it goes out again, UTC microseconds.
    pub due_at: Option<i64>,
    /// In which session of the relay the last try ended, counted from the start of the sender.
    pub session: Option<i64>,
    /// How long the last try took, in microseconds.
    pub duration_us: Option<i64>,
}

impl ListedDelivery {
    /// The limit that a deferred delivery waits for; nothing if it was refused for now.
    pub fn waits_for(&self) -> Option<&str> {
        let aside = self.state == DeliveryState::Deferred.as_str() && self.cause.as_deref() == Some(LIMIT);
        aside.then_some(self.reason.as_deref()).flatten()
    }
}

/// What a campaign is from its start on, whatever is changed elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Frozen<'a> {
    /// The newsletter: JSON.
    pub content: &'a str,
    /// What becomes of its links.
    pub tracking: Tracking,
    /// What is added to their addresses; nothing: what the campaign says itself.
    pub utm: Option<&'a Utm>,
    /// Its tracked links.
    pub links: &'a [TrackedLink],
    /// The revision of the campaign that this was made of; nothing: whichever there is.
    pub revision: Option<i64>,
    /// The time that had come for it; nothing: whichever it has. Who was given another meanwhile waits for that.
    pub scheduled_at: Option<Timestamp>,
}

impl<'a> From<&'a str> for Frozen<'a> {
    /// A newsletter whose links stay as they are.
    fn from(content: &'a str) -> Frozen<'a> {
        Frozen {
            content,
            tracking: Tracking::Off,
            utm: None,
            links: &[],
            revision: None,
            scheduled_at: None,
        }
    }
}

/// Who is planned at the moment `$2`. It only narrows: `may_mail` decides, when the delivery is handed over. A child takes
/// only those whose deliveries of its parent are in the states that it is about.
macro_rules! eligible {
    () => {
        "FROM recipients r \
         WHERE r.id IN (SELECT s.recipient_id FROM subscriptions s JOIN campaign_lists cl ON cl.list_id = s.list_id \
             WHERE cl.campaign_id = $1 AND s.state = 'confirmed') \
         AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_key = r.address_key) \
         AND NOT EXISTS (SELECT 1 FROM pauses z WHERE z.recipient_id = r.id AND z.paused_until > $2) \
         AND (NOT EXISTS (SELECT 1 FROM campaigns c WHERE c.id = $1 AND c.parent_id IS NOT NULL) \
             OR r.id IN (SELECT p.recipient_id FROM campaigns c JOIN deliveries p ON p.campaign_id = c.parent_id \
                 WHERE c.id = $1 AND ',' || c.parent_states || ',' LIKE '%,' || p.state || ',%'))"
    };
}

/// The columns of a [`ListedDelivery`].
macro_rules! listed {
    () => {
        "d.seq, COALESCE(r.address, '') AS address, d.state, d.attempts, d.relay, d.code, d.enhanced, d.reply, d.class, \
         d.cause, d.reason, d.settled_at, d.due_at, d.session, d.duration_us"
    };
}
pub(crate) use listed;

const PLAN: &str = concat!(
    "INSERT INTO {deliveries} (campaign_id, seq, recipient_id) \
     SELECT $1, ROW_NUMBER() OVER (ORDER BY r.id), r.id ",
    eligible!()
);

impl Store {
    /// Plans a campaign and sets it sending, in one transaction: a row for every recipient that may be mailed.
    /// Returns how many are planned.
    pub async fn start_campaign<'a>(
        &self,
        campaign: CampaignId,
        frozen: impl Into<Frozen<'a>>,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let frozen = frozen.into();
        self.make_part_for(campaign).await?;
        let plan = self.parts.of(campaign).statement(PLAN);
        let mut tx = self.begin_write().await?;
        let state = lock_state(&mut tx, campaign).await?;
        let next = state.after(Action::Start, false)?;
        let planned = on_tx!(&mut tx, conn => sqlx::query(plan).bind(campaign.0).bind(now.0)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        let planned = i64::try_from(planned).expect("fewer rows than i64::MAX");
        const START: &str = "UPDATE campaigns SET state = $1, state_reason = NULL, planned = $2, content = $3, \
            started_at = $4, next_seq = 1, tracking = $5, utm = COALESCE($6, utm) WHERE id = $7 \
            AND revision = COALESCE($8, revision) AND COALESCE(scheduled_at, 0) = COALESCE($9, scheduled_at, 0)";
        let rows = on_tx!(&mut tx, conn => sqlx::query(START).bind(next.as_str()).bind(planned).bind(frozen.content)
            .bind(now.0).bind(frozen.tracking.as_str()).bind(frozen.utm.and_then(utm_json)).bind(campaign.0)
            .bind(frozen.revision).bind(frozen.scheduled_at.map(|at| at.0)).execute(conn).await.map(|done| done.rows_affected()))?;
        if rows == 0 {
            return Err(StoreError::WrittenMeanwhile(campaign));
        }
        links::put_in(&mut tx, campaign, frozen.links).await?;
        let mut deltas = Deltas::default();
        deltas.state(campaign, DeliveryState::Planned, planned);
        deltas.write(&mut tx, self.node(), now).await?;
        tx.commit().await?;
        Ok(planned)
    }

    /// The deliveries of a lease that still wait, with their recipients.
    pub async fn load(&self, lease: &Lease) -> Result<Vec<Leased>, StoreError> {
        const RANGE: &str = "SELECT d.seq, d.recipient_id, d.attempts, d.first_attempt_at, r.address, r.name, \
            r.attributes, x.reason, z.paused_until FROM {deliveries} d \
            LEFT JOIN recipients r ON r.id = d.recipient_id \
            LEFT JOIN suppressions x ON x.address_key = r.address_key \
            LEFT JOIN pauses z ON z.recipient_id = d.recipient_id \
            WHERE d.campaign_id = $1 AND d.seq BETWEEN $2 AND $3 AND d.state = 'planned' ORDER BY d.seq";
        const RETRY: &str = "SELECT d.seq, d.recipient_id, d.attempts, d.first_attempt_at, r.address, r.name, \
            r.attributes, x.reason, z.paused_until FROM {deliveries} d \
            LEFT JOIN recipients r ON r.id = d.recipient_id \
            LEFT JOIN suppressions x ON x.address_key = r.address_key \
            LEFT JOIN pauses z ON z.recipient_id = d.recipient_id \
            WHERE d.campaign_id = $1 AND d.seq BETWEEN $2 AND $3 AND d.state = 'leased' AND d.lease_id = $4 \
            ORDER BY d.seq";
        let text = match lease.kind {
            LeaseKind::Range => RANGE,
            LeaseKind::Retry => RETRY,
        };
        let text = self.parts.of(lease.campaign).statement(text);
        let rows: Vec<LeasedRow> = on_pool!(self, pool => {
            let query = sqlx::query_as(text).bind(lease.campaign.0).bind(lease.first.0).bind(lease.last.0);
            let query = if lease.kind == LeaseKind::Retry { query.bind(lease.id.0) } else { query };
            query.fetch_all(pool).await
        })?;
        let mut standings = self.standings(lease).await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let subscriptions = standings.remove(&row.seq).unwrap_or_default();
                row.into_leased(subscriptions)
            })
            .collect())
    }

    async fn standings(
        &self,
        lease: &Lease,
    ) -> Result<HashMap<i64, Vec<(ListId, Subscription)>>, StoreError> {
        const STANDINGS: &str = "SELECT d.seq, s.list_id, s.state FROM {deliveries} d \
            JOIN campaign_lists cl ON cl.campaign_id = d.campaign_id \
            JOIN subscriptions s ON s.list_id = cl.list_id AND s.recipient_id = d.recipient_id \
            WHERE d.campaign_id = $1 AND d.seq BETWEEN $2 AND $3";
        let text = self.parts.of(lease.campaign).statement(STANDINGS);
        let rows: Vec<(i64, i64, String)> = on_pool!(self, pool => sqlx::query_as(text)
            .bind(lease.campaign.0).bind(lease.first.0).bind(lease.last.0).fetch_all(pool).await)?;
        let mut standings: HashMap<i64, Vec<_>> = HashMap::with_capacity(rows.len());
        for (seq, list, word) in rows {
            let state = Subscription::parse(&word)
                .ok_or_else(|| bad_row("subscriptions", seq, format!("unknown state `{word}`")))?;
            standings.entry(seq).or_default().push((ListId(list), state));
        }
        Ok(standings)
    }

    /// What is known now of one recipient's wish.
    pub async fn standing(
        &self,
        campaign: CampaignId,
        recipient: RecipientId,
    ) -> Result<Standing, StoreError> {
        const SUBSCRIPTIONS: &str = "SELECT s.list_id, s.state FROM campaign_lists cl \
            JOIN subscriptions s ON s.list_id = cl.list_id AND s.recipient_id = $2 WHERE cl.campaign_id = $1";
        const SUPPRESSION: &str = "SELECT x.reason FROM recipients r \
            JOIN suppressions x ON x.address_key = r.address_key WHERE r.id = $1";
        let words: Vec<(i64, String)> = on_pool!(self, pool => sqlx::query_as(SUBSCRIPTIONS)
            .bind(campaign.0).bind(recipient.0).fetch_all(pool).await)?;
        let suppression = on_pool!(self, pool => sqlx::query_scalar(SUPPRESSION).bind(recipient.0)
            .fetch_optional(pool).await)?;
        let subscriptions = words
            .iter()
            .map(|(list, word)| {
                let state = Subscription::parse(word)
                    .ok_or_else(|| bad_row("subscriptions", recipient, format!("unknown state `{word}`")))?;
                Ok((ListId(*list), state))
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Standing {
            subscriptions,
            suppression,
            paused_until: self.pause_of(recipient).await?,
        })
    }

    /// How many recipients a campaign would be planned for now.
    pub async fn count_eligible(&self, campaign: CampaignId, now: Timestamp) -> Result<i64, StoreError> {
        const COUNT: &str = concat!("SELECT COUNT(*) ", eligible!());
        Ok(
            on_pool!(self, pool => sqlx::query_scalar(COUNT).bind(campaign.0).bind(now.0)
            .fetch_one(pool).await)?,
        )
    }

    /// A page of the recipients a campaign would be planned for now, by ascending id after `after`. Of their standings, only that
    /// on the list by which it would come is told.
    pub async fn eligible_page(
        &self,
        campaign: CampaignId,
        after: RecipientId,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<Leased>, StoreError> {
        const PAGE: &str = "SELECT CAST(0 AS BIGINT) AS seq, r.id AS recipient_id, CAST(0 AS BIGINT) AS attempts, \
            CAST(NULL AS BIGINT) AS first_attempt_at, r.address, r.name, r.attributes, \
            CAST(NULL AS TEXT) AS reason, CAST(NULL AS BIGINT) AS paused_until, \
            (SELECT MIN(s.list_id) FROM subscriptions s JOIN campaign_lists cl ON cl.list_id = s.list_id \
                WHERE cl.campaign_id = $1 AND s.recipient_id = r.id AND s.state = 'confirmed') AS by_list \
            FROM recipients r \
            WHERE r.id > $2 AND EXISTS (SELECT 1 FROM subscriptions s \
                JOIN campaign_lists cl ON cl.list_id = s.list_id \
                WHERE cl.campaign_id = $1 AND s.recipient_id = r.id AND s.state = 'confirmed') \
            AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_key = r.address_key) \
            AND NOT EXISTS (SELECT 1 FROM pauses z WHERE z.recipient_id = r.id AND z.paused_until > $4) \
            AND (NOT EXISTS (SELECT 1 FROM campaigns c WHERE c.id = $1 AND c.parent_id IS NOT NULL) \
                OR EXISTS (SELECT 1 FROM campaigns c JOIN deliveries p ON p.campaign_id = c.parent_id \
                    WHERE c.id = $1 AND p.recipient_id = r.id \
                    AND ',' || c.parent_states || ',' LIKE '%,' || p.state || ',%')) \
            ORDER BY r.id LIMIT $3";
        let rows: Vec<EligibleRow> = on_pool!(self, pool => sqlx::query_as(PAGE)
            .bind(campaign.0).bind(after.0).bind(limit).bind(now.0).fetch_all(pool).await)?;
        let leased =
            |EligibleRow { row, by_list }| row.into_leased(vec![(ListId(by_list), Subscription::Confirmed)]);
        Ok(rows.into_iter().map(leased).collect())
    }

    /// A page of the ledger: up to `limit` deliveries after `after`, in order, perhaps of one state only.
    pub async fn list_deliveries(
        &self,
        campaign: CampaignId,
        state: Option<DeliveryState>,
        after: Seq,
        limit: i64,
    ) -> Result<Vec<ListedDelivery>, StoreError> {
        const LIST: &str = concat!(
            "SELECT ",
            listed!(),
            " FROM deliveries d LEFT JOIN recipients r ON r.id = d.recipient_id \
             WHERE d.campaign_id = $1 AND d.seq > $2 AND ($3 = '' OR d.state = $3) ORDER BY d.seq LIMIT $4"
        );
        let word = state.map_or("", DeliveryState::as_str);
        let rows: Vec<ListedDelivery> = on_pool!(self, pool => sqlx::query_as(LIST)
            .bind(campaign.0).bind(after.0).bind(word).bind(limit).fetch_all(pool).await)?;
        Ok(rows)
    }

    /// When the next deferred delivery is due.
    pub async fn next_due(&self, campaign: CampaignId) -> Result<Option<Timestamp>, StoreError> {
        const NEXT: &str = "SELECT MIN(due_at) FROM {deliveries} \
            WHERE campaign_id = $1 AND state = 'deferred' AND due_at IS NOT NULL";
        let next = self.parts.of(campaign).statement(NEXT);
        let due: Option<i64> =
            on_pool!(self, pool => sqlx::query_scalar(next).bind(campaign.0).fetch_one(pool).await)?;
        Ok(due.map(Timestamp))
    }

    /// Counts the ledger itself, row by row: for checks that the counters tell the truth.
    pub async fn count_ledger(&self, campaign: CampaignId) -> Result<Vec<(DeliveryState, i64)>, StoreError> {
        const COUNT: &str = "SELECT state, COUNT(*) FROM deliveries WHERE campaign_id = $1 GROUP BY state";
        let rows: Vec<(String, i64)> =
            on_pool!(self, pool => sqlx::query_as(COUNT).bind(campaign.0).fetch_all(pool).await)?;
        rows.into_iter()
            .map(|(word, n)| match DeliveryState::parse(&word) {
                Some(state) => Ok((state, n)),
                None => Err(bad_row("deliveries", campaign, format!("unknown state `{word}`"))),
            })
            .collect()
    }
}

/// Reads a campaign's state and keeps others from changing it until the transaction ends.
pub(crate) async fn lock_state(tx: &mut Tx, campaign: CampaignId) -> Result<CampaignState, StoreError> {
    // An update that changes nothing takes the row's lock on both engines.
    const LOCK: &str = "UPDATE campaigns SET state = state WHERE id = $1 RETURNING state";
    let word: Option<String> =
        on_tx!(tx, conn => sqlx::query_scalar(LOCK).bind(campaign.0).fetch_optional(conn).await)?;
    let word = word.ok_or_else(|| StoreError::NotFound {
        what: "campaign",
        name: campaign.to_string(),
    })?;
    CampaignState::parse(&word)
        .ok_or_else(|| bad_row("campaigns", campaign, format!("unknown state `{word}`")))
}

#[derive(sqlx::FromRow)]
struct LeasedRow {
    seq: i64,
    recipient_id: i64,
    attempts: i64,
    first_attempt_at: Option<i64>,
    address: Option<String>,
    name: Option<String>,
    attributes: Option<String>,
    reason: Option<String>,
    paused_until: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct EligibleRow {
    #[sqlx(flatten)]
    row: LeasedRow,
    by_list: i64,
}

impl LeasedRow {
    fn into_leased(self, subscriptions: Vec<(ListId, Subscription)>) -> Leased {
        Leased {
            seq: Seq(self.seq),
            attempts: u32::try_from(self.attempts).unwrap_or_default(),
            first_attempt_at: self.first_attempt_at.map(Timestamp),
            recipient: recipient(self.recipient_id, self.address, self.name, self.attributes),
            standing: Standing {
                subscriptions,
                suppression: self.reason,
                paused_until: self.paused_until.map(Timestamp),
            },
        }
    }
}

fn recipient(
    id: i64,
    address: Option<String>,
    name: Option<String>,
    attributes: Option<String>,
) -> Result<Recipient, String> {
    let address = address.ok_or("the recipient has been deleted")?;
    Ok(Recipient {
        id: RecipientId(id),
        address: EmailAddress::parse(&address).map_err(|error| format!("the stored address: {error}"))?,
        name: name.unwrap_or_default(),
        attributes: serde_json::from_str(attributes.as_deref().unwrap_or("{}"))
            .map_err(|error| format!("the stored attributes: {error}"))?,
    })
}
