//! What comes back finds its delivery, counts once, and suppresses only whom it must.

use crate::dashboard::{get, serve};
use serde_json::Value;
use tidings_tests::reports::{Report, complaint, out_of_office, unsubscribe_mail};
use tidings_tests::script::{Acceptance, Script};
use tidings_tests::{App, on_both_engines};

/// A campaign to three readers that the relay accepted; what it accepted, by reader.
pub fn after_a_campaign(app: &App) -> (i64, Vec<Acceptance>) {
    app.relay.follow(Script::accepting().keep_content(1024 * 1024));
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    app.send(campaign);
    let mut accepted = app.relay.accepted();
    accepted.sort_by(|one, other| one.recipient.cmp(&other.recipient));
    assert_eq!(accepted.len(), 3);
    (campaign, accepted)
}

/// Brings a message, and returns what was printed of it.
#[track_caller]
pub fn ingest(app: &App, text: &str) -> Value {
    let file = app.write("came-in.eml", text);
    app.run(["bounce", "ingest", &file.to_string_lossy()])
        .succeeded()
        .json()
}

#[track_caller]
pub fn suppression(app: &App, address: &str) -> Value {
    app.run(["--json", "suppression", "show", address])
        .succeeded()
        .json()["suppression"]
        .clone()
}

/// How a single event was found and what was done.
#[track_caller]
fn fate(printed: &Value) -> (&str, &str) {
    let events = printed["events"].as_array().unwrap();
    assert_eq!(events.len(), 1, "{printed}");
    (
        events[0]["matched_by"].as_str().unwrap(),
        events[0]["done"].as_str().unwrap(),
    )
}

/// Who is mailed by one more campaign.
fn mailed_next(app: &App) -> Vec<String> {
    let before = app.relay.accepted_count();
    let campaign = app.campaign("readers");
    app.send(campaign);
    let mut next: Vec<String> = app
        .relay
        .accepted()
        .split_off(before)
        .into_iter()
        .map(|a| a.recipient)
        .collect();
    next.sort();
    next
}

on_both_engines!(a_gone_address_is_suppressed_with_its_evidence, |app| {
    let (campaign, accepted) = after_a_campaign(app);
    let printed = ingest(app, &Report::no_such_mailbox(&accepted[0]).text());
    assert_eq!(fate(&printed), ("return_path", "suppressed"), "{printed}");
    assert_eq!(printed["events"][0]["campaign"], campaign, "{printed}");
    assert_eq!(
        printed["recipients"][0]["reason"], "userunknown",
        "classify says the same: {printed}"
    );
    let suppression = suppression(app, "reader1@example.org");
    assert_eq!(suppression["reason"], "hard_bounce", "{suppression}");
    let evidence = suppression["evidence"].as_str().unwrap();
    for part in ["550 5.1.1 no such user here", "no-such-mailbox", "campaign"] {
        assert!(evidence.contains(part), "{part} is missing in: {evidence}");
    }
    assert_eq!(mailed_next(app), ["reader2@example.org", "reader3@example.org"]);
});

on_both_engines!(the_same_bounce_counts_once_by_whichever_way_it_comes, |app| {
    let (_, accepted) = after_a_campaign(app);
    let report = Report::no_such_mailbox(&accepted[0]);
    let first = ingest(app, &report.text());
    let again = ingest(app, &report.text());
    assert_eq!(
        (&again["known"], &again["arrival"]),
        (&true.into(), &first["arrival"])
    );
    // Another server's words about the same delivery.
    let other = Report {
        diagnostic: "550 5.1.1 <reader1@example.org>: Recipient address rejected".to_owned(),
        ..report
    };
    assert_eq!(fate(&ingest(app, &other.text())), ("return_path", "known"));
});

