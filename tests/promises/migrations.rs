//! One schema on two engines, and never a step into a database of the future.

use std::path::Path;
use tidings_tests::{Engine, on_both_engines};

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
    for statement in [
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
