//! Several senders with one PostgreSQL keep every limit together, whoever comes or dies.

use std::time::{Duration, Instant};
use tidings_tests::script::Script;
use tidings_tests::{
    App, Arrivals, Engine, Lateness, Running, Settings, Yardstick, assert_ledger_adds_up, wait_until,
};

/// What a message's way from a sender to the relay may take more or less than another's: a span at the relay may hold what the
/// senders let pass within it and so much more. Besides, what a busy machine excuses.
const JITTER: Duration = Duration::from_millis(300);

fn many_senders(configure: impl FnOnce(&mut Settings)) -> App {
    let app = App::start(Engine::Postgres);
    app.configure(configure);
    app
}

/// So many senders of one campaign: the others come when the first has planned it.
fn start(app: &App, campaign: i64, senders: usize) -> Vec<Running> {
    let mut all = vec![app.start_sending(campaign)];
    wait_until("the first sends", 30, || app.relay.accepted_count() > 0);
    all.extend((1..senders).map(|_| app.start_sending(campaign)));
    all
}

/// `late`: what the machine excuses besides [`JITTER`], measured while they were sent. Several seconds together show what
/// the jitter hides in one.
#[track_caller]
fn assert_no_second_holds_more(times: &[Instant], allowed: usize, late: &Lateness) {
    for seconds in [1, 5] {
        let (span, most) = (Duration::from_secs(seconds), allowed * seconds as usize);
        for window in times.windows(most + 1) {
            let (first, last) = (window[0], window[most]);
            // What made the first one late happened before it came.
            let excuse = JITTER + late.excuse_between(first - Duration::from_secs(1), last);
            assert!(
                last - first + excuse >= span,
                "more than {most} within {:?}; excused are {excuse:?}",
                last - first
            );
        }
    }
}

/// Looks for five seconds, after this time, and panics unless so many are sent a second, but for 15 in a hundred and for what the
/// machine excuses.
#[track_caller]
fn assert_rate_after(time: Duration, arrivals: &Arrivals, rate: u32) {
    const SPAN: Duration = Duration::from_secs(5);
    std::thread::sleep(time);
    let (yardstick, begun) = (Yardstick::begin(), Instant::now());
    std::thread::sleep(SPAN);
    let times = arrivals.times();
    let sent = times
        .iter()
        .filter(|at| **at >= begun && **at < begun + SPAN)
        .count();
    let excuse = yardstick.end().excuse();
    let least = SPAN.saturating_sub(excuse).as_secs_f64() * f64::from(rate) * 0.85;
    assert!(
        sent as f64 >= least,
        "they send {sent} in {SPAN:?}; the machine excuses {excuse:?}"
    );
}

/// The sender has a part of the relay's rate.
fn wait_for_senders(app: &App, n: i64) {
    wait_until("each sender has its part", 30, || {
        let query =
            "SELECT count(*) FROM limit_shares WHERE place = 'relay primary' AND which = 's' AND held > 0";
        app.database.number(query) == n
    });
}

#[test]
fn several_senders_keep_a_rate_together_while_they_come_and_die() {
    let app = many_senders(|settings| {
        settings.rate = Some("40/s".to_owned());
        settings.more = "[limits.provider.\"slow.test\"]\nrate = \"4/s\"\n".to_owned();
    });
    let arrivals = Arrivals::at(&app.relay, Script::accepting());
    let yardstick = Yardstick::begin();
    app.import_of("readers", &["slow.test", "example.org"], 2_000);
    let campaign = app.campaign("readers");
    let mut senders = start(&app, campaign, 1);
    senders.push(app.start_sending(campaign));
    wait_for_senders(&app, 2);
    senders.push(app.start_sending(campaign));
    wait_for_senders(&app, 3);
    assert_rate_after(Duration::from_secs(3), &arrivals, 40);

    senders.remove(0).kill_9();
    senders.push(app.start_sending(campaign));
    // What the dead one held comes back.
    assert_rate_after(Duration::from_secs(9), &arrivals, 40);

    let total: i64 = app.database.number(
        "SELECT CAST(sum(held) AS BIGINT) FROM limit_shares WHERE place = 'relay primary' AND which = 's'",
    );
    assert!(total <= 40, "{total} of 40 are held");
    app.steer(campaign, "cancel");
    for sender in senders {
        sender.wait(App::PATIENCE);
    }
    let late = yardstick.end();
    assert_no_second_holds_more(&arrivals.times(), 40, &late);
    assert_no_second_holds_more(&arrivals.times_of("@slow.test"), 4, &late);
    assert!(
        arrivals.times_of("@slow.test").len() > 60,
        "the slow provider had its mail too"
    );
    app.relay.reached_once();
    assert_ledger_adds_up(&app.show(campaign));
}

