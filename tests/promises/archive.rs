//! A newsletter can be read in a browser: by the link of its recipient, as that recipient got it; and where the operator
//! wants it, by anybody, with nobody's data.

use crate::dashboard::{Served, browser, get, serve};
use quick_xml::Reader;
use quick_xml::events::Event;
use tidings_tests::script::Script;
use tidings_tests::{App, on_both_engines};

const HTML: &str = "<h1>Hello {{name}}</h1><p>{{email}} <img src=\"cid:logo.png\"> <a href=\"https://example.com/a?b=1&amp;c=2\">Go</a></p>\
    <p><a href=\"{{view_url}}\">Browser</a> <a href=\"{{unsubscribe_url}}\">Leave</a></p>";

fn add(app: &App, html: &str, options: &[&str]) {
    let file = app.write("newsletter.html", html);
    let add = ["template", "add", "spring", "--html", &file.to_string_lossy()];
    app.run([&add[..], options].concat()).succeeded();
}

/// Creates and sends a campaign to the list `readers`.
fn send(app: &App, subject: &str, options: &[&str]) -> i64 {
    let create = [
        "--json", "campaign", "create", "--name", "Spring", "--list", "readers",
    ];
    let more = [
        "--template",
        "spring",
        "--subject",
        subject,
        "--from",
        "Example News <news@example.com>",
    ];
    let created = app.run([&create[..], &more, options].concat()).succeeded().json();
    let campaign = created["id"].as_i64().unwrap();
    app.send(campaign);
    campaign
}

fn logo(app: &App) -> String {
    let file = app.folder().join("logo.png");
    std::fs::write(&file, b"\x89PNG\r\n\x1a\n").unwrap();
    file.to_string_lossy().into_owned()
}

/// A campaign in English and German with an image, to an English and a German reader.
fn sent(app: &App) -> i64 {
    app.relay.follow(Script::accepting().keep_content(1024 * 1024));
    app.import_csv(
        "readers",
        "email,name,language\nann@example.org,Ann,en\nbert@example.org,Bert,de\n",
    );
    add(app, HTML, &[]);
    add(app, &HTML.replace("Hello", "Hallo"), &["--language", "de"]);
    send(app, "Spring & more", &["--inline", &logo(app)])
}

/// The link to the newsletter in the message of a reader, on the server of the test.
fn view_link(app: &App, served: &Served, reader: &str) -> String {
    let message = app.relay.contents_for(reader).pop().unwrap().replace("=\r\n", "");
    let token = message.split("https://news.example.com/v/").nth(1).unwrap();
    let token: String = token.chars().take_while(char::is_ascii_alphanumeric).collect();
    format!("{}/v/{token}", served.url)
}

fn field(url: &str, name: &str) -> String {
    let answer = browser().get(url).call().unwrap();
    let value = answer.headers().get(name);
    value
        .map(|value| value.to_str().unwrap().to_owned())
        .unwrap_or_default()
}

