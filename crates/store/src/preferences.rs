//! What a recipient sees and changes behind the link to their preferences: lists, name and attributes.

use crate::counters::Deltas;
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
use crate::recipients::{RecipientRow, recipient};
use crate::unsubscribes::{Unsubscribe, remember_in};
use crate::wishes::language;
use serde_json::{Map, Value};
use tidings_campaign::ids::{CampaignId, ListId, RecipientId};
use tidings_campaign::recipient::{Recipient, Subscription};
use tidings_campaign::time::Timestamp;

/// A list, as it concerns one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnList {
    /// Which.
    pub id: ListId,
    /// Its name.
    pub name: String,
    /// How the recipient stands on it, if there is anything to be said.
    pub standing: Option<Subscription>,
}

impl OwnList {
    /// Whether the recipient is on it, or waits to be.
    pub fn is_on(&self) -> bool {
        matches!(
            self.standing,
            Some(Subscription::Confirmed | Subscription::Pending)
        )
    }
}

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Preferences {
    /// Whose they are.
    pub recipient: Recipient,
    /// All lists there are, by name.
    pub lists: Vec<OwnList>,
    /// Whether the address is suppressed: then no mail comes, whatever is chosen.
    pub is_suppressed: bool,
    /// Until when the recipient wants no mail, if that is not over.
    pub paused_until: Option<Timestamp>,
    /// What the recipient's language attribute says, as the campaign calls it or else as it is called by default.
    pub language: Option<String>,
}

/// Which lists are to be joined and left.
#[derive(Clone, Debug)]
pub struct ListsWish {
    /// Those to be joined by the recipient's own wish.
    pub join: Vec<ListId>,
    /// Those to be left.
    pub leave: Vec<ListId>,
    /// What was written where the recipient wished it.
    pub text: String,
    /// The network that the wish came from.
    pub network: Option<String>,
}

impl Store {
    /// What is known of a recipient for the page, behind a link of that campaign; none if the recipient is gone.
    pub async fn preferences(
        &self,
        campaign: CampaignId,
        recipient: RecipientId,
        now: Timestamp,
    ) -> Result<Option<Preferences>, StoreError> {
        const WHO: &str = "SELECT id, address, name, attributes FROM recipients WHERE id = $1";
        const LISTS: &str = "SELECT l.id, l.name, s.state FROM lists l \
            LEFT JOIN subscriptions s ON s.list_id = l.id AND s.recipient_id = $1 ORDER BY l.name";
        const REST: &str = "SELECT (SELECT c.language_attribute FROM campaigns c WHERE c.id = $1), \
            (SELECT z.paused_until FROM pauses z WHERE z.recipient_id = $2 AND z.paused_until > $3), \
            EXISTS (SELECT 1 FROM recipients r JOIN suppressions x ON x.address_key = r.address_key WHERE r.id = $2)";
        let row: Option<RecipientRow> = on_pool!(self, pool => sqlx::query_as(WHO).bind(recipient.0)
            .fetch_optional(pool).await)?;
        let Some(row) = row else {
            return Ok(None);
        };
        let attributes = row.3.clone();
        let lists: Vec<(i64, String, Option<String>)> =
            on_pool!(self, pool => sqlx::query_as(LISTS).bind(recipient.0).fetch_all(pool).await)?;
        let (language_attribute, paused_until, is_suppressed): (Option<String>, Option<i64>, bool) = on_pool!(self, pool =>
            sqlx::query_as(REST).bind(campaign.0).bind(recipient.0).bind(now.0).fetch_one(pool).await)?;
        let language_attribute =
            language_attribute.unwrap_or_else(|| crate::campaigns::LANGUAGE_ATTRIBUTE.to_owned());
        Ok(Some(Preferences {
            recipient: self::recipient(row)?,
            lists: lists.into_iter().map(own_list).collect::<Result<_, _>>()?,
            is_suppressed,
            paused_until: paused_until.map(Timestamp),
            language: language(Some(&attributes), Some(&language_attribute)),
        }))
    }

