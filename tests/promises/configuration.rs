//! What is wrong with the configuration is said in one go, with its place, in words for people.

use std::process::Command;
use tidings_tests::{App, on_both_engines};

on_both_engines!(a_bad_variable_is_named, |app| {
    for (variable, value, words) in [
        ("TIDINGS_RETRY_FACTOR", "x", ["TIDINGS_RETRY_FACTOR", "a number"]),
        ("TIDINGS_RETRY_FIRST", "soon", ["TIDINGS_RETRY_FIRST", "30s"]),
        ("TIDINGS_RELAY_RATE", "5/s,fast", ["TIDINGS_RELAY_RATE", "fast"]),
    ] {
        let mut command = app.command(["campaign", "list"]);
        command.env(variable, value);
        app.spawn_command(command)
            .wait(App::PATIENCE)
            .failed_with(1)
            .says(&words);
    }
});

on_both_engines!(json_and_lists_of_rates_can_be_asked_for_by_variable, |app| {
    app.import("readers", 1);
    let mut command = app.command(["campaign", "list"]);
    command
        .env("TIDINGS_JSON", "1")
        .env("TIDINGS_RELAY_RATE", "5/s,10/h");
    let listed = app.spawn_command(command).wait(App::PATIENCE).succeeded();
    assert_eq!(listed.json(), serde_json::json!([]));
});

on_both_engines!(
    a_check_looks_at_everything_that_serve_would_refuse_even_if_the_database_fails,
    |app| {
        let text = format!(
            "public_url = \"http://news.example.com\"\n\
             [[relay]]\nname = \"primary\"\nurl = \"smtp://{}?tls=never\"\n",
            app.relay.address()
        );
        app.write("tidings.toml", &text);
        let mut away = Command::new(app.command(["check"]).get_program());
        away.arg("--data").arg(app.folder()).arg("check");
        away.args(["--database", "postgres://nobody@127.0.0.1:1/none"]);
        for command in [app.command(["check"]), away] {
            let checked = app.spawn_command(command).wait(App::PATIENCE).failed_with(1);
            for part in ["RFC 8058", "relay primary"] {
                assert!(checked.stdout.contains(part), "`{part}` is missing\n{checked}");
            }
        }
    }
);
