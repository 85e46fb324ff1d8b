//! Rates and how they are kept: the arithmetic is `governor`'s (GCRA).

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

/// So many messages in a span of time, as it is written: `200/s`, `50/min`, `5000/h`, `100000/day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    messages: NonZeroU32,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// Spread evenly, so that no window of the unit's length holds noticeably more than was allowed. The burst
    /// is what 20 ms allow: it spares timers at high rates and is one message at low ones.
    fn quota(&self) -> Quota {
        let period = Duration::from_secs(self.unit.seconds()) / self.messages.get();
        let burst = (self.per_second() / 50.0) as u32;
        let quota = Quota::with_period(period.max(Duration::from_nanos(1)));
        quota
            .expect("the period is not zero")
            .allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN))
    }
}

/// Several rates that are kept at once.
#[derive(Debug)]
pub struct Pace {
    limits: Vec<(Rate, DefaultDirectRateLimiter)>,
    clock: DefaultClock,
}

/// Not yet: how long to wait, and for which rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// At least this long.
    pub span: Duration,
    /// The rate that binds.
    pub rate: Rate,
}

impl Pace {
    /// Keeps all of `rates`; none means no limit.
    pub fn new(rates: &[Rate]) -> Pace {
        let mut rates = rates.to_vec();
        // The strictest first: a message that it stops takes nothing from the others.
        rates.sort_by(|a, b| a.per_second().total_cmp(&b.per_second()));
        let limits = rates
            .into_iter()
            .map(|rate| (rate, RateLimiter::direct(rate.quota())))
            .collect();
        Pace {
            limits,
            clock: DefaultClock::default(),
        }
    }

    /// Lets one message pass now, or says how long to wait.
    pub fn try_pass(&self) -> Result<(), Wait> {
        for (rate, limit) in &self.limits {
            if let Err(not_until) = limit.check() {
                return Err(Wait {
                    span: not_until.wait_time_from(self.clock.now()),
                    rate: *rate,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        for (text, per_second) in [
            ("200/s", 200.0),
            ("60/min", 1.0),
            ("3600/h", 1.0),
            ("86400 / day", 1.0),
        ] {
            assert!(
                (text.parse::<Rate>().unwrap().per_second() - per_second).abs() < 1e-9,
                "{text}"
            );
        }
        for text in ["200", "0/s", "-1/s", "fast", "5/fortnight", "1.5/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_limit_limits() {
        let pace = Pace::new(&["10/h".parse().unwrap()]);
        assert_eq!(pace.try_pass(), Ok(()));
        let wait = pace.try_pass().unwrap_err();
        assert!(wait.span > Duration::from_secs(300), "{wait:?}");
    }

    #[test]
    fn of_several_rates_the_strictest_binds() {
        let pace = Pace::new(&["1000/s".parse().unwrap(), "1/h".parse().unwrap()]);
        assert_eq!(pace.try_pass(), Ok(()));
        assert_eq!(pace.try_pass().unwrap_err().rate.to_string(), "1/h");
    }

    #[test]
    fn no_rate_is_no_limit() {
        let pace = Pace::new(&[]);
        assert!((0..100_000).all(|_| pace.try_pass().is_ok()));
    }
}
