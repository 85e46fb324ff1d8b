//! Whatever the relay does, every recipient ends in the one outcome that is true, and the relay's faults are its own.

use serde_json::Value;
use std::time::Duration;
use tidings_tests::script::{Cut, Extensions, Outage, Reply, Rule, Script, Who};
use tidings_tests::{App, Show, assert_ledger_adds_up, on_both_engines};

/// The one row of the ledger in this state.
#[track_caller]
fn only_delivery(app: &App, campaign: i64, state: &str) -> Value {
    let rows = app.deliveries(campaign, state);
    assert_eq!(rows.len(), 1, "rows in state {state}: {rows:?}");
    rows[0].clone()
}

#[track_caller]
fn assert_everybody_got_it_at_the_first_attempt(app: &App, campaign: i64, show: &Show) {
    assert_eq!(show.count("accepted"), show.planned(), "{show}");
    assert_eq!(app.relay.reached_once().len() as u64, show.planned());
    for row in app.deliveries(campaign, "accepted") {
        assert_eq!(
            row["attempts"], 1,
            "a fault of the relay was charged to the recipient: {row}"
        );
    }
}

on_both_engines!(
    a_relay_that_refuses_connections_for_a_while_costs_nobody_an_attempt,
    |app| {
        app.import("readers", 300);
        let campaign = app.campaign("readers");
        app.relay.go_down(Outage::RefuseConnections);
        let mut sending = app.start_sending(campaign);
        std::thread::sleep(Duration::from_secs(3));
        assert!(sending.is_running(), "it gave up\n{}", sending.stderr_so_far());
        app.relay.come_up();
        let show = Show(sending.wait(App::PATIENCE).succeeded().json());
        assert_everybody_got_it_at_the_first_attempt(app, campaign, &show);
    }
);

on_both_engines!(
    a_relay_that_greets_with_421_for_a_while_costs_nobody_an_attempt,
    |app| {
        app.relay.follow(
            Script::accepting().rule(Rule::greeting(Reply::new(421, "4.3.2", "come back later")).first(5)),
        );
        app.import("readers", 100);
        let campaign = app.campaign("readers");
        let show = app.send(campaign);
        assert_everybody_got_it_at_the_first_attempt(app, campaign, &show);
    }
);

on_both_engines!(a_relay_that_goes_down_in_mid_send_loses_nobody, |app| {
    app.relay.follow(Script::accepting().pace(200.0));
    app.import("readers", 600);
    let campaign = app.campaign("readers");
    let sending = app.start_sending(campaign);
    tidings_tests::wait_until("mail flows", 30, || app.relay.accepted_count() > 100);
    app.relay.go_down(Outage::RefuseConnections);
    std::thread::sleep(Duration::from_secs(1));
    app.relay.come_up();
    let show = Show(sending.wait(App::PATIENCE).succeeded().json());

    assert_eq!(show.count("accepted") + show.count("unknown"), 600, "{show}");
    assert!(show.count("unknown") <= 8, "more unknown than sessions: {show}");
    let reached = app.relay.reached_once();
    assert!(app.addresses(campaign, "accepted").is_subset(&reached));
});

on_both_engines!(
    a_connection_cut_before_the_content_gives_the_delivery_back_unharmed,
    |app| {
        app.relay.follow(
            Script::accepting().rule(
                Rule::cut(Cut::AtData)
                    .to(Who::local_starts_with("reader1"))
                    .first(1),
            ),
        );
        app.import("readers", 200);
        let campaign = app.campaign("readers");
        let show = app.send(campaign);
        assert_eq!(show.count("accepted"), 200, "{show}");
        assert_eq!(show.count("unknown"), 0, "{show}");
        assert_eq!(app.relay.reached_once().len(), 200);
    }
);

on_both_engines!(a_connection_cut_in_the_content_mails_nobody_twice, |app| {
    let unlucky = Who::matching(|address| address.ends_with("7@example.org"));
    app.relay
        .follow(Script::accepting().rule(Rule::cut(Cut::InContent).to(unlucky).first(1)));
    app.import("readers", 200);
    let campaign = app.campaign("readers");
    let show = app.send(campaign);
    // The dot was written with the content, so that some may count as unknown; but none as accepted that was not.
    assert_eq!(show.count("accepted") + show.count("unknown"), 200, "{show}");
    assert!(
        show.count("unknown") <= 20,
        "only the unlucky may be unknown: {show}"
    );
    assert!(
        app.addresses(campaign, "accepted")
            .is_subset(&app.relay.reached_once())
    );
    assert!(
        app.addresses(campaign, "unknown")
            .iter()
            .all(|address| address.ends_with("7@example.org"))
    );
});

