//! Every attempt to hand a delivery to a relay. One that was accepted stands in its delivery's row, every other has a row
//! of its own.

use crate::bulk::{Bulk, Value};
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::StoreError;
use crate::outcome::Settlement;
use crate::parts::Part;
use tidings_campaign::ids::{CampaignId, RecipientId, Seq};
use tidings_campaign::time::Timestamp;

/// One attempt as it is listed for people.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ListedAttempt {
    /// The delivery's place in the campaign.
    pub seq: i64,
    /// The recipient's address; empty if the recipient is gone.
    pub address: String,
    /// Which attempt of the delivery, from 1.
    pub attempt: i64,
    /// When it began, UTC microseconds.
    pub at: i64,
    /// Through which relay.
    pub relay: Option<String>,
    /// In which session of the relay, counted from the start of the sender.
    pub session: Option<i64>,
    /// `accepted`, `deferred`, `rejected`, `expired` or `unknown`.
    pub outcome: String,
    /// The relay's reply code.
    pub code: Option<i64>,
    /// The enhanced status code.
    pub enhanced: Option<String>,
    /// The relay's words.
    pub reply: Option<String>,
    /// The verdict's class.
    pub class: Option<String>,
    /// The verdict's cause.
    pub cause: Option<String>,
    /// The finer reason, or what happened to the connection.
    pub reason: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// What was done: `suppressed`, or nothing.
    pub action: Option<String>,
    /// How long it took, in microseconds.
    pub duration_us: Option<i64>,
}

/// Where a page of attempts begins: after this attempt of this delivery.
pub type AfterAttempt = (Seq, i64);

/// An attempt whose delivery's row says already how it ended.
pub(crate) struct Ended {
    pub campaign: CampaignId,
    pub seq: Seq,
    pub began: Timestamp,
    pub outcome: &'static str,
    /// The rule that decided, if it was refused.
    pub rule: Option<String>,
    /// What was done about the address.
    pub action: Option<&'static str>,
}

/// The action of an attempt whose address was suppressed for it.
const SUPPRESSED: &str = "suppressed";

impl Ended {
    /// The attempt to be kept; none if nothing was tried, or it was accepted.
    pub(crate) fn of(s: &Settlement, now: Timestamp) -> Option<Ended> {
        s.outcome.is_kept_apart().then(|| Ended {
            campaign: s.held.campaign,
            seq: s.held.seq,
            began: s.attempt.map_or(now, |tried| tried.began),
            outcome: s.outcome.word(),
            rule: s.outcome.ruling().map(|ruling| ruling.rule.clone()),
            action: s.outcome.suppresses().map(|_| SUPPRESSED),
        })
    }
}

/// Keeps attempts as the rows of their deliveries tell them now. A truer account of the same attempt takes the place of
/// the one before.
pub(crate) fn keeping(part: Part, rows: &[Ended]) -> Bulk {
    let columns = |row: &Ended| -> [Value; 6] {
        [
            row.campaign.0.into(),
            row.seq.0.into(),
            row.began.0.into(),
            row.outcome.into(),
            Value::Text(row.rule.clone()),
            Value::Text(row.action.map(str::to_owned)),
        ]
    };
    Bulk::in_part(
        part,
        "INSERT INTO {attempts} (campaign_id, seq, attempt, at, relay, session, outcome, code, enhanced, reply, class, \
         cause, reason, rule, action, duration_us) \
         SELECT d.campaign_id, d.seq, d.attempts, v.column3, d.relay, d.session, v.column4, d.code, d.enhanced, \
         d.reply, d.class, d.cause, d.reason, v.column5, v.column6, d.duration_us FROM (VALUES ",
        ") AS v JOIN {deliveries} d ON d.campaign_id = v.column1 AND d.seq = v.column2 WHERE d.attempts > 0 \
         ON CONFLICT (campaign_id, seq, attempt) DO UPDATE SET at = excluded.at, relay = excluded.relay, \
         session = excluded.session, outcome = excluded.outcome, code = excluded.code, \
         enhanced = excluded.enhanced, reply = excluded.reply, class = excluded.class, cause = excluded.cause, \
         reason = excluded.reason, rule = excluded.rule, action = excluded.action, \
         duration_us = excluded.duration_us",
        rows.iter().flat_map(columns).collect(),
        rows.len(),
        6,
        rows.len() as u64,
    )
}

