//! An import takes what people have: spreadsheets, packed files, other tools' exports. What it cannot take it refuses
//! in words that say what to do, and leaves nothing behind.

use serde_json::{Value, json};
use std::io::{Cursor, Write};
use std::path::PathBuf;
use tidings_tests::{App, DnsServer, on_both_engines};

fn file(app: &App, name: &str, octets: &[u8]) -> String {
    let path: PathBuf = app.folder().join(name);
    std::fs::write(&path, octets).unwrap();
    path.to_str().unwrap().to_owned()
}

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, octets) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(octets).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// An OpenDocument spreadsheet with a sheet for each list of rows of texts.
fn ods(sheets: &[(&str, &[&[&str]])]) -> Vec<u8> {
    let cell = |text: &&str| {
        format!("<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>")
    };
    let row = |row: &&[&str]| {
        format!(
            "<table:table-row>{}</table:table-row>",
            row.iter().map(cell).collect::<String>()
        )
    };
    let sheets: String = sheets
        .iter()
        .map(|(name, rows)| {
            format!(
                "<table:table table:name=\"{name}\">{}</table:table>",
                rows.iter().map(row).collect::<String>()
            )
        })
        .collect();
    let content = format!("<office:document-content>{sheets}</office:document-content>");
    zip_of(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", content.as_bytes()),
    ])
}

#[track_caller]
fn import(app: &App, file: &str, options: &[&str]) -> Value {
    let mut arguments = vec!["--json", "import", file, "--list", "readers"];
    arguments.extend(options);
    app.run(arguments).succeeded().json()
}

fn number(app: &App, of: &str) -> i64 {
    app.database.number(&format!("SELECT COUNT(*) FROM {of}"))
}

