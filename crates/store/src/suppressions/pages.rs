//! Suppressions page by page, as a person looks through them.

use super::{Row, Suppression, suppression};
use crate::engine::{Engine, Store, on_pool};
use crate::error::StoreError;
use sqlx::AssertSqlSafe;
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
        const NEWEST: &str = "SELECT address_key, reason, evidence, created_at FROM suppressions \
            WHERE ($1 = '' OR reason = $1) AND (created_at, address_key) < ($2, $3) \
            ORDER BY created_at DESC, address_key DESC LIMIT $4";
        let (at, key) = before.map_or((i64::MAX, ""), |(at, key)| (at.0, key));
        let rows: Vec<Row> = on_pool!(self, pool => sqlx::query_as(NEWEST)
            .bind(reason).bind(at).bind(key).bind(limit).fetch_all(pool).await)?;
        Ok(rows.into_iter().map(suppression).collect())
    }

    /// Suppressions by ascending comparison key.
    pub async fn find_suppressions(
        &self,
        search: &SuppressionSearch,
    ) -> Result<Vec<Suppression>, StoreError> {
        // In every collation a beginning stands before what it begins. What it stands behind is sure in SQLite alone, which
        // compares octets: there the rest need not be looked at.
        let end = match &self.engine {
            Engine::Sqlite { .. } => "AND address_key < $1 || char(1114111)",
            Engine::Postgres(_) => "",
        };
        let text = format!(
            "SELECT address_key, reason, evidence, created_at FROM suppressions \
             WHERE address_key >= $1 {end} AND substr(address_key, 1, length($1)) = $1 AND address_key > $2 \
             AND ($3 = '' OR reason = $3) ORDER BY address_key LIMIT $4"
        );
        let rows: Vec<Row> = on_pool!(self, pool => sqlx::query_as(AssertSqlSafe(text)).bind(&search.beginning)
            .bind(&search.after).bind(&search.reason).bind(search.limit).fetch_all(pool).await)?;
        Ok(rows.into_iter().map(suppression).collect())
    }
}
