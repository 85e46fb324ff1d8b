//! Trying templates on recipients before anything is sent.

use mail_parser::{MessageParser, MimeHeaders};
use tidings_tests::{App, on_both_engines};

/// Stores a template.
fn add(app: &App, name: &str, html: &str, subject: &str) {
    let file = app.write(&format!("{name}.html"), html);
    let file = file.to_string_lossy();
    app.run(["template", "add", name, "--html", &file, "--subject", subject])
        .succeeded();
}

const FOOTER: &str = "<p><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></p>";

on_both_engines!(a_message_is_shown_whole_as_a_mail_program_reads_it, |app| {
    app.import_csv(
        "readers",
        "email,name,language,price,day\nann@example.org,Änne,de,1234.5,2026-01-31\n",
    );
    let html = "<p>Liebe {{name}},<br>am {{date day \"long\"}} für {{currency price \"EUR\"}}.</p>";
    add(app, "hello", &format!("{html}{FOOTER}"), "Für {{upper name}}");
    let render = [
        "template",
        "render",
        "hello",
        "--recipient",
        "ann@example.org",
        "--part",
        "eml",
    ];

    let eml = app.run(render).succeeded().stdout;
    let message = MessageParser::default().parse(eml.as_bytes()).unwrap();
    let amount = "Liebe Änne,\r\nam 31. Januar 2026 für 1.234,50\u{a0}€.";
    assert_eq!(message.subject(), Some("Für ÄNNE"));
    let to = message.to().unwrap().first().unwrap();
    assert_eq!((to.name(), to.address()), (Some("Änne"), Some("ann@example.org")));
    let from = message.from().unwrap().first().unwrap();
    assert_eq!(from.address(), Some("newsletter@news.example.com"));
    let text = message.body_text(0).unwrap();
    assert!(text.starts_with(amount), "{text}");
    assert!(message.html_part(0).unwrap().is_content_type("text", "html"));
    let html = message.body_html(0).unwrap();
    assert!(html.contains("https://news.example.com/u/"), "{html}");
    assert!(message.header("List-Unsubscribe-Post").is_some() && message.message_id().is_some());
    assert!(eml.ends_with("--\r\n") && eml.split("\r\n").all(|line| line.len() <= 998));

    let json = app.run(["--json"].iter().chain(&render)).succeeded().json();
    assert!(
        json["eml"]
            .as_str()
            .unwrap()
            .contains("List-Unsubscribe: <https://news.example.com/u/"),
        "{json}"
    );
    add(app, "bare", "<p>Hi</p>", "x");
    let bare = [
        "template",
        "render",
        "bare",
        "--recipient",
        "ann@example.org",
        "--part",
        "eml",
    ];
    app.run(bare)
        .failed_with(1)
        .says(&["no unsubscribe link", "template bare (html)"]);
});

on_both_engines!(a_check_counts_who_lacks_what_and_who_would_get_nothing, |app| {
    app.import_csv(
        "readers",
        "email,city,points,nick\nann@example.org,Ulm,5,Annie\nbob@example.org,,many,\ncleo@example.org,Bonn,,\n",
    );
    app.import_csv("readers", "email,points\ndan@example.org,7\neve@example.org,8\n");
    app.import_csv("others", "email\nfay@example.org\n");
    let html = "<p>{{default nick \"friend\"}}\n  {{#if (eq city \"Ulm\")}}Ulm{{/if}} {{number points}}</p>";
    add(app, "hello", &format!("{html}{FOOTER}"), "Hi {{name}}");

    let check = ["--json", "template", "check", "hello", "--list", "readers"];
    let report = app.run(check).failed_with(1).json();
    assert_eq!(
        (&report["recipients"], &report["failing"]),
        (&5.into(), &4.into()),
        "{report}"
    );
    let variable = |name: &str| {
        let all = report["variables"].as_array().unwrap();
        let found = all.iter().find(|one| one["variable"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {report}")).clone()
    };
    let city = variable("city");
    assert_eq!(
        (&city["absent"], &city["empty"], &city["optional"]),
        (&2.into(), &1.into(), &false.into())
    );
    assert_eq!(city["places"], serde_json::json!(["template hello (html):2:3"]));
    assert_eq!(
        city["examples"],
        serde_json::json!(["bob@example.org", "dan@example.org"])
    );
    let nick = variable("nick");
    assert_eq!(
        (&nick["absent"], &nick["empty"], &nick["optional"]),
        (&2.into(), &2.into(), &true.into())
    );
    assert_eq!(variable("name")["empty"], 5);
    assert_eq!(variable("points")["empty"], 1);
    // Dan and Eve fail for want of a city, which is said already; Bob and Cleo for what is no number.
    let failures = report["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 1, "{report}");
    assert_eq!(
        (&failures[0]["recipients"], &failures[0]["examples"][0]),
        (&2.into(), &"bob@example.org".into())
    );
    let reason = failures[0]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("template hello (html):2:37: number: “many” is not a number"),
        "{reason}"
    );

    app.run(["template", "check", "hello", "--list", "readers"])
        .failed_with(1)
        .prints(&[
            "5 recipients of readers: 1 get a message, 4 would get none",
            "variable city (needed): 2 lack it, 1 have it empty, such as bob@example.org, dan@example.org",
            "variable nick (can be without)",
            "  template hello (html):2:3",
            "“many” is not a number",
        ]);
});

on_both_engines!(a_check_ends_well_if_everybody_gets_a_message, |app| {
    app.import_csv(
        "readers",
        "email,city\nann@example.org,Ulm\nbob@example.org,Bonn\n",
    );
    app.import_csv("others", "email\nfay@example.org\n");
    add(app, "hello", &format!("<p>{{{{city}}}}</p>{FOOTER}"), "Hi");
    app.run(["template", "check", "hello", "--list", "readers"])
        .succeeded()
        .prints(&["2 recipients of readers: 2 get a message, 0 would get none"]);
    app.run([
        "template",
        "check",
        "hello",
        "--list",
        "readers",
        "--subject",
        "To {{town}}",
    ])
    .failed_with(1)
    .prints(&["variable town (needed): 2 lack it", "  the subject:1:4"]);
    let refused = |arguments: [&str; 5], words: &[&str]| {
        app.run(arguments).failed_with(1).says(words);
    };
    refused(
        ["template", "check", "hello", "--list", "nobody"],
        &["no list `nobody`"],
    );
    refused(
        ["template", "check", "hallo", "--list", "readers"],
        &["no template `hallo`"],
    );
    add(app, "parting", "<p>{{#if city}}{{city}}{{/if}}</p>", "Bye");
    refused(
        ["template", "check", "parting", "--list", "readers"],
        &["template parting (html):1:1", "no unsubscribe link"],
    );
    // Who has left is not counted, for no campaign reaches them.
    app.database
        .execute("UPDATE subscriptions SET state = 'unsubscribed' WHERE recipient_id IN (SELECT id FROM recipients WHERE address = 'fay@example.org')");
    let report = app
        .run(["--json", "template", "check", "hello", "--list", "others"])
        .succeeded()
        .json();
    assert_eq!(report["recipients"], 0, "{report}");
});
