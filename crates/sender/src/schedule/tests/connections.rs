//! Connections where several senders have no more of them together than the relay allows. The rounds at the table of shares are
//! played with one sender and the rows of another that is not there.

use super::*;
use crate::limits::Round;
use tidings_store::limit_shares::{ShareRow, SharesSeen};

/// The row of another sender.
fn other(held: i64, wanted: i64) -> ShareRow {
    ShareRow {
        place: "relay a".to_owned(),
        which: "connections".to_owned(),
        owner: "another".to_owned(),
        held,
        wanted,
        round: 1,
        valid_until: i64::MAX,
    }
}

/// A sender that shares its relays, and the rows that it has written.
struct Sharing {
    schedule: Schedule<Message>,
    rows: Vec<ShareRow>,
    rounds: i64,
}

impl Sharing {
    fn new(relays: Vec<RelaySettings>) -> Sharing {
        let mut schedule = Schedule::new(LimitSettings::default(), [], START);
        schedule.share_limits("this".into());
        let routing = Routing {
            relays,
            ..Routing::default()
        };
        schedule.change(&routing, |_| true, START);
        schedule
            .begin(NEWS, None, "example.com", Limit::default())
            .unwrap();
        schedule.take_wakes();
        Sharing {
            schedule,
            rows: Vec::new(),
            rounds: 0,
        }
    }

    fn with_two() -> Sharing {
        Sharing::new(vec![relay("a", |a| a.max_sessions = 2)])
    }

    fn round(&mut self, others: &[ShareRow], now: Timestamp) {
        self.rounds += 1;
        let round = Round {
            number: self.rounds,
            began: now,
            at: now,
            leaving: false,
            lease: Duration::from_secs(10),
        };
        if self.schedule.limits().begin_round(&round).is_none() {
            return;
        }
        let seen = SharesSeen {
            rows: self.rows.iter().chain(others).cloned().collect(),
            used: Vec::new(),
        };
        let changes = self.schedule.decide_shares(&seen, &round, now);
        for (place, which, _) in &changes.removed {
            self.rows.retain(|row| row.place != *place || row.which != *which);
        }
        for new in changes.put {
            self.rows.retain(|row| row.place != new.place);
            self.rows.push(new);
        }
        self.schedule.end_shares(true, now);
    }

    fn offer(&mut self, numbers: std::ops::Range<u64>, now: Timestamp) {
        for number in numbers {
            assert!(matches!(
                self.schedule.offer(message("example.org", number), now),
                Offered::Queued
            ));
        }
        self.schedule.take_wakes();
    }

    fn take(&mut self, seat: Seat, now: Timestamp) -> Turn<Message> {
        self.schedule.take(seat, now)
    }

    /// The session opens a connection for a message.
    fn connects(&mut self, session: u64, now: Timestamp) -> bool {
        matches!(self.take(cold(session), now), Turn::Take(_))
    }

    fn held(&self) -> i64 {
        self.rows.iter().map(|row| row.held).sum()
    }
}

fn cold(session: u64) -> Seat {
    Seat {
        connected: false,
        ..warm(session)
    }
}

fn warm(session: u64) -> Seat {
    Seat { session, ..seat(0) }
}

#[test]
fn a_connection_is_opened_only_after_it_is_committed_that_it_is_held() {
    let mut sender = Sharing::with_two();
    sender.offer(0..3, START);
    assert!(matches!(sender.take(cold(1), START), Turn::NoConnection { .. }));
    assert!(
        sender.schedule.limits().take_hungry(),
        "who waits has a round at once"
    );
    sender.round(&[], START);
    assert_eq!(
        sender.schedule.take_connects(),
        [RelayId(0)],
        "who waited is woken"
    );
    assert!(sender.connects(1, START) && sender.connects(2, START));
    assert!(!sender.connects(3, START), "the relay allows two");
    let words = sender.schedule.binding_limit(NEWS, START).unwrap();
    assert_eq!(words, "relay a: 2 sessions");
    sender.schedule.connection_closed(RelayId(0), 1, START);
    assert_eq!(sender.schedule.take_connects(), [RelayId(0)]);
    assert!(sender.connects(3, START));
}

#[test]
fn a_relay_without_mail_holds_nothing() {
    let mut sender = Sharing::with_two();
    sender.round(&[], START);
    assert!(matches!(sender.take(cold(1), START), Turn::Wait(_)));
    sender.round(&[], START);
    assert!(sender.rows.is_empty(), "{:?}", sender.rows);
}

