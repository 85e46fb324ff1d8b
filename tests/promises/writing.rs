//! Editors write campaigns in the dashboard, nobody writes over what another has written, and what arrives is what was written.

use crate::dashboard::{Served, serve};
use crate::steering::{get, post, token};
use tidings_tests::script::{Reply, Rule, Script, Who};
use tidings_tests::{App, on_both_engines, wait_until};

const HTML: &str =
    "<body><p>Dear {{name}} of {{city}}</p><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></body>";

/// The text of a message, decoded.
fn decoded(message: &str) -> (String, String, String) {
    let parsed = mail_parser::MessageParser::default()
        .parse(message.as_bytes())
        .unwrap();
    (
        parsed.subject().unwrap_or_default().to_owned(),
        parsed.body_html(0).unwrap_or_default().into_owned(),
        parsed.body_text(0).unwrap_or_default().into_owned(),
    )
}

/// Two readers with a city, an editor's token, and the number of their list.
fn readers(app: &App) -> (Served, String, String) {
    let rows = "email,name,city\nann@example.org,Ann <3,Ulm\nbob@example.net,Bob,\n";
    app.import_csv("readers", rows);
    app.relay.follow(Script::accepting().keep_content(1_000_000));
    let served = serve(app);
    let editor = token(app, "editor");
    let list = app.database.number("SELECT id FROM lists").to_string();
    (served, editor, list)
}

/// Has the server start a campaign by command, and waits until it is finished.
fn send(app: &App, campaign: i64) {
    app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
        .succeeded();
    wait_until("it is sent", 30, || app.show(campaign).state() == "finished");
}

fn written<'a>(list: &'a str, html: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("do", "save"),
        ("name", "Spring"),
        ("list", list),
        ("from_name", "Example, the"),
        ("from_address", "news@example.com"),
        ("reply_to", "Office <office@example.com>"),
        ("subject", "Hi {{name}}"),
        ("preheader", "Tea & <cake> for {{name}}"),
        ("tracking", "off"),
        ("language", ""),
        ("html", html),
        ("text", "Dear {{name}}, {{unsubscribe_url}}"),
    ]
}

fn with<'a>(fields: &[(&'a str, &'a str)], changed: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let others = fields
        .iter()
        .filter(|(name, _)| !changed.iter().any(|(other, _)| other == name));
    others.chain(changed).copied().collect()
}

/// Makes a draft in its page; its number.
fn draft(served: &Served, editor: &str, fields: &[(&str, &str)]) -> i64 {
    let (status, location, body) = post(served, editor, "/campaigns/new", fields);
    assert_eq!(status, 303, "{body}");
    location.rsplit('/').next().unwrap().parse().unwrap()
}

