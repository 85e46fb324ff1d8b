//! Templates are written in the dashboard: checked as the command checks them, looked at as a recipient gets them, and never lost.

use crate::dashboard::{Served, browser, serve};
use crate::steering::token;
use tidings_tests::on_both_engines;

/// Status, where it leads, body, and the policy of the content.
struct Answer {
    status: u16,
    location: String,
    policy: String,
    body: String,
}

fn answer(mut response: http::Response<ureq::Body>) -> Answer {
    let field = |name: &str| {
        let value = response.headers().get(name);
        value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    };
    let (location, policy) = (field("location"), field("content-security-policy"));
    Answer {
        status: response.status().as_u16(),
        location,
        policy,
        body: response.body_mut().read_to_string().unwrap(),
    }
}

fn get(served: &Served, token: &str, path: &str) -> Answer {
    let request = browser().get(format!("{}{path}", served.url));
    let request = request.header("Authorization", format!("Bearer {token}"));
    answer(request.call().unwrap())
}

fn post_accepting(
    served: &Served,
    token: &str,
    (path, accept): (&str, &str),
    fields: &[(&str, &str)],
) -> Answer {
    let request = browser().post(format!("{}{path}", served.url));
    let request = request
        .header("Authorization", format!("Bearer {token}"))
        .header("Accept", accept);
    answer(request.send_form(fields.iter().copied()).unwrap())
}

fn post(served: &Served, token: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    post_accepting(served, token, (path, "text/html"), fields)
}

/// A newsletter that can be sent.
const HTML: &str = "<p>Hello {{city}}</p>\r\n<a href=\"{{unsubscribe_url}}\">Leave</a>";

on_both_engines!(
    an_editor_writes_a_template_and_brings_an_earlier_version_back,
    |app| {
        let served = serve(app);
        let editor = token(app, "editor");
        let made = post(
            &served,
            &editor,
            "/templates",
            &[("name", "spring"), ("starter", "letter")],
        );
        assert_eq!((made.status, made.location.as_str()), (303, "/templates/spring"));
        let again = post(&served, &editor, "/templates", &[("name", "spring")]);
        assert_eq!(again.status, 422);
        assert!(
            again.body.contains("There is a template spring already"),
            "{}",
            again.body
        );
        let saved = post(
            &served,
            &editor,
            "/templates/spring",
            &[("subject", "Hi {{city}}"), ("html", HTML), ("text", " ")],
        );
        assert_eq!(saved.status, 303, "{}", saved.body);
        let listed = app.run(["--json", "template", "list"]).succeeded().json();
        assert_eq!(listed[0]["subject"], "Hi {{city}}");
        assert_eq!(listed[0]["has_text"], false);
        let page = get(&served, &editor, "/templates/spring/versions/1").body;
        assert!(
            page.contains("class=\"gone\"") && page.contains("+ &lt;p&gt;Hello {{city}}"),
            "{page}"
        );
        let back = post(&served, &editor, "/templates/spring/versions/1", &[]);
        assert_eq!(back.status, 303);
        let page = get(&served, &editor, "/templates/spring").body;
        assert!(
            page.contains("3, as it is now") && page.contains("token editor"),
            "{page}"
        );
        assert!(page.contains("A short note, and one question"), "{page}");
        let log = get(&served, &token(app, "administrator"), "/settings/audit").body;
        assert!(
            log.contains("saved a template") && log.contains("template spring"),
            "{log}"
        );
    }
);

