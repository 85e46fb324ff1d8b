//! What a recipient has wished by the links in messages: what is in force, the pause, and the way back.

use crate::counters::{Deltas, confirmed};
use crate::engine::{Store, on_pool, on_tx, on_write_pool};
use crate::error::{StoreError, bad_row};
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::{CampaignId, ListId, RecipientId};
use tidings_campaign::leaving::{PauseLength, Reason, Said};
use tidings_campaign::recipient::Subscription;
use tidings_campaign::time::Timestamp;

/// What the page behind a message's link must know of its recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The names of the campaign's lists, each with the recipient's standing if there is one.
    pub lists: Vec<(String, Option<Subscription>)>,
    /// Whether the recipient is on some list, of the campaign or not, and has not unsubscribed from it.
    pub is_on_some_list: bool,
    /// Until when the recipient wants no mail, if that is not over.
    pub paused_until: Option<Timestamp>,
    /// Whether an unsubscribe by this campaign's messages can be taken back.
    pub can_come_back: bool,
    /// Whether the address is suppressed: then no mail comes, whatever the recipient chooses.
    pub is_suppressed: bool,
    /// What the recipient's language attribute says.
    pub language: Option<String>,
    /// The recipient's address, unless it was changed since the campaign's message went out: whoever has that message need not
    /// be who has the new address.
    pub address: Option<EmailAddress>,
}

#[derive(sqlx::FromRow)]
struct WishRow {
    address: Option<String>,
    attributes: Option<String>,
    language_attribute: Option<String>,
    paused_until: Option<i64>,
    suppression: Option<String>,
    can_come_back: bool,
    is_on_some_list: bool,
}

impl Wish {
    /// Whether the recipient has left every list of the campaign; if the campaign is gone, every list.
    pub fn has_left(&self) -> bool {
        let left =
            |(_, standing): &(String, Option<Subscription>)| *standing == Some(Subscription::Unsubscribed);
        match self.lists.is_empty() {
            true => self.can_come_back,
            false => self.lists.iter().all(left),
        }
    }
}

impl Store {
    /// What a recipient's wishes are at this moment, as they concern a campaign.
    pub async fn wish(
        &self,
        campaign: CampaignId,
        recipient: RecipientId,
        now: Timestamp,
    ) -> Result<Wish, StoreError> {
        const LISTS: &str = "SELECT l.name, s.state FROM campaign_lists cl JOIN lists l ON l.id = cl.list_id \
            LEFT JOIN subscriptions s ON s.list_id = cl.list_id AND s.recipient_id = $2 \
            WHERE cl.campaign_id = $1 ORDER BY l.name";
        // By list, because the primary key of subscriptions begins with it. `CROSS JOIN`, because SQLite keeps its order: else it
        // may look through all subscriptions.
        const WISH: &str = "SELECT CASE WHEN EXISTS (SELECT 1 FROM address_changes a WHERE a.recipient_id = $2 AND a.changed_at > COALESCE( \
                (SELECT d.first_attempt_at FROM deliveries d WHERE d.recipient_id = $2 AND d.campaign_id = $1), 0)) \
            THEN NULL ELSE r.address END AS address, r.attributes, c.language_attribute, z.paused_until, x.reason AS suppression, \
            EXISTS (SELECT 1 FROM left_lists k WHERE k.campaign_id = $1 AND k.recipient_id = $2) AS can_come_back, \
            EXISTS (SELECT 1 FROM lists l CROSS JOIN subscriptions s \
                WHERE s.list_id = l.id AND s.recipient_id = $2 AND s.state <> 'unsubscribed') AS is_on_some_list \
            FROM (SELECT 1 AS one) o LEFT JOIN recipients r ON r.id = $2 LEFT JOIN campaigns c ON c.id = $1 \
            LEFT JOIN pauses z ON z.recipient_id = $2 AND z.paused_until > $3 \
            LEFT JOIN suppressions x ON x.address_key = r.address_key";
        let lists: Vec<(String, Option<String>)> = on_pool!(self, pool => sqlx::query_as(LISTS)
            .bind(campaign.0).bind(recipient.0).fetch_all(pool).await)?;
        let row: WishRow = on_pool!(self, pool => sqlx::query_as(WISH)
            .bind(campaign.0).bind(recipient.0).bind(now.0).fetch_one(pool).await)?;
        let standing = |word: String| {
            Subscription::parse(&word)
                .ok_or_else(|| bad_row("subscriptions", recipient, format!("unknown state `{word}`")))
        };
        Ok(Wish {
            lists: lists
                .into_iter()
                .map(|(name, word)| Ok((name, word.map(standing).transpose()?)))
                .collect::<Result<_, StoreError>>()?,
            is_on_some_list: row.is_on_some_list,
            paused_until: row.paused_until.map(Timestamp),
            can_come_back: row.can_come_back,
            is_suppressed: row.suppression.is_some(),
            language: language(row.attributes.as_deref(), row.language_attribute.as_deref()),
            address: row.address.and_then(|text| EmailAddress::parse(&text).ok()),
        })
    }

