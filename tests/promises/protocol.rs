//! What the standards ask of a client that hands mail to a relay: each requirement has its promise.

use std::time::Duration;
use tidings_tests::script::{Acceptance, Extensions, Mechanism, Moment, Outage, Reply, Rule, Script, Who};
use tidings_tests::{App, Authority, Engine, Show, on_both_engines, wait_until};

/// An installation whose campaigns need no second engine: what is promised happens on the wire.
fn app() -> App {
    App::start(Engine::Sqlite)
}

/// Sends a campaign to `n` readers and expects all of them to get it; what the relay took.
#[track_caller]
fn send_to(app: &App, n: usize) -> Vec<Acceptance> {
    app.import("readers", n);
    let campaign = app.campaign("readers");
    let show = app.send(campaign);
    assert_eq!(show.count("accepted"), n as u64, "{show}");
    assert_eq!(app.relay.reached_once().len(), n);
    assert_eq!(app.relay.counts().bad_commands, 0, "the relay was told nonsense");
    app.relay.accepted()
}

fn bare() -> Extensions {
    Extensions {
        pipelining: false,
        eight_bit_mime: false,
        size: None,
        smtputf8: false,
        dsn: false,
        enhanced_status_codes: false,
    }
}

/// Lets the relay speak TLS and the installation trust it; the URL has `{port}` for the port.
fn trust(app: &App, url: &str, script: impl FnOnce(&tidings_tests::Issued) -> Script) {
    let authority = Authority::new("The Test's Authority");
    let issued = authority.issue(&["localhost", "127.0.0.1"]);
    app.relay.follow(script(&issued));
    let file = app.write("ca.pem", &authority.pem);
    app.configure(|settings| {
        settings.url = Some(url.to_owned());
        settings.more = format!("ca_file = \"{}\"\n", file.display());
    });
}

#[track_caller]
fn more(app: &App, lines: &str) {
    app.configure(|settings| settings.more.push_str(lines));
}

// ---- EHLO and its announcements

#[test]
fn a_relay_that_knows_only_helo_gets_mail_without_extensions() {
    let app = app();
    let unknown = Rule::ehlo(Reply::new(502, "", "not known here"));
    app.relay
        .follow(Script::accepting().extensions(bare()).rule(unknown));
    for acceptance in send_to(&app, 20) {
        assert_eq!(acceptance.parameters, Default::default());
    }
}

#[test]
fn a_banner_and_an_announcement_of_many_lines_are_read_to_their_end() {
    let app = app();
    app.relay
        .follow(Script::accepting().banner("one\ntwo\nthree lines of greeting"));
    send_to(&app, 20);
}

#[test]
fn the_configured_name_is_said_in_ehlo_and_the_configured_address_is_connected_from() {
    let app = app();
    more(
        &app,
        "hello = \"mail.example.com\"\nsource_address = \"127.0.0.2\"\n",
    );
    for acceptance in send_to(&app, 5) {
        assert_eq!(acceptance.client.hello, "mail.example.com");
        assert_eq!(acceptance.client.address.to_string(), "127.0.0.2");
    }
}

#[test]
fn parameters_go_only_to_a_relay_that_announced_them() {
    let app = app();
    app.relay.follow(Script::accepting().extensions(bare()));
    for acceptance in send_to(&app, 20) {
        assert_eq!(acceptance.parameters, Default::default());
    }
}

#[test]
fn a_relay_that_announces_dsn_is_asked_for_reports_that_find_their_delivery() {
    let app = app();
    for acceptance in send_to(&app, 5) {
        let parameters = &acceptance.parameters;
        assert!(parameters.headers_only && parameters.notify_failure && parameters.notify_delay);
        assert_eq!(
            parameters.original_recipient.as_ref(),
            Some(&acceptance.recipient)
        );
        let token = acceptance.sender.split('@').next().map(str::to_owned);
        assert_eq!(parameters.envelope_id, token);
        assert!(parameters.size > 100, "no SIZE: {parameters:?}");
    }
}

#[test]
fn eight_bit_content_is_declared() {
    let app = app();
    app.import_csv(
        "readers",
        "email,name,city\nzoe@example.org,Zoë,Köln\nann@example.org,Ann,York\n",
    );
    let campaign = app.campaign("readers");
    app.send(campaign);
    for acceptance in app.relay.accepted() {
        let expected = acceptance.recipient.starts_with("zoe");
        assert_eq!(
            acceptance.parameters.eight_bit_mime, expected,
            "{}",
            acceptance.recipient
        );
    }
}

