//! `tidings stats bounces`: what bounced and came back, by everything that tells it apart.

use serde_json::Value;
use tidings_tests::script::{Reply, Rule, Script, Who};
use tidings_tests::{App, on_both_engines};

fn stats(app: &App, options: &[&str]) -> Vec<Value> {
    let rows = app
        .run([&["--json", "stats", "bounces"], options].concat())
        .succeeded()
        .json();
    rows.as_array().unwrap().clone()
}

fn sum(rows: &[Value], what: &str) -> i64 {
    rows.iter().map(|row| row[what].as_i64().unwrap()).sum()
}

fn row<'r>(rows: &'r [Value], key: &str) -> &'r Value {
    let found = rows.iter().find(|row| row["key"] == key);
    found.unwrap_or_else(|| panic!("no {key} in {rows:?}"))
}

/// Ten readers at each of two providers: one is gone, one is full, one refuses the content, one is put off once.
fn send(app: &App) -> i64 {
    let refuse =
        |code, enhanced, text, reader| Rule::rcpt(Reply::new(code, enhanced, text)).to(Who::address(reader));
    let script = Script::accepting()
        .rule(refuse(550, "5.1.1", "no such user", "reader1@gmail.com"))
        .rule(refuse(550, "5.2.2", "mailbox full", "reader2@gmail.com"))
        .rule(refuse(554, "5.7.1", "this looks like spam", "reader1@yahoo.com"))
        .rule(refuse(451, "4.2.1", "try again", "reader2@yahoo.com").first(1));
    app.relay.follow(script);
    app.import_of("readers", &["gmail.com", "yahoo.com"], 10);
    let campaign = app.campaign("readers");
    app.send(campaign);
    campaign
}

on_both_engines!(however_bounces_are_broken_down_they_sum_up_to_the_ledger, |app| {
    let first = send(app);
    app.send(app.campaign("readers"));
    let show = app.show(first);
    let id = first.to_string();
    for by in ["provider", "relay", "day", "campaign", "class", "reason"] {
        let rows = stats(app, &["--campaign", &id, "--by", by]);
        assert_eq!(
            sum(&rows, "bounced") as u64,
            show.count("rejected"),
            "{by}: {rows:?}"
        );
        assert_eq!(
            (sum(&rows, "hard"), sum(&rows, "soft"), sum(&rows, "block")),
            (1, 1, 1),
            "{by}: {rows:?}"
        );
        assert_eq!(sum(&rows, "deferred"), 1, "{by}: {rows:?}");
        if !matches!(by, "class" | "reason") {
            assert_eq!(
                sum(&rows, "accepted") as u64,
                show.count("accepted"),
                "{by}: {rows:?}"
            );
        }
    }
    let reasons = stats(app, &["--campaign", &id, "--by", "reason"]);
    assert_eq!(row(&reasons, "userunknown")["hard"], 1);
    assert_eq!(row(&reasons, "mailboxfull")["soft"], 1);
    assert_eq!(row(&reasons, "spamdetected")["block"], 1);
    let rate = row(&reasons, "userunknown")["bounce_rate"].as_f64().unwrap();
    assert!((rate - 0.05).abs() < 1e-9, "of all twenty: {rate}");
    let providers = stats(app, &["--campaign", &id, "--by", "provider"]);
    let rate = row(&providers, "gmail")["bounce_rate"].as_f64().unwrap();
    assert!((rate - 0.2).abs() < 1e-9, "of the ten at gmail: {rate}");
    let campaigns = stats(app, &["--by", "campaign"]);
    assert_eq!(campaigns.len(), 2, "{campaigns:?}");
    assert_eq!(stats(app, &["--by", "day", "--since", "2020-01-01"]).len(), 1);
    assert!(stats(app, &["--by", "day", "--since", "2999-01-01"]).is_empty());
    app.run(["stats", "bounces", "--since", "yesterday"])
        .failed_with(2)
        .says(&["2026-12-01"]);
});

on_both_engines!(complaints_stand_beside_the_lines_that_providers_draw, |app| {
    let campaign = send(app);
    // As reports are counted.
    app.database.execute(&format!(
        "INSERT INTO bounce_counters (campaign_id, hour, node, relay, provider, kind, class, cause, reason, n) \
         VALUES ({campaign}, 1, 'there', 'primary', 'yahoo', 'complaint', 'complaint', 'person', 'feedback', 1), \
         ({campaign}, 1, 'there', 'primary', 'gmail', 'bounce', 'hard', 'address', 'userunknown', 1)"
    ));
    let providers = stats(app, &["--by", "provider"]);
    let (gmail, yahoo) = (row(&providers, "gmail"), row(&providers, "yahoo"));
    assert_eq!(gmail["complaint_line"], "below_0.1", "{gmail}");
    assert_eq!(
        (&gmail["bounced"], &gmail["hard"]),
        (&3.into(), &2.into()),
        "{gmail}"
    );
    assert_eq!(yahoo["complaint_line"], "above_0.3", "{yahoo}");
    assert_eq!(yahoo["complaints"], 1, "{yahoo}");
    app.run(["stats", "bounces", "--by", "provider"])
        .succeeded()
        .prints(&["below 0.1 %", "above 0.3 %", "all"]);
    let csv = app.run(["stats", "bounces", "--by", "provider", "--format", "csv"]);
    let csv = csv.succeeded().stdout;
    assert!(
        csv.starts_with("key,accepted,bounced,deferred,hard,soft,block,other,complaints,"),
        "{csv}"
    );
    assert_eq!(csv.lines().count(), 3, "{csv}");
});