    /// Keeps all mail from a recipient for so long, whatever pause there was before; durable when it returns. Returns
    /// until when.
    pub async fn pause_recipient(
        &self,
        campaign: CampaignId,
        recipient: RecipientId,
        (length, said): (PauseLength, &Said),
        now: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        const PAUSE: &str = "INSERT INTO pauses (recipient_id, paused_until, campaign_id, created_at, reason, comment) \
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (recipient_id) DO UPDATE SET \
            paused_until = excluded.paused_until, campaign_id = excluded.campaign_id, \
            created_at = excluded.created_at, reason = excluded.reason, comment = excluded.comment";
        let until = now.plus(length.span());
        on_write_pool!(self, pool => sqlx::query(PAUSE).bind(recipient.0).bind(until.0).bind(campaign.0).bind(now.0)
            .bind(said.reason().map(Reason::as_str)).bind(said.comment()).execute(pool).await.map(drop))?;
        Ok(until)
    }

    /// Until when a recipient has asked for no mail; it may be over.
    pub(crate) async fn pause_of(&self, recipient: RecipientId) -> Result<Option<Timestamp>, StoreError> {
        const PAUSE: &str = "SELECT paused_until FROM pauses WHERE recipient_id = $1";
        let until: Option<i64> =
            on_pool!(self, pool => sqlx::query_scalar(PAUSE).bind(recipient.0).fetch_optional(pool).await)?;
        Ok(until.map(Timestamp))
    }

    /// Takes back what a recipient's unsubscribe by this campaign did, and ends their pause; durable when it returns. On each
    /// list that was left they stand as before: `pending` stays `pending`, and no suppression is lifted. Returns whether
    /// there was anything to take back.
    pub async fn come_back(
        &self,
        campaign: CampaignId,
        recipient: RecipientId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const JOIN: &str = "UPDATE subscriptions SET state = k.was, updated_at = $3 FROM left_lists k \
            WHERE k.campaign_id = $1 AND k.recipient_id = $2 AND k.was <> 'none' \
            AND subscriptions.list_id = k.list_id AND subscriptions.recipient_id = k.recipient_id \
            AND subscriptions.state = 'unsubscribed' RETURNING subscriptions.list_id, subscriptions.state";
        const FORGET_ROWS: &str = "DELETE FROM subscriptions WHERE recipient_id = $2 AND state = 'unsubscribed' \
            AND list_id IN (SELECT k.list_id FROM left_lists k \
                WHERE k.campaign_id = $1 AND k.recipient_id = $2 AND k.was = 'none')";
        const FORGET: &str = "DELETE FROM left_lists WHERE campaign_id = $1 AND recipient_id = $2";
        const UNDONE: &str = "UPDATE unsubscribes SET undone_at = $3 \
            WHERE campaign_id = $1 AND recipient_id = $2 AND undone_at IS NULL";
        const END_PAUSE: &str = "DELETE FROM pauses WHERE recipient_id = $1";
        let mut tx = self.begin_write().await?;
        let joined: Vec<(i64, String)> = on_tx!(&mut tx, conn => sqlx::query_as(JOIN).bind(campaign.0)
            .bind(recipient.0).bind(now.0).fetch_all(conn).await)?;
        let mut deltas = Deltas::default();
        for list in confirmed(joined) {
            deltas.confirmed(ListId(list), 1);
        }
        on_tx!(&mut tx, conn => sqlx::query(FORGET_ROWS).bind(campaign.0).bind(recipient.0)
            .execute(conn).await.map(drop))?;
        let lists = on_tx!(&mut tx, conn => sqlx::query(FORGET).bind(campaign.0).bind(recipient.0)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if lists > 0 {
            on_tx!(&mut tx, conn => sqlx::query(UNDONE).bind(campaign.0).bind(recipient.0).bind(now.0)
                .execute(conn).await.map(drop))?;
        }
        let pauses = on_tx!(&mut tx, conn => sqlx::query(END_PAUSE).bind(recipient.0)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        deltas.write(&mut tx, self.node(), now).await?;
        tx.commit().await?;
        Ok(lists + pauses > 0)
    }
}

/// The text of the attribute that names the recipient's language.
pub(crate) fn language(attributes: Option<&str>, attribute: Option<&str>) -> Option<String> {
    let attributes: serde_json::Map<_, _> = serde_json::from_str(attributes?).ok()?;
    attributes.get(attribute?)?.as_str().map(str::to_owned)
}