on_both_engines!(a_recipient_sees_the_newsletter_in_a_browser, |app| {
    sent(app);
    let served = serve(app);
    let link = view_link(app, &served, "bert@example.org");
    let (status, page) = get(&link);
    assert_eq!(status, 200, "{page}");
    for word in [
        "Hallo Bert",
        "bert@example.org",
        "https://example.com/a?b=1",
        "news.example.com/u/",
        "/v/",
    ] {
        assert!(page.contains(word), "{word} in {page}");
    }
    assert!(
        !page.contains("cid:") && !page.contains("/o/") && !page.contains("/c/"),
        "{page}"
    );
    let token = link.rsplit('/').next().unwrap();
    assert!(page.contains(&format!("src=\"{token}/logo.png\"")), "{page}");
    let image = browser().get(format!("{link}/logo.png")).call().unwrap();
    assert_eq!(
        (image.status().as_u16(), &image.headers()["content-type"]),
        (200, &"image/png".parse().unwrap())
    );
    assert_eq!(get(&format!("{link}/other.png")).0, 404);
    let policy = field(&link, "content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("script-src"),
        "{policy}"
    );
    for (name, value) in [
        ("x-robots-tag", "noindex"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert!(field(&link, name).contains(value), "{name}");
    }
    assert_eq!(browser().head(&link).call().unwrap().status(), 200);
    assert_eq!(browser().post(&link).send("").unwrap().status(), 405);
    assert!(
        get(&view_link(app, &served, "ann@example.org"))
            .1
            .contains("Hello Ann")
    );
});

on_both_engines!(a_changed_link_shows_no_newsletter, |app| {
    sent(app);
    let served = serve(app);
    let link = view_link(app, &served, "ann@example.org");
    let mut forged = link.clone();
    let last = if forged.pop() == Some('0') { '1' } else { '0' };
    forged.push(last);
    for link in [
        &forged,
        &format!("{forged}/logo.png"),
        &format!("{}/v/x", served.url),
    ] {
        let (status, page) = get(link);
        assert_eq!(status, 404);
        assert!(
            page.contains("This link does not work") && !page.contains("Ann"),
            "{page}"
        );
    }
    // An unsubscribe link is none to look at.
    let unsubscribe = link.replace("/v/", "/u/");
    assert_eq!(get(&unsubscribe).0, 404);
});

on_both_engines!(a_newsletter_goes_with_its_recipient, |app| {
    sent(app);
    let served = serve(app);
    let link = view_link(app, &served, "ann@example.org");
    assert_eq!(get(&link).0, 200);
    app.database
        .execute("DELETE FROM recipients WHERE address_key = 'ann@example.org'");
    let (status, page) = get(&link);
    assert_eq!(status, 410);
    assert!(page.contains("not here any more"), "{page}");
    let mut answer = browser()
        .get(&link)
        .header("Accept-Language", "de")
        .call()
        .unwrap();
    let page = answer.body_mut().read_to_string().unwrap();
    assert!(
        page.contains("Diesen Newsletter gibt es hier nicht mehr"),
        "{page}"
    );
});

on_both_engines!(an_archive_is_closed_until_the_operator_opens_it, |app| {
    let campaign = sent(app);
    let served = serve(app);
    let list = format!("{}/archive/1", served.url);
    for path in [
        list.clone(),
        format!("{list}/feed.xml"),
        format!("{list}/{campaign}"),
    ] {
        assert_eq!(get(&path).0, 404, "{path}");
    }
    let opened = app
        .run(["--json", "list", "archive", "readers", "--on"])
        .succeeded()
        .json();
    assert_eq!(opened["url"], "https://news.example.com/archive/1");
    let shown = app.run(["--json", "list", "show"]).succeeded().json();
    assert_eq!(shown[0]["archive"], true, "{shown}");
    let (status, page) = get(&list);
    assert!(status == 200 && page.contains("Spring &amp; more"), "{page}");
    app.run(["campaign", "archive", &campaign.to_string(), "--hide"])
        .succeeded();
    assert!(!get(&list).1.contains("Spring"));
    assert_eq!(get(&format!("{list}/{campaign}")).0, 404);
    assert_eq!(get(&format!("{list}/{campaign}/logo.png")).0, 404);
    app.run(["campaign", "archive", &campaign.to_string(), "--show"])
        .succeeded();
    assert_eq!(get(&format!("{list}/{campaign}")).0, 200);
    app.run(["list", "archive", "readers", "--off"]).succeeded();
    assert_eq!(get(&list).0, 404);
    app.run(["list", "archive", "nobody", "--on"]).failed_with(1);
});

on_both_engines!(an_archived_newsletter_holds_nobodys_data, |app| {
    let campaign = sent(app);
    app.run(["list", "archive", "readers", "--on"]).succeeded();
    let served = serve(app);
    let issue = format!("{}/archive/1/{campaign}", served.url);
    let (status, page) = get(&issue);
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("<h1>Hello </h1>"), "{page}");
    for word in [
        "Ann",
        "ann@",
        "Bert",
        "bert@",
        "/u/",
        "/v/",
        "/c/",
        "cid:",
        ".invalid/",
    ] {
        assert!(!page.contains(word), "{word} in {page}");
    }
    let leaves = "<a href=\"https://news.example.com/archive/1\">Leave</a>";
    assert!(page.contains(leaves), "{page}");
    assert!(
        page.contains(&format!(
            "<a href=\"https://news.example.com/archive/1/{campaign}\">Browser</a>"
        )),
        "{page}"
    );
    let image = browser().get(format!("{issue}/logo.png")).call().unwrap();
    assert_eq!(image.status(), 200);
    assert!(field(&issue, "content-security-policy").contains("default-src 'none'"));
    assert!(field(&issue, "cache-control").starts_with("public"));
});

on_both_engines!(what_cannot_be_shown_without_a_recipient_is_left_out, |app| {
    app.relay.follow(Script::accepting());
    app.import("readers", 2);
    add(app, "<p>{{city}} <a href=\"{{unsubscribe_url}}\">x</a></p>", &[]);
    let personal = send(app, "To you alone", &[]);
    add(
        app,
        "<p>{{default city \"you\"}} <a href=\"{{unsubscribe_url}}\">x</a></p>",
        &[],
    );
    send(app, "To all", &[]);
    app.run(["list", "archive", "readers", "--on"]).succeeded();
    let served = serve(app);
    let list = format!("{}/archive/1", served.url);
    let page = get(&list).1;
    assert!(page.contains("To all") && !page.contains("alone"), "{page}");
    assert_eq!(get(&format!("{list}/{personal}")).0, 404);
    let said = served.process.stderr_so_far();
    assert!(
        said.contains("left out of the archive") && said.contains("city"),
        "{said}"
    );
});

