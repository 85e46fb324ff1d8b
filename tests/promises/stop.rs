//! Stopping takes effect in two seconds and loses nothing.

use std::time::{Duration, Instant};
use tidings_tests::script::Script;
use tidings_tests::{App, Running, Show, Yardstick, assert_ledger_adds_up, on_both_engines};

/// Without a message for so long, mail has stopped: at the rate of these tests there is one each 10 ms.
const QUIET: Duration = Duration::from_millis(2500);

/// A campaign to 2,000 recipients of which some are sent and most are not.
fn in_mid_send(app: &App) -> (i64, Running) {
    app.relay.follow(Script::accepting().pace(100.0));
    app.import("readers", 2000);
    let campaign = app.campaign("readers");
    let sending = app.start_sending(campaign);
    tidings_tests::wait_until("mail flows", 30, || app.relay.accepted_count() >= 100);
    (campaign, sending)
}

/// Gives the command, and panics unless the relay accepts the last message in time.
fn assert_mail_stops(app: &App, campaign: i64, action: &str) {
    let yardstick = Yardstick::begin();
    app.steer(campaign, action);
    let returned = Instant::now();
    let (mut last, mut count) = (returned, app.relay.accepted_count());
    while last.elapsed() < QUIET {
        std::thread::sleep(Duration::from_millis(5));
        let now = app.relay.accepted_count();
        if now > count {
            (last, count) = (Instant::now(), now);
        }
        assert!(count < 2000, "everything was sent");
    }
    yardstick.assert_in_time(action, last - returned);
}

/// Gives the command, and panics unless the relay accepts another message in time.
fn assert_mail_flows_again(app: &App, campaign: i64) {
    let yardstick = Yardstick::begin();
    let before = app.relay.accepted_count();
    app.steer(campaign, "resume");
    let returned = Instant::now();
    while app.relay.accepted_count() == before && returned.elapsed() < App::PATIENCE {
        std::thread::sleep(Duration::from_millis(5));
    }
    yardstick.assert_in_time("resume", returned.elapsed());
}

on_both_engines!(
    pause_resume_and_cancel_take_effect_within_two_seconds_where_a_server_sends,
    |app| {
        app.relay.follow(Script::accepting().pace(100.0));
        app.import("readers", 2000);
        let campaign = app.campaign("readers");
        let _server = app.serve();
        app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
            .succeeded();
        for last in ["pause", "cancel"] {
            let before = app.relay.accepted_count();
            tidings_tests::wait_until("mail flows", 30, || app.relay.accepted_count() >= before + 50);
            assert_mail_stops(app, campaign, last);
            if last == "pause" {
                assert_mail_flows_again(app, campaign);
            }
        }
        let show = app.show(campaign);
        assert_ledger_adds_up(&show);
        assert_eq!((show.state(), show.count("unknown")), ("cancelled", 0), "{show}");
    }
);

on_both_engines!(
    a_sender_asked_to_stop_finishes_what_is_on_the_wire_and_gives_back_the_rest,
    |app| {
        let (campaign, sending) = in_mid_send(app);
        let asked = Instant::now();
        sending.sigterm();
        sending.wait(Duration::from_secs(15)).succeeded();
        assert!(
            asked.elapsed() < Duration::from_secs(12),
            "it stopped only after {:?}",
            asked.elapsed()
        );

        let show = app.show(campaign);
        assert_ledger_adds_up(&show);
        assert_eq!(
            (show.count("on_wire"), show.count("leased"), show.count("unknown")),
            (0, 0, 0),
            "{show}"
        );
        assert_eq!(
            show.count("accepted"),
            app.relay.accepted_count() as u64,
            "{show}"
        );

        app.relay.follow(Script::accepting());
        let show = app.send(campaign);
        assert_eq!(
            (show.state(), show.count("accepted")),
            ("finished", 2000),
            "{show}"
        );
        assert_eq!(app.relay.reached_once().len(), 2000);
    }
);

on_both_engines!(what_a_stopped_sender_gave_back_goes_out_at_once, |app| {
    app.configure(|settings| settings.lease = "60s".to_owned());
    let (campaign, sending) = in_mid_send(app);
    sending.sigterm();
    sending.wait(Duration::from_secs(15)).succeeded();
    app.relay.follow(Script::accepting());
    let begun = Instant::now();
    app.send(campaign);
    assert!(
        begun.elapsed() < Duration::from_secs(45),
        "it waited for leases that were given back"
    );
});

