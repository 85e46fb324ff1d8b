//! Before a campaign goes out, everything about it is looked at: what is red blocks it, what is amber asks for a name.

use crate::dashboard::{Served, serve};
use crate::steering::{page as get, sent as post, token};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use tidings_tests::{App, DnsServer, on_both_engines, wait_until};

pub const GOOD: &str = "<body>{{#preheader}}What is new in spring{{/preheader}}<h1>Spring</h1>\
    <p>Dear {{default name \"friend\"}}, the boats are in the water again, and so are we.</p>\
    <p>Example Boats, 4 Mill Lane, 00000 Larkfield. <a href=\"{{unsubscribe_url}}\">Unsubscribe</a></p></body>";

/// The template `own`, new or another than before.
pub fn add(app: &App, subject: &str, html: &str) {
    let file = app.write("own.html", html);
    let file = file.to_str().unwrap();
    app.run(["template", "add", "own", "--subject", subject, "--html", file])
        .succeeded();
}

/// A draft to three readers with this newsletter.
pub fn draft(app: &App, html: &str) -> i64 {
    app.import("readers", 3);
    add(app, "Spring is here", html);
    draft_of(app, "own")
}

pub fn draft_of(app: &App, template: &str) -> i64 {
    let made = app.run([
        "--json",
        "campaign",
        "create",
        "--name",
        "Spring",
        "--list",
        "readers",
        "--template",
        template,
        "--from",
        "Ann <ann@example.com>",
    ]);
    made.succeeded().json()["id"].as_i64().unwrap()
}

/// What the command says, and how it exits.
fn checked(app: &App, campaign: i64, exit: i32) -> Value {
    let output = app.run(["--json", "campaign", "check", &campaign.to_string()]);
    match exit {
        0 => output.succeeded().json(),
        code => output.failed_with(code).json(),
    }
}

/// The findings of a check that are not in order: level, sentence and where.
fn of(checked: &Value, check: &str) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = checked["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["check"] == check && finding["level"] != "ok")
        .map(|finding| {
            (
                text(&finding["level"]),
                text(&finding["sentence"]),
                text(&finding["where"]),
            )
        })
        .collect()
}

/// Waits until a running server has made a list that is asked for.
pub fn made_by(served: &Served, app: &App, campaign: i64) {
    let editor = token(app, "editor");
    let path = format!("/campaigns/{campaign}/pre-flight");
    assert_eq!(post(served, &editor, &path, &[]).0, 303);
    wait_until("the list is there", 30, || {
        get(served, &editor, &path).1.contains("In order")
    });
}

/// Has a list made, and takes on all that it finds amber.
pub fn cleared(served: &Served, editor: &str, campaign: i64) {
    let path = format!("/campaigns/{campaign}/pre-flight");
    assert_eq!(post(served, editor, &path, &[]).0, 303);
    let mut page = String::new();
    wait_until("the list is made", 60, || {
        page = get(served, editor, &path).1;
        !page.contains("being made")
    });
    assert!(!page.contains("group-red"), "{page}");
    let value = |part: &str, name: &str| {
        let rest = part.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
        let escaped = rest.split('"').next().unwrap();
        let signs = [
            ("&quot;", "\""),
            ("&#x27;", "'"),
            ("&#x3D;", "="),
            ("&#x60;", "`"),
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&amp;", "&"),
        ];
        signs.iter().fold(escaped.to_owned(), |text, (escaped, sign)| {
            text.replace(escaped, sign)
        })
    };
    for part in page.split("/pre-flight/override").skip(1) {
        let (check, finding) = (value(part, "check"), value(part, "finding"));
        let fields = [
            ("check", check.as_str()),
            ("finding", finding.as_str()),
            ("reason", "known"),
        ];
        assert_eq!(
            post(served, editor, &format!("{path}/override"), &fields).0,
            303,
            "{finding}"
        );
    }
}

/// A web server that knows `/here` alone.
fn web_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let is_here = head.first().is_some_and(|line| line.contains(" /here "));
            let status = if is_here { "200 OK" } else { "404 Not Found" };
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
    });
    addr
}

