//! Whoever unsubscribes by the link of a message gets no more mail, at once and for good.

use crate::dashboard::{Served, browser, get, serve};
use crate::hits::{keys, until_killed};
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::token::{HitTarget, HitToken, UnsubscribeToken, ViewToken};
use tidings_tests::script::Script;
use tidings_tests::{App, Server, on_both_engines};

/// A campaign that three readers got, and the server behind its links.
pub fn after_a_campaign(app: &App) -> Served {
    app.relay.follow(Script::accepting().keep_content(1024 * 1024));
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    app.send(campaign);
    serve(app)
}

/// The address in the message's List-Unsubscribe field, on the server of the test.
pub fn link(app: &App, served: &Served, reader: &str) -> String {
    link_at(app, &served.url, reader)
}

/// The same at another server's address.
pub fn link_at(app: &App, url: &str, reader: &str) -> String {
    let message = app.relay.contents_for(reader).pop().unwrap();
    let header = message
        .split("\r\n\r\n")
        .next()
        .unwrap()
        .replace("\r\n ", " ")
        .replace("\r\n\t", " ");
    let field = header
        .lines()
        .find(|line| line.starts_with("List-Unsubscribe:"))
        .unwrap();
    assert!(
        header.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"),
        "{header}"
    );
    let link = field
        .split(['<', '>'])
        .find(|part| part.starts_with("https:"))
        .unwrap();
    link.replace("https://news.example.com", url)
}

/// One-click as a mail program does it.
pub fn one_click(link: &str) -> u16 {
    let answer = browser()
        .post(link)
        .content_type("application/x-www-form-urlencoded")
        .send("List-Unsubscribe=One-Click")
        .unwrap();
    assert!(answer.headers().get("set-cookie").is_none());
    answer.status().as_u16()
}

/// Sends one more campaign, without the server, and says how many mails the first reader has got by then.
fn mails_to_reader1_after_another_campaign(app: &App) -> usize {
    let campaign = app.campaign("readers");
    app.send(campaign);
    let by_recipient = app.relay.accepted_by_recipient();
    assert_eq!(by_recipient["reader2@example.org"], 2);
    by_recipient["reader1@example.org"]
}

on_both_engines!(one_click_is_durable_when_it_is_answered, |app| {
    let served = after_a_campaign(app);
    let link = link(app, &served, "reader1@example.org");
    assert_eq!((one_click(&link), one_click(&link)), (200, 200));
    served.process.kill_9();
    assert_eq!(mails_to_reader1_after_another_campaign(app), 1);
});

on_both_engines!(looking_at_the_link_unsubscribes_nobody, |app| {
    let served = after_a_campaign(app);
    let link = link(app, &served, "reader1@example.org");
    let (status, page) = get(&link);
    assert_eq!((status, page.matches("<button").count()), (200, 1));
    browser().head(&link).call().unwrap();
    served.process.kill_9();
    assert_eq!(mails_to_reader1_after_another_campaign(app), 2);
});

on_both_engines!(a_changed_link_unsubscribes_nobody, |app| {
    let served = after_a_campaign(app);
    let mut link = link(app, &served, "reader1@example.org");
    let last = if link.pop() == Some('0') { '1' } else { '0' };
    link.push(last);
    assert_eq!((get(&link).0, one_click(&link)), (404, 404));
    served.process.kill_9();
    assert_eq!(mails_to_reader1_after_another_campaign(app), 2);
});

on_both_engines!(an_import_does_not_lift_an_unsubscribe, |app| {
    let served = after_a_campaign(app);
    assert_eq!(one_click(&link(app, &served, "reader1@example.org")), 200);
    served.process.kill_9();
    app.import("readers", 3);
    assert_eq!(mails_to_reader1_after_another_campaign(app), 1);
});

on_both_engines!(unsubscribes_show_on_the_dashboard, |app| {
    let served = after_a_campaign(app);
    assert_eq!(one_click(&link(app, &served, "reader1@example.org")), 200);
    tidings_tests::wait_until("the page counts the unsubscribe", 10, || {
        get(&served.url).1.contains("<dd data-n=\"unsubscribed\">1</dd>")
    });
});

/// Sends our own form, as a browser set to `languages` does; the page that comes.
fn choose(link: &str, form: &str, languages: &str) -> String {
    let mut answer = browser()
        .post(link)
        .content_type("application/x-www-form-urlencoded")
        .header("Accept-Language", languages)
        .send(form)
        .unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert!(answer.headers().get("set-cookie").is_none());
    answer.body_mut().read_to_string().unwrap()
}

