//! How often wrong passwords may be tried. Pure: time is passed in. It is the memory of one process.

use std::collections::HashMap;
use std::time::Duration;
use tidings_campaign::time::Timestamp;

/// Within this time.
const WINDOW: Duration = Duration::from_secs(10 * 60);
/// For one account from one network.
const OF_BOTH: u32 = 5;
/// From one network, for all accounts.
const OF_NETWORK: u32 = 30;
/// For one account, from everywhere: more than a person forgets, less than a guesser needs.
const OF_ACCOUNT: u32 = 100;
/// Counts that are remembered. Then those that have ended are forgotten, and the older half of the others: a flood of
/// addresses must lock nobody out.
const MOST: usize = 20_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Both(String, String),
    Network(String),
    Account(String),
}

#[derive(Debug)]
struct Count {
    n: u32,
    began: Timestamp,
}

/// Wrong passwords of late.
#[derive(Debug, Default)]
pub(crate) struct Throttle(HashMap<Key, Count>);

impl Throttle {
    /// How long whoever asks must wait before trying again; none if they may try now. A try that is let through counts as wrong
    /// until [`Throttle::was_right`] says otherwise, so that many at once are counted too.
    pub(crate) fn try_now(&mut self, account: &str, network: &str, now: Timestamp) -> Option<Duration> {
        if self.0.len() >= MOST {
            self.make_room(now);
        }
        let keys = keys(account, network);
        let wait = keys.iter().filter_map(|(key, most)| {
            let count = self.0.get(key)?;
            let age = now.since(count.began);
            (age < WINDOW && count.n >= *most).then(|| WINDOW - age)
        });
        if let Some(longest) = wait.max() {
            return Some(longest);
        }
        for (key, _) in keys {
            let count = self.0.entry(key).or_insert(Count { n: 0, began: now });
            if now.since(count.began) >= WINDOW {
                *count = Count { n: 0, began: now };
            }
            count.n += 1;
        }
        None
    }

    fn make_room(&mut self, now: Timestamp) {
        self.0.retain(|_, count| now.since(count.began) < WINDOW);
        let mut began: Vec<Timestamp> = self.0.values().map(|count| count.began).collect();
        if began.len() >= MOST {
            let (_, middle, _) = began.select_nth_unstable(MOST / 2);
            let middle = *middle;
            // Of one moment there may be more than half.
            let mut left = MOST / 2;
            self.0.retain(|_, count| {
                let stays = count.began >= middle && left > 0;
                left -= usize::from(stays);
                stays
            });
        }
    }

    /// The password was right: this account may be tried from this network as before.
    pub(crate) fn was_right(&mut self, account: &str, network: &str) {
        for (key, _) in keys(account, network) {
            match key {
                Key::Both(..) => drop(self.0.remove(&key)),
                Key::Network(_) | Key::Account(_) => {
                    if let Some(count) = self.0.get_mut(&key) {
                        count.n = count.n.saturating_sub(1);
                    }
                }
            }
        }
    }
}

fn keys(account: &str, network: &str) -> [(Key, u32); 3] {
    [
        (Key::Both(account.to_owned(), network.to_owned()), OF_BOTH),
        (Key::Network(network.to_owned()), OF_NETWORK),
        (Key::Account(account.to_owned()), OF_ACCOUNT),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn five_wrong_passwords_make_wait_and_time_lets_in_again() {
        let mut throttle = Throttle::default();
        for _ in 0..5 {
            assert_eq!(throttle.try_now("ann", "192.0.2.1", at(0)), None);
        }
        let wait = throttle.try_now("ann", "192.0.2.1", at(60));
        assert_eq!(wait, Some(Duration::from_secs(540)));
        assert_eq!(
            throttle.try_now("ann", "192.0.2.2", at(60)),
            None,
            "another network may"
        );
        assert_eq!(throttle.try_now("ann", "192.0.2.1", at(600)), None);
    }

    #[test]
    fn a_network_that_tries_many_accounts_must_wait() {
        let mut throttle = Throttle::default();
        for n in 0..30 {
            assert_eq!(throttle.try_now(&format!("person{n}"), "192.0.2.1", at(0)), None);
        }
        assert!(throttle.try_now("another", "192.0.2.1", at(0)).is_some());
    }

    #[test]
    fn an_account_tried_from_everywhere_must_wait() {
        let mut throttle = Throttle::default();
        for n in 0..100 {
            assert_eq!(throttle.try_now("ann", &format!("192.0.2.{n}"), at(0)), None);
        }
        assert!(throttle.try_now("ann", "198.51.100.1", at(0)).is_some());
    }

    #[test]
    fn who_signs_in_is_not_counted() {
        let mut throttle = Throttle::default();
        for _ in 0..200 {
            assert_eq!(throttle.try_now("ann", "192.0.2.1", at(0)), None);
            throttle.was_right("ann", "192.0.2.1");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let mut throttle = Throttle::default();
        for n in 0..30_000 {
            throttle.try_now(&format!("person{n}"), &format!("network{n}"), at(0));
        }
        assert!(throttle.0.len() < MOST + 3);
        assert_eq!(
            throttle.try_now("ann", "192.0.2.1", at(1)),
            None,
            "a flood locks nobody out"
        );
    }
}
