//! This process's part of one limit that several senders keep together. All of them write down what they hold
//! (`store/limit_shares.rs`), and what all hold never sums to more than the limit:
//!
//! - more is used only after it is committed that it is held, and nobody holds what another one does;
//! - less is used before it is committed. What was used within the unit of a pace is held as well, so that what others use
//!   then is never too much together with it;
//! - it is used for a shorter time than it is held without being renewed, measured from before it was asked for. So nobody
//!   uses it after it has become another's, whatever was stopped or away meanwhile.

use super::fair::{self, Rest};
use super::{Bound, Spread};
use crate::pace::{FEW, Pace, Rate};
use std::collections::VecDeque;
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
    Sessions,
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
            Which::Spread => "spread",
            Which::Permits => "permits",
        }
    }

    /// For how long what was used still counts when nothing is used any more. Permits that run out are written down as used; the
    /// sessions of a process that has died are closed at once, but those of one that is cut off when its leases end.
    const fn counts_for(self, lease: Duration) -> Duration {
        match self {
            Which::Second => Duration::from_secs(1),
            Which::Minute => Duration::from_secs(60),
            Which::Sessions => lease,
            Which::Spread | Which::Permits => Duration::ZERO,
        }
    }

    /// After so long single units go to the next.
    const fn turn(self) -> Duration {
        match self {
            Which::Minute => Duration::from_secs(600),
            Which::Second | Which::Sessions | Which::Spread | Which::Permits => Duration::from_secs(10),
        }
    }

    const fn rest(self) -> Rest {
        match self {
            Which::Permits => Rest::Left,
            Which::Second | Which::Minute | Which::Sessions | Which::Spread => Rest::Divided,
        }
    }
}

/// All of a campaign's own pace.
pub(super) const WHOLE_SPREAD: u64 = 1000;

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

/// An allowance for an hour or a day, as all senders together had used it at the last look.
#[derive(Clone, Debug)]
pub(super) struct Allowance {
    pub rate: Rate,
    pub left: u64,
    /// When something comes back.
    pub back: Timestamp,
}

impl Allowance {
    pub(super) fn new(rate: Rate) -> Allowance {
        Allowance {
            rate,
            left: u64::from(rate.messages()),
            back: Timestamp(0),
        }
    }

    fn minutes(&self) -> i64 {
        self.rate.allowance_minutes().unwrap_or_default()
    }

    /// The first minute whose use still counts.
    fn since(&self, now: Timestamp) -> i64 {
        now.minute() - self.minutes()
    }
}

/// A campaign's own pace, of which this process has a part: how much of the time to the next message is left, which goes on from
/// part to part.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    per_second: f64,
    left: f64,
    at: Timestamp,
}

/// Seconds by which a timer may be late without a loss.
const LATE: f64 = 0.02;

impl Progress {
    pub(super) fn new(spread: Spread, now: Timestamp) -> Progress {
        Progress {
            per_second: spread.per_second(),
            left: 1.0,
            at: now,
        }
    }

    fn rate(&self, part: u64) -> f64 {
        self.per_second * part as f64 / WHOLE_SPREAD as f64
    }

    fn advance(&mut self, part: u64, to: Timestamp) {
        let rate = self.rate(part);
        self.left = (self.left - rate * to.since(self.at).as_secs_f64()).max(-rate * LATE);
        self.at = self.at.max(to);
    }

