//! Counting what an import would do.

use super::batch::ask;
use super::made::hash;
use crate::engine::Store;
use crate::error::StoreError;
use std::collections::HashSet;
use tidings_campaign::csv_import::{Counts, Outcome, Row, Suppression, decide};
use tidings_campaign::ids::ListId;

/// A run that only counts. Addresses it has seen are kept as 64-bit hashes: 16 octets or so for each.
#[derive(Debug)]
pub struct DryRun {
    store: Store,
    list: Option<ListId>,
    seen: HashSet<u64>,
    /// Those that the files say must not be mailed.
    suppressed: HashSet<u64>,
}

impl DryRun {
    /// Counts what an import into the list of this name would do.
    pub async fn new(store: &Store, list: &str) -> Result<Self, StoreError> {
        let list = store.find_list(list).await?;
        Ok(DryRun {
            store: store.clone(),
            list,
            seen: HashSet::new(),
            suppressed: HashSet::new(),
        })
    }

    /// Counts what would become of these rows, and of addresses that must not be mailed. Only reads.
    pub async fn count(&mut self, rows: &[Row], suppressions: &[Suppression]) -> Result<Counts, StoreError> {
        let keys: Vec<String> = rows.iter().map(|row| row.address.key()).collect();
        // No list has the id 0, so nobody is on a list that does not exist yet.
        let standing = ask(&self.store, self.list.unwrap_or(ListId(0)), &keys).await?;
        let mut counts = Counts::default();
        for known in suppressions {
            self.suppressed.insert(hash(&known.address.key()));
            counts.count(&Outcome::Suppressed);
        }
        for (row, key) in rows.iter().zip(&keys) {
            let suppressed = standing.suppressed.contains(key) || self.suppressed.contains(&hash(key));
            let seen = !suppressed && !self.seen.insert(hash(key));
            let known = standing.known.get(key).map(|found| &found.known);
            counts.count(&decide(row, known, suppressed, seen));
        }
        Ok(counts)
    }
}