on_both_engines!(
    a_good_newsletter_passes_and_a_bad_one_says_all_that_is_wrong,
    |app| {
        let campaign = draft(app, GOOD);
        let good = checked(app, campaign, 0);
        assert_eq!((&good["red"], &good["amber"]), (&0.into(), &0.into()), "{good}");
        assert_eq!(good["findings"].as_array().unwrap().len(), 17, "{good}");

        let bad = "<body><p>Dear reader, lorem ipsum <a href=\"http://localhost/\">here</a> <a href=\"\">there</a>\
        <img src=\"http://pictures.tidings.dev/a.png\"></p>\
        <div style=\"visibility:hidden\"><a href=\"{{unsubscribe_url}}\">Unsubscribe</a></div></body>";
        add(app, "BUY OUR BOATS NOW", bad);
        app.configure(|settings| settings.more = "[preflight]\ncheck_links = false\n".to_owned());
        let bad = checked(app, draft_of(app, "own"), 1);
        for (check, level, part) in [
            ("PF07", "red", "hidden"),
            ("PF08", "amber", "postal address"),
            ("PF09", "amber", "capitals"),
            ("PF10", "amber", "preheader"),
            ("PF11", "amber", "lorem ipsum"),
            ("PF12", "red", "private network"),
            ("PF12", "amber", "leads nowhere"),
            ("PF14", "amber", "no alt"),
            ("PF14", "amber", "http"),
        ] {
            let found = of(&bad, check);
            let is_there = found
                .iter()
                .any(|(found, sentence, _)| found == level && sentence.contains(part));
            assert!(is_there, "{check} {part}: {found:?}");
        }
    }
);

on_both_engines!(everybodys_message_is_made_and_who_fails_is_named, |app| {
    let html = GOOD.replace(
        "Dear",
        "{{#if (eq email \"reader2@example.org\")}}{{shoe_size}}{{/if}}Dear",
    );
    let campaign = draft(app, &html);
    let checked = checked(app, campaign, 1);
    let failing = of(&checked, "PF03");
    let [(level, sentence, place)] = &failing[..] else {
        panic!("{failing:?}");
    };
    assert_eq!((level.as_str(), place.as_str()), ("red", "reader2@example.org"));
    assert!(
        sentence.contains("1 of 3 recipients") && sentence.contains("shoe_size"),
        "{sentence}"
    );
    assert_eq!(app.show(campaign).state(), "draft");
});

on_both_engines!(a_campaign_to_nobody_and_one_that_gmail_clips_are_found, |app| {
    let long = GOOD.replace("Dear", &"<p>Boats and boats and boats.</p>".repeat(4_000));
    let campaign = draft(app, &long);
    let found = of(&checked(app, campaign, 0), "PF04");
    assert!(
        found[0].0 == "amber" && found[0].1.contains("102 KB"),
        "{found:?}"
    );
    for n in 1..=3 {
        app.run(["suppression", "add", &format!("reader{n}@example.org")])
            .succeeded();
    }
    let found = of(&checked(app, campaign, 1), "PF02");
    assert_eq!(found[0].0, "red");
});

on_both_engines!(links_are_asked_and_a_private_network_is_not, |app| {
    let server = web_server();
    let links =
        format!("<a href=\"http://{server}/here\">here</a> <a href=\"http://{server}/gone\">gone</a> Dear");
    let campaign = draft(app, &GOOD.replace("Dear", &links));
    let private = checked(app, campaign, 1);
    assert_eq!(of(&private, "PF12").len(), 2, "{private}");
    assert_eq!(of(&private, "PF13"), [], "{private}");
    app.configure(|settings| settings.more = "[preflight]\nallow_private_addresses = true\n".to_owned());
    let allowed = checked(app, campaign, 0);
    let found = of(&allowed, "PF13");
    let [(level, sentence, place)] = &found[..] else {
        panic!("{found:?}");
    };
    assert!(sentence.contains("404") && place.ends_with("/gone"), "{found:?}");
    assert_eq!(level, "amber");
});

on_both_engines!(a_recipients_own_link_is_not_followed_in_their_name, |app| {
    let server = web_server();
    let links = format!(
        "<a href=\"http://{server}/here\">here</a> <a href=\"http://{server}/gone?who={{{{email}}}}\">yours</a> Dear"
    );
    let campaign = draft(app, &GOOD.replace("Dear", &links));
    app.configure(|settings| settings.more = "[preflight]\nallow_private_addresses = true\n".to_owned());
    let found = of(&checked(app, campaign, 0), "PF13");
    let [(level, sentence, place)] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((level.as_str(), place.as_str()), ("amber", ""));
    assert!(sentence.contains("one recipient alone"), "{sentence}");
});

