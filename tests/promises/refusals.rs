//! A command that is refused says why and changes nothing.

use std::process::Command;
use std::time::{Duration, Instant};
use tidings_tests::script::Script;
use tidings_tests::{App, Engine, Output, Yardstick, on_both_engines};

on_both_engines!(
    a_campaign_that_may_not_be_sent_beside_a_server_stays_a_draft,
    |app| {
        app.import("readers", 20);
        let campaign = app.campaign("readers");
        let server = app.serve();
        let sent = app.run(["campaign", "send", &campaign.to_string()]);
        if app.engine == Engine::Postgres {
            // There, any number of processes may send.
            sent.succeeded();
            assert_eq!(app.relay.reached_once().len(), 20);
            return;
        }
        sent.failed_with(1).says(&["already sending", "--now"]);
        std::thread::sleep(Duration::from_secs(2));
        let show = app.show(campaign);
        assert_eq!((show.state(), show.planned()), ("draft", 0), "{show}");
        assert_eq!(app.relay.accepted_count(), 0);
        drop(server);
    }
);

/// `campaign create` with a small template and these options.
fn create(app: &App, options: &[&str]) -> Output {
    let mut words = vec!["campaign", "create", "--list", "readers", "--template", "spring"];
    for default in [
        ["--name", "N"],
        ["--from", "news@example.com"],
        ["--subject", "S"],
    ] {
        if !options.contains(&default[0]) {
            words.extend(default);
        }
    }
    words.extend(options);
    app.run(words)
}

on_both_engines!(a_campaign_that_would_make_bad_mail_is_not_created, |app| {
    app.import("readers", 2);
    app.campaign("readers");
    create(app, &["--reply-to", "Ann <ann@example.com>"]).succeeded();
    for (option, value, word) in [
        ("--from", "<a@example.com>, <b@example.com>", "more than one"),
        ("--from", "Änn <änn@example.com>", "ASCII"),
        ("--reply-to", "änn@example.com", "ASCII"),
        ("--subject", " ", "empty"),
        ("--name", "two\nlines", "line breaks"),
    ] {
        create(app, &[option, value]).failed_with(1).says(&[option, word]);
    }
    assert_eq!(app.database.number("SELECT count(*) FROM campaigns"), 2);
});

on_both_engines!(
    a_template_that_could_work_for_nobody_is_refused_wherever_it_comes,
    |app| {
        app.import("readers", 2);
        let campaign = app.campaign("readers");
        let html = app.write("loud.html", "<p>Hi</p>\n<p>{{uppercase name}}</p>");
        app.run(["template", "add", "loud", "--html", &html.to_string_lossy()])
            .failed_with(1)
            .says(&["loud.html:2:", "`uppercase`"]);
        create(app, &["--subject", "{{first name}}"])
            .failed_with(1)
            .says(&["--subject", "{{[first name]}}"]);
        // As an older version may have left it.
        app.database
            .execute("UPDATE templates SET html = '{{uppercase name}}'");
        for command in [["schedule", "--now"], ["send", ""]] {
            let id = campaign.to_string();
            let words = ["campaign", command[0], &id, command[1]];
            app.run(words.into_iter().filter(|word| !word.is_empty()))
                .failed_with(1)
                .says(&["spring", ":1:", "`uppercase`"]);
        }
        assert_eq!(app.show(campaign).state(), "draft");
    }
);

on_both_engines!(a_column_called_like_a_helper_is_merged, |app| {
    app.relay.follow(Script::accepting().keep_content(100_000));
    app.import_csv("readers", "email,raw,or\nann@example.org,first,second\n");
    let html = app.write(
        "columns.html",
        "<p>{{raw}}-{{or}}</p><a href=\"{{unsubscribe_url}}\">Unsubscribe</a>",
    );
    let add = ["template", "add", "spring", "--html", &html.to_string_lossy()];
    app.run(add).succeeded();
    let created = app
        .run([
            "--json",
            "campaign",
            "create",
            "--name",
            "N",
            "--list",
            "readers",
            "--template",
            "spring",
            "--subject",
            "{{raw}}",
            "--from",
            "news@example.com",
        ])
        .succeeded()
        .json();
    app.send(created["id"].as_i64().unwrap());
    let content = &app.relay.contents_for("ann@example.org")[0];
    assert!(content.contains("Subject: first\r\n"), "{content}");
    assert!(content.contains("<p>first-second</p>"), "{content}");
});

