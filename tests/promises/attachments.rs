//! Files that go with messages: for everybody, inside the HTML, and of each recipient's own.

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use tidings_tests::script::Script;
use tidings_tests::{App, assert_ledger_adds_up, on_both_engines};

/// Reads a message by Python's `email` under its strict policy: its tree, and every file with its octets.
const READ: &str = r#"
import email, email.policy, hashlib, json, sys
octets = sys.stdin.buffer.read()
assert octets.count(b"\r\n") == octets.count(b"\r") == octets.count(b"\n"), "bare CR or LF"
message = email.message_from_bytes(octets, policy=email.policy.strict)
def tree(part):
    assert part.defects == [], part.defects
    for name, value in part.items():
        assert value.defects == (), (name, value, value.defects)
    if part.is_multipart():
        return [part.get_content_subtype(), [tree(child) for child in part.iter_parts()]]
    return part.get_content_type()
files = []
for part in message.walk():
    if part.get_filename() is not None:
        content = part.get_content()
        content = content if isinstance(content, bytes) else content.encode()
        files.append({
            "name": part.get_filename(),
            "disposition": part.get_content_disposition(),
            "cid": part["content-id"],
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        })
print(json.dumps({"tree": tree(message), "files": files, "html": message.get_body(("html",)) is not None}))
"#;

fn read_by_python(message: &str) -> Value {
    use std::io::Write;
    let mut python = Command::new("python3")
        .args(["-c", READ])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python3 is needed to check messages: apt-get install python3");
    python
        .stdin
        .take()
        .unwrap()
        .write_all(message.as_bytes())
        .unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "python finds a fault in\n{message}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Writes a file of these octets into the data folder.
fn file(app: &App, name: &str, octets: &[u8]) -> String {
    let path = app.folder().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, octets).unwrap();
    path.to_string_lossy().into_owned()
}

fn add_template(app: &App, html: &str) {
    let link = "<p><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></p>";
    let file = app.write("spring.html", &format!("{html}{link}"));
    app.run(["template", "add", "spring", "--html", &file.to_string_lossy()])
        .succeeded();
}

const CREATE: [&str; 12] = [
    "--json",
    "campaign",
    "create",
    "--name",
    "Spring",
    "--list",
    "readers",
    "--template",
    "spring",
    "--subject",
    "Spring",
    "--from=news@example.com",
];

fn create(app: &App, options: &[&str]) -> i64 {
    let created = app.run([&CREATE[..], options].concat()).succeeded().json();
    created["id"].as_i64().unwrap()
}

/// Attachments of recipients' own are looked for in the folder `attachments` beside the configuration.
fn with_folder(app: &App) -> PathBuf {
    let folder = app.folder().join("attachments");
    std::fs::create_dir_all(&folder).unwrap();
    app.configure(|settings| {
        settings.more = format!("[mail]\nattachments_folder = \"{}\"\n", folder.display());
    });
    folder
}

#[track_caller]
fn content_for(app: &App, address: &str) -> String {
    let mut contents = app.relay.contents_for(address);
    assert_eq!(contents.len(), 1, "mail for {address}");
    contents.remove(0)
}

