//! Addresses that must not be mailed, known by themselves or by their hash only. Whoever is known by hash and is a recipient
//! has a row of its own too, so that questions about recipients need to look at one table.

mod by_hand;
mod hashes;
mod pages;

pub(crate) use hashes::{keys_by_hash, keys_with_known_hash, keys_with_known_hash_in};
pub use pages::SuppressionSearch;
pub(crate) use pages::end_of;

use crate::bulk::{Bulk, Value};
use crate::engine::{Store, Tx, on_pool, on_tx, values_list};
use crate::erasure::forget_erasure;
use crate::error::StoreError;
use sqlx::AssertSqlSafe;
use std::collections::HashMap;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::suppression::AddressHash;
use tidings_campaign::time::Timestamp;

/// Keys of one statement.
const KEYS: usize = 500;
/// Rows of one inserting statement.
pub(crate) const ROWS: usize = 2_000;

/// An address that must not be mailed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// The comparison key of the address; its hash if that is all that is known.
    pub who: String,
    /// Why, in a word.
    pub reason: String,
    /// What it is known by.
    pub evidence: String,
    /// Since when.
    pub created_at: Timestamp,
}

impl Suppression {
    /// The reason of a recipient who is suppressed because the hash of the address is known.
    pub const BY_HASH: &str = "hash";
    /// The reason of an address whose owner has changed to another one.
    pub const BY_MOVE: &str = "address_changed";
    /// The reason of an address whose owner has had everything erased.
    pub const BY_ERASURE: &str = "erased";
}

/// An address to be suppressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSuppression {
    /// Which.
    pub address: EmailAddress,
    /// Why, in a word.
    pub reason: String,
    /// What it is known by.
    pub evidence: String,
}

type Row = (String, String, String, i64);

fn suppression((who, reason, evidence, created_at): Row) -> Suppression {
    Suppression {
        who,
        reason,
        evidence,
        created_at: Timestamp(created_at),
    }
}

/// Suppresses an address, by its key: why, and what it is known by. If it is suppressed already, that stays as it is. Returns whether it
/// is new.
pub(crate) async fn suppress_in(
    tx: &mut Tx,
    key: &str,
    (reason, evidence): (&str, &str),
    now: Timestamp,
) -> Result<bool, StoreError> {
    const ADD: &str = "INSERT INTO suppressions (address_key, reason, evidence, created_at) \
        VALUES ($1, $2, $3, $4) ON CONFLICT (address_key) DO NOTHING";
    let added = on_tx!(&mut *tx, conn => sqlx::query(ADD).bind(key).bind(reason).bind(evidence).bind(now.0)
        .execute(conn).await.map(|done| done.rows_affected()))?;
    if added == 0 {
        take_from_imports(tx, &[key.to_owned()]).await?;
    }
    Ok(added == 1)
}

/// What only an import said of these addresses was said by somebody else too: it does not go any more when the import is taken back.
async fn take_from_imports(tx: &mut Tx, keys: &[String]) -> Result<(), StoreError> {
    const TAKE: &str =
        "UPDATE suppressions SET import_id = NULL WHERE import_id IS NOT NULL AND address_key IN (VALUES ";
    for keys in keys.chunks(ROWS) {
        let values = keys.iter().map(|key| key.as_str().into()).collect();
        tx.run(Bulk::new(TAKE, ")", values, keys.len(), 1, 0).however_many())
            .await?;
    }
    Ok(())
}

impl Store {
    /// Suppresses an address. `reason` is a word (`complaint`), `evidence` what it is known by. If it is suppressed
    /// already, that stays as it is. Returns whether it is new.
    pub async fn suppress(
        &self,
        address: &EmailAddress,
        reason: &str,
        evidence: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin_write().await?;
        let is_new = suppress_in(&mut tx, &address.key(), (reason, evidence), now).await?;
        tx.commit().await?;
        Ok(is_new)
    }

    /// Suppresses many addresses in one transaction. Returns how many are new.
    pub async fn suppress_all(&self, all: &[NewSuppression], now: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.begin_write().await?;
        let mut added = 0;
        for chunk in all.chunks(ROWS) {
            let mut values: Vec<Value> = Vec::with_capacity(4 * chunk.len());
            let keys: Vec<String> = chunk.iter().map(|new| new.address.key()).collect();
            for (key, new) in keys.iter().zip(chunk) {
                values.extend([
                    key.as_str().into(),
                    new.reason.as_str().into(),
                    new.evidence.as_str().into(),
                    now.0.into(),
                ]);
            }
            let insert = Bulk::new(
                "INSERT INTO suppressions (address_key, reason, evidence, created_at) VALUES ",
                " ON CONFLICT (address_key) DO NOTHING",
                values,
                chunk.len(),
                4,
                chunk.len() as u64,
            );
            added += tx.run(insert).await?;
            take_from_imports(&mut tx, &keys).await?;
        }
        tx.commit().await?;
        Ok(added)
    }

