//! One newsletter in several languages, each recipient in their own.

use tidings_tests::script::Script;
use tidings_tests::{App, assert_ledger_adds_up, on_both_engines};

fn html(greeting: &str) -> String {
    format!("<p>{greeting} {{{{name}}}}</p>{{{{> foot}}}}<p><a href=\"{{{{unsubscribe_url}}}}\">x</a></p>")
}

#[track_caller]
fn add(app: &App, name: &str, html: &str, options: &[&str]) {
    let file = app.write("template.html", html);
    let file = file.to_string_lossy();
    let add = ["template", "add", name, "--html", &file];
    app.run([&add[..], options].concat()).succeeded();
}

/// A newsletter for all, in German and in Brazilian Portuguese, and a foot in German.
fn add_all(app: &App) {
    add(app, "foot", "<p>Bye</p>", &[]);
    add(app, "foot", "<p>Tschüss</p>", &["--language", "de"]);
    add(app, "spring", &html("Hello"), &[]);
    add(
        app,
        "spring",
        &html("Hallo"),
        &["--language", "DE", "--subject", "Frühling für {{name}}"],
    );
    add(app, "spring", &html("Oi"), &["--language", "pt_br"]);
}

fn create(app: &App, options: &[&str]) -> i64 {
    let create = [
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
        "Spring for {{name}}",
        "--from",
        "news@example.com",
    ];
    let created = app.run([&create[..], options].concat()).succeeded().json();
    created["id"].as_i64().unwrap()
}

#[track_caller]
fn assert_gets(app: &App, address: &str, words: &[&str], not: &[&str]) {
    let contents = app.relay.contents_for(address);
    assert_eq!(contents.len(), 1, "mail for {address}");
    for word in words {
        assert!(
            contents[0].contains(word),
            "{word} is missing for {address}:\n{}",
            contents[0]
        );
    }
    for word in not {
        assert!(
            !contents[0].contains(word),
            "{word} is there for {address}:\n{}",
            contents[0]
        );
    }
}

on_both_engines!(everybody_gets_the_newsletter_in_their_language, |app| {
    app.relay.follow(Script::accepting().keep_content(10_000_000));
    app.import_csv(
        "readers",
        "email,name,language\nann@example.org,Ann,de-AT\nbob@example.org,Bob,pt-BR\ncleo@example.org,Cleo,fr\n\
         dora@example.org,Dora,\n",
    );
    app.import_csv("readers", "email,name\nemil@example.org,Emil\n");
    add_all(app);
    let campaign = create(app, &[]);
    let rehearsed = app
        .run(["--json", "rehearse", &campaign.to_string()])
        .succeeded()
        .json();
    assert_eq!(
        (&rehearsed["sent"], &rehearsed["failed"]),
        (&5.into(), &0.into()),
        "{rehearsed}"
    );
    let show = app.send(campaign);
    assert_eq!((show.state(), show.count("accepted")), ("finished", 5), "{show}");
    assert_ledger_adds_up(&show);
    let german = [
        "\r\nContent-Language: de\r\n",
        "Hallo Ann",
        "Tschüss",
        "Subject: =?utf-8?b?",
    ];
    assert_gets(app, "ann@example.org", &german, &["Bye"]);
    let brazilian = [
        "\r\nContent-Language: pt-BR\r\n",
        "Oi Bob",
        "Bye",
        "Subject: Spring for Bob\r\n",
    ];
    assert_gets(app, "bob@example.org", &brazilian, &[]);
    for (address, greeting) in [
        ("cleo@example.org", "Hello Cleo"),
        ("dora@example.org", "Hello Dora"),
        ("emil@example.org", "Hello Emil"),
    ] {
        assert_gets(app, address, &[greeting, "Bye"], &["Content-Language"]);
    }
});

