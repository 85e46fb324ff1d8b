//! Moments as they are stored: UTC, whole microseconds since 1970.

mod moment;

pub use self::moment::Moment;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A moment in UTC, in microseconds since the Unix epoch (what both databases keep exactly).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// From whole seconds since the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Timestamp(seconds * 1_000_000)
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Minutes since the epoch, rounded down: the bucket of the counters.
    pub const fn minute(self) -> i64 {
        self.0.div_euclid(60_000_000)
    }

    /// This moment and `span` later. Saturates at the end of time.
    pub fn plus(self, span: Duration) -> Self {
        Timestamp(
            self.0
                .saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// This moment less `span`.
    pub fn minus(self, span: Duration) -> Self {
        Timestamp(
            self.0
                .saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero if it is before.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same moment for calendar work.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::MAX)
    }
}

impl From<jiff::Timestamp> for Timestamp {
    fn from(moment: jiff::Timestamp) -> Self {
        Timestamp(moment.as_microsecond())
    }
}

/// Shown as RFC 3339 in UTC, to the second.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

/// Where `now` comes from. The binary makes the system's clock; tests may hold it still or move it.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// The machine's clock until it is told another's time, and from then on that, moved on by the machine's steady clock.
    Led(Arc<Led>),
    /// A clock that moves only when told: microseconds since the epoch.
    Set(Arc<AtomicI64>),
}

/// What a clock that is led has been told.
#[derive(Debug)]
pub struct Led {
    began: Moment,
    /// What the time was at `began`, by what was told last; `UNTOLD` before.
    at_began: AtomicI64,
}

/// The end of time, which nobody tells.
const UNTOLD: i64 = i64::MAX;

impl Led {
    /// Whether it was told anything yet.
    pub fn is_told(&self) -> bool {
        self.at_began.load(Ordering::Relaxed) != UNTOLD
    }

    /// From now on it is `now`.
    pub fn tell(&self, now: Timestamp) {
        let at_began = now.minus(self.began.elapsed());
        self.at_began.store(at_began.0, Ordering::Relaxed);
    }

    fn now(&self) -> Timestamp {
        match self.at_began.load(Ordering::Relaxed) {
            UNTOLD => jiff::Timestamp::now().into(),
            at_began => Timestamp(at_began).plus(self.began.elapsed()),
        }
    }
}

impl Clock {
    /// A clock that can be led.
    pub fn led() -> Clock {
        Clock::Led(Arc::new(Led {
            began: Moment::now(),
            at_began: AtomicI64::new(UNTOLD),
        }))
    }

    /// The moment it is now.
    pub fn now(&self) -> Timestamp {
        match self {
            Clock::System => jiff::Timestamp::now().into(),
            Clock::Led(led) => led.now(),
            Clock::Set(micros) => Timestamp(micros.load(Ordering::SeqCst)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_led_goes_on_from_what_it_was_told() {
        let clock = Clock::led();
        assert!(clock.now().since(Clock::System.now()) < Duration::from_secs(1));
        let Clock::Led(led) = &clock else {
            panic!("it is led")
        };
        for told in [Timestamp::from_seconds(3_600), Timestamp::from_seconds(60)] {
            led.tell(told);
            let now = clock.now();
            assert!(now >= told && now.since(told) < Duration::from_secs(10), "{now}");
        }
    }
}
