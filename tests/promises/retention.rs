//! What is old goes if the operator wishes it, everything that was counted stays, and every place that misses it says so.

use crate::dashboard::{get, serve};
use crate::feedback::{after_a_campaign, ingest};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use std::collections::HashSet;
use tidings_tests::reports::{Report, complaint};
use tidings_tests::script::{Reply, Rule, Script, Who};
use tidings_tests::{App, Engine, Show, assert_ledger_adds_up, on_both_engines, wait_until};

fn keep_for(app: &App, span: &str) {
    app.configure(|settings| settings.more = format!("[retention]\ndeliveries = \"{span}\"\n"));
}

/// The campaign has been over for many years.
fn is_long_over(app: &App, campaign: i64) {
    let text = format!("UPDATE campaigns SET finished_at = 1 WHERE id = {campaign}");
    app.database.execute(&text);
}

fn rows(app: &App, campaign: i64) -> i64 {
    let count = |table: &str| {
        let text = format!("SELECT COUNT(*) FROM {table} WHERE campaign_id = {campaign}");
        app.database.number(&text)
    };
    count("deliveries") + count("attempts")
}

#[track_caller]
fn retention(app: &App, options: &[&str]) -> Value {
    let words = [&["--json", "retention", "run"][..], options].concat();
    app.run(words).succeeded().json()
}

/// How a report that comes in is taken.
fn fate(app: &App, text: &str) -> String {
    ingest(app, text)["events"][0]["done"]
        .as_str()
        .unwrap()
        .to_owned()
}

