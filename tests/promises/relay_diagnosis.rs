//! A relay that does not work is diagnosed as a person would: one sentence says what to do. Meanwhile its deliveries
//! wait unharmed, and when the relay is healed, everybody gets the mail at the first attempt.

use std::time::{Duration, Instant};
use tidings_tests::script::{Cut, Extensions, Moment, Outage, Reply, Rule, Script};
use tidings_tests::{App, Authority, Engine, Issued, Show, on_both_engines, wait_until};

/// The sentence about the one relay, from `relay test`.
#[track_caller]
fn diagnosis(app: &App, words: &[&str]) -> String {
    let tested = app.run(["--json", "relay", "test"]).failed_with(1);
    let finding = &tested.json()[0];
    assert_eq!(finding["works"], false, "{tested}");
    let fault = finding["fault"].as_str().unwrap_or_default().to_owned();
    for word in words {
        assert!(fault.contains(word), "`{word}` is missing in: {fault}\n{tested}");
    }
    fault
}

/// A campaign meets the faulty relay, shows why it waits, and is sent when the relay is healed.
#[track_caller]
fn waits_and_is_sent(app: &App, words: &[&str], heal: impl FnOnce()) {
    app.import("readers", 40);
    let campaign = app.campaign("readers");
    let mut sending = app.start_sending(campaign);
    wait_until("the campaign says why it waits", 30, || {
        let limit = app.show(campaign).0["binding_limit"].to_string();
        words.iter().all(|word| limit.contains(word))
    });
    assert!(sending.is_running(), "it gave up\n{}", sending.stderr_so_far());
    let waiting = app.show(campaign);
    let harmed = ["accepted", "rejected", "expired", "unknown", "deferred"];
    assert!(harmed.iter().all(|state| waiting.count(state) == 0), "{waiting}");
    heal();
    let show = Show(sending.wait(App::PATIENCE).succeeded().json());
    assert_unharmed(app, campaign, &show);
}

#[track_caller]
fn assert_unharmed(app: &App, campaign: i64, show: &Show) {
    assert_eq!(show.count("accepted"), 40, "{show}");
    assert_eq!(app.relay.reached_once().len(), 40);
    for row in app.deliveries(campaign, "accepted") {
        assert_eq!(
            row["attempts"], 1,
            "the fault was charged to the recipient: {row}"
        );
    }
}

fn at(app: &App, url: &str, more: &str) {
    app.configure(|settings| {
        settings.url = Some(url.to_owned());
        settings.more = more.to_owned();
    });
}

on_both_engines!(a_wrong_password, |app| {
    app.relay.follow(Script::accepting().login("ann", "right"));
    at(app, "smtp://ann:wrong@127.0.0.1:{port}?tls=never", "");
    let words = ["AUTH answered 535", "check the user in url and its password"];
    diagnosis(app, &words);
    waits_and_is_sent(app, &words, || {
        app.relay.follow(Script::accepting().login("ann", "wrong"))
    });
});

on_both_engines!(an_expired_certificate, |app| {
    let authority = Authority::new("The Test's Authority");
    let ca = app.write("ca.pem", &authority.pem);
    let script = |issued: Issued| Script::accepting().implicit_tls(&issued.identity());
    app.relay.follow(script(authority.issue_expired(&["localhost"])));
    at(
        app,
        "smtps://localhost:{port}",
        &format!("ca_file = \"{}\"\n", ca.display()),
    );
    let words = ["certificate expired on 2020-03-02", "its operator must renew it"];
    diagnosis(app, &words);
    waits_and_is_sent(app, &words, || {
        app.relay.follow(script(authority.issue(&["localhost"])))
    });
});

on_both_engines!(a_host_that_does_not_resolve, |app| {
    at(app, "smtp://relay.invalid:2525?tls=never", "");
    let words = [
        "`relay.invalid` does not resolve",
        "look whether url has the right name",
    ];
    diagnosis(app, &words);
    app.import("readers", 40);
    let campaign = app.campaign("readers");
    let sending = app.start_sending(campaign);
    wait_until("the campaign says why it waits", 30, || {
        app.show(campaign).0["binding_limit"]
            .to_string()
            .contains(words[0])
    });
    sending.sigterm();
    sending.wait(App::PATIENCE);
    // The name is mended in the configuration.
    app.configure(|settings| settings.url = None);
    let show = app.send(campaign);
    assert_unharmed(app, campaign, &show);
});

