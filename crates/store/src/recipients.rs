//! Recipients: one row for every address.

use crate::engine::{Store, on_pool, values_list};
use crate::error::{StoreError, bad_row};
use sqlx::AssertSqlSafe;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::{ListId, RecipientId};
use tidings_campaign::recipient::Recipient;
use tidings_campaign::time::Timestamp;

/// Ids of one statement.
const IDS: usize = 500;

pub(crate) type RecipientRow = (i64, String, String, String);

impl Store {
    /// The recipient with this address, however its case is written; none if it is not known.
    pub async fn find_recipient(&self, address: &EmailAddress) -> Result<Option<Recipient>, StoreError> {
        const FIND: &str = "SELECT id, address, name, attributes FROM recipients WHERE address_key = $1";
        let row: Option<RecipientRow> =
            on_pool!(self, pool => sqlx::query_as(FIND).bind(address.key()).fetch_optional(pool).await)?;
        row.map(recipient).transpose()
    }

    /// The recipients with these ids, by ascending id. Those that are gone are left out.
    pub async fn recipients(&self, ids: &[RecipientId]) -> Result<Vec<Recipient>, StoreError> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(IDS) {
            let text = format!(
                "SELECT id, address, name, attributes FROM recipients WHERE id IN {}",
                values_list(1, chunk.len(), 1)
            );
            let rows: Vec<RecipientRow> = on_pool!(self, pool => {
                let mut query = sqlx::query_as(AssertSqlSafe(text));
                for id in chunk {
                    query = query.bind(id.0);
                }
                query.fetch_all(pool).await
            })?;
            for row in rows {
                found.push(recipient(row)?);
            }
        }
        found.sort_by_key(|recipient| recipient.id);
        found.dedup_by_key(|recipient| recipient.id);
        Ok(found)
    }

    /// A page of those whom a campaign to a list would reach now, who are confirmed on it, not suppressed and in no pause: up
    /// to `limit` after `after`, by ascending id.
    pub async fn recipients_of_list(
        &self,
        list: ListId,
        after: RecipientId,
        limit: i64,
        now: Timestamp,
    ) -> Result<Vec<Recipient>, StoreError> {
        const PAGE: &str = "SELECT r.id, r.address, r.name, r.attributes FROM subscriptions s \
            JOIN recipients r ON r.id = s.recipient_id \
            WHERE s.list_id = $1 AND s.recipient_id > $2 AND s.state = 'confirmed' \
            AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_key = r.address_key) \
            AND NOT EXISTS (SELECT 1 FROM pauses z WHERE z.recipient_id = r.id AND z.paused_until > $4) \
            ORDER BY s.recipient_id LIMIT $3";
        let rows: Vec<RecipientRow> = on_pool!(self, pool => sqlx::query_as(PAGE)
            .bind(list.0).bind(after.0).bind(limit).bind(now.0).fetch_all(pool).await)?;
        rows.into_iter().map(recipient).collect()
    }
}

pub(crate) fn recipient((id, address, name, attributes): RecipientRow) -> Result<Recipient, StoreError> {
    let bad = |problem: String| bad_row("recipients", id, problem);
    Ok(Recipient {
        id: RecipientId(id),
        address: EmailAddress::parse(&address).map_err(|error| bad(format!("the address {error}")))?,
        name,
        attributes: serde_json::from_str(&attributes)
            .map_err(|error| bad(format!("the attributes: {error}")))?,
    })
}
