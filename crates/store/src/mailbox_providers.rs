//! Who runs the mailboxes of a domain, as its MX records said when they were looked up.

use crate::engine::{Store, on_pool, on_tx, values_list};
use crate::error::StoreError;
use std::collections::{BTreeMap, HashMap};
use tidings_campaign::time::Timestamp;

/// Domains of one statement.
const DOMAINS: usize = 500;

impl Store {
    /// The providers of those of these domains that were looked up at `looked_up_since` or later.
    pub async fn mailbox_provider(
        &self,
        domains: &[String],
        looked_up_since: Timestamp,
    ) -> Result<HashMap<String, String>, StoreError> {
        let mut found = HashMap::with_capacity(domains.len());
        for chunk in domains.chunks(DOMAINS) {
            let text = self.bulk_text(format!(
                "SELECT domain, provider FROM mailbox_providers WHERE looked_up_at >= $1 AND domain IN {}",
                values_list(1, chunk.len(), 2)
            ));
            let rows: Vec<(String, String)> = on_pool!(self, pool => {
                let mut query = sqlx::query_as(text).bind(looked_up_since.0);
                for domain in chunk {
                    query = query.bind(domain);
                }
                query.fetch_all(pool).await
            })?;
            found.extend(rows);
        }
        Ok(found)
    }

    /// Remembers which provider runs each domain; what was known before is replaced.
    pub async fn remember_mailbox_providers(
        &self,
        domains: &[(String, String)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // One row for each domain, and always in the same order: two nodes that remember the same do not lock each other out.
        let domains: Vec<_> = domains
            .iter()
            .cloned()
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect();
        let mut tx = self.begin_write().await?;
        for chunk in domains.chunks(DOMAINS) {
            let text = tx.bulk_text(format!(
                "INSERT INTO mailbox_providers (domain, provider, looked_up_at) VALUES {} \
                 ON CONFLICT (domain) DO UPDATE SET provider = excluded.provider, \
                 looked_up_at = excluded.looked_up_at",
                values_list(chunk.len(), 3, 1)
            ));
            on_tx!(&mut tx, conn => {
                let mut query = sqlx::query(text);
                for (domain, provider) in chunk {
                    query = query.bind(domain).bind(provider).bind(now.0);
                }
                query.execute(conn).await.map(drop)
            })?;
        }
        tx.commit().await
    }
}
