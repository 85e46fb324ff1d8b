//! Several senders on one PostgreSQL: whatever stands still, is cut off, restarts or is replaced, nobody gets a message twice,
//! nobody is forgotten, and everything goes on by itself.

use crate::crash::assert_ledger_agrees;
use crate::unsubscribe::{link_at, one_click};
use std::time::Duration;
use tidings_tests::script::Script;
use tidings_tests::{App, Cluster, Engine, Proxy, Running, Settings, assert_ledger_adds_up, wait_until};

const RECIPIENTS: usize = 1500;
/// Of [`Settings::default`].
const LEASE: Duration = Duration::from_secs(2);

/// A campaign that takes a third of a minute: what happens to it takes less, on a busy machine too.
fn campaign_of_some_seconds(app: &App) -> i64 {
    app.relay.follow(Script::accepting().pace(70.0));
    app.import("readers", RECIPIENTS);
    app.campaign("readers")
}

/// Who has only just begun may find no database, and has nothing to go on with.
#[track_caller]
fn wait_until_both_send(at: &Cluster) {
    let owners = "SELECT COUNT(DISTINCT owner) FROM leases";
    wait_until("both send", 30, || at.number(owners) == Some(2));
}

#[track_caller]
fn wait_for_mail(app: &App, more: usize) {
    let before = app.relay.accepted_count();
    wait_until("mail flows", 60, || app.relay.accepted_count() >= before + more);
}

/// Everybody was reached once or is unknown, of whom there are at most `unknown`; the ledger says the same as the relay.
#[track_caller]
fn assert_nobody_twice_nobody_forgotten(app: &App, campaign: i64, most_unknown: usize) {
    let show = app.show(campaign);
    assert_eq!(show.state(), "finished", "{show}");
    assert_ledger_adds_up(&show);
    let unknown = show.count("unknown");
    assert_eq!(show.count("accepted") + unknown, RECIPIENTS as u64, "{show}");
    assert!(unknown <= most_unknown as u64, "{show}");
    assert_ledger_agrees(app, campaign, &app.relay.reached_once());
}

fn ends_well(sending: Running) {
    sending.wait(Duration::from_secs(90)).succeeded();
}

fn sessions() -> usize {
    Settings::default().max_sessions
}

#[test]
fn a_sender_that_stood_still_for_longer_than_its_lease_sends_nothing_of_what_it_held() {
    let app = App::start(Engine::Postgres);
    let campaign = campaign_of_some_seconds(&app);
    let one = app.start_sending(campaign);
    wait_for_mail(&app, 50);
    let two = app.start_node("two", app.database.url(), campaign);
    wait_for_mail(&app, 200);
    one.stop();
    // The other one takes over what this one holds, and sends the rest.
    ends_well(two);
    let sent = app.relay.accepted_count();
    one.go_on();
    ends_well(one);
    assert_eq!(
        app.relay.accepted_count(),
        sent,
        "the one that stood still has sent something"
    );
    assert_nobody_twice_nobody_forgotten(&app, campaign, sessions());
}

#[test]
fn a_sender_that_stood_still_in_mid_campaign_goes_on_with_what_is_its_own() {
    let app = App::start(Engine::Postgres);
    let campaign = campaign_of_some_seconds(&app);
    let one = app.start_sending(campaign);
    wait_for_mail(&app, 20);
    let two = app.start_node("two", app.database.url(), campaign);
    for _ in 0..2 {
        wait_for_mail(&app, 100);
        one.stop();
        std::thread::sleep(LEASE + Duration::from_millis(500));
        one.go_on();
    }
    ends_well(one);
    ends_well(two);
    assert_nobody_twice_nobody_forgotten(&app, campaign, 2 * sessions());
}

#[test]
fn senders_go_on_by_themselves_after_the_database_was_away() {
    let mut cluster = Cluster::start();
    let app = App::start_at(cluster.url());
    let campaign = campaign_of_some_seconds(&app);
    let one = app.start_sending(campaign);
    wait_for_mail(&app, 20);
    let two = app.start_node("two", app.database.url(), campaign);
    wait_until_both_send(&cluster);
    // A restart, and a time that is longer than a lease.
    for away in [Duration::ZERO, LEASE + Duration::from_secs(2)] {
        wait_for_mail(&app, 100);
        cluster.stop();
        std::thread::sleep(away);
        cluster.start_again();
    }
    ends_well(one);
    ends_well(two);
    assert_nobody_twice_nobody_forgotten(&app, campaign, 4 * sessions());
}