on_both_engines!(the_attribute_that_names_the_language_can_be_another, |app| {
    app.relay.follow(Script::accepting().keep_content(10_000_000));
    app.import_csv(
        "readers",
        "email,name,Sprache,language\nann@example.org,Ann,de,pt-BR\n",
    );
    add_all(app);
    app.send(create(app, &["--language-attribute", "Sprache"]));
    assert_gets(app, "ann@example.org", &["Hallo Ann"], &[]);
});

on_both_engines!(a_campaign_that_has_started_keeps_its_translations, |app| {
    app.relay.follow(Script::accepting().keep_content(10_000_000));
    app.import_csv(
        "readers",
        "email,name,language\nann@example.org,Ann,de\nbob@example.org,Bob,en\n",
    );
    add_all(app);
    let campaign = create(app, &["--rate", "1/min"]);
    let sending = app.start_sending(campaign);
    tidings_tests::wait_until("it has started", 30, || app.show(campaign).planned() == 2);
    app.steer(campaign, "pause");
    sending.wait(App::PATIENCE).succeeded();
    app.run(["template", "remove", "spring"]).succeeded();
    let listed = app.run(["--json", "template", "list"]).succeeded().json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    let frozen = app
        .database
        .number("SELECT count(*) FROM campaigns WHERE content LIKE '%Hallo%' AND content LIKE '%Hello%'");
    assert_eq!(frozen, 1);
});

on_both_engines!(
    a_campaign_that_was_frozen_before_there_were_translations_is_still_sent,
    |app| {
        app.relay.follow(Script::accepting().keep_content(10_000_000));
        app.import("readers", 2);
        let campaign = app.campaign_with("readers", &["--rate", "1/min"]);
        let sending = app.start_sending(campaign);
        tidings_tests::wait_until("it has started", 30, || app.show(campaign).planned() == 2);
        app.steer(campaign, "pause");
        sending.wait(App::PATIENCE).succeeded();
        let old = "{\"subject\":\"Old\",\"template\":{\"name\":\"spring\",\"html\":\"<p>Frozen long ago \
            {{unsubscribe_url}}</p>\",\"text\":null},\"partials\":[]}";
        app.database.execute(&format!(
            "UPDATE campaigns SET content = '{old}', rate = NULL WHERE id = {campaign}"
        ));
        app.steer(campaign, "resume");
        let show = app.send(campaign);
        assert_eq!((show.state(), show.count("accepted")), ("finished", 2), "{show}");
        let contents = [1, 2].map(|i| app.relay.contents_for(&format!("reader{i}@example.org")).concat());
        assert!(
            contents.iter().any(|content| content.contains("Frozen long ago")),
            "{contents:?}"
        );
    }
);

on_both_engines!(translations_are_listed_shown_and_removed, |app| {
    app.import_csv("readers", "email,name,language\nann@example.org,Ann,de-CH\n");
    add_all(app);
    let listed = app.run(["--json", "template", "list"]).succeeded().json();
    assert_eq!(
        listed[1]["languages"],
        serde_json::json!(["de", "pt-BR"]),
        "{listed}"
    );
    let render = [
        "--json",
        "template",
        "render",
        "spring",
        "--recipient",
        "ann@example.org",
    ];
    let rendered = app.run(render).succeeded().json();
    assert_eq!(rendered["subject"], "Frühling für Ann");
    let html = rendered["html"].as_str().unwrap();
    assert!(html.contains("Hallo Ann") && html.contains("Tschüss"), "{html}");
    let in_portuguese = [&render[..], &["--language", "pt-BR"]].concat();
    let rendered = app.run(in_portuguese).succeeded().json();
    assert!(
        rendered["html"].as_str().unwrap().contains("Oi Ann"),
        "{rendered}"
    );
    let eml = [
        "template",
        "render",
        "spring",
        "--recipient",
        "ann@example.org",
        "--part",
        "eml",
    ];
    app.run(eml)
        .succeeded()
        .prints(&["Content-Language: de", "Hallo Ann"]);

    app.run(["template", "remove", "spring", "--language", "de"])
        .succeeded();
    let rendered = app.run(render).succeeded().json();
    assert!(
        rendered["html"].as_str().unwrap().contains("Hello Ann"),
        "{rendered}"
    );
    app.run(["template", "remove", "spring", "--language", "de"])
        .failed_with(1)
        .says(&["spring in de"]);
    app.run(["template", "remove", "foot"])
        .failed_with(1)
        .says(&["`spring` refers to `foot`"]);
    let campaign = create(app, &[]);
    app.run(["template", "remove", "spring"])
        .failed_with(1)
        .says(&[&format!("campaign {campaign}")]);
    app.steer(campaign, "cancel");
    app.run(["template", "remove", "spring"]).succeeded();
    app.run(["template", "remove", "foot"]).succeeded();
});