on_both_engines!(
    a_pause_holds_mail_back_for_its_time_and_then_lets_it_through,
    |app| {
        let served = after_a_campaign(app);
        let link = link(app, &served, "reader1@example.org");
        let page = choose(&link, "choice=pause_4&reason=too_many", "de");
        assert!(page.contains("Ihre Pause hat begonnen"), "{page}");
        served.process.kill_9();
        assert_eq!(mails_to_reader1_after_another_campaign(app), 1);
        let exported = app.run(["--json", "export", "pauses"]).succeeded().json();
        assert_eq!(exported[0]["email"], "reader1@example.org");
        assert_eq!(exported[0]["reason"], "too_many");
        let shown = app.run(["--json", "recipient", "show", "reader1@example.org"]);
        assert!(shown.succeeded().json()["paused_until"].is_string());
        // Four weeks later.
        app.database
            .execute("UPDATE pauses SET paused_until = paused_until - 4 * 7 * 86400000000");
        let campaign = app.campaign("readers");
        app.send(campaign);
        assert_eq!(app.relay.accepted_by_recipient()["reader1@example.org"], 2);
    }
);

on_both_engines!(a_pause_during_a_slow_campaign_withholds_what_is_planned, |app| {
    app.relay.follow(Script::accepting().keep_content(1024 * 1024));
    app.import("readers", 120);
    let first = app.campaign("readers");
    app.send(first);
    let served = serve(app);
    // The last but one: an import goes by address.
    let link = link(app, &served, "reader99@example.org");
    app.relay.follow(Script::accepting().pace(15.0));
    let campaign = app.campaign("readers");
    app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
        .succeeded();
    tidings_tests::wait_until("mail flows", 30, || app.relay.accepted_count() >= 125);
    choose(&link, "choice=pause_8", "en");
    tidings_tests::wait_until("the campaign is finished", 60, || {
        app.show(campaign).state() == "finished"
    });
    let withheld = app.deliveries(campaign, "withheld");
    assert_eq!(withheld.len(), 1, "{}", app.show(campaign));
    assert_eq!(withheld[0]["address"], "reader99@example.org");
    assert_eq!(withheld[0]["cause"], "paused");
});

on_both_engines!(whoever_leaves_all_lists_gets_mail_from_none, |app| {
    app.import("writers", 3);
    let served = after_a_campaign(app);
    let link = link(app, &served, "reader1@example.org");
    let page = choose(
        &link,
        "choice=all&reason=other&comment=moving+to+%3CSpringfield%3E",
        "fr;q=0.9, en;q=0.1",
    );
    assert!(
        page.contains("<html lang=\"fr\">") && page.contains("plus aucune newsletter"),
        "{page}"
    );
    served.process.kill_9();
    app.import("writers", 3);
    let campaign = app.campaign("writers");
    app.send(campaign);
    let by_recipient = app.relay.accepted_by_recipient();
    assert_eq!(by_recipient["reader1@example.org"], 1);
    assert_eq!(by_recipient["reader2@example.org"], 2);
    let exported = app.run(["--json", "export", "unsubscribes"]).succeeded().json();
    assert_eq!(exported[0]["scope"], "all");
    assert_eq!(exported[0]["reason"], "other");
    assert_eq!(exported[0]["comment"], "moving to <Springfield>");
});

on_both_engines!(the_way_back_brings_the_mail_back, |app| {
    let served = after_a_campaign(app);
    let link = link(app, &served, "reader1@example.org");
    let page = choose(&link, "choice=lists", "es");
    assert!(
        page.contains("Su baja se ha registrado") && page.contains("value=\"back\""),
        "{page}"
    );
    let page = choose(&link, "choice=back", "es");
    assert!(page.contains("Todo vuelve a estar como antes"), "{page}");
    served.process.kill_9();
    assert_eq!(mails_to_reader1_after_another_campaign(app), 2);
});

on_both_engines!(
    scanners_that_only_look_change_nothing_after_a_choice_either,
    |app| {
        let served = after_a_campaign(app);
        let link = link(app, &served, "reader1@example.org");
        assert_eq!(one_click(&link), 200);
        for query in ["?choice=back", "?choice=pause_4", ""] {
            assert_eq!(get(&format!("{link}{query}")).0, 200);
            browser().head(format!("{link}{query}")).call().unwrap();
        }
        served.process.kill_9();
        assert_eq!(mails_to_reader1_after_another_campaign(app), 1);
        assert_eq!(app.database.number("SELECT COUNT(*) FROM pauses"), 0);
    }
);

on_both_engines!(a_recipient_reads_the_page_in_their_own_language, |app| {
    app.relay.follow(Script::accepting().keep_content(1024 * 1024));
    app.import_csv(
        "readers",
        "email,name,city,language\nann@example.org,Ann,Springfield,de-AT\n",
    );
    let campaign = app.campaign("readers");
    app.send(campaign);
    app.configure(|settings| {
        settings.more =
            "[brand]\nname = \"Example Sons\"\npostal_address = \"1 Example Street\"\n".to_owned();
    });
    let served = serve(app);
    let link = link(app, &served, "ann@example.org");
    let (_, page) = get(&link);
    for part in [
        "<html lang=\"de\">",
        "Was möchten Sie tun?",
        "Example Sons",
        "1 Example Street",
    ] {
        assert!(page.contains(part), "{part} is missing in: {page}");
    }
    // A link that names nobody speaks the browser's language.
    let mut answer = browser()
        .get(format!("{link}x"))
        .header("Accept-Language", "fr-FR,fr;q=0.9")
        .call()
        .unwrap();
    assert_eq!(answer.status().as_u16(), 404);
    let page = answer.body_mut().read_to_string().unwrap();
    assert!(page.contains("Ce lien ne fonctionne pas"), "{page}");
});