/// What stands in each element of this name, unescaped.
fn texts(xml: &str, name: &str) -> Vec<String> {
    let mut reader = Reader::from_str(xml);
    let (mut found, mut open) = (Vec::new(), false);
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => return found,
            Event::Start(start) if start.name().as_ref() == name => {
                open = true;
                found.push(String::new());
            }
            Event::End(_) => open = false,
            Event::Text(text) if open => found.last_mut().unwrap().push_str(&text.xml10_content()),
            Event::GeneralRef(entity) if open => {
                let text = match entity.resolve_char_ref().unwrap() {
                    Some(c) => c.to_string(),
                    None => quick_xml::escape::resolve_xml_entity(&entity).unwrap().to_owned(),
                };
                found.last_mut().unwrap().push_str(&text);
            }
            _ => {}
        }
    }
}

on_both_engines!(an_archive_has_a_feed, |app| {
    let campaign = sent(app);
    app.run(["list", "archive", "readers", "--on"]).succeeded();
    let served = serve(app);
    let url = format!("{}/archive/1/feed.xml", served.url);
    let (status, feed) = get(&url);
    assert_eq!(status, 200, "{feed}");
    assert_eq!(field(&url, "content-type"), "application/atom+xml; charset=utf-8");
    let list = "https://news.example.com/archive/1";
    assert_eq!(
        texts(&feed, "id"),
        [list.to_owned(), format!("{list}/{campaign}")]
    );
    assert_eq!(texts(&feed, "title"), ["readers", "Spring & more"]);
    assert_eq!(texts(&feed, "name"), ["readers", "Example News"]);
    for updated in texts(&feed, "updated") {
        assert!(updated.parse::<jiff::Timestamp>().is_ok(), "{updated}");
    }
    let content = texts(&feed, "content").remove(0);
    assert!(content.contains("<h1>Hello </h1>"), "{content}");
    assert!(
        content.contains(&format!("<img src=\"{list}/{campaign}/logo.png\"")),
        "{content}"
    );
    assert!(
        !content.contains("/u/") && !feed.contains("news@example.com"),
        "{feed}"
    );
});

on_both_engines!(what_a_reader_of_the_archive_has_is_not_sent_again, |app| {
    let campaign = sent(app);
    app.run(["list", "archive", "readers", "--on"]).succeeded();
    let served = serve(app);
    for path in ["", "/feed.xml", &format!("/{campaign}")] {
        let url = format!("{}/archive/1{path}", served.url);
        for (known, asks) in [("etag", "if-none-match"), ("last-modified", "if-modified-since")] {
            let value = field(&url, known);
            assert!(!value.is_empty(), "{known} of {url}");
            let mut again = browser().get(&url).header(asks, &value).call().unwrap();
            assert_eq!(again.status(), 304, "{url} {known}");
            assert_eq!(again.body_mut().read_to_string().unwrap(), "");
        }
        let other = browser()
            .get(&url)
            .header("if-none-match", "\"other\"")
            .call()
            .unwrap();
        assert_eq!(other.status(), 200);
    }
});

on_both_engines!(an_archive_speaks_the_visitors_language, |app| {
    sent(app);
    app.run(["list", "archive", "readers", "--on"]).succeeded();
    let served = serve(app);
    for (language, feed) in [
        ("en", "feed reader"),
        ("de", "Feedreader"),
        ("fr", "lecteur de flux"),
        ("es", "lector de noticias"),
    ] {
        let asked = browser().get(format!("{}/archive/1", served.url));
        let mut answer = asked.header("Accept-Language", language).call().unwrap();
        assert_eq!(answer.headers()["vary"], "accept-language");
        let page = answer.body_mut().read_to_string().unwrap();
        let lang = format!("<html lang=\"{language}\">");
        for part in [
            &*lang,
            feed,
            "Spring &amp; more",
            "../u/style.css",
            "rel=\"alternate\"",
        ] {
            assert!(page.contains(part), "{language}: {part} is missing in {page}");
        }
        assert!(!page.contains("noindex"), "{page}");
    }
});

on_both_engines!(a_campaign_can_be_made_for_no_archive, |app| {
    app.relay.follow(Script::accepting());
    app.import("readers", 1);
    add(app, "<p><a href=\"{{unsubscribe_url}}\">x</a></p>", &[]);
    let secret = send(app, "Not for all", &["--no-archive"]);
    send(app, "For all", &[]);
    app.run(["list", "archive", "readers", "--on"]).succeeded();
    let served = serve(app);
    let list = format!("{}/archive/1", served.url);
    let page = get(&list).1;
    assert!(
        page.contains("For all") && !page.contains("Not for all"),
        "{page}"
    );
    assert_eq!(get(&format!("{list}/{secret}")).0, 404);
});