on_both_engines!(
    an_address_beyond_ascii_needs_smtputf8_and_fails_here_where_it_is_not_offered,
    |app| {
        let without = Extensions {
            smtputf8: false,
            ..Extensions::default()
        };
        app.relay.follow(Script::accepting().extensions(without));
        app.import_csv(
            "readers",
            "email,name,city\njörg@example.org,Jörg,Köln\nann@example.org,Ann,York\n",
        );
        let campaign = app.campaign("readers");
        let show = app.send(campaign);
        assert_eq!((show.count("accepted"), show.count("rejected")), (1, 1), "{show}");
        let row = &app.deliveries(campaign, "rejected")[0];
        assert_eq!(
            (&row["code"], &row["enhanced"]),
            (&553.into(), &"5.6.7".into()),
            "{row}"
        );
        assert_eq!(app.relay.counts().refused, 0, "the relay was asked");

        app.relay.follow(Script::accepting());
        let again = app.campaign("readers");
        app.send(again);
        let accepted = app.relay.accepted();
        let jörg = accepted
            .iter()
            .find(|a| a.recipient == "jörg@example.org")
            .unwrap();
        assert!(jörg.parameters.smtputf8 && jörg.parameters.original_recipient.is_none());
    }
);

on_both_engines!(a_message_above_the_announced_size_fails_here, |app| {
    let small = Extensions {
        size: Some(300),
        ..Extensions::default()
    };
    app.relay.follow(Script::accepting().extensions(small));
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    let show = app.send(campaign);
    assert_eq!(show.count("rejected"), 3, "{show}");
    for row in app.deliveries(campaign, "rejected") {
        assert_eq!(
            (&row["code"], &row["enhanced"]),
            (&552.into(), &"5.3.4".into()),
            "{row}"
        );
    }
    assert_eq!(app.relay.counts().refused, 0, "the relay was asked");
});

on_both_engines!(
    a_mail_refused_for_its_size_is_about_the_message_and_not_the_relay,
    |app| {
        let big = Rule::mail(Reply::new(552, "5.3.4", "too big for me")).first(1);
        app.relay.follow(Script::accepting().rule(big));
        app.import("readers", 30);
        let campaign = app.campaign("readers");
        let show = app.send(campaign);
        assert_eq!(
            (show.count("accepted"), show.count("rejected")),
            (29, 1),
            "{show}"
        );
        let row = &app.deliveries(campaign, "rejected")[0];
        assert_eq!(row["cause"], "content", "{row}");
    }
);

#[test]
fn a_552_to_rcpt_is_tried_again_as_a_452() {
    let app = app();
    let full = Rule::rcpt(Reply::new(552, "5.2.2", "mailbox full"))
        .to(Who::local_starts_with("reader1"))
        .first(1);
    app.relay.follow(Script::accepting().rule(full));
    app.import("readers", 5);
    let campaign = app.campaign("readers");
    let show = app.send(campaign);
    assert_eq!(show.count("accepted"), 5, "{show}");
}

// ---- TLS

#[test]
fn implicit_tls_carries_a_campaign() {
    let app = app();
    trust(&app, "smtps://localhost:{port}", |issued| {
        Script::accepting().implicit_tls(&issued.identity())
    });
    assert!(
        send_to(&app, 100)
            .iter()
            .all(|acceptance| acceptance.client.encrypted)
    );
}

#[test]
fn starttls_carries_a_campaign_with_a_login_that_is_offered_only_behind_it() {
    let app = app();
    trust(
        &app,
        "smtp://ann:secret@localhost:{port}?tls=required",
        |issued| {
            Script::accepting()
                .start_tls(&issued.identity())
                .login("ann", "secret")
        },
    );
    for acceptance in send_to(&app, 100) {
        assert!(acceptance.client.encrypted);
        assert_eq!(acceptance.client.user.as_deref(), Some("ann"));
    }
}

#[test]
fn what_was_injected_behind_the_answer_to_starttls_is_forgotten() {
    let app = app();
    trust(&app, "smtp://localhost:{port}?tls=required", |issued| {
        Script::accepting()
            .start_tls(&issued.identity())
            .injecting("250-evil.example.net\r\n250 X-EVIL\r\n")
    });
    let tested = app.run(["--json", "relay", "test"]).succeeded();
    assert!(!tested.to_string().contains("EVIL"), "{tested}");
    assert_eq!(tested.json()[0]["tls"], "TLS 1.3", "{tested}");
    send_to(&app, 20);
}

#[test]
fn starttls_is_used_where_it_is_offered_and_demanded_where_it_is_required() {
    let app = app();
    trust(&app, "smtp://localhost:{port}?tls=opportunistic", |issued| {
        Script::accepting().start_tls(&issued.identity())
    });
    assert!(
        send_to(&app, 5)
            .iter()
            .all(|acceptance| acceptance.client.encrypted)
    );

    app.relay.follow(Script::accepting());
    app.run(["relay", "test"]).succeeded();
    app.configure(|settings| settings.url = Some("smtp://localhost:{port}?tls=required".to_owned()));
    app.run(["relay", "test"])
        .failed_with(1)
        .prints(&["STARTTLS", "smtps://"]);
}

