//! How long a session lasts, and what is told of one that failed.

use super::*;

on_both_engines!(a_session_carries_no_more_messages_than_it_may, |app| {
    more(app, "messages_per_session = 7\n");
    app.import("readers", 200);
    let campaign = app.campaign("readers");
    let show = app.send(campaign);
    assert_eq!(show.count("accepted"), 200, "{show}");
    assert_eq!(app.relay.reached_once().len(), 200);
    let mut carried = std::collections::HashMap::new();
    for acceptance in app.relay.accepted() {
        *carried.entry(acceptance.session).or_insert(0) += 1;
    }
    assert!(carried.values().all(|messages| *messages <= 7), "{carried:?}");
    assert!(carried.len() >= 29, "{carried:?}");
    for row in app.deliveries(campaign, "accepted") {
        assert_eq!(row["attempts"], 1, "{row}");
    }
});

#[test]
fn refused_recipients_count_as_messages_of_their_session() {
    let app = app();
    more(&app, "messages_per_session = 3\n");
    let gone = Rule::rcpt(Reply::new(550, "5.1.1", "no such user"));
    app.relay.follow(Script::accepting().rule(gone));
    app.import("readers", 30);
    let campaign = app.campaign("readers");
    let show = app.send(campaign);
    assert_eq!(show.count("rejected"), 30, "{show}");
    assert!(app.relay.counts().sessions >= 10, "{:?}", app.relay.counts());
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let app = app();
    app.configure(|settings| {
        settings.max_sessions = 1;
        settings.more = "idle_timeout = \"300ms\"\n".to_owned();
    });
    app.import("readers", 3);
    let campaign = app.campaign_with("readers", &["--rate", "1/s"]);
    app.send(campaign);
    assert!(app.relay.counts().sessions >= 2, "{:?}", app.relay.counts());
}

// ---- Time-outs

on_both_engines!(
    an_answer_to_the_final_dot_that_does_not_come_in_time_leaves_the_delivery_unknown,
    |app| {
        let silent = Rule::silence(Moment::Dot).to(Who::address("reader5@example.org"));
        app.relay.follow(Script::accepting().rule(silent));
        more(app, "[relay.timeouts]\nfinal_dot = \"1s\"\n");
        app.import("readers", 20);
        let campaign = app.campaign("readers");
        let show = app.send(campaign);
        assert_eq!((show.count("accepted"), show.count("unknown")), (19, 1), "{show}");
        assert!(app.addresses(campaign, "unknown").contains("reader5@example.org"));
        app.run(["check"])
            .succeeded()
            .prints(&["final_dot", "10 minutes"]);
    }
);

on_both_engines!(
    a_relay_that_falls_silent_before_the_content_costs_nobody_an_attempt,
    |app| {
        for moment in [Moment::Mail, Moment::Rcpt, Moment::Data] {
            let silent = Rule::silence(moment)
                .to(Who::address("reader5@example.org"))
                .first(1);
            app.relay.follow(Script::accepting().rule(silent));
            app.configure(|settings| {
                settings.more = "[relay.timeouts]\ncommand = \"1s\"\ndata = \"1s\"\n".to_owned();
            });
            app.import("readers", 20);
            let campaign = app.campaign("readers");
            let show = app.send(campaign);
            assert_eq!(show.count("accepted"), 20, "{moment:?}: {show}");
            for row in app.deliveries(campaign, "accepted") {
                assert_eq!(row["attempts"], 1, "{moment:?}: {row}");
            }
        }
    }
);

// ---- The transcript

#[test]
fn a_transcript_tells_who_said_what_and_no_secret() {
    let app = app();
    app.relay.follow(Script::accepting().login("ann", "right"));
    app.configure(|settings| {
        settings.url = Some("smtp://ann:swordfish@127.0.0.1:{port}?tls=never".to_owned())
    });
    let tested = app.run(["--json", "relay", "test"]).failed_with(1).json();
    let transcript = tested[0]["transcript"].as_str().unwrap();
    for line in [
        "* connected to 127.0.0.1",
        "S: 220 relay.example.net",
        "C: EHLO",
        "C: AUTH PLAIN (secret)",
        "S: 535 5.7.8",
    ] {
        assert!(
            transcript.lines().any(|said| said.starts_with(line)),
            "`{line}` is missing in\n{transcript}"
        );
    }
    // `\0ann\0swordfish` in base64.
    assert!(!transcript.contains("AGFubgBzd29yZGZpc2g"), "{transcript}");
}

#[test]
fn a_relay_that_goes_away_in_mid_campaign_is_told_in_one_sentence() {
    let app = app();
    app.relay.follow(Script::accepting().pace(20.0));
    app.import("readers", 60);
    let campaign = app.campaign("readers");
    let sending = app.start_sending(campaign);
    wait_until("mail flows", 30, || app.relay.accepted_count() > 5);
    app.relay.go_down(Outage::RefuseConnections);
    wait_until("the reason is shown", 20, || {
        let limit = app.show(campaign).0["binding_limit"].to_string();
        limit.contains("refuses connections") && limit.contains("look whether the port")
    });
    app.relay.come_up();
    app.relay.follow(Script::accepting());
    sending.wait(App::PATIENCE + Duration::from_secs(30)).succeeded();
}
