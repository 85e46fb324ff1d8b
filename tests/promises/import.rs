//! An import takes what can be taken, says what cannot and why, and brings nobody back who has left.

use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};
use tidings_tests::{App, on_both_engines};

const COUNTS: [&str; 7] = [
    "rows",
    "created",
    "updated",
    "unchanged",
    "duplicates",
    "suppressed",
    "rejected",
];

/// Imports into the list `readers` and returns the counts, in the order of [`COUNTS`], which must add up.
#[track_caller]
fn import(app: &App, rows: &str, options: &[&str]) -> ([i64; 7], Value) {
    let file = app.write("import.csv", rows);
    let mut arguments = vec!["--json", "import", file.to_str().unwrap(), "--list", "readers"];
    arguments.extend(options);
    let summary = app.run(arguments).succeeded().json();
    (counts(&summary), summary)
}

#[track_caller]
fn counts(summary: &Value) -> [i64; 7] {
    let counts = COUNTS.map(|name| {
        summary[name]
            .as_i64()
            .unwrap_or_else(|| panic!("no {name}: {summary}"))
    });
    assert_eq!(
        counts[0],
        counts[1..].iter().sum::<i64>(),
        "the counts do not add up: {summary}"
    );
    counts
}

fn recipients(app: &App) -> i64 {
    app.database.number("SELECT COUNT(*) FROM recipients")
}

on_both_engines!(an_import_says_how_many_rows_it_read_took_and_rejected, |app| {
    let file = app.write("three.csv", "email\nann@example.org\nnobody\nno address\n");
    let arguments = ["import", file.to_str().unwrap(), "--list", "readers"];
    let tried = app.run([&arguments[..], &["--dry-run"]].concat()).succeeded();
    let words = "3 rows read in ";
    for part in [
        words,
        ": 1 would be imported into the list \"readers\", 2 rejected\n",
    ] {
        assert!(tried.stdout.contains(part), "{part} is missing: {tried}");
    }
    let imported = app.run(arguments).succeeded();
    for part in [words, ": 1 imported into the list \"readers\", 2 rejected\n"] {
        assert!(imported.stdout.contains(part), "{part} is missing: {imported}");
    }
    let again = app.write("one.csv", "email\nann@example.org\n");
    let again = app.run(["import", again.to_str().unwrap(), "--list", "readers"]);
    let words = ": 1 imported into the list \"readers\"\n";
    assert!(again.succeeded().stdout.contains(words));
});

on_both_engines!(every_row_is_counted_once, |app| {
    assert_eq!(import(app, "email\nnobody\n", &[]).0, [1, 0, 0, 0, 0, 0, 1]);
    app.database.execute(
        "INSERT INTO suppressions (address_key, reason, evidence, created_at) \
         VALUES ('gone@example.org', 'address', 'test', 0)",
    );
    let rows = "email,name,zip\nann@example.org,Ann,01067\nANN@EXAMPLE.ORG,Again,1\nGone@example.org,Gus,2\n\
                no address,Bob,3\nbob@example.org,Bob,4\ngone@example.org,Gus,2\n";
    assert_eq!(import(app, rows, &[]).0, [6, 2, 0, 0, 1, 2, 1]);
    let rows =
        "email,name,zip\nann@example.org,Ann,01067\nBob@example.org,Robert,4\ncarl@example.org,Carl,5\n";
    assert_eq!(import(app, rows, &[]).0, [3, 1, 1, 1, 0, 0, 0]);
    assert_eq!(recipients(app), 3);
});

