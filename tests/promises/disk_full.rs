//! When the ledger cannot be written, nothing is sent that it does not know of.

use std::time::{Duration, Instant};
use tidings_tests::script::Script;
use tidings_tests::{App, Engine, Output, Running, Settings, SmallCluster, assert_ledger_adds_up};

const RECIPIENTS: usize = 2000;

fn in_mid_send(app: &App) -> (i64, Running) {
    app.relay.follow(Script::accepting().pace(200.0));
    app.import("readers", RECIPIENTS);
    let campaign = app.campaign("readers");
    let sending = app.start_sending(campaign);
    tidings_tests::wait_until("mail flows", 30, || app.relay.accepted_count() >= 100);
    (campaign, sending)
}

/// Sends the rest and compares the ledger with the relay.
fn assert_the_campaign_completes_with_nobody_twice(app: &App, campaign: i64) {
    app.relay.follow(Script::accepting());
    let show = app.send(campaign);
    assert_eq!(show.state(), "finished", "{show}");
    assert_ledger_adds_up(&show);
    assert_eq!(
        show.count("accepted") + show.count("unknown"),
        RECIPIENTS as u64,
        "{show}"
    );
    let reached = app.relay.reached_once();
    let (accepted, unknown) = (
        app.addresses(campaign, "accepted"),
        app.addresses(campaign, "unknown"),
    );
    assert!(
        accepted.is_subset(&reached),
        "accepted in the ledger and not by the relay"
    );
    let known = |who: &String| accepted.contains(who) || unknown.contains(who);
    assert!(reached.iter().all(known), "sent without a word in the ledger");
}

#[test]
fn a_full_disk_stops_the_sender_with_a_clear_sentence_and_no_mail_goes_out_unrecorded() {
    let app = App::start(Engine::Sqlite);
    let disk = app.on_small_disk();
    let (campaign, sending) = in_mid_send(&app);

    disk.fill(&sending);
    let output: Output = sending.wait(Duration::from_secs(60));
    let sent_by_then = app.relay.accepted_count();
    output.failed_with(1).says(&["tidings.db", "disk"]);
    assert!(sent_by_then < RECIPIENTS, "it went on with a full disk");

    disk.free();
    assert_the_campaign_completes_with_nobody_twice(&app, campaign);
}

#[test]
fn a_full_disk_of_the_database_server_stops_mail_and_when_there_is_room_it_goes_on_with_nobody_twice() {
    let mut cluster = SmallCluster::start();
    let mut app = App::start(Engine::Postgres);
    app.database = cluster.database();
    let (campaign, sending) = in_mid_send(&app);

    cluster.fill();
    wait_until_mail_stops(&app);
    let log = cluster.log();
    assert!(log.contains("No space left on device"), "{log}");

    cluster.free();
    // It may have gone on by itself, or said what happened; it must not hang.
    let output = sending.wait(App::PATIENCE);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output}");
    assert_the_campaign_completes_with_nobody_twice(&app, campaign);
    let (unknown, sessions) = (
        app.show(campaign).count("unknown"),
        Settings::default().max_sessions,
    );
    assert!(
        unknown <= sessions as u64,
        "{unknown} unknown with {sessions} sessions"
    );
}

/// Until nothing has come for two seconds, which is four hundred times as long as between two messages.
fn wait_until_mail_stops(app: &App) {
    let (mut last, mut count) = (Instant::now(), app.relay.accepted_count());
    while last.elapsed() < Duration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(10));
        let now = app.relay.accepted_count();
        if now > count {
            (last, count) = (Instant::now(), now);
        }
        assert!(count < RECIPIENTS, "it went on with a full disk");
    }
}

#[test]
fn a_database_server_that_cuts_every_connection_loses_nobody() {
    let app = App::start(Engine::Postgres);
    let (campaign, sending) = in_mid_send(&app);

    for _ in 0..3 {
        app.database.cut_connections();
        std::thread::sleep(Duration::from_millis(300));
    }
    // It may go on by itself or say what happened; it must not hang.
    let output = sending.wait(App::PATIENCE);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output}");

    assert_the_campaign_completes_with_nobody_twice(&app, campaign);
}
