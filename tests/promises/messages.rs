//! Messages are what the standards say: a parser that we did not write, Python's `email` under its strict policy, reads
//! out of them what was put in, and finds no defect.

use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::Command;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::eligibility::{Mailable, Standing, may_mail};
use tidings_campaign::ids::{CampaignId, ListId, RecipientId};
use tidings_campaign::message::{BodyEncoding, ListIdentity, Mailbox, MessageFactory, MessageSettings};
use tidings_campaign::recipient::{Recipient, Subscription};
use tidings_campaign::template::{Content, Source};
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::{KeyRing, SigningKey};
use tidings_campaign::tracking::TrackingSettings;
use tidings_tests::on_both_engines;
use tidings_tests::script::Script;

/// Reads every message of a folder; an exception or a defect ends it with a failure.
const READ: &str = r#"
import email, email.policy, json, pathlib, sys
found = {}
for file in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    octets = file.read_bytes()
    assert octets.count(b"\r\n") == octets.count(b"\r") == octets.count(b"\n"), "bare CR or LF"
    assert b"\0" not in octets
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    message = email.message_from_bytes(octets, policy=email.policy.strict)
    for part in message.walk():
        assert part.defects == [], part.defects
        for name, value in part.items():
            assert value.defects == (), (name, value, value.defects)
    names = [name.lower() for name in message.keys()]
    assert len(names) == len(set(names)), names
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    to, = message["to"].addresses
    author, = message["from"].addresses
    found[file.name] = {
        "names": sorted(names),
        "subject": message["subject"],
        "to": [to.display_name, to.addr_spec],
        "from": [author.display_name, author.addr_spec],
        "date": message["date"].datetime.isoformat(),
        "list_id": str(message["list-id"]),
        "text": text.get_content(),
        "html": html.get_content(),
    }
print(json.dumps(found))
"#;

/// The fields of every message; one with octets above 127 has `content-transfer-encoding` besides.
const FIELDS: [&str; 13] = [
    "content-type",
    "date",
    "feedback-id",
    "from",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "message-id",
    "mime-version",
    "precedence",
    "reply-to",
    "subject",
    "to",
];

/// What Python reads, by file name.
fn read_by_python(folder: &Path) -> Map<String, Value> {
    let output = Command::new("python3").arg("-c").arg(READ).arg(folder).output();
    let output = output.expect("python3 is needed to check messages: apt-get install python3");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    match serde_json::from_slice(&output.stdout).unwrap() {
        Value::Object(found) => found,
        other => panic!("not an object: {other}"),
    }
}

fn factory(from: &str, list: &str) -> MessageFactory {
    let content = Content {
        subject: "{{subject_words}}".to_owned(),
        template: Source {
            name: "nasty".to_owned(),
            html: "<p>{{{body}}}</p>\n<p>{{unsubscribe_url}}</p>\n".to_owned(),
            text: Some("{{body}}\n\n{{unsubscribe_url}}\n".to_owned()),
        },
        partials: Vec::new(),
    };
    let settings = MessageSettings {
        from: Mailbox::parse(from).unwrap(),
        reply_to: Some(Mailbox::parse("Büro, das <office@example.com>").unwrap()),
        campaign: CampaignId(7),
        campaign_name: "Nasty".to_owned(),
        lists: vec![ListIdentity {
            id: ListId(2),
            name: list.to_owned(),
        }],
        public_url: "https://news.example.com".to_owned(),
        return_path_domain: "bounce.example.com".to_owned(),
        sender_id: "example".to_owned(),
        tracking: TrackingSettings::off(),
    };
    let keys = KeyRing::new(vec![SigningKey {
        id: 1,
        secret: [3; 32],
    }])
    .unwrap();
    MessageFactory::new(&content, settings, keys).unwrap()
}

fn mailable(name: &str, subject: &str, body: &str) -> Mailable {
    let attributes = [("subject_words", subject), ("body", body)];
    let recipient = Recipient {
        id: RecipientId(99),
        address: EmailAddress::parse("ann.o'neil+news@example.org").unwrap(),
        name: name.to_owned(),
        attributes: attributes
            .map(|(name, value)| (name.to_owned(), value.into()))
            .into_iter()
            .collect(),
    };
    may_mail(
        recipient,
        &Standing {
            subscriptions: vec![(ListId(1), Subscription::Confirmed)],
            suppression: None,
            paused_until: None,
        },
        Timestamp(0),
    )
    .unwrap()
}

/// Name, subject and body as merged, and name and subject as they must be read.
fn cases() -> Vec<[String; 5]> {
    let own = |[name, subject, body]: [&str; 3]| {
        [
            name.to_owned(),
            subject.to_owned(),
            body.to_owned(),
            name.to_owned(),
            subject.to_owned(),
        ]
    };
    let long_words = "unbreakable".repeat(200);
    let long_umlauts = "Übergrößenträger ".repeat(40);
    let mut cases = vec![
        own(["Ann", "Plain words", "plain"]),
        own(["Änne Müßig", "Grüße – 🎉 – 你好", "Grüße 🎉\nzweite Zeile"]),
        own(["🎉🎉🎉", "🎉".repeat(60).as_str(), &"🎉".repeat(600)]),
        own([
            "O'Neil, Ann (\"the\" \\ boss) <x@example.net>",
            "\"quoted\", <angled>; a@b: c",
            "x",
        ]),
        own(["=?utf-8?q?Eve?=", "=?utf-8?q?not_encoded?= =?x", "=?utf-8?q?y?="]),
        own(["x", &long_words, &long_words]),
        own([long_umlauts.trim(), long_umlauts.trim(), &long_umlauts]),
        own([
            "many words ".repeat(12).trim(),
            "many words ".repeat(40).trim(),
            "y",
        ]),
        own([
            "a  b",
            "two  spaces   and more ".repeat(8).trim(),
            "tabs\t \t\nspaces at the end   \n",
        ]),
        own([
            "Ann",
            "dots",
            ".\n..\n.end\nFrom ann@example.org\nFrom: x\n>From y\n.\n",
        ]),
        own([
            "Ann",
            "boundaries",
            "--=_\n--=_abc\n--\n\n--=_abc--\nContent-Type: text/html\n\n<b>",
        ]),
        own(["Ann", "escapes", "=3D =\n= 20 =20=\n=C3"]),
        own(["", "no name", ""]),
    ];
    for evil in [
        "A\r\nBcc: eve@example.net",
        "A\nBcc: eve@example.net",
        "A\r\rBcc: eve@example.net",
        "A\0\r\n\tBcc: eve@example.net",
    ] {
        let read = "A Bcc: eve@example.net";
        cases.push([evil, evil, "b\r\n\r\nc\rd\0e", read, read].map(str::to_owned));
    }
    cases
}

fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
        .replace('\r', "\n")
        .replace('\0', "")
        .trim_end_matches('\n')
        .to_owned()
}

#[test]
fn python_reads_out_of_a_message_what_was_merged_into_it_and_finds_no_defect() {
    let folder = tempfile::tempdir().unwrap();
    let factory = factory(
        "\"Müller, Söhne & Co\" <news@example.com>",
        "Die große Liste, wöchentlich und manchmal öfter",
    );
    let date = Timestamp::from_seconds(1_790_000_000);
    let mut expected = Vec::new();
    for (at, [name, subject, body, read_name, read_subject]) in cases().into_iter().enumerate() {
        for encoding in [BodyEncoding::SevenBit, BodyEncoding::EightBit] {
            let file = format!("{at:02}-{encoding:?}");
            let mut out = Vec::new();
            let built = factory
                .build(&mailable(&name, &subject, &body), date, encoding, &mut out)
                .unwrap();
            assert_eq!(built.eight_bit, !out.is_ascii());
            assert!(encoding == BodyEncoding::EightBit || out.is_ascii());
            std::fs::write(folder.path().join(&file), &out).unwrap();
            let url = factory.unsubscribe_url(RecipientId(99));
            let text = lines(&format!("{}\n\n{url}\n", body.replace("\r\n", "\n")));
            let html = lines(&format!("<p>{}</p>\n<p>{url}</p>\n", body.replace("\r\n", "\n")));
            expected.push((
                file,
                read_name.clone(),
                read_subject.clone(),
                text,
                html,
                built.eight_bit,
            ));
        }
    }
    let found = read_by_python(folder.path());
    assert_eq!(found.len(), expected.len());
    for (file, name, subject, text, html, eight_bit) in expected {
        let read = &found[&file];
        assert_eq!(read["subject"], json!(subject), "{file}");
        assert_eq!(read["to"][1], json!("ann.o'neil+news@example.org"), "{file}");
        // In phrases, Python keeps the white space between two encoded-words, against RFC 2047 section 6.2; the
        // unit tests of `message` compare long names exactly, with another parser.
        let solid = |name: &str| {
            if name.is_ascii() {
                name.to_owned()
            } else {
                name.replace(' ', "")
            }
        };
        assert_eq!(read["to"][0].as_str().map(solid), Some(solid(&name)), "{file}");
        assert_eq!(
            read["from"],
            json!(["Müller, Söhne & Co", "news@example.com"]),
            "{file}"
        );
        assert_eq!(read["date"], json!("2026-09-21T14:13:20+00:00"), "{file}");
        let list_id = "Die große Liste, wöchentlich und manchmal öfter <list-2.example.com>";
        assert_eq!(read["list_id"], json!(list_id), "{file}");
        assert_eq!(lines(read["text"].as_str().unwrap()), text, "{file}");
        assert_eq!(lines(read["html"].as_str().unwrap()), html, "{file}");
        let encoding = eight_bit.then_some("content-transfer-encoding");
        let mut names: Vec<&str> = encoding.into_iter().chain(FIELDS).collect();
        names.sort_unstable();
        assert_eq!(read["names"], json!(names), "{file}");
    }
}

on_both_engines!(
    a_message_of_a_campaign_to_several_lists_names_the_list_by_which_it_comes,
    |app| {
        app.relay.follow(Script::accepting().keep_content(1_000_000));
        app.import_csv(
            "Alpha",
            "email,city\nann@example.org,Bern\nboth@example.org,Bern\n",
        );
        app.import_csv(
            "Beta",
            "email,city\nbob@example.org,Bern\nboth@example.org,Bern\ngone@example.org,Bern\n",
        );
        app.import_csv("Alpha", "email,city\ngone@example.org,Bern\n");
        app.database.execute(
            "UPDATE subscriptions SET state = 'unsubscribed' WHERE list_id = (SELECT id FROM lists WHERE name = 'Alpha') \
             AND recipient_id = (SELECT id FROM recipients WHERE address_key = 'gone@example.org')",
        );
        let campaign = app.campaign_with("Alpha", &["--list", "Beta"]);
        assert_eq!(app.send(campaign).count("accepted"), 4);
        for (who, list) in [
            ("ann@example.org", "Alpha"),
            ("bob@example.org", "Beta"),
            ("both@example.org", "Alpha"),
            ("gone@example.org", "Beta"),
        ] {
            let contents = app.relay.contents_for(who);
            assert!(
                contents[0].contains(&format!("\r\nList-ID: {list} <list-")),
                "{who}: {}",
                contents[0]
            );
        }
    }
);