on_both_engines!(
    every_unsubscribe_that_was_answered_is_there_after_kill_9_under_load,
    |app| {
        app.relay.follow(Script::accepting());
        app.import("readers", 400);
        let campaign = app.campaign("readers");
        app.send(campaign);
        let keys = keys(app);
        let Server { process, url, .. } = app.serve();
        let answered = until_killed(process, |reader| {
            let token = UnsubscribeToken {
                campaign: CampaignId(campaign),
                recipient: RecipientId(reader),
            };
            let posted = browser()
                .post(format!("{url}/u/{}", token.sign(&keys)))
                .content_type("application/x-www-form-urlencoded")
                .send("List-Unsubscribe=One-Click");
            posted.is_ok_and(|answer| answer.status() == 200)
        });
        let ids: Vec<String> = answered.iter().map(ToString::to_string).collect();
        for table in [
            "subscriptions WHERE state = 'unsubscribed' AND",
            "unsubscribes WHERE",
        ] {
            let there = app.database.number(&format!(
                "SELECT COUNT(*) FROM {table} recipient_id IN ({})",
                ids.join(",")
            ));
            assert_eq!(there, answered.len() as i64, "{table}");
        }
        // What was committed is counted, be it answered or not.
        assert_eq!(
            app.database
                .number("SELECT CAST(SUM(n) AS BIGINT) FROM send_counters WHERE outcome = 'unsubscribed'"),
            app.database.number("SELECT COUNT(*) FROM unsubscribes")
        );
    }
);

on_both_engines!(what_is_no_unsubscribe_link_unsubscribes_nobody, |app| {
    let served = after_a_campaign(app);
    let link = link(app, &served, "reader1@example.org");
    let keys = keys(app);
    let (campaign, recipient) = (CampaignId(1), RecipientId(1));
    let mut view = String::new();
    ViewToken { campaign, recipient }.sign_into(&keys, &mut view);
    let mut hit = String::new();
    HitToken {
        campaign,
        recipient: Some(recipient),
        target: HitTarget::Link(1),
    }
    .sign_into(&keys, &mut hit);
    let root = link.rsplit_once('/').unwrap().0;
    let cut = &link[..link.len() - 5];
    for link in [
        cut.to_owned(),
        format!("{root}/{view}"),
        format!("{root}/{hit}"),
        format!("{root}/x"),
        format!("{root}/%00"),
        format!("{link}0"),
    ] {
        assert_eq!((get(&link).0, one_click(&link)), (404, 404), "{link}");
    }
    assert_eq!(app.database.number("SELECT COUNT(*) FROM unsubscribes"), 0);
});

on_both_engines!(every_method_has_its_answer_at_the_unsubscribe_link, |app| {
    let served = after_a_campaign(app);
    let link = link(app, &served, "reader1@example.org");
    let ask = |method: &str, url: &str| {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true);
        let request = http::Request::builder().method(method).uri(url).body(()).unwrap();
        let mut answer = config.build().new_agent().run(request).unwrap();
        (
            answer.status().as_u16(),
            answer.body_mut().read_to_string().unwrap(),
        )
    };
    let (status, body) = ask("HEAD", &link);
    assert_eq!((status, body.len()), (200, 0));
    assert_eq!(ask("OPTIONS", &link).0, 204);
    for method in ["PUT", "DELETE", "PATCH"] {
        assert_eq!(ask(method, &link).0, 405);
    }
    // Long queries are looked at by nobody, and too long ones are refused; long bodies are not read to their end.
    assert_eq!(
        get(&format!("{link}?choice=lists&x={}", "y".repeat(20_000))).0,
        200
    );
    let long = browser().get(format!("{link}?x={}", "y".repeat(100_000))).call();
    assert!(long.is_err() || (400..500).contains(&long.unwrap().status().as_u16()));
    let posted = browser()
        .post(&link)
        .content_type("application/x-www-form-urlencoded")
        .send("x".repeat(100_000));
    assert!(posted.is_err() || posted.unwrap().status() == 413);
    assert_eq!(app.database.number("SELECT COUNT(*) FROM unsubscribes"), 0);
    // Replays do nothing more.
    for _ in 0..20 {
        assert_eq!(one_click(&link), 200);
    }
    assert_eq!(app.database.number("SELECT COUNT(*) FROM unsubscribes"), 1);
    assert_eq!(
        app.database
            .number("SELECT CAST(SUM(n) AS BIGINT) FROM send_counters WHERE outcome = 'unsubscribed'"),
        1
    );
});
