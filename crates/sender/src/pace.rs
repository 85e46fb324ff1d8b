//! Rates as people write them, and messages spread evenly over time: the generic cell rate algorithm (GCRA), as pure
//! arithmetic.
//!
//! `governor` does the same arithmetic, but takes from a limit as it asks it. Here a message passes a whole tree of
//! limits: what one of them stops must have taken nothing from the others, so that asking and taking are two steps.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;
use tidings_campaign::time::Timestamp;

/// So many messages in a span of time, as it is written: `200/s`, `50/min`, `5000/h`, `100000/day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    messages: NonZeroU32,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
}

impl Unit {
    const fn seconds(self) -> u64 {
        match self {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3600,
            Unit::Day => 86_400,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Unit::Second => "s",
            Unit::Minute => "min",
            Unit::Hour => "h",
            Unit::Day => "day",
        }
    }
}

/// A text that is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a rate: write a whole number and a unit, such as 200/s, 50/min, 5000/h or 100000/day")]
pub struct NotARate(String);

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let not = || NotARate(text.to_owned());
        let (number, unit) = text.split_once('/').ok_or_else(not)?;
        let messages = number.trim().parse().map_err(|_| not())?;
        let unit = match unit.trim() {
            "s" | "sec" | "second" => Unit::Second,
            "m" | "min" | "minute" => Unit::Minute,
            "h" | "hour" => Unit::Hour,
            "d" | "day" => Unit::Day,
            _ => return Err(not()),
        };
        Ok(Rate { messages, unit })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.messages, self.unit.word())
    }
}

impl Rate {
    /// The greatest rate in messages per second.
    pub fn per_second(&self) -> f64 {
        f64::from(self.messages.get()) / self.unit.seconds() as f64
    }

    /// How many messages.
    pub fn messages(&self) -> u32 {
        self.messages.get()
    }

    /// The span of time in which so many may pass.
    pub(crate) fn unit(&self) -> Duration {
        Duration::from_secs(self.unit.seconds())
    }

    /// So many messages in the same unit; none of none.
    pub(crate) fn of(&self, messages: u64) -> Option<Rate> {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        let messages = NonZeroU32::new(messages)?;
        Some(Rate { messages, ..*self })
    }

    /// How many seconds so many messages of an allowance take at least: what is `left` goes at once, the rest in whole
    /// allowances, the first of them when something comes back.
    pub(crate) fn allowance_takes(&self, messages: u64, left: u64, next: Duration) -> f64 {
        let Some(rest) = messages.checked_sub(left).filter(|rest| *rest > 0) else {
            return 0.0;
        };
        let windows = (rest - 1) / u64::from(self.messages());
        let window = f64::from(self.messages()) / self.per_second();
        let first = if left > 0 { window } else { 0.0 };
        next.as_secs_f64().max(first) + windows as f64 * window
    }

    /// In how many minutes, if the rate is an allowance for an hour or a day: it may be used up at once. A rate for a
    /// second or a minute is a pace: it is spread evenly.
    pub(crate) fn allowance_minutes(&self) -> Option<i64> {
        match self.unit {
            Unit::Second | Unit::Minute => None,
            Unit::Hour => Some(60),
            Unit::Day => Some(24 * 60),
        }
    }

    /// What a process that may have replaced another waits for before its first message: a whole window where few
    /// messages fill it, else the time of one.
    pub(crate) fn rest_after_restart(&self) -> Duration {
        let unit = self.unit();
        if self.messages() < FEW {
            unit
        } else {
            unit / self.messages() * 2
        }
    }

    /// Whether it must be remembered over a restart: a second is over before a process has started again.
    pub(crate) fn outlives_a_restart(&self) -> bool {
        self.unit != Unit::Second
    }
}

/// Messages spread evenly over time.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// Nanoseconds from one message to the next.
    interval: i64,
    /// So many nanoseconds a message may go before its time, so that high rates need no timer for each message.
    ahead: i64,
    /// When the next message is due, in nanoseconds since the epoch.
    due: i64,
}

const NANOS: f64 = 1e9;

/// Nanoseconds by which a timer may be late without a loss to what is spread.
const LATE: i64 = 20_000_000;

impl Pace {
    /// Keeps `rate` in every window of its unit. Nothing passes before `from`.
    pub(crate) fn new(rate: Rate, from: Timestamp) -> Pace {
        // So many may go ahead of their time: what 20 ms allow, or a few that make up for a late one. A window that
        // begins with such a burst would hold so many too much, so that the even rate is so much lower.
        let messages = f64::from(rate.messages());
        let burst = (rate.per_second() / 50.0).max((messages / 25.0).min(3.0)).floor();
        let interval = (rate.unit.seconds() as f64 * NANOS / (messages - burst)).ceil() as i64;
        let ahead = interval * burst as i64;
        Pace {
            interval,
            ahead,
            due: from.0.saturating_mul(1000).saturating_add(ahead),
        }
    }

    /// So many messages a second, one by one.
    pub(crate) fn per_second(per_second: f64, from: Timestamp) -> Pace {
        Pace {
            interval: (NANOS / per_second) as i64,
            ahead: 0,
            due: from.0.saturating_mul(1000),
        }
    }

