//! Who runs the mailboxes of a domain, as the DNS said: remembered, so that it is not asked again at every start.

use crate::bulk::{Bulk, Value};
use crate::engine::{Store, on_pool, on_write_pool};
use crate::error::StoreError;
use crate::transitions::ROWS;
use std::collections::BTreeMap;
use tidings_campaign::time::Timestamp;

/// What the DNS said of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainProvider {
    /// The domain.
    pub domain: String,
    /// The name of its provider, which may be "other".
    pub provider: String,
    /// When it was asked.
    pub looked_up_at: Timestamp,
}

impl Store {
    /// Remembers what was found out; it replaces what was known of the same domains.
    pub async fn put_domain_providers(&self, found: &[DomainProvider]) -> Result<(), StoreError> {
        // One statement cannot write a row twice; the last answer counts.
        let rows: BTreeMap<&str, &DomainProvider> =
            found.iter().map(|row| (row.domain.as_str(), row)).collect();
        let rows: Vec<_> = rows.into_values().collect();
        let mut tx = self.begin_write().await?;
        for rows in rows.chunks(ROWS) {
            let columns = |row: &&DomainProvider| -> [Value; 3] {
                [
                    row.domain.as_str().into(),
                    row.provider.as_str().into(),
                    row.looked_up_at.0.into(),
                ]
            };
            let put = Bulk::new(
                "INSERT INTO domain_providers (domain, provider, looked_up_at) VALUES ",
                " ON CONFLICT (domain) DO UPDATE SET provider = excluded.provider, looked_up_at = excluded.looked_up_at",
                rows.iter().flat_map(columns).collect(),
                rows.len(),
                3,
                rows.len() as u64,
            );
            tx.run(put).await?;
        }
        tx.commit().await
    }

    /// What was found out at `since` and later, the newest first, `most` of it.
    pub async fn domain_providers(
        &self,
        since: Timestamp,
        most: i64,
    ) -> Result<Vec<DomainProvider>, StoreError> {
        const NEWEST: &str = "SELECT domain, provider, looked_up_at FROM domain_providers WHERE looked_up_at >= $1 \
            ORDER BY looked_up_at DESC, domain LIMIT $2";
        let rows: Vec<(String, String, i64)> = on_pool!(
            self,
            pool => sqlx::query_as(NEWEST).bind(since.0).bind(most).fetch_all(pool).await
        )?;
        let row = |(domain, provider, looked_up_at)| DomainProvider {
            domain,
            provider,
            looked_up_at: Timestamp(looked_up_at),
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// Forgets what was found out before then.
    pub async fn forget_domain_providers(&self, before: Timestamp) -> Result<u64, StoreError> {
        const FORGET: &str = "DELETE FROM domain_providers WHERE looked_up_at < $1";
        Ok(
            on_write_pool!(self, pool => sqlx::query(FORGET).bind(before.0).execute(pool).await
            .map(|done| done.rows_affected()))?,
        )
    }
}
