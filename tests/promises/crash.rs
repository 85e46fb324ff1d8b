//! Killed at any moment, a send goes on where it was: nobody twice, nobody forgotten, and honest about the unknown.

use std::collections::HashSet;
use std::time::Duration;
use tidings_tests::script::Script;
use tidings_tests::{App, Engine, Faultsink, Random, Settings, assert_ledger_adds_up, on_both_engines};

const KILLS: usize = 30;
const RECIPIENTS: usize = 4000;

on_both_engines!(
    thirty_kills_in_mid_send_lose_nobody_and_mail_nobody_twice,
    |app| {
        // Slow enough that the send outlives every kill.
        app.relay.follow(Script::accepting().pace(400.0));
        app.import("readers", RECIPIENTS);
        let campaign = app.campaign("readers");
        let mut random = Random::new();
        let mut unknown = 0;
        for kill in 0..KILLS {
            let mut sending = app.start_sending(campaign);
            // Most kills hit a send that is on its way; some hit its start, the planning included.
            if kill % 6 != 0 {
                let before = app.relay.accepted_count();
                tidings_tests::wait_until("a restarted sender sends", 30, || {
                    assert!(
                        sending.is_running(),
                        "kill {kill}: it ended by itself\n{}",
                        sending.stderr_so_far()
                    );
                    app.relay.accepted_count() > before
                });
            }
            std::thread::sleep(random.below(Duration::from_millis(200)));
            assert!(
                sending.is_running(),
                "kill {kill} came too late\n{}",
                sending.stderr_so_far()
            );
            sending.kill_9();
            unknown = at_most_the_open_sessions_became_unknown(app, campaign, kill, unknown);
        }
        app.relay.follow(Script::accepting());
        let show = app.send(campaign);

        assert_eq!(show.state(), "finished", "{show}");
        assert_eq!(show.planned(), RECIPIENTS as u64, "{show}");
        assert_ledger_adds_up(&show);
        assert_eq!(
            show.count("accepted") + show.count("unknown"),
            RECIPIENTS as u64,
            "{show}"
        );
        at_most_the_open_sessions_became_unknown(app, campaign, KILLS, unknown);
        assert_ledger_agrees_with_the_relay(app, campaign);
    }
);

/// What a kill leaves in flight is told as unknown by the sender that comes next: after each kill, both together may have
/// grown by one for each open session. Returns how many there are now.
#[track_caller]
fn at_most_the_open_sessions_became_unknown(app: &App, campaign: i64, kill: usize, before: u64) -> u64 {
    let query = format!(
        "SELECT COUNT(*) FROM deliveries WHERE campaign_id = {campaign} AND state IN ('on_wire', 'unknown')"
    );
    let now = u64::try_from(app.database.number(&query)).unwrap();
    let most = Settings::default().max_sessions as u64;
    assert!(
        now <= before + most,
        "kill {kill}: {before} were unknown and {now} are, with {most} sessions"
    );
    now
}

fn assert_ledger_agrees_with_the_relay(app: &App, campaign: i64) {
    assert_ledger_agrees(app, campaign, &app.relay.reached_once());
}

/// Whom we call accepted got it once; whoever else got it is unknown to us, and nobody else.
#[track_caller]
pub fn assert_ledger_agrees(app: &App, campaign: i64, reached: &HashSet<String>) {
    let accepted = app.addresses(campaign, "accepted");
    let unknown = app.addresses(campaign, "unknown");
    let invented: HashSet<_> = accepted.difference(reached).collect();
    assert!(
        invented.is_empty(),
        "accepted in the ledger and not by the relay: {invented:?}"
    );
    let forgotten: Vec<_> = reached
        .iter()
        .filter(|who| !accepted.contains(*who) && !unknown.contains(*who))
        .collect();
    assert!(
        forgotten.is_empty(),
        "accepted by the relay and not in the ledger: {forgotten:?}"
    );
}

#[test]
fn an_independent_receiver_sees_nobody_twice_after_ten_kills() {
    const RECIPIENTS: u64 = 3000;
    let app = App::start(Engine::Sqlite);
    let receiver = Faultsink::start(&[
        "--latency",
        "10",
        "--drop-in-data",
        "0.002",
        "--drop-after-dot",
        "0.002",
    ]);
    app.send_to(receiver.address());
    app.import_of("readers", &[receiver.domain()], RECIPIENTS as usize);
    let campaign = app.campaign("readers");
    let mut random = Random::new();
    for kill in 0..10 {
        let before = receiver.accepted_count();
        let mut sending = app.start_sending(campaign);
        tidings_tests::wait_until("a restarted sender sends", 30, || {
            assert!(
                sending.is_running(),
                "kill {kill}: it ended by itself\n{}",
                sending.stderr_so_far()
            );
            receiver.accepted_count() > before
        });
        std::thread::sleep(random.below(Duration::from_millis(150)));
        assert!(sending.is_running(), "kill {kill} came too late");
        sending.kill_9();
    }
    let show = app.send(campaign);

    assert_eq!(show.state(), "finished", "{show}");
    assert_ledger_adds_up(&show);
    assert_eq!(
        show.count("accepted") + show.count("unknown"),
        RECIPIENTS,
        "{show}"
    );
    assert_ledger_agrees(&app, campaign, &receiver.reached_once());
}

on_both_engines!(
    what_a_killed_sender_had_put_on_the_wire_is_never_sent_again,
    |app| {
        // The relay keeps every answer to itself, so that all open sessions wait after the dot.
        app.relay.follow(Script::accepting().pace(0.02));
        app.import("readers", 50);
        let campaign = app.campaign("readers");
        let sending = app.start_sending(campaign);
        let sessions = Settings::default().max_sessions;
        // The first answer comes at once, and its session takes another message.
        tidings_tests::wait_until("every session waits after the dot", 30, || {
            app.relay.accepted_count() > sessions
        });
        sending.kill_9();
        let waiting = app.relay.accepted_count() as u64;

        app.relay.follow(Script::accepting());
        let show = app.send(campaign);

        assert_eq!(app.relay.reached_once().len(), 50);
        // One answer had come before the others were kept back.
        assert!(
            (waiting - 1..=waiting).contains(&show.count("unknown")),
            "{waiting} waited: {show}"
        );
        assert_ledger_adds_up(&show);
        assert_ledger_agrees_with_the_relay(app, campaign);
    }
);

on_both_engines!(
    a_campaign_with_unknown_deliveries_can_be_sent_again_without_mailing_anybody,
    |app| {
        app.relay.follow(Script::accepting().pace(100.0));
        app.import("readers", 60);
        let campaign = app.campaign("readers");
        let sending = app.start_sending(campaign);
        tidings_tests::wait_until("mail flows", 30, || app.relay.accepted_count() > 10);
        sending.kill_9();
        app.relay.follow(Script::accepting());
        app.send(campaign);
        let accepted = app.relay.accepted_count();

        // A finished campaign has nothing to send, whatever the command says to that.
        app.run(["campaign", "send", &campaign.to_string()]);

        assert_eq!(app.relay.accepted_count(), accepted);
    }
);

on_both_engines!(
    a_sender_that_waits_for_longer_than_its_lease_keeps_what_it_holds,
    |app| {
        app.configure(|settings| settings.lease = "3s".to_owned());
        app.relay
            .follow(Script::accepting().delay(Duration::from_secs(5)));
        app.import("readers", 8);
        let campaign = app.campaign("readers");
        let show = app.send(campaign);
        assert_eq!(show.count("accepted"), 8, "{show}");
        assert_eq!(app.relay.reached_once().len(), 8);
    }
);