    fn next(&mut self, part: u64, now: Timestamp) -> Timestamp {
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
pub(super) enum Using {
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
    Spread(Progress),
    Permits {
        allowances: Vec<Allowance>,
        /// Used, and not yet written down.
        spent: u64,
        /// How much was used is asked for in this round.
        asks: bool,
    },
}

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
    /// What was used of late; of permits by the second.
    estimate: f64,
    decided: Timestamp,
    was_active: bool,
    /// A row of this process may be in the table.
    has_row: bool,
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
            estimate: 0.0,
            decided: Timestamp(0),
            was_active: false,
            has_row: false,
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
            _ => unreachable!("which limit it is says how it is used"),
        }
        self.set_cap(self.cap.min(whole), now);
    }

    /// Units that this process may use now.
    pub(super) fn allowed(&self, now: Timestamp) -> u64 {
        if now < self.usable_until { self.cap } else { 0 }
    }

    /// Whether it wants to send here.
    fn is_active(&self, now: Timestamp) -> bool {
        self.asked.is_some_and(|asked| now.since(asked) < ACTIVE)
    }

    /// Notes that somebody was stopped. True if a round at once may help.
    pub(super) fn note_stop(&mut self, now: Timestamp) -> bool {
        let is_news = !self.stopped && self.allowed(now) == 0;
        self.stopped = true;
        is_news && (!self.was_active || self.has_permits_left())
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

    /// When the next message may pass: `now`, or later. Sessions are asked for by [`Share::allowed`].
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
            Using::Permits { .. } | Using::Sessions { .. } => now,
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
            Using::Sessions { .. } => {}
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
            Using::Sessions { .. } => None,
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
            Using::Permits { .. } | Using::Sessions { .. } => {}
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

    /// What is wanted, in units: what was used of late and a little more; of what binds, more and more.
    fn wanted(&mut self, is_active: bool, now: Timestamp) -> u64 {
        let since = now.since(self.decided).as_secs_f64().max(0.001);
        let cap = self.allowed(now);
        let (used, memory, is_used_up) = match &mut self.using {
            Using::Pace { rate, passed, .. } => {
                let used = passed.len() as u64;
                (
                    used as f64,
                    rate.unit().as_secs_f64().max(5.0),
                    used * 10 >= cap * 9,
                )
            }
            Using::Sessions { now, most } => {
                let used = std::mem::replace(most, *now);
                (used as f64, 5.0, used >= cap)
            }
            Using::Permits { spent, .. } => (*spent as f64 / since, PERMIT_SECONDS, cap == 0),
            Using::Spread(_) => (0.0, 1.0, true),
        };
        let binds = self.stopped && is_used_up;
        if !is_active {
            if self.which == Which::Permits {
                self.estimate = 0.0;
            }
            return 0;
        }
        if self.estimate == 0.0 {
            // Nothing is known yet of who has just come. What is used up within a second shows soon that it is too little.
            self.estimate = match self.which {
                Which::Permits => 0.0,
                Which::Second => self.whole as f64 / 4.0,
                Which::Minute | Which::Sessions | Which::Spread => self.whole as f64,
            };
        } else if self.was_active && !binds {
            // Who comes again wants what was wanted at last: one that sends now and then must not keep much from others each time.
            self.estimate *= (-since / memory).exp();
        }
        self.estimate = self.estimate.max(used).min(self.whole as f64);
        match self.which {
            Which::Spread => WHOLE_SPREAD,
            Which::Permits => {
                let wanted = self.permits_wanted();
                if binds {
                    self.estimate = (wanted * 2) as f64 / PERMIT_SECONDS;
                }
                wanted.min(self.whole)
            }
            Which::Second | Which::Minute | Which::Sessions => {
                if binds {
                    self.estimate = self.estimate.max((cap.max(1) * 2) as f64 / HEADROOM);
                }
                ((self.estimate * HEADROOM).round() as u64).clamp(1, self.whole)
            }
        }
    }

    /// Units that are held whatever is wanted.
    fn in_use(&mut self, now: Timestamp) -> u64 {
        match &mut self.using {
            Using::Pace { rate, passed, .. } => {
                forget(passed, *rate, now);
                passed.len() as u64
            }
            Using::Sessions { now, .. } => *now,
            Using::Spread(_) | Using::Permits { .. } => 0,
        }
    }

    /// Decides what is held from this round on. `rows`: everybody's of this limit; `used`: what was asked for. What is to be less
    /// is less from now on, what is more comes with [`Share::end`].
    pub(super) fn decide(
        &mut self,
        rows: &[&ShareRow],
        used: &[UsedSince],
        (me, round, now): (&str, &Round, Timestamp),
        changes: &mut ShareChanges,
    ) {
        let is_active = self.is_active(round.began) && !round.leaving;
        let mut lost = 0;
        for row in rows.iter().filter(|row| row.valid_until <= round.at.0) {
            if row.valid_until > round.at.minus(REMEMBERED).0 {
                lost += row.held.unsigned_abs();
            }
            if row.owner != me {
                let key = (row.place.clone(), row.which.clone(), row.owner.clone());
                changes.removed.push(key);
            }
        }
        let of_me = rows.iter().find(|row| row.owner == me);
        let living: Vec<&ShareRow> = rows
            .iter()
            .copied()
            .filter(|row| row.valid_until > round.at.0)
            .collect();
        let own = living.iter().copied().find(|row| row.owner == me);
        let spent = self.unwritten(own, now);
        let used_now = spent + if self.which == Which::Permits { lost } else { 0 };
        if used_now > 0 {
            changes.used.push(Usage {
                limit: Arc::clone(&self.place),
                n: i64::try_from(used_now).unwrap_or(i64::MAX),
            });
        }
        let in_use = self.in_use(now);
        let wanted = self.wanted(is_active, now);
        let held = own.map_or(0, |row| row.held.unsigned_abs().saturating_sub(spent));
        let new = match self.total(used, used_now, round) {
            Some(total) => self.aimed_at(total, held, wanted, &living, me, round),
            // Enough is there; nothing was asked.
            None if wanted * 2 < held => wanted,
            None => held,
        };
        self.was_active = is_active;
        self.decided = now;
        self.stopped = false;
        if new < self.cap {
            self.set_cap(new, now);
        }
        let to_hold = new.max(in_use);
        if !is_active && to_hold == 0 {
            if of_me.is_some() {
                let key = (
                    self.place.to_string(),
                    self.which.word().to_owned(),
                    me.to_owned(),
                );
                changes.removed.push(key);
            }
            self.has_row = of_me.is_some();
            self.pend(round, new, spent);
            return;
        }
        let is_said = own.is_some_and(|row| {
            row.held.unsigned_abs() == to_hold
                && row.wanted.unsigned_abs().abs_diff(wanted) * 10 <= row.wanted.unsigned_abs()
        });
        let is_fresh = self.usable_until.since(now) > USABLE - RENEWED;
        if is_said && is_fresh && spent == 0 && !round.leaving {
            self.set_cap(new, now);
            return;
        }
        let lasts = if round.leaving { Duration::ZERO } else { VALID };
        changes.put.push(ShareRow {
            place: self.place.to_string(),
            which: self.which.word().to_owned(),
            owner: me.to_owned(),
            held: i64::try_from(to_hold).unwrap_or(i64::MAX),
            wanted: i64::try_from(wanted).unwrap_or(i64::MAX),
            round: round.number,
            valid_until: round.at.plus(lasts + self.which.counts_for(round.lease)).0,
        });
        self.has_row = true;
        self.pend(round, new, spent);
    }

    /// Permits that were used and are not written down yet. A round before this one may have been committed although it
    /// seemed to fail; without a row everything that was held has been written down as used.
    fn unwritten(&mut self, own: Option<&ShareRow>, now: Timestamp) -> u64 {
        let pending = self.pending.take();
        if own.is_none() {
            self.set_cap(0, now);
        }
        let Using::Permits { spent, .. } = &mut self.using else {
            return 0;
        };
        match (own, pending) {
            (None, _) => *spent = 0,
            (Some(row), Some(pending)) if row.round == pending.round => *spent -= pending.spent,
            (Some(_), _) => {}
        }
        *spent
    }

    /// How many units there are to be held by all; none if it was not asked for.
    fn total(&mut self, used: &[UsedSince], used_now: u64, round: &Round) -> Option<u64> {
        let Using::Permits { allowances, asks, .. } = &mut self.using else {
            return Some(self.whole);
        };
        if !*asks {
            return None;
        }
        for allowance in allowances.iter_mut() {
            let since = allowance.since(round.at);
            let found = used.iter().find(|used| used.since == since);
            let before = found.map_or(0, |used| used.n.unsigned_abs());
            allowance.left = u64::from(allowance.rate.messages()).saturating_sub(before + used_now);
            let first = found.map_or(round.at.minute(), |used| used.first);
            allowance.back = Timestamp((first + 1 + allowance.minutes()) * 60_000_000);
        }
        let least = allowances.iter().min_by_key(|allowance| allowance.left)?;
        self.bound = Bound::Rate(least.rate);
        Some(least.left)
    }

    /// What this process is to hold: its fair part, and what is free of it if that is more than it has.
    fn aimed_at(
        &self,
        total: u64,
        held: u64,
        wanted: u64,
        living: &[&ShareRow],
        me: &str,
        round: &Round,
    ) -> u64 {
        let others = living.iter().filter(|row| row.owner != me);
        let of_others: u64 = others.clone().map(|row| row.held.unsigned_abs()).sum();
        let mut all: Vec<(&str, u64)> = others
            .map(|row| (row.owner.as_str(), row.wanted.unsigned_abs()))
            .collect();
        all.push((me, wanted));
        all.sort_unstable();
        let place = all.iter().position(|(owner, _)| *owner == me);
        let place = place.expect("this process is among all");
        let wants: Vec<u64> = all.iter().map(|(_, wanted)| (*wanted).min(self.whole)).collect();
        let turn = round.at.0.unsigned_abs() / self.which.turn().as_micros() as u64;
        let fair = fair::part(total, &wants, place, self.which.rest(), turn);
        let free = total.saturating_sub(of_others);
        if fair <= held {
            fair
        } else {
            held.max(fair.min(free))
        }
    }

    fn pend(&mut self, round: &Round, grant: u64, spent: u64) {
        self.pending = Some(Pending {
            round: round.number,
            grant,
            spent,
            usable_until: round.began.plus(USABLE),
        });
    }

    /// The round is over. Without a commit that is known of, the next one finds out what became of it.
    pub(super) fn end(&mut self, committed: bool, now: Timestamp) {
        if !committed {
            return;
        }
        let Some(pending) = self.pending.take() else {
            return;
        };
        let mut grant = pending.grant;
        if let Using::Permits { spent, .. } = &mut self.using {
            *spent -= pending.spent;
            grant = grant.saturating_sub(*spent);
        }
        self.set_cap(grant, now);
        self.usable_until = pending.usable_until;
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
            Using::Sessions { .. } => 0.0,
        }
    }
}

fn forget(passed: &mut VecDeque<Timestamp>, rate: Rate, now: Timestamp) {
    while passed.front().is_some_and(|first| first.plus(rate.unit()) <= now) {
        passed.pop_front();
    }
}
