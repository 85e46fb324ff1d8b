//! A day of sending on a simulated clock, with restarts: no window of any limit is exceeded, little is left unused.

use super::*;

/// A limit of the test, what it counts, and in which window.
struct Watched {
    name: &'static str,
    allowed: usize,
    window: Duration,
    counts: fn(&Sent) -> bool,
    times: Vec<Timestamp>,
}

struct Sent {
    relay: usize,
    domain: &'static str,
}

fn watched(name: &'static str, allowed: usize, seconds: u64, counts: fn(&Sent) -> bool) -> Watched {
    Watched {
        name,
        allowed,
        window: Duration::from_secs(seconds),
        counts,
        times: Vec::new(),
    }
}

fn routing() -> Routing {
    Routing {
        relays: vec![
            relay("a", |a| a.rates = vec![rate("5/s"), rate("9000/h")]),
            relay("b", |b| b.rates = vec![rate("180/min")]),
        ],
        limits: LimitSettings {
            all: limit(&["150000/day"]),
            ..providers(&[("gmail", &["2/s", "3000/h"]), ("yahoo", &["30/min"])])
        },
        pools: Vec::new(),
    }
}

/// What the database would remember.
#[derive(Default)]
struct Remembered(HashMap<(String, i64), u64>);

impl Remembered {
    fn rows(&self) -> Vec<(String, i64, u64)> {
        self.0
            .iter()
            .map(|((name, minute), n)| (name.clone(), *minute, *n))
            .collect()
    }
}

const DOMAINS: [&str; 3] = ["gmail.com", "yahoo.com", "example.org"];

/// Sends from `from` to `to` with mail always waiting for everybody.
fn send(remembered: &mut Remembered, watch: &mut [Watched], from: Timestamp, to: Timestamp) {
    let routing = routing();
    let mut schedule: Schedule<Message> = Schedule::new(routing.limits.clone(), remembered.rows(), from);
    schedule.change(&routing, |_| false, from);
    schedule
        .begin(NEWS, None, "example.com", Limit::default())
        .unwrap();
    let mut now = from;
    while now < to {
        for domain in DOMAINS {
            // As many as there is room for; what is put aside is taken as sent to another day.
            for number in 0..4 {
                let _ = schedule.offer(message(domain, number), now);
            }
        }
        let mut next = to;
        for relay in 0..2 {
            loop {
                match schedule.take(seat(relay), now) {
                    Turn::Take(taken) => {
                        for limit in taken.remembered_as.iter() {
                            *remembered.0.entry((limit.to_string(), now.minute())).or_default() += 1;
                        }
                        let sent = Sent {
                            relay,
                            domain: taken.item.domain,
                        };
                        watch
                            .iter_mut()
                            .filter(|w| (w.counts)(&sent))
                            .for_each(|w| w.times.push(now));
                    }
                    Turn::Wait(until) => {
                        next = next.min(until.unwrap_or(to).max(now.plus(Duration::from_micros(1))));
                        break;
                    }
                    Turn::NoConnection { .. } => panic!("one sends alone"),
                    Turn::Closed => panic!("the relay is configured"),
                }
            }
        }
        now = next;
    }
}

#[test]
fn over_a_day_with_three_restarts_no_window_of_any_limit_is_exceeded_and_little_is_left_unused() {
    let mut watch = [
        watched("relay a, second", 5, 1, |sent| sent.relay == 0),
        watched("relay a, hour", 9000, 3600, |sent| sent.relay == 0),
        watched("relay b, minute", 180, 60, |sent| sent.relay == 1),
        watched("gmail, second", 2, 1, |sent| sent.domain == "gmail.com"),
        watched("gmail, hour", 3000, 3600, |sent| sent.domain == "gmail.com"),
        watched("yahoo, minute", 30, 60, |sent| sent.domain == "yahoo.com"),
        watched("all, day", 150_000, 86_400, |_| true),
    ];
    let mut remembered = Remembered::default();
    // Two starts after a moment and one after a pause.
    let starts = [
        (0.0, 20_000.0),
        (20_000.3, 47_000.0),
        (47_000.9, 60_000.0),
        (60_900.0, 90_000.0),
    ];
    for (from, to) in starts {
        send(&mut remembered, &mut watch, later(from), later(to));
    }
    for limit in &watch {
        let crowded = limit
            .times
            .windows(limit.allowed + 1)
            .find(|window| window[limit.allowed].since(window[0]) < limit.window);
        assert!(crowded.is_none(), "{}: {crowded:?}", limit.name);
    }
    // Relay a: 9,000 an hour; relay b: 10,800 an hour; all of it is above what a day allows.
    let day = &watch[6].times;
    let first_day = day.iter().filter(|at| **at < later(86_400.0)).count();
    assert!(
        first_day * 100 >= 150_000 * 95,
        "only {first_day} of 150,000 in a day"
    );
    // Until the day's allowance is used up each relay is the limit.
    let hours = |times: &[Timestamp]| times.iter().filter(|at| **at < later(18_000.0)).count();
    assert!(
        hours(&watch[1].times) * 100 >= 5 * 9000 * 95,
        "relay a: {}",
        hours(&watch[1].times)
    );
    assert!(
        hours(&watch[2].times) * 100 >= 5 * 10_800 * 95,
        "relay b: {}",
        hours(&watch[2].times)
    );
    assert!(
        hours(&watch[5].times) * 100 >= 5 * 1800 * 95,
        "yahoo: {}",
        hours(&watch[5].times)
    );
}
