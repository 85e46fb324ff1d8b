//! Connections to one relay: each sender opens one where it has mail and may, keeps it for a while without mail, and closes it when
//! it must. Some take long for a message.

use super::*;

/// So long a connection without work is kept.
const IDLE: Duration = Duration::from_secs(30);

fn world(most: usize, weather: Weather, step: u64, seed: u64) -> World {
    let own = Limit {
        max_sessions: Some(most),
        ..Limit::default()
    };
    World {
        work: World::connect,
        ..World::new(LimitSettings::default(), own, weather, step, seed)
    }
}

impl World {
    fn connect(&mut self, at: usize) {
        let now = self.now;
        let most = self.own.max_sessions.unwrap();
        let node = &mut self.nodes[at];
        let id = node.tree.share_connections(&"a".into(), most, now).unwrap();
        node.backlog = (node.backlog + node.per_second * self.step.as_secs_f64()).min(1000.0);
        let is_cut = node.tree.connections(id).last_until() <= now;
        let mut idle = node.at_work.iter().filter(|(_, until)| *until <= now).count() as u64;
        for (session, mut until) in std::mem::take(&mut node.at_work) {
            let mut connections = node.tree.connections(id);
            let is_idle = until <= now;
            idle -= u64::from(is_idle);
            if is_cut || is_idle && node.closing.contains(&session) {
                connections.end(session);
                node.closing.retain(|other| *other != session);
                continue;
            }
            if is_idle {
                if connections.must_close(session, idle, now) || now.since(until) >= IDLE {
                    node.closing.push(session);
                    until = now.plus(self.random.millis(0, 300));
                } else if node.backlog >= 1.0 {
                    connections.note_use(now);
                    node.backlog -= 1.0;
                    self.passed.push(now);
                    until = now.plus(message(&mut self.random));
                } else {
                    idle += 1;
                }
            }
            node.at_work.push((session, until));
        }
        while node.backlog >= 1.0 {
            let mut connections = node.tree.connections(id);
            if !connections.has_room(now) {
                break;
            }
            connections.note_use(now);
            connections.begin();
            node.backlog -= 1.0;
            self.passed.push(now);
            let session = (1..)
                .find(|id| node.at_work.iter().all(|(other, _)| other != id))
                .unwrap();
            node.at_work.push((session, now.plus(message(&mut self.random))));
        }
    }

    fn open(&self) -> Vec<usize> {
        self.nodes.iter().map(|node| node.at_work.len()).collect()
    }
}

/// How long one takes.
fn message(random: &mut Random) -> Duration {
    match random.below(200) {
        0 => random.millis(5_000, 60_000),
        _ => random.millis(50, 1_500),
    }
}

#[test]
fn whatever_happens_all_senders_together_never_have_more_connections_than_the_relay_allows() {
    for (most, seed) in [(1, 1), (3, 2), (10, 3), (40, 4)] {
        let mut world = world(most, Weather::Stormy, 10, seed);
        for _ in 0..4 {
            world.run(120);
            world.away_until = world.now.plus(Duration::from_secs(25));
            world.run(40);
        }
        assert!(world.most_at_work <= most, "{} of {most}", world.most_at_work);
        assert!(
            world.most_at_work * 10 >= most * 9,
            "{} of {most}",
            world.most_at_work
        );
    }
}

#[test]
fn one_alone_has_all_connections_and_several_with_much_mail_have_the_same() {
    let mut world = world(20, Weather::Calm, 10, 5);
    world.join(1000.0);
    world.run(3);
    assert_eq!(world.open(), [20]);
    world.join(1000.0);
    world.join(2.0);
    world.run(20);
    // Those that take long for a message are given up after it.
    world.run(60);
    let open = world.open();
    assert!(open[0] >= 7 && open[1] >= 7, "{open:?}");
    assert!((1..=6).contains(&open[2]), "{open:?}");
    assert!(open.iter().sum::<usize>() >= 18, "{open:?}");
}

#[test]
fn what_nobody_has_is_anybodys_at_once() {
    let mut world = world(20, Weather::Calm, 10, 11);
    world.join(0.2);
    world.run(60);
    let open = world.open()[0];
    assert!(open <= 3, "{open}");
    let held: i64 = world.table.rows.values().map(|row| row.held).sum();
    assert!(held <= 4, "{held} of 20 are kept from others");
    world.nodes[0].per_second = 1000.0;
    world.run(1);
    assert_eq!(world.open(), [20]);
}

#[test]
fn connections_without_mail_stay_open_until_another_sender_wants_them() {
    let mut world = world(10, Weather::Calm, 10, 6);
    world.join(1000.0);
    world.run(5);
    world.nodes[0].per_second = 0.0;
    world.nodes[0].backlog = 0.0;
    world.run(10);
    let open = world.open()[0];
    assert!(open >= 9, "nobody wants them: {open}");
    world.join(1000.0);
    world.run(3);
    let open = world.open();
    assert!(open[0] <= 1 && open[1] >= 9, "{open:?}");
}

#[test]
fn a_sender_without_mail_gives_everything_back_when_its_connections_have_ended() {
    let mut world = world(10, Weather::Calm, 10, 7);
    world.join(1000.0);
    world.run(5);
    world.nodes[0].per_second = 0.0;
    world.nodes[0].backlog = 0.0;
    world.run(100);
    assert_eq!(world.open(), [0]);
    assert!(world.table.rows.is_empty(), "{:?}", world.table.rows);
}

#[test]
fn what_a_dead_sender_had_open_is_anothers_when_its_lease_has_run_out() {
    let mut world = world(10, Weather::Calm, 10, 8);
    world.join(1000.0);
    world.join(1000.0);
    world.run(80);
    world.nodes.remove(0);
    world.run(3);
    assert!(world.open()[0] <= 6, "{:?}", world.open());
    world.run(16);
    assert_eq!(world.open(), [10]);
}

#[test]
fn a_single_connection_goes_round_so_that_nobody_starves() {
    let mut world = world(1, Weather::Calm, 10, 9);
    (0..3).for_each(|_| world.join(1.0));
    let mut had = [0; 3];
    for _ in 0..300 {
        world.run(1);
        for (had, open) in had.iter_mut().zip(world.open()) {
            *had += open;
        }
    }
    assert!(had.iter().all(|seconds| *seconds >= 45), "{had:?}");
}

#[test]
fn without_the_database_connections_without_mail_are_closed_first_and_all_before_they_are_anothers() {
    let mut world = world(10, Weather::Calm, 10, 10);
    world.join(4.0);
    world.run(30);
    world.away_until = world.now.plus(Duration::from_secs(60));
    world.nodes[0].per_second = 0.0;
    world.nodes[0].backlog = 0.0;
    let id = world.nodes[0]
        .tree
        .share_connections(&"a".into(), 10, world.now)
        .unwrap();
    world.nodes[0].tree.connections(id).begin();
    // One that takes longer for its message than a lease lasts.
    let end = world.now.plus(Duration::from_secs(50));
    world.nodes[0].at_work.push((1_000, end));
    world.run(8);
    assert!(world.open()[0] >= 1, "what is in hand goes on");
    let idle = world.nodes[0]
        .at_work
        .iter()
        .filter(|(_, until)| *until <= world.now);
    assert_eq!(idle.count(), 0);
    world.run(9);
    assert_eq!(world.open(), [0]);
}