on_both_engines!(
    a_packed_spreadsheet_is_imported_and_its_rows_are_told_by_place,
    |app| {
        let book = ods(&[(
            "People",
            &[&["email", "Name"], &["ann@example.org", "Ann"], &["bob", "Bob"]],
        )]);
        let path = file(app, "book.dat", &zip_of(&[("lists/book.ods", &book)]));
        let summary = import(app, &path, &[]);
        assert_eq!(
            (&summary["created"], &summary["rejected"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(
            (&summary["format"], &summary["part"], &summary["delimiter"]),
            (&json!("ods"), &json!("lists/book.ods/People"), &Value::Null)
        );
        let rejects = std::fs::read_to_string(app.folder().join(summary["rejects_file"].as_str().unwrap()));
        assert!(rejects.unwrap().contains(
            "3,\"sheet \"\"People\"\", row 3, column A (`email`): the address has no @ sign\",\"bob,Bob\""
        ));
        assert_eq!(number(app, "recipients WHERE name = 'Ann'"), 1);
    }
);

on_both_engines!(of_several_sheets_the_one_that_is_named_is_imported, |app| {
    let rows: &[&[&str]] = &[&["email"], &["ann@example.org"]];
    let others: &[&[&str]] = &[&["email"], &["bob@example.org"]];
    let path = file(app, "book.ods", &ods(&[("People", rows), ("Others", others)]));
    app.run(["import", &path, "--list", "readers"])
        .failed_with(1)
        .says(&[
            "book.ods",
            "several sheets in it: \"People\", \"Others\"",
            "--part \"People\"",
        ]);
    assert_eq!(number(app, "lists"), 0);
    let summary = import(app, &path, &["--part", "Others"]);
    assert_eq!(
        (&summary["created"], &summary["part"]),
        (&json!(1), &json!("Others"))
    );
    assert_eq!(number(app, "recipients WHERE address = 'bob@example.org'"), 1);
});

on_both_engines!(standard_input_may_be_packed, |app| {
    let mut command = app.command(["--json", "import", "-", "--list", "readers"]);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let octets = gzip(b"email\nann@example.org\n");
    child.stdin.take().unwrap().write_all(&octets).unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(number(app, "recipients"), 1);
});

on_both_engines!(a_pipe_that_has_a_name_is_read_once, |app| {
    let pipe = app.folder().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for (n, options) in [["--header", "true"].as_slice(), &["--dry-run"]]
        .into_iter()
        .enumerate()
    {
        let into = pipe.clone();
        let writer = std::thread::spawn(move || std::fs::write(into, b"email\nann@example.org\n"));
        let summary = import(app, pipe.to_str().unwrap(), options);
        writer.join().unwrap().unwrap();
        assert_eq!(
            (&summary["rows"], number(app, "recipients")),
            (&json!(1), 1),
            "{n}"
        );
    }
});

on_both_engines!(whoever_left_another_tool_is_suppressed_and_never_mailed, |app| {
    let listmonk = "uuid,email,name,attributes,status,created_at,updated_at\n\
         u1,ann@example.org,Ann,\"{\"\"age\"\":41}\",enabled,t,t\n\
         u2,bob@example.org,Bob,{},blocklisted,t,t\n\
         u3,Bob@example.org,Bob,{},enabled,t,t\n\
         u4,carl@example.org,Carl,{},asleep,t,t\n\
         u5,dora@example.org,Dora,{},disabled,t,t\n";
    let path = file(app, "subscribers.csv", listmonk.as_bytes());
    let counts = |summary: &Value| {
        ["rows", "created", "suppressed", "rejected"].map(|name| summary[name].as_i64().unwrap())
    };
    app.import_csv("others", "email\nnobody\n");
    app.database.execute(
        "INSERT INTO suppressions (address_key, reason, evidence, created_at) \
         VALUES ('dora@example.org', 'complaint', 'test', 0)",
    );
    let dry = import(app, &path, &["--dry-run"]);
    assert_eq!(number(app, "suppressions"), 1);
    let summary = import(app, &path, &[]);
    assert_eq!(counts(&summary), [5, 1, 3, 1]);
    assert_eq!(counts(&dry), counts(&summary));
    assert_eq!(summary["tool"], "listmonk");
    assert_eq!(number(app, "recipients WHERE attributes = '{\"age\":41}'"), 1);
    let suppressed = "suppressions WHERE address_key = 'bob@example.org' AND reason = 'blocklisted' \
                      AND evidence = 'export of listmonk, column status: blocklisted'";
    assert_eq!(number(app, suppressed), 1);
    app.run(["import", "--undo", &summary["import_id"].to_string()])
        .succeeded();
    assert_eq!(number(app, "suppressions WHERE reason = 'complaint'"), 1);
    assert_eq!((number(app, "suppressions"), number(app, "recipients")), (1, 0));
});

on_both_engines!(
    a_domain_that_takes_no_mail_is_rejected_if_that_is_asked_for,
    |app| {
        let dns = DnsServer::start();
        dns.mx("good.example.org", 10, "mx.example.org");
        dns.mx("null.example.org", 0, "");
        dns.address_of("host.example.org");
        app.configure(|settings| settings.dns = Some(dns.address()));
        let rows = "email,name\nann@good.example.org,Ann\nbob@null.example.org,Bob\nnobody,x\n\
                carl@gone.example.org,\"Carl, the \"\"Third\"\"\"\ndora@host.example.org,Dora\nemil@home.test,Emil\n\
                fay@good.example.org,Fay\n";
        let path = file(app, "people.csv", rows.as_bytes());
        let summary = import(app, &path, &["--check", "mx"]);
        assert_eq!(
            (&summary["created"], &summary["rejected"]),
            (&json!(4), &json!(3))
        );
        assert_eq!(
            (&summary["checks"]["no_mail"], &summary["checks"]["unanswered"]),
            (&json!(2), &json!(0))
        );
        let path = app.folder().join(summary["rejects_file"].as_str().unwrap());
        let rejects: Vec<[String; 3]> = csv::Reader::from_path(path)
            .unwrap()
            .deserialize()
            .map(Result::unwrap)
            .collect();
        for ([line, reason, row], (at, words, text)) in rejects.iter().zip([
            (
                "3",
                "null.example.org says that it takes no mail",
                "bob@null.example.org,Bob",
            ),
            ("4", "the address has no @ sign", "nobody,x"),
            (
                "5",
                "gone.example.org does not exist",
                "carl@gone.example.org,\"Carl, the \"\"Third\"\"\"",
            ),
        ]) {
            assert!(
                line == at && reason.contains(words) && row == text,
                "{line} {reason} {row}"
            );
        }
        let asked = dns.asked();
        let of_good = asked.iter().filter(|name| *name == "good.example.org").count();
        assert_eq!(of_good, 1, "{asked:?}");
    }
);

on_both_engines!(a_dns_that_is_away_rejects_nobody, |app| {
    let dns = DnsServer::start();
    dns.fall_silent();
    app.configure(|settings| settings.dns = Some(dns.address()));
    let path = file(
        app,
        "people.csv",
        b"email\nann@a.example.org\nbob@b.example.org\n",
    );
    let summary = import(app, &path, &["--check", "mx"]);
    assert_eq!(
        (&summary["created"], &summary["checks"]["unanswered"]),
        (&json!(2), &json!(2))
    );
    app.configure(|settings| settings.dns = None);
    app.run(["import", &path, "--list", "others", "--check", "mx"])
        .failed_with(1)
        .says(&["[dns] enabled = false"]);
});

on_both_engines!(
    what_is_worth_a_look_is_remarked_on_and_nothing_is_changed,
    |app| {
        let rows =
            "email\nann@gmial.com\ninfo@example.org\nbob@mailinator.com\ncarl@example.org\n=sum@gmial.com\n";
        let path = file(app, "people.csv", rows.as_bytes());
        let summary = import(app, &path, &["--check", "role,typos", "--dry-run"]);
        assert_eq!(summary["remarks_file"], Value::Null);
        let summary = import(app, &path, &["--check", "disposable,role,typos"]);
        assert_eq!(summary["created"], 5);
        let checks = &summary["checks"];
        assert_eq!(
            (&checks["typos"], &checks["role"], &checks["disposable"]),
            (&json!(2), &json!(1), &json!(1))
        );
        let text =
            std::fs::read_to_string(app.folder().join(summary["remarks_file"].as_str().unwrap())).unwrap();
        assert!(text.starts_with(
            "line,address,remark\n2,ann@gmial.com,the domain may be a typing error for gmail.com\n"
        ));
        assert!(text.contains("\n6,'=sum@gmial.com,"), "{text}");
        assert_eq!(number(app, "recipients WHERE address = 'ann@gmial.com'"), 1);
        app.run(["import", &path, "--list", "readers", "--remarks", "r.csv"])
            .failed_with(1)
            .says(&["--check disposable,role,typos"]);
    }
);

on_both_engines!(what_is_no_list_is_refused_and_leaves_nothing_behind, |app| {
    let people = b"email,name\nann@example.org,Ann\n".repeat(1000);
    let packed = gzip(&people);
    let cut = &packed[..packed.len() - 10];
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    bomb.write_all(b"email\nann@example.org\n").unwrap();
    bomb.write_all(&vec![b'\n'; 70 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    let formula = ods(&[("People", &[&["email"], &["ann@example.org"]])]);
    for (name, octets, words) in [
        (
            "page.csv",
            b"<!DOCTYPE html><html>".as_slice(),
            "this is a web page (HTML), not a CSV",
        ),
        ("list.csv", b"%PDF-1.7", "this is a PDF, not a table"),
        (
            "old.xls",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "save it as .xlsx or CSV",
        ),
        (
            "cut.csv.gz",
            cut,
            "is damaged: the compressed data ends in the middle",
        ),
        ("bomb.csv.gz", &bomb, "unpacks to more than 100 times its size"),
        (
            "cut.ods",
            &formula[..formula.len() - 20],
            "is damaged: as an archive it does not read",
        ),
        ("empty.csv", b"", "is empty"),
        (
            "later.csv",
            b"\n<!-- saved from -->\n<html><body>Log in",
            "this is a web page (HTML), not a CSV",
        ),
        (
            "list.json",
            b"[{\"email\": \"ann@example.org\"}]",
            "this is JSON, not a table",
        ),
        (
            "header.csv",
            b"email,\"name\nann@example.org,Ann\n",
            "line 1, column #2: the header has a quote that is opened and never closed",
        ),
        (
            "other.csv",
            b"a,b\n1,2\n",
            "no column looks like e-mail addresses",
        ),
    ] {
        let path = file(app, name, octets);
        app.run(["import", &path, "--list", "readers"])
            .failed_with(1)
            .says(&[name, words]);
    }
    assert_eq!((number(app, "lists"), number(app, "imports")), (0, 0));
});

on_both_engines!(an_archive_with_two_files_of_one_name_is_refused, |app| {
    let mut archive = zip_of(&[
        ("lists/people.csv", b"email\nann@example.org\n"),
        ("lists/others.csv", b"email\nbob@example.org\n"),
    ]);
    // In the file's own heading, and in the list at the end: no program that packs does so by itself.
    let (name, other) = (b"lists/people.csv", b"lists/others.csv");
    while let Some(at) = archive.windows(other.len()).position(|octets| octets == other) {
        archive[at..at + name.len()].copy_from_slice(name);
    }
    let path = file(app, "lists.zip", &archive);
    for part in [&[][..], &["--part", "lists/people.csv"]] {
        app.run([&["import", &path, "--list", "readers"][..], part].concat())
            .failed_with(1)
            .says(&["lists.zip", "two files called \"lists/people.csv\""]);
    }
    assert_eq!((number(app, "lists"), number(app, "recipients")), (0, 0));
});

on_both_engines!(a_list_of_suppressions_is_read_as_a_person_says, |app| {
    let lists = zip_of(&[
        ("left.csv", b"who\nann@example.org\n"),
        ("other.csv", b"who\nbob@example.org\n"),
    ]);
    let path = file(app, "lists.zip", &lists);
    app.run(["suppression", "import", &path])
        .failed_with(1)
        .says(&["lists.zip", "--part \"left.csv\""]);
    app.run(["suppression", "import", &path, "--part", "left.csv"])
        .succeeded();
    let mapped = file(app, "both.csv", b"old,new\ncarl@example.org,dora@example.org\n");
    app.run(["suppression", "import", &mapped])
        .failed_with(1)
        .says(&["--map"]);
    app.run(["suppression", "import", &mapped, "--map", "new=email"])
        .succeeded();
    let suppressed = "suppressions WHERE address_key IN ('ann@example.org', 'dora@example.org')";
    assert_eq!((number(app, "suppressions"), number(app, suppressed)), (2, 2));
    let cut = file(
        app,
        "cut.csv.gz",
        &gzip(&b"reader@example.org\n".repeat(1000))[..20],
    );
    app.run(["suppression", "import", &cut])
        .failed_with(1)
        .says(&["cut.csv.gz", "is damaged"]);
    assert_eq!(number(app, "suppressions"), 2);
});

on_both_engines!(a_guess_at_the_encoding_is_told_as_one, |app| {
    let path = file(app, "people.csv", b"email,name\nann@example.org,J\xfcrgen\n");
    app.run(["import", &path, "--list", "readers", "--dry-run"])
        .succeeded()
        .prints(&["read as windows-1252", "because it is not UTF-8", "--encoding"]);
    let named = ["--encoding", "windows-1252"];
    let told = app.run([&["import", &path, "--list", "readers", "--dry-run"][..], &named].concat());
    assert!(!told.succeeded().stdout.contains("because it is not UTF-8"));
});

on_both_engines!(a_csv_of_deliveries_is_safe_to_open_in_a_spreadsheet, |app| {
    app.import_csv("readers", "email\n=1+1@example.org\nann@example.org\n");
    let campaign = app.campaign("readers");
    app.send(campaign);
    app.run(["campaign", "deliveries", &campaign.to_string()])
        .succeeded()
        .prints(&[",'=1+1@example.org,", ",ann@example.org,"]);
});