on_both_engines!(columns_of_the_file_overwrite_and_all_others_stay, |app| {
    import(
        app,
        "email,name,zip,city\nann@example.org,Ann,01067,Dresden\n",
        &[],
    );
    let (counts, _) = import(
        app,
        "email,age,city\nann@example.org,41,Bern\n",
        &["--map", "age=age:number"],
    );
    assert_eq!(counts, [1, 0, 1, 0, 0, 0, 0]);
    let as_it_should_be = app.database.number(
        "SELECT COUNT(*) FROM recipients WHERE name = 'Ann' \
         AND attributes = '{\"age\":41,\"city\":\"Bern\",\"zip\":\"01067\"}'",
    );
    assert_eq!(as_it_should_be, 1);
});

on_both_engines!(an_import_brings_nobody_back, |app| {
    let rows = "email,name\nann@example.org,Ann\nbob@example.org,Bob\n";
    import(app, rows, &[]);
    app.database.execute(
        "UPDATE subscriptions SET state = 'unsubscribed' WHERE recipient_id = \
         (SELECT id FROM recipients WHERE address_key = 'ann@example.org')",
    );
    assert_eq!(import(app, rows, &[]).0, [2, 0, 0, 2, 0, 0, 0]);
    assert_eq!(
        import(app, "email,name\nann@example.org,Anna\n", &[]).0,
        [1, 0, 1, 0, 0, 0, 0]
    );
    let confirmed = "SELECT COUNT(*) FROM subscriptions WHERE state = 'confirmed'";
    assert_eq!(app.database.number(confirmed), 1);
});

on_both_engines!(a_dry_run_counts_the_same_and_changes_nothing, |app| {
    import(app, "email,name\nann@example.org,Ann\nbob@example.org,Bob\n", &[]);
    let rows = "email,name\nann@example.org,Anna\nbob@example.org,Bob\ncarl@example.org,Carl\nCARL@example.org,C\nx,y\n";
    let before = app.database.number("SELECT COUNT(*) FROM imports");
    let (dry, summary) = import(app, rows, &["--dry-run"]);
    assert_eq!(summary["rejects_file"], Value::Null);
    assert_eq!(
        (
            recipients(app),
            app.database.number("SELECT COUNT(*) FROM imports")
        ),
        (2, before)
    );
    let (real, _) = import(app, rows, &[]);
    assert_eq!(dry, real);
    assert_eq!(real, [5, 1, 1, 1, 1, 0, 1]);
});

on_both_engines!(a_dry_run_makes_no_list, |app| {
    app.import_csv("others", "email\nnobody\n");
    assert_eq!(
        import(app, "email\nann@example.org\n", &["--dry-run"]).0,
        [1, 1, 0, 0, 0, 0, 0]
    );
    assert_eq!(app.database.number("SELECT COUNT(*) FROM lists"), 1);
});

on_both_engines!(rejected_rows_are_kept_with_line_reason_and_original_text, |app| {
    let rows = "email;name;age\nann@example.org;Ann;41\nbob@example;\"Bob; the \"\"tall\"\"\";7\n\
                carl@example.org;\"Carl;3\ndora@example.org;Dora;old\n";
    let (counts, summary) = import(app, rows, &["--map", "age=age:number"]);
    assert_eq!(counts, [4, 1, 0, 0, 0, 0, 3]);
    assert_eq!(
        (&summary["delimiter"], &summary["email_column"]),
        (&json!("semicolon"), &json!("email"))
    );
    let path = app.folder().join(summary["rejects_file"].as_str().unwrap());
    let mut reader = csv::Reader::from_path(path).unwrap();
    assert_eq!(reader.headers().unwrap(), vec!["line", "reason", "row"]);
    let rejects: Vec<[String; 3]> = reader.deserialize().map(Result::unwrap).collect();
    let lines: Vec<(&str, &str)> = rejects
        .iter()
        .map(|[line, _, row]| (line.as_str(), row.as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            ("3", "bob@example;\"Bob; the \"\"tall\"\"\";7"),
            ("4", "carl@example.org;\"Carl;3"),
            ("5", "dora@example.org;Dora;old"),
        ]
    );
    for ([_, reason, _], word) in
        rejects
            .iter()
            .zip(["no dot in its domain", "never closed", "`old` is not a number"])
    {
        assert!(reason.contains(word), "{reason}");
    }
});