/// What was decided about an attempt that ended has led to the suppression of its address.
pub(crate) async fn mark_suppressed(tx: &mut Tx, campaign: CampaignId, seq: Seq) -> Result<(), StoreError> {
    const MARK: &str = "UPDATE attempts SET action = $1 WHERE campaign_id = $2 AND seq = $3 \
        AND attempt = (SELECT attempts FROM deliveries WHERE campaign_id = $2 AND seq = $3)";
    on_tx!(tx, conn => sqlx::query(MARK).bind(SUPPRESSED).bind(campaign.0).bind(seq.0)
        .execute(conn).await.map(drop))?;
    Ok(())
}

/// The last attempt of a delivery was accepted after all: its row says so, and nothing else may.
pub(crate) async fn forget_last(tx: &mut Tx, campaign: CampaignId, seq: Seq) -> Result<(), StoreError> {
    const FORGET: &str = "DELETE FROM attempts WHERE campaign_id = $1 AND seq = $2 \
        AND attempt = (SELECT attempts FROM deliveries WHERE campaign_id = $1 AND seq = $2)";
    on_tx!(tx, conn => sqlx::query(FORGET).bind(campaign.0).bind(seq.0).execute(conn).await.map(drop))?;
    Ok(())
}

impl Store {
    /// All attempts of one delivery, the oldest first.
    pub async fn attempts(&self, campaign: CampaignId, seq: Seq) -> Result<Vec<ListedAttempt>, StoreError> {
        self.attempts_between(campaign, (seq, 0), seq, i64::MAX).await
    }

    /// A page of the attempts of a campaign: up to `limit` of them after `after`, by delivery and the oldest first.
    pub async fn list_attempts(
        &self,
        campaign: CampaignId,
        after: AfterAttempt,
        limit: i64,
    ) -> Result<Vec<ListedAttempt>, StoreError> {
        self.attempts_between(campaign, after, Seq(i64::MAX), limit).await
    }

    async fn attempts_between(
        &self,
        campaign: CampaignId,
        (after, attempt): AfterAttempt,
        last: Seq,
        limit: i64,
    ) -> Result<Vec<ListedAttempt>, StoreError> {
        // Each part is read in the order of its key and only as far as the page goes. An acceptance is settled when its
        // reply has come.
        const LIST: &str = "SELECT a.*, COALESCE(r.address, '') AS address FROM ( \
            SELECT * FROM (SELECT seq, attempt, at, relay, session, outcome, code, enhanced, reply, class, cause, \
                reason, rule, action, duration_us FROM attempts \
                WHERE campaign_id = $1 AND (seq, attempt) > ($2, $3) AND seq <= $4 \
                ORDER BY seq, attempt LIMIT $5) AS failed \
            UNION ALL \
            SELECT * FROM (SELECT seq, attempts AS attempt, settled_at - COALESCE(duration_us, 0) AS at, relay, \
                session, state AS outcome, code, enhanced, reply, class, cause, reason, NULL AS rule, NULL AS action, \
                duration_us FROM deliveries \
                WHERE campaign_id = $1 AND (seq, attempts) > ($2, $3) AND seq <= $4 AND state = 'accepted' \
                ORDER BY seq LIMIT $5) AS taken) AS a \
            JOIN deliveries d ON d.campaign_id = $1 AND d.seq = a.seq \
            LEFT JOIN recipients r ON r.id = d.recipient_id ORDER BY a.seq, a.attempt LIMIT $5";
        Ok(
            on_pool!(self, pool => sqlx::query_as(LIST).bind(campaign.0).bind(after.0).bind(attempt).bind(last.0)
            .bind(limit).fetch_all(pool).await)?,
        )
    }

    /// The place of the delivery to this recipient, if there is one.
    pub async fn find_delivery(
        &self,
        campaign: CampaignId,
        recipient: RecipientId,
    ) -> Result<Option<Seq>, StoreError> {
        const FIND: &str = "SELECT seq FROM deliveries WHERE recipient_id = $1 AND campaign_id = $2";
        let seq: Option<i64> = on_pool!(self, pool => sqlx::query_scalar(FIND).bind(recipient.0).bind(campaign.0)
            .fetch_optional(pool).await)?;
        Ok(seq.map(Seq))
    }
}
