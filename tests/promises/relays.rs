//! Several relays: pools, weights, failover, limits, shaping, and a configuration that changes under way.

use std::time::{Duration, Instant};
use tidings_tests::script::{Outage, Reply, Rule, Script, Who};
use tidings_tests::{App, Relay, assert_ledger_adds_up, on_both_engines, wait_until};

/// `[[relay]]` for a second relay, with whatever else is to stand there.
fn relay(name: &str, at: &Relay, more: &str) -> String {
    format!(
        "[[relay]]\nname = \"{name}\"\nurl = \"smtp://{}?tls=never\"\nmax_sessions = 8\n{more}\n",
        at.address()
    )
}

on_both_engines!(relays_of_a_pool_share_the_mail_by_weight, |app| {
    let second = Relay::start();
    app.configure(|settings| settings.more = relay("second", &second, "weight = 3"));
    app.import("readers", 2000);
    let campaign = app.campaign("readers");
    let show = app.send(campaign);
    assert_eq!(show.count("accepted"), 2000, "{show}");
    let (first, second) = (app.relay.reached_once().len(), second.reached_once().len());
    assert_eq!(first + second, 2000);
    // A relay that is kept from its processor for a moment loses some of its share; the schedule's own tests are exact.
    assert!((1050..=1750).contains(&second), "{first} and {second}");
});

on_both_engines!(
    while_a_relay_is_down_those_of_lower_priority_take_its_mail,
    |app| {
        let second = Relay::start();
        app.configure(|settings| settings.more = relay("second", &second, "priority = 20"));
        app.import("readers", 200);
        let campaign = app.campaign("readers");
        app.relay.go_down(Outage::RefuseConnections);
        let show = app.send(campaign);
        assert_eq!(show.count("accepted"), 200, "{show}");
        assert_eq!(second.reached_once().len(), 200);

        app.relay.come_up();
        let campaign = app.campaign("readers");
        assert_eq!(app.send(campaign).count("accepted"), 200);
        assert_eq!(app.relay.reached_once().len(), 200, "it is in charge again");
    }
);

on_both_engines!(
    when_all_relays_are_down_the_campaign_says_why_it_waits_and_goes_on_by_itself,
    |app| {
        app.relay.go_down(Outage::RefuseConnections);
        app.import("readers", 50);
        let campaign = app.campaign("readers");
        let sending = app.start_sending(campaign);
        wait_until("it says why it waits", 20, || {
            let limit = app.show(campaign).0["binding_limit"].to_string();
            limit.contains("relay primary is down") && limit.contains("cannot connect")
        });
        app.relay.come_up();
        sending.wait(App::PATIENCE).succeeded();
        let show = app.show(campaign);
        assert_eq!(show.count("accepted"), 50, "{show}");
        assert_eq!(app.relay.reached_once().len(), 50);
    }
);

on_both_engines!(
    a_campaign_goes_through_the_pool_that_it_names_or_that_of_its_sender,
    |app| {
        let second = Relay::start();
        app.configure(|settings| {
            settings.more = relay("second", &second, "")
                + "[[pool]]\nname = \"first\"\nrelays = [\"primary\"]\n\
                   [[pool]]\nname = \"news\"\nrelays = [\"second\"]\nsender_domains = [\"example.com\"]\n";
        });
        app.import("readers", 20);
        let by_domain = app.campaign("readers");
        assert_eq!(app.send(by_domain).count("accepted"), 20);
        assert_eq!(second.reached_once().len(), 20);

        let by_name = app.campaign_with("readers", &["--pool", "first"]);
        assert_eq!(app.send(by_name).count("accepted"), 20);
        assert_eq!(app.relay.reached_once().len(), 20);
    }
);

on_both_engines!(
    a_campaign_whose_pool_is_not_configured_is_held_with_a_sentence,
    |app| {
        app.import("readers", 5);
        let campaign = app.campaign_with("readers", &["--pool", "gone"]);
        app.run(["campaign", "send", &campaign.to_string()]);
        let show = app.show(campaign);
        assert_eq!(show.0["state"], "held", "{show}");
        assert!(show.0["reason"].to_string().contains("[[pool]]"), "{show}");
        assert_ledger_adds_up(&show);
    }
);

