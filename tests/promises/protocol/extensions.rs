//! What a relay announces, and only that, is used.

use super::*;

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
