//! Several processes work on one database: each does what its roles say, together they send every message once, what is steered
//! reaches all of them, and one that is to go leaves nothing behind.

use crate::dashboard::{get, serve};
use crate::{sign_in, steering};
use serde_json::Value;
use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tidings_tests::script::Script;
use tidings_tests::{
    App, Arrivals, Engine, Running, Yardstick, assert_ledger_adds_up, free_port, on_both_engines, wait_until,
};

/// Without a message for so long, mail has stopped: two seconds, and a while in which none may come.
const QUIET: Duration = Duration::from_millis(3_500);
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

on_both_engines!(a_process_does_what_its_roles_say_and_nothing_else, |app| {
    app.import("readers", 20);
    let campaign = app.campaign("readers");
    let port = free_port();
    app.configure(|settings| {
        settings.more =
            format!("[[intake.smtp]]\nlisten = \"127.0.0.1:{port}\"\ndomains = [\"bounce.example.com\"]\n");
    });
    let takes_reports = || TcpStream::connect(("127.0.0.1", port)).is_ok();

    let web = node(app, "w", "web");
    assert!(web.stdout_so_far().contains("dashboard: http://"));
    start(app, campaign);
    std::thread::sleep(A_WHILE);
    assert_eq!(
        app.show(campaign).state(),
        "scheduled",
        "nobody keeps the calendar"
    );
    assert!(!takes_reports(), "nobody takes reports");

    let schedule = node(app, "s", "schedule");
    assert!(!schedule.stdout_so_far().contains("dashboard"));
    wait_until("the campaign has started", 30, || {
        app.show(campaign).state() == "sending"
    });
    std::thread::sleep(A_WHILE);
    assert_eq!(app.relay.accepted_count(), 0, "nobody sends");

    let intake = node(app, "i", "intake");
    let mut greeting = [0; 3];
    let mut session = TcpStream::connect(("127.0.0.1", port)).unwrap();
    session.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"220");
    drop(session);

    let send = node(app, "x", "send");
    assert!(send.stdout_so_far().contains("without pages: send"));
    finished(app, campaign);
    assert_eq!(app.relay.reached_once().len(), 20);
    for (name, roles) in [("w", "web"), ("s", "schedule"), ("i", "intake"), ("x", "send")] {
        let seen = seen(app, name).unwrap();
        assert_eq!(seen["roles"], serde_json::json!([roles]));
        assert_eq!(seen["listen"].is_string(), roles == "web", "{seen}");
    }
    for running in [web, schedule, intake, send] {
        stop(running);
    }
    assert_eq!(state(app, "x"), "stopped");
});

on_both_engines!(a_process_that_does_not_send_needs_neither_lock_nor_relay, |app| {
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    let bare = app.write(
        "bare.toml",
        "public_url = \"https://news.example.com\"\n[web]\nlisten = \"127.0.0.1:0\"\n\
         [serve]\nroles = [\"web\", \"schedule\", \"intake\"]\n",
    );
    let running = app.spawn(["--config", &bare.to_string_lossy(), "serve"]);
    wait_until("it is at work", 30, || state(app, "main") == "running");
    // On SQLite one process sends: this is it.
    let show = app.send(campaign);
    assert_eq!(show.count("accepted"), 3);
    assert_eq!(
        state(app, "main-2"),
        "stopped",
        "a name that is taken gets a number"
    );
    stop(running);
});