on_both_engines!(what_arrives_is_what_was_written_in_the_page, |app| {
    let (served, editor, list) = readers(app);
    let page = get(&served, &editor, "/campaigns/new").2;
    for words in ["readers", "2 recipients", "announcement"] {
        assert!(page.contains(words), "{words} in {page}");
    }
    let fields = written(&list, HTML);
    let campaign = draft(&served, &editor, &fields);
    let edit = format!("/campaigns/{campaign}/edit");
    let page = get(&served, &editor, &edit).2;
    for words in ["Tea &amp; &lt;cake&gt;", "{{city}}", "50 %", "Of 2 recipients"] {
        assert!(page.contains(words), "{words} in {page}");
    }
    // Once more, with another name and subject.
    let more = with(
        &fields,
        &[
            ("revision", "1"),
            ("name", "Spring news"),
            ("subject", "Hello {{name}}"),
        ],
    );
    assert_eq!(post(&served, &editor, &edit, &more).0, 303);
    assert_eq!(app.show(campaign).0["content"], "its own");
    send(app, campaign);
    let message = app.relay.contents_for("ann@example.org").remove(0);
    let (subject, html, text) = decoded(&message);
    assert_eq!(subject, "Hello Ann <3");
    assert!(
        html.contains("mso-hide:all\">Tea &amp; &lt;cake&gt; for Ann &lt;3"),
        "{html}"
    );
    assert!(html.contains("<p>Dear Ann &lt;3 of Ulm</p>"), "{html}");
    assert!(
        text.starts_with("Dear Ann <3, ") && !text.contains("Tea"),
        "{text}"
    );
    assert!(
        message.contains("From: \"Example, the\" <news@example.com>"),
        "{message}"
    );
    assert!(
        message.contains("Reply-To:") && message.contains("<office@example.com>"),
        "{message}"
    );
    // From its start on it is fixed.
    let (status, _, page) = get(&served, &editor, &edit);
    assert_eq!(status, 200);
    assert!(
        page.contains("what it says is fixed") && page.contains("disabled"),
        "{page}"
    );
    let number = campaign.to_string();
    let bare = [
        ("writing", "campaign"),
        ("campaign", number.as_str()),
        ("recipient", "ann@example.org"),
    ];
    assert!(post(&served, &editor, "/preview", &bare).2.contains("of Ulm"));
    let late = with(&fields, &[("revision", "2")]);
    let (status, _, body) = post(&served, &editor, &edit, &late);
    assert_eq!(status, 409, "{body}");
    let kept = format!(
        "SELECT COUNT(*) FROM audit_log WHERE about = 'campaign {campaign}' AND who = 'token editor' \
         AND what IN ('made a campaign', 'wrote a campaign')"
    );
    assert_eq!(app.database.number(&kept), 2);
});

on_both_engines!(a_campaign_with_a_template_has_its_own_preheader, |app| {
    let (served, editor, list) = readers(app);
    let html = "<body>{{#preheader}}From the template{{/preheader}}<p>Hi</p>{{unsubscribe_url}}</body>";
    let file = app.write("spring.html", html);
    let file = file.to_string_lossy();
    app.run([
        "template",
        "add",
        "spring",
        "--html",
        &file,
        "--subject",
        "Of the template",
    ])
    .succeeded();
    let fields: Vec<_> = written(&list, "")
        .into_iter()
        .filter(|(name, _)| !matches!(*name, "language" | "html" | "text" | "subject"))
        .chain([("template", "spring")])
        .collect();
    let campaign = draft(&served, &editor, &fields);
    send(app, campaign);
    let (subject, html, _) = decoded(&app.relay.contents_for("bob@example.net").remove(0));
    assert_eq!(subject, "Of the template");
    assert!(html.contains("Tea &amp; &lt;cake&gt; for Bob"), "{html}");
    assert!(!html.contains("From the template"), "{html}");
});

on_both_engines!(nobody_writes_over_what_another_has_written, |app| {
    let (served, editor, list) = readers(app);
    let fields = written(&list, HTML);
    let campaign = draft(&served, &editor, &fields);
    let edit = format!("/campaigns/{campaign}/edit");
    let first = with(&fields, &[("revision", "1"), ("name", "The first")]);
    let second = with(&fields, &[("revision", "1"), ("name", "The second")]);
    assert_eq!(post(&served, &editor, &edit, &first).0, 303);
    let (status, _, body) = post(&served, &editor, &edit, &second);
    assert_eq!(status, 409);
    assert!(body.contains("somebody else has changed"), "{body}");
    assert!(
        body.contains("value=\"The second\"") && body.contains("Save mine over it"),
        "{body}"
    );
    assert_eq!(app.show(campaign).0["name"], "The first");
    let over = with(&second, &[("do", "over"), ("newer", "2")]);
    assert_eq!(post(&served, &editor, &edit, &over).0, 303);
    assert_eq!(app.show(campaign).0["name"], "The second");
});

