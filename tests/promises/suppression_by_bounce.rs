//! What refusals while sending do to addresses.

use serde_json::Value;
use tidings_tests::script::{Reply, Rule, Script, Who};
use tidings_tests::{App, on_both_engines, wait_until};

fn refusing(rule: fn(Reply) -> Rule, code: u16, enhanced: &str, text: &str, reader: &str) -> Rule {
    rule(Reply::new(code, enhanced, text)).to(Who::address(reader))
}

fn suppression(app: &App, address: &str) -> Value {
    app.run(["--json", "suppression", "show", address])
        .succeeded()
        .json()
}

fn is_suppressed(app: &App, address: &str) -> bool {
    !suppression(app, address)["suppression"].is_null()
}

fn attempts_to(app: &App, campaign: i64, address: &str) -> Vec<Value> {
    let id = campaign.to_string();
    app.run([
        "campaign",
        "attempts",
        &id,
        "--address",
        address,
        "--format",
        "jsonl",
    ])
    .succeeded()
    .json_lines()
}

on_both_engines!(
    an_address_that_is_gone_is_not_mailed_again_until_a_person_says_so,
    |app| {
        let gone = refusing(
            Rule::rcpt,
            550,
            "5.1.1",
            "no such user here",
            "reader1@example.org",
        );
        app.relay.follow(Script::accepting().rule(gone));
        app.import("readers", 5);
        // Planned before the address is known to be gone.
        let beside = app.campaign("readers");
        let first = app.campaign("readers");
        let show = app.send(first);
        assert_eq!((show.count("accepted"), show.count("rejected")), (4, 1), "{show}");
        let found = suppression(app, "reader1@example.org");
        let told = found.to_string();
        for part in [
            "hard_bounce",
            "550 5.1.1 no such user here",
            "rule no-such-mailbox",
            "campaign 2",
        ] {
            assert!(told.contains(part), "{part} is missing in: {told}");
        }
        let attempts = attempts_to(app, first, "reader1@example.org");
        assert_eq!(attempts[0]["rule"], "no-such-mailbox", "{attempts:?}");
        assert_eq!(attempts[0]["action"], "suppressed", "{attempts:?}");

        app.relay.follow(Script::accepting());
        assert_eq!(app.send(beside).planned(), 4, "nobody is planned who is gone");
        app.run(["suppression", "lift", "reader1@example.org"])
            .succeeded();
        let show = app.send(app.campaign("readers"));
        assert_eq!((show.planned(), show.count("accepted")), (5, 5), "{show}");
    }
);

on_both_engines!(a_delivery_that_was_planned_before_is_withheld, |app| {
    let gone = refusing(
        Rule::rcpt,
        550,
        "5.1.1",
        "no such user here",
        "reader5@example.org",
    );
    app.relay.follow(Script::accepting().rule(gone));
    app.import("readers", 5);
    let slow = app.campaign_with("readers", &["--rate", "1/h"]);
    let server = app.serve();
    let id = slow.to_string();
    app.run(["campaign", "schedule", &id, "--now"]).succeeded();
    wait_until("it is planned", 20, || app.show(slow).planned() == 5);
    app.steer(slow, "pause");
    let fast = app.campaign("readers").to_string();
    app.run(["campaign", "schedule", &fast, "--now"]).succeeded();
    wait_until("the address is found to be gone", 20, || {
        is_suppressed(app, "reader5@example.org")
    });
    app.steer(slow, "resume");
    wait_until("its delivery is withheld", 30, || {
        app.show(slow).count("withheld") == 1
    });
    drop(server);
});

on_both_engines!(blocks_and_soft_bounces_suppress_nobody, |app| {
    let script = Script::accepting()
        .rule(refusing(
            Rule::dot,
            554,
            "5.7.1",
            "this looks like spam",
            "reader1@example.org",
        ))
        .rule(refusing(
            Rule::rcpt,
            550,
            "5.2.2",
            "mailbox full",
            "reader2@example.org",
        ))
        .rule(refusing(
            Rule::rcpt,
            550,
            "5.7.1",
            "your IP address is listed in a block list",
            "reader3@example.org",
        ))
        // RFC 5321 section 4.3.2: after the content, that is no word about the mailbox.
        .rule(refusing(Rule::dot, 550, "", "no", "reader4@example.org"));
    app.relay.follow(script);
    app.import("readers", 6);
    let show = app.send(app.campaign("readers"));
    assert_eq!((show.count("accepted"), show.count("rejected")), (2, 4), "{show}");
    assert_eq!(app.database.number("SELECT count(*) FROM suppressions"), 0);
    app.relay.follow(Script::accepting());
    assert_eq!(app.send(app.campaign("readers")).count("accepted"), 6);
});

