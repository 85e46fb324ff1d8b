//! How long is waited after a fault: a second, doubling to five minutes, and a little by chance, so that many instances do
//! not come back together.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
/// What worked for so long was well.
const WELL: Duration = Duration::from_secs(60);

/// The pauses after faults that follow one another.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    faults: u32,
}

impl Pauses {
    /// How long to wait after a fault of something that had worked for `worked`; `chance` from 0 to 1.
    pub(super) fn next(&mut self, worked: Duration, chance: f64) -> Duration {
        if worked >= WELL {
            self.faults = 0;
        }
        let pause = FIRST
            .saturating_mul(2_u32.saturating_pow(self.faults))
            .min(LONGEST);
        self.faults = self.faults.saturating_add(1);
        pause.mul_f64(0.8 + 0.4 * chance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_bound_and_begin_anew_after_something_worked() {
        let mut pauses = Pauses::default();
        let none = Duration::ZERO;
        let seconds: Vec<u64> = (0..11).map(|_| pauses.next(none, 0.5).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(pauses.next(WELL, 0.0), Duration::from_millis(800));
        assert_eq!(pauses.next(none, 1.0), Duration::from_millis(2400));
    }
}
