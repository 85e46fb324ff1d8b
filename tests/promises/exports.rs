//! What is known can be taken elsewhere, and whom not to mail can be brought along.

use serde_json::{Value, json};
use tidings_tests::{App, on_both_engines};

fn export(app: &App, arguments: &[&str]) -> String {
    let mut words = vec!["export"];
    words.extend(arguments);
    app.run(words).succeeded().stdout
}

on_both_engines!(recipients_are_exported_with_a_column_for_every_attribute, |app| {
    app.import_csv("readers", "email,name,city,zip\nann@example.org,Ann,Bern,01067\n");
    app.import_csv(
        "others",
        "email,name,email note,vip\nbob@example.org,=cmd|' /C calc'!A0,-x,yes\n",
    );
    let rows = export(app, &["recipients"]);
    let mut reader = csv::Reader::from_reader(rows.as_bytes());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(
        header,
        [
            "email",
            "name",
            "created_at",
            "updated_at",
            "city",
            "email note",
            "vip",
            "zip"
        ]
    );
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(
        (&records[0][0], &records[0][4], &records[0][7]),
        ("ann@example.org", "Bern", "01067")
    );
    // A spreadsheet runs nothing of it.
    assert_eq!((&records[1][1], &records[1][5]), ("'=cmd|' /C calc'!A0", "'-x"));
    let lines = export(app, &["recipients", "--list", "readers", "--format", "jsonl"]);
    let ann: Value = serde_json::from_str(lines.trim()).unwrap();
    assert_eq!(ann["attributes"], json!({"city": "Bern", "zip": "01067"}));
    assert_eq!(ann["subscription"], "confirmed");
    // What was exported can be imported again, and changes nothing.
    let file = app.write("again.csv", &export(app, &["recipients", "--list", "readers"]));
    let summary = app
        .run([
            "--json",
            "import",
            file.to_str().unwrap(),
            "--list",
            "readers",
            "--map",
            "subscription=ignore",
        ])
        .succeeded()
        .json();
    assert_eq!(summary["rows"], 1);
    app.run(["export", "recipients", "--list", "nobody"])
        .failed_with(1)
        .says(&["there is no list `nobody`"]);
});

on_both_engines!(lists_consent_and_unsubscribes_are_exported, |app| {
    let file = app.write("people.csv", "email\nann@example.org\nbob@example.org\n");
    app.run([
        "import",
        file.to_str().unwrap(),
        "--list",
        "readers",
        "--consent",
        "the fair",
        "--by",
        "Ann",
    ])
    .succeeded();
    let consent = export(app, &["consent", "--list", "readers"]);
    assert!(
        consent.starts_with("email,list,state,since,import,files,imported_by,consent\n"),
        "{consent}"
    );
    assert_eq!(consent.matches(",confirmed,").count(), 2);
    assert_eq!(consent.matches(",Ann,the fair\n").count(), 2, "{consent}");
    let all = app.run(["--json", "export", "lists"]).succeeded().json();
    assert_eq!(
        (&all[0]["list"], &all[0]["confirmed"]),
        (&json!("readers"), &json!(2))
    );
    assert_eq!(
        export(app, &["unsubscribes"]),
        "email,at,campaign,how,scope,reason,comment,undone_at\n"
    );
});

on_both_engines!(suppressions_go_from_one_installation_to_another, |app| {
    app.import("readers", 3);
    app.run([
        "suppression",
        "add",
        "reader1@example.org",
        "--reason",
        "complaint",
        "--evidence",
        "a letter",
    ])
    .succeeded()
    .prints(&["reader1@example.org is suppressed now: complaint", "a letter"]);
    let list = app.write(
        "list.csv",
        "email,reason\nreader2@example.org,cleaned\nno address,\n",
    );
    let counts = app
        .run(["--json", "suppression", "import", list.to_str().unwrap()])
        .succeeded()
        .json();
    assert_eq!(
        (&counts["rows"], &counts["added"], &counts["rejected"]),
        (&json!(2), &json!(1), &json!(1))
    );
    let exported = app.run(["suppression", "export"]).succeeded().stdout;
    let hashes = app.run(["suppression", "export", "--hashes"]).succeeded().stdout;
    assert!(!hashes.contains('@') && hashes.lines().count() == 3, "{hashes}");
    let other = App::start(app.engine);
    other.import("readers", 3);
    let file = other.write("hashes.csv", &hashes);
    let counts = other
        .run(["--json", "suppression", "import", file.to_str().unwrap()])
        .succeeded()
        .json();
    assert_eq!(
        (&counts["added"], &counts["recipients_by_hash"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(
        other
            .run(["suppression", "export", "--hashes"])
            .succeeded()
            .stdout
            .lines()
            .count(),
        3
    );
    let campaign = other.campaign("readers");
    assert_eq!(other.send(campaign).0["planned"], 1);
    let third = App::start(app.engine);
    let file = third.write("suppressed.csv", &exported);
    third
        .run(["suppression", "import", file.to_str().unwrap()])
        .succeeded();
    third
        .run(["suppression", "show", "reader1@example.org"])
        .succeeded()
        .prints(&["complaint", "a letter"]);
    third
        .run(["suppression", "lift", "reader1@example.org"])
        .succeeded();
    third
        .run(["suppression", "lift", "reader1@example.org"])
        .failed_with(1)
        .says(&["is not suppressed"]);
});
