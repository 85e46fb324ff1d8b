//! Forgetting hits that are older than the operator wants to know: a few rows at a time, so that no writer waits long. The
//! counters stay.

use super::Key;
use crate::bulk::{Bulk, Value};
use crate::engine::{Store, on_pool};
use crate::error::StoreError;
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::time::Timestamp;

/// What one batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// So many hits were deleted.
    pub hits: u64,
    /// After whom the next batch begins; nothing if this was the last.
    pub next: Option<(CampaignId, RecipientId)>,
}

impl Store {
    /// Deletes up to `limit` (1 to 1,000) hits that came before `before`, and what is known of recipients of whose hits none is
    /// left. `after`: what the batch before said; nothing at first.
    pub async fn expire_hits(
        &self,
        before: Timestamp,
        after: Option<(CampaignId, RecipientId)>,
        limit: i64,
    ) -> Result<Expired, StoreError> {
        let after = after.unwrap_or((CampaignId(0), RecipientId(0)));
        let page = self.recipients_with_hits(before, after, limit).await?;
        let Some(last) = page.last().copied() else {
            return Ok(Expired::default());
        };
        let old = self.old_hits(before, after, last, limit).await?;
        let is_all = i64::try_from(old.len()).is_ok_and(|n| n < limit);
        let hits = self.forget_hits(&old).await?;
        if is_all {
            self.forget_recipients(before, &page).await?;
        }
        let is_end = i64::try_from(page.len()).is_ok_and(|n| n < limit);
        let next = match is_all {
            true => (!is_end).then_some(last),
            false => Some(after),
        };
        Ok(Expired { hits, next })
    }

    /// Of campaigns that are old enough.
    async fn recipients_with_hits(
        &self,
        before: Timestamp,
        after: Key,
        limit: i64,
    ) -> Result<Vec<Key>, StoreError> {
        const PAGE: &str = "SELECT campaign_id, recipient_id FROM hit_recipients \
            WHERE (campaign_id, recipient_id) > ($1, $2) \
            AND campaign_id < (SELECT COALESCE(MIN(id), 9223372036854775807) FROM campaigns WHERE created_at >= $3) \
            ORDER BY campaign_id, recipient_id LIMIT $4";
        let rows: Vec<(i64, i64)> = on_pool!(self, pool => sqlx::query_as(PAGE)
            .bind(after.0.0).bind(after.1.0).bind(before.0).bind(limit).fetch_all(pool).await)?;
        let key = |(campaign, recipient)| (CampaignId(campaign), RecipientId(recipient));
        Ok(rows.into_iter().map(key).collect())
    }

    /// The keys of hits of the recipients behind `after` and up to `last`.
    async fn old_hits(
        &self,
        before: Timestamp,
        after: Key,
        last: Key,
        limit: i64,
    ) -> Result<Vec<[Value; 4]>, StoreError> {
        const OLD: &str = "SELECT campaign_id, recipient_id, at, target FROM hits \
            WHERE (campaign_id, recipient_id) > ($1, $2) AND (campaign_id, recipient_id) <= ($3, $4) AND at < $5 \
            ORDER BY campaign_id, recipient_id, at LIMIT $6";
        let rows: Vec<(i64, i64, i64, i64)> = on_pool!(self, pool => sqlx::query_as(OLD)
            .bind(after.0.0).bind(after.1.0).bind(last.0.0).bind(last.1.0).bind(before.0).bind(limit)
            .fetch_all(pool).await)?;
        let values = |(a, b, c, d): (i64, i64, i64, i64)| [a.into(), b.into(), c.into(), d.into()];
        Ok(rows.into_iter().map(values).collect())
    }

    async fn forget_hits(&self, old: &[[Value; 4]]) -> Result<u64, StoreError> {
        const FORGET: &str = "DELETE FROM hits WHERE (campaign_id, recipient_id, at, target) IN (VALUES ";
        if old.is_empty() {
            return Ok(0);
        }
        let values = old.iter().flatten().cloned().collect();
        let mut tx = self.begin_write().await?;
        let statement = Bulk::new(FORGET, ")", values, old.len(), 4, 0);
        let forgotten = tx.run(statement.however_many()).await?;
        tx.commit().await?;
        Ok(forgotten)
    }

    /// Those whose every hit was old. What they do from now on is only counted, so nobody counts twice.
    async fn forget_recipients(&self, before: Timestamp, page: &[Key]) -> Result<(), StoreError> {
        const FORGET: (&str, &str) = (
            "DELETE FROM hit_recipients WHERE COALESCE(opened_at, 0) < ? AND COALESCE(clicked_at, 0) < ? \
             AND COALESCE(trapped_at, 0) < ? AND (campaign_id, recipient_id) IN (VALUES ",
            ") AND NOT EXISTS (SELECT 1 FROM hits h WHERE h.campaign_id = hit_recipients.campaign_id \
             AND h.recipient_id = hit_recipients.recipient_id)",
        );
        let mut values: Vec<Value> = vec![before.0.into(); 3];
        values.extend(page.iter().flat_map(|key| [key.0.0.into(), key.1.0.into()]));
        let mut tx = self.begin_write().await?;
        let statement = Bulk::new(FORGET.0, FORGET.1, values, page.len(), 2, 0);
        tx.run(statement.however_many()).await?;
        tx.commit().await
    }
}
