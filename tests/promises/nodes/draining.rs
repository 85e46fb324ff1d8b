//! A node that is to go: it leaves nothing behind, by the command and on its page.

use super::*;
use crate::dashboard::{get, serve};
use crate::{sign_in, steering};

#[test]
fn a_node_that_drains_leaves_nothing_behind_and_the_others_finish() {
    let app = App::start(Engine::Postgres);
    // Nobody could wait for leases to run out.
    app.configure(|settings| settings.lease = "300s".to_owned());
    app.relay
        .follow(Script::accepting().delay(Duration::from_millis(20)));
    app.import("readers", 1_000);
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
    assert_eq!(app.relay.reached_once().len(), 1_000);

    // And the other way round.
    app.run(["node", "resume", "a"]).succeeded();
    app.run(["node", "drain", "b", "--wait"]).succeeded();
    let next = app.campaign("readers");
    start(&app, next);
    finished(&app, next);
    assert_eq!(accepted_by(&app, "a"), sent + 1_000);
    stop(a);
    stop(b);
}

on_both_engines!(
    a_node_that_drains_takes_nothing_until_it_is_to_work_again,
    |app| {
        app.relay.follow(Script::accepting().pace(50.0));
        app.import("readers", 600);
        let (campaign, later) = (app.campaign("readers"), app.campaign("readers"));
        let running = node(app, "a", "web,schedule,send,intake");
        let url = running.stdout_so_far();
        let (_, url) = url.split_once("dashboard: ").unwrap();
        let url = url.lines().next().unwrap().to_owned();
        start(app, campaign);
        wait_until("mail flows", 30, || app.relay.accepted_count() >= 20);
        app.run(["node", "drain", "a", "--wait"]).succeeded();
        let sent = app.relay.accepted_count();
        assert!(sent < 600, "everything was sent");
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
        assert!(twice.len() == 600 && twice.values().all(|times| *times == 2));
        stop(running);
        app.run(["node", "drain", "a"])
            .failed_with(1)
            .says(&["no node at work"]);
    }
);

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
