//! Whoever signs up gets mail after the confirmation and not before; nobody can have others flooded; and the proof is there.

use crate::dashboard::{Served, browser, get, serve};
use serde_json::{Value, json};
use std::time::Duration;
use tidings_tests::script::{Reply, Rule, Script};
use tidings_tests::{App, on_both_engines, wait_until};

/// An installation whose list `readers` is open, with name and city, and its server.
pub fn opened(app: &App, settings: &str) -> Served {
    app.relay.follow(Script::accepting().keep_content(1024 * 1024));
    let more = format!("[brand]\nname = \"Example & Co.\"\n[sign_up]\n{settings}\n");
    app.configure(|it| {
        it.more = more;
        it.trusted_proxies = vec!["127.0.0.1".to_owned()];
    });
    app.import("readers", 1);
    let open = [
        "list",
        "sign-up",
        "readers",
        "--open",
        "--from",
        "News <news@example.com>",
    ];
    let asked = [
        "--field",
        "name",
        "--field",
        "city=Your city",
        "--origin",
        "https://www.example.com",
    ];
    app.run([&open[..], &asked].concat())
        .succeeded()
        .prints(&["https://news.example.com/s/1"]);
    serve(app)
}

/// Posts a form from a network, as a browser set to German does.
fn post_from(served: &Served, network: &str, form: &str) -> (u16, String) {
    let mut answer = browser()
        .post(format!("{}/s/1", served.url))
        .content_type("application/x-www-form-urlencoded")
        .header("Accept-Language", "de")
        .header("X-Forwarded-For", network)
        .header("User-Agent", "A browser")
        .send(form)
        .unwrap();
    assert!(answer.headers().get("set-cookie").is_none());
    (
        answer.status().as_u16(),
        answer.body_mut().read_to_string().unwrap(),
    )
}

pub fn post(served: &Served, form: &str) -> (u16, String) {
    post_from(served, "198.51.100.7", form)
}

/// The link in the last letter to this address, on the server of the test.
pub fn link(app: &App, served: &Served, to: &str) -> String {
    wait_until("the letter has come", 30, || {
        !app.relay.contents_for(to).is_empty()
    });
    let letter = app.relay.contents_for(to).pop().unwrap().replace("=\r\n", "");
    let token = letter.split("https://news.example.com/opt-in/").nth(1).unwrap();
    let token: String = token.chars().take_while(char::is_ascii_alphanumeric).collect();
    format!("{}/opt-in/{token}", served.url)
}

/// Presses the button behind a link.
fn press(link: &str) -> (u16, String) {
    let mut answer = browser()
        .post(link)
        .content_type("application/x-www-form-urlencoded")
        .header("X-Forwarded-For", "2001:db8::7")
        .send("")
        .unwrap();
    (
        answer.status().as_u16(),
        answer.body_mut().read_to_string().unwrap(),
    )
}

pub fn standing(app: &App, address: &str) -> Option<String> {
    let all = app
        .run(["--json", "export", "consent", "--list", "readers"])
        .succeeded()
        .json();
    let found = all.as_array().unwrap().iter().find(|row| row["email"] == address);
    found.map(|row| row["state"].as_str().unwrap().to_owned())
}

fn proofs(app: &App) -> Vec<Value> {
    app.run(["export", "sign-ups", "--format", "jsonl"])
        .succeeded()
        .json_lines()
}

fn letters(app: &App) -> Vec<Value> {
    app.run(["export", "letters", "--format", "jsonl"])
        .succeeded()
        .json_lines()
}

