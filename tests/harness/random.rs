//! Random moments for faults.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// A generator that begins elsewhere in every run (xorshift).
pub struct Random(u64);

impl Random {
    /// Seeded by the standard library's own randomness.
    pub fn new() -> Self {
        Self(RandomState::new().build_hasher().finish() | 1)
    }

    /// A number below `most`, which is 1 at least.
    pub fn number(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most.max(1)
    }

    /// A duration below `most`.
    pub fn below(&mut self, most: Duration) -> Duration {
        Duration::from_micros(self.number(u64::try_from(most.as_micros()).expect("a pause of a test")))
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}
