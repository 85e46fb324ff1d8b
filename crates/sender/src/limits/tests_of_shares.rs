//! Several senders with one table of shares, simulated: they come, die without notice, are stopped for a while, their rounds
//! are slow or fail, their demand changes. Whatever happens, no window over all of them holds more than the limit.

mod connections;

use super::*;
use std::collections::BTreeMap;
use tidings_store::limit_shares::{ShareChanges, ShareRow, SharesAsked, SharesSeen, UsedSince};

const START: Timestamp = Timestamp::from_seconds(20_000 * 86_400);
/// The server cuts off a transaction that is idle for so long.
const TURN_ENDS: Duration = Duration::from_millis(1500);

/// Xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// The database.
#[derive(Default)]
struct Table {
    rows: BTreeMap<(String, String, String), ShareRow>,
    used: BTreeMap<(String, i64), i64>,
}

impl Table {
    fn see(&self, asked: &SharesAsked) -> SharesSeen {
        let is_asked = |row: &&ShareRow| asked.places.contains(&row.place);
        let since = |(place, since): &(String, i64)| {
            let used = self
                .used
                .range((place.clone(), *since)..=(place.clone(), i64::MAX));
            let (minutes, numbers): (Vec<i64>, Vec<i64>) = used.map(|((_, minute), n)| (*minute, *n)).unzip();
            let first = *minutes.first()?;
            Some(UsedSince {
                place: place.clone(),
                since: *since,
                n: numbers.iter().sum(),
                first,
            })
        };
        SharesSeen {
            rows: self.rows.values().filter(is_asked).cloned().collect(),
            used: asked.used_since.iter().filter_map(since).collect(),
        }
    }

    fn commit(&mut self, changes: ShareChanges, at: Timestamp) {
        for key in changes.removed {
            self.rows.remove(&key);
        }
        for row in changes.put {
            let key = (row.place.clone(), row.which.clone(), row.owner.clone());
            self.rows.insert(key, row);
        }
        for used in changes.used {
            *self
                .used
                .entry((used.limit.to_string(), at.minute()))
                .or_default() += used.n;
        }
    }
}

/// Where a sender's round is.
enum Turn {
    Next(Timestamp),
    Asked(Round, SharesAsked, Timestamp),
    Decided(Round, ShareChanges, Timestamp),
    Answered(bool, Timestamp),
}

struct Node {
    tree: Tree,
    turn: Turn,
    rounds: i64,
    backlog: f64,
    per_second: f64,
    stopped_until: Timestamp,
    /// When each session at work lets go.
    at_work: Vec<(SessionId, Timestamp)>,
    /// Sessions that are closing their connections.
    closing: Vec<SessionId>,
}

/// What may happen beside the sending.
#[derive(Clone, Copy, PartialEq)]
enum Weather {
    Calm,
    Stormy,
}

struct World {
    settings: LimitSettings,
    own: Limit,
    table: Table,
    nodes: Vec<Node>,
    born: usize,
    now: Timestamp,
    step: Duration,
    random: Random,
    weather: Weather,
    /// Nothing is committed before then.
    away_until: Timestamp,
    /// What a sender does in a step.
    work: fn(&mut World, usize),
    /// When each message of all senders passed.
    passed: Vec<Timestamp>,
    most_at_work: usize,
}

impl World {
    fn new(settings: LimitSettings, own: Limit, weather: Weather, step: u64, seed: u64) -> World {
        World {
            settings,
            own,
            table: Table::default(),
            nodes: Vec::new(),
            born: 0,
            now: START,
            step: Duration::from_millis(step),
            random: Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
            weather,
            away_until: START,
            work: World::send,
            passed: Vec::new(),
            most_at_work: 0,
        }
    }

