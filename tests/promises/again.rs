//! Once more to those not reached, and what is told of every attempt and of sessions that failed.

use serde_json::{Value, json};
use tidings_tests::script::{Reply, Rule, Script, Who};
use tidings_tests::{App, assert_ledger_adds_up, on_both_engines};

fn refusing(code: u16, enhanced: &str, text: &str, reader: &str) -> Rule {
    Rule::rcpt(Reply::new(code, enhanced, text)).to(Who::address(reader))
}

/// Readers 1 and 2 of five are refused for good, reader 3 at first.
fn send_with_refusals(app: &App) -> i64 {
    let script = Script::accepting()
        .rule(refusing(550, "5.1.1", "no such user", "reader1@example.org"))
        .rule(refusing(554, "5.7.1", "looks like spam", "reader2@example.org"))
        .rule(refusing(451, "4.2.1", "try again", "reader3@example.org").first(1));
    app.relay.follow(script);
    app.import("readers", 5);
    let campaign = app.campaign("readers");
    app.send(campaign);
    campaign
}

fn again(app: &App, campaign: i64, options: &[&str]) -> i64 {
    let id = campaign.to_string();
    let again = [&["--json", "campaign", "again", id.as_str()][..], options].concat();
    let made = app.run(again).succeeded().json();
    made["id"].as_i64().unwrap()
}

on_both_engines!(a_campaign_goes_again_to_those_whom_it_did_not_reach, |app| {
    let campaign = send_with_refusals(app);
    // A person knows better than the receiver who said that there is no such user.
    app.run(["suppression", "lift", "reader1@example.org"])
        .succeeded();
    let child = again(app, campaign, &["--state", "rejected", "--state", "expired"]);
    let show = app.show(child);
    assert_eq!(
        (show.state(), &show.0["name"]),
        ("draft", &json!("Spring news, again"))
    );
    assert_eq!(show.0["parent"], json!(campaign));
    assert_eq!(show.0["parent_states"], json!(["rejected", "expired"]));
    app.relay.follow(Script::accepting());
    let before = app.relay.accepted_count();

    let show = app.send(child);
    assert_eq!((show.planned(), show.count("accepted")), (2, 2), "{show}");
    assert_ledger_adds_up(&show);
    assert_eq!(app.relay.accepted_count() - before, 2);
    let reached = ["reader1@example.org", "reader2@example.org"].map(str::to_owned);
    assert_eq!(app.addresses(child, "accepted"), reached.into());

    let nobody = again(app, child, &["--state", "rejected", "--name", "The third"]);
    let show = app.send(nobody);
    assert_eq!((show.planned(), show.state()), (0, "finished"), "{show}");
});

on_both_engines!(
    a_campaign_that_may_still_reach_somebody_does_not_go_again,
    |app| {
        app.import("readers", 2);
        let campaign = app.campaign("readers").to_string();
        let again = |campaign: &str, state| app.run(["campaign", "again", campaign, "--state", state]);
        again(&campaign, "rejected")
            .failed_with(1)
            .says(&["draft", "finished or cancelled"]);
        again(&campaign, "deferred")
            .failed_with(1)
            .says(&["deferred", "no outcome"]);
        again(&campaign, "lost").failed_with(2).says(&["rejected"]);
        again("77", "rejected")
            .failed_with(1)
            .says(&["no campaign", "77"]);
    }
);