on_both_engines!(a_refused_connection, |app| {
    app.relay.go_down(Outage::RefuseConnections);
    let words = ["refuses connections", "look whether the port in url is right"];
    diagnosis(app, &words);
    waits_and_is_sent(app, &words, || app.relay.come_up());
});

on_both_engines!(a_relay_that_answers_garbage, |app| {
    let garbage = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n";
    app.relay
        .follow(Script::accepting().rule(Rule::garbage(Moment::Greeting, garbage)));
    let words = [
        "not an SMTP reply to the greeting (`HTTP/1.1 400 Bad Request",
        "look whether host and port",
    ];
    diagnosis(app, &words);
    waits_and_is_sent(app, &words, || app.relay.follow(Script::accepting()));
});

on_both_engines!(a_relay_that_answers_garbage_in_mid_conversation, |app| {
    for moment in [Moment::Ehlo, Moment::Mail, Moment::Rcpt, Moment::Data] {
        app.relay
            .follow(Script::accepting().rule(Rule::garbage(moment, b"\xff\xfe????\r\n").first(1)));
        app.import("readers", 40);
        let campaign = app.campaign("readers");
        let show = app.send(campaign);
        assert_eq!(show.count("accepted"), 40, "{moment:?}: {show}");
        for row in app.deliveries(campaign, "accepted") {
            assert_eq!(row["attempts"], 1, "{moment:?}: {row}");
        }
    }
});

on_both_engines!(a_relay_that_never_answers, |app| {
    app.relay
        .follow(Script::accepting().rule(Rule::silence(Moment::Greeting)));
    at(
        app,
        "smtp://127.0.0.1:{port}?tls=never",
        "[relay.timeouts]\ngreeting = \"1s\"\n",
    );
    let words = [
        "no answer to the greeting within 1 s",
        "write smtps:// for port 465",
    ];
    diagnosis(app, &words);
    waits_and_is_sent(app, &words, || app.relay.follow(Script::accepting()));
});

on_both_engines!(a_relay_that_closes_after_ehlo, |app| {
    app.relay
        .follow(Script::accepting().rule(Rule::closing(Moment::Ehlo)));
    let words = [
        "closed the connection instead of answering EHLO",
        "it may want another name in hello",
    ];
    diagnosis(app, &words);
    waits_and_is_sent(app, &words, || app.relay.follow(Script::accepting()));
});

on_both_engines!(a_relay_that_answers_ehlo_and_closes, |app| {
    app.relay
        .follow(Script::accepting().rule(Rule::cut(Cut::AfterEhlo)));
    diagnosis(app, &["the connection", "MAIL"]);
    waits_and_is_sent(app, &["the connection"], || app.relay.follow(Script::accepting()));
});

on_both_engines!(
    a_relay_that_announces_parameters_that_it_does_not_support,
    |app| {
        let poor = Extensions {
            dsn: false,
            ..Extensions::default()
        };
        app.relay.follow(
            Script::accepting()
                .extensions(poor)
                .claiming(Extensions::default()),
        );
        let words = [
            "MAIL answered 555",
            "seems not to support what it announces",
            "without =",
        ];
        diagnosis(app, &words);
        waits_and_is_sent(app, &words, || app.relay.follow(Script::accepting()));

        // What the sentence says to do helps.
        app.relay.follow(
            Script::accepting()
                .extensions(poor)
                .claiming(Extensions::default()),
        );
        app.configure(|settings| settings.more = "without = [\"dsn\"]\n".to_owned());
        app.run(["relay", "test"]).succeeded();
    }
);

on_both_engines!(a_relay_that_announces_pipelining_and_does_not_support_it, |app| {
    let poor = Extensions {
        pipelining: false,
        ..Extensions::default()
    };
    let script = || {
        Script::accepting()
            .extensions(poor)
            .claiming(Extensions::default())
    };
    app.relay.follow(script());
    diagnosis(app, &["PIPELINING", "without = [\"pipelining\"]"]);
    waits_and_is_sent(app, &["answered 503", "without ="], || {
        app.relay.follow(Script::accepting())
    });

    app.relay.follow(script());
    app.configure(|settings| settings.more = "without = [\"pipelining\"]\n".to_owned());
    app.run(["relay", "test"]).succeeded();
    let again = app.campaign("readers");
    assert_eq!(app.send(again).count("accepted"), 40);
});