    fn join(&mut self, per_second: f64) {
        let mut tree = Tree::new(self.settings.clone(), [], self.now);
        self.born += 1;
        tree.share(format!("sender {}", self.born).into());
        self.nodes.push(Node {
            tree,
            turn: Turn::Next(self.now),
            rounds: 0,
            backlog: 0.0,
            per_second,
            stopped_until: START,
            at_work: Vec::new(),
            closing: Vec::new(),
        });
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now.plus(Duration::from_secs(seconds));
        while self.now < end {
            if self.weather == Weather::Stormy {
                self.storm();
            }
            for at in 0..self.nodes.len() {
                self.turn(at);
                if self.nodes[at].stopped_until <= self.now {
                    (self.work)(self, at);
                }
            }
            let at_work: usize = self.nodes.iter().map(|node| node.at_work.len()).sum();
            self.most_at_work = self.most_at_work.max(at_work);
            self.now = self.now.plus(self.step);
        }
    }

    /// About every four seconds something happens.
    fn storm(&mut self) {
        if self.random.below(4_000 / self.step.as_millis() as u64) > 0 {
            return;
        }
        let what = self.random.below(8);
        if self.nodes.len() < 2 || what == 0 && self.nodes.len() < 6 {
            let demand = [1.0, 20.0, 500.0][self.random.below(3) as usize];
            self.join(demand);
            return;
        }
        let at = self.random.below(self.nodes.len() as u64) as usize;
        match what {
            1 => {
                let dead = self.nodes.swap_remove(at);
                // Its last words may have come through.
                if let Turn::Decided(round, changes, _) = dead.turn
                    && self.random.below(2) == 0
                {
                    self.table.commit(changes, round.at);
                }
            }
            2 => self.nodes[at].stopped_until = self.now.plus(self.random.millis(100, 8_000)),
            _ => self.nodes[at].per_second = [0.0, 0.0, 3.0, 30.0, 500.0][self.random.below(5) as usize],
        }
    }

    fn delay(&mut self) -> Timestamp {
        let most = match self.weather {
            Weather::Calm => 20,
            Weather::Stormy if self.random.below(20) == 0 => 2_500,
            Weather::Stormy => 100,
        };
        self.now.plus(self.random.millis(0, most))
    }

    fn turn(&mut self, at: usize) {
        let now = self.now;
        let is_stopped = self.nodes[at].stopped_until > now;
        let is_free = !self
            .nodes
            .iter()
            .any(|node| matches!(node.turn, Turn::Decided(..)));
        let delay = self.delay();
        let (fails, lies) = match self.weather {
            Weather::Calm => (false, false),
            Weather::Stormy => (self.random.below(30) == 0, self.random.below(30) == 0),
        };
        let fails = fails || self.away_until > now;
        let node = &mut self.nodes[at];
        let turn = std::mem::replace(&mut node.turn, Turn::Next(now));
        node.turn = match turn {
            Turn::Next(when) if when <= now && !is_stopped => {
                node.rounds += 1;
                let round = Round {
                    number: node.rounds,
                    began: now,
                    at: now,
                    leaving: false,
                    lease: Duration::from_secs(10),
                };
                match node.tree.begin_round(&round) {
                    Some(asked) => Turn::Asked(round, asked, delay),
                    None => Turn::Next(now.plus(Duration::from_millis(500))),
                }
            }
            Turn::Asked(round, asked, when) if when <= now && !is_stopped && is_free => {
                let seen = self.table.see(&asked);
                Turn::Decided(round, node.tree.decide(&seen, &round, now), delay)
            }
            Turn::Decided(round, changes, when) if when <= now && !is_stopped => {
                if !fails {
                    self.table.commit(changes, round.at);
                }
                Turn::Answered(!fails && !lies, delay)
            }
            // It hangs between reading and commit.
            Turn::Decided(_, _, when) if when.plus(TURN_ENDS) <= now => Turn::Answered(false, delay),
            Turn::Answered(committed, when) if when <= now && !is_stopped => {
                node.tree.end_round(committed, now);
                let soon = if node.tree.take_hungry() { 50 } else { 500 };
                Turn::Next(now.plus(Duration::from_millis(soon)))
            }
            other => other,
        };
    }