on_both_engines!(
    everybody_gets_the_attachments_and_the_images_of_a_campaign,
    |app| {
        app.relay.follow(Script::accepting().keep_content(10_000_000));
        app.import("readers", 3);
        add_template(app, "<p>Grüße, {{name}} <img src=\"cid:logo.png\"></p>");
        let pdf: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let letter = file(app, "Frühlingsbrief.pdf", &pdf);
        let logo = file(app, "logo.png", b"\x89PNG\r\n\x1a\n");
        let campaign = create(app, &["--attach", &letter, "--inline", &logo]);
        // They are kept with the campaign: the files are not needed any more.
        std::fs::remove_file(&letter).unwrap();
        std::fs::remove_file(&logo).unwrap();

        let shown = app.show(campaign);
        let expected = json!([
            {"file_name": "Frühlingsbrief.pdf", "media_type": "application/pdf", "octets": 100_000, "cid": null},
            {"file_name": "logo.png", "media_type": "image/png", "octets": 8, "cid": "logo.png"},
        ]);
        assert_eq!(shown.0["files"], expected, "{shown}");
        let said = app.run(["campaign", "show", &campaign.to_string()]).succeeded();
        assert!(
            said.stdout
                .contains("Frühlingsbrief.pdf (application/pdf, 100000 octets)"),
            "{said}"
        );
        let rehearsed = app
            .run(["--json", "rehearse", &campaign.to_string()])
            .succeeded()
            .json();
        assert!(rehearsed["smallest"].as_u64() > Some(135_000), "{rehearsed}");

        let show = app.send(campaign);
        assert_eq!((show.state(), show.count("accepted")), ("finished", 3), "{show}");
        for i in 1..=3 {
            let read = read_by_python(&content_for(app, &format!("reader{i}@example.org")));
            let tree = json!([
                "mixed",
                [
                    [
                        "alternative",
                        ["text/plain", ["related", ["text/html", "image/png"]]]
                    ],
                    "application/pdf",
                ],
            ]);
            assert_eq!(read["tree"], tree);
            assert_eq!(read["html"], true);
            let [image, letter] = read["files"].as_array().unwrap().as_slice() else {
                panic!("{read}");
            };
            assert_eq!(
                (&image["cid"], &image["disposition"]),
                (&"<logo.png>".into(), &"inline".into())
            );
            assert_eq!(
                (&letter["name"], &letter["size"]),
                (&"Frühlingsbrief.pdf".into(), &100_000.into())
            );
            assert_eq!(letter["disposition"], "attachment");
        }
    }
);

on_both_engines!(everybody_gets_their_own_file_or_none, |app| {
    app.relay.follow(Script::accepting().keep_content(10_000_000));
    let folder = with_folder(app);
    file(app, "attachments/invoices/ann.pdf", b"%PDF of Ann");
    file(app, "attachments/shared.pdf", b"%PDF for many");
    file(app, "secret.pdf", b"%PDF of nobody");
    std::os::unix::fs::symlink("../secret.pdf", folder.join("link.pdf")).unwrap();
    let outside = app.folder().join("secret.pdf");
    app.import_csv(
        "readers",
        &format!(
            "email,invoice\nann@example.org,invoices/ann.pdf\nbob@example.org,\ncleo@example.org,shared.pdf\n\
             dora@example.org,shared.pdf\nemil@example.org,invoices/emil.pdf\neve@example.org,../secret.pdf\n\
             finn@example.org,link.pdf\ngina@example.org,{}\n",
            outside.display()
        ),
    );
    app.import_csv("readers", "email\nhans@example.org\n");
    add_template(app, "<p>Hello</p>");
    let terms = file(app, "terms.txt", b"Terms");
    let campaign = create(app, &["--attach", &terms, "--attach-from", "invoice"]);
    let rehearsed = app
        .run(["--json", "rehearse", &campaign.to_string()])
        .succeeded()
        .json();
    assert_eq!(
        (&rehearsed["sent"], &rehearsed["failed"]),
        (&4.into(), &5.into()),
        "{rehearsed}"
    );
    let failures = rehearsed["failures"].to_string();
    assert!(
        failures.contains("emil@example.org") && failures.contains("no such file"),
        "{failures}"
    );

    let show = app.send(campaign);
    assert_eq!(
        (show.state(), show.count("accepted"), show.count("withheld")),
        ("finished", 4, 5),
        "{show}"
    );
    assert_ledger_adds_up(&show);
    for (address, own) in [
        ("ann@example.org", Some(("ann.pdf", 11))),
        ("bob@example.org", None),
        ("cleo@example.org", Some(("shared.pdf", 13))),
        ("dora@example.org", Some(("shared.pdf", 13))),
    ] {
        let read = read_by_python(&content_for(app, address));
        let files = read["files"].as_array().unwrap().iter();
        let files: Vec<_> = files
            .map(|file| (file["name"].as_str().unwrap(), file["size"].as_u64().unwrap()))
            .collect();
        let expected: Vec<_> = [("terms.txt", 5)].into_iter().chain(own).collect();
        assert_eq!(files, expected, "{address}");
    }
    for (address, why) in [
        ("emil@example.org", "no such file"),
        ("eve@example.org", "lead down"),
        ("finn@example.org", "outside"),
        ("gina@example.org", "lead down"),
        ("hans@example.org", "invoice is missing"),
    ] {
        let withheld = app.deliveries(campaign, "withheld");
        let row = withheld.iter().find(|row| row["address"] == address).unwrap();
        assert_eq!(row["cause"], "attachment", "{row}");
        assert!(row["reason"].as_str().unwrap().contains(why), "{row}");
    }
});