on_both_engines!(a_relay_that_announces_starttls_and_refuses_it, |app| {
    let authority = Authority::new("The Test's Authority");
    let ca = app.write("ca.pem", &authority.pem);
    let issued = authority.issue(&["localhost"]);
    let script = || Script::accepting().start_tls(&issued.identity());
    app.relay
        .follow(script().rule(Rule::start_tls(Reply::new(454, "4.7.0", "TLS not available"))));
    at(
        app,
        "smtp://localhost:{port}?tls=opportunistic",
        &format!("ca_file = \"{}\"\n", ca.display()),
    );
    let words = ["STARTTLS answered 454", "its TLS is out of order"];
    diagnosis(app, &words);
    waits_and_is_sent(app, &words, || app.relay.follow(script()));
});

/// What happens before MAIL has nothing to do with the database.
fn app() -> App {
    App::start(Engine::Sqlite)
}

#[test]
fn tls_where_clear_text_is_due_and_the_other_way_round_are_told_apart() {
    let app = app();
    at(&app, "smtps://localhost:{port}", "");
    diagnosis(
        &app,
        &["does not answer in TLS", "write smtp:// instead of smtps://"],
    );

    let issued = Authority::new("The Test's Authority").issue(&["localhost"]);
    app.relay
        .follow(Script::accepting().implicit_tls(&issued.identity()));
    at(
        &app,
        "smtp://localhost:{port}?tls=opportunistic",
        "[relay.timeouts]\ngreeting = \"1s\"\n",
    );
    diagnosis(
        &app,
        &["no answer to the greeting", "write smtps:// for port 465"],
    );
}

#[test]
fn an_address_that_is_not_this_machines_cannot_be_connected_from() {
    let app = app();
    at(
        &app,
        "smtp://127.0.0.1:{port}?tls=never",
        "source_address = \"192.0.2.77\"\n",
    );
    diagnosis(&app, &["source_address = 192.0.2.77 cannot be used"]);
}

#[test]
fn a_relay_that_wants_a_login_and_gets_none_is_told_with_what_to_write() {
    let app = app();
    app.relay.follow(Script::accepting().login("ann", "secret"));
    diagnosis(&app, &["MAIL answered 530", "add password_file"]);
}

#[test]
fn a_login_for_a_relay_that_wants_none_is_told_with_what_to_write() {
    let app = app();
    at(&app, "smtp://ann:secret@127.0.0.1:{port}?tls=never", "");
    diagnosis(&app, &["offers no AUTH", "take the user out of url"]);
}

#[test]
fn a_relay_that_works_is_described() {
    let app = app();
    let authority = Authority::new("The Test's Authority");
    let ca = app.write("ca.pem", &authority.pem);
    let issued = authority.issue_for(
        &["localhost", "127.0.0.1"],
        Duration::from_secs(10 * 24 * 3600 + 60),
    );
    app.relay.follow(
        Script::accepting()
            .implicit_tls(&issued.identity())
            .login("ann", "secret"),
    );
    at(
        &app,
        "smtps://ann:secret@localhost:{port}",
        &format!("ca_file = \"{}\"\n", ca.display()),
    );
    let began = Instant::now();
    let tested = app.run(["--json", "relay", "test", "primary"]).succeeded().json();
    assert!(began.elapsed() < Duration::from_secs(20));
    let finding = &tested[0];
    assert_eq!(finding["tls"], "TLS 1.3", "{finding}");
    assert_eq!(finding["auth"], "PLAIN", "{finding}");
    let certificate = &finding["certificate"];
    assert_eq!(
        certificate["names"],
        serde_json::json!(["localhost", "127.0.0.1"]),
        "{finding}"
    );
    assert!(
        certificate["subject"].to_string().contains("relay.example.net"),
        "{finding}"
    );
    assert!(
        certificate["issuer"].to_string().contains("The Test's Authority"),
        "{finding}"
    );
    assert!(
        finding["announces"].to_string().contains("PIPELINING"),
        "{finding}"
    );
    let hints = finding["hints"].to_string();
    assert!(
        hints.contains("expires on") && hints.contains("in 10 days"),
        "{finding}"
    );
    app.run(["relay", "test"]).succeeded().prints(&[
        "encrypted with TLS 1.3",
        "issued by",
        "AUTH PLAIN",
        "announces",
        "in 10 days",
    ]);
}
