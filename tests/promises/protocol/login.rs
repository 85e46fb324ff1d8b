//! Logins: which mechanism, over what, and tokens that are fetched.

use super::*;

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