#[test]
fn an_allowance_is_used_up_by_several_senders_and_not_exceeded_after_a_death() {
    let app = many_senders(|settings| settings.more = "[limits]\nrate = \"300/h\"\n".to_owned());
    app.relay.follow(Script::accepting().pace(20.0));
    app.import("readers", 1_000);
    let campaign = app.campaign("readers");
    let mut senders = start(&app, campaign, 3);
    // Else the dead one may keep all of them from the others for a while, and nothing is sent.
    wait_for_connections(&app, 3);
    wait_until("they send", 30, || app.relay.accepted_count() > 100);
    senders.remove(0).kill_9();
    // A sender says what binds it also while it waits for more permits.
    wait_until("what is allowed is used up", 90, || {
        let before = app.relay.accepted_count();
        std::thread::sleep(Duration::from_secs(5));
        app.relay.accepted_count() == before && app.show(campaign).0["binding_limit"] == "all relays: 300/h"
    });
    let accepted = app.relay.accepted_count();
    // What the dead one held and did not use is lost for the hour, however much that was.
    assert!((101..=300).contains(&accepted), "{accepted} of 300");
    senders.push(app.start_sending(campaign));
    std::thread::sleep(Duration::from_secs(3));
    assert!(app.relay.accepted_count() <= 300);
    app.steer(campaign, "cancel");
    for sender in senders {
        sender.wait(App::PATIENCE);
    }
    let show = app.show(campaign);
    assert_ledger_adds_up(&show);
    assert!(app.relay.reached_once().len() <= 300);
}

/// So many senders have a part of the relay's connections.
fn wait_for_connections(app: &App, senders: i64) {
    wait_until("each sender has its connections", 90, || {
        let query = "SELECT COUNT(*) FROM limit_shares \
            WHERE place = 'relay primary' AND which = 'connections' AND held > 0";
        app.database.number(query) == senders
    });
}

#[test]
fn several_senders_never_have_more_connections_open_than_the_relay_allows() {
    const ALLOWED: u64 = 4;
    let app = many_senders(|settings| settings.max_sessions = ALLOWED as usize);
    // The relay would refuse one more.
    let script = Script::accepting().max_sessions(ALLOWED);
    app.relay.follow(script.delay(Duration::from_millis(50)));
    // More than are sent until the last sender has come, however long that takes.
    app.import("readers", 10_000);
    let campaign = app.campaign("readers");
    let mut senders = start(&app, campaign, 1);
    wait_until("one alone has all of them", 30, || {
        app.relay.counts().open_sessions == ALLOWED
    });
    senders.extend((0..2).map(|_| app.start_sending(campaign)));
    wait_for_connections(&app, 3);
    senders.remove(0).kill_9();
    senders.push(app.start_sending(campaign));
    wait_for_connections(&app, 3);
    let before = app.relay.accepted_count();
    wait_until("they send together", 60, || {
        app.relay.accepted_count() > before + 100
    });
    app.steer(campaign, "cancel");
    for sender in senders {
        sender.wait(App::PATIENCE);
    }
    assert_eq!(app.relay.counts().most_sessions, ALLOWED, "nobody was refused");
    let show = app.show(campaign);
    assert_ledger_adds_up(&show);
    assert!(
        show.count("unknown") <= ALLOWED,
        "what was on the wire when one was killed may be unknown: {show}"
    );
    assert!(app.relay.reached_once().len() as u64 >= show.count("accepted"));
}

#[test]
fn a_sender_that_was_killed_has_its_connections_when_it_starts_again_although_its_lease_is_not_over() {
    let app = many_senders(|settings| {
        settings.max_sessions = 2;
        settings.lease = "60s".to_owned();
    });
    let delay = Duration::from_millis(20);
    app.relay.follow(Script::accepting().max_sessions(2).delay(delay));
    app.import("readers", 5_000);
    let campaign = app.campaign("readers");
    let sender = app.start_sending(campaign);
    wait_until("it sends", 30, || app.relay.accepted_count() > 20);
    sender.kill_9();
    let before = app.relay.accepted_count();
    let again = app.start_sending(campaign);
    wait_until("it sends again", 20, || app.relay.accepted_count() > before + 20);
    assert_eq!(app.relay.counts().most_sessions, 2, "nobody was refused");
    app.steer(campaign, "cancel");
    again.wait(App::PATIENCE);
}

#[test]
fn several_senders_have_no_more_sessions_together_than_allowed() {
    const ALLOWED: u32 = 3;
    /// What the relay takes for a message, at least.
    const TURN: Duration = Duration::from_millis(100);
    let app = many_senders(|settings| {
        settings.more = format!("[limits.provider.\"slow.test\"]\nmax_sessions = {ALLOWED}\n");
    });
    let arrivals = Arrivals::at(&app.relay, Script::accepting().delay(TURN));
    // More than are sent until the last sender has come, however long that takes.
    app.import_of("readers", &["slow.test"], 5_000);
    let campaign = app.campaign("readers");
    let mut senders = start(&app, campaign, 2);
    senders.push(app.start_sending(campaign));
    let holders = "SELECT COUNT(*) FROM limit_shares \
        WHERE place = 'provider slow.test' AND which = 'sessions' AND held > 0";
    wait_until("several senders have sessions", 90, || {
        app.database.number(holders) > 1
    });
    let before = app.relay.accepted_count();
    wait_until("they send together", 90, || {
        app.relay.accepted_count() > before + 150
    });
    app.steer(campaign, "cancel");
    for sender in senders {
        sender.wait(App::PATIENCE);
    }
    let show = app.show(campaign);
    assert_ledger_adds_up(&show);
    assert_eq!(app.relay.reached_once().len() as u64, show.count("accepted"));
    // One session carries a message in a turn. So with three, a fourth message comes a turn after the first.
    let times = arrivals.times();
    let (first, last) = (times[0], times[times.len() - 1]);
    let turns = u32::try_from(times.len()).unwrap() / ALLOWED - 1;
    assert!(
        last - first >= TURN * turns,
        "{} messages by {ALLOWED} sessions within {:?}",
        times.len(),
        last - first
    );
}