on_both_engines!(old_deliveries_go_and_every_figure_stays, |app| {
    let gone = Rule::rcpt(Reply::new(550, "5.1.1", "no such user")).to(Who::address("reader1@example.org"));
    let slow = Rule::rcpt(Reply::new(451, "4.2.1", "later")).to(Who::address("reader2@example.org"));
    app.relay
        .follow(Script::accepting().rule(gone).rule(slow.first(1)));
    app.import("readers", 5);
    let campaign = app.campaign("readers");
    app.send(campaign);
    let young = app.campaign("readers");
    app.send(young);
    let bounces = || app.run(["--json", "stats", "bounces"]).succeeded().json();
    let (before, bounced, rows_of_young) = (app.show(campaign).0, bounces(), rows(app, young));
    assert_eq!(rows(app, campaign), 7, "five deliveries and two failed attempts");
    is_long_over(app, campaign);
    keep_for(app, "400d");

    let told = retention(app, &["--dry-run"]);
    assert_eq!(told["campaigns"][0]["id"], campaign, "{told}");
    assert_eq!(told["campaigns"][0]["goes"], true, "{told}");
    assert_eq!(told["campaigns"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(rows(app, campaign), 7, "nothing has happened yet");
    assert_eq!(retention(app, &[])["campaigns"], told["campaigns"]);
    assert_eq!(rows(app, campaign), 0);
    assert_eq!(retention(app, &[])["campaigns"], json!([]));

    let mut after = app.show(campaign);
    assert_ledger_adds_up(&after);
    assert!(after.0["deliveries_removed_at"].is_string(), "{after}");
    after.0["deliveries_removed_at"] = Value::Null;
    assert_eq!(after.0, before);
    assert_eq!(bounces(), bounced);
    assert_eq!(rows(app, young), rows_of_young);
    let suppressed = app.run(["--json", "suppression", "show", "reader1@example.org"]);
    assert_eq!(
        suppressed.succeeded().json()["suppression"]["reason"],
        "hard_bounce"
    );
    let logged =
        "SELECT COUNT(*) FROM audit_log WHERE what = 'removed old deliveries' AND who = 'command line'";
    assert_eq!(app.database.number(logged), 1);
});

on_both_engines!(whoever_looks_for_an_old_delivery_is_told_where_it_went, |app| {
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    app.send(campaign);
    is_long_over(app, campaign);
    keep_for(app, "30 days");
    app.run(["retention", "run"])
        .succeeded()
        .prints(&["3 deliveries of 1 campaigns", "removed"]);

    let id = campaign.to_string();
    let removed = ["removed by retention on 2"];
    app.run(["campaign", "show", &id]).succeeded().prints(&removed);
    for listing in ["deliveries", "attempts"] {
        let listed = app.run(["campaign", listing, &id]).succeeded();
        assert_eq!(
            listed.stdout.lines().count(),
            1,
            "the header alone: {}",
            listed.stdout
        );
        listed.says(&removed);
    }
    app.run(["campaign", "again", &id, "--state", "accepted"])
        .failed_with(1)
        .says(&removed);
    let recipient = "reader1@example.org";
    app.run(["recipient", "show", recipient])
        .succeeded()
        .prints(&removed);
    let export = app.run(["recipient", "export", recipient]).succeeded().json();
    assert_eq!(export["deliveries"], json!([]));
    assert!(export["deliveries_removed_at"].is_string(), "{export}");

    let served = serve(app);
    let page = |path: &str| get(&format!("{}{path}", served.url));
    for path in [
        format!("/campaigns/{id}"),
        format!("/campaigns/{id}/deliveries"),
        format!("/recipients?address={recipient}"),
    ] {
        let (status, text) = page(&path);
        assert_eq!(status, 200, "{path}");
        let text = text.to_lowercase();
        assert!(
            text.contains("removed by retention") || text.contains("retention removed"),
            "{path}: {text}"
        );
    }
    let (status, text) = page(&format!("/campaigns/{id}/deliveries.csv"));
    assert_eq!(status, 410, "an empty file would look as if there had been none");
    assert!(text.contains("removed by retention"), "{text}");
    assert!(!page(&format!("/campaigns/{id}")).1.contains("Send again…"));
});

on_both_engines!(what_comes_back_of_an_old_message_does_no_harm, |app| {
    let (campaign, accepted) = after_a_campaign(app);
    is_long_over(app, campaign);
    keep_for(app, "400d");
    retention(app, &[]);
    assert_eq!(rows(app, campaign), 0);
    assert_eq!(fate(app, &Report::no_such_mailbox(&accepted[0]).text()), "stale");
    let address = "SELECT COUNT(*) FROM suppressions";
    assert_eq!(app.database.number(address), 0);
    // A person's word holds for ever.
    assert_eq!(fate(app, &complaint(&accepted[1], "abuse")), "suppressed");
    assert_eq!(app.database.number(address), 1);
});

on_both_engines!(a_server_removes_by_itself_what_is_old, |app| {
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    app.send(campaign);
    is_long_over(app, campaign);
    keep_for(app, "2years");
    // Two at once do not get in each other's way.
    let servers = match app.engine {
        Engine::Sqlite => vec![app.serve()],
        Engine::Postgres => vec![app.serve(), app.serve()],
    };
    wait_until("the old deliveries are gone", 30, || rows(app, campaign) == 0);
    let logged = "SELECT COUNT(*) FROM audit_log WHERE what = 'removed old deliveries' AND who = 'retention'";
    assert_eq!(app.database.number(logged), 1);
    drop(servers);
    assert_ledger_adds_up(&app.show(campaign));
});

on_both_engines!(a_campaign_goes_out_while_old_deliveries_are_removed, |app| {
    app.import("readers", 300);
    let old = app.campaign("readers");
    app.send(old);
    let many = "INSERT INTO deliveries (campaign_id, seq, recipient_id, state, attempts, settled_at) \
        WITH RECURSIVE n(i) AS (SELECT 1001 UNION ALL SELECT i + 1 FROM n WHERE i < 41000) \
        SELECT 1, i, i, 'accepted', 1, 1 FROM n";
    app.database.execute(many);
    is_long_over(app, old);
    keep_for(app, "400d");
    let campaign = app.campaign("readers");
    let before = app.relay.accepted_count();
    // So slowly that the removal falls into it.
    app.relay.follow(Script::accepting().pace(60.0));
    let sending = app.start_sending(campaign);
    wait_until("mail flows", 30, || app.relay.accepted_count() > before);
    let mut removing = app.spawn(["retention", "run"]);
    let there = rows(app, old);
    wait_until("rows go", 30, || rows(app, old) < there);
    let meanwhile = app.relay.accepted_count();
    wait_until("mail flows while rows go", 30, || {
        app.relay.accepted_count() > meanwhile
    });
    assert!(removing.is_running(), "the removal was over before");
    let show = Show(sending.wait(App::PATIENCE).succeeded().json());
    assert_eq!(
        (show.state(), show.count("accepted")),
        ("finished", 300),
        "{show}"
    );
    removing.wait(App::PATIENCE).succeeded();
    assert_eq!(rows(app, old), 0);
    let reached: Vec<String> = app
        .relay
        .accepted()
        .split_off(before)
        .into_iter()
        .map(|a| a.recipient)
        .collect();
    assert_eq!(
        reached.iter().collect::<HashSet<_>>().len(),
        reached.len(),
        "somebody got it twice"
    );
    assert_eq!(reached.len(), 300);
});

on_both_engines!(
    nothing_goes_unless_somebody_has_said_for_how_long_it_is_kept,
    |app| {
        app.import("readers", 3);
        let campaign = app.campaign("readers");
        app.send(campaign);
        is_long_over(app, campaign);
        app.run(["retention", "run"])
            .failed_with(1)
            .says(&["kept for ever", "[retention]", "deliveries"]);
        for wrong in ["29days", "soon"] {
            keep_for(app, wrong);
            app.run(["retention", "run"])
                .failed_with(1)
                .says(&["retention", wrong, "from 30 days"]);
        }
        assert_eq!(rows(app, campaign), 3);
    }
);

on_both_engines!(a_node_that_drains_removes_nothing_more, |app| {
    app.import("readers", 3);
    let old = app.campaign("readers");
    app.send(old);
    let many = "INSERT INTO deliveries (campaign_id, seq, recipient_id, state, attempts, settled_at) \
        WITH RECURSIVE n(i) AS (SELECT 1001 UNION ALL SELECT i + 1 FROM n WHERE i < 151000) \
        SELECT 1, i, i, 'accepted', 1, 1 FROM n";
    app.database.execute(many);
    is_long_over(app, old);
    keep_for(app, "400d");
    let server = app.serve();
    wait_until("it removes", 30, || rows(app, old) < 149_000);
    let node = app
        .database
        .texts("SELECT name FROM nodes WHERE state = 'running'")
        .remove(0);
    app.run(["node", "drain", &node, "--wait"]).succeeded();
    let left = rows(app, old);
    assert!(left > 0, "it was too fast");
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(rows(app, old), left, "it is drained");
    app.run(["node", "resume", &node]).succeeded();
    wait_until("it goes on", 30, || rows(app, old) < left);
    drop(server);
});

/// A part of the ledger that somebody reads for long cannot be dropped; what is deleted row by row goes all the same.
#[test]
fn who_reads_for_long_does_not_keep_everything_else_from_going() {
    let app = App::start(Engine::Postgres);
    app.import("readers", 3);
    let campaign_from = |id: i64| {
        app.database.execute(&format!(
            "ALTER TABLE campaigns ALTER COLUMN id RESTART WITH {id}"
        ));
        let campaign = app.campaign("readers");
        app.send(campaign);
        is_long_over(&app, campaign);
        campaign
    };
    let (whole, alone) = (campaign_from(500), campaign_from(601));
    keep_for(&app, "400d");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap();
    let mut reading = runtime
        .block_on(PgConnection::connect(app.database.url()))
        .unwrap();
    runtime
        .block_on(sqlx::raw_sql("BEGIN; SELECT 1 FROM deliveries LIMIT 1").execute(&mut reading))
        .unwrap();
    app.run(["retention", "run"]).failed_with(1);
    assert_eq!(rows(&app, alone), 0);
    runtime
        .block_on(sqlx::raw_sql("COMMIT").execute(&mut reading))
        .unwrap();
    app.run(["retention", "run"]).succeeded();
    assert_eq!(rows(&app, whole), 0);
    let parts = "SELECT COUNT(*) FROM pg_class WHERE relname = 'deliveries_from_500'";
    assert_eq!(app.database.number(parts), 0);
}
