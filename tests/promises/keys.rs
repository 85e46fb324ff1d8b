//! Keys can be rotated under a running installation: what old mails carry goes on to work, until its key is retired.

use crate::dashboard::{browser, get, serve};
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::time::{Clock, Timestamp};
use tidings_campaign::token::UnsubscribeToken;
use tidings_store::Store;
use tidings_store::signing_keys::KEY_SETTLES_IN;
use tidings_tests::script::Script;
use tidings_tests::{App, on_both_engines, wait_until};

/// The link by which a recipient unsubscribes, as it is signed at this time.
fn link(app: &App, campaign: i64, recipient: i64, now: Timestamp) -> String {
    let signing = async {
        let store = Store::open(app.database.url(), "test").await.unwrap();
        let keys = store.key_ring(now).await.unwrap();
        store.close().await;
        let token = UnsubscribeToken {
            campaign: CampaignId(campaign),
            recipient: RecipientId(recipient),
        };
        token.sign(&keys)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    format!("/u/{}", runtime.block_on(signing))
}

fn one_click(url: &str) -> (u16, String) {
    let mut answer = browser()
        .post(url)
        .content_type("application/x-www-form-urlencoded")
        .send("List-Unsubscribe=One-Click")
        .unwrap();
    (
        answer.status().as_u16(),
        answer.body_mut().read_to_string().unwrap(),
    )
}

fn key(app: &App, words: &[&str]) -> serde_json::Value {
    app.run(["--json", "key"].iter().chain(words)).succeeded().json()
}

/// Who may still be mailed.
fn confirmed(app: &App, reader: &str) -> bool {
    let shown = app
        .run(["--json", "recipient", "show", reader])
        .succeeded()
        .json();
    shown["lists"][0]["state"] == "confirmed"
}

on_both_engines!(links_of_before_and_after_a_rotation_unsubscribe, |app| {
    app.relay.follow(Script::accepting());
    app.import("readers", 3);
    let campaign = app.campaign("readers");
    app.send(campaign);
    let served = serve(app);
    let now = Clock::System.now();
    let before = link(app, campaign, 1, now);
    assert_eq!(key(app, &["rotate"])["id"], 2);
    let after = link(app, campaign, 2, now.plus(2 * KEY_SETTLES_IN));
    assert_ne!(before[..6], after[..6], "another key's id");
    for link in [&after, &before] {
        let (status, page) = one_click(&format!("{}{link}", served.url));
        assert_eq!(status, 200, "{page}");
    }
    let still: Vec<_> = (1..=3)
        .map(|n| confirmed(app, &format!("reader{n}@example.org")))
        .collect();
    assert_eq!(still, [false, false, true]);
});

on_both_engines!(what_a_retired_key_has_signed_changes_nothing, |app| {
    app.relay.follow(Script::accepting());
    app.import("readers", 2);
    let campaign = app.campaign("readers");
    app.send(campaign);
    let served = serve(app);
    let old = format!("{}{}", served.url, link(app, campaign, 1, Clock::System.now()));
    key(app, &["rotate"]);
    let refused = app.run(["key", "retire", "1"]).failed_with(1);
    assert!(refused.stderr.contains("1 campaign of the last year") && refused.stderr.contains("--yes"));
    assert_eq!(get(&old).0, 200);
    let refused = app.run(["key", "retire", "1", "--yes"]).failed_with(1);
    assert!(
        refused.stderr.contains("signs what goes out now"),
        "{}",
        refused.stderr
    );
    wait_until("the new key signs", 60, || {
        key(app, &["list"])[1]["signs"] == true
    });
    let retired = key(app, &["retire", "1", "--yes"]);
    assert_eq!(retired["campaigns_of_last_year"], 1);
    wait_until("the server has heard of it", 30, || get(&old).0 == 404);
    let (status, page) = one_click(&old);
    assert_eq!(status, 404);
    assert!(page.contains("This link does not work"), "{page}");
    assert!(confirmed(app, "reader1@example.org"));
    let new = link(app, campaign, 2, Clock::System.now());
    assert_eq!(one_click(&format!("{}{new}", served.url)).0, 200);
});