/// However long it took: no more than the rate allows until now, and what it allows at once in the first moment.
#[track_caller]
fn assert_within_rate(accepted: usize, per_second: u64, begun: Instant) {
    let most = per_second * (begun.elapsed().as_secs() + 3);
    assert!(accepted as u64 <= most, "{accepted} messages where {most} may be");
}

on_both_engines!(
    a_limited_provider_waits_and_the_others_do_not_wait_with_it,
    |app| {
        app.configure(|settings| {
            settings.more = "[limits.provider.\"slow.test\"]\nrate = \"2/s\"\n".to_owned()
        });
        app.import_of("readers", &["slow.test", "example.org"], 200);
        let campaign = app.campaign("readers");
        let (sending, begun) = (app.start_sending(campaign), Instant::now());
        wait_until("the others have their mail", 30, || {
            app.relay.accepted_at("example.org") == 200
        });
        let slow = app.relay.accepted_at("slow.test");
        assert_within_rate(slow, 2, begun);
        wait_until("it says what it waits for", 20, || {
            app.show(campaign).0["binding_limit"] == "provider slow.test: 2/s"
        });
        let show = app.show(campaign);
        assert_ledger_adds_up(&show);
        assert!(
            show.0["eta_seconds"].as_f64().is_some_and(|eta| eta > 10.0),
            "{show}"
        );
        app.steer(campaign, "cancel");
        sending.wait(App::PATIENCE);
        let show = app.show(campaign);
        assert_ledger_adds_up(&show);
        assert_eq!(
            show.count("accepted") + show.count("withheld") + show.count("unknown"),
            400,
            "{show}"
        );
    }
);

on_both_engines!(
    what_was_put_aside_for_a_slow_provider_comes_back_without_holding_up_the_others,
    |app| {
        app.configure(|settings| {
            settings.more = "[limits.provider.\"slow.test\"]\nrate = \"1/s\"\n".to_owned()
        });
        // Long enough that much of what was put aside is due before the others are done.
        app.relay.follow(Script::accepting().pace(300.0));
        let mut rows = String::from("email,name,city\n");
        for i in 1..=5000 {
            rows.push_str(&format!("reader{i}@example.org,Reader {i},Springfield\n"));
            if i % 25 == 0 {
                rows.push_str(&format!("reader{i}@slow.test,Reader {i},Springfield\n"));
            }
        }
        app.import_csv("readers", &rows);
        let campaign = app.campaign("readers");
        let (sending, begun) = (app.start_sending(campaign), Instant::now());
        wait_until("the others have their mail", 110, || {
            app.relay.accepted_at("example.org") == 5000
        });
        let slow = app.relay.accepted_at("slow.test");
        assert!(slow > 5, "only {slow} came back");
        assert_within_rate(slow, 1, begun);
        sending.kill_9();
    }
);

on_both_engines!(a_days_quota_is_not_forgotten_over_a_restart, |app| {
    app.configure(|settings| settings.more = "[limits]\nrate = \"30/day\"\n".to_owned());
    app.import("readers", 50);
    let campaign = app.campaign("readers");
    let sending = app.start_sending(campaign);
    wait_until("the day's allowance is used up", 30, || {
        app.relay.reached_once().len() == 30
    });
    sending.kill_9();
    let again = app.start_sending(campaign);
    wait_until("it says that the day's allowance is used up", 30, || {
        app.show(campaign).0["binding_limit"] == "all relays: 30/day"
    });
    again.sigterm();
    again.wait(App::PATIENCE).succeeded();
    assert_eq!(app.relay.reached_once().len(), 30);
    let show = app.show(campaign);
    assert!(show.count("accepted") + show.count("unknown") == 30, "{show}");
});

