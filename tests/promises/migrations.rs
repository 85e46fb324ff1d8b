//! One schema on two engines, and never a step into a database of the future.

use sqlx::{Connection, PgConnection};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tidings_tests::{App, Engine, Yardstick, on_both_engines};

#[test]
fn both_engines_have_the_same_migrations() {
    let names = |engine: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../migrations")
            .join(engine);
        let files = std::fs::read_dir(&folder).unwrap();
        let mut names: Vec<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert!(!names("sqlite").is_empty());
    assert_eq!(names("sqlite"), names("postgres"));
}

#[test]
fn comparison_keys_of_addresses_have_the_order_of_their_octets_on_postgresql_too() {
    let app = App::start(Engine::Postgres);
    app.import("readers", 1);
    let keys = "SELECT count(*) FROM information_schema.columns WHERE table_schema = current_schema() \
        AND column_name IN ('address_key', 'from_key')";
    assert!(app.database.number(keys) >= 6);
    let others = format!("{keys} AND collation_name IS DISTINCT FROM 'C'");
    assert_eq!(app.database.number(&others), 0);
}

on_both_engines!(a_database_is_opened_again_as_it_was, |app| {
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    assert_eq!(app.show(campaign).0, app.show(campaign).0);
    assert_eq!(app.database.number("SELECT count(*) FROM recipients"), 3);
});

on_both_engines!(a_database_of_a_newer_version_is_refused, |app| {
    app.import("readers", 3);
    let nothing = match app.engine {
        Engine::Sqlite => "x''",
        Engine::Postgres => "''::bytea",
    };
    app.database.execute(&format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'of the future', TRUE, {nothing}, 0)"
    ));
    app.run(["campaign", "list"]).failed_with(1).says(&["newer"]);
    assert_eq!(app.database.number("SELECT count(*) FROM recipients"), 3);
});

on_both_engines!(a_database_of_the_first_version_is_brought_up_to_date, |app| {
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    let before = app.send(campaign);
    if app.engine == Engine::Postgres {
        put_together(app);
        app.database
            .execute("DROP TRIGGER campaigns_tell ON campaigns; DROP FUNCTION tidings_tell CASCADE");
    }
    for statement in [
        "DROP TABLE hit_writers",
        "DROP TABLE waiting_hits",
        "DROP TABLE transfer",
        "DROP TABLE transfer_tables",
        "DROP TABLE nodes",
        "ALTER TABLE campaigns DROP COLUMN deliveries_removed_at",
        "ALTER TABLE campaigns DROP COLUMN cancelled_at",
        "DROP TABLE limit_shares",
        "ALTER TABLE campaigns DROP COLUMN cleared_fingerprint",
        "ALTER TABLE campaigns DROP COLUMN spread_seconds",
        "DROP TABLE preflights",
        "DROP TABLE preflight_overrides",
        "DROP TABLE campaign_drafts",
        "ALTER TABLE campaigns DROP COLUMN preheader",
        "ALTER TABLE campaigns DROP COLUMN revision",
        "DROP INDEX suppressions_by_time",
        "DROP TABLE list_counters",
        "DROP TABLE sent_days",
        "DELETE FROM sequences WHERE name = 'sent_days'",
        "DROP INDEX suppressions_by_reason",
        "DROP INDEX suppressions_of_reason",
        "DROP TABLE people",
        "DROP TABLE second_factors",
        "DROP TABLE recovery_codes",
        "DROP TABLE half_sign_ins",
        "DROP TABLE entry_links",
        "DROP TABLE person_sessions",
        "DROP TABLE access_tokens",
        "DROP TABLE audit_log",
        "DROP TABLE relay_status",
        "DROP TABLE address_changes",
        "DROP TABLE own_joins",
        "DROP TABLE erased_addresses",
        "DROP TABLE erasure_key",
        "DROP TABLE arrivals",
        "DROP TABLE feedback_events",
        "DROP TABLE lifted_suppressions",
        "DROP TABLE bounce_counters",
        "DROP TABLE campaign_thresholds",
        "DROP TABLE campaign_links",
        "ALTER TABLE campaigns DROP COLUMN tracking",
        "ALTER TABLE campaigns DROP COLUMN utm",
        "ALTER TABLE lists DROP COLUMN tracking",
        "DROP TABLE hit_agents",
        "DROP TABLE hit_rules",
        "DROP TABLE hits",
        "DROP TABLE hit_recipients",
        "DROP TABLE hit_counters",
        "DROP TABLE hit_recipient_counters",
        "DROP TABLE letters",
        "DROP TABLE sign_ups",
        "ALTER TABLE lists DROP COLUMN sign_up",
        "DELETE FROM sequences WHERE name IN ('letters', 'sign_ups')",
        "DROP TABLE archive_issues",
        "ALTER TABLE signing_keys DROP COLUMN retired_at",
        "ALTER TABLE lists DROP COLUMN utm",
        "ALTER TABLE lists DROP COLUMN archived",
        "ALTER TABLE campaigns DROP COLUMN archive_hidden",
        "DROP TABLE suppression_hashes",
        "DROP TABLE left_lists",
        "DROP TABLE pauses",
        "ALTER TABLE unsubscribes DROP COLUMN scope",
        "ALTER TABLE unsubscribes DROP COLUMN reason",
        "ALTER TABLE unsubscribes DROP COLUMN comment",
        "ALTER TABLE unsubscribes DROP COLUMN undone_at",
        "DROP INDEX imports_by_fingerprint",
        "DROP INDEX suppressions_by_import",
        "ALTER TABLE imports DROP COLUMN state",
        "ALTER TABLE imports DROP COLUMN reason",
        "ALTER TABLE imports DROP COLUMN started_by",
        "ALTER TABLE imports DROP COLUMN consent",
        "ALTER TABLE imports DROP COLUMN fingerprint",
        "ALTER TABLE imports DROP COLUMN details",
        "ALTER TABLE imports DROP COLUMN rejects_octets",
        "ALTER TABLE imports DROP COLUMN remarks_octets",
        "ALTER TABLE imports DROP COLUMN updated_at",
        "DROP TABLE import_created",
        "DROP TABLE import_changes",
        "DROP TABLE import_seen",
        "ALTER TABLE subscriptions DROP COLUMN import_id",
        "ALTER TABLE suppressions DROP COLUMN import_id",
        "DROP TABLE template_versions",
        "DROP TABLE template_translations",
        "DROP TABLE campaign_files",
        "ALTER TABLE campaigns DROP COLUMN attach_from",
        "ALTER TABLE campaigns DROP COLUMN language_attribute",
        "DROP TABLE domain_providers",
        "DROP TABLE attempts",
        "DROP TABLE transcripts",
        "DROP TABLE limit_usage",
        "DROP INDEX deliveries_aside",
        "ALTER TABLE deliveries DROP COLUMN session",
        "ALTER TABLE deliveries DROP COLUMN duration_us",
        "ALTER TABLE campaigns DROP COLUMN parent_id",
        "ALTER TABLE campaigns DROP COLUMN parent_states",
        "ALTER TABLE campaigns DROP COLUMN pool",
        "ALTER TABLE campaigns DROP COLUMN max_sessions",
        "ALTER TABLE send_status DROP COLUMN eta_seconds",
        "DELETE FROM _sqlx_migrations WHERE version > 1",
    ] {
        app.database.execute(statement);
    }
    assert_eq!(app.show(campaign).0["deliveries"], before.0["deliveries"]);
    assert_eq!(
        app.show(campaign).0["tracking"],
        "off",
        "its messages went out with their own links"
    );
    let id = campaign.to_string();
    let attempts = app.run(["campaign", "attempts", &id, "--format", "jsonl"]);
    for attempt in attempts.succeeded().json_lines() {
        assert_eq!(attempt["outcome"], "accepted", "{attempt}");
        assert!(attempt["session"].is_null(), "{attempt}");
    }
});

