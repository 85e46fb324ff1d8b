//! Until when a lease is surely held. Another node takes a lease over when it has run out by the database's clock. So whoever
//! holds it stops a little before, by a clock that nobody sets and that goes on while the process, or the machine, stands still.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidings_campaign::time::Moment;

/// How long a lease lasts.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// From when it is taken or renewed.
    pub lease: Duration,
    /// Whether another process may take it over. On SQLite the sender's lock keeps others out, however long it stands still.
    pub is_contested: bool,
}

impl Term {
    /// Until when a lease is surely held that was taken or renewed by a request sent at `asked`, or later. The margin is for
    /// what clocks differ by.
    pub(crate) fn held_until(&self, asked: Moment) -> Moment {
        if !self.is_contested {
            return Moment::NEVER;
        }
        let margin = (self.lease / 10).max(Duration::from_millis(200));
        asked.plus(self.lease.saturating_sub(margin))
    }

    /// How long the database may take to renew a lease, so that there is time for another try.
    pub(crate) fn haste(&self) -> Duration {
        (self.lease / 5).max(Duration::from_millis(500))
    }

    /// How long the database may take for something short, before it is tried over another connection.
    pub(crate) fn patience(&self) -> Duration {
        (self.lease / 3).clamp(Duration::from_secs(1), Duration::from_secs(10))
    }
}

/// The end of a lease, which moves on as it is renewed.
#[derive(Debug)]
pub(crate) struct Fence(AtomicU64);

impl Fence {
    pub(crate) fn until(moment: Moment) -> Fence {
        Fence(AtomicU64::new(moment.0))
    }

    /// Of what nobody takes over.
    pub(crate) fn none() -> Fence {
        Fence::until(Moment::NEVER)
    }

    /// It is held until `moment`, if not longer.
    pub(crate) fn prolong(&self, moment: Moment) {
        self.0.fetch_max(moment.0, Ordering::Relaxed);
    }

    /// How long it is surely held from now on; zero if it is over.
    pub(crate) fn left(&self) -> Duration {
        match Moment(self.0.load(Ordering::Relaxed)) {
            Moment::NEVER => Duration::MAX,
            Moment(until) => Duration::from_micros(until.saturating_sub(Moment::now().0)),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left().is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: Term = Term {
        lease: Duration::from_secs(30),
        is_contested: true,
    };

    #[test]
    fn a_lease_is_surely_held_until_a_little_before_its_end() {
        let fence = Fence::until(TERM.held_until(Moment::now()));
        let left = fence.left();
        assert!(
            left <= Duration::from_secs(27) && left > Duration::from_secs(26),
            "{left:?}"
        );
        let short = Term {
            lease: Duration::from_secs(1),
            ..TERM
        };
        fence.prolong(short.held_until(Moment::now()));
        assert!(
            fence.left() > Duration::from_secs(26),
            "it never ends sooner than it was said to"
        );
        assert!(Fence::until(short.held_until(Moment(0))).is_over());
    }

    #[test]
    fn what_nobody_takes_over_does_not_end() {
        let term = Term {
            is_contested: false,
            ..TERM
        };
        assert_eq!(Fence::until(term.held_until(Moment(0))).left(), Duration::MAX);
        assert_eq!(Fence::none().left(), Duration::MAX);
    }
}
