//! How a process uses its part of a limit: by the second or minute, by sessions, by connections, evenly over a campaign, or by permits.

use crate::limits::{SessionId, Spread};
use crate::pace::{Pace, Rate};
use std::collections::VecDeque;
use tidings_campaign::time::Timestamp;

/// All of a campaign's own pace.
pub(crate) const WHOLE_SPREAD: u64 = 1000;

/// An allowance for an hour or a day, as all senders together had used it at the last look.
#[derive(Clone, Debug)]
pub(crate) struct Allowance {
    pub rate: Rate,
    pub left: u64,
    /// When something comes back.
    pub back: Timestamp,
}

impl Allowance {
    pub(crate) fn new(rate: Rate) -> Allowance {
        Allowance {
            rate,
            left: u64::from(rate.messages()),
            back: Timestamp(0),
        }
    }

    pub(super) fn minutes(&self) -> i64 {
        self.rate.allowance_minutes().unwrap_or_default()
    }

    /// The first minute whose use still counts.
    pub(super) fn since(&self, now: Timestamp) -> i64 {
        now.minute() - self.minutes()
    }
}

/// A campaign's own pace, of which this process has a part: how much of the time to the next message is left, which goes on from
/// part to part.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    pub(super) per_second: f64,
    pub(super) left: f64,
    pub(super) at: Timestamp,
}

/// Seconds by which a timer may be late without a loss.
const LATE: f64 = 0.02;

impl Progress {
    pub(crate) fn new(spread: Spread, now: Timestamp) -> Progress {
        Progress {
            per_second: spread.per_second(),
            left: 1.0,
            at: now,
        }
    }

    pub(super) fn rate(&self, part: u64) -> f64 {
        self.per_second * part as f64 / WHOLE_SPREAD as f64
    }

    pub(super) fn advance(&mut self, part: u64, to: Timestamp) {
        let rate = self.rate(part);
        self.left = (self.left - rate * to.since(self.at).as_secs_f64()).max(-rate * LATE);
        self.at = self.at.max(to);
    }

    pub(super) fn next(&mut self, part: u64, now: Timestamp) -> Timestamp {
        self.advance(part, now);
        if self.left <= 0.0 {
            return now;
        }
        let micros = (self.left / self.rate(part) * 1e6).ceil();
        Timestamp(now.0.saturating_add(micros as i64))
    }
}

/// How this process uses its part.
#[derive(Clone, Debug)]
pub(crate) enum Using {
    /// Every message of the last unit is remembered, so that a part can change at any time; many are spread evenly by a pace.
    Pace {
        rate: Rate,
        passed: VecDeque<Timestamp>,
        even: Option<Pace>,
    },
    Sessions {
        now: u64,
        /// The most since the last round.
        most: u64,
    },
    Connections {
        /// Open, or being opened or closed.
        now: u64,
        /// The most since the last round.
        most: u64,
        /// Whose are to be closed, or are being closed.
        closing: Vec<SessionId>,
    },
    Spread(Progress),
    Permits {
        allowances: Vec<Allowance>,
        /// Used, and not yet written down.
        spent: u64,
        /// How much was used is asked for in this round.
        asks: bool,
    },
}

pub(super) fn forget(passed: &mut VecDeque<Timestamp>, rate: Rate, now: Timestamp) {
    while passed.front().is_some_and(|first| first.plus(rate.unit()) <= now) {
        passed.pop_front();
    }
}