#[test]
fn an_index_whose_making_was_cut_off_is_made_anew() {
    let app = App::start(Engine::Postgres);
    app.import("readers", 1);
    let valid = "SELECT COUNT(*) FROM pg_index WHERE indisvalid AND indexrelid IN \
        ('feedback_events_by_address'::regclass, 'letters_by_address'::regclass)";
    for (version, cut_off) in [(36, "feedback_events_by_address"), (37, "letters_by_address")] {
        assert_eq!(app.database.number(valid), 2);
        app.database.execute(&format!(
            "UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = '{cut_off}'::regclass"
        ));
        app.database
            .execute("DROP TABLE waiting_hits; DROP TABLE hit_writers");
        app.database.execute(&format!(
            "DELETE FROM _sqlx_migrations WHERE version >= {version}"
        ));
        app.run(["campaign", "list"]).succeeded();
    }
    assert_eq!(app.database.number(valid), 2);
    // What was stopped between two steps of 0035 is done once more, and does no harm.
    app.database
        .execute("ALTER TABLE letters ALTER COLUMN address_key TYPE TEXT COLLATE \"default\"");
    app.database
        .execute("DROP TABLE waiting_hits; DROP TABLE hit_writers");
    app.database
        .execute("DELETE FROM _sqlx_migrations WHERE version >= 35");
    app.run(["campaign", "list"]).succeeded();
    assert_eq!(app.database.number(valid), 2);
}

