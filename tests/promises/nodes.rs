//! Several processes work on one database: each does what its roles say, together they send every message once, what is steered
//! reaches all of them, and one that is to go leaves nothing behind.

mod draining;
mod reaching;
mod roles;

use serde_json::Value;
use std::time::Duration;
use tidings_tests::script::Script;
use tidings_tests::{App, Engine, Running, assert_ledger_adds_up, on_both_engines, wait_until};

/// How long it is looked whether something happens that must not.
const A_WHILE: Duration = Duration::from_millis(1_500);

/// Starts a node of this name with these roles; returns when it is at work.
fn node(app: &App, name: &str, roles: &str) -> Running {
    let mut running = app.spawn_node(name, roles);
    wait_until(&format!("node {name} is at work"), 30, || {
        assert!(
            running.is_running(),
            "node {name} ended: {}",
            running.stderr_so_far()
        );
        // Before it says so there may be no database yet.
        !running.stdout_so_far().is_empty() && state(app, name) == "running"
    });
    running
}

/// What `tidings node list` says of the node of this name that was seen last.
fn seen(app: &App, name: &str) -> Option<Value> {
    let listed = app.run(["--json", "node", "list"]).succeeded().json();
    let nodes = listed.as_array().unwrap().clone();
    nodes.into_iter().find(|node| node["name"] == name)
}

fn state(app: &App, name: &str) -> String {
    let state = seen(app, name).map(|node| node["state"].as_str().unwrap().to_owned());
    state.unwrap_or_default()
}

fn start(app: &App, campaign: i64) {
    app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
        .succeeded();
}

fn finished(app: &App, campaign: i64) {
    wait_until("the campaign is finished", 90, || {
        app.show(campaign).state() == "finished"
    });
    assert_ledger_adds_up(&app.show(campaign));
}

fn accepted_by(app: &App, node: &str) -> i64 {
    app.database.number(&format!(
        "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM send_counters WHERE outcome = 'accepted' AND node = '{node}'"
    ))
}

fn stop(node: Running) {
    node.sigterm();
    node.wait(Duration::from_secs(20)).succeeded();
}

#[test]
fn several_nodes_send_one_campaign_together_and_each_message_once() {
    let app = App::start(Engine::Postgres);
    app.relay
        .follow(Script::accepting().delay(Duration::from_millis(30)));
    app.import("readers", 600);
    // So that no node has it all to itself.
    let campaign = app.campaign_with("readers", &["--rate", "60/s"]);
    let mut nodes = vec![node(&app, "w", "web,schedule,intake")];
    for name in ["a", "b", "c"] {
        nodes.push(node(&app, name, "send,schedule"));
    }
    start(&app, campaign);
    wait_until("somebody says that he sends", 30, || {
        ["a", "b", "c"]
            .iter()
            .any(|name| seen(&app, name).is_some_and(|node| node["campaigns"][0] == campaign))
    });
    finished(&app, campaign);
    assert_eq!(app.relay.reached_once().len(), 600);
    assert_eq!(app.relay.accepted_count(), 600);
    for name in ["a", "b", "c"] {
        assert!(accepted_by(&app, name) > 0, "node {name} had no part in it");
    }
    nodes.into_iter().for_each(stop);
}

#[test]
fn with_several_planners_every_campaign_starts_once() {
    let app = App::start(Engine::Postgres);
    app.import("readers", 40);
    let campaigns: Vec<i64> = (0..6).map(|_| app.campaign("readers")).collect();
    let missed = app.campaign("readers");
    for campaign in campaigns.iter().chain([&missed]) {
        start(&app, *campaign);
    }
    app.database.execute(&format!(
        "UPDATE campaigns SET scheduled_at = 1 WHERE id = {missed}"
    ));
    // All three find all of them due.
    let mut nodes: Vec<Running> = ["a", "b", "c"]
        .iter()
        .map(|name| app.spawn_node(name, "schedule,send"))
        .collect();
    campaigns.iter().for_each(|campaign| finished(&app, *campaign));
    wait_until("what was missed is held", 30, || {
        app.show(missed).state() == "held"
    });
    std::thread::sleep(A_WHILE);
    for running in &mut nodes {
        assert!(
            running.is_running(),
            "one is faster than the others, and no failure: {}",
            running.stderr_so_far()
        );
    }
    for campaign in campaigns {
        assert_eq!(app.show(campaign).planned(), 40);
    }
    let reached = app.relay.accepted_by_recipient();
    assert!(
        reached.len() == 40 && reached.values().all(|times| *times == 6),
        "{reached:?}"
    );
    nodes.into_iter().for_each(stop);
}

on_both_engines!(a_node_that_was_killed_is_shown_as_lost, |app| {
    let running = node(app, "a", "schedule");
    running.kill_9();
    assert_eq!(state(app, "a"), "running", "nobody can know yet");
    wait_until("it is taken for lost", 30, || state(app, "a") == "lost");
    app.run(["node", "list"]).succeeded().prints(&["lost"]);
});