on_both_engines!(a_translation_that_cannot_be_sent_is_refused, |app| {
    app.import_csv("readers", "email,name\nann@example.org,Ann\n");
    let file = app.write("template.html", "<p>\n{{#if}}</p>");
    let file = file.to_string_lossy();
    let add_german = ["template", "add", "spring", "--html", &file, "--language", "de"];
    app.run(add_german).failed_with(1).says(&["template.html:2:"]);
    app.write("template.html", "<p>Hallo</p>");
    app.run(add_german)
        .failed_with(1)
        .says(&["no template `spring`", "without --language"]);
    let english = [
        "template",
        "add",
        "spring",
        "--html",
        &file,
        "--language",
        "german",
    ];
    app.run(english).failed_with(2).says(&["german", "pt-BR"]);
    assert_eq!(app.database.number("SELECT count(*) FROM templates"), 0);

    add_all(app);
    app.write("template.html", "<p>Hallo</p>");
    // Without an unsubscribe link: it can be stored, as a layout could, and not be sent.
    app.run(add_german).succeeded();
    let campaign = create(app, &[]).to_string();
    for send in [
        &["campaign", "send", &campaign][..],
        &["campaign", "schedule", &campaign, "--now"],
    ] {
        app.run(send)
            .failed_with(1)
            .says(&["template spring (html) in de", "unsubscribe"]);
    }
    app.write("template.html", "<p>{{> nothing}}</p>");
    app.run(add_german).succeeded();
    let create = [
        "campaign",
        "create",
        "--name",
        "N",
        "--list",
        "readers",
        "--template",
        "spring",
        "--subject",
        "S",
        "--from",
        "news@example.com",
    ];
    app.run(create)
        .failed_with(1)
        .says(&["template spring (html) in de:1:4", "no template named nothing"]);
    assert_eq!(app.database.number("SELECT count(*) FROM campaigns"), 1);
});

on_both_engines!(a_check_tries_everybody_in_their_language, |app| {
    app.import_csv(
        "readers",
        "email,name,language,stadt\nann@example.org,Ann,de,\nbob@example.org,Bob,en,Ulm\n",
    );
    app.import_csv(
        "readers",
        "email,name,language\ncleo@example.org,Cleo,de\ndora@example.org,Dora,fr\n",
    );
    add_all(app);
    add(
        app,
        "spring",
        "<p>Hallo aus {{stadt}} {{unsubscribe_url}}</p>",
        &["--language", "de"],
    );
    let check = ["--json", "template", "check", "spring", "--list", "readers"];
    let checked = app.run(check).failed_with(1).json();
    assert_eq!(
        (&checked["recipients"], &checked["failing"]),
        (&4.into(), &1.into()),
        "{checked}"
    );
    let lacked = checked["variables"].as_array().unwrap();
    let lacked = lacked
        .iter()
        .find(|lacked| lacked["variable"] == "stadt")
        .unwrap();
    assert_eq!(lacked["language"], "de");
    assert_eq!(
        (&lacked["absent"], &lacked["empty"]),
        (&1.into(), &1.into()),
        "{checked}"
    );
});