#[test]
fn one_that_is_idle_closes_at_once_when_another_sender_wants_it_and_is_held_until_then() {
    let mut sender = Sharing::with_two();
    sender.offer(0..2, START);
    assert!(!sender.connects(1, START));
    sender.round(&[], START);
    assert!(sender.connects(1, START) && sender.connects(2, START));
    // Both have ended their messages and wait.
    let now = later(0.5);
    assert!(matches!(sender.take(warm(1), now), Turn::Wait(_)));
    sender.schedule.take_wakes();
    sender.round(&[other(0, 2)], now);
    assert_eq!(sender.held(), 2, "what is open is held");
    assert_eq!(sender.schedule.take_wakes(), [RelayId(0)], "one of them is woken");
    assert!(matches!(sender.take(warm(2), now), Turn::Closed));
    assert!(
        matches!(sender.take(warm(1), now), Turn::Wait(_)),
        "one is enough"
    );
    sender.round(&[other(0, 2)], later(0.6));
    assert_eq!(sender.held(), 2, "it is not closed yet");
    sender.schedule.connection_closed(RelayId(0), 2, later(0.7));
    sender.round(&[other(0, 2)], later(1.0));
    assert_eq!(sender.held(), 1);
}

#[test]
fn who_has_mail_goes_on_while_an_idle_one_can_close_in_its_place() {
    let mut sender = Sharing::with_two();
    sender.offer(0..2, START);
    assert!(!sender.connects(1, START));
    sender.round(&[], START);
    assert!(sender.connects(1, START) && sender.connects(2, START));
    sender.round(&[other(0, 2)], later(0.5));
    sender.offer(2..4, later(0.5));
    let busy = Seat { idle: 1, ..warm(1) };
    assert!(matches!(sender.take(busy, later(0.5)), Turn::Take(_)));
    assert!(
        matches!(sender.take(warm(1), later(0.5)), Turn::Closed),
        "nobody else can"
    );
}

#[test]
fn connections_that_nobody_else_wants_outlive_their_mail() {
    let mut sender = Sharing::with_two();
    sender.offer(0..1, START);
    assert!(!sender.connects(1, START));
    sender.round(&[], START);
    assert!(sender.connects(1, START));
    for half_seconds in 1..20 {
        let now = later(f64::from(half_seconds) / 2.0);
        sender.round(&[other(1, 1)], now);
        assert!(matches!(sender.take(warm(1), now), Turn::Wait(_)));
    }
    sender.round(&[other(1, 2)], later(10.0));
    assert!(matches!(sender.take(warm(1), later(10.0)), Turn::Closed));
}

#[test]
fn a_part_that_has_run_out_opens_nothing_and_closes_what_is_idle() {
    let mut sender = Sharing::with_two();
    sender.offer(0..2, START);
    assert!(!sender.connects(1, START));
    sender.round(&[], START);
    assert!(sender.connects(1, START));
    let until = sender.schedule.connections_last_until(RelayId(0));
    assert!(
        until > later(10.0) && until < later(16.0),
        "{:?}",
        until.since(START)
    );
    assert!(!sender.connects(2, later(6.0)));
    assert!(matches!(sender.take(warm(1), later(6.0)), Turn::Closed));
}

#[test]
fn another_relay_of_the_pool_takes_the_mail_of_one_that_others_have_all_connections_of() {
    let mut sender = Sharing::new(vec![relay("a", |a| a.max_sessions = 2), relay("b", |_| {})]);
    let mut others = other(2, 2);
    others.valid_until = i64::MAX;
    let at_b = |session, connected| Seat {
        session,
        connected,
        ..seat(1)
    };
    sender.offer(0..30, START);
    assert!(matches!(
        sender.take(at_b(10, false), START),
        Turn::NoConnection { .. }
    ));
    assert!(!sender.connects(1, START));
    sender.round(std::slice::from_ref(&others), START);
    assert!(matches!(sender.take(at_b(10, false), START), Turn::Take(_)));
    for n in 0..29 {
        let now = later(f64::from(n) / 1000.0);
        assert!(!sender.connects(1, now));
        assert!(matches!(sender.take(at_b(10, true), now), Turn::Take(_)), "{n}");
    }
}

#[test]
fn connections_of_a_relay_as_it_was_before_count_until_they_are_closed() {
    let mut sender = Sharing::with_two();
    sender.offer(0..4, START);
    assert!(!sender.connects(1, START));
    sender.round(&[], START);
    assert!(sender.connects(1, START) && sender.connects(2, START));
    let changed = Routing {
        relays: vec![relay("a", |a| {
            a.max_sessions = 2;
            a.weight = 3;
        })],
        ..Routing::default()
    };
    sender.schedule.change(&changed, |_| false, START);
    let new = |session| Seat {
        session,
        connected: false,
        ..seat(1)
    };
    assert!(matches!(sender.take(new(3), START), Turn::NoConnection { .. }));
    sender.schedule.connection_closed(RelayId(0), 1, START);
    assert!(matches!(sender.take(new(3), START), Turn::Take(_)));
    assert!(matches!(sender.take(new(4), START), Turn::NoConnection { .. }));
}

#[test]
fn a_sender_alone_counts_no_connections() {
    let mut schedule = one_relay(LimitSettings::default());
    schedule.offer(message("example.org", 1), START);
    assert!(matches!(schedule.take(cold(1), START), Turn::Take(_)));
    assert!(!schedule.limits().is_shared());
    assert_eq!(schedule.connections_last_until(RelayId(0)), Timestamp(i64::MAX));
}