#[test]
fn a_server_that_answers_before_it_has_written_loses_nothing_of_ours_in_a_crash() {
    let mut cluster = Cluster::start();
    cluster.answer_before_writing();
    let app = App::start_at(cluster.url());
    let campaign = campaign_of_some_seconds(&app);
    let sending = app.start_sending(campaign);
    wait_for_mail(&app, 200);
    cluster.stop();
    cluster.start_again();
    wait_for_mail(&app, 200);
    // Both at once, as when they are on one machine.
    cluster.stop();
    sending.kill_9();
    cluster.start_again();
    ends_well(app.start_sending(campaign));
    assert_nobody_twice_nobody_forgotten(&app, campaign, 2 * sessions());
}

#[test]
fn a_sender_goes_on_when_the_server_has_cancelled_its_statements() {
    const HOLD: &str = "SET statement_timeout = 0; BEGIN; LOCK TABLE leases; SELECT pg_sleep(4); COMMIT";
    let cluster = Cluster::start();
    let app = App::start_at(cluster.url());
    let campaign = campaign_of_some_seconds(&app);
    cluster.execute("news", "ALTER DATABASE news SET statement_timeout = '1s'");
    let sending = app.start_sending(campaign);
    wait_for_mail(&app, 50);
    // Whatever asks for a lease now is cancelled.
    cluster.execute("news", HOLD);
    ends_well(sending);
    assert_nobody_twice_nobody_forgotten(&app, campaign, sessions());
}

#[test]
fn a_sender_that_is_cut_off_from_the_database_lets_the_other_go_on() {
    let cluster = Cluster::start();
    let app = App::start_at(cluster.url());
    let proxy = Proxy::to(cluster.address());
    let campaign = campaign_of_some_seconds(&app);
    let through_the_proxy = format!("postgres://tidings@{}/news", proxy.address());
    let one = app.start_node("one", &through_the_proxy, campaign);
    wait_for_mail(&app, 50);
    let two = app.start_node("two", app.database.url(), campaign);
    wait_for_mail(&app, 100);
    proxy.stall();
    std::thread::sleep(2 * LEASE);
    // The other one sends.
    wait_for_mail(&app, 100);
    proxy.go_on();
    ends_well(one);
    ends_well(two);
    assert_nobody_twice_nobody_forgotten(&app, campaign, sessions());
}

#[test]
fn whoever_asks_while_the_database_is_silent_is_told_so_and_served_when_it_is_back() {
    // More than there are connections.
    const ASKED: usize = 12;
    let cluster = Cluster::start();
    let app = App::start_at(cluster.url());
    app.relay.follow(Script::accepting().keep_content(1024 * 1024));
    app.import("readers", 2);
    app.send(app.campaign("readers"));
    let proxy = Proxy::to(cluster.address());
    let leases = || {
        app.database
            .number("SELECT next FROM sequences WHERE name = 'leases'")
    };
    let before = leases();
    let served = app.serve_by(&format!("postgres://tidings@{}/news", proxy.address()));
    // A server whose database goes away while it starts ends, and says so.
    wait_until("the sender has begun", 30, || leases() > before);
    std::thread::sleep(LEASE);
    let link = link_at(&app, &served.url, "reader1@example.org");
    assert_eq!(served.get("/campaigns").0, 200);
    proxy.stall();
    for _ in 0..ASKED {
        let (status, page) = served.get("/campaigns");
        assert_eq!(status, 503, "{page}");
        assert!(page.contains("The database does not answer"), "{page}");
    }
    assert_eq!(one_click(&link), 503);
    proxy.go_on();
    wait_until("pages are back", 30, || served.get("/campaigns").0 == 200);
    assert_eq!(one_click(&link), 200);
}

#[test]
fn an_import_beside_the_pages_goes_on_when_a_database_that_fell_silent_is_back() {
    const ROWS: usize = 400_000;
    let cluster = Cluster::start();
    let app = App::start_at(cluster.url());
    let proxy = Proxy::to(cluster.address());
    app.import("others", 1);
    let rows: String = (1..=ROWS).map(|n| format!("reader{n}@example.org\n")).collect();
    let file = app.write("many.csv", &format!("email\n{rows}"));
    let begun = app.spawn(["import", file.to_str().unwrap(), "--list", "readers"]);
    let recipients = || app.database.number("SELECT COUNT(*) FROM recipients");
    let grows = |before| wait_until("the import gets on", 60, || recipients() > before);
    grows(1);
    begun.kill_9();
    let _served = app.serve_by(&format!("postgres://tidings@{}/news", proxy.address()));
    let before = recipients();
    grows(before);
    proxy.stall();
    // The server is found silent, and what was being done over its connections is given up.
    std::thread::sleep(Duration::from_secs(10));
    assert!(recipients() < ROWS as i64, "the import was at its end already");
    proxy.forget();
    let state = || app.database.texts("SELECT state FROM imports WHERE id = 2");
    wait_until("the import is at its end", 120, || state() == ["finished"]);
    let show = app.run(["--json", "import", "show", "2"]).succeeded().json();
    assert_eq!(show["counts"]["rows"], ROWS, "{show}");
    assert_eq!(recipients(), ROWS as i64);
}