on_both_engines!(whoever_signs_up_and_confirms_gets_the_list_s_mail, |app| {
    let served = opened(app, "keep_network = \"address\"");
    let (status, page) = get(&format!("{}/s/1", served.url));
    assert_eq!((status, page.matches("<button").count()), (200, 1), "{page}");
    assert!(
        page.contains("Your city") && page.contains("Example &amp; Co."),
        "{page}"
    );
    let digest = page.split("name=\"shown\" value=\"").nth(1).unwrap()[..16].to_owned();
    let form = format!(
        "email=Ann%40example.org&name=Ann&city=%3CUlm%3E&secret=x&form=page&language=en&shown={digest}"
    );
    let (status, page) = post(&served, &form);
    assert_eq!(status, 200);
    assert!(page.contains("Please look into your mailbox"), "{page}");
    assert_eq!(standing(app, "Ann@example.org").as_deref(), Some("pending"));
    let link = link(app, &served, "Ann@example.org");
    let letter = app.relay.contents_for("Ann@example.org").pop().unwrap();
    for field in [
        "From: News <news@example.com>",
        "Auto-Submitted: auto-generated",
        "Subject: Please confirm: readers",
    ] {
        assert!(letter.contains(field), "{field} in {letter}");
    }
    let (status, page) = get(&link);
    assert_eq!((status, page.matches("<button").count()), (200, 1), "{page}");
    let (status, page) = press(&link);
    assert!(status == 200 && page.contains("You are subscribed"), "{page}");
    assert_eq!(standing(app, "Ann@example.org").as_deref(), Some("confirmed"));

    let proof = &proofs(app)[0];
    assert_eq!(proof["email"], "Ann@example.org");
    assert_eq!(
        (&proof["form"], &proof["text_shown_by"]),
        (&json!("page"), &json!("page"))
    );
    assert!(
        proof["text"]
            .as_str()
            .unwrap()
            .contains("I would like to get “readers”"),
        "{proof}"
    );
    assert_eq!(
        (&proof["network"], &proof["confirmed_network"]),
        (&json!("198.51.100.7"), &json!("2001:db8::7"))
    );
    assert_eq!(proof["attributes"], json!({ "city": "<Ulm>" }));
    assert!(proof["asked_at"].is_string() && proof["confirmed_at"].is_string());
    let csv = app
        .run(["export", "sign-ups", "--list", "readers"])
        .succeeded()
        .stdout;
    assert!(
        csv.starts_with("id,email,list,form,") && csv.contains("Ann@example.org"),
        "{csv}"
    );

    served.process.kill_9();
    let campaign = app.campaign("readers");
    app.send(campaign);
    assert_eq!(app.relay.accepted_by_recipient()["Ann@example.org"], 2);
});

on_both_engines!(a_scanner_that_follows_the_link_confirms_nothing, |app| {
    let served = opened(app, "");
    post(&served, "email=ann%40example.org");
    let link = link(app, &served, "ann@example.org");
    for _ in 0..3 {
        assert_eq!(get(&link).0, 200);
        assert_eq!(browser().head(&link).call().unwrap().status().as_u16(), 200);
        browser().options(&link).call().unwrap();
    }
    assert_eq!(standing(app, "ann@example.org").as_deref(), Some("pending"));
    served.process.kill_9();
    let campaign = app.campaign("readers");
    app.send(campaign);
    assert_eq!(
        app.relay.accepted_by_recipient()["ann@example.org"],
        1,
        "the letter and nothing else"
    );
});

on_both_engines!(forged_and_expired_links_confirm_nothing, |app| {
    let served = opened(app, "");
    post(&served, "email=ann%40example.org&language=de");
    let link = link(app, &served, "ann@example.org");
    let mut forged = link.clone();
    let last = if forged.pop() == Some('0') { '1' } else { '0' };
    forged.push(last);
    assert_eq!((get(&forged).0, press(&forged).0), (404, 404));
    assert_eq!(press(&format!("{}/opt-in/1", served.url)).0, 404);
    app.database.execute("UPDATE sign_ups SET expires_at = asked_at");
    let (status, page) = press(&link);
    assert!(status == 410 && page.contains("../s/1"), "{status}: {page}");
    assert!(page.contains("Noch einmal anmelden"), "{page}");
    assert_eq!(standing(app, "ann@example.org").as_deref(), Some("pending"));
});

on_both_engines!(
    the_answer_is_the_same_for_everybody_and_the_hidden_field_stops_machines,
    |app| {
        let served = opened(app, "");
        app.run(["suppression", "add", "gone@example.org", "--reason", "complaint"])
            .succeeded();
        let answers: Vec<(u16, String)> = [
            "email=new%40example.org",
            "email=reader1%40example.org",
            "email=gone%40example.org",
            "email=machine%40example.org&website=x",
        ]
        .into_iter()
        .map(|form| post(&served, form))
        .collect();
        assert_eq!(answers[0].0, 200);
        for answer in &answers {
            assert!(*answer == answers[0], "{}", answer.1);
        }
        wait_until("two letters are accepted", 30, || {
            letters(app)
                .iter()
                .filter(|letter| letter["state"] == "accepted")
                .count()
                == 2
        });
        let mut to: Vec<_> = letters(app)
            .iter()
            .map(|letter| letter["email"].to_string())
            .collect();
        to.sort();
        assert_eq!(to, ["\"new@example.org\"", "\"reader1@example.org\""]);
        assert_eq!(standing(app, "reader1@example.org").as_deref(), Some("confirmed"));
        let (status, page) = post(&served, "email=%3Cscript%3E&city=%22%3E%3Cb%3E");
        assert_eq!(status, 422);
        assert!(page.contains("&lt;script&gt;") && !page.contains("<b>"), "{page}");
        assert!(
            app.run(["suppression", "show", "gone@example.org"])
                .succeeded()
                .stdout
                .contains("complaint")
        );
    }
);