on_both_engines!(
    what_is_wrong_is_said_beside_the_field_with_its_place_and_nothing_is_saved,
    |app| {
        let served = serve(app);
        let editor = token(app, "editor");
        post(&served, &editor, "/templates", &[("name", "spring")]);
        let refused = post(
            &served,
            &editor,
            "/templates/spring",
            &[("html", "<p>\r\n{{#if x}}</p>")],
        );
        assert_eq!(refused.status, 422);
        assert!(
            refused
                .body
                .contains("data-error-line=\"2\" data-error-column=\"1\""),
            "{}",
            refused.body
        );
        assert!(
            refused.body.contains("{{#if x}}"),
            "what was written is still there"
        );
        let itself = post(&served, &editor, "/templates/spring", &[("html", "{{> spring}}")]);
        assert_eq!(itself.status, 422, "it contains itself");
        let german = post(
            &served,
            &editor,
            "/templates/spring",
            &[("language", "de"), ("html", "<p>Hallo {{unsubscribe_url}}</p>")],
        );
        assert_eq!(german.location, "/templates/spring?language=de&saved=1");
        let page = get(&served, &editor, "/templates/spring").body;
        assert!(page.contains("1, as it is now"), "{page}");
        assert!(page.contains(">de</a>"), "{page}");
    }
);

on_both_engines!(a_preview_is_what_the_recipient_gets_and_does_nothing, |app| {
    app.import_csv("readers", "email,city\nann@example.org,Ulm <b>\n");
    let served = serve(app);
    let viewer = token(app, "viewer");
    let fields = |look| {
        [
            ("html", HTML),
            ("subject", "For {{city}}"),
            ("name", "spring"),
            ("list", "readers"),
            ("look", look),
        ]
    };
    let look = |word| post(&served, &viewer, "/preview", &fields(word));
    let desktop = look("desktop");
    assert_eq!(desktop.status, 200, "{}", desktop.body);
    assert!(
        desktop
            .policy
            .starts_with("sandbox allow-same-origin; default-src 'none'"),
        "{}",
        desktop.policy
    );
    assert!(!desktop.policy.contains("script-src") && desktop.policy.contains("frame-ancestors 'self'"));
    assert!(desktop.body.contains("Hello Ulm &lt;b&gt;"), "{}", desktop.body);
    let told = "name=\"tidings-preview\" content=\"{&quot;subject&quot;:&quot;For Ulm &lt;b&gt;&quot;";
    assert!(desktop.body.contains(told), "{}", desktop.body);
    assert!(look("text").body.contains("Hello Ulm"));
    assert!(look("source").body.contains("Subject: For Ulm"));
    assert!(look("phone").body.contains("srcdoc="));
    let json = ("/preview", "application/json");
    let shown = post_accepting(&served, &viewer, json, &fields("desktop")).body;
    assert!(shown.contains("\"recipient\":\"ann@example.org\""), "{shown}");
    let nobody = post(
        &served,
        &viewer,
        "/preview",
        &[("html", HTML), ("recipient", "bob@example.org")],
    );
    assert_eq!(nobody.status, 422);
    assert!(
        nobody.body.contains("There is no recipient bob@example.org"),
        "{}",
        nobody.body
    );
    let made_up = post(&served, &viewer, "/preview", &[("html", HTML)]);
    assert!(made_up.body.contains("Hello [city]"), "{}", made_up.body);
    let wrong = post_accepting(
        &served,
        &viewer,
        json,
        &[("html", "a\n{{#if x}}"), ("name", "spring")],
    );
    let error: serde_json::Value = serde_json::from_str(&wrong.body).unwrap();
    assert_eq!((wrong.status, &error["error"]["part"]), (422, &"html".into()));
    assert_eq!(
        (&error["error"]["line"], &error["error"]["column"]),
        (&2.into(), &1.into())
    );
    let too_long = post(&served, &viewer, "/preview", &[("html", &"x".repeat(7_000_000))]);
    assert_eq!(too_long.status, 413);
});