on_both_engines!(
    what_is_wrong_is_said_beside_its_field_and_nothing_is_lost,
    |app| {
        let (served, editor, list) = readers(app);
        let fields = written(&list, HTML);
        for (field, value, says) in [
            ("name", " ", "A name is one line"),
            ("list", "999", "Choose at least one list"),
            ("from_address", "news", "The address"),
            ("reply_to", "a@x.test, b@x.test", "The address"),
            ("subject", "{{#if}", "the subject"),
            ("preheader", "{{{name}}}", "a preheader is escaped"),
            ("html", "<p>\n  {{#if x}}</p>", "Line 2, column 3"),
            ("html", "{{> nowhere}}{{unsubscribe_url}}", "nowhere"),
            ("html", "", "there is nothing in it yet"),
        ] {
            let (status, _, body) = post(
                &served,
                &editor,
                "/campaigns/new",
                &with(&fields, &[(field, value)]),
            );
            assert_eq!(status, 422, "{field}: {body}");
            assert!(body.contains("class=\"error\""), "{field}: {body}");
            assert!(body.contains(says), "{field}, {says}: {body}");
            assert!(
                body.contains("office@example.com") || field == "reply_to",
                "{body}"
            );
        }
        assert_eq!(app.database.number("SELECT COUNT(*) FROM campaigns"), 0);
        let viewer = token(app, "viewer");
        assert_eq!(post(&served, &viewer, "/campaigns/new", &fields).0, 403);
        let campaign = draft(&served, &editor, &fields);
        let edit = format!("/campaigns/{campaign}/edit");
        assert!(get(&served, &viewer, &edit).2.contains("disabled"));
        for action in ["edit", "test", "repeat", "remove"] {
            let path = format!("/campaigns/{campaign}/{action}");
            assert_eq!(post(&served, &viewer, &path, &[]).0, 403, "{action}");
        }
    }
);

on_both_engines!(a_form_takes_a_copy_and_more_languages_without_a_script, |app| {
    let (served, editor, list) = readers(app);
    let file = app.write("spring.html", HTML);
    let file = file.to_string_lossy();
    app.run([
        "template",
        "add",
        "spring",
        "--html",
        &file,
        "--subject",
        "Of spring",
    ])
    .succeeded();
    let fields = [
        ("name", "Spring"),
        ("list", list.as_str()),
        ("template", "spring"),
        ("do", "own"),
    ];
    let (status, _, body) = post(&served, &editor, "/campaigns/new", &fields);
    assert_eq!(status, 200);
    assert!(
        body.contains("Dear {{name}} of {{city}}") && body.contains("value=\"Of spring\""),
        "{body}"
    );
    let begun = [("name", "Spring"), ("do", "begin:letter")];
    assert!(
        post(&served, &editor, "/campaigns/new", &begun)
            .2
            .contains("A short note, and one question")
    );
    let fields = with(
        &written(&list, HTML),
        &[("do", "add-language"), ("new_language", "de")],
    );
    let (_, _, body) = post(&served, &editor, "/campaigns/new", &fields);
    assert!(
        body.contains("name=\"html:de\"") && body.contains("Take de out"),
        "{body}"
    );
    // What is shown is what the form says.
    let look = [
        ("writing", "campaign"),
        ("look", "desktop"),
        ("recipient", "ann@example.org"),
    ];
    let shown = with(&written(&list, HTML), &look);
    let (status, _, body) = post(&served, &editor, "/preview", &shown);
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("of Ulm"), "{body}");
    assert!(
        body.contains("Tea &amp;amp; &amp;lt;cake") || body.contains("Tea &amp; &lt;cake"),
        "{body}"
    );
});

on_both_engines!(a_campaign_is_used_again_and_a_draft_is_removed, |app| {
    let (served, editor, list) = readers(app);
    let campaign = draft(&served, &editor, &written(&list, HTML));
    send(app, campaign);
    let repeat = format!("/campaigns/{campaign}/repeat");
    assert_eq!(post(&served, &editor, &repeat, &[("name", " ")]).0, 422);
    let (status, location, _) = post(&served, &editor, &repeat, &[("name", "Summer")]);
    assert_eq!(status, 303);
    let page = get(&served, &editor, &location).2;
    assert!(
        page.contains("value=\"Summer\"") && page.contains("Dear {{name}} of"),
        "{page}"
    );
    let (status, _, body) = post(&served, &editor, &format!("/campaigns/{campaign}/remove"), &[]);
    assert_eq!(status, 409);
    assert!(body.contains("only a draft can be removed"), "{body}");
    let second = location.trim_end_matches("/edit");
    assert!(get(&served, &editor, second).2.contains("Remove this draft?"));
    let (status, leads, _) = post(&served, &editor, &format!("{second}/remove"), &[]);
    assert_eq!((status, leads.as_str()), (303, "/campaigns"));
    assert_eq!(get(&served, &editor, second).0, 404);
    assert_eq!(app.database.number("SELECT COUNT(*) FROM campaign_drafts"), 1);
});