    /// So many messages a second, one by one, the first when the time of one has passed since `from`. Whoever wakes a little late
    /// makes up for it, so that it does not add up over many messages.
    pub(crate) fn spread(per_second: f64, from: Timestamp) -> Pace {
        let interval = (NANOS / per_second) as i64;
        let due = from.0.saturating_mul(1000).saturating_add(interval);
        Pace {
            interval,
            ahead: LATE,
            due: due.saturating_add(LATE),
        }
    }

    /// When the next message may pass: `now`, or later.
    pub(crate) fn next(&self, now: Timestamp) -> Timestamp {
        now.max(Timestamp(
            (self.due - self.ahead).div_euclid(1000)
                + i64::from((self.due - self.ahead).rem_euclid(1000) > 0),
        ))
    }

    /// A message passes now.
    pub(crate) fn take(&mut self, now: Timestamp) {
        self.due = self
            .due
            .max(now.0.saturating_mul(1000))
            .saturating_add(self.interval);
    }

    /// The same pace at another rate, from the next message on.
    pub(crate) fn change(&mut self, per_second: f64) {
        let interval = (NANOS / per_second) as i64;
        self.due = self.due - self.interval + interval;
        self.interval = interval;
    }
}

/// Few messages in a span of time, each remembered: exact, so that one that is late costs nothing.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    messages: usize,
    span: Duration,
    from: Timestamp,
    passed: VecDeque<Timestamp>,
}

/// Below this number a [`Pace`] has nothing to spare for one that is late.
pub(crate) const FEW: u32 = 25;

impl Window {
    /// The window of a rate of few messages; none if they are many. Nothing passes before `from`.
    pub(crate) fn of_few(rate: Rate, from: Timestamp) -> Option<Window> {
        (rate.messages() < FEW).then(|| Window {
            messages: rate.messages() as usize,
            span: rate.unit(),
            from,
            passed: VecDeque::new(),
        })
    }

    /// When the next message may pass: `now`, or later.
    pub(crate) fn next(&self, now: Timestamp) -> Timestamp {
        let full = self.passed.len() >= self.messages;
        let oldest = self
            .passed
            .front()
            .filter(|_| full)
            .map_or(self.from, |oldest| oldest.plus(self.span));
        now.max(oldest)
    }

    /// A message passes now.
    pub(crate) fn take(&mut self, now: Timestamp) {
        self.passed.push_back(now);
        if self.passed.len() > self.messages {
            self.passed.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_000_000);

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    /// All that passes within `span` when somebody always wants to pass.
    fn passed(pace: &mut Pace, span: Duration) -> Vec<Timestamp> {
        let mut passed = Vec::new();
        let mut now = START;
        loop {
            now = pace.next(now);
            if now.since(START) >= span {
                return passed;
            }
            pace.take(now);
            passed.push(now);
        }
    }

    #[test]
    fn of_few_messages_one_that_is_late_costs_nothing() {
        let mut window = Window::of_few(rate("2/s"), START).unwrap();
        let after = |millis| START.plus(Duration::from_millis(millis));
        for (asked, passes) in [(0, 0), (300, 300), (400, 1000), (1001, 1300), (1900, 2000)] {
            let next = window.next(after(asked));
            assert_eq!(next, after(passes), "asked after {asked} ms");
            window.take(next);
        }
        assert!(Window::of_few(rate("25/s"), START).is_none());
    }

    #[test]
    fn rates_are_read_as_people_write_them() {
        for (text, per_second) in [
            ("200/s", 200.0),
            ("60/min", 1.0),
            ("3600/h", 1.0),
            ("86400 / day", 1.0),
        ] {
            assert!((rate(text).per_second() - per_second).abs() < 1e-9, "{text}");
        }
        for text in ["200", "0/s", "-1/s", "fast", "5/fortnight", "1.5/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_window_holds_more_than_the_rate_and_little_is_left_unused() {
        for (text, allowed) in [("25/s", 25), ("49/s", 49), ("200/s", 200), ("5000/s", 5000)] {
            let times = passed(&mut Pace::new(rate(text), START), Duration::from_secs(10));
            let crowded = times
                .windows(allowed + 1)
                .find(|window| window[allowed].since(window[0]) < Duration::from_secs(1));
            assert_eq!(crowded, None, "{text}");
            assert!(
                times.len() * 100 >= 10 * allowed * 95,
                "{text}: only {}",
                times.len()
            );
        }
    }

    #[test]
    fn an_idle_time_is_not_saved_up() {
        let mut pace = Pace::per_second(10.0, START);
        let later = START.plus(Duration::from_secs(60));
        pace.take(later);
        assert_eq!(pace.next(later).since(later), Duration::from_millis(100));
    }

    #[test]
    fn what_is_spread_takes_its_time_even_if_each_wake_is_late() {
        let hour = Duration::from_secs(3600);
        let mut pace = Pace::spread(1_000_000.0 / hour.as_secs_f64(), START);
        assert!(pace.next(START) > START, "the first waits too");
        let (mut now, mut passed) = (START, 0);
        loop {
            // To the next whole millisecond, and one more.
            now = Timestamp((pace.next(now).0 / 1000 + 2) * 1000);
            if now.since(START) > hour {
                break;
            }
            while pace.next(now) == now {
                pace.take(now);
                passed += 1;
            }
        }
        assert!((999_900..=1_000_001).contains(&passed), "{passed}");
    }

    #[test]
    fn asking_takes_nothing() {
        let pace = Pace::per_second(1.0, START);
        assert!((0..100).all(|_| pace.next(START) == START));
    }
}