#[test]
fn roles_that_are_none_are_refused() {
    let app = App::start(Engine::Sqlite);
    for roles in ["", "web,sends", ","] {
        app.run(["serve", "--roles", roles])
            .failed_with(2)
            .says(&["roles"]);
    }
    app.configure(|settings| settings.more = "[serve]\nroles = []\n".to_owned());
    app.run(["serve"])
        .failed_with(1)
        .says(&["[serve]", "roles is empty"]);
    app.configure(|settings| settings.more.clear());
    let mut command = app.command(["serve"]);
    command.env("TIDINGS_SERVE_ROLES", "web, sends");
    let refused = app.spawn_command(command).wait(App::PATIENCE);
    refused
        .failed_with(1)
        .says(&["TIDINGS_SERVE_ROLES", "`sends` is no role"]);
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
fn a_node_that_drains_leaves_nothing_behind_and_the_others_finish() {
    let app = App::start(Engine::Postgres);
    // Nobody could wait for leases to run out.
    app.configure(|settings| settings.lease = "300s".to_owned());
    app.relay
        .follow(Script::accepting().delay(Duration::from_millis(20)));
    app.import("readers", 500);
    let campaign = app.campaign_with("readers", &["--rate", "60/s"]);
    let mut a = node(&app, "a", "send,schedule");
    let b = node(&app, "b", "send,schedule");
    start(&app, campaign);
    wait_until("both send", 60, || {
        accepted_by(&app, "a") > 0 && accepted_by(&app, "b") > 0
    });
    app.run(["node", "drain", "a", "--wait"])
        .succeeded()
        .prints(&["drained"]);
    let sent = accepted_by(&app, "a");
    assert_eq!(
        app.database
            .number("SELECT count(*) FROM leases WHERE owner LIKE 'a-%'"),
        0
    );
    assert!(a.is_running(), "it goes on, and does nothing");
    let show = app.show(campaign);
    assert_eq!(
        (show.state(), show.count("unknown")),
        ("sending", 0),
        "the other is to send the rest: {show}"
    );
    finished(&app, campaign);
    assert_eq!(accepted_by(&app, "a"), sent, "a drained node sends nothing");
    assert_eq!(app.relay.reached_once().len(), 500);

    // And the other way round.
    app.run(["node", "resume", "a"]).succeeded();
    app.run(["node", "drain", "b", "--wait"]).succeeded();
    let next = app.campaign("readers");
    start(&app, next);
    finished(&app, next);
    assert_eq!(accepted_by(&app, "a"), sent + 500);
    stop(a);
    stop(b);
}

on_both_engines!(
    a_node_that_drains_takes_nothing_until_it_is_to_work_again,
    |app| {
        app.relay.follow(Script::accepting().pace(50.0));
        app.import("readers", 200);
        let (campaign, later) = (app.campaign("readers"), app.campaign("readers"));
        let running = node(app, "a", "web,schedule,send,intake");
        let url = running.stdout_so_far();
        let (_, url) = url.split_once("dashboard: ").unwrap();
        let url = url.lines().next().unwrap().to_owned();
        start(app, campaign);
        wait_until("mail flows", 30, || app.relay.accepted_count() >= 20);
        app.run(["node", "drain", "a", "--wait"]).succeeded();
        let sent = app.relay.accepted_count();
        assert!(sent < 200, "everything was sent");
        start(app, later);
        std::thread::sleep(A_WHILE);
        assert_eq!(app.relay.accepted_count(), sent, "mail still flows");
        assert_eq!(app.show(later).state(), "scheduled", "it starts a campaign");
        let show = app.show(campaign);
        assert_eq!((show.state(), show.count("unknown")), ("sending", 0), "{show}");
        assert_eq!(get(&format!("{url}health")).0, 200, "its pages go on");
        app.run(["node", "resume", "a"]).succeeded();
        app.relay.follow(Script::accepting());
        finished(app, campaign);
        finished(app, later);
        let twice = app.relay.accepted_by_recipient();
        assert!(twice.len() == 200 && twice.values().all(|times| *times == 2));
        stop(running);
        app.run(["node", "drain", "a"])
            .failed_with(1)
            .says(&["no node at work"]);
    }
);

/// So many that they are not all sent when something is changed.
const READERS: usize = 3_000;

/// A campaign that three nodes send in no hurry, and when each message was accepted.
struct UnderWay {
    app: App,
    campaign: i64,
    arrivals: Arrivals,
    nodes: Vec<Running>,
}

impl UnderWay {
    fn begin() -> UnderWay {
        let app = App::start(Engine::Postgres);
        let arrivals = Arrivals::at(&app.relay, Script::accepting().pace(120.0));
        app.import("readers", READERS);
        let campaign = app.campaign("readers");
        let nodes = ["a", "b", "c"].map(|name| node(&app, name, "send,schedule"));
        start(&app, campaign);
        wait_until("all send", 60, || {
            ["a", "b", "c"].iter().all(|name| accepted_by(&app, name) > 0)
        });
        UnderWay {
            app,
            campaign,
            arrivals,
            nodes: nodes.into(),
        }
    }

    /// Does this, and panics unless mail stops within two seconds after it.
    #[track_caller]
    fn assert_stops_after(&self, what: &str, change: impl FnOnce(&App)) {
        let yardstick = Yardstick::begin();
        change(&self.app);
        let changed = Instant::now();
        let last = || {
            self.arrivals
                .times()
                .last()
                .map_or(changed, |last| changed.max(*last))
        };
        wait_until("mail stops", 60, || last().elapsed() > QUIET);
        yardstick.assert_in_time(what, last() - changed);
        assert!(self.arrivals.times().len() < READERS, "everything was sent");
        let show = self.app.show(self.campaign);
        assert_ledger_adds_up(&show);
        let said: Vec<String> = self.nodes.iter().map(Running::stderr_so_far).collect();
        assert_eq!(
            (show.count("on_wire"), show.count("unknown")),
            (0, 0),
            "{show} {said:?}"
        );
    }

    /// Does this, and panics unless mail flows within two seconds after it.
    #[track_caller]
    fn assert_flows_after(&self, what: &str, change: impl FnOnce(&App)) {
        let yardstick = Yardstick::begin();
        let before = self.arrivals.times().len();
        change(&self.app);
        let changed = Instant::now();
        wait_until("mail flows again", 60, || self.arrivals.times().len() > before);
        let first = self.arrivals.times()[before];
        yardstick.assert_in_time(what, first.saturating_duration_since(changed));
    }
}

#[test]
fn a_pause_reaches_all_nodes_within_two_seconds_and_so_does_its_end() {
    let under_way = UnderWay::begin();
    let campaign = under_way.campaign;
    let steer = |action: &'static str| move |app: &App| drop(app.steer(campaign, action));
    under_way.assert_stops_after("pause", steer("pause"));
    under_way.assert_flows_after("resume", steer("resume"));
    under_way.assert_stops_after("cancel", steer("cancel"));
    assert_eq!(under_way.app.show(campaign).state(), "cancelled");
    assert_eq!(under_way.nodes.len(), 3);
    under_way.app.relay.reached_once();
}

/// No sender is told of these two: it asks again for what it has known for 1.5 seconds.
#[test]
fn suppressions_reach_all_nodes_within_two_seconds() {
    let under_way = UnderWay::begin();
    // By hand, as no command does it: what holds is what the database says.
    under_way.assert_stops_after("the suppression of everybody", |app| {
        app.database.execute(
            "INSERT INTO suppressions (address_key, reason, evidence, created_at) \
             SELECT address_key, 'by_hand', 'all at once', 1 FROM recipients",
        );
    });
    let app = &under_way.app;
    app.relay.follow(Script::accepting());
    finished(app, under_way.campaign);
    let show = app.show(under_way.campaign);
    assert_eq!(
        show.count("accepted") + show.count("withheld"),
        READERS as u64,
        "{show}"
    );
    app.relay.reached_once();
}

#[test]
fn unsubscribes_reach_all_nodes_within_two_seconds() {
    let under_way = UnderWay::begin();
    under_way.assert_stops_after("the unsubscribe of everybody", |app| {
        app.database
            .execute("UPDATE subscriptions SET state = 'unsubscribed'");
    });
    let app = &under_way.app;
    finished(app, under_way.campaign);
    let show = app.show(under_way.campaign);
    assert_eq!(
        show.count("accepted") + show.count("withheld"),
        READERS as u64,
        "{show}"
    );
    app.relay.reached_once();
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

/// The fields of the form on a page that leads to `action`, with their values; none if there is no such form.
fn form(page: &str, action: &str) -> Option<Vec<(String, String)>> {
    let (_, form) = page.split_once(&format!("<form method=\"post\" action=\"{action}\">"))?;
    let (form, _) = form.split_once("</form>").unwrap();
    let fields = form.split("<input ").skip(1).map(|input| {
        let value_of = |name: &str| {
            let (_, rest) = input.split_once(&format!("{name}=\"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        (value_of("name"), value_of("value"))
    });
    Some(fields.collect())
}

on_both_engines!(an_administrator_drains_a_node_on_its_page, |app| {
    let served = serve(app);
    wait_until("it is listed", 30, || state(app, "main") == "running");
    let owner = seen(app, "main").unwrap()["owner"].as_str().unwrap().to_owned();
    let cookie = sign_in::sign_in(&served, &sign_in::administrator(app, &served));
    let page = || {
        let page = sign_in::get(&format!("{}/nodes", served.url), Some(&cookie));
        assert_eq!(page.status, 200);
        page.body
    };
    let send = |action: &str, fields: &[(String, String)]| {
        let fields: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        sign_in::post(&format!("{}{action}", served.url), Some(&cookie), &fields)
    };
    let (drain, resume) = ("/nodes/drain", "/nodes/resume");

    let running = page();
    assert!(running.contains(">running<"), "{running}");
    assert_eq!(form(&running, resume), None);
    let fields = form(&running, drain).unwrap();
    let means_the_node = |field: &(String, String)| *field == ("owner".to_owned(), owner.clone());
    assert!(fields.iter().any(means_the_node), "{fields:?}");
    // Another site's page knows who the node is, and not the session's token.
    let mut forged = fields.clone();
    forged.retain(means_the_node);
    assert_eq!(send(drain, &forged).status, 403);
    forged.push(("csrf".to_owned(), "x".to_owned()));
    assert_eq!(send(drain, &forged).status, 403);
    assert_eq!(state(app, "main"), "running");

    let answer = send(drain, &fields);
    assert_eq!((answer.status, answer.location.as_str()), (303, "/nodes"));
    wait_until("it is drained", 15, || state(app, "main") == "drained");
    let drained = page();
    assert!(
        drained.contains(">drained<") && drained.contains("No node sends"),
        "{drained}"
    );
    assert_eq!(form(&drained, drain), None);
    assert_eq!(send(resume, &form(&drained, resume).unwrap()).status, 303);
    wait_until("it works again", 15, || state(app, "main") == "running");
    let kept = "SELECT count(*) FROM audit_log WHERE about = 'node main' AND who = 'ada@example.com'";
    assert_eq!(app.database.number(kept), 2);
});

on_both_engines!(nobody_but_an_administrator_drains_a_node, |app| {
    let served = serve(app);
    wait_until("it is listed", 30, || state(app, "main") == "running");
    let owner = seen(app, "main").unwrap()["owner"].as_str().unwrap().to_owned();
    for role in ["viewer", "editor"] {
        let token = steering::token(app, role);
        let (status, _, page) = steering::get(&served, &token, "/nodes");
        assert_eq!(status, 200);
        assert!(page.contains(&owner) && !page.contains("Drain"), "{page}");
        for action in ["/nodes/drain", "/nodes/resume"] {
            assert_eq!(form(&page, action), None);
            let (status, ..) = steering::post(&served, &token, action, &[("owner", owner.as_str())]);
            assert_eq!(status, 403, "{role} {action}");
        }
    }
    assert_eq!(state(app, "main"), "running");
    let asked = "SELECT count(*) FROM audit_log WHERE about = 'node main'";
    assert_eq!(app.database.number(asked), 0);
});