#[test]
fn a_name_or_an_issuer_that_does_not_fit_ends_the_conversation_before_it_begins() {
    let app = app();
    let (ours, theirs) = (Authority::new("Ours"), Authority::new("Theirs"));
    let file = app.write("ca.pem", &ours.pem);
    let configure = |more: &str| {
        app.configure(|settings| {
            settings.url = Some("smtps://ann:secret@localhost:{port}".to_owned());
            settings.more = more.to_owned();
        });
    };
    configure(&format!("ca_file = \"{}\"\n", file.display()));
    let script = |issued: &tidings_tests::Issued| {
        Script::accepting()
            .implicit_tls(&issued.identity())
            .login("ann", "secret")
    };

    app.relay.follow(script(&theirs.issue(&["localhost"])));
    app.run(["relay", "test"])
        .failed_with(1)
        .prints(&["issued by nobody who is trusted", "ca_file"]);
    app.relay
        .follow(script(&ours.issue(&["mail.example.net", "smtp.example.net"])));
    let other = app.run(["relay", "test"]).failed_with(1);
    let other = other.prints(&["not for localhost", "mail.example.net, smtp.example.net"]);
    assert!(
        !other.to_string().contains("AUTH"),
        "the conversation went on: {other}"
    );

    configure("certificate_check = \"none\"\n");
    app.run(["relay", "test"])
        .succeeded()
        .prints(&["certificate_check is none", "AUTH PLAIN"]);
}

#[test]
fn a_client_certificate_is_shown_to_a_relay_that_wants_one() {
    let app = app();
    let authority = Authority::new("The Test's Authority");
    let relays = authority.issue(&["localhost"]);
    app.relay
        .follow(Script::accepting().implicit_tls(&relays.identity_asking(&authority)));
    let ca = app.write("ca.pem", &authority.pem);
    app.configure(|settings| {
        settings.url = Some("smtps://localhost:{port}".to_owned());
        settings.more = format!("ca_file = \"{}\"\n", ca.display());
    });
    app.run(["relay", "test"])
        .failed_with(1)
        .prints(&["client certificate", "client_certificate"]);

    let ours = authority.issue(&["news.example.com"]);
    let (certificate, key) = (
        app.write("our.pem", &ours.certificate),
        app.write("our.key", &ours.key),
    );
    more(
        &app,
        &format!(
            "client_certificate = \"{}\"\nclient_key = \"{}\"\n",
            certificate.display(),
            key.display()
        ),
    );
    send_to(&app, 20);

    let another = app.write("our.key", &authority.issue(&["news.example.com"]).key);
    app.run(["campaign", "list"]).failed_with(1).says(&[
        "primary",
        "do not belong together",
        &another.to_string_lossy(),
    ]);
}

#[test]
fn a_relay_with_an_older_tls_than_1_2_is_not_talked_to() {
    let app = app();
    // A ServerHello of TLS 1.1, as far as it is needed.
    let mut hello = vec![0x16, 0x03, 0x02, 0x00, 0x2a, 0x02, 0x00, 0x00, 0x26, 0x03, 0x02];
    hello.extend([7; 32]);
    hello.extend([0x00, 0x00, 0x2f, 0x00]);
    app.relay
        .follow(Script::accepting().rule(Rule::garbage(Moment::Greeting, &hello)));
    app.configure(|settings| settings.url = Some("smtps://localhost:{port}".to_owned()));
    app.run(["relay", "test"]).failed_with(1).prints(&["TLS 1.2"]);
}

// ---- AUTH

#[test]
fn login_is_used_where_plain_is_not_offered_or_it_is_wished() {
    let app = app();
    let script = |mechanisms: &[Mechanism]| {
        Script::accepting()
            .login("ann", "pässword")
            .mechanisms(mechanisms)
    };
    app.configure(|settings| {
        settings.url = Some("smtp://ann:p%C3%A4ssword@127.0.0.1:{port}?tls=never".to_owned())
    });
    app.relay.follow(script(&[Mechanism::Login, Mechanism::Xoauth2]));
    app.run(["relay", "test"]).succeeded().prints(&["AUTH LOGIN"]);
    app.relay.follow(script(&[Mechanism::Login, Mechanism::Plain]));
    app.run(["relay", "test"]).succeeded().prints(&["AUTH PLAIN"]);
    more(&app, "auth = \"login\"\n");
    app.run(["relay", "test"]).succeeded().prints(&["AUTH LOGIN"]);
    app.relay.follow(script(&[Mechanism::Plain]));
    app.run(["relay", "test"])
        .failed_with(1)
        .prints(&["offers PLAIN and not LOGIN"]);
}

