//! What becomes of a newsletter's links, as the relay gets them.

use mail_parser::MessageParser;
use std::collections::HashSet;
use tidings_tests::script::Script;
use tidings_tests::{App, on_both_engines};

const HTML: &str = "<html><body><p>Dear {{name}}</p><a href=\"https://shop.example.com/spring?x=1&amp;y=2#top\">Spring</a>\
    <a href='https://shop.example.com/?id={{id}}'>Yours</a><a href=\"mailto:help@example.com\">Write</a>\
    <a href=\"#top\">Up</a><a href=\"{{view_url}}\">View</a><a href=\"{{unsubscribe_url}}\">Leave</a></body></html>";
const OURS: &str = "https://news.example.com/c/";

/// Two readers on a list, and a template.
fn prepare(app: &App) {
    app.relay.follow(Script::accepting().keep_content(10_000_000));
    app.import_csv(
        "readers",
        "email,name,id\nann@example.org,Ann,a-1\nbob@example.org,Bob,b-2\n",
    );
    let file = app.write("spring.html", HTML);
    let file = file.to_string_lossy();
    app.run([
        "template",
        "add",
        "spring",
        "--html",
        &file,
        "--subject",
        "Spring",
    ])
    .succeeded();
}

#[track_caller]
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
        "--from",
        "news@example.com",
    ];
    let created = app.run([&create[..], options].concat()).succeeded().json();
    created["id"].as_i64().unwrap()
}

/// HTML and text that an address got last.
fn newest(app: &App, address: &str) -> (String, String) {
    let contents = app.relay.contents_for(address);
    let message = MessageParser::default()
        .parse(contents.last().unwrap().as_bytes())
        .unwrap();
    let html = message.body_html(0).unwrap().into_owned();
    (html, message.body_text(0).unwrap().into_owned())
}

/// Where the links of some HTML lead.
fn links(html: &str) -> Vec<String> {
    html.split("<a href=")
        .skip(1)
        .map(|rest| rest[1..].split(&rest[..1]).next().unwrap().to_owned())
        .collect()
}

#[track_caller]
fn sent(app: &App, options: &[&str]) -> [Vec<String>; 2] {
    let campaign = create(app, options);
    app.send(campaign);
    ["ann@example.org", "bob@example.org"].map(|address| {
        let (html, text) = newest(app, address);
        assert!(
            text.contains("Spring: https://shop.example.com/spring?x=1&y=2#top"),
            "{text}"
        );
        assert!(!text.contains("/c/"), "{text}");
        links(&html)
    })
}

#[track_caller]
fn assert_others_are_untouched(links: &[String]) {
    assert_eq!(links[0], "mailto:help@example.com");
    assert_eq!(links[1], "#top");
    assert!(
        links[2].starts_with("https://news.example.com/v/"),
        "{}",
        links[2]
    );
    assert!(
        links[3].starts_with("https://news.example.com/u/"),
        "{}",
        links[3]
    );
}

on_both_engines!(with_full_tracking_every_reader_has_links_of_their_own, |app| {
    prepare(app);
    let [ann, bob] = sent(app, &["--tracking", "full"]);
    for links in [&ann, &bob] {
        assert_eq!(links.len(), 7, "the trap comes first: {links:?}");
        assert!(links[..3].iter().all(|link| link.starts_with(OURS)), "{links:?}");
        assert_others_are_untouched(&links[3..]);
    }
    let ours: HashSet<&String> = ann[..3].iter().chain(&bob[..3]).collect();
    assert_eq!(ours.len(), 6, "{ours:?}");
    for (links, id) in [(&ann, "a-1"), (&bob, "b-2")] {
        let end = format!("?to=https%3A%2F%2Fshop.example.com%2F%3Fid%3D{id}");
        assert!(links[2].ends_with(&end), "{}", links[2]);
    }
    let (html, _) = newest(app, "ann@example.org");
    let pixel = "<img src=\"https://news.example.com/o/";
    assert_eq!(html.matches(pixel).count(), 1, "{html}");
    assert!(
        html.trim_end()
            .ends_with(".gif\" width=\"1\" height=\"1\" alt=\"\"></body></html>"),
        "{html}"
    );
});

on_both_engines!(anonymous_links_are_the_same_for_all, |app| {
    prepare(app);
    // The default of the configuration.
    let [ann, bob] = sent(app, &[]);
    assert_eq!(ann[..2], bob[..2]);
    assert!(
        ann[0].starts_with(OURS) && ann[1].starts_with(OURS) && ann[0] != ann[1],
        "{ann:?}"
    );
    assert_eq!(ann[2], "https://shop.example.com/?id=a-1");
    assert_eq!(bob[2], "https://shop.example.com/?id=b-2");
    assert_others_are_untouched(&ann[3..]);
    let pixel = |address| {
        let (html, _) = newest(app, address);
        html[html.find("<img src=").unwrap()..].to_owned()
    };
    assert_eq!(pixel("ann@example.org"), pixel("bob@example.org"));
});

on_both_engines!(without_tracking_links_are_as_they_were_written, |app| {
    prepare(app);
    let [ann, _] = sent(app, &["--tracking", "off"]);
    assert_eq!(ann[0], "https://shop.example.com/spring?x=1&amp;y=2#top");
    assert_eq!(ann[1], "https://shop.example.com/?id=a-1");
    assert_others_are_untouched(&ann[2..]);
    assert!(!newest(app, "ann@example.org").0.contains("<img"));
});