on_both_engines!(the_dns_is_asked_about_the_sender, |app| {
    let dns = DnsServer::start();
    dns.mx("example.com", 10, "mx.example.com");
    dns.txt("example.com", "v=spf1 mx -all");
    app.configure(|settings| {
        settings.dns = Some(dns.address());
        settings.more = "[preflight]\ndkim_selector = \"mail\"\n".to_owned();
    });
    let campaign = draft(app, GOOD);
    let found = checked(app, campaign, 0);
    let domain = of(&found, "PF15");
    assert!(
        domain.len() == 1 && domain[0].1.contains("no DMARC record"),
        "{domain:?}"
    );
    assert_eq!(of(&found, "PF17")[0].0, "amber");
    dns.txt("_dmarc.example.com", "v=DMARC1; p=none");
    dns.txt("mail._domainkey.example.com", "v=DKIM1; p=MIIB");
    let found = checked(app, campaign, 0);
    assert_eq!(
        (of(&found, "PF15"), of(&found, "PF17")),
        (Vec::new(), Vec::new()),
        "{found}"
    );
    dns.fall_silent();
    let found = of(&checked(app, campaign, 0), "PF15");
    assert!(
        found[0].0 == "amber" && found[0].1.contains("could not be asked"),
        "{found:?}"
    );
});

on_both_engines!(the_starter_newsletters_pass, |app| {
    app.import("readers", 2);
    for starter in [
        "announcement",
        "digest",
        "product-update",
        "event-invitation",
        "letter",
    ] {
        app.run(["template", "add", starter, "--starter", starter])
            .succeeded();
        let found = checked(app, draft_of(app, starter), 0);
        for finding in found["findings"].as_array().unwrap() {
            // Their links lead to example.org until somebody writes their own.
            let is_operators = finding["sentence"]
                .as_str()
                .unwrap()
                .contains("reserved for examples");
            assert!(finding["level"] == "ok" || is_operators, "{starter}: {finding}");
        }
    }
});

on_both_engines!(a_list_is_made_in_the_page_and_amber_is_taken_on_by_name, |app| {
    let campaign = draft(
        app,
        &GOOD.replace("Dear", "<a href=\"https://www.example.org/\">Boats</a> Dear"),
    );
    let served = serve(app);
    let (editor, viewer) = (token(app, "editor"), token(app, "viewer"));
    let path = format!("/campaigns/{campaign}/pre-flight");
    assert!(get(&served, &viewer, &path).1.contains("Before it goes out"));
    assert_eq!(post(&served, &viewer, &path, &[]).0, 403);
    assert_eq!(post(&served, &editor, "/campaigns/77/pre-flight", &[]).0, 404);
    let run = || {
        assert_eq!(post(&served, &editor, &path, &[]).0, 303);
        wait_until("the list is there", 30, || {
            get(&served, &editor, &path).1.contains("In order")
        });
    };
    run();
    let page = get(&served, &editor, &path).1;
    assert!(
        page.contains("1 amber finding that nobody has taken on"),
        "{page}"
    );
    let sentence = "A link leads to a domain that is reserved for examples.";
    let finding = format!("{sentence} [https://www.example.org/]");
    let take = |finding: &str, reason: &str| {
        let fields = [("check", "PF12"), ("finding", finding), ("reason", reason)];
        post(&served, &editor, &format!("{path}/override"), &fields).0
    };
    assert_eq!(take(&finding, "  "), 422);
    assert_eq!(take("Something else.", "because"), 409);
    assert_eq!(take(&finding, "It is a sample for <friends>"), 303);
    let page = get(&served, &editor, &path).1;
    assert!(
        page.contains("can be scheduled") && page.contains("for &lt;friends&gt;"),
        "{page}"
    );
    assert!(page.contains("token editor"), "{page}");
    let kept = "SELECT COUNT(*) FROM audit_log WHERE what = 'overrode a pre-flight finding' AND who = 'token editor'";
    assert_eq!(app.database.number(kept), 1);
    // What was taken on stays so where the same is found again; another content makes the list stale.
    run();
    assert!(get(&served, &editor, &path).1.contains("can be scheduled"));
    add(app, "Spring is here", &GOOD.replace("Dear", "My dear"));
    let page = get(&served, &editor, &path).1;
    assert!(
        page.contains("the campaign has changed since its pre-flight list"),
        "{page}"
    );
});

on_both_engines!(a_list_whose_server_was_killed_is_made_by_the_next, |app| {
    let campaign = draft(app, GOOD);
    let served = serve(app);
    let editor = token(app, "editor");
    let path = format!("/campaigns/{campaign}/pre-flight");
    assert_eq!(post(&served, &editor, &path, &[]).0, 303);
    served.process.kill_9();
    // As if it had been killed in the midst of it, more than a minute ago.
    app.database.execute(
        "UPDATE preflights SET state = 'running', findings = NULL, fingerprint = NULL, touched_at = touched_at - 61000000",
    );
    let served = serve(app);
    wait_until("the list is there", 30, || {
        get(&served, &editor, &path).1.contains("In order")
    });
});