on_both_engines!(viewers_read_templates_and_what_is_needed_stays, |app| {
    app.import("readers", 1);
    let campaign = app.campaign("readers");
    let served = serve(app);
    let (editor, viewer) = (token(app, "editor"), token(app, "viewer"));
    let name = app.run(["--json", "template", "list"]).succeeded().json()[0]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/templates/{name}");
    let page = get(&served, &viewer, &path);
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains(" readonly>") && !page.body.contains(">Save</button>"),
        "{}",
        page.body
    );
    for change in ["", "/duplicate", "/remove", "/versions/1"] {
        let refused = post(
            &served,
            &viewer,
            &format!("{path}{change}"),
            &[("html", HTML), ("to", "other")],
        );
        assert_eq!(refused.status, 403, "{change}");
    }
    let kept = post(&served, &editor, &format!("{path}/remove"), &[]);
    assert_eq!(kept.status, 409, "campaign {campaign} is to send it");
    let copied = post(&served, &editor, &format!("{path}/duplicate"), &[("to", "copy")]);
    assert_eq!(copied.location, "/templates/copy");
    let removed = post(&served, &editor, "/templates/copy/remove", &[]);
    assert_eq!(removed.location, "/templates");
    assert_eq!(get(&served, &viewer, "/templates/copy").status, 404);
});

on_both_engines!(what_a_colleague_has_saved_is_not_saved_over_unseen, |app| {
    let served = serve(app);
    let editor = token(app, "editor");
    post(&served, &editor, "/templates", &[("name", "spring")]);
    let page = get(&served, &editor, "/templates/spring").body;
    assert!(page.contains("name=\"seen\" value=\"1\""), "{page}");
    let save = |html: &str, more: &[(&str, &str)]| {
        let fields = [&[("html", html), ("subject", "Hi")], more].concat();
        post(&served, &editor, "/templates/spring", &fields)
    };
    let theirs = format!("theirs {HTML}");
    assert_eq!(save(&theirs, &[("seen", "1")]).status, 303);
    let refused = save(&format!("mine {HTML}"), &[("seen", "1")]);
    assert_eq!(refused.status, 409, "{}", refused.body);
    for words in [
        "somebody else has saved template spring",
        "mine &lt;p&gt;Hello",
        "name=\"seen\" value=\"1\"",
        "name=\"newer\" value=\"2\"",
        "Save mine over it",
    ] {
        assert!(
            refused.body.contains(words),
            "{words} is missing: {}",
            refused.body
        );
    }
    let page = get(&served, &editor, "/templates/spring").body;
    assert!(
        page.contains("theirs &lt;p&gt;") && !page.contains("mine"),
        "{page}"
    );
    // Over what they were told of, and over nothing newer.
    let over = [("seen", "1"), ("newer", "2"), ("do", "over")];
    assert_eq!(save(&format!("mine {HTML}"), &over).status, 303);
    assert_eq!(save(&theirs, &over).status, 409);
    let german = [("language", "de"), ("seen", "0")];
    assert_eq!(save(HTML, &german).status, 303);
    assert_eq!(save(HTML, &german).status, 409);
});

on_both_engines!(the_longest_template_is_saved_and_a_longer_form_says_so, |app| {
    let served = serve(app);
    let email = crate::sign_in::person(app, &served, "eddie@example.com", "editor");
    let cookie = crate::sign_in::sign_in(&served, &email);
    let csrf = crate::sign_in::csrf(&served, &cookie);
    let send = |path: &str, fields: &[(&str, &str)]| {
        let fields = [&[("csrf", csrf.as_str())], fields].concat();
        crate::sign_in::post(&format!("{}{path}", served.url), Some(&cookie), &fields)
    };
    assert_eq!(send("/templates", &[("name", "spring")]).status, 303);
    // Three octets of the form for each.
    let html = format!("{HTML}{}", "<>".repeat(499_000));
    let text = "é".repeat(400_000);
    let saved = send("/templates/spring", &[("html", &html), ("text", &text)]);
    assert_eq!(saved.status, 303, "{}", &saved.body[..saved.body.len().min(2000)]);
    let too_long = "x".repeat(6_600_000);
    let refused = send("/templates/spring", &[("html", &too_long)]);
    assert_eq!(refused.status, 413);
    assert!(refused.body.contains("is too long"), "{}", refused.body);
    // Other forms are short.
    let refused = send("/templates", &[("name", &"x".repeat(100_000))]);
    assert!(
        refused.status == 413 && refused.body.contains("is too long"),
        "{}",
        refused.body
    );
});
