//! Killed at any moment, a send goes on where it was: nobody twice, nobody forgotten, and honest about the unknown.

use std::collections::HashSet;
use std::time::Duration;
use tidings_tests::script::Script;
use tidings_tests::{App, Random, Settings, assert_ledger_adds_up, on_both_engines};

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
        assert_at_most_the_open_sessions_are_unknown(show.count("unknown"));
        assert_ledger_agrees_with_the_relay(app, campaign);
    }
);

fn assert_at_most_the_open_sessions_are_unknown(unknown: u64) {
    let most = (KILLS * Settings::default().max_sessions) as u64;
    assert!(
        unknown <= most,
        "{unknown} unknown after {KILLS} kills of {most} session-kills"
    );
}

/// Whom we call accepted got it once; whoever else got it is unknown to us, and nobody else.
fn assert_ledger_agrees_with_the_relay(app: &App, campaign: i64) {
    let reached = app.relay.reached_once();
    let accepted = app.addresses(campaign, "accepted");
    let unknown = app.addresses(campaign, "unknown");
    let invented: HashSet<_> = accepted.difference(&reached).collect();
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
