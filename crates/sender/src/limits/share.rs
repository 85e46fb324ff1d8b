//! This process's part of one limit that several senders keep together. All of them write down what they hold
//! (`store/limit_shares.rs`), and what all hold never sums to more than the limit:
//!
//! - more is used only after it is committed that it is held, and nobody holds what another one does;
//! - less is used before it is committed. What was used within the unit of a pace is held as well, so that what others use
//!   then is never too much together with it;
//! - it is used for a shorter time than it is held without being renewed, measured from before it was asked for. So nobody
//!   uses it after it has become another's, whatever was stopped or away meanwhile.

mod turn;
mod using;

use self::using::forget;
pub(super) use self::using::{Allowance, Progress, Using, WHOLE_SPREAD};
use super::Bound;
use super::fair::Rest;
use crate::pace::{FEW, Pace};
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::time::Timestamp;
use tidings_store::ledger::Usage;
use tidings_store::limit_shares::{ShareChanges, ShareRow, UsedSince};

/// Which of a place's limits is shared. Rates by the second and by the minute are shared as messages in their unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Which {
    Second,
    Minute,
    /// Sessions that have a message in hand.
    Sessions,
    /// Connections to a relay, from before they are opened until they are closed, with or without a message.
    Connections,
    /// A campaign's own pace, in thousandths.
    Spread,
    /// Messages of all allowances for an hour or a day.
    Permits,
}

impl Which {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Which::Second => "s",
            Which::Minute => "min",
            Which::Sessions => "sessions",
            Which::Connections => "connections",
            Which::Spread => "spread",
            Which::Permits => "permits",
        }
    }

    /// For how long what was used still counts when nothing is used any more. Permits that run out are written down as used; the
    /// connections of a process that has died are closed at once, but those of one that is cut off when its leases end.
    const fn counts_for(self, lease: Duration) -> Duration {
        match self {
            Which::Second => Duration::from_secs(1),
            Which::Minute => Duration::from_secs(60),
            Which::Sessions | Which::Connections => lease,
            Which::Spread | Which::Permits => Duration::ZERO,
        }
    }

    /// After so long single units go to the next.
    const fn turn(self) -> Duration {
        match self {
            Which::Minute => Duration::from_secs(600),
            Which::Second | Which::Sessions | Which::Connections | Which::Spread | Which::Permits => {
                Duration::from_secs(10)
            }
        }
    }

    const fn rest(self, binds: bool) -> Rest {
        match self {
            Which::Permits => Rest::Left,
            Which::Second | Which::Minute | Which::Sessions | Which::Spread => Rest::Divided,
            // Who comes can connect at once, and who dies takes no more along than it used. But who has more to do has all at once.
            Which::Connections if binds => Rest::Divided,
            Which::Connections => Rest::Left,
        }
    }
}

/// Shares by their words that end with a process's connections.
pub(crate) const OF_OPEN_CONNECTIONS: [&str; 2] = [Which::Sessions.word(), Which::Connections.word()];

/// One turn at the table of shares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Counts the process's turns.
    pub number: i64,
    /// Before anything was asked, by the schedule's time.
    pub began: Timestamp,
    /// The same moment by the clock.
    pub at: Timestamp,
    /// Nothing is sent any more: everything is given back.
    pub leaving: bool,
    /// How long a lease of this process lasts.
    pub lease: Duration,
}

/// What is held and not renewed is another's after so long.
pub(crate) const VALID: Duration = Duration::from_secs(6);
/// It is used for so long. The difference is for clocks that do not agree.
pub(crate) const USABLE: Duration = Duration::from_secs(5);
/// It is renewed when it is so old.
const RENEWED: Duration = Duration::from_secs(2);
/// Who has not been asked for so long has no demand.
const ACTIVE: Duration = Duration::from_secs(3);
/// How soon one without a share looks again.
const LOOK: Duration = Duration::from_millis(50);
/// How soon one looks again when others hold what is left.
const LOOK_OTHERS: Duration = Duration::from_millis(250);
/// The longest allowance, and a little more.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(25 * 3600);
/// Permits are held for what is sent in so many seconds.
const PERMIT_SECONDS: f64 = 3.0;
/// And so many at first.
const FIRST_PERMITS: u64 = 64;
/// What is wanted beyond what was used of late.
const HEADROOM: f64 = 1.25;