on_both_engines!(
    an_answer_that_never_comes_leaves_the_delivery_unknown_and_it_is_not_sent_again,
    |app| {
        let script = Script::accepting()
            .rule(Rule::cut(Cut::AfterDotAccepted).to(Who::address("reader5@example.org")))
            .rule(Rule::cut(Cut::AfterDotLost).to(Who::address("reader9@example.org")));
        app.relay.follow(script);
        app.import("readers", 100);
        let campaign = app.campaign("readers");
        let show = app.send(campaign);

        assert_eq!((show.count("accepted"), show.count("unknown")), (98, 2), "{show}");
        assert_ledger_adds_up(&show);
        let unknown = ["reader5@example.org", "reader9@example.org"].map(str::to_owned);
        assert_eq!(app.addresses(campaign, "unknown"), unknown.into());
        let reached = app.relay.reached_once();
        assert!(reached.contains("reader5@example.org") && !reached.contains("reader9@example.org"));
        assert_eq!(app.relay.counts().cut, 2, "an unknown delivery was tried again");
    }
);

on_both_engines!(
    a_relay_that_ends_sessions_with_421_gets_everything_over_new_ones,
    |app| {
        app.relay.follow(Script::accepting().max_messages_per_session(5));
        app.import("readers", 200);
        let campaign = app.campaign("readers");
        let show = app.send(campaign);
        assert_everybody_got_it_at_the_first_attempt(app, campaign, &show);
        assert!(app.relay.counts().sessions >= 40);
    }
);

on_both_engines!(a_recipient_refused_for_now_is_tried_again_and_reached, |app| {
    let busy = Rule::rcpt(Reply::new(451, "4.2.1", "mailbox busy"))
        .to(Who::local_starts_with("reader2"))
        .first(1);
    app.relay.follow(Script::accepting().rule(busy));
    app.import("readers", 30);
    let campaign = app.campaign("readers");
    let show = app.send(campaign);

    assert_eq!(show.count("accepted"), 30, "{show}");
    assert_eq!(app.relay.reached_once().len(), 30);
    for row in app.deliveries(campaign, "accepted") {
        let busy = row["address"]
            .as_str()
            .is_some_and(|address| address.starts_with("reader2"));
        assert_eq!(row["attempts"], if busy { 2 } else { 1 }, "{row}");
    }
});

on_both_engines!(a_deferred_delivery_waits_before_it_is_tried_again, |app| {
    app.configure(|settings| settings.first_retry = "10s".to_owned());
    let busy = Rule::rcpt(Reply::new(451, "4.2.1", "mailbox busy")).first(1);
    app.relay.follow(Script::accepting().rule(busy));
    app.import("readers", 1);
    let campaign = app.campaign("readers");
    let sending = app.start_sending(campaign);
    tidings_tests::wait_until("the first attempt", 30, || app.relay.counts().deferred == 1);
    tidings_tests::wait_until("it is written down", 10, || {
        app.show(campaign).count("deferred") == 1
    });
    let row = only_delivery(app, campaign, "deferred");
    assert_eq!(
        (&row["code"], &row["enhanced"]),
        (&451.into(), &"4.2.1".into()),
        "{row}"
    );
    sending.wait(App::PATIENCE).succeeded();
    let accepted = app.relay.accepted();
    assert!(
        accepted[0].at >= Duration::from_secs(7),
        "tried again after {:?}",
        accepted[0].at
    );
});

on_both_engines!(
    a_recipient_refused_for_good_is_rejected_with_the_exact_reply,
    |app| {
        let gone =
            Rule::rcpt(Reply::new(550, "5.1.1", "no such user here")).to(Who::address("reader3@example.org"));
        app.relay.follow(Script::accepting().rule(gone));
        app.import("readers", 10);
        let campaign = app.campaign("readers");
        let show = app.send(campaign);

        assert_eq!((show.count("accepted"), show.count("rejected")), (9, 1), "{show}");
        let row = only_delivery(app, campaign, "rejected");
        assert_eq!(row["address"], "reader3@example.org", "{row}");
        assert_eq!(
            (&row["code"], &row["enhanced"]),
            (&550.into(), &"5.1.1".into()),
            "{row}"
        );
        assert_eq!(row["class"], "hard", "{row}");
        assert!(
            row["reply"]
                .as_str()
                .is_some_and(|text| text.contains("no such user here")),
            "{row}"
        );
        assert_eq!(
            app.relay.counts().refused,
            1,
            "a rejected recipient was tried again"
        );
    }
);

on_both_engines!(a_refused_content_says_nothing_about_the_address, |app| {
    let spam = Rule::dot(Reply::new(554, "5.7.1", "message content rejected"))
        .to(Who::address("reader3@example.org"));
    app.relay.follow(Script::accepting().rule(spam));
    app.import("readers", 10);
    let campaign = app.campaign("readers");
    let show = app.send(campaign);

    assert_eq!((show.count("accepted"), show.count("rejected")), (9, 1), "{show}");
    let row = only_delivery(app, campaign, "rejected");
    assert_eq!(
        (&row["code"], &row["class"]),
        (&554.into(), &"block".into()),
        "{row}"
    );
});