/// Makes one table again of what is in parts on PostgreSQL.
fn put_together(app: &App) {
    for statement in [
        "ALTER TABLE deliveries DETACH PARTITION deliveries_from_0",
        "DROP TABLE deliveries",
        "ALTER TABLE deliveries_from_0 RENAME TO deliveries",
        "ALTER TABLE deliveries DROP CONSTRAINT deliveries_first_part",
        "ALTER INDEX deliveries_from_0_pkey RENAME TO deliveries_pkey",
        "ALTER INDEX deliveries_from_0_by_recipient RENAME TO deliveries_by_recipient",
        "DROP INDEX deliveries_from_0_waiting",
        "DROP INDEX deliveries_from_0_by_limit",
        "CREATE INDEX deliveries_due ON deliveries (campaign_id, due_at) WHERE state = 'deferred'",
        "CREATE INDEX deliveries_aside ON deliveries (campaign_id, reason, due_at) \
         WHERE state = 'deferred' AND cause = 'limit'",
        "ALTER TABLE attempts DETACH PARTITION attempts_from_0",
        "DROP TABLE attempts",
        "ALTER TABLE attempts_from_0 RENAME TO attempts",
        "ALTER TABLE attempts DROP CONSTRAINT attempts_first_part",
        "ALTER INDEX attempts_from_0_pkey RENAME TO attempts_pkey",
    ] {
        app.database.execute(statement);
    }
}

/// A ledger in one table becomes the first of its parts while others read and write it, and something holds it for seconds, as a
/// report or a backup does. Whoever migrates gives way; whoever comes after it does not wait for what it waits for.
#[test]
fn nobody_waits_for_the_migration_of_a_ledger_that_is_in_use() {
    const ROWS: i64 = 200_000;
    const HELD: Duration = Duration::from_secs(5);
    let app = App::start(Engine::Postgres);
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    app.send(campaign);
    put_together(&app);
    for statement in [
        "ALTER TABLE campaigns DROP COLUMN deliveries_removed_at, DROP COLUMN cancelled_at".to_owned(),
        "DELETE FROM _sqlx_migrations WHERE version = 33".to_owned(),
        format!(
            "INSERT INTO deliveries (campaign_id, seq, recipient_id) SELECT 1, i, i FROM generate_series(101, {ROWS}) AS i"
        ),
    ] {
        app.database.execute(&statement);
    }
    let (is_over, url) = (AtomicBool::new(false), app.database.url());
    let yardstick = Yardstick::begin();
    let (longest, rounds) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| run(work_like_a_sender(url, &is_over)));
        let reader = scope.spawn(|| run(hold_for(url, HELD)));
        std::thread::sleep(Duration::from_millis(500));
        let starting: Vec<_> = (0..3).map(|_| app.spawn(["campaign", "list"])).collect();
        for process in starting {
            process.wait(App::PATIENCE).succeeded().prints(&["Spring news"]);
        }
        reader.join().unwrap();
        std::thread::sleep(Duration::from_millis(500));
        is_over.store(true, Ordering::Relaxed);
        sender.join().unwrap()
    });
    let excuse = yardstick.end().excuse();
    assert!(
        longest < Duration::from_secs(2) + excuse,
        "somebody waited for {longest:?}; the machine excuses {excuse:?}"
    );
    assert!(rounds > 50, "the sender did no more than {rounds} rounds");
    let parts =
        "SELECT COUNT(*) FROM pg_inherits WHERE inhparent IN ('deliveries'::regclass, 'attempts'::regclass)";
    assert_eq!(app.database.number(parts), 2);
    let applied = "SELECT COUNT(*) FROM _sqlx_migrations WHERE version = 33 AND success";
    assert_eq!(app.database.number(applied), 1);
    assert_eq!(
        app.database.number("SELECT COUNT(*) FROM deliveries"),
        ROWS - 100 + 3
    );
    let written = "SELECT COUNT(*) FROM deliveries WHERE state = 'accepted' AND seq > 100";
    assert_eq!(
        app.database.number(written),
        rounds,
        "what was written beside it is there"
    );
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(work)
}

/// Short transactions until it is over. Returns how long the longest took, and how many there were.
async fn work_like_a_sender(url: &str, is_over: &AtomicBool) -> (Duration, i64) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let (mut longest, mut rounds) = (Duration::ZERO, 0);
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let mut tx = connection.begin().await.unwrap();
        let changed =
            sqlx::query("UPDATE deliveries SET state = 'accepted' WHERE campaign_id = 1 AND seq = $1")
                .bind(101 + rounds)
                .execute(&mut *tx)
                .await
                .unwrap();
        assert_eq!(changed.rows_affected(), 1);
        sqlx::query("SELECT seq FROM attempts WHERE campaign_id = 1 AND seq = $1")
            .bind(101 + rounds)
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        longest = longest.max(began.elapsed());
        rounds += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (longest, rounds)
}

/// Reads the ledger in one transaction that is open for so long.
async fn hold_for(url: &str, span: Duration) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let mut tx = connection.begin().await.unwrap();
    for table in [
        "SELECT 1 FROM deliveries LIMIT 1",
        "SELECT 1 FROM attempts LIMIT 1",
    ] {
        sqlx::query(table).fetch_all(&mut *tx).await.unwrap();
    }
    tokio::time::sleep(span).await;
    tx.commit().await.unwrap();
}
