//! The life of a campaign, steered from the command line.

use std::time::Duration;
use tidings_tests::script::{Reply, Rule, Script};
use tidings_tests::{App, Show, assert_ledger_adds_up, on_both_engines};

fn schedule(app: &App, campaign: i64, at: &str, zone: &str) -> tidings_tests::Output {
    app.run([
        "campaign",
        "schedule",
        &campaign.to_string(),
        "--at",
        at,
        "--timezone",
        zone,
    ])
}

on_both_engines!(a_campaign_goes_from_draft_to_finished, |app| {
    app.import("readers", 20);
    let campaign = app.campaign("readers");
    let draft = app.show(campaign);
    assert_eq!((draft.state(), draft.planned()), ("draft", 0), "{draft}");

    schedule(app, campaign, "2031-12-01 09:00", "Europe/Berlin").succeeded();
    let scheduled = app.show(campaign);
    assert_eq!(scheduled.state(), "scheduled");
    for (key, value) in [
        ("scheduled_at", "2031-12-01T08:00:00Z"),
        ("scheduled_local", "2031-12-01 09:00"),
        ("scheduled_zone", "Europe/Berlin"),
    ] {
        assert_eq!(scheduled.0[key], value, "{scheduled}");
    }
    let shown = app.run(["campaign", "show", &campaign.to_string()]).succeeded();
    assert!(shown.stdout.contains("2031-12-01 09:00 Europe/Berlin"), "{shown}");
    app.steer(campaign, "pause");
    assert_eq!(app.show(campaign).state(), "paused");
    app.steer(campaign, "resume");
    assert_eq!(app.show(campaign).state(), "scheduled");

    app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
        .succeeded();
    let show = app.send(campaign);
    assert_eq!(
        (show.state(), show.planned(), show.count("accepted")),
        ("finished", 20, 20),
        "{show}"
    );
    assert_ledger_adds_up(&show);
    assert_eq!(app.relay.reached_once().len(), 20);
});

on_both_engines!(every_recipient_gets_mail_of_its_own, |app| {
    app.relay
        .follow(tidings_tests::script::Script::accepting().keep_content(10_000_000));
    app.import("readers", 50);
    app.send(app.campaign("readers"));
    for i in 1..=50 {
        let address = format!("reader{i}@example.org");
        let contents = app.relay.contents_for(&address);
        assert_eq!(contents.len(), 1, "mail for {address}");
        assert!(
            contents[0].contains(&format!("Dear Reader {i} of Springfield")),
            "{}",
            contents[0]
        );
        assert!(
            contents[0].contains(&format!("Subject: Spring news for Reader {i}\r\n")),
            "{}",
            contents[0]
        );
    }
});

on_both_engines!(what_comes_back_after_a_cancel_is_settled_too, |app| {
    let busy = || Reply::new(451, "4.2.1", "mailbox busy");
    app.relay.follow(
        Script::accepting()
            .delay(Duration::from_secs(1))
            .rule(Rule::dot(busy())),
    );
    app.import("readers", 30);
    let campaign = app.campaign("readers");
    let sending = app.start_sending(campaign);
    tidings_tests::wait_until("mail is on the wire", 30, || {
        app.show(campaign).count("on_wire") > 0
    });
    app.steer(campaign, "cancel");
    let show = Show(sending.wait(App::PATIENCE).succeeded().json());
    assert_eq!(
        (show.state(), show.count("withheld")),
        ("cancelled", 30),
        "{show}"
    );
    assert_ledger_adds_up(&show);
});

on_both_engines!(
    what_was_on_the_wire_of_a_killed_sender_is_unknown_after_a_cancel,
    |app| {
        app.relay
            .follow(Script::accepting().delay(Duration::from_secs(1)));
        app.import("readers", 30);
        let campaign = app.campaign("readers");
        let sending = app.start_sending(campaign);
        tidings_tests::wait_until("mail is on the wire", 30, || {
            app.show(campaign).count("on_wire") > 0
        });
        sending.kill_9();
        app.steer(campaign, "cancel");
        let server = app.serve();
        tidings_tests::wait_until("nothing is open", 30, || {
            let show = app.show(campaign);
            show.count("on_wire") == 0 && show.count("withheld") > 0
        });
        drop(server);
        let show = app.show(campaign);
        assert!((1..=8).contains(&show.count("unknown")), "{show}");
        assert_ledger_adds_up(&show);
    }
);