/// What becomes true with the commit of the round.
#[derive(Clone, Copy, Debug)]
struct Pending {
    round: i64,
    grant: u64,
    /// Permits that are written down as used.
    spent: u64,
    usable_until: Timestamp,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Share {
    pub place: Arc<str>,
    pub which: Which,
    pub bound: Bound,
    /// The limit, in units.
    pub whole: u64,
    pub using: Using,
    /// So many of them are for this process.
    cap: u64,
    usable_until: Timestamp,
    asked: Option<Timestamp>,
    /// It has stopped a message since the last round.
    stopped: bool,
    /// The last round found that it was too little.
    binds: bool,
    /// What was used of late; of permits by the second.
    estimate: f64,
    decided: Timestamp,
    was_active: bool,
    /// A row of this process may be in the table.
    has_row: bool,
    /// How long a lease of this process lasts, as the last round said.
    lease: Duration,
    /// The round that is under way is about it.
    in_round: bool,
    pending: Option<Pending>,
}

impl Share {
    pub(super) fn new(place: Arc<str>, which: Which, bound: Bound, whole: u64, using: Using) -> Share {
        Share {
            place,
            which,
            bound,
            whole,
            using,
            cap: 0,
            usable_until: Timestamp(0),
            asked: None,
            stopped: false,
            binds: false,
            estimate: 0.0,
            decided: Timestamp(0),
            was_active: false,
            has_row: false,
            lease: Duration::ZERO,
            in_round: false,
            pending: None,
        }
    }

    /// Another limit at the same place, from now on. What was used stays used.
    pub(super) fn change(&mut self, bound: Bound, whole: u64, using: Using, now: Timestamp) {
        self.bound = bound;
        self.whole = whole;
        match (&mut self.using, using) {
            (Using::Pace { rate, .. }, Using::Pace { rate: new, .. }) => *rate = new,
            (Using::Permits { allowances, .. }, Using::Permits { allowances: new, .. }) => *allowances = new,
            (Using::Spread(progress), Using::Spread(new)) => progress.per_second = new.per_second,
            // Messages that began under another configuration are not counted any more.
            (Using::Sessions { now, .. }, Using::Sessions { .. }) => *now = 0,
            // A connection is open, whatever was configured when it was opened.
            (Using::Connections { .. }, Using::Connections { .. }) => {}
            _ => unreachable!("which limit it is says how it is used"),
        }
        self.set_cap(self.cap.min(whole), now);
    }

    /// Units that this process may use now.
    pub(super) fn allowed(&self, now: Timestamp) -> u64 {
        if now < self.usable_until { self.cap } else { 0 }
    }

    /// Until when nobody else has what is in use here, though the part has run out before.
    pub(super) fn lasts_until(&self) -> Timestamp {
        self.usable_until.plus(self.which.counts_for(self.lease))
    }

    /// Whether it wants to send here.
    fn is_active(&self, now: Timestamp) -> bool {
        self.asked.is_some_and(|asked| now.since(asked) < ACTIVE)
    }

    /// Notes that somebody was stopped. True if a round at once may help.
    pub(super) fn note_stop(&mut self, now: Timestamp) -> bool {
        let is_news = !self.stopped && (self.allowed(now) == 0 || self.which == Which::Connections);
        self.stopped = true;
        let may_grow = self.which == Which::Connections && !self.binds;
        is_news && (!self.was_active || may_grow || self.has_permits_left())
    }

    fn has_permits_left(&self) -> bool {
        match &self.using {
            Using::Permits { allowances, .. } => allowances.iter().all(|allowance| allowance.left > 0),
            _ => false,
        }
    }

    /// Notes that somebody asks.
    pub(super) fn note_ask(&mut self, now: Timestamp) {
        self.asked = Some(now);
    }

    /// When the next message may pass: `now`, or later. Sessions and connections are asked for by [`Share::allowed`].
    pub(super) fn next(&mut self, now: Timestamp) -> Timestamp {
        let cap = self.allowed(now);
        match &mut self.using {
            Using::Permits { allowances, .. } if cap == 0 => {
                let gone = allowances.iter().filter(|allowance| allowance.left == 0);
                let back = gone.map(|allowance| allowance.back).max();
                back.unwrap_or(now).max(now.plus(LOOK_OTHERS))
            }
            _ if cap == 0 => now.plus(LOOK),
            Using::Pace { rate, passed, even } => {
                forget(passed, *rate, now);
                let cap = usize::try_from(cap).unwrap_or(usize::MAX);
                match passed.len().checked_sub(cap) {
                    Some(at) => passed[at].plus(rate.unit()),
                    None => even.as_ref().map_or(now, |even| even.next(now)),
                }
            }
            Using::Spread(progress) => progress.next(cap, now),
            Using::Permits { .. } | Using::Sessions { .. } | Using::Connections { .. } => now,
        }
    }