on_both_engines!(nobody_can_have_others_flooded_with_letters, |app| {
    let served = opened(
        app,
        "max_letters_to_address_per_day = 2\nmax_letters_by_network_per_hour = 3\nmax_letters_of_list_per_hour = 5",
    );
    for n in 0..6 {
        let (status, _) = post_from(&served, &format!("192.0.2.{n}"), "email=ann%40example.org");
        assert_eq!(status, 200, "the answer says nothing");
    }
    assert_eq!(letters(app).len(), 2, "to one address");
    // One customer's range of IPv6 is one network.
    for n in 0..6 {
        post_from(
            &served,
            &format!("2001:db8:0:{n}::1"),
            &format!("email=reader{n}%40example.net"),
        );
    }
    assert_eq!(letters(app).len(), 5, "by one network");
    post_from(&served, "203.0.113.9", "email=bob%40example.org");
    assert_eq!(letters(app).len(), 5, "of one list");
    assert_eq!(standing(app, "bob@example.org"), None);
});

on_both_engines!(programs_and_pages_elsewhere_sign_up_by_json, |app| {
    let served = opened(app, "");
    let url = format!("{}/s/1", served.url);
    let send = |origin: Option<&str>, body: &str| {
        let mut request = browser()
            .post(&url)
            .content_type("application/json; charset=utf-8");
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        let mut answer = request.send(body).unwrap();
        let allowed = answer.headers().get("access-control-allow-origin");
        let allowed = allowed.map(|value| value.to_str().unwrap().to_owned());
        let body: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
        (
            answer.status().as_u16(),
            allowed,
            body["status"].as_str().unwrap().to_owned(),
        )
    };
    let ann = r#"{"email": "ann@example.org", "name": "Ann", "form": "app", "language": "fr"}"#;
    let ours = Some("https://www.example.com".to_owned());
    assert_eq!(send(None, ann), (202, None, "asked".to_owned()));
    assert_eq!(
        send(Some("https://www.example.com"), ann),
        (202, ours.clone(), "asked".to_owned())
    );
    assert_eq!(
        send(Some("https://evil.test"), ann),
        (403, None, "origin_not_allowed".to_owned())
    );
    assert_eq!(send(None, r#"{"email": "ann"}"#).2, "bad_address");
    assert_eq!(send(None, "[]").0, 400);
    let preflight = |origin: &str| {
        let answer = browser().options(&url).header("Origin", origin).call().unwrap();
        assert_eq!(answer.status().as_u16(), 204);
        answer.headers().get("access-control-allow-origin").is_some()
    };
    assert!(preflight("https://www.example.com") && !preflight("https://evil.test"));
    let link = link(app, &served, "ann@example.org");
    assert!(press(&link).1.contains("Vous êtes abonné"));
    let proof = &proofs(app)[0];
    assert_eq!(
        (&proof["form"], &proof["text_shown_by"]),
        (&json!("app"), &json!("unproven"))
    );
    assert_eq!(
        proof["network"].as_str().unwrap().len(),
        32,
        "a keyed hash: {proof}"
    );
    let html = app
        .run(["list", "sign-up", "readers", "--html", "--language", "es"])
        .succeeded()
        .stdout;
    assert!(
        html.contains("action=\"https://news.example.com/s/1\"") && html.contains("Suscribirme"),
        "{html}"
    );
    app.run(["list", "sign-up", "readers", "--close"]).succeeded();
    assert_eq!(get(&url).0, 404);
    assert_eq!(send(None, ann).2, "no_such_form");
});

on_both_engines!(
    a_confirmation_lifts_an_earlier_unsubscribe_and_its_link_works_once,
    |app| {
        let served = opened(app, "");
        app.database
            .execute("UPDATE subscriptions SET state = 'unsubscribed'");
        post(&served, "email=reader1%40example.org");
        let link = link(app, &served, "reader1@example.org");
        assert_eq!(
            standing(app, "reader1@example.org").as_deref(),
            Some("unsubscribed")
        );
        assert_eq!(press(&link).0, 200);
        assert_eq!(standing(app, "reader1@example.org").as_deref(), Some("confirmed"));
        assert_eq!(proofs(app)[0]["stood_before"], "unsubscribed");
        app.database
            .execute("UPDATE subscriptions SET state = 'unsubscribed'");
        assert_eq!(press(&link).0, 200);
        assert_eq!(
            standing(app, "reader1@example.org").as_deref(),
            Some("unsubscribed")
        );
    }
);

on_both_engines!(killed_at_any_moment_no_letter_goes_out_twice, |app| {
    let mut served = opened(app, "max_letters_by_network_per_hour = 0");
    // Slow enough that a letter is on the wire at most kills.
    let script = Script::accepting().keep_content(64 * 1024);
    app.relay.follow(script.delay(Duration::from_millis(80)));
    for round in 0..6 {
        for n in 0..6 {
            let (status, _) = post(&served, &format!("email=r{round}x{n}%40example.org"));
            assert_eq!(status, 200);
        }
        std::thread::sleep(Duration::from_millis(150 + 90 * round));
        served.process.kill_9();
        served = serve(app);
    }
    wait_until("every letter is done with", 60, || {
        let open = ["queued", "leased", "on_wire", "deferred"];
        letters(app)
            .iter()
            .all(|letter| !open.iter().any(|state| letter["state"] == *state))
    });
    let reached = app.relay.reached_once();
    let all = letters(app);
    assert_eq!(all.len(), 36);
    for letter in &all {
        let to = letter["email"].as_str().unwrap();
        match letter["state"].as_str().unwrap() {
            "accepted" => assert!(reached.contains(to), "{letter}"),
            "unknown" => {}
            _ => panic!("{letter}"),
        }
    }
    let unknown = all.iter().filter(|letter| letter["state"] == "unknown").count();
    assert!(unknown <= 6 * 8, "at most the open sessions of each kill");
});

on_both_engines!(a_letter_that_is_put_off_is_tried_again, |app| {
    let served = opened(app, "");
    app.relay.follow(
        Script::accepting()
            .keep_content(64 * 1024)
            .rule(Rule::rcpt(Reply::new(451, "4.7.1", "greylisted, come back later")).first(1)),
    );
    post(&served, "email=ann%40example.org");
    wait_until("the letter is accepted", 30, || {
        letters(app)[0]["state"] == "accepted"
    });
    assert_eq!(letters(app)[0]["attempts"], 2);
});

/// Every address of ours in the last letter to this address, on the server of the test, each once.
fn addresses_in_letter(app: &App, served: &Served, to: &str) -> Vec<String> {
    let letter = app.relay.contents_for(to).pop().unwrap().replace("=\r\n", "");
    let mut found: Vec<String> = letter
        .split("https://news.example.com")
        .skip(1)
        .map(|rest| {
            rest.split(['"', '<', '>', ' ', '\r', '\n', ')'])
                .next()
                .unwrap_or_default()
        })
        .map(|path| format!("{}{}", served.url, path.replace("&amp;", "&")))
        .collect();
    found.sort();
    found.dedup();
    found
}

on_both_engines!(a_walker_over_the_letter_of_a_sign_up_confirms_nothing, |app| {
    let served = opened(app, "");
    assert_eq!(post(&served, "email=ann%40example.org").0, 200);
    let link = link(app, &served, "ann@example.org");
    let found = addresses_in_letter(app, &served, "ann@example.org");
    assert!(found.contains(&link), "{found:?}");
    // As a gateway does it: a browser's name, from a data centre, every address by every method that only reads.
    for _ in 0..2 {
        for address in &found {
            let gateway = |request: ureq::RequestBuilder<ureq::typestate::WithoutBody>| {
                request
                    .header(
                        "User-Agent",
                        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0.0.0",
                    )
                    .header("X-Forwarded-For", "20.190.128.7")
                    .call()
                    .unwrap()
                    .status()
                    .as_u16()
            };
            assert_eq!(gateway(browser().head(address)), 200, "{address}");
            assert_eq!(gateway(browser().get(address)), 200, "{address}");
        }
    }
    assert_eq!(standing(app, "ann@example.org").as_deref(), Some("pending"));
    assert!(proofs(app).iter().all(|proof| proof["confirmed_at"].is_null()));
    assert_eq!(press(&link).0, 200, "the person behind the gateway still can");
    assert_eq!(standing(app, "ann@example.org").as_deref(), Some("confirmed"));
});
