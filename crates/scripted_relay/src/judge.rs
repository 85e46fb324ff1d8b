//! Which rule applies now: counts tries, draws lots, measures the rate.

use crate::rule::{Act, Moment, Rule};
use crate::script::Script;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

pub(crate) struct Judge {
    rules: Vec<Rule>,
    seed: u64,
    throttle: Option<u32>,
    pace: Option<f64>,
    swing: Option<(f64, Duration)>,
    started: Instant,
    // All sessions share the tries and the clockwork below; each is held for a few instructions, never across an await.
    tries: Mutex<HashMap<(usize, u64), u32>>,
    second: Mutex<Option<(Instant, u32)>>,
    next_slot: Mutex<Option<Instant>>,
}

impl Judge {
    pub(crate) fn new(script: &Script, started: Instant) -> Self {
        Judge {
            rules: script.rules.clone(),
            seed: script.seed,
            throttle: script.throttle,
            pace: script.pace,
            swing: script.swing,
            started,
            tries: Mutex::default(),
            second: Mutex::default(),
            next_slot: Mutex::default(),
        }
    }

    /// What the script wants at this moment of this recipient (empty for the greeting and for MAIL).
    pub(crate) fn act(&self, moment: Moment, recipient: &str) -> Option<&Act> {
        let mut folded = None;
        self.rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.moment == moment)
            .find(|(index, rule)| {
                let recipient: &str = folded.get_or_insert_with(|| recipient.to_lowercase());
                (recipient.is_empty() || rule.who.includes(recipient))
                    && self.applies(*index, rule, recipient)
            })
            .map(|(_, rule)| &rule.act)
    }

    fn applies(&self, index: usize, rule: &Rule, recipient: &str) -> bool {
        if rule.first.is_none() && rule.chance >= 1.0 {
            return true;
        }
        let key = hash(recipient.as_bytes());
        let tried = {
            let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
            let count = tries.entry((index, key)).or_default();
            *count += 1;
            *count - 1
        };
        rule.first.is_none_or(|first| tried < first)
            && (rule.chance >= 1.0 || draw(self.seed, index as u64, key, tried) < rule.chance)
    }

    /// Whether this recipient is one too many in the current second.
    pub(crate) fn throttles(&self, now: Instant) -> bool {
        let Some(limit) = self.throttle else { return false };
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, count) = second.get_or_insert((now, 0));
        if now.duration_since(*since) >= Duration::from_secs(1) {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count > limit
    }

    /// When a message accepted now may be answered, if the script sets a pace.
    pub(crate) fn answer_at(&self, now: Instant) -> Option<Instant> {
        let pace = self.pace? * self.swing_at(now);
        let mut next = self.next_slot.lock().unwrap_or_else(PoisonError::into_inner);
        let at = next.map_or(now, |next| next.max(now));
        *next = Some(at + Duration::from_secs_f64(1.0 / pace));
        Some(at)
    }

    fn swing_at(&self, now: Instant) -> f64 {
        let Some((share, period)) = self.swing else {
            return 1.0;
        };
        let turns = now.duration_since(self.started).as_secs_f64() / period.as_secs_f64();
        // Never quite zero, or the next slot would never come.
        (1.0 + share * (turns * std::f64::consts::TAU).sin()).max(0.05)
    }
}

/// FNV-1a: the same on every machine and in every version, so a seed keeps its meaning.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// A number in 0..1 that depends on nothing but its arguments (the finisher of SplitMix64).
fn draw(seed: u64, rule: u64, recipient: u64, tried: u32) -> f64 {
    let mut x = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(rule.wrapping_mul(0xd1b5_4a32_d192_ed03))
        .wrapping_add(u64::from(tried).wrapping_mul(0x8cb9_2ba7_2f3d_8dd7))
        ^ recipient;
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^= x >> 31;
    (x >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::{Reply, Who};

    fn judge(script: Script) -> Judge {
        Judge::new(&script, Instant::now())
    }

    fn defer() -> Rule {
        Rule::rcpt(Reply::new(451, "4.7.1", "later"))
    }

    #[test]
    fn the_first_tries_are_counted_for_each_recipient() {
        let judge = judge(Script::accepting().rule(defer().first(2)));
        let hits = |who| judge.act(Moment::Rcpt, who).is_some();
        assert_eq!(
            [
                hits("a@example.org"),
                hits("A@example.org"),
                hits("a@example.org")
            ],
            [true, true, false]
        );
        assert!(hits("b@example.org"));
    }

    #[test]
    fn chance_follows_the_seed_and_not_the_order() {
        let hits = |seed, order: &[usize]| {
            let judge = judge(Script::accepting().seed(seed).rule(defer().chance(0.3)));
            let mut hit: Vec<usize> = order
                .iter()
                .copied()
                .filter(|n| judge.act(Moment::Rcpt, &format!("r{n}@example.org")).is_some())
                .collect();
            hit.sort_unstable();
            hit
        };
        let forth: Vec<usize> = (0..1000).collect();
        let back: Vec<usize> = (0..1000).rev().collect();
        assert_eq!(hits(7, &forth), hits(7, &back));
        assert_ne!(hits(7, &forth), hits(8, &forth));
        assert!((200..400).contains(&hits(7, &forth).len()));
    }

    #[test]
    fn a_rule_speaks_only_at_its_moment_and_to_its_recipients() {
        let judge = judge(Script::accepting().rule(defer().to(Who::domain("slow.test"))));
        assert!(judge.act(Moment::Rcpt, "a@slow.test").is_some());
        assert!(judge.act(Moment::Rcpt, "a@example.org").is_none());
        assert!(judge.act(Moment::Dot, "a@slow.test").is_none());
    }

    #[test]
    fn the_throttle_counts_by_the_second() {
        let judge = judge(Script::accepting().throttle(2));
        let start = Instant::now();
        let throttled: Vec<bool> = [0, 10, 20, 1500]
            .iter()
            .map(|ms| judge.throttles(start + Duration::from_millis(*ms)))
            .collect();
        assert_eq!(throttled, [false, false, true, false]);
    }

    #[test]
    fn the_pace_gives_every_message_its_own_slot() {
        let judge = judge(Script::accepting().pace(10.0));
        let now = Instant::now();
        assert_eq!(judge.answer_at(now), Some(now));
        assert_eq!(judge.answer_at(now), Some(now + Duration::from_millis(100)));
        let later = now + Duration::from_secs(5);
        assert_eq!(judge.answer_at(later), Some(later));
    }

    #[test]
    fn the_pace_swings_around_its_mean() {
        let judge = judge(Script::accepting().pace(10.0).swing(0.5, Duration::from_secs(8)));
        let slot = |seconds| {
            let at = judge.started + Duration::from_secs(seconds);
            judge.answer_at(at);
            judge.answer_at(at).unwrap().duration_since(at).as_millis()
        };
        assert_eq!([slot(0), slot(2), slot(6)], [100, 66, 200]);
    }
}
