//! A relay's circuit breaker: closed (connections are opened), open (none until a time), half-open (one, to try).

use std::time::Duration;
use tidings_campaign::time::Timestamp;
use tidings_store::relay_status::RelayHealth;

/// How a relay's connections fare.
#[derive(Debug)]
pub(crate) enum Circuit {
    /// It works, as far as is known.
    Closed,
    /// Nobody connects before `until`.
    Open { until: Timestamp, faults: u32 },
    /// One session tries.
    HalfOpen { since: Timestamp, faults: u32 },
}

/// Whether a session may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Yes,
    NotBefore(Timestamp),
}

/// The shortest and the longest time that a relay is left alone after faults.
const REST: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// An attempt that is not over by then is not waited for.
const TRYING: Duration = Duration::from_secs(60);
/// A session that waits for somebody else's attempt looks again so soon.
const LOOK: Duration = Duration::from_millis(100);

impl Circuit {
    /// Whether anybody may connect now. Changes nothing.
    pub(crate) fn asks(&self, now: Timestamp) -> Admission {
        match self {
            Circuit::Closed => Admission::Yes,
            Circuit::Open { until, .. } if *until > now => Admission::NotBefore(*until),
            Circuit::HalfOpen { since, .. } if now.since(*since) < TRYING => {
                Admission::NotBefore(now.plus(LOOK))
            }
            Circuit::Open { .. } | Circuit::HalfOpen { .. } => Admission::Yes,
        }
    }

    /// A session goes to connect; [`Circuit::asks`] has said yes.
    pub(crate) fn admit(&mut self, now: Timestamp) {
        if let Circuit::Open { faults, .. } | Circuit::HalfOpen { faults, .. } = *self {
            *self = Circuit::HalfOpen { since: now, faults };
        }
    }

    /// A connection is ready. True if that is news.
    pub(crate) fn works(&mut self) -> bool {
        let news = !self.is_closed();
        *self = Circuit::Closed;
        news
    }

    /// A connection could not be made, or broke. True if that is news: faults that many sessions meet at the same
    /// time count once.
    pub(crate) fn fails(&mut self, now: Timestamp) -> bool {
        let faults = match self {
            Circuit::Closed => 0,
            Circuit::HalfOpen { faults, .. } => *faults,
            Circuit::Open { until, faults } if *until <= now => *faults,
            Circuit::Open { .. } => return false,
        };
        let until = now.plus((REST.0 * 2_u32.pow(faults.min(10))).min(REST.1));
        *self = Circuit::Open {
            until,
            faults: faults + 1,
        };
        true
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self, Circuit::Closed)
    }

    /// As the pages show it.
    pub(crate) fn health(&self) -> RelayHealth {
        match self {
            Circuit::Closed => RelayHealth::Works,
            Circuit::Open { .. } => RelayHealth::Resting,
            Circuit::HalfOpen { .. } => RelayHealth::Trying,
        }
    }

    /// Until when nobody connects, if it is open.
    pub(crate) fn is_open_until(&self) -> Option<Timestamp> {
        match self {
            Circuit::Open { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// How long it stays open; zero when it is closed or somebody tries.
    pub(crate) fn rests_for(&self, now: Timestamp) -> Duration {
        match self {
            Circuit::Open { until, .. } => until.since(now),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_000_000);

    #[test]
    fn after_a_fault_nobody_connects_and_then_one_tries() {
        let mut circuit = Circuit::Closed;
        assert!(circuit.fails(START));
        assert!(!circuit.fails(START), "others meet the same fault");
        let Admission::NotBefore(until) = circuit.asks(START) else {
            panic!("it is closed")
        };
        assert_eq!(circuit.asks(until), Admission::Yes);
        circuit.admit(until);
        assert_ne!(circuit.asks(until), Admission::Yes, "one is enough");
        assert!(circuit.works());
        assert_eq!(circuit.asks(until), Admission::Yes);
    }

    #[test]
    fn the_rest_grows_up_to_half_a_minute() {
        let mut circuit = Circuit::Closed;
        let mut now = START;
        let mut rests = Vec::new();
        for _ in 0..9 {
            circuit.fails(now);
            let Admission::NotBefore(until) = circuit.asks(now) else {
                panic!("it is closed")
            };
            rests.push(until.since(now).as_millis());
            now = until;
            circuit.admit(now);
        }
        assert_eq!(
            rests,
            [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]
        );
    }
}
