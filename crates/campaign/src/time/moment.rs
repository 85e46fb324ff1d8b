//! Moments of this machine, for what must neither go back nor stand still.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// A moment of this machine, in microseconds since it was started. Nobody sets this clock, and on Linux it goes on while the machine
/// sleeps, which [`std::time::Instant`] does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

impl Moment {
    /// One that does not come.
    pub const NEVER: Moment = Moment(u64::MAX);

    /// This one.
    pub fn now() -> Moment {
        let now = clock_gettime(CLOCK);
        Moment(now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000)
    }

    /// `span` later. Saturates.
    pub fn plus(self, span: Duration) -> Moment {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Moment(self.0.saturating_add(micros))
    }

    /// How long ago it was; zero if it is still to come.
    pub fn elapsed(self) -> Duration {
        Duration::from_micros(Moment::now().0.saturating_sub(self.0))
    }
}