    fn send(&mut self, at: usize) {
        let now = self.now;
        let own = self.own.clone();
        let node = &mut self.nodes[at];
        let names: [Arc<str>; 3] = ["a".into(), "example.com".into(), "gmail".into()];
        let path = node
            .tree
            .path(&names[0], &names[1], &names[2], (CampaignId(1), &own));
        node.at_work.retain(|(session, until)| {
            let goes_on = *until > now;
            if !goes_on {
                node.tree.release(&path, *session);
            }
            goes_on
        });
        node.backlog = (node.backlog + node.per_second * self.step.as_secs_f64()).min(1000.0);
        let limits_sessions = node.tree.limits_sessions(&path);
        while node.backlog >= 1.0 {
            let session = match limits_sessions {
                true => (1..)
                    .find(|id| node.at_work.iter().all(|(other, _)| other != id))
                    .unwrap(),
                false => 1,
            };
            if node.tree.ask(&path, session, now).is_err() {
                break;
            }
            node.tree.take(&path, session, now);
            node.backlog -= 1.0;
            self.passed.push(now);
            if limits_sessions {
                node.at_work
                    .push((session, now.plus(self.random.millis(50, 1_500))));
            }
        }
    }

    fn assert_kept(&self, messages: usize, within: Duration) {
        let crowded = self
            .passed
            .windows(messages + 1)
            .find(|window| window[messages].since(window[0]) < within);
        assert_eq!(
            crowded.map(|window| window[0].since(START)),
            None,
            "{messages} in {within:?}"
        );
    }
}

fn all(limit: Limit) -> LimitSettings {
    LimitSettings {
        all: limit,
        ..LimitSettings::default()
    }
}

fn rates(rates: &[&str]) -> LimitSettings {
    all(Limit {
        rates: rates.iter().map(|rate| rate.parse().unwrap()).collect(),
        ..Limit::default()
    })
}

#[test]
fn whatever_happens_no_second_of_all_senders_together_holds_more_than_the_rate() {
    for (rate, messages) in [("2/s", 2), ("10/s", 10), ("40/s", 40), ("300/s", 300)] {
        for seed in 1..=2 {
            let mut world = World::new(rates(&[rate]), Limit::default(), Weather::Stormy, 10, seed);
            world.run(250);
            world.assert_kept(messages, Duration::from_secs(1));
            assert!(
                world.passed.len() > 40 * messages,
                "{rate}: {}",
                world.passed.len()
            );
        }
    }
}

#[test]
fn whatever_happens_no_minute_of_all_senders_together_holds_more_than_the_rate() {
    for (rate, messages) in [("1/min", 1), ("30/min", 30), ("600/min", 600)] {
        for seed in 1..=2 {
            let mut world = World::new(rates(&[rate]), Limit::default(), Weather::Stormy, 50, seed);
            world.run(2_000);
            world.assert_kept(messages, Duration::from_secs(60));
            assert!(
                world.passed.len() > 5 * messages,
                "{rate}: {}",
                world.passed.len()
            );
        }
    }
}

#[test]
fn whatever_happens_no_hour_of_all_senders_together_holds_more_than_is_allowed() {
    for seed in 1..=2 {
        let limits = rates(&["900/h", "2000/day", "5/s"]);
        let mut world = World::new(limits, Limit::default(), Weather::Stormy, 100, seed);
        world.run(4 * 3600);
        world.assert_kept(900, Duration::from_secs(3600));
        world.assert_kept(2000, Duration::from_secs(86_400));
        world.assert_kept(5, Duration::from_secs(1));
        assert!(world.passed.len() > 1_000, "{}", world.passed.len());
    }
}

#[test]
fn whatever_happens_no_more_sessions_of_all_senders_together_are_at_work_than_allowed() {
    for (most, seed) in [(1, 1), (3, 2), (10, 3), (40, 4)] {
        let limit = Limit {
            max_sessions: Some(most),
            ..Limit::default()
        };
        let mut world = World::new(all(limit), Limit::default(), Weather::Stormy, 10, seed);
        world.run(600);
        assert!(world.most_at_work <= most, "{} of {most}", world.most_at_work);
        assert!(world.most_at_work * 10 >= most * 9);
    }
}

