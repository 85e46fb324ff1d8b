//! How much of each limit was used, minute by minute: what makes a day's quota outlive a restart.

use crate::bulk::{Bulk, Value};
use crate::engine::{Store, on_pool, on_write_pool};
use crate::error::StoreError;
use crate::transitions::{ROWS, padded};
use std::collections::BTreeMap;
use std::sync::Arc;
use tidings_campaign::time::Timestamp;

/// So much of a limit was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Which limit; its name is the sender's own affair.
    pub limit: Arc<str>,
    /// How many messages.
    pub n: i64,
}

/// Adds to this node's rows of the minute, nearly always in one statement; in none if nothing was used.
pub(crate) fn statements(usage: &[Usage], node: &str, now: Timestamp) -> Vec<Bulk> {
    let mut sums = BTreeMap::<&str, i64>::new();
    for used in usage {
        *sums.entry(&used.limit).or_default() += used.n;
    }
    let sums: Vec<_> = sums.into_iter().collect();
    let statement = |rows: &[(&str, i64)]| {
        let columns = |(limit, n): &(&str, i64)| [(*limit).into(), (*n).into()];
        let filler = std::iter::repeat_with(|| [Value::Text(None), 0.into()]);
        let filler = filler.take(padded(rows.len()) - rows.len());
        let mut values: Vec<Value> = vec![now.minute().into(), node.into()];
        values.extend(rows.iter().map(columns).chain(filler).flatten());
        // Filled up as the ledger's statements are: few different texts.
        Bulk::new(
            "INSERT INTO limit_usage (minute, node, limit_key, n) SELECT ?, ?, v.column1, v.column2 FROM (VALUES ",
            ") AS v WHERE v.column1 IS NOT NULL \
             ON CONFLICT (limit_key, minute, node) DO UPDATE SET n = limit_usage.n + excluded.n",
            values,
            padded(rows.len()),
            2,
            rows.len() as u64,
        )
    };
    sums.chunks(ROWS).map(statement).collect()
}

impl Store {
    /// What was used of every limit in the minute of `since` and later, minute by minute (since 1970), by all nodes
    /// together: limit, minute, how much.
    pub async fn limit_usage(&self, since: Timestamp) -> Result<Vec<(String, i64, i64)>, StoreError> {
        const USED: &str = "SELECT limit_key, minute, CAST(SUM(n) AS BIGINT) FROM limit_usage WHERE minute >= $1 \
            GROUP BY limit_key, minute ORDER BY limit_key, minute";
        Ok(on_pool!(self, pool => sqlx::query_as(USED).bind(since.minute()).fetch_all(pool).await)?)
    }

    /// Forgets what was used before the minute of `before`, when no limit looks back so far.
    pub async fn forget_limit_usage(&self, before: Timestamp) -> Result<u64, StoreError> {
        const FORGET: &str = "DELETE FROM limit_usage WHERE minute < $1";
        Ok(
            on_write_pool!(self, pool => sqlx::query(FORGET).bind(before.minute()).execute(pool).await
            .map(|done| done.rows_affected()))?,
        )
    }
}