    /// A message passes now.
    pub(super) fn take(&mut self, now: Timestamp) {
        match &mut self.using {
            Using::Pace { passed, even, .. } => {
                passed.push_back(now);
                if let Some(even) = even {
                    even.take(now);
                }
            }
            Using::Spread(progress) => progress.left += 1.0,
            Using::Permits { spent, .. } => {
                *spent += 1;
                self.cap = self.cap.saturating_sub(1);
            }
            Using::Sessions { .. } | Using::Connections { .. } => {}
        }
    }

    /// So many sessions carry such mail now.
    pub(super) fn count_sessions(&mut self, n: usize) {
        if let Using::Sessions { now, most } = &mut self.using {
            *now = n as u64;
            *most = (*most).max(*now);
        }
    }

    /// Messages per second that this process's part allows, as far as it is a pace.
    pub(super) fn per_second(&self) -> Option<f64> {
        match &self.using {
            Using::Pace { rate, .. } => Some(self.cap as f64 / rate.unit().as_secs_f64()),
            Using::Spread(progress) => Some(progress.rate(self.cap)),
            Using::Permits { allowances, .. } => allowances
                .iter()
                .map(|allowance| allowance.rate.per_second())
                .reduce(f64::min),
            Using::Sessions { .. } | Using::Connections { .. } => None,
        }
    }

    fn set_cap(&mut self, cap: u64, now: Timestamp) {
        if cap == self.cap {
            return;
        }
        match &mut self.using {
            Using::Pace { rate, even, .. } => {
                let next = even.as_ref().map_or(now, |even| even.next(now));
                *even = rate.of(cap).filter(|rate| rate.messages() >= FEW).map(|rate| {
                    let soon = now.plus(rate.unit() / rate.messages());
                    Pace::new(rate, next.min(soon))
                });
            }
            // What has run out was no part any more.
            Using::Spread(progress) => {
                progress.advance(self.cap, now.min(self.usable_until));
                progress.at = now;
            }
            Using::Permits { .. } | Using::Sessions { .. } | Using::Connections { .. } => {}
        }
        self.cap = cap;
    }

    /// Whether this round is about it. Says also since when it wants to know what was used.
    pub(super) fn begin(&mut self, round: &Round, used_since: &mut Vec<(String, i64)>) -> bool {
        let is_active = self.is_active(round.began) && !round.leaving;
        let wants = self.permits_wanted();
        let cap = self.allowed(round.began);
        let stopped = self.stopped;
        if let Using::Permits { allowances, asks, .. } = &mut self.using {
            *asks = is_active && (stopped || cap < wants / 2 || cap == 0);
            if *asks {
                let since = allowances.iter().map(|allowance| allowance.since(round.at));
                used_since.extend(since.map(|minute| (self.place.to_string(), minute)));
            }
        }
        self.in_round = is_active || self.has_row;
        self.in_round
    }

    /// Whether the round that is under way is about it: only then it has been asked what others hold.
    pub(super) fn is_in_round(&self) -> bool {
        self.in_round
    }

    /// Whether it has no part as yet, and no round has told how much that is.
    pub(super) fn is_new(&self, now: Timestamp) -> bool {
        !self.was_active && self.allowed(now) == 0
    }

    fn permits_wanted(&self) -> u64 {
        let least = FIRST_PERMITS.min(self.whole / 50 + 1) as f64;
        (self.estimate * PERMIT_SECONDS).max(least).ceil() as u64
    }

    /// How long so many messages of all senders take at least.
    pub(super) fn time_for(&self, messages: u64, now: Timestamp) -> f64 {
        match &self.using {
            Using::Pace { rate, .. } => messages as f64 / rate.per_second(),
            Using::Spread(progress) => messages as f64 / progress.per_second,
            Using::Permits { allowances, .. } => allowances
                .iter()
                .map(|allowance| {
                    let next = if allowance.left > 0 { now } else { allowance.back };
                    allowance
                        .rate
                        .allowance_takes(messages, allowance.left, next.since(now))
                })
                .fold(0.0, f64::max),
            Using::Sessions { .. } | Using::Connections { .. } => 0.0,
        }
    }
}