on_both_engines!(
    a_refused_sender_address_is_the_relays_fault_and_not_the_recipients,
    |app| {
        let refused = Rule::mail(Reply::new(550, "5.7.1", "sender not allowed")).first(3);
        app.relay.follow(Script::accepting().rule(refused));
        app.import("readers", 50);
        let campaign = app.campaign("readers");
        let show = app.send(campaign);
        assert_everybody_got_it_at_the_first_attempt(app, campaign, &show);
    }
);

on_both_engines!(
    a_relay_without_pipelining_and_8bitmime_gets_mail_that_it_understands,
    |app| {
        let plain = Extensions {
            pipelining: false,
            eight_bit_mime: false,
            smtputf8: false,
            ..Extensions::default()
        };
        app.relay
            .follow(Script::accepting().extensions(plain).keep_content(1_000_000));
        app.import_csv(
            "readers",
            "email,name,city\nzoe@example.org,Zoë Müller,Köln\nann@example.org,Ann,York\n",
        );
        let campaign = app.campaign("readers");
        let show = app.send(campaign);

        assert_eq!(show.count("accepted"), 2, "{show}");
        assert_eq!(app.relay.counts().bad_commands, 0);
        for acceptance in app.relay.accepted() {
            let content = acceptance.content.expect("the script keeps content");
            assert!(content.is_ascii(), "8-bit octets for {}", acceptance.recipient);
        }
    }
);

on_both_engines!(a_go_ahead_in_spite_of_a_refused_recipient_sends_nothing, |app| {
    let gone = Rule::rcpt(Reply::new(550, "5.1.1", "no such user")).to(Who::local_starts_with("reader1"));
    app.relay.follow(
        Script::accepting()
            .rule(gone)
            .data_without_recipients()
            .keep_content(1_000_000),
    );
    app.import("readers", 100);
    let campaign = app.campaign("readers");
    let show = app.send(campaign);

    // reader1, reader10 to reader19, and reader100.
    assert_eq!(
        (show.count("accepted"), show.count("rejected")),
        (88, 12),
        "{show}"
    );
    assert_eq!(app.relay.reached_once(), app.addresses(campaign, "accepted"));
    assert_eq!(app.relay.counts().bad_commands, 0);
    for acceptance in app.relay.accepted() {
        let content =
            String::from_utf8_lossy(&acceptance.content.expect("the script keeps content")).into_owned();
        assert!(
            content.contains(&acceptance.recipient),
            "somebody else's mail for {}",
            acceptance.recipient
        );
    }
});

on_both_engines!(a_campaigns_rate_is_kept, |app| {
    app.import("readers", 250);
    let campaign = app.campaign_with("readers", &["--rate", "50/s"]);
    let show = app.send(campaign);

    assert_eq!(show.count("accepted"), 250, "{show}");
    let accepted = app.relay.accepted();
    let took = accepted[249].at - accepted[0].at;
    // Five seconds' worth, less a burst of one second and some slack.
    assert!(
        took >= Duration::from_millis(3500),
        "250 messages at 50/s took {took:?}"
    );
});

on_both_engines!(a_relays_rate_is_kept, |app| {
    app.configure(|settings| settings.rate = Some("50/s".to_owned()));
    app.import("readers", 250);
    let campaign = app.campaign("readers");
    app.send(campaign);

    let accepted = app.relay.accepted();
    let took = accepted[249].at - accepted[0].at;
    assert!(
        took >= Duration::from_millis(3500),
        "250 messages at 50/s took {took:?}"
    );
});

on_both_engines!(an_independent_relay_counts_the_same, |app| {
    let faults = [
        "--drop-after-dot",
        "0.01",
        "--drop-in-data",
        "0.01",
        "--reject",
        r"reader\d*77@",
        "--defer",
        r"reader\d*8@:1",
    ];
    let other = tidings_tests::Faultsink::start(&faults);
    app.send_to(other.address());
    app.import_of("readers", &[other.domain()], 1000);
    let campaign = app.campaign("readers");
    let show = app.send(campaign);

    assert_ledger_adds_up(&show);
    assert_eq!(show.count("rejected"), 10, "{show}");
    let reached = other.reached_once();
    assert!(app.addresses(campaign, "accepted").is_subset(&reached));
    let unknown = app.addresses(campaign, "unknown");
    let accepted = app.addresses(campaign, "accepted");
    assert!(
        reached
            .iter()
            .all(|who| accepted.contains(who) || unknown.contains(who)),
        "reached without a word in the ledger"
    );
    assert_eq!(show.count("accepted") + show.count("unknown"), 990, "{show}");
});