on_both_engines!(several_files_and_standard_input_count_as_one_import, |app| {
    let first = app.write("first.csv", "email\nann@example.org\nbob@example.org\n");
    let mut command: Command = app.command([
        "--json",
        "import",
        first.to_str().unwrap(),
        "-",
        "--list",
        "readers",
    ]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all("Mail\tName\nbob@example.org\tBob\ncarl@example.org\tCarl\n".as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counts(&summary), [4, 3, 0, 0, 1, 0, 0]);
});

on_both_engines!(
    a_file_that_cannot_be_taken_is_refused_before_anything_is_written,
    |app| {
        let good = app.write("good.csv", "email\nann@example.org\n");
        let empty = app.write("empty.csv", "");
        let header = app.write("header.csv", "email,name\n\n");
        let two = app.write("two.csv", "email,e-mail\nann@example.org,bob@example.org\n");
        let good = good.to_str().unwrap();
        for (arguments, words) in [
            (vec![good, "absent.csv"], vec!["absent.csv"]),
            (vec![good, empty.to_str().unwrap()], vec!["empty.csv", "is empty"]),
            (
                vec![good, header.to_str().unwrap()],
                vec![
                    "header.csv",
                    "line 1 is the header",
                    "export or save it again",
                    "--header false",
                ],
            ),
            (vec![good, "."], vec!["is a folder"]),
            (
                vec![two.to_str().unwrap()],
                vec!["two.csv", "#1 `email`, #2 `e-mail`", "--map \"Column=email\""],
            ),
            (
                vec![good, "--map", "Town=city"],
                vec!["good.csv", "no column `Town`", "`email`"],
            ),
            (vec![good, "--rejects", good], vec!["--rejects would overwrite"]),
        ] {
            let mut command = vec!["import", "--list", "readers"];
            command.extend(arguments);
            app.run(command).failed_with(1).says(&words);
        }
        assert_eq!(app.database.number("SELECT COUNT(*) FROM lists"), 0);
        assert_eq!(recipients(app), 0);
        assert_eq!(std::fs::read_to_string(good).unwrap(), "email\nann@example.org\n");
    }
);

on_both_engines!(standard_input_without_rows_is_refused_and_leaves_nothing, |app| {
    for (written, words) in [
        (
            "email,name\n",
            [
                "standard input",
                "line 1 is the header, and no row comes after it",
            ],
        ),
        ("", ["standard input", "is empty"]),
    ] {
        let mut command: Command = app.command(["import", "-", "--list", "readers"]);
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(written.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        for word in words {
            assert!(said.contains(word), "{said}");
        }
    }
    for table in ["lists", "imports"] {
        assert_eq!(
            app.database.number(&format!("SELECT COUNT(*) FROM {table}")),
            0,
            "{table}"
        );
    }
    let left = std::fs::read_dir(app.folder()).unwrap().flatten();
    let copies = left.filter(|entry| entry.file_name().to_string_lossy().starts_with("incoming-"));
    assert_eq!(copies.count(), 0, "the copy of standard input");
});

on_both_engines!(a_repeated_address_is_a_duplicate_however_far_apart, |app| {
    let mut rows = String::from("email,name\n");
    for i in 0..45_000 {
        rows.push_str(&format!("reader{}@example.org,Reader\n", i % 25_000));
    }
    assert_eq!(
        import(app, &rows, &["--dry-run"]).0,
        [45_000, 25_000, 0, 0, 20_000, 0, 0]
    );
    assert_eq!(import(app, &rows, &[]).0, [45_000, 25_000, 0, 0, 20_000, 0, 0]);
    assert_eq!(import(app, &rows, &[]).0, [45_000, 0, 0, 25_000, 20_000, 0, 0]);
    assert_eq!(recipients(app), 25_000);
});
