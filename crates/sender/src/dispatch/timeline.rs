//! The time by which limits are kept.

use tidings_campaign::time::{Clock, Moment, Timestamp};

/// Time that never goes back, on the scale of the clock.
#[derive(Debug)]
pub(super) enum Timeline {
    /// From the clock once, and from then on by the machine's steady one.
    Steady { began: Timestamp, at: Moment },
    /// A test's.
    Set(Clock),
}

impl Timeline {
    pub(super) fn new(clock: &Clock) -> Timeline {
        match clock {
            Clock::System | Clock::Led(_) => Timeline::Steady {
                began: clock.now(),
                at: Moment::now(),
            },
            Clock::Set(_) => Timeline::Set(clock.clone()),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        match self {
            Timeline::Steady { began, at } => began.plus(at.elapsed()),
            Timeline::Set(clock) => clock.now(),
        }
    }
}