on_both_engines!(a_report_is_matched_by_the_surest_thing_that_is_left, |app| {
    let (_, accepted) = after_a_campaign(app);
    let whole = Report {
        return_path: "bounces@example.com".to_owned(),
        ..Report::full(&accepted[0])
    };
    let without = |report: &Report, name: &str| Report {
        header: report
            .header
            .replace("\r\n ", " ")
            .split("\r\n")
            .filter(|line| !line.starts_with(name))
            .collect::<Vec<_>>()
            .join("\r\n"),
        ..report.clone()
    };
    let mut report = whole;
    assert_eq!(fate(&ingest(app, &report.text())).0, "message_id");
    report = without(&report, "Message-ID");
    assert!(report.envelope_id.is_some(), "the relay announced DSN");
    assert_eq!(fate(&ingest(app, &report.text())).0, "envelope_id");
    report.envelope_id = None;
    assert_eq!(fate(&ingest(app, &report.text())).0, "token");
    report = without(&report, "List-Unsubscribe");
    assert_eq!(fate(&ingest(app, &report.text())).0, "feedback_id");
    report = without(&report, "Feedback-ID");
    assert_eq!(fate(&ingest(app, &report.text())).0, "address");
    report.recipient = "somebody@example.org".to_owned();
    assert_eq!(fate(&ingest(app, &report.text())), ("nothing", "unmatched"));
});

on_both_engines!(a_forged_return_path_changes_nothing, |app| {
    let (_, accepted) = after_a_campaign(app);
    let genuine = Report::no_such_mailbox(&accepted[0]);
    let (local, domain) = genuine.return_path.split_once('@').unwrap();
    let last = if local.ends_with('0') { '1' } else { '0' };
    let forged = Report {
        return_path: format!("{}{last}@{domain}", &local[..local.len() - 1]),
        ..genuine.clone()
    };
    assert_eq!(fate(&ingest(app, &forged.text())), ("nothing", "forged"));
    assert_eq!(suppression(app, "reader1@example.org"), Value::Null);
    // A true token, and the address of somebody else: it is about its own delivery.
    let other = Report {
        recipient: "reader3@example.org".to_owned(),
        ..genuine
    };
    assert_eq!(fate(&ingest(app, &other.text())), ("return_path", "suppressed"));
    assert_eq!(suppression(app, "reader3@example.org"), Value::Null);
    assert_eq!(suppression(app, "reader1@example.org")["reason"], "hard_bounce");
});

on_both_engines!(one_report_on_many_addresses_suppresses_nobody, |app| {
    after_a_campaign(app);
    let groups: String = (1..=10_000)
        .map(|i| {
            format!(
                "Final-Recipient: rfc822; reader{i}@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"
            )
        })
        .collect();
    let report = format!(
        "From: MAILER-DAEMON@mx.example.net\r\nTo: bounces@example.com\r\nSubject: failed\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n\r\n{groups}--b--\r\n"
    );
    let printed = ingest(app, &report);
    let events = printed["events"].as_array().unwrap();
    assert_eq!(events.len(), 10_000);
    assert!(events.iter().all(|event| event["done"] == "unmatched"));
    assert_eq!(mailed_next(app).len(), 3);
});

on_both_engines!(a_soft_bounce_and_a_delay_suppress_nobody, |app| {
    let (_, accepted) = after_a_campaign(app);
    let full = Report::full(&accepted[0]);
    assert_eq!(fate(&ingest(app, &full.text())), ("return_path", "counted"));
    let late = Report {
        action: "delayed".to_owned(),
        ..Report::no_such_mailbox(&accepted[1])
    };
    assert_eq!(fate(&ingest(app, &late.text())), ("return_path", "counted"));
    let kinds: Vec<Value> = app
        .run(["--json", "bounce", "list"])
        .succeeded()
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["kind"].clone())
        .collect();
    assert_eq!(kinds, ["delay", "bounce"]);
    assert_eq!(mailed_next(app).len(), 3);
});

