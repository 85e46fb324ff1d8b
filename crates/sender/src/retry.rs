//! When a deferred delivery goes out again: exponential, with jitter, and not for ever.

use std::time::Duration;
use tidings_campaign::time::Timestamp;

/// How retries are spaced. The defaults follow what mail servers do: RFC 5321 section 4.5.4.1 asks for at least
/// 30 minutes in the long run and for giving up after 4–5 days; grey-listing passes within the first minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// Before the first retry.
    pub first: Duration,
    /// Each further delay is so many times the one before.
    pub factor: f64,
    /// No delay is longer.
    pub ceiling: Duration,
    /// So long after the first attempt a delivery is given up.
    pub give_up: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            first: Duration::from_secs(5 * 60),
            factor: 3.0,
            ceiling: Duration::from_secs(2 * 3600),
            give_up: Duration::from_secs(4 * 86_400),
        }
    }
}

/// What to do with a delivery that was refused for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again then.
    At(Timestamp),
    /// Its time is over.
    GiveUp,
}

impl Retry {
    /// Decides after the attempt number `attempts` (1 for the first). `chance`: a random number, 0.0 to 1.0; the
    /// delay is spread by a fifth to both sides, so that a receiver is not met by all at once.
    pub fn after(&self, attempts: u32, first_attempt_at: Timestamp, now: Timestamp, chance: f64) -> Next {
        let exponent = i32::try_from(attempts.saturating_sub(1)).unwrap_or(i32::MAX);
        let ceiling = self.ceiling.as_secs_f64();
        let delay = (self.first.as_secs_f64() * self.factor.powi(exponent)).min(ceiling);
        let due = now.plus(Duration::from_secs_f64(delay * (0.8 + 0.4 * chance)));
        if due.since(first_attempt_at) > self.give_up {
            Next::GiveUp
        } else {
            Next::At(due)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        first: Duration::from_secs(100),
        factor: 2.0,
        ceiling: Duration::from_secs(350),
        give_up: Duration::from_secs(1000),
    };
    const START: Timestamp = Timestamp::from_seconds(1_000_000);

    fn delay(attempts: u32, chance: f64) -> Option<u64> {
        match RETRY.after(attempts, START, START, chance) {
            Next::At(due) => Some(due.since(START).as_secs()),
            Next::GiveUp => None,
        }
    }

    #[test]
    fn delays_grow_up_to_the_ceiling() {
        assert_eq!(
            [1, 2, 3, 4, 60].map(|n| delay(n, 0.5)),
            [Some(100), Some(200), Some(350), Some(350), Some(350)]
        );
    }

    #[test]
    fn chance_spreads_the_delay_by_a_fifth() {
        assert_eq!((delay(1, 0.0), delay(1, 1.0)), (Some(80), Some(120)));
    }

    #[test]
    fn a_delivery_is_given_up_after_its_time() {
        let late = START.plus(Duration::from_secs(999));
        assert_eq!(RETRY.after(5, START, late, 0.5), Next::GiveUp);
    }
}
