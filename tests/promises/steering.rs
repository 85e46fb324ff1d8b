//! Editors steer campaigns from their pages, viewers do not, and the ledger is read and taken along row by row.

use crate::dashboard::{Served, browser, serve};
use tidings_tests::script::{Reply, Rule, Script, Who};
use tidings_tests::{App, on_both_engines, wait_until};

/// A program's token with this role.
pub(crate) fn token(app: &App, role: &str) -> String {
    let made = app.run(["--json", "token", "create", role, "--role", role]);
    made.succeeded().json()["token"].as_str().unwrap().to_owned()
}

/// Status, where it leads, and body.
fn answer(mut response: http::Response<ureq::Body>) -> (u16, String, String) {
    let location = response.headers().get("location");
    let location = location.map_or_else(String::new, |value| value.to_str().unwrap().to_owned());
    let body = response.body_mut().read_to_string().unwrap();
    (response.status().as_u16(), location, body)
}

pub(crate) fn get(served: &Served, token: &str, path: &str) -> (u16, String, String) {
    let request = browser().get(format!("{}{path}", served.url));
    answer(
        request
            .header("Authorization", format!("Bearer {token}"))
            .call()
            .unwrap(),
    )
}

pub(crate) fn post(
    served: &Served,
    token: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> (u16, String, String) {
    let request = browser().post(format!("{}{path}", served.url));
    let request = request.header("Authorization", format!("Bearer {token}"));
    answer(request.send_form(fields.iter().copied()).unwrap())
}

/// Status and body of a page.
pub(crate) fn page(served: &Served, token: &str, path: &str) -> (u16, String) {
    let (status, _, body) = get(served, token, path);
    (status, body)
}

/// The same of what a form gets for an answer.
pub(crate) fn sent(served: &Served, token: &str, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let (status, _, body) = post(served, token, path, fields);
    (status, body)
}

/// Readers 1 and 2 of five are refused for good.
fn after_refusals(app: &App) -> i64 {
    let refusing = |reader| Rule::rcpt(Reply::new(550, "5.1.1", "=no such user")).to(Who::address(reader));
    app.relay.follow(
        Script::accepting()
            .rule(refusing("reader1@example.org"))
            .rule(refusing("reader2@example.org")),
    );
    app.import("readers", 5);
    let campaign = app.campaign("readers");
    app.send(campaign);
    campaign
}

on_both_engines!(
    an_editor_pauses_resumes_and_cancels_a_campaign_in_its_page,
    |app| {
        app.import("readers", 200);
        let campaign = app.campaign_with("readers", &["--rate", "1/s"]);
        app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
            .succeeded();
        let served = serve(app);
        let (editor, viewer) = (token(app, "editor"), token(app, "viewer"));
        wait_until("it is sent", 30, || app.show(campaign).state() == "sending");
        let page = format!("/campaigns/{campaign}");
        let ask = |action: &str| post(&served, &editor, &format!("{page}/{action}"), &[]);
        assert!(get(&served, &editor, &page).2.contains(&format!("{page}/pause")));
        assert!(!get(&served, &viewer, &page).2.contains(&format!("{page}/pause")));
        assert_eq!(post(&served, &viewer, &format!("{page}/pause"), &[]).0, 403);
        let (status, location, _) = ask("pause");
        assert_eq!((status, location.as_str()), (303, page.as_str()));
        assert_eq!(app.show(campaign).state(), "paused");
        let (status, _, body) = ask("pause");
        assert_eq!(status, 409);
        assert!(
            body.contains("the campaign is paused and cannot be paused"),
            "{body}"
        );
        assert_eq!(ask("resume").0, 303);
        assert_eq!(app.show(campaign).state(), "sending");
        assert_eq!(ask("cancel").0, 303);
        wait_until("what is left is withheld", 30, || {
            app.show(campaign).count("planned") == 0
        });
        assert_eq!(ask("resume").0, 409);
        assert_eq!(post(&served, &editor, "/campaigns/77/pause", &[]).0, 404);
        for what in ["paused", "resumed", "cancelled"] {
            let kept = format!(
                "SELECT COUNT(*) FROM audit_log WHERE what = '{what} a campaign' AND who = 'token editor' \
             AND about = 'campaign {campaign}'"
            );
            assert_eq!(app.database.number(&kept), 1, "{what}");
        }
    }
);

on_both_engines!(an_editor_sends_again_to_those_not_reached, |app| {
    let campaign = after_refusals(app);
    let served = serve(app);
    let editor = token(app, "editor");
    let path = format!("/campaigns/{campaign}/again");
    let page = get(&served, &editor, &format!("/campaigns/{campaign}")).2;
    assert!(page.contains("2 rejected"), "{page}");
    let (status, _, body) = post(&served, &editor, &path, &[("name", "Once more")]);
    assert_eq!(status, 409);
    assert!(body.contains("choose at least one state"), "{body}");
    assert_eq!(
        post(&served, &editor, &path, &[("name", " "), ("rejected", "yes")]).0,
        422
    );
    let fields = [("name", "Once more"), ("rejected", "yes")];
    let (status, location, _) = post(&served, &editor, &path, &fields);
    assert_eq!(status, 303);
    let child: i64 = location.rsplit('/').next().unwrap().parse().unwrap();
    let show = app.show(child);
    assert_eq!((show.state(), &show.0["name"]), ("draft", &"Once more".into()));
    assert_eq!(show.0["parent_states"], serde_json::json!(["rejected"]));
});

on_both_engines!(an_editor_settles_what_is_unknown, |app| {
    let campaign = after_refusals(app);
    app.database
        .execute("UPDATE deliveries SET state = 'unknown' WHERE state = 'rejected'");
    app.database
        .execute("UPDATE campaign_counters SET state = 'unknown' WHERE state = 'rejected'");
    app.relay.follow(Script::accepting());
    let served = serve(app);
    let editor = token(app, "editor");
    let page = format!("/campaigns/{campaign}");
    let body = get(&served, &editor, &page).2;
    assert!(body.contains("2 unknown wait for a decision"), "{body}");
    assert_eq!(
        post(&served, &editor, &format!("{page}/leave-unknown"), &[]).0,
        303
    );
    let body = get(&served, &editor, &page).2;
    assert!(!body.contains("wait for a decision"), "{body}");
    assert_eq!(app.show(campaign).count("unknown"), 2);
    assert_eq!(
        post(&served, &editor, &format!("{page}/resend-unknown"), &[]).0,
        303
    );
    wait_until("they are settled", 30, || {
        app.show(campaign).count("unknown") == 0
    });
});

on_both_engines!(
    the_ledger_is_looked_through_and_taken_along_as_the_command_writes_it,
    |app| {
        let campaign = after_refusals(app);
        let served = serve(app);
        let (editor, viewer) = (token(app, "editor"), token(app, "viewer"));
        let path = format!("/campaigns/{campaign}/deliveries");
        let seen = |query: &str| {
            let (status, _, body) = get(&served, &viewer, &format!("{path}{query}"));
            assert_eq!(status, 200, "{query}");
            (1..=5)
                .filter(|n| body.contains(&format!(">reader{n}@example.org</a>")))
                .collect::<Vec<_>>()
        };
        assert_eq!(seen(""), [1, 2, 3, 4, 5]);
        assert_eq!(seen("?after=3"), [4, 5]);
        assert_eq!(seen("?state=rejected"), [1, 2]);
        assert_eq!(seen("?q=Reader4%40example.org"), [4]);
        assert_eq!(seen("?q=reader&state=accepted"), [3, 4, 5]);
        assert_eq!(seen("?q=reader&after=4"), [5]);
        assert!(seen("?q=%25").is_empty());
        assert!(seen("?q=eader").is_empty());
        let id = campaign.to_string();
        for (ending, format) in [("csv", "csv"), ("jsonl", "jsonl")] {
            let command = app.run(["campaign", "deliveries", &id, "--format", format]);
            let (status, _, body) = get(&served, &editor, &format!("{path}.{ending}"));
            assert_eq!((status, body), (200, command.succeeded().stdout));
            // Addresses by the thousand are for those who work with them.
            assert_eq!(get(&served, &viewer, &format!("{path}.{ending}")).0, 403);
        }
        let kept = app
            .database
            .number("SELECT COUNT(*) FROM audit_log WHERE what = 'exported the deliveries of a campaign'");
        assert_eq!(kept, 2);
        let rejected = get(&served, &editor, &format!("{path}.csv?state=rejected")).2;
        assert_eq!(rejected.lines().count(), 3, "{rejected}");
        assert_eq!(get(&served, &editor, "/campaigns/77/deliveries.csv").0, 404);
    }
);
