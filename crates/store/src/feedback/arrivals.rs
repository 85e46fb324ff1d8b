//! Keeping what came in, once.

use super::NewArrival;
use crate::engine::{Tx, on_tx, values_list};
use crate::error::StoreError;
use sqlx::AssertSqlSafe;
use std::collections::HashMap;

/// So much of an arrival is kept, in octets: what a report says stands at its beginning, the rest is our own message.
pub(super) const KEPT: usize = 256 * 1024;

/// Rows of one statement.
const ROWS: usize = 200;

/// An arrival that is kept.
pub(super) struct Kept {
    pub id: i64,
    /// It had come in before, or comes twice in the batch.
    pub is_known: bool,
}

/// Keeps the arrivals; the answers are in their order.
pub(super) async fn keep(tx: &mut Tx, arrivals: &[NewArrival]) -> Result<Vec<Kept>, StoreError> {
    let mut ids = HashMap::with_capacity(arrivals.len());
    let mut fresh = HashMap::with_capacity(arrivals.len());
    for rows in arrivals.chunks(ROWS) {
        fresh.extend(insert(tx, rows).await?);
    }
    let known: Vec<&str> = arrivals
        .iter()
        .map(|arrival| arrival.key.as_str())
        .filter(|key| !fresh.contains_key(*key))
        .collect();
    for keys in known.chunks(ROWS) {
        ids.extend(find(tx, keys).await?);
    }
    let kept = |arrival: &NewArrival| match fresh.remove(&arrival.key) {
        Some(id) => {
            ids.insert(arrival.key.clone(), id);
            Kept { id, is_known: false }
        }
        None => Kept {
            // One that is deleted between the two statements is as good as never numbered.
            id: ids.get(&arrival.key).copied().unwrap_or_default(),
            is_known: true,
        },
    };
    Ok(arrivals.iter().map(kept).collect())
}

async fn insert(tx: &mut Tx, rows: &[NewArrival]) -> Result<Vec<(String, i64)>, StoreError> {
    let text = format!(
        "INSERT INTO arrivals (way, key, raw, octets, received_at) VALUES {} \
         ON CONFLICT (key) DO NOTHING RETURNING key, id",
        values_list(rows.len(), 5, 1)
    );
    let text = tx.bulk_text(text);
    Ok(on_tx!(tx, conn => {
        let mut query = sqlx::query_as(text);
        for row in rows {
            let raw = &row.raw[..row.raw.len().min(KEPT)];
            query = query.bind(row.way.as_str()).bind(&row.key).bind(raw)
                .bind(i64::try_from(row.raw.len()).unwrap_or(i64::MAX)).bind(row.received_at.0);
        }
        query.fetch_all(conn).await
    })?)
}

/// Forgets what arrivals said: that they came stays known.
pub(super) async fn empty(tx: &mut Tx, ids: impl Iterator<Item = i64>) -> Result<(), StoreError> {
    const EMPTY: &str = "UPDATE arrivals SET raw = $1 WHERE id = $2";
    for id in ids {
        on_tx!(&mut *tx, conn => sqlx::query(EMPTY).bind(Vec::<u8>::new()).bind(id).execute(conn).await.map(drop))?;
    }
    Ok(())
}

async fn find(tx: &mut Tx, keys: &[&str]) -> Result<Vec<(String, i64)>, StoreError> {
    let text = format!(
        "SELECT key, id FROM arrivals WHERE key IN {}",
        values_list(1, keys.len(), 1)
    );
    Ok(on_tx!(tx, conn => {
        let mut query = sqlx::query_as(AssertSqlSafe(text));
        for key in keys {
            query = query.bind(*key);
        }
        query.fetch_all(conn).await
    })?)
}
