//! Unsubscribes: the standing on the lists, the row that remembers it, the counter; in one transaction.

use crate::counters::Deltas;
use crate::engine::{Store, Tx, on_tx};
use crate::error::StoreError;
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::time::Timestamp;

/// Rows on lists that the recipient was not on yet are made too, so that a later import does not subscribe a
/// person who has said no.
const LEAVE_LISTS: &str = "INSERT INTO subscriptions (list_id, recipient_id, state, updated_at) \
    SELECT list_id, CAST($1 AS BIGINT), 'unsubscribed', CAST($2 AS BIGINT) FROM campaign_lists \
    WHERE campaign_id = $3 \
    ON CONFLICT (list_id, recipient_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at \
    WHERE subscriptions.state <> 'unsubscribed'";

/// The campaign is gone, so nobody knows which lists were meant: all of them. By list, because the primary key
/// begins with it.
const LEAVE_ALL: &str = "UPDATE subscriptions SET state = 'unsubscribed', updated_at = $2 \
    WHERE list_id IN (SELECT id FROM lists) AND recipient_id = $1 AND state <> 'unsubscribed'";

const CAMPAIGN_LISTS: &str = "SELECT COUNT(*) FROM campaign_lists WHERE campaign_id = $1";

const REMEMBER: &str = "INSERT INTO unsubscribes (campaign_id, recipient_id, at, how) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (campaign_id, recipient_id) DO NOTHING";

impl Store {
    /// Unsubscribes a recipient from all lists of a campaign; durable when it returns. It may be repeated, and
    /// neither the recipient's nor the campaign's row need exist any more. `how` is a word for the record, such
    /// as `link`. Returns whether it was the first unsubscribe of this recipient by this campaign, which is the
    /// only one that counts.
    pub async fn unsubscribe(
        &self,
        campaign: CampaignId,
        recipient: RecipientId,
        how: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        let mut deltas = Deltas::default();
        let is_first = unsubscribe_in(&mut tx, &mut deltas, (campaign, recipient), how, now).await?;
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
    how: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let lists: i64 = on_tx!(tx, conn => sqlx::query_scalar(CAMPAIGN_LISTS)
        .bind(campaign.0).fetch_one(conn).await)?;
    if lists > 0 {
        on_tx!(tx, conn => sqlx::query(LEAVE_LISTS)
            .bind(recipient.0).bind(now.0).bind(campaign.0).execute(conn).await.map(drop))?;
    } else {
        on_tx!(tx, conn => sqlx::query(LEAVE_ALL)
            .bind(recipient.0).bind(now.0).execute(conn).await.map(drop))?;
    }
    let added = on_tx!(tx, conn => sqlx::query(REMEMBER)
        .bind(campaign.0).bind(recipient.0).bind(now.0).bind(how)
        .execute(conn).await.map(|done| done.rows_affected()))?;
    if added == 1 {
        deltas.happened(campaign, "", "", "unsubscribed", "", 1);
    }
    Ok(added == 1)
}