on_both_engines!(a_mailbox_that_is_full_and_then_gone_is_suppressed, |app| {
    let (_, accepted) = after_a_campaign(app);
    ingest(app, &Report::full(&accepted[0]).text());
    assert_eq!(suppression(app, "reader1@example.org"), Value::Null);
    let gone = Report::no_such_mailbox(&accepted[0]);
    assert_eq!(fate(&ingest(app, &gone.text())), ("return_path", "known"));
    assert_eq!(suppression(app, "reader1@example.org")["reason"], "hard_bounce");
});

on_both_engines!(a_complaint_suppresses_though_it_hides_its_recipient, |app| {
    let (_, accepted) = after_a_campaign(app);
    let not_spam = complaint(&accepted[1], "not-spam");
    assert_eq!(fate(&ingest(app, &not_spam)).1, "kept");
    let abuse = complaint(&accepted[0], "abuse");
    assert_eq!(fate(&ingest(app, &abuse)), ("message_id", "suppressed"));
    assert_eq!(suppression(app, "reader1@example.org")["reason"], "complaint");
    assert_eq!(mailed_next(app), ["reader2@example.org", "reader3@example.org"]);
});

on_both_engines!(an_answer_by_a_machine_is_counted_and_nothing_else, |app| {
    let (_, accepted) = after_a_campaign(app);
    let answer = out_of_office(&accepted[0]);
    let printed = ingest(app, &answer);
    assert_eq!(printed["kind"], "autoreply");
    assert_eq!(fate(&printed), ("return_path", "counted"));
    assert_eq!(mailed_next(app).len(), 3);
});

on_both_engines!(mail_to_the_unsubscribe_address_unsubscribes, |app| {
    let (_, accepted) = after_a_campaign(app);
    let mail = unsubscribe_mail(&accepted[0]);
    assert_eq!(fate(&ingest(app, &mail)), ("token", "unsubscribed"));
    assert_eq!(suppression(app, "reader1@example.org"), Value::Null);
    let token = mail.split("u-").nth(1).unwrap().split('@').next().unwrap();
    let forged = mail.replace(token, &token.chars().rev().collect::<String>());
    assert_ne!(fate(&ingest(app, &forged)).1, "unsubscribed");
    assert_eq!(mailed_next(app), ["reader2@example.org", "reader3@example.org"]);
});

on_both_engines!(what_a_person_lifts_is_not_suppressed_by_old_reports, |app| {
    let (_, accepted) = after_a_campaign(app);
    let report = Report::no_such_mailbox(&accepted[0]);
    ingest(app, &report.text());
    app.run(["suppression", "lift", "reader1@example.org"])
        .succeeded();
    ingest(app, &report.text());
    let late = Report {
        diagnostic: "550 5.1.1 unknown, says another".to_owned(),
        ..report
    };
    ingest(app, &late.text());
    assert_eq!(suppression(app, "reader1@example.org"), Value::Null);
    assert_eq!(mailed_next(app).len(), 3);
    // What comes back of a new message counts again.
    let accepted = app.relay.accepted();
    let new = accepted
        .iter()
        .rfind(|a| a.recipient == "reader1@example.org")
        .unwrap();
    ingest(app, &Report::no_such_mailbox(new).text());
    assert_eq!(suppression(app, "reader1@example.org")["reason"], "hard_bounce");
});

on_both_engines!(what_came_in_is_kept_as_it_came, |app| {
    let (_, accepted) = after_a_campaign(app);
    let text = Report::no_such_mailbox(&accepted[0]).text();
    let arrival = ingest(app, &text)["arrival"].to_string();
    let shown = app.run(["bounce", "show", &arrival]).succeeded();
    assert_eq!(shown.stdout, text);
    app.run(["bounce", "show", "4711"]).failed_with(1);
});