on_both_engines!(
    a_folder_that_is_not_there_holds_the_campaign_and_charges_nobody,
    |app| {
        app.import_csv(
            "readers",
            "email,invoice\nann@example.org,ann.pdf\nbob@example.org,bob.pdf\n",
        );
        add_template(app, "<p>Hello</p>");
        let campaign = create(app, &["--attach-from", "invoice"]).to_string();
        let send = ["campaign", "send", &campaign];
        app.run(send)
            .failed_with(1)
            .says(&["attachments_folder", "[mail]"]);
        let folder = with_folder(app);
        std::fs::remove_dir(&folder).unwrap();
        app.run(send)
            .failed_with(1)
            .says(&["cannot be opened", "attachments"]);
        assert_eq!(app.database.number("SELECT count(*) FROM deliveries"), 0);
        app.run(["--json", "check"])
            .failed_with(1)
            .prints(&["attachments_folder"]);

        // What the disk refuses to read is not the fault of a recipient: a link that leads to itself.
        file(app, "attachments/ann.pdf", b"%PDF of Ann");
        std::os::unix::fs::symlink("bob.pdf", folder.join("bob.pdf")).unwrap();
        let held = app.run(send).succeeded();
        assert!(held.stdout.contains("held"), "{held}");
        let show = app.show(campaign.parse().unwrap());
        assert_eq!((show.state(), show.count("withheld")), ("held", 0), "{show}");
        assert!(show.0["reason"].as_str().unwrap().contains("bob.pdf"), "{show}");
        assert_ledger_adds_up(&show);
        std::fs::remove_file(folder.join("bob.pdf")).unwrap();
        file(app, "attachments/bob.pdf", b"%PDF of Bob");
        app.steer(campaign.parse().unwrap(), "resume");
        let show = app.send(campaign.parse().unwrap());
        assert_eq!((show.state(), show.count("accepted")), ("finished", 2), "{show}");
        assert_eq!(app.relay.reached_once().len(), 2);
    }
);

on_both_engines!(files_that_cannot_go_with_a_campaign_are_refused, |app| {
    app.import("readers", 1);
    add_template(app, "<p>Hello</p>\n<p><img src=\"cid:logo.png\"></p>");
    let logo = file(app, "logo.png", b"\x89PNG");
    let letter = file(app, "letter.pdf", b"%PDF");
    let empty = file(app, "empty.pdf", b"");
    let odd = file(app, "my logo.png", b"\x89PNG");
    let large = file(app, "large.bin", &vec![1; 7_000_001]);
    let half = file(app, "half.bin", &vec![1; 4_000_000]);
    let folder = app.folder().to_string_lossy().into_owned();
    let logo_as = |id: &str| format!("{logo}={id}");
    for (options, code, words) in [
        (
            vec![],
            1,
            &[
                "template spring (html):2:14",
                "no inline image logo.png",
                "--inline",
            ][..],
        ),
        (
            vec!["--attach", &logo],
            1,
            &["template spring (html):2:14", "no inline image"],
        ),
        (
            vec!["--inline", &logo_as("other")],
            1,
            &["no inline image logo.png"],
        ),
        (
            vec!["--inline", &logo, &logo_as("unused")],
            1,
            &["nothing shows", "cid:unused"],
        ),
        (
            vec!["--inline", &logo, &logo],
            1,
            &["two inline images", "cid:logo.png"],
        ),
        (
            vec!["--inline", &logo, "--attach", "nowhere.pdf"],
            1,
            &["nowhere.pdf"],
        ),
        (vec!["--inline", &logo, "--attach", &folder], 1, &["not a file"]),
        (
            vec!["--inline", &logo, "--attach", &empty],
            1,
            &["empty.pdf", "empty"],
        ),
        (
            vec!["--inline", &logo, "--attach", &large],
            1,
            &["large.bin", "7000001"],
        ),
        (
            vec!["--inline", &logo, "--attach", &half, &half],
            1,
            &["10000000", "attach less"],
        ),
        (
            vec!["--inline", &logo, &letter],
            1,
            &["letter.pdf", "not an image"],
        ),
        (vec!["--inline", &odd], 1, &["my logo.png", "cid:"]),
        (vec!["--inline", &logo_as("a b")], 2, &["a b", "cid:"]),
        (
            vec!["--inline", &logo, "--attach-from", " "],
            1,
            &["--attach-from"],
        ),
    ] {
        let arguments = [&CREATE[..], &options].concat();
        app.run(arguments).failed_with(code).says(words);
        assert_eq!(
            app.database.number("SELECT count(*) FROM campaigns"),
            0,
            "{options:?}"
        );
        assert_eq!(
            app.database.number("SELECT count(*) FROM campaign_files"),
            0,
            "{options:?}"
        );
    }
    // The template may change afterwards: it is looked at again before anything is sent.
    let campaign = create(app, &["--inline", &logo]).to_string();
    add_template(app, "<p>Hello</p>");
    for send in [
        &["campaign", "send", &campaign][..],
        &["campaign", "schedule", &campaign, "--now"],
    ] {
        app.run(send)
            .failed_with(1)
            .says(&["nothing shows the inline image logo.png"]);
    }
    assert_eq!(app.show(campaign.parse().unwrap()).state(), "draft");
});