on_both_engines!(
    the_campaign_decides_then_the_strictest_list_then_the_configuration,
    |app| {
        prepare(app);
        app.import_csv("others", "email,id\nann@example.org,a-1\n");
        app.configure(|settings| settings.more = "[tracking]\nmode = \"full\"\n".to_owned());
        let are_tracked = |options: &[&str]| sent(app, options)[0].iter().any(|link| link.starts_with(OURS));
        assert!(are_tracked(&[]));
        app.run(["list", "set", "others", "--tracking", "off"])
            .succeeded();
        app.run(["list", "set", "readers", "--tracking", "anonymous"])
            .succeeded();
        assert!(are_tracked(&[]));
        assert!(!are_tracked(&["--list", "others"]));
        assert!(are_tracked(&["--list", "others", "--tracking", "full"]));
        app.run(["list", "set", "others", "--tracking", "default"])
            .succeeded();
        assert!(are_tracked(&["--list", "others"]));
        let shown = app.run(["list", "show"]).succeeded().stdout;
        assert!(
            shown.contains("2 confirmed  tracking anonymous  no archive    no sign-up    readers"),
            "{shown}"
        );
        app.run(["list", "set", "nobody", "--tracking", "off"])
            .failed_with(1)
            .says(&["no list `nobody`", "list show"]);
        app.run(["list", "set", "others", "--tracking", "some"])
            .failed_with(2)
            .says(&["full, anonymous, off, default"]);
    }
);

on_both_engines!(what_holds_is_settled_when_the_campaign_starts, |app| {
    prepare(app);
    let campaign = create(app, &[]);
    let shown = |id: i64| {
        app.run(["--json", "campaign", "show", &id.to_string()])
            .succeeded()
            .json()
    };
    assert_eq!(shown(campaign)["tracking"], serde_json::Value::Null);
    app.send(campaign);
    app.configure(|settings| settings.more = "[tracking]\nmode = \"full\"\n".to_owned());
    assert_eq!(shown(campaign)["tracking"], "anonymous");
    app.configure(|settings| settings.more = "[tracking]\nmode = \"some\"\n".to_owned());
    app.run(["check"])
        .failed_with(1)
        .says(&["[tracking]", "some", "anonymous"]);
});

on_both_engines!(utm_parameters_are_added_and_break_nothing, |app| {
    prepare(app);
    let options = [
        "--utm-source",
        "news & more",
        "--utm-medium",
        "email",
        "--tracking",
    ];
    let added = "utm_source=news%20%26%20more&amp;utm_medium=email";
    let [ann, _] = sent(app, &[&options[..], &["off"]].concat());
    assert_eq!(
        ann[0],
        format!("https://shop.example.com/spring?x=1&amp;y=2&amp;{added}#top")
    );
    assert_eq!(ann[1], format!("https://shop.example.com/?id=a-1&amp;{added}"));
    assert_others_are_untouched(&ann[2..]);
    let [ann, _] = sent(app, &[&options[..], &["full"]].concat());
    assert!(ann[2].ends_with("%26utm_medium%3Demail"), "{}", ann[2]);
    app.run([
        "campaign",
        "create",
        "--name",
        "x",
        "--list",
        "readers",
        "--template",
        "spring",
        "--from",
    ])
    .failed_with(2);
    let bad = ["--from", "a@example.com", "--utm-term", " "];
    let create = [
        "campaign",
        "create",
        "--name",
        "x",
        "--list",
        "readers",
        "--template",
        "spring",
    ];
    app.run([&create[..], &bad].concat())
        .failed_with(2)
        .says(&["--utm-term", "empty"]);
});

on_both_engines!(a_preview_shows_the_links_as_they_were_written, |app| {
    prepare(app);
    app.configure(|settings| settings.more = "[tracking]\nmode = \"full\"\n".to_owned());
    for part in ["html", "eml"] {
        let render = [
            "template",
            "render",
            "spring",
            "--recipient",
            "ann@example.org",
            "--part",
            part,
        ];
        let shown = app.run(render).succeeded().stdout;
        assert!(
            shown.contains("\"https://shop.example.com/spring?x=1&amp;y=2#top\""),
            "{shown}"
        );
        assert!(
            shown.contains("https://news.example.com/v/") && !shown.contains("/c/"),
            "{shown}"
        );
    }
});

on_both_engines!(a_list_has_utm_parameters_which_a_campaign_may_overrule, |app| {
    prepare(app);
    app.run(["list", "set", "readers"]).failed_with(2);
    let set = [
        "list",
        "set",
        "readers",
        "--utm-source",
        "readers",
        "--utm-medium",
        "email",
    ];
    app.run(set)
        .succeeded()
        .prints(&["utm_source=readers&utm_medium=email"]);
    let [ann, _] = sent(app, &["--tracking", "off", "--utm-source", "own"]);
    assert_eq!(
        ann[0],
        "https://shop.example.com/spring?x=1&amp;y=2&amp;utm_source=own&amp;utm_medium=email#top"
    );
    let waiting = create(app, &["--tracking", "off"]);
    for wanted in ["readers", "1"] {
        let shown = app.run(["--json", "list", "show", wanted]).succeeded().json();
        assert_eq!(shown[0]["name"], "readers");
        assert_eq!(shown[0]["utm"]["source"], "readers");
    }
    app.run(["list", "show", "nobody"])
        .failed_with(1)
        .says(&["no list `nobody`"]);
    app.run(["list", "set", "readers", "--no-utm"]).succeeded();
    app.send(waiting);
    let (html, _) = newest(app, "ann@example.org");
    assert!(!html.contains("utm_"), "{html}");
});