on_both_engines!(
    killed_while_ingesting_nothing_is_lost_and_nothing_counts_twice,
    |app| {
        app.relay.follow(Script::accepting().keep_content(1024 * 1024));
        app.import("readers", 400);
        let campaign = app.campaign("readers");
        app.send(campaign);
        let mut command = vec!["bounce".to_owned(), "ingest".to_owned()];
        for (at, accepted) in app.relay.accepted().iter().enumerate() {
            let file = app.write(
                &format!("report{at}.eml"),
                &Report::no_such_mailbox(accepted).text(),
            );
            command.push(file.to_string_lossy().into_owned());
        }
        let mut told = 0;
        for _ in 0..3 {
            let running = app.spawn(&command);
            tidings_tests::wait_until("some are taken", 60, || {
                running.stdout_so_far().lines().count() > told
            });
            told = running.kill_9().stdout.lines().count();
        }
        app.run(&command).succeeded();
        let events = app
            .run(["--json", "bounce", "list", "--limit", "10000"])
            .succeeded()
            .json();
        let events = events.as_array().unwrap();
        assert_eq!(events.len(), 400);
        assert!(events.iter().all(|event| event["done"] == "suppressed"));
    }
);

on_both_engines!(
    a_recipients_page_shows_what_was_sent_what_came_back_and_why_it_is_not_mailed,
    |app| {
        let (campaign, accepted) = after_a_campaign(app);
        let arrival = ingest(app, &Report::no_such_mailbox(&accepted[0]).text())["arrival"].clone();
        let shown = app
            .run(["--json", "recipient", "show", "Reader1@Example.org"])
            .succeeded()
            .json();
        assert_eq!(shown["suppression"]["reason"], "hard_bounce", "{shown}");
        assert_eq!(shown["lists"][0]["state"], "confirmed", "{shown}");
        assert_eq!(shown["deliveries"][0]["state"], "accepted", "{shown}");
        let event = &shown["events"][0];
        for (field, value) in [
            ("kind", Value::from("bounce")),
            ("way", "ingest".into()),
            ("campaign", campaign.into()),
            ("class", "hard".into()),
            ("reason", "userunknown".into()),
            ("status", "5.1.1".into()),
            ("code", 550.into()),
            ("rule", "no-such-mailbox".into()),
            ("matched_by", "return_path".into()),
            ("done", "suppressed".into()),
            ("arrival", arrival),
        ] {
            assert_eq!(event[field], value, "{field} of {event}");
        }
        let served = serve(app);
        let (status, page) = get(&format!(
            "{}/recipients?address=reader1%40example.org",
            served.url
        ));
        assert_eq!(status, 200);
        for part in [
            "Not mailed: hard bounce",
            "550 5.1.1 no such user here",
            "action=\"/suppressions/lift\"",
            "Spring news",
            "return path",
        ] {
            assert!(page.contains(part), "{part} is missing in {page}");
        }
        let (status, page) = get(&format!("{}/recipients?address=%3Cscript%3E", served.url));
        assert_eq!(status, 400);
        assert!(
            !page.contains("<script>alert") && !page.contains("value=\"<script>"),
            "{page}"
        );
        let (status, page) = get(&format!("{}/recipients?address=nobody%40example.org", served.url));
        assert!(
            status == 200 && page.contains("Nobody with this address"),
            "{page}"
        );

        app.run(["suppression", "lift", "reader1@example.org"])
            .succeeded();
        let shown = app
            .run(["--json", "recipient", "show", "reader1@example.org"])
            .succeeded()
            .json();
        assert_eq!(shown["suppression"], Value::Null, "{shown}");
        assert_eq!(shown["lifted"][0]["reason"], "hard_bounce", "{shown}");
    }
);

on_both_engines!(the_dashboard_counts_what_reports_say, |app| {
    let (campaign, accepted) = after_a_campaign(app);
    ingest(app, &Report::no_such_mailbox(&accepted[0]).text());
    ingest(app, &complaint(&accepted[1], "abuse"));
    let served = serve(app);
    let (status, page) = get(&format!("{}/campaigns/{campaign}", served.url));
    assert_eq!(status, 200);
    for part in [
        "<dd data-n=\"bounced\">1</dd>",
        "<dd data-n=\"hard\">1</dd>",
        "<dd data-n=\"complaints\">1</dd>",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
});