on_both_engines!(a_campaign_sent_again_has_the_same_files, |app| {
    app.relay.follow(Script::accepting().keep_content(10_000_000));
    app.import_csv("readers", "email,city\nann@example.org,Ulm\n");
    app.import_csv("readers", "email\nbob@example.org\n");
    add_template(app, "<p>Hello from {{city}}</p>");
    let letter = file(app, "letter.pdf", b"%PDF");
    let campaign = create(app, &["--attach", &letter]);
    assert_eq!(app.send(campaign).count("withheld"), 1);
    app.import_csv("readers", "email,city\nbob@example.org,Bonn\n");
    let again = [
        "--json",
        "campaign",
        "again",
        &campaign.to_string(),
        "--state",
        "withheld",
    ];
    let again = app.run(again).succeeded().json();
    assert_eq!(app.send(again["id"].as_i64().unwrap()).count("accepted"), 1);
    let read = read_by_python(&content_for(app, "bob@example.org"));
    assert_eq!(read["files"][0]["name"], "letter.pdf", "{read}");
});

on_both_engines!(a_preview_shows_the_images_and_its_source_has_all_files, |app| {
    app.import("readers", 1);
    add_template(app, "<p>Hello <img src=\"cid:logo.png\"></p>");
    let letter = file(app, "letter.pdf", b"%PDF");
    let logo = file(app, "logo.png", b"\x89PNG\r\n\x1a\n");
    let id = create(app, &["--attach", &letter, "--inline", &logo]).to_string();
    let served = crate::dashboard::serve(app);
    let made = app.run(["--json", "token", "create", "eddie", "--role", "editor"]);
    let token = made.succeeded().json()["token"].as_str().unwrap().to_owned();
    let preview = |look: &str| {
        let request = crate::dashboard::browser().post(format!("{}/preview", served.url));
        let fields = [("campaign", id.as_str()), ("name", "spring"), ("look", look)];
        let request = request.header("Authorization", format!("Bearer {token}"));
        let mut answer = request.send_form(fields).unwrap();
        assert_eq!(answer.status(), 200);
        answer.body_mut().read_to_string().unwrap()
    };
    for look in ["desktop", "phone", "dark"] {
        let page = preview(look);
        assert!(
            page.contains("data:image/png;base64,iVBORw0KGgo") && !page.contains("cid:"),
            "{page}"
        );
    }
    let source = preview("source");
    assert!(
        source.contains("letter.pdf") && source.contains("logo.png"),
        "{source}"
    );
});