    /// Joins and leaves lists as a recipient wishes it by a link of that campaign; durable when it returns, and it may be
    /// repeated. What is left follows the rules of an unsubscribe: it holds for the next message, no import lifts it, and the
    /// campaign's own link offers the way back. A list on which the recipient is `pending` stays so. If the recipient is gone,
    /// nothing is joined.
    pub async fn choose_lists(
        &self,
        (campaign, recipient): (CampaignId, RecipientId),
        wish: &ListsWish,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        let mut deltas = Deltas::default();
        let is_there = hold(&mut tx, recipient).await?.is_some();
        for list in wish.join.iter().filter(|_| is_there) {
            let rows = join(&mut tx, (campaign, recipient), *list, wish, now).await?;
            deltas.confirmed(*list, rows);
        }
        let mut has_left_campaign = false;
        for list in &wish.leave {
            has_left_campaign |= leave(&mut tx, &mut deltas, (campaign, recipient), *list, now).await?;
        }
        if has_left_campaign {
            let wish = Unsubscribe::by("preferences");
            remember_in(&mut tx, &mut deltas, (campaign, recipient), &wish, now).await?;
        }
        deltas.write(&mut tx, self.node(), now).await?;
        tx.commit().await
    }

    /// Writes the name, if one is given, and the attributes that are given; the others stay. Returns false if the recipient is
    /// gone.
    pub async fn change_profile(
        &self,
        recipient: RecipientId,
        name: Option<&str>,
        changed: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const WRITE: &str =
            "UPDATE recipients SET name = COALESCE($1, name), attributes = $2, updated_at = $3 WHERE id = $4";
        let mut tx = self.begin_write().await?;
        let Some(held) = hold(&mut tx, recipient).await? else {
            return Ok(false);
        };
        let mut attributes: Map<String, Value> = serde_json::from_str(&held.attributes)
            .map_err(|error| bad_row("recipients", recipient, format!("the attributes: {error}")))?;
        attributes.extend(changed.clone());
        let attributes = Value::Object(attributes).to_string();
        on_tx!(&mut tx, conn => sqlx::query(WRITE).bind(name).bind(attributes).bind(now.0).bind(recipient.0)
            .execute(conn).await.map(drop))?;
        tx.commit().await?;
        Ok(true)
    }
}

/// What a recipient's row says.
#[derive(sqlx::FromRow)]
pub(crate) struct HeldRecipient {
    pub(crate) address: String,
    pub(crate) address_key: String,
    pub(crate) attributes: String,
}

/// Reads a recipient's row and keeps others from changing it until the transaction ends; none if it is gone.
pub(crate) async fn hold(tx: &mut Tx, recipient: RecipientId) -> Result<Option<HeldRecipient>, StoreError> {
    // An update that changes nothing takes the row's lock on both engines.
    const HOLD: &str = "UPDATE recipients SET updated_at = updated_at WHERE id = $1 \
        RETURNING address, address_key, attributes";
    Ok(on_tx!(tx, conn => sqlx::query_as(HOLD).bind(recipient.0).fetch_optional(conn).await)?)
}

/// The same for whoever is about to erase the recipient: then those wait too who only need the row to stay.
pub(crate) async fn hold_to_erase(
    tx: &mut Tx,
    recipient: RecipientId,
) -> Result<Option<HeldRecipient>, StoreError> {
    const HOLD: &str = "SELECT id FROM recipients WHERE id = $1 FOR UPDATE";
    if let Tx::Postgres(tx) = &mut *tx {
        sqlx::query(HOLD).bind(recipient.0).execute(&mut **tx).await?;
    }
    hold(tx, recipient).await
}

