//! How often something may happen in a minute, for any number of visitors in memory of one size.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

/// Counts by the minute. Visitors whose hashes fall on the same place share it: with many times more places than busy visitors
/// that takes nothing from anybody, and nobody can choose whom to fall together with.
pub(crate) struct PerMinute {
    /// 0: no limit.
    most: u32,
    minute: AtomicI64,
    counts: Box<[AtomicU32]>,
    hasher: RandomState,
    refused: AtomicU64,
}

impl PerMinute {
    pub(crate) fn new(most: u32, places: usize) -> PerMinute {
        PerMinute {
            most,
            minute: AtomicI64::new(0),
            counts: (0..places).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
            refused: AtomicU64::new(0),
        }
    }

    /// Whether it may happen once more in this minute (since 1970); it is counted if so.
    pub(crate) fn admits(&self, who: impl Hash, minute: i64) -> bool {
        if self.most == 0 {
            return true;
        }
        if self.minute.swap(minute, Ordering::Relaxed) != minute {
            for count in &self.counts {
                count.store(0, Ordering::Relaxed);
            }
        }
        let place = self.hasher.hash_one(who) % self.counts.len() as u64;
        let is_admitted = self.counts[place as usize].fetch_add(1, Ordering::Relaxed) < self.most;
        if !is_admitted {
            let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
            if refused.is_power_of_two() {
                let most = self.most;
                tracing::warn!(
                    "a flood: {refused} requests so far beyond {most} a minute were answered and not recorded"
                );
            }
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_so_many_in_each_minute() {
        let limit = PerMinute::new(2, 1 << 16);
        let of = |who: u32, minute| limit.admits(who, minute);
        assert!(of(1, 5) && of(1, 5) && !of(1, 5));
        assert!(of(2, 5));
        assert!(of(1, 6) && of(1, 6) && !of(1, 6));
        let none = PerMinute::new(0, 1);
        assert!((0..1000).all(|_| none.admits(1, 5)));
    }
}
