//! Unsubscribes: the standing on the lists, the row that remembers it, the counter; in one transaction.

use crate::counters::Deltas;
use crate::engine::{Store, Tx, on_tx};
use crate::error::StoreError;
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::leaving::{Reason, Said, Scope};
use tidings_campaign::time::Timestamp;

/// Rows on lists that the recipient was not on yet are made too, so that a later import does not subscribe a
/// person who has said no. Who is confirmed leaves by another statement, since they are counted; after this one nobody else
/// changes the rows.
const LEAVE_LISTS: &str = "INSERT INTO subscriptions (list_id, recipient_id, state, updated_at) \
    SELECT list_id, CAST($1 AS BIGINT), 'unsubscribed', CAST($2 AS BIGINT) FROM campaign_lists \
    WHERE campaign_id = $3 \
    ON CONFLICT (list_id, recipient_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at \
    WHERE subscriptions.state = 'pending'";

const LEAVE_ALL: &str = "INSERT INTO subscriptions (list_id, recipient_id, state, updated_at) \
    SELECT id, CAST($1 AS BIGINT), 'unsubscribed', CAST($2 AS BIGINT) FROM lists WHERE TRUE \
    ON CONFLICT (list_id, recipient_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at \
    WHERE subscriptions.state = 'pending'";

/// Those on which the recipient was confirmed.
const LEAVE_COUNTED_LISTS: &str = "UPDATE subscriptions SET state = 'unsubscribed', updated_at = $2 \
    WHERE recipient_id = $1 AND state = 'confirmed' \
    AND list_id IN (SELECT cl.list_id FROM campaign_lists cl WHERE cl.campaign_id = $3) RETURNING list_id";

const LEAVE_COUNTED_ALL: &str = "UPDATE subscriptions SET state = 'unsubscribed', updated_at = $2 \
    WHERE recipient_id = $1 AND state = 'confirmed' AND list_id IN (SELECT id FROM lists) RETURNING list_id";

/// How the recipient stands on the lists that are about to be left: what the way back gives back.
const KEEP_LISTS: &str = "INSERT INTO left_lists (campaign_id, recipient_id, list_id, was) \
    SELECT cl.campaign_id, CAST($1 AS BIGINT), cl.list_id, COALESCE(s.state, 'none') FROM campaign_lists cl \
    LEFT JOIN subscriptions s ON s.list_id = cl.list_id AND s.recipient_id = $1 \
    WHERE cl.campaign_id = $2 AND COALESCE(s.state, 'none') <> 'unsubscribed' \
    ON CONFLICT (campaign_id, recipient_id, list_id) DO UPDATE SET was = excluded.was";

const KEEP_ALL: &str = "INSERT INTO left_lists (campaign_id, recipient_id, list_id, was) \
    SELECT CAST($2 AS BIGINT), CAST($1 AS BIGINT), l.id, COALESCE(s.state, 'none') FROM lists l \
    LEFT JOIN subscriptions s ON s.list_id = l.id AND s.recipient_id = $1 \
    WHERE COALESCE(s.state, 'none') <> 'unsubscribed' \
    ON CONFLICT (campaign_id, recipient_id, list_id) DO UPDATE SET was = excluded.was";

const CAMPAIGN_LISTS: &str = "SELECT COUNT(*) FROM campaign_lists WHERE campaign_id = $1";

const REMEMBER: &str = "INSERT INTO unsubscribes (campaign_id, recipient_id, at, how, scope, reason, comment) \
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (campaign_id, recipient_id) DO NOTHING";

/// What is said later does not wipe out what was said before; who leaves again after having come back has left now.
const REMEMBER_AGAIN: &str = "UPDATE unsubscribes SET \
    at = CASE WHEN undone_at IS NULL THEN at ELSE $3 END, how = CASE WHEN undone_at IS NULL THEN how ELSE $4 END, \
    scope = CASE WHEN undone_at IS NULL AND scope = 'all' THEN scope ELSE $5 END, \
    reason = COALESCE($6, reason), comment = COALESCE($7, comment), undone_at = NULL \
    WHERE campaign_id = $1 AND recipient_id = $2";

