//! Suppressed addresses of which only the hash is known.

use super::{ROWS, Row, Suppression, suppression, take_from_imports};
use crate::bulk::{Bulk, Value};
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::erasure::{erased_keys, erased_keys_in};
use crate::error::StoreError;
use std::collections::HashSet;
use tidings_campaign::ids::RecipientId;
use tidings_campaign::suppression::AddressHash;
use tidings_campaign::time::Timestamp;

/// What a row says that was made because a recipient's address has a known hash.
const EVIDENCE: &str = "the SHA-256 of the address is on a suppression list";

impl Store {
    /// Suppresses whoever has an address with one of these hashes: in one transaction those that come later, and then by
    /// [`suppress_by_hash`](Self::suppress_by_hash) the recipients that there are. Returns how many hashes are new.
    pub async fn suppress_hashes(
        &self,
        hashes: &[AddressHash],
        reason: &str,
        evidence: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut tx = self.begin_write().await?;
        // Whoever makes recipients waits until these are committed, and asks for them then.
        crate::imports::lock_recipients(&mut tx).await?;
        let mut added = 0;
        for chunk in hashes.chunks(ROWS) {
            let mut values: Vec<Value> = Vec::with_capacity(4 * chunk.len());
            for hash in chunk {
                values.extend([hash.as_str().into(), reason.into(), evidence.into(), now.0.into()]);
            }
            let insert = Bulk::new(
                "INSERT INTO suppression_hashes (hash, reason, evidence, created_at) VALUES ",
                " ON CONFLICT (hash) DO NOTHING",
                values,
                chunk.len(),
                4,
                chunk.len() as u64,
            );
            added += tx.run(insert).await?;
        }
        tx.commit().await?;
        Ok(added)
    }

    /// Suppresses those of the next recipients after `after` whose address has a known hash. Returns the last recipient
    /// that was looked at, none at the end, and how many were suppressed.
    pub async fn suppress_by_hash(
        &self,
        after: RecipientId,
        now: Timestamp,
    ) -> Result<(Option<RecipientId>, u64), StoreError> {
        const PAGE: &str = "SELECT id, address_key FROM recipients WHERE id > $1 ORDER BY id LIMIT $2";
        let mut tx = self.begin_write().await?;
        let page: Vec<(i64, String)> = on_tx!(&mut tx, conn => sqlx::query_as(PAGE)
            .bind(after.0).bind(ROWS as i64).fetch_all(conn).await)?;
        let Some((last, _)) = page.last() else {
            return Ok((None, 0));
        };
        let last = RecipientId(*last);
        let keys: Vec<String> = page.into_iter().map(|(_, key)| key).collect();
        let mut added = 0;
        let known = keys_with_known_hash_in(&mut tx, &keys).await?;
        if !known.is_empty() {
            let mut values: Vec<Value> = Vec::new();
            for key in &known {
                values.extend([
                    key.as_str().into(),
                    Suppression::BY_HASH.into(),
                    EVIDENCE.into(),
                    now.0.into(),
                ]);
            }
            let insert = Bulk::new(
                "INSERT INTO suppressions (address_key, reason, evidence, created_at) VALUES ",
                " ON CONFLICT (address_key) DO NOTHING",
                values,
                known.len(),
                4,
                known.len() as u64,
            );
            added = tx.run(insert).await?;
            let known: Vec<String> = known.into_iter().collect();
            take_from_imports(&mut tx, &known).await?;
        }
        tx.commit().await?;
        Ok((Some(last), added))
    }

    /// A page of the hashes, ascending: up to `limit` after `after`.
    pub async fn list_suppression_hashes(
        &self,
        after: &str,
        limit: i64,
    ) -> Result<Vec<Suppression>, StoreError> {
        const PAGE: &str = "SELECT hash, reason, evidence, created_at FROM suppression_hashes \
            WHERE hash > $1 ORDER BY hash LIMIT $2";
        let rows: Vec<Row> = on_pool!(self, pool => sqlx::query_as(PAGE)
            .bind(after).bind(limit).fetch_all(pool).await)?;
        Ok(rows.into_iter().map(suppression).collect())
    }
}

/// Those of the comparison keys whose hash stands in a table, asked in a transaction or outside one.
macro_rules! keys_by_hash {
    ($on:ident, $where:expr, $table:literal, $keys:expr, $hash:expr) => {{
        const ANY: &str = concat!("SELECT EXISTS (SELECT 1 FROM ", $table, ")");
        let mut found = std::collections::HashSet::new();
        let any: bool = $on!($where, conn => sqlx::query_scalar(ANY).fetch_one(conn).await)?;
        let asked: &[_] = if any { $keys } else { &[] };
        for chunk in asked.chunks($crate::suppressions::ROWS) {
            let hashes: Vec<String> = chunk.iter().map($hash).collect();
            let text = $where.bulk_text(format!(
                concat!("SELECT hash FROM ", $table, " WHERE hash IN {}"),
                $crate::engine::values_list(1, chunk.len(), 1)
            ));
            let known: Vec<String> = $on!($where, conn => {
                let mut query = sqlx::query_scalar(text);
                for hash in &hashes {
                    query = query.bind(hash.as_str());
                }
                query.fetch_all(conn).await
            })?;
            let known: std::collections::HashSet<String> = known.into_iter().collect();
            let by_hash = chunk.iter().zip(&hashes).filter(|(_, hash)| known.contains(*hash));
            found.extend(by_hash.map(|(key, _)| key.as_ref().to_owned()));
        }
        found
    }};
}
pub(crate) use keys_by_hash;

/// Those of the comparison keys whose hash is suppressed, or whose owners have had everything erased.
pub(crate) async fn keys_with_known_hash_in(
    tx: &mut Tx,
    keys: &[impl AsRef<str>],
) -> Result<HashSet<String>, StoreError> {
    let mut known = keys_by_hash!(on_tx, tx, "suppression_hashes", keys, |key| hash_of_key(
        key.as_ref()
    ));
    known.extend(erased_keys_in(tx, keys).await?);
    Ok(known)
}

/// The same outside a transaction.
pub(crate) async fn keys_with_known_hash(
    store: &Store,
    keys: &[impl AsRef<str>],
) -> Result<HashSet<String>, StoreError> {
    let mut known = keys_by_hash!(on_pool, store, "suppression_hashes", keys, |key| hash_of_key(
        key.as_ref()
    ));
    known.extend(erased_keys(store, keys).await?);
    Ok(known)
}

fn hash_of_key(key: &str) -> String {
    AddressHash::of_key(key).as_str().to_owned()
}