#[test]
fn nothing_is_sent_from_a_database_that_was_turned_back_under_running_senders() {
    let mut cluster = Cluster::start();
    let app = App::start_at(cluster.url());
    let campaign = campaign_of_some_seconds(&app);
    let one = app.start_sending(campaign);
    wait_for_mail(&app, 50);
    cluster.stop();
    cluster.keep();
    cluster.start_again();
    let two = app.start_node("two", app.database.url(), campaign);
    wait_until_both_send(&cluster);
    // The disk is as it was, so they go on.
    wait_for_mail(&app, 200);
    cluster.stop();
    cluster.turn_back();
    cluster.start_again();
    ends_well(one);
    ends_well(two);
    let show = app.show(campaign);
    assert_eq!(show.state(), "held", "{show}");
    let reached = app.relay.reached_once().len();
    app.run(["campaign", "send", &campaign.to_string()])
        .failed_with(1)
        .says(&["restored from a backup or copied"]);
    assert_eq!(app.relay.reached_once().len(), reached, "nothing more is sent");
    assert!(reached < RECIPIENTS);
}

#[test]
fn senders_go_on_at_a_standby_that_has_every_commit() {
    let mut primary = Cluster::start();
    let standby = primary.standby(true);
    let app = App::start_at(primary.url_with(&standby));
    let campaign = campaign_of_some_seconds(&app);
    let one = app.start_sending(campaign);
    wait_for_mail(&app, 20);
    let two = app.start_node("two", app.database.url(), campaign);
    wait_until_both_send(&primary);
    wait_for_mail(&app, 100);
    primary.stop();
    standby.promote();
    wait_for_mail(&app, 100);
    ends_well(one);
    ends_well(two);
    assert_nobody_twice_nobody_forgotten(&app, campaign, 2 * sessions());
}

#[test]
fn a_standby_that_may_lack_commits_does_not_send_by_itself() {
    let mut primary = Cluster::start();
    let standby = primary.standby(false);
    let app = App::start_at(primary.url_with(&standby));
    let campaign = campaign_of_some_seconds(&app);
    let sending = app.start_sending(campaign);
    wait_for_mail(&app, 100);
    primary.stop();
    standby.promote();
    ends_well(sending);
    let show = app.show(campaign);
    assert_eq!(show.state(), "held", "{show}");
    let sent = app.relay.accepted_count();
    app.run(["campaign", "send", &campaign.to_string()])
        .failed_with(1)
        .says(&["restored from a backup or copied"]);
    assert_eq!(app.relay.accepted_count(), sent);
}

#[test]
fn a_server_waits_for_a_database_that_is_started_after_it() {
    let mut cluster = Cluster::start();
    let app = App::start_at(cluster.url());
    cluster.stop();
    let mut served = app.spawn(["serve"]);
    let impatient = app.spawn(["serve"]);
    for waiting in [&served, &impatient] {
        wait_until("the server says what it waits for", 30, || {
            let said = waiting.stderr_so_far();
            said.contains("waits for the database") && said.contains(&cluster.address().to_string())
        });
    }
    impatient.sigterm();
    impatient.wait(Duration::from_secs(30)).succeeded();
    assert!(served.is_running());
    cluster.start_again();
    wait_until("the server is at work", 60, || {
        served.stdout_so_far().contains("dashboard: http://")
    });
    // Waiting does not help against everything.
    let nowhere = App::start_at(cluster.url().replace("/news", "/nowhere"));
    let served = nowhere.spawn(["serve"]).wait(Duration::from_secs(60));
    served.failed_with(1).says(&["\"nowhere\" does not exist"]);
}

#[test]
fn a_database_none_of_whose_servers_answers_is_named_without_the_password() {
    let app = App::start_at("postgres://ada:secret@127.0.0.1:1,127.0.0.1:2/news".to_owned());
    let failed = app.run(["campaign", "list"]).failed_with(1);
    assert!(!failed.stderr.contains("secret"), "{failed}");
    failed.says(&["127.0.0.1:1, 127.0.0.1:2"]);
}