/// Returns how many came to be confirmed by it: one or none.
async fn join(
    tx: &mut Tx,
    (campaign, recipient): (CampaignId, RecipientId),
    list: ListId,
    wish: &ListsWish,
    now: Timestamp,
) -> Result<i64, StoreError> {
    // WHERE TRUE tells SQLite that ON belongs to the insert.
    const JOIN: &str = "INSERT INTO subscriptions (list_id, recipient_id, state, updated_at) \
        SELECT l.id, CAST($1 AS BIGINT), 'confirmed', CAST($2 AS BIGINT) FROM lists l WHERE l.id = $3 \
        ON CONFLICT (list_id, recipient_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at, \
        import_id = NULL WHERE subscriptions.state = 'unsubscribed'";
    const CONSENT: &str = "INSERT INTO own_joins (recipient_id, list_id, joined_at, campaign_id, text, network) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    const NO_WAY_BACK: &str =
        "DELETE FROM left_lists WHERE campaign_id = $1 AND recipient_id = $2 AND list_id = $3";
    let rows = on_tx!(&mut *tx, conn => sqlx::query(JOIN).bind(recipient.0).bind(now.0).bind(list.0)
        .execute(conn).await.map(|done| done.rows_affected()))?;
    if rows == 0 {
        return Ok(0);
    }
    on_tx!(&mut *tx, conn => sqlx::query(CONSENT).bind(recipient.0).bind(list.0).bind(now.0).bind(campaign.0)
        .bind(&wish.text).bind(&wish.network).execute(conn).await.map(drop))?;
    on_tx!(tx, conn => sqlx::query(NO_WAY_BACK).bind(campaign.0).bind(recipient.0).bind(list.0)
        .execute(conn).await.map(drop))?;
    Ok(1)
}

/// Returns whether a list of the campaign was left by this.
async fn leave(
    tx: &mut Tx,
    deltas: &mut Deltas,
    (campaign, recipient): (CampaignId, RecipientId),
    list: ListId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const KEEP: &str = "INSERT INTO left_lists (campaign_id, recipient_id, list_id, was) \
        SELECT CAST($1 AS BIGINT), s.recipient_id, s.list_id, s.state FROM subscriptions s \
        WHERE s.list_id = $2 AND s.recipient_id = $3 AND s.state <> 'unsubscribed' \
        ON CONFLICT (campaign_id, recipient_id, list_id) DO UPDATE SET was = excluded.was";
    const LEAVE: &str = "UPDATE subscriptions SET state = 'unsubscribed', updated_at = $1 \
        WHERE list_id = $2 AND recipient_id = $3 AND state = $4";
    const IS_CAMPAIGNS: &str =
        "SELECT EXISTS (SELECT 1 FROM campaign_lists WHERE campaign_id = $1 AND list_id = $2)";
    on_tx!(&mut *tx, conn => sqlx::query(KEEP).bind(campaign.0).bind(list.0).bind(recipient.0)
        .execute(conn).await.map(drop))?;
    let mut has_left = false;
    // An import may confirm who is pending in between, but nobody takes that back: so in this order.
    for state in ["pending", "confirmed"] {
        let rows = on_tx!(&mut *tx, conn => sqlx::query(LEAVE).bind(now.0).bind(list.0).bind(recipient.0).bind(state)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if rows == 1 && state == "confirmed" {
            deltas.confirmed(list, -1);
        }
        has_left |= rows == 1;
    }
    if !has_left {
        return Ok(false);
    }
    Ok(
        on_tx!(tx, conn => sqlx::query_scalar(IS_CAMPAIGNS).bind(campaign.0).bind(list.0).fetch_one(conn).await)?,
    )
}

fn own_list((id, name, word): (i64, String, Option<String>)) -> Result<OwnList, StoreError> {
    let standing = word.map(|word| {
        Subscription::parse(&word)
            .ok_or_else(|| bad_row("subscriptions", id, format!("unknown state `{word}`")))
    });
    Ok(OwnList {
        id: ListId(id),
        name,
        standing: standing.transpose()?,
    })
}