#[test]
fn a_campaign_that_is_spread_keeps_its_pace_with_any_number_of_senders() {
    let own = Limit {
        spread: Some(Spread {
            messages: 7200,
            over: Duration::from_secs(3600),
        }),
        ..Limit::default()
    };
    for seed in 1..=3 {
        let mut world = World::new(LimitSettings::default(), own.clone(), Weather::Stormy, 50, seed);
        world.run(1200);
        let (n, most) = (world.passed.len(), 1200 * 2);
        assert!(n <= most + world.born, "{n} messages where {most} were due");
    }
    let mut world = World::new(LimitSettings::default(), own, Weather::Calm, 20, 9);
    (0..3).for_each(|_| world.join(50.0));
    world.run(1200);
    assert!(
        (2_300..=2_403).contains(&world.passed.len()),
        "{}",
        world.passed.len()
    );
}

#[test]
fn what_is_allowed_is_used_when_there_is_enough_to_send() {
    for (rate, a_minute) in [("6/s", 360), ("40/s", 2_400), ("200/s", 12_000), ("90/min", 90)] {
        for demands in [&[1000.0][..], &[1000.0, 1000.0, 1000.0], &[1.0, 1000.0, 0.1]] {
            let mut world = World::new(rates(&[rate]), Limit::default(), Weather::Calm, 4, 7);
            demands.iter().for_each(|demand| world.join(*demand));
            world.run(70);
            let begun = world.passed.len();
            world.run(120);
            let used = world.passed.len() - begun;
            // Of few messages, the one more that each may hold to grow is much.
            let least = if demands[0] == 1.0 && a_minute < 1_000 {
                75
            } else {
                92
            };
            assert!(
                used * 100 >= a_minute * 2 * least,
                "{rate} for {demands:?}: {used}"
            );
        }
    }
}

#[test]
fn an_allowance_is_used_up_by_all_senders_together() {
    let mut world = World::new(rates(&["600/h"]), Limit::default(), Weather::Calm, 50, 7);
    [0.5, 2.0, 1.0].into_iter().for_each(|demand| world.join(demand));
    world.run(3 * 3600);
    assert!(world.passed.len() >= 3 * 585, "{}", world.passed.len());
    world.assert_kept(600, Duration::from_secs(3600));
}

#[test]
fn one_alone_has_everything_and_gets_back_what_others_leave_within_seconds() {
    let mut world = World::new(rates(&["20/s"]), Limit::default(), Weather::Calm, 5, 3);
    world.join(1000.0);
    world.run(2);
    let begun = world.passed.len();
    world.run(5);
    assert!(
        world.passed.len() - begun >= 98,
        "alone: {}",
        world.passed.len() - begun
    );
    world.join(1000.0);
    world.run(6);
    let rows: Vec<i64> = world.table.rows.values().map(|row| row.held).collect();
    assert_eq!(rows, [10, 10], "two share evenly");
    world.nodes[0].per_second = 0.0;
    world.nodes[0].backlog = 0.0;
    world.run(6);
    let begun = world.passed.len();
    world.run(5);
    assert!(world.passed.len() - begun >= 98, "{}", world.passed.len() - begun);
    // Who dies keeps others from its part until that runs out.
    world.nodes[0].per_second = 1000.0;
    world.run(4);
    world.nodes.remove(0);
    world.run(9);
    let begun = world.passed.len();
    world.run(5);
    assert!(world.passed.len() - begun >= 98, "{}", world.passed.len() - begun);
}

#[test]
fn single_units_go_round_so_that_nobody_starves() {
    let limit = Limit {
        max_sessions: Some(1),
        ..Limit::default()
    };
    let mut world = World::new(all(limit), Limit::default(), Weather::Calm, 10, 5);
    (0..3).for_each(|_| world.join(10.0));
    let mut held = [0; 3];
    for _ in 0..90 {
        world.run(1);
        for (at, row) in world.table.rows.values().enumerate() {
            held[at] += row.held;
        }
    }
    assert!(held.iter().all(|seconds| *seconds >= 15), "{held:?}");
}