#[test]
fn credentials_do_not_go_out_in_clear_text_unless_that_is_said() {
    let app = app();
    app.relay.follow(Script::accepting().login("ann", "secret"));
    app.configure(|settings| {
        settings.url = Some("smtp://ann:secret@localhost:{port}?tls=opportunistic".to_owned());
    });
    let refused = app.run(["--json", "relay", "test"]).failed_with(1);
    let refused = refused.prints(&["clear text", "auth_over_clear_text"]);
    assert!(!refused.to_string().contains("C: AUTH"), "{refused}");
    more(&app, "auth_over_clear_text = true\n");
    app.run(["relay", "test"]).succeeded().prints(&["AUTH PLAIN"]);
}

on_both_engines!(
    a_relay_that_cannot_check_logins_just_now_costs_nobody_an_attempt,
    |app| {
        let busy = Rule::auth(Reply::new(454, "4.7.0", "try later")).first(2);
        app.relay
            .follow(Script::accepting().login("ann", "secret").rule(busy));
        app.configure(|settings| {
            settings.url = Some("smtp://ann:secret@127.0.0.1:{port}?tls=never".to_owned())
        });
        app.import("readers", 30);
        let campaign = app.campaign("readers");
        let show = app.send(campaign);
        assert_eq!(show.count("accepted"), 30, "{show}");
        for row in app.deliveries(campaign, "accepted") {
            assert_eq!(row["attempts"], 1, "{row}");
        }
    }
);

#[test]
fn a_token_is_fetched_once_for_all_sessions_and_renewed_when_the_relay_refuses_it() {
    let app = app();
    let count = app.folder().join("count");
    // A script of its own spares the quotes of three languages.
    let script = app.write(
        "token.sh",
        &format!(
            "echo x >> {0}\nprintf '{{\"access_token\": \"token-%d\", \"expires_in\": 3600}}' $(wc -l < {0})\n",
            count.display()
        ),
    );
    let command = format!("sh {}", script.display());
    app.configure(|settings| {
        settings.url = Some("smtp://ann@127.0.0.1:{port}?tls=never".to_owned());
        settings.more =
            format!("auth = \"xoauth2\"\ntoken_command = \"{command}\"\nmessages_per_session = 10\n");
    });
    let fetched = || {
        std::fs::read_to_string(&count)
            .unwrap_or_default()
            .lines()
            .count()
    };
    let script = |good: &'static str| {
        Script::accepting()
            .tokens(move |user, token| user == "ann" && token == good)
            .pace(100.0)
    };
    app.relay.follow(script("token-1"));
    app.import("readers", 300);
    let campaign = app.campaign("readers");
    let sending = app.start_sending(campaign);
    wait_until("mail flows", 30, || app.relay.accepted_count() > 50);
    assert_eq!(fetched(), 1);
    // The first token is revoked before its time.
    app.relay.follow(script("token-2"));
    let show = Show(sending.wait(App::PATIENCE).succeeded().json());
    assert_eq!(show.count("accepted") + show.count("unknown"), 300, "{show}");
    assert_eq!(fetched(), 2);
}

#[test]
fn a_refused_token_is_explained_and_shown_nowhere() {
    let app = app();
    let file = app.write("token", &"swordfish".repeat(100));
    app.relay.follow(Script::accepting().tokens(|_, _| false));
    app.configure(|settings| {
        settings.url = Some("smtp://ann@127.0.0.1:{port}?tls=never".to_owned());
        settings.more = format!("token_file = \"{}\"\n", file.display());
    });
    let refused = app.run(["-vvv", "--json", "relay", "test"]).failed_with(1);
    let refused = refused.prints(&["535", "401", "password or token", "C: (secret)"]);
    // The token in base64 begins behind `user=ann^Aauth=Bearer `.
    assert!(!refused.to_string().contains("swordfish") && !refused.to_string().contains("c3dvcmRmaXNo"));
    assert_eq!(app.relay.counts().bad_commands, 0, "no empty line was sent");
}

#[test]
fn a_token_command_that_fails_is_told_in_words() {
    let app = app();
    app.relay.follow(Script::accepting().tokens(|_, _| true));
    app.configure(|settings| {
        settings.url = Some("smtp://ann@127.0.0.1:{port}?tls=never".to_owned());
        settings.more = "token_command = \"echo refresh token expired >&2; exit 7\"\n".to_owned();
    });
    app.run(["relay", "test"])
        .failed_with(1)
        .prints(&["token_command failed", "refresh token expired"]);
}

// ---- Sessions

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
