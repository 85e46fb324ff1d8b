//! Suppressions page by page, as a person looks through them.

use super::{Row, Suppression, suppression};
use crate::engine::{Store, on_pool};
use crate::error::StoreError;
use tidings_campaign::time::Timestamp;

/// Which suppressions are looked for by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuppressionSearch {
    /// What the comparison key begins with; everything if empty.
    pub beginning: String,
    /// For this reason only; for any if empty.
    pub reason: String,
    /// After this comparison key; from the first if empty.
    pub after: String,
    /// At most so many.
    pub limit: i64,
}

impl Store {
    /// The newest suppressions for a reason, or for any if it is empty: up to `limit` from before the moment and comparison
    /// key of `before`.
    pub async fn newest_suppressions(
        &self,
        reason: &str,
        before: Option<(Timestamp, &str)>,
        limit: i64,
    ) -> Result<Vec<Suppression>, StoreError> {
        // A statement for each, so that each is read by its own index.
        const NEWEST: &str = "SELECT address_key, reason, evidence, created_at FROM suppressions \
            WHERE $1 = '' AND (created_at, address_key) < ($2, $3) \
            ORDER BY created_at DESC, address_key DESC LIMIT $4";
        const FOR_REASON: &str = "SELECT address_key, reason, evidence, created_at FROM suppressions \
            WHERE reason = $1 AND (created_at, address_key) < ($2, $3) \
            ORDER BY created_at DESC, address_key DESC LIMIT $4";
        let text = if reason.is_empty() { NEWEST } else { FOR_REASON };
        let (at, key) = before.map_or((i64::MAX, ""), |(at, key)| (at.0, key));
        let rows: Vec<Row> = on_pool!(self, pool => sqlx::query_as(text)
            .bind(reason).bind(at).bind(key).bind(limit).fetch_all(pool).await)?;
        Ok(rows.into_iter().map(suppression).collect())
    }

    /// Suppressions by ascending comparison key.
    pub async fn find_suppressions(
        &self,
        search: &SuppressionSearch,
    ) -> Result<Vec<Suppression>, StoreError> {
        const FOUND: &str = "SELECT address_key, reason, evidence, created_at FROM suppressions \
            WHERE address_key >= $1 AND address_key < $2 AND $3 = '' ORDER BY address_key LIMIT $4";
        const FOR_REASON: &str = "SELECT address_key, reason, evidence, created_at FROM suppressions \
            WHERE address_key >= $1 AND address_key < $2 AND reason = $3 ORDER BY address_key LIMIT $4";
        let text = if search.reason.is_empty() {
            FOUND
        } else {
            FOR_REASON
        };
        // The least of what stands behind a key: no address has such a character.
        let from = match search.after.is_empty() || search.after < search.beginning {
            true => search.beginning.clone(),
            false => format!("{}\u{1}", search.after),
        };
        let rows: Vec<Row> = on_pool!(self, pool => sqlx::query_as(text).bind(from)
            .bind(end_of(&search.beginning)).bind(&search.reason).bind(search.limit)
            .fetch_all(pool).await)?;
        Ok(rows.into_iter().map(suppression).collect())
    }
}

/// What stands behind every comparison key that begins so: both engines have them in the order of their octets.
pub(crate) fn end_of(beginning: &str) -> String {
    format!("{beginning}{}", char::MAX)
}