    /// Lets an address be mailed again, by itself and by its hash. What it was suppressed for is remembered, and what
    /// bounced before counts no more. Returns what it was suppressed for; nothing if it was not.
    pub async fn lift_suppression(
        &self,
        address: &EmailAddress,
        now: Timestamp,
    ) -> Result<Option<Suppression>, StoreError> {
        let found = self.find_suppression(address).await?;
        let mut tx = self.begin_write().await?;
        lift_in(&mut tx, address, found.as_ref(), now).await?;
        tx.commit().await?;
        Ok(found)
    }

    /// Why an address must not be mailed; none if it may.
    pub async fn find_suppression(&self, address: &EmailAddress) -> Result<Option<Suppression>, StoreError> {
        const FIND: &str =
            "SELECT address_key, reason, evidence, created_at FROM suppressions WHERE address_key = $1";
        const FIND_HASH: &str =
            "SELECT hash, reason, evidence, created_at FROM suppression_hashes WHERE hash = $1";
        let row: Option<Row> =
            on_pool!(self, pool => sqlx::query_as(FIND).bind(address.key()).fetch_optional(pool).await)?;
        if row.is_some() {
            return Ok(row.map(suppression));
        }
        let row: Option<Row> = on_pool!(self, pool => sqlx::query_as(FIND_HASH)
            .bind(AddressHash::of(address).as_str()).fetch_optional(pool).await)?;
        match row {
            Some(row) => Ok(Some(suppression(row))),
            None => self.find_erasure(address).await,
        }
    }

    /// The suppressions of an address that were lifted, each with when, the last first.
    pub async fn lifted_suppressions(
        &self,
        address: &EmailAddress,
    ) -> Result<Vec<(Suppression, Timestamp)>, StoreError> {
        const LIFTED: &str = "SELECT address_key, reason, evidence, suppressed_at, lifted_at FROM lifted_suppressions \
            WHERE address_key = $1 ORDER BY lifted_at DESC";
        let rows: Vec<(String, String, String, i64, i64)> =
            on_pool!(self, pool => sqlx::query_as(LIFTED).bind(address.key()).fetch_all(pool).await)?;
        let lifted =
            |(who, reason, evidence, since, at)| (suppression((who, reason, evidence, since)), Timestamp(at));
        Ok(rows.into_iter().map(lifted).collect())
    }

    /// A page of the suppressed addresses, by ascending key: up to `limit` after `after`.
    pub async fn list_suppressions(&self, after: &str, limit: i64) -> Result<Vec<Suppression>, StoreError> {
        const PAGE: &str = "SELECT address_key, reason, evidence, created_at FROM suppressions \
            WHERE address_key > $1 ORDER BY address_key LIMIT $2";
        let rows: Vec<Row> = on_pool!(self, pool => sqlx::query_as(PAGE)
            .bind(after).bind(limit).fetch_all(pool).await)?;
        Ok(rows.into_iter().map(suppression).collect())
    }

    /// Which of these comparison keys are suppressed, and why.
    pub async fn suppressed(&self, keys: &[String]) -> Result<HashMap<String, String>, StoreError> {
        let mut found = HashMap::new();
        for chunk in keys.chunks(KEYS) {
            let text = format!(
                "SELECT address_key, reason FROM suppressions WHERE address_key IN {}",
                values_list(1, chunk.len(), 1)
            );
            let rows: Vec<(String, String)> = on_pool!(self, pool => {
                let mut query = sqlx::query_as(AssertSqlSafe(text));
                for key in chunk {
                    query = query.bind(key);
                }
                query.fetch_all(pool).await
            })?;
            found.extend(rows);
        }
        Ok(found)
    }
}

/// Removes the suppression of an address and of its hash, and remembers what it was for.
async fn lift_in(
    tx: &mut Tx,
    address: &EmailAddress,
    found: Option<&Suppression>,
    now: Timestamp,
) -> Result<(), StoreError> {
    const REMEMBER: &str = "INSERT INTO lifted_suppressions (address_key, lifted_at, reason, evidence, suppressed_at) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    const LIFT: &str = "DELETE FROM suppressions WHERE address_key = $1";
    const LIFT_HASH: &str = "DELETE FROM suppression_hashes WHERE hash = $1";
    if let Some(found) = found {
        on_tx!(&mut *tx, conn => sqlx::query(REMEMBER).bind(address.key()).bind(now.0).bind(&found.reason)
            .bind(&found.evidence).bind(found.created_at.0).execute(conn).await.map(drop))?;
    }
    on_tx!(&mut *tx, conn => sqlx::query(LIFT).bind(address.key()).execute(conn).await.map(drop))?;
    on_tx!(&mut *tx, conn => sqlx::query(LIFT_HASH).bind(AddressHash::of(address).as_str())
        .execute(conn).await.map(drop))?;
    forget_erasure(tx, &address.key()).await?;
    Ok(())
}
