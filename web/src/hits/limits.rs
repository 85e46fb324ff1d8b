//! How often something may happen in a span of time, for any number of visitors in memory of one size.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

/// Counts by spans of time: minutes, or hours. Visitors whose hashes fall on the same place share it: with many times more places than busy visitors
/// that takes nothing from anybody, and nobody can choose whom to fall together with.
pub(crate) struct PerSpan {
    /// 0: no limit.
    most: u32,
    span: AtomicI64,
    /// For the log: what is refused, and how long a span is.
    what: &'static str,
    counts: Box<[AtomicU32]>,
    hasher: RandomState,
    refused: AtomicU64,
}

impl PerSpan {
    pub(crate) fn new(most: u32, places: usize, what: &'static str) -> PerSpan {
        PerSpan {
            most,
            span: AtomicI64::new(0),
            what,
            counts: (0..places).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
            refused: AtomicU64::new(0),
        }
    }

    /// Whether it may happen once more in this span, by its number since 1970; it is counted if so.
    pub(crate) fn admits(&self, who: impl Hash, span: i64) -> bool {
        if self.most == 0 {
            return true;
        }
        // Only looked at as a rule: workers that write the same place wait for each other.
        if self.span.load(Ordering::Relaxed) != span && self.span.swap(span, Ordering::Relaxed) != span {
            for count in &self.counts {
                count.store(0, Ordering::Relaxed);
            }
        }
        let place = self.hasher.hash_one(who) % self.counts.len() as u64;
        let is_admitted = self.counts[place as usize].fetch_add(1, Ordering::Relaxed) < self.most;
        if !is_admitted {
            let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
            if refused.is_power_of_two() {
                let (most, what) = (self.most, self.what);
                tracing::warn!("a flood: {refused} so far beyond {most} {what}");
            }
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_so_many_in_each_span() {
        let limit = PerSpan::new(2, 1 << 16, "a minute");
        let of = |who: u32, minute| limit.admits(who, minute);
        assert!(of(1, 5) && of(1, 5) && !of(1, 5));
        assert!(of(2, 5));
        assert!(of(1, 6) && of(1, 6) && !of(1, 6));
        let none = PerSpan::new(0, 1, "a minute");
        assert!((0..1000).all(|_| none.admits(1, 5)));
    }
}
