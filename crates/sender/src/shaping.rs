//! What a provider says about our speed: a relay–provider pair is slowed down multiplicatively and recovers additively,
//! and it is suspended for a while when the provider refuses for policy.

use crate::pace::Pace;
use std::time::Duration;
use tidings_campaign::time::Timestamp;

/// What a reply says about the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A message was taken.
    Accepted,
    /// "Too fast": 421, or 4.7.x.
    TooFast,
    /// Refused for policy: reputation or authentication, not this message's content or recipient.
    Refused,
}

/// How a pair is slowed down.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    slowed: Option<Slowed>,
    refusals_in_a_row: u32,
    suspensions: u32,
    suspended_until: Option<Timestamp>,
}

#[derive(Debug)]
struct Slowed {
    /// Messages per second before the first complaint.
    before: f64,
    /// Messages per second after the last one.
    cut_to: f64,
    cut_at: Timestamp,
    pace: Pace,
}

/// Complaints of messages that were under way together count once.
const TOGETHER: Duration = Duration::from_secs(1);
/// From nothing to the rate before in this time.
const RECOVERY: Duration = Duration::from_secs(10 * 60);
const CUT: f64 = 0.5;
/// Messages per second; slower is no use to anybody.
const SLOWEST: f64 = 1.0 / 60.0;
/// What a pair is taken to have had before its first complaint at least.
const LEAST_BEFORE: f64 = 1.0;
const REFUSALS: u32 = 3;
const SUSPENSION: Duration = Duration::from_secs(10 * 60);
/// 10 min doubled so often is about 5 hours.
const MOST_DOUBLINGS: u32 = 5;

impl Shape {
    /// `rate`: the pair's messages per second of late.
    pub(crate) fn hear(&mut self, heard: Heard, rate: f64, now: Timestamp) {
        match heard {
            Heard::Accepted => {
                self.refusals_in_a_row = 0;
                if self.suspended_until.is_none() {
                    self.suspensions = 0;
                }
            }
            Heard::TooFast => self.slow_down(rate, now),
            Heard::Refused => self.count_refusal(now),
        }
    }

    fn slow_down(&mut self, rate: f64, now: Timestamp) {
        let current = self.rate(now);
        let Some(slowed) = &mut self.slowed else {
            let before = rate.max(LEAST_BEFORE);
            let cut_to = (before * CUT).max(SLOWEST);
            let pace = Pace::per_second(cut_to, now.plus(Duration::from_secs_f64(1.0 / cut_to)));
            self.slowed = Some(Slowed {
                before,
                cut_to,
                cut_at: now,
                pace,
            });
            return;
        };
        if now.since(slowed.cut_at) >= TOGETHER {
            // If it was not used up, what really went out is what was too fast.
            slowed.cut_to = (current.unwrap_or(slowed.before).min(rate.max(SLOWEST)) * CUT).max(SLOWEST);
            slowed.cut_at = now;
            slowed.pace.change(slowed.cut_to);
        }
    }

    fn count_refusal(&mut self, now: Timestamp) {
        self.refusals_in_a_row += 1;
        if self.refusals_in_a_row >= REFUSALS && self.suspended_until.is_none_or(|until| until <= now) {
            let span = SUSPENSION * 2_u32.pow(self.suspensions.min(MOST_DOUBLINGS));
            self.suspended_until = Some(now.plus(span));
            self.suspensions += 1;
            self.refusals_in_a_row = 0;
        }
    }

    /// The greatest rate now; none if the pair is as fast as it ever was.
    pub(crate) fn rate(&self, now: Timestamp) -> Option<f64> {
        let slowed = self.slowed.as_ref()?;
        let regained = now.since(slowed.cut_at).as_secs_f64() / RECOVERY.as_secs_f64() * slowed.before;
        Some(slowed.cut_to + regained).filter(|rate| *rate < slowed.before)
    }

    pub(crate) fn suspended_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.suspended_until.filter(|until| *until > now)
    }

    /// When the next message may pass: `now`, or later.
    pub(crate) fn next(&mut self, now: Timestamp) -> Timestamp {
        if let Some(until) = self.suspended_until(now) {
            return until;
        }
        self.suspended_until = None;
        match self.rate(now) {
            Some(rate) => {
                let slowed = self.slowed.as_mut().expect("only a slowed pair has a rate");
                slowed.pace.change(rate);
                slowed.pace.next(now)
            }
            None => {
                self.slowed = None;
                now
            }
        }
    }

    /// A message passes now.
    pub(crate) fn take(&mut self, now: Timestamp) {
        if let Some(slowed) = &mut self.slowed {
            slowed.pace.take(now);
        }
    }

    /// Whether it still remembers anything.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.slowed.is_none()
            && self.suspended_until.is_none()
            && self.refusals_in_a_row == 0
            && self.suspensions == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_seconds(1_000_000);

    fn after(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_complaint_halves_the_rate_and_time_gives_it_back_evenly() {
        let mut shape = Shape::default();
        shape.hear(Heard::TooFast, 100.0, START);
        assert_eq!(shape.rate(START), Some(50.0));
        assert_eq!(shape.rate(after(60)), Some(60.0));
        assert_eq!(shape.rate(after(120)), Some(70.0));
        assert_eq!(shape.rate(after(301)), None, "it is as fast as before");
    }

    #[test]
    fn complaints_of_the_same_moment_count_once_and_later_ones_again() {
        let mut shape = Shape::default();
        for _ in 0..20 {
            shape.hear(Heard::TooFast, 100.0, START);
        }
        assert_eq!(shape.rate(START), Some(50.0));
        shape.hear(Heard::TooFast, 100.0, after(3));
        assert_eq!(shape.rate(after(3)), Some((50.0 + 0.5) / 2.0));
    }

    #[test]
    fn it_never_stands_still_for_being_too_fast() {
        let mut shape = Shape::default();
        for i in 0..1000 {
            shape.hear(Heard::TooFast, 1.0, after(i * 2));
        }
        let next = shape.next(after(2000));
        assert!(next.since(after(2000)) <= Duration::from_secs(120), "{next}");
    }

    #[test]
    fn a_slowed_pair_keeps_its_rate() {
        let mut shape = Shape::default();
        shape.hear(Heard::TooFast, 20.0, START);
        let (mut now, mut passed) = (START, 0);
        while now < after(10) {
            now = shape.next(now);
            shape.take(now);
            passed += 1;
        }
        assert!(
            (100..=105).contains(&passed),
            "{passed} in 10 s at 10/s and a little more"
        );
    }

    #[test]
    fn refusals_for_policy_suspend_the_pair_for_longer_each_time() {
        let mut shape = Shape::default();
        let mut now = START;
        for minutes in [10, 20, 40] {
            for _ in 0..REFUSALS {
                assert_eq!(shape.next(now), now);
                shape.hear(Heard::Refused, 1.0, now);
            }
            let until = shape.next(now);
            assert_eq!(until.since(now), Duration::from_secs(minutes * 60));
            now = until;
        }
    }

    #[test]
    fn a_message_that_is_taken_shows_that_policy_is_not_against_us() {
        let mut shape = Shape::default();
        for heard in [
            Heard::Refused,
            Heard::Refused,
            Heard::Accepted,
            Heard::Refused,
            Heard::Refused,
        ] {
            shape.hear(heard, 1.0, START);
        }
        assert_eq!(shape.next(START), START);
    }
}