on_both_engines!(every_attempt_is_told_with_its_relay_and_its_reply, |app| {
    let campaign = send_with_refusals(app).to_string();
    let attempts = |more: &[&str]| -> Vec<Value> {
        let command = [
            &["campaign", "attempts", &campaign, "--format", "jsonl"][..],
            more,
        ]
        .concat();
        app.run(command).succeeded().json_lines()
    };
    let all = attempts(&[]);
    assert_eq!(all.len(), 6, "{all:?}");
    for attempt in &all {
        assert_eq!(attempt["relay"], "primary", "{attempt}");
        assert!(attempt["session"].as_i64() > Some(0), "{attempt}");
        let took = attempt["duration_us"].as_i64().unwrap();
        assert!((1..60_000_000).contains(&took), "{attempt}");
    }
    let third = attempts(&["--address", "Reader3@example.org"]);
    let told: Vec<_> = third
        .iter()
        .map(|a| {
            (
                a["attempt"].as_i64().unwrap(),
                a["outcome"].as_str().unwrap(),
                a["code"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(told, [(1, "deferred", 451), (2, "accepted", 250)]);
    let waited = third[1]["at"].as_i64().unwrap() - third[0]["at"].as_i64().unwrap();
    assert!(
        waited >= 700_000,
        "the retry began {waited} µs after the first attempt"
    );
    let csv = app.run(["campaign", "attempts", &campaign]).succeeded().stdout;
    assert!(
        csv.starts_with("seq,address,attempt,at,relay,session,outcome,"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 7, "{csv}");
    let nobody = [
        "campaign",
        "attempts",
        &campaign,
        "--address",
        "nobody@example.org",
    ];
    app.run(nobody).failed_with(1).says(&["nobody@example.org"]);
});

on_both_engines!(a_delivery_that_waits_for_a_limit_is_not_shown_as_refused, |app| {
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    app.send(campaign);
    // As a sender leaves it that has nothing to spare for the second reader.
    for statement in [
        "UPDATE deliveries SET state = 'deferred', cause = 'limit', reason = 'provider gmail', due_at = 1 \
         WHERE seq = 2",
        "UPDATE campaign_counters SET n = n - 1 WHERE state = 'accepted'",
        "INSERT INTO campaign_counters (campaign_id, node, state, n) \
         SELECT id, 'there', 'deferred', 1 FROM campaigns",
    ] {
        app.database.execute(statement);
    }
    let rows = app.deliveries(campaign, "deferred");
    assert_eq!(
        rows[0]["reason"],
        "not refused: waits for a limit (provider gmail)"
    );
    let show = app.show(campaign);
    assert_ledger_adds_up(&show);
    let waiting = json!([{ "limit": "provider gmail", "n": 1 }]);
    assert_eq!(show.0["waiting_for_limits"], waiting, "{show}");
    app.run(["campaign", "show", &campaign.to_string()])
        .succeeded()
        .prints(&["1 of the deferred", "not refused", "provider gmail"]);
});

on_both_engines!(a_campaign_may_have_its_pool_and_its_number_of_sessions, |app| {
    app.import("readers", 2);
    let campaign = app.campaign_with("readers", &["--pool", "marketing", "--max-sessions", "3"]);
    let show = app.show(campaign);
    assert_eq!(
        (&show.0["pool"], &show.0["max_sessions"]),
        (&json!("marketing"), &json!(3))
    );
    let create = [
        "campaign",
        "create",
        "--name",
        "N",
        "--list",
        "readers",
        "--template",
        "spring",
    ];
    let none = ["--from", "news@example.com", "--max-sessions", "0"];
    app.run([&create[..], &none[..]].concat())
        .failed_with(2)
        .says(&["max-sessions"]);
});

on_both_engines!(sessions_that_failed_can_be_read, |app| {
    let none = app.run(["relay", "transcripts", "primary"]).succeeded();
    none.prints(&["no session with relay primary has failed"]);
    app.run(["relay", "transcripts", "primrose"])
        .failed_with(1)
        .says(&["primrose"]);
    for at in [1_000_000, 2_000_000] {
        app.database.execute(&format!(
            "INSERT INTO transcripts (relay, at, fault, text) \
             VALUES ('primary', {at}, 'refused the login', 'S: 220 hello {at}')"
        ));
    }
    let kept = app
        .run(["--json", "relay", "transcripts", "primary"])
        .succeeded()
        .json();
    let times: Vec<_> = kept
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["at"].as_i64().unwrap())
        .collect();
    assert_eq!(times, [2_000_000, 1_000_000]);
    app.run(["relay", "transcripts", "primary"]).succeeded().prints(&[
        "1970-01-01T00:00:02Z",
        "refused the login",
        "S: 220 hello 1000000",
    ]);
});
