//! Counting what an import would do.

use super::batch::ask;
use super::hashed::{Hashed, HashedSet};
use crate::engine::Store;
use crate::error::StoreError;
use std::hash::{BuildHasher, RandomState};
use tidings_campaign::csv_import::{Counts, Outcome, Row, Suppression, decide};
use tidings_campaign::ids::ListId;

/// A run that only counts. Addresses it has seen are kept as 64-bit hashes: 16 octets or so for each.
#[derive(Debug)]
pub struct DryRun {
    store: Store,
    list: Option<ListId>,
    seen: HashedSet<u64>,
    /// Those that the files say must not be mailed.
    suppressed: HashedSet<u64>,
    state: RandomState,
}

impl DryRun {
    /// Counts what an import into the list of this name would do.
    pub async fn new(store: &Store, list: &str) -> Result<Self, StoreError> {
        let list = store.find_list(list).await?;
        Ok(DryRun {
            store: store.clone(),
            list,
            seen: HashedSet::default(),
            suppressed: HashedSet::default(),
            state: RandomState::new(),
        })
    }

    /// Counts what would become of these rows, and of addresses that must not be mailed. Only reads.
    pub async fn count(&mut self, rows: &[Row], suppressions: &[Suppression]) -> Result<Counts, StoreError> {
        let keys: Vec<_> = rows.iter().map(|row| row.address.as_key()).collect();
        // No list has the id 0, so nobody is on a list that does not exist yet.
        let standing = ask(&self.store, self.list.unwrap_or(ListId(0)), &keys).await?;
        let mut counts = Counts::default();
        for known in suppressions {
            self.suppressed.insert(self.state.hash_one(known.address.key()));
            counts.count(&Outcome::Suppressed);
        }
        for (row, Hashed { key, hash }) in rows.iter().zip(Hashed::all(&keys, &self.state)) {
            let suppressed = standing.suppressed.contains(key) || self.suppressed.contains(&hash);
            let seen = !suppressed && !self.seen.insert(hash);
            let known = standing.known.get(key).map(|found| &found.known);
            counts.count(&decide(row, known, suppressed, seen));
        }
        Ok(counts)
    }
}