on_both_engines!(
    a_campaign_paused_from_elsewhere_stops_within_two_seconds_and_goes_on_when_resumed,
    |app| {
        let (campaign, sending) = in_mid_send(app);
        assert_mail_stops(app, campaign, "pause");
        let ended = Show(sending.wait(Duration::from_secs(10)).succeeded().json());
        assert_eq!(ended.state(), "paused", "{ended}");
        let show = app.show(campaign);
        assert_ledger_adds_up(&show);
        assert_eq!((show.count("on_wire"), show.count("unknown")), (0, 0), "{show}");

        app.relay.follow(Script::accepting());
        app.steer(campaign, "resume");
        let show = app.send(campaign);
        assert_eq!(
            (show.state(), show.count("accepted")),
            ("finished", 2000),
            "{show}"
        );
        assert_eq!(app.relay.reached_once().len(), 2000);
    }
);

on_both_engines!(
    a_cancelled_campaign_stops_within_two_seconds_and_never_goes_on,
    |app| {
        let (campaign, sending) = in_mid_send(app);
        assert_mail_stops(app, campaign, "cancel");
        sending.wait(Duration::from_secs(10)).succeeded();
        let show = app.show(campaign);
        assert_eq!(show.state(), "cancelled", "{show}");
        assert_ledger_adds_up(&show);
        let sent = app.relay.accepted_count();

        app.run(["campaign", "resume", &campaign.to_string()])
            .failed_with(1)
            .says(&["cancelled"]);
        app.run(["campaign", "send", &campaign.to_string()])
            .failed_with(1)
            .says(&["cancelled"]);
        assert_eq!(app.relay.accepted_count(), sent);
    }
);

on_both_engines!(
    who_unsubscribes_during_a_slow_campaign_gets_no_mail_from_it,
    |app| {
        app.relay.follow(Script::accepting().keep_content(10_000_000));
        app.import("readers", 300);
        app.send(app.campaign("readers"));
        let path = unsubscribe_path(&app.relay.contents_for("reader300@example.org")[0]);
        let server = app.serve();

        app.relay.follow(Script::accepting().pace(30.0));
        let campaign = app.campaign("readers");
        app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
            .succeeded();
        tidings_tests::wait_until("mail flows", 30, || app.relay.accepted_count() >= 310);
        let (status, body) = server.post(&path, "List-Unsubscribe=One-Click");
        assert_eq!(status, 200, "{body}");
        tidings_tests::wait_until("the campaign is finished", 60, || {
            app.show(campaign).state() == "finished"
        });
        let show = app.show(campaign);

        assert_eq!(
            (show.count("accepted"), show.count("withheld")),
            (299, 1),
            "{show}"
        );
        assert_eq!(
            app.addresses(campaign, "withheld"),
            ["reader300@example.org".to_owned()].into()
        );
        assert_eq!(app.relay.accepted_by_recipient()["reader300@example.org"], 1);
    }
);

on_both_engines!(a_slow_relay_does_not_keep_a_sender_beyond_its_deadline, |app| {
    app.relay
        .follow(Script::accepting().delay(Duration::from_secs(40)));
    app.import("readers", 200);
    let campaign = app.campaign("readers");
    let mut command = app.command(["--json", "campaign", "send", &campaign.to_string()]);
    command.env("TIDINGS_SENDER_DEADLINE", "1s");
    let sending = app.spawn_command(command);
    tidings_tests::wait_until("it is leased", 30, || app.show(campaign).count("leased") > 8);

    let (asked, yardstick) = (Instant::now(), Yardstick::begin());
    sending.sigterm();
    sending.wait(App::PATIENCE).succeeded();
    let (took, excuse) = (asked.elapsed(), yardstick.end().excuse());
    assert!(
        took < Duration::from_millis(2500) + excuse,
        "it stopped only after {took:?}; the machine excuses {excuse:?}"
    );
    let show = app.show(campaign);
    assert_ledger_adds_up(&show);
    assert_eq!((show.count("leased"), show.count("on_wire")), (0, 0), "{show}");
});

/// The path of the https link in List-Unsubscribe.
fn unsubscribe_path(content: &str) -> String {
    let (_, rest) = content
        .split_once("List-Unsubscribe: <https://news.example.com")
        .unwrap();
    rest.split_once('>').unwrap().0.to_owned()
}
