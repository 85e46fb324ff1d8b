//! What comes back is understood, and looking at it changes nothing.

use std::time::Duration;
use tidings_tests::{App, on_both_engines};

const BOUNCE: &str = "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.net\nSubject: Undelivered Mail\n\n<ann@example.org>: 550 5.1.1 user unknown\n";

on_both_engines!(a_bounce_is_classified_and_nothing_is_changed, |app| {
    let bounce = app.write("bounce.eml", BOUNCE).to_string_lossy().into_owned();
    let answer = app.write(
        "answer.eml",
        "From: ann@example.org\nSubject: Out of office\n\nback on Monday\n",
    );
    let printed = app
        .run(["bounce", "classify", &bounce, &answer.to_string_lossy()])
        .succeeded()
        .json_lines();
    assert_eq!(printed.len(), 2, "{printed:?}");
    assert_eq!(printed[0]["file"], bounce.as_str(), "{printed:?}");
    assert_eq!(printed[0]["kind"], "bounce", "{printed:?}");
    let recipient = &printed[0]["recipients"][0];
    for (field, value) in [
        ("address", "ann@example.org"),
        ("class", "hard"),
        ("cause", "address"),
        ("reason", "userunknown"),
        ("status", "5.1.1"),
        ("rule", "no-such-mailbox"),
    ] {
        assert_eq!(recipient[field], value, "{field} of {recipient}");
    }
    assert_eq!(recipient["code"], 550, "{recipient}");
    assert_eq!(printed[1]["kind"], "autoreply", "{printed:?}");
    app.run(["bounce", "classify", "no-such-file.eml"]).failed_with(1);
});

on_both_engines!(replies_are_classified_line_by_line, |app| {
    let lines =
        "550 5.7.1 Relay access denied\n\n{\"id\": \"second\", \"text\": \"452 4.2.2 mailbox is full\"}\n";
    let file = app.write("replies.txt", lines).to_string_lossy().into_owned();
    let printed = app
        .run(["bounce", "classify", "--replies", &file])
        .succeeded()
        .json_lines();
    assert_eq!(
        (&printed[0]["id"], &printed[0]["reason"]),
        (&1.into(), &"norelaying".into()),
        "{printed:?}"
    );
    assert_eq!(
        (&printed[1]["id"], &printed[1]["class"]),
        (&"second".into(), &"soft".into()),
        "{printed:?}"
    );
});

on_both_engines!(rules_of_the_operator_go_first_and_are_checked, |app| {
    let rule = "[[rule]]\nname = \"ours\"\nreason = \"suspend\"\nwords = [\"user unknown\"]\n";
    let rules = app.write("rules.toml", rule).to_string_lossy().into_owned();
    let bounce = app.write("bounce.eml", BOUNCE).to_string_lossy().into_owned();
    let with_rules = |app: &App, arguments: &[&str]| {
        let mut command = app.command(arguments);
        command.env("TIDINGS_FEEDBACK_RULES", &rules);
        app.spawn_command(command).wait(Duration::from_secs(30))
    };
    let printed = with_rules(app, &["bounce", "classify", &bounce])
        .succeeded()
        .json();
    assert_eq!(printed["recipients"][0]["rule"], "ours", "{printed}");

    app.write("rules.toml", &rule.replace("suspend", "gone"));
    let refused = with_rules(app, &["check"]).failed_with(1);
    for part in ["rules.toml", "ours", "gone"] {
        assert!(refused.stdout.contains(part), "{part} is missing in:\n{refused}");
    }
});
