//! Addresses that must not be mailed.

use crate::engine::{Store, on_pool, on_write_pool, values_list};
use crate::error::StoreError;
use sqlx::AssertSqlSafe;
use std::collections::HashMap;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::time::Timestamp;

/// Keys of one statement.
const KEYS: usize = 500;

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
        const ADD: &str = "INSERT INTO suppressions (address_key, reason, evidence, created_at) \
            VALUES ($1, $2, $3, $4) ON CONFLICT (address_key) DO NOTHING";
        let added = on_write_pool!(self, pool => sqlx::query(ADD)
            .bind(address.key()).bind(reason).bind(evidence).bind(now.0)
            .execute(pool).await.map(|done| done.rows_affected()))?;
        Ok(added == 1)
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