on_both_engines!(what_only_reads_makes_no_database, |app| {
    let empty = app.folder().join("nowhere");
    let rows = app.write("rows.csv", "email\nann@example.org\nno address\n");
    let rows = rows.to_string_lossy();
    let run = |words: &[&str]| {
        let mut command = Command::new(app.command(["list"]).get_program());
        command
            .args(["--data", &empty.to_string_lossy(), "--json"])
            .args(words)
            .current_dir(app.folder());
        app.spawn_command(command).wait(App::PATIENCE)
    };
    for words in [
        &["campaign", "list"][..],
        &["campaign", "show", "1"],
        &["template", "list"],
        &["stats", "bounces"],
    ] {
        run(words)
            .failed_with(1)
            .says(&["there is no database", "nowhere"]);
    }
    let counted = run(&["import", &rows, "--list", "readers", "--dry-run"]).succeeded();
    let json = counted.json();
    assert_eq!(
        (&json["created"], &json["rejected"]),
        (&1.into(), &1.into()),
        "{counted}"
    );
    assert!(!empty.exists(), "a folder was made");
});

on_both_engines!(rejects_are_kept_where_there_was_no_data_folder, |app| {
    let rows = app.write("rows.csv", "email\nann@example.org\nno address\n");
    let mut command = Command::new(app.command(["list"]).get_program());
    command
        .args(["--data", &app.folder().join("new").to_string_lossy(), "--json"])
        .args(["--database", app.database.url()])
        .args(["import", &rows.to_string_lossy(), "--list", "readers"]);
    let imported = app.spawn_command(command).wait(App::PATIENCE).succeeded();
    let file = imported.json()["rejects_file"].as_str().unwrap().to_owned();
    assert!(std::fs::read_to_string(file).unwrap().contains("no address"));
});

on_both_engines!(an_import_that_cannot_keep_its_rejects_imports_nothing, |app| {
    let rows = app.write("rows.csv", "email\nann@example.org\nno address\n");
    let rows = rows.to_string_lossy();
    let missing = app.folder().join("missing/rejects.csv");
    app.run([
        "import",
        &rows,
        "--list",
        "readers",
        "--rejects",
        &missing.to_string_lossy(),
    ])
    .failed_with(1)
    .says(&["rejects.csv"]);
    let file = app.write("not-a-folder", "");
    let mut command = Command::new(app.command(["list"]).get_program());
    command
        .args(["--data", &file.to_string_lossy()])
        .args(["--database", app.database.url()])
        .args(["import", &rows, "--list", "readers"]);
    app.spawn_command(command)
        .wait(App::PATIENCE)
        .failed_with(1)
        .says(&["--rejects"]);
    assert_eq!(app.database.number("SELECT count(*) FROM recipients"), 0);
});

#[test]
fn a_postgresql_that_is_away_is_told_with_its_cause_at_once() {
    let app = App::start(Engine::Sqlite);
    let mut command = Command::new(app.command(["list"]).get_program());
    command.args([
        "--database",
        "postgres://nobody@127.0.0.1:1/none",
        "campaign",
        "list",
    ]);
    let (begun, yardstick) = (Instant::now(), Yardstick::begin());
    app.spawn_command(command)
        .wait(App::PATIENCE)
        .failed_with(1)
        .says(&["127.0.0.1:1", "refused"]);
    let (took, excuse) = (begun.elapsed(), yardstick.end().excuse());
    assert!(
        took < Duration::from_secs(5) + excuse,
        "{took:?}; the machine excuses {excuse:?}"
    );
}