on_both_engines!(campaigns_are_listed_with_their_states, |app| {
    app.import("readers", 2);
    let (first, second) = (app.campaign("readers"), app.campaign("readers"));
    app.steer(second, "cancel");
    let list = app.run(["--json", "campaign", "list"]).succeeded().json();
    let list = list
        .as_array()
        .or_else(|| list["campaigns"].as_array())
        .expect("a list of campaigns");
    let mut states: Vec<_> = list
        .iter()
        .map(|c| (c["id"].as_i64(), c["state"].as_str()))
        .collect();
    states.sort_unstable();
    assert_eq!(
        states,
        [(Some(first), Some("draft")), (Some(second), Some("cancelled"))]
    );
});

on_both_engines!(what_a_campaigns_state_does_not_allow_is_refused, |app| {
    app.import("readers", 2);
    let campaign = app.campaign("readers");
    app.run(["campaign", "resume", &campaign.to_string()])
        .failed_with(1)
        .says(&["draft"]);
    app.steer(campaign, "cancel");
    app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
        .failed_with(1)
        .says(&["cancelled"]);
    assert_eq!(app.show(campaign).state(), "cancelled");
});

on_both_engines!(
    a_time_that_the_clocks_skip_or_repeat_is_explained_and_not_guessed,
    |app| {
        app.import("readers", 2);
        let campaign = app.campaign("readers");
        let gap = schedule(app, campaign, "2031-03-30 02:30", "Europe/Berlin").failed_with(1);
        gap.says(&["2031-03-30 02:30", "Europe/Berlin", "does not exist"]);
        let fold = schedule(app, campaign, "2031-10-26 02:30", "Europe/Berlin").failed_with(1);
        fold.says(&["exists twice", "2031-10-26 02:30+02:00", "2031-10-26 02:30+01:00"]);
        schedule(app, campaign, "2031-10-26 02:30", "Berlin")
            .failed_with(1)
            .says(&["Berlin", "Europe/Berlin"]);
        assert_eq!(app.show(campaign).state(), "draft");
        schedule(app, campaign, "2031-10-26 02:30+01:00", "Europe/Berlin").succeeded();
        assert_eq!(app.show(campaign).state(), "scheduled");
    }
);

on_both_engines!(a_campaign_whose_time_was_missed_by_too_much_is_held, |app| {
    app.import("readers", 5);
    let campaign = app.campaign("readers");
    schedule(app, campaign, "2031-12-01 09:00", "Europe/Berlin").succeeded();
    // As if the machine had been off on that morning.
    let late = 1_000_000_i64 * 1_700_000_000;
    app.database.execute(&format!(
        "UPDATE campaigns SET scheduled_at = {late} WHERE id = {campaign}"
    ));
    let serving = app.serve();
    tidings_tests::wait_until("it is held", 30, || app.show(campaign).state() == "held");
    drop(serving);
    let show: Show = app.show(campaign);
    assert!(
        show.reason().contains("late"),
        "the reason does not say why: {show}"
    );
    assert_eq!(app.relay.accepted_count(), 0);
    app.run(["campaign", "resume", &campaign.to_string()])
        .failed_with(1)
        .says(&["schedule it again"]);
    assert_eq!(app.show(campaign).state(), "held");
});

on_both_engines!(a_missed_time_is_told_in_its_own_measure, |app| {
    app.import("readers", 5);
    let campaign = app.campaign_with("readers", &["--lateness", "2s"]);
    schedule(app, campaign, "2031-12-01 09:00", "Europe/Berlin").succeeded();
    app.steer(campaign, "pause");
    let late = 1_000_000_i64 * 1_700_000_000;
    app.database.execute(&format!(
        "UPDATE campaigns SET scheduled_at = {late} WHERE id = {campaign}"
    ));
    app.run(["campaign", "resume", &campaign.to_string()])
        .failed_with(1)
        .says(&["2s late at most"]);
    app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
        .succeeded();
    assert_eq!(app.send(campaign).count("accepted"), 5);
});

on_both_engines!(a_campaign_without_recipients_finishes_at_once, |app| {
    app.import_csv("readers", "email\nnobody\n");
    let html = app.write(
        "hello.html",
        "<p>Hello</p><a href=\"{{unsubscribe_url}}\">Unsubscribe</a>",
    );
    app.run(["template", "add", "spring", "--html", &html.to_string_lossy()])
        .succeeded();
    let create = [
        "--json",
        "campaign",
        "create",
        "--name",
        "N",
        "--list",
        "readers",
        "--template",
        "spring",
    ];
    let more = ["--subject", "S", "--from", "news@example.com"];
    let created = app.run([&create[..], &more[..]].concat()).succeeded().json();
    let show = app.send(created["id"].as_i64().unwrap());
    assert_eq!((show.state(), show.planned()), ("finished", 0), "{show}");
});