on_both_engines!(soft_bounces_suppress_after_as_many_as_the_operator_says, |app| {
    app.configure(|settings| {
        settings.more = "[feedback]\nsoft_bounces_in_row = 2\nsoft_bounces_over = \"1s\"\n".to_owned();
    });
    let full = refusing(Rule::rcpt, 550, "5.2.2", "mailbox full", "reader1@example.org");
    app.relay.follow(Script::accepting().rule(full));
    app.import("readers", 3);
    app.send(app.campaign("readers"));
    assert!(!is_suppressed(app, "reader1@example.org"), "one is not two");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let last = app.campaign("readers");
    app.send(last);
    let found = suppression(app, "reader1@example.org").to_string();
    for part in ["soft_bounces", "550 5.2.2 mailbox full", "rule mailbox-full"] {
        assert!(found.contains(part), "{part} is missing in: {found}");
    }
    assert_eq!(
        attempts_to(app, last, "reader1@example.org")[0]["action"],
        "suppressed"
    );
    assert_eq!(app.send(app.campaign("readers")).planned(), 2);
});

on_both_engines!(replies_are_judged_by_the_operators_rules_while_sending, |app| {
    let rules = app.write(
        "rules.toml",
        "[[rule]]\nname = \"ours-left\"\nreason = \"userunknown\"\nwords = [\"has left us\"]\n\
         [[rule]]\nname = \"ours-moving\"\nreason = \"suspend\"\nwords = [\"no such user\"]\n",
    );
    app.configure(|settings| {
        settings.more = format!("[feedback]\nrules = {:?}\n", rules.display().to_string())
    });
    let script = Script::accepting()
        .rule(refusing(
            Rule::rcpt,
            554,
            "5.7.1",
            "Ann has left us",
            "reader1@example.org",
        ))
        .rule(refusing(
            Rule::rcpt,
            550,
            "5.1.1",
            "no such user here",
            "reader2@example.org",
        ));
    app.relay.follow(script);
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    app.send(campaign);
    let attempt = |reader: &str| attempts_to(app, campaign, reader).remove(0);
    let (left, moving) = (attempt("reader1@example.org"), attempt("reader2@example.org"));
    assert_eq!(
        (&left["class"], &left["rule"]),
        (&"hard".into(), &"ours-left".into()),
        "{left}"
    );
    assert_eq!(
        (&moving["class"], &moving["rule"]),
        (&"soft".into(), &"ours-moving".into()),
        "{moving}"
    );
    assert!(is_suppressed(app, "reader1@example.org"));
    assert!(!is_suppressed(app, "reader2@example.org"));
});

on_both_engines!(rules_are_read_again_at_a_sighup, |app| {
    let rules = app.write("rules.toml", "");
    app.configure(|settings| {
        settings.more = format!("[feedback]\nrules = {:?}\n", rules.display().to_string())
    });
    let all = Rule::rcpt(Reply::new(554, "", "Ann has left us"));
    app.relay.follow(Script::accepting().rule(all));
    app.import("readers", 40);
    let campaign = app.campaign_with("readers", &["--rate", "5/s"]);
    let sending = app.start_sending(campaign);
    wait_until("some are refused", 20, || {
        app.show(campaign).count("rejected") > 3
    });
    assert_eq!(app.database.number("SELECT count(*) FROM suppressions"), 0);
    app.write(
        "rules.toml",
        "[[rule]]\nname = \"ours-left\"\nreason = \"userunknown\"\nwords = [\"has left us\"]\n",
    );
    sending.sighup();
    wait_until("the new rule decides", 20, || {
        app.database.number("SELECT count(*) FROM suppressions") > 0
    });
    sending.wait(App::PATIENCE).succeeded();
});
