//! Every refusal names the place and what to do, and leaves the database as it was.

use tidings_tests::{App, on_both_engines};

/// Everything that a refused command could have left behind.
fn rows(app: &App) -> i64 {
    let tables = [
        "lists",
        "recipients",
        "subscriptions",
        "imports",
        "templates",
        "campaigns",
        "deliveries",
        "suppressions",
    ];
    let counts: Vec<String> = tables
        .iter()
        .map(|table| format!("(SELECT count(*) FROM {table})"))
        .collect();
    app.database.number(&format!("SELECT {}", counts.join(" + ")))
}

/// Runs a command that must fail with 1 and these words, and change nothing.
#[track_caller]
fn refused(app: &App, arguments: &[&str], words: &[&str]) {
    let before = rows(app);
    app.run(arguments).failed_with(1).says(words);
    assert_eq!(rows(app), before, "{arguments:?} left something behind");
}

on_both_engines!(
    an_unknown_key_of_the_configuration_is_named_with_its_section,
    |app| {
        app.import("readers", 1);
        app.configure(|settings| settings.more = "[smtp]\nhost = \"relay.example.net\"\n".to_owned());
        refused(app, &["campaign", "list"], &["tidings.toml", "smtp"]);
        app.configure(|settings| settings.more = "colour = \"blue\"\n".to_owned());
        // The last section of the file is the relay's.
        refused(app, &["campaign", "list"], &["tidings.toml", "colour", "relay"]);
    }
);

on_both_engines!(a_wrong_value_of_the_configuration_is_named_with_its_key, |app| {
    app.import("readers", 1);
    app.configure(|settings| settings.rate = Some("fast".to_owned()));
    refused(app, &["campaign", "list"], &["tidings.toml", "rate", "fast"]);
    app.configure(|settings| {
        settings.rate = None;
        settings.lease = "soon".to_owned();
    });
    refused(app, &["campaign", "list"], &["tidings.toml", "lease"]);
});

on_both_engines!(a_wrong_use_of_the_command_line_ends_with_2, |app| {
    app.run(["campaign", "explode", "1"]).failed_with(2);
    app.run(["import"]).failed_with(2);
    app.run(["campaign", "show", "first"]).failed_with(2);
});

on_both_engines!(a_broken_template_is_refused_with_its_place, |app| {
    app.import("readers", 1);
    let broken = app.write("broken.html", "<p>Dear\n{{#if name}}</p>\n");
    refused(
        app,
        &["template", "add", "spring", "--html", &broken.to_string_lossy()],
        &["broken.html:"],
    );
    refused(
        app,
        &["template", "add", "spring", "--html", "absent.html"],
        &["absent.html"],
    );
});

on_both_engines!(
    a_template_with_a_variable_that_no_recipient_has_is_named_when_it_is_rendered,
    |app| {
        app.import("readers", 1);
        let html = app.write("plan.html", "<p>Dear {{name}},</p>\n<p>your {{plan}}</p>\n");
        app.run(["template", "add", "plan", "--html", &html.to_string_lossy()])
            .succeeded();
        let render = ["template", "render", "plan", "--recipient", "reader1@example.org"];
        refused(app, &render, &["plan", ":2:"]);
        refused(
            app,
            &["template", "render", "plan", "--recipient", "nobody@example.org"],
            &["nobody@example.org"],
        );
    }
);

on_both_engines!(what_does_not_exist_is_named, |app| {
    app.import("readers", 1);
    let campaign = app.campaign("readers");
    refused(
        app,
        &["import", "absent.csv", "--list", "readers"],
        &["absent.csv"],
    );
    refused(app, &["campaign", "show", "999"], &["999"]);
    refused(app, &["campaign", "send", "999"], &["999"]);
    refused(app, &["campaign", "pause", "999"], &["999"]);
    let create = [
        "campaign",
        "create",
        "--name",
        "N",
        "--subject",
        "S",
        "--from",
        "news@example.com",
    ];
    refused(
        app,
        &[&create[..], &["--list", "nowhere", "--template", "spring"]].concat(),
        &["nowhere"],
    );
    refused(
        app,
        &[&create[..], &["--list", "readers", "--template", "nothing"]].concat(),
        &["nothing"],
    );
    let from = [
        "campaign",
        "create",
        "--name",
        "N",
        "--subject",
        "S",
        "--from",
        "not an address",
    ];
    refused(
        app,
        &[&from[..], &["--list", "readers", "--template", "spring"]].concat(),
        &["not an address"],
    );
    assert_eq!(app.show(campaign).state(), "draft");
});

on_both_engines!(
    a_list_that_does_not_exist_is_not_made_by_an_import_that_fails,
    |app| {
        app.import("readers", 1);
        let file = app.write("nameless.csv", "name,city\nAnn,York\nBob,Leeds\n");
        refused(
            app,
            &["import", &file.to_string_lossy(), "--list", "new"],
            &["nameless.csv"],
        );
    }
);

on_both_engines!(a_database_that_cannot_be_opened_is_named, |app| {
    let mut command = app.command(["campaign", "list"]);
    command.env_remove("TIDINGS_DATABASE");
    let words: Vec<String> = command
        .get_args()
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    let wrong = words.iter().map(|word| match word == app.database.url() {
        true => "oracle://nowhere/tidings",
        false => word.as_str(),
    });
    let mut refused = std::process::Command::new(command.get_program());
    refused.args(wrong);
    let output = app.spawn_command(refused).wait(App::PATIENCE);
    assert!(!output.status.success(), "{output}");
    output.says(&["oracle"]);
});