/// An unsubscribe as it is wished.
#[derive(Clone, Debug)]
pub struct Unsubscribe {
    /// By which way, as a word for the record: `link`, `one-click`, `mail` or `preferences`.
    pub how: &'static str,
    /// From which lists.
    pub scope: Scope,
    /// What the recipient said of it.
    pub said: Said,
}

impl Unsubscribe {
    /// From the campaign's lists, without a word.
    pub fn by(how: &'static str) -> Self {
        Unsubscribe {
            how,
            scope: Scope::Lists,
            said: Said::default(),
        }
    }
}

impl Store {
    /// Unsubscribes a recipient from all lists of a campaign; durable when it returns. It may be repeated, and
    /// neither the recipient's nor the campaign's row need exist any more. `how` is a word for the record, such
    /// as `link`. Returns whether it was the first unsubscribe of this recipient by this campaign, which is the
    /// only one that counts.
    pub async fn unsubscribe(
        &self,
        campaign: CampaignId,
        recipient: RecipientId,
        how: &'static str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.unsubscribe_as(campaign, recipient, &Unsubscribe::by(how), now)
            .await
    }

    /// The same from all lists, or with what was said of it, as `wish` has it. All lists are those that there are now.
    pub async fn unsubscribe_as(
        &self,
        campaign: CampaignId,
        recipient: RecipientId,
        wish: &Unsubscribe,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        let mut deltas = Deltas::default();
        let is_first = unsubscribe_in(&mut tx, &mut deltas, (campaign, recipient), wish, now).await?;
        deltas.write(&mut tx, self.node(), now).await?;
        tx.commit().await?;
        Ok(is_first)
    }
}

/// The same inside a transaction.
pub(crate) async fn unsubscribe_in(
    tx: &mut Tx,
    deltas: &mut Deltas,
    (campaign, recipient): (CampaignId, RecipientId),
    wish: &Unsubscribe,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let lists: i64 = on_tx!(tx, conn => sqlx::query_scalar(CAMPAIGN_LISTS)
        .bind(campaign.0).fetch_one(conn).await)?;
    // If the campaign is gone, nobody knows which lists were meant: all of them.
    let is_about_lists = lists > 0 && wish.scope == Scope::Lists;
    let keep = if is_about_lists { KEEP_LISTS } else { KEEP_ALL };
    on_tx!(tx, conn => sqlx::query(keep).bind(recipient.0).bind(campaign.0).execute(conn).await.map(drop))?;
    let left: Vec<i64> = if is_about_lists {
        on_tx!(tx, conn => sqlx::query(LEAVE_LISTS)
            .bind(recipient.0).bind(now.0).bind(campaign.0).execute(conn).await.map(drop))?;
        on_tx!(tx, conn => sqlx::query_scalar(LEAVE_COUNTED_LISTS)
            .bind(recipient.0).bind(now.0).bind(campaign.0).fetch_all(conn).await)?
    } else {
        on_tx!(tx, conn => sqlx::query(LEAVE_ALL)
            .bind(recipient.0).bind(now.0).execute(conn).await.map(drop))?;
        on_tx!(tx, conn => sqlx::query_scalar(LEAVE_COUNTED_ALL)
            .bind(recipient.0).bind(now.0).fetch_all(conn).await)?
    };
    deltas.lost(left);
    remember_in(tx, deltas, (campaign, recipient), wish, now).await
}

/// Remembers that an unsubscribe came by a campaign, and counts the first of each recipient. Returns whether it was that.
pub(crate) async fn remember_in(
    tx: &mut Tx,
    deltas: &mut Deltas,
    (campaign, recipient): (CampaignId, RecipientId),
    wish: &Unsubscribe,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut added = false;
    for text in [REMEMBER, REMEMBER_AGAIN] {
        let rows = on_tx!(tx, conn => sqlx::query(text)
            .bind(campaign.0).bind(recipient.0).bind(now.0).bind(wish.how).bind(wish.scope.as_str())
            .bind(wish.said.reason().map(Reason::as_str)).bind(wish.said.comment())
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if rows == 1 {
            added = text == REMEMBER;
            break;
        }
    }
    if added {
        deltas.happened(campaign, "", "", "unsubscribed", "", 1);
    }
    Ok(added)
}
