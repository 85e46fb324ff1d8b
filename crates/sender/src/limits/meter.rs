//! What messages are counted by.

use super::given::Spread;
use super::places::Bound;
use super::shares::{ShareId, Shares};
use crate::pace::{Pace, Rate, Window};
use crate::quota::Quota;
use tidings_campaign::time::Timestamp;

/// What a node counts messages by.
#[derive(Debug)]
pub(super) enum Meter {
    Pace(Rate, Pace),
    Window(Rate, Window),
    Quota(Rate, Quota),
    Spread(Spread, Pace),
    /// A part of what several senders keep together.
    Shared(ShareId),
}

impl Meter {
    pub(super) fn bound(&self, shares: Option<&Shares>) -> Bound {
        match self {
            Meter::Pace(rate, _) | Meter::Window(rate, _) | Meter::Quota(rate, _) => Bound::Rate(*rate),
            Meter::Spread(spread, _) => Bound::Spread(*spread),
            Meter::Shared(id) => shares.expect(SHARED).bound(*id),
        }
    }

    pub(super) fn next(&mut self, shares: Option<&mut Shares>, now: Timestamp) -> Timestamp {
        match self {
            Meter::Pace(_, pace) | Meter::Spread(_, pace) => pace.next(now),
            Meter::Window(_, window) => window.next(now),
            Meter::Quota(_, quota) => quota.next(now),
            Meter::Shared(id) => shares.expect(SHARED).next(*id, now),
        }
    }

    pub(super) fn take(&mut self, shares: Option<&mut Shares>, now: Timestamp) {
        match self {
            Meter::Pace(_, pace) | Meter::Spread(_, pace) => pace.take(now),
            Meter::Window(_, window) => window.take(now),
            Meter::Quota(_, quota) => quota.take(now),
            Meter::Shared(id) => shares.expect(SHARED).take(*id, now),
        }
    }
}

/// Only a tree with shares has meters and sessions that are shared.
pub(super) const SHARED: &str = "a shared limit stands in a tree with shares";
