//! An allowance for an hour or a day: it may be used up at once, and then there is nothing until it comes back. It is
//! counted by the minute, so that it can be remembered in the database.

use std::collections::VecDeque;
use tidings_campaign::time::Timestamp;

/// So many messages in any window of so many minutes.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    allowed: u64,
    minutes: i64,
    /// What was used in which minute, oldest first.
    used: VecDeque<(i64, u64)>,
    total: u64,
}

const MINUTE: i64 = 60_000_000;

impl Quota {
    pub(crate) fn new(allowed: u64, minutes: i64) -> Quota {
        Quota {
            allowed,
            minutes,
            used: VecDeque::new(),
            total: 0,
        }
    }

    /// What was used before a restart. Minutes come in ascending order.
    pub(crate) fn remember(&mut self, minute: i64, n: u64) {
        match self.used.back_mut() {
            Some((last, sum)) if *last == minute => *sum += n,
            _ => self.used.push_back((minute, n)),
        }
        self.total += n;
    }

    /// When the next message may pass: `now`, or later.
    pub(crate) fn next(&mut self, now: Timestamp) -> Timestamp {
        while let Some((minute, n)) = self.used.front() {
            if self.comes_back(*minute) > now {
                break;
            }
            self.total -= n;
            self.used.pop_front();
        }
        match self.used.front() {
            Some((minute, _)) if self.total >= self.allowed => self.comes_back(*minute),
            _ => now,
        }
    }

    /// A message passes now.
    pub(crate) fn take(&mut self, now: Timestamp) {
        self.remember(now.minute(), 1);
    }

    /// What was used in a minute counts until the whole minute has left the window.
    fn comes_back(&self, minute: i64) -> Timestamp {
        Timestamp((minute + 1 + self.minutes) * MINUTE)
    }

    /// How much is left now.
    pub(crate) fn left(&self) -> u64 {
        self.allowed.saturating_sub(self.total)
    }

    /// What was used, for carrying it over to a changed allowance.
    pub(crate) fn history(&self) -> impl Iterator<Item = (i64, u64)> {
        self.used.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const START: Timestamp = Timestamp::from_seconds(20_000 * 86_400);

    #[test]
    fn an_allowance_may_be_used_up_at_once_and_comes_back_an_hour_later() {
        let mut quota = Quota::new(3, 60);
        let now = START.plus(Duration::from_secs(30));
        for _ in 0..3 {
            assert_eq!(quota.next(now), now);
            quota.take(now);
        }
        let back = quota.next(now);
        assert!(back.since(now) >= Duration::from_secs(3600), "too early: {back}");
        assert!(back.since(now) <= Duration::from_secs(3660), "too late: {back}");
        assert_eq!(quota.next(back), back);
    }

    #[test]
    fn no_window_of_an_hour_holds_more_than_allowed() {
        let mut quota = Quota::new(100, 60);
        let mut now = START;
        let mut times = Vec::new();
        while now.since(START) < Duration::from_secs(86_400) {
            now = quota.next(now);
            quota.take(now);
            times.push(now);
            now = now.plus(Duration::from_secs(17));
        }
        assert!(
            times
                .windows(101)
                .all(|window| window[100].since(window[0]) >= Duration::from_secs(3600))
        );
        assert!(times.len() >= 24 * 95, "only {}", times.len());
    }

    #[test]
    fn what_was_used_before_a_restart_counts() {
        let mut quota = Quota::new(10, 24 * 60);
        quota.remember(START.minute() - 60, 9);
        assert_eq!(quota.left(), 1);
        quota.take(START);
        assert!(quota.next(START) > START);
    }
}