on_both_engines!(a_test_letter_arrives_and_its_page_says_so, |app| {
    let refused = Rule::rcpt(Reply::new(550, "5.1.1", "=no such user"));
    let refused = refused.to(Who::address("nobody@example.org"));
    let (served, editor, list) = readers(app);
    app.relay
        .follow(Script::accepting().keep_content(1_000_000).rule(refused));
    let campaign = draft(&served, &editor, &written(&list, HTML));
    let path = format!("/campaigns/{campaign}/test");
    let fields = [
        ("to", "office@example.net, nobody@example.org"),
        ("merged_for", "ann@example.org"),
        ("once", "c0ffee"),
    ];
    assert_eq!(post(&served, &editor, &path, &fields).0, 303);
    // A form that is sent twice sends one test.
    assert_eq!(post(&served, &editor, &path, &fields).0, 303);
    let mut page = String::new();
    wait_until("the relay has answered", 30, || {
        page = get(&served, &editor, &path).2;
        page.contains("accepted") && page.contains("no such user")
    });
    assert!(page.contains("refused"), "{page}");
    let letters = app.relay.contents_for("office@example.net");
    assert_eq!(letters.len(), 1);
    let (subject, html, text) = decoded(&letters[0]);
    assert_eq!(subject, "[Test] Hi Ann <3");
    assert!(
        html.contains("Dear Ann &lt;3 of Ulm") && html.contains("/u/test\""),
        "{html}"
    );
    assert!(text.contains("/u/test"), "{text}");
    let link = html.split("href=\"").nth(1).unwrap().split('"').next().unwrap();
    let link = link.split_once("/u/").unwrap().1;
    let (status, _) = app_public(&served, &format!("/u/{link}"));
    assert_eq!(status, 404);
    assert!(app.relay.contents_for("ann@example.org").is_empty());
    // Who must not be mailed gets no test, and nobody else of that test either.
    app.run(["suppression", "add", "gone@example.org"]).succeeded();
    let more = [("to", "office@example.net gone@example.org"), ("once", "more")];
    let (status, _, body) = post(&served, &editor, &path, &more);
    assert_eq!(status, 422);
    assert!(body.contains("gone@example.org is suppressed"), "{body}");
    for to in [
        "",
        "nobody",
        "a@x.test b@x.test c@x.test d@x.test e@x.test f@x.test",
    ] {
        assert_eq!(post(&served, &editor, &path, &[("to", to)]).0, 422, "{to}");
    }
    assert_eq!(app.database.number("SELECT COUNT(*) FROM letters"), 2);
    // Without the word of a form, each is a test of its own.
    for _ in 0..2 {
        assert_eq!(
            post(&served, &editor, &path, &[("to", "office@example.net")]).0,
            303
        );
    }
    assert_eq!(app.database.number("SELECT COUNT(*) FROM letters"), 4);
    let kept = "SELECT COUNT(*) FROM audit_log WHERE what = 'sent a test' AND who = 'token editor'";
    assert_eq!(app.database.number(kept), 3);
});

/// What the public answers to a GET.
fn app_public(served: &Served, path: &str) -> (u16, String) {
    let answer = crate::dashboard::browser()
        .get(format!("{}{path}", served.url))
        .call();
    let mut answer = answer.unwrap();
    (
        answer.status().as_u16(),
        answer.body_mut().read_to_string().unwrap(),
    )
}