on_both_engines!(a_provider_that_finds_us_too_fast_slows_its_own_mail_only, |app| {
    let too_fast = Rule::rcpt(Reply::new(450, "4.7.1", "you are sending too fast"))
        .to(Who::domain("slow.test"))
        .first(1);
    app.relay.follow(Script::accepting().rule(too_fast));
    app.import_of("readers", &["slow.test", "example.org"], 100);
    let campaign = app.campaign("readers");
    let sending = app.start_sending(campaign);
    wait_until("the others have their mail", 30, || {
        app.relay.accepted_at("example.org") == 100
    });
    wait_until("it says who finds it too fast", 30, || {
        app.show(campaign).0["binding_limit"]
            .to_string()
            .contains("too fast")
    });
    // All but the first few were held back instead of being refused.
    assert!(app.relay.counts().deferred < 30, "{:?}", app.relay.counts());
    app.steer(campaign, "cancel");
    sending.wait(App::PATIENCE);
    assert_ledger_adds_up(&app.show(campaign));
});

on_both_engines!(
    a_provider_that_refuses_us_for_policy_is_left_alone_for_a_while,
    |app| {
        let refused = Rule::rcpt(Reply::new(550, "5.7.1", "your network has a bad reputation"))
            .to(Who::domain("strict.test"));
        app.relay.follow(Script::accepting().rule(refused));
        app.import_of("readers", &["strict.test", "example.org"], 100);
        let campaign = app.campaign("readers");
        let sending = app.start_sending(campaign);
        wait_until("the others have their mail", 30, || {
            app.relay.accepted_at("example.org") == 100
        });
        wait_until("it says who refuses", 30, || {
            app.show(campaign).0["binding_limit"]
                .to_string()
                .contains("suspended until")
        });
        let show = app.show(campaign);
        assert!(
            show.count("rejected") <= 30,
            "it went on against the refusals: {show}"
        );
        app.steer(campaign, "cancel");
        sending.wait(App::PATIENCE);
        assert_ledger_adds_up(&app.show(campaign));
    }
);

on_both_engines!(
    a_changed_configuration_is_taken_over_without_a_restart_and_nothing_is_lost,
    |app| {
        let second = Relay::start();
        app.configure(|settings| settings.rate = Some("100/s".to_owned()));
        app.import("readers", 600);
        let campaign = app.campaign("readers");
        let sending = app.start_sending(campaign);
        wait_until("it sends", 30, || app.relay.reached_once().len() > 50);
        app.send_to(second.address());
        sending.sighup();
        wait_until("it sends elsewhere", 30, || second.reached_once().len() > 50);
        sending.wait(App::PATIENCE).succeeded();
        let show = app.show(campaign);
        assert_eq!(show.count("accepted"), 600, "{show}");
        let reached = app.relay.reached_once();
        assert_eq!(reached.len() + second.reached_once().len(), 600);
        assert!(
            reached.is_disjoint(&second.reached_once()),
            "somebody got it twice"
        );
    }
);

on_both_engines!(a_configuration_that_cannot_be_read_changes_nothing, |app| {
    app.configure(|settings| settings.rate = Some("50/s".to_owned()));
    app.import("readers", 100);
    let campaign = app.campaign("readers");
    let sending = app.start_sending(campaign);
    wait_until("it sends", 30, || app.relay.reached_once().len() > 10);
    app.write("tidings.toml", "[[relay]]\nname = \"half");
    sending.sighup();
    std::thread::sleep(Duration::from_millis(300));
    let output = sending.wait(App::PATIENCE).succeeded();
    assert!(output.stderr.contains("not taken over"), "{output}");
    assert_eq!(app.relay.reached_once().len(), 100);
});

on_both_engines!(a_pool_of_relays_that_are_not_there_is_refused_by_name, |app| {
    app.configure(|settings| settings.more = "[[pool]]\nname = \"news\"\nrelays = [\"third\"]\n".to_owned());
    app.run(["check"])
        .failed_with(1)
        .says(&["[[pool]]", "news", "third"]);
});
