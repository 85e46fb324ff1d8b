//! TLS: implicit, by STARTTLS, and what must be certain before anything is said.

use super::*;

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
