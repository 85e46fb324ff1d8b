//! Nodes: what they say of themselves, how one is asked to take nothing more, and how all hear of what is changed.

use super::*;
use std::future::Future;
use tidings_campaign::lifecycle::{Action, CampaignState};
use tidings_store::StoreError;
use tidings_store::at_work::AtWork;
use tidings_store::nodes::{Beat, Doing, LOST_AFTER, NodeState};
use tidings_tests::{Engine, FreshStore, store_on_both_engines};
use tokio::time::timeout;

/// What a node says whose owner is its name and `-1`.
async fn beats(store: &Store, name: &str, state: NodeState, seconds: u64) -> bool {
    let doing = Doing {
        campaigns: vec![CampaignId(3), CampaignId(7)],
        sessions: 4,
        rate_per_second: 12.5,
    };
    let beat = Beat {
        owner: &format!("{name}-1"),
        name,
        roles: "schedule,send",
        version: "1.0.0",
        started_at: START,
        listen: None,
        doing: &doing,
        state,
    };
    store.beat(beat, at(seconds)).await.unwrap()
}

async fn states(store: &Store, seconds: u64) -> Vec<(String, &'static str)> {
    let nodes = store.nodes(at(seconds)).await.unwrap();
    nodes
        .into_iter()
        .map(|node| (node.name, node.state.as_str()))
        .collect()
}

store_on_both_engines!(nodes_are_seen_lost_and_forgotten, |store| {
    assert_eq!(states(store, 0).await, []);
    assert!(!beats(store, "b", NodeState::Running, 0).await);
    assert!(!beats(store, "a", NodeState::Running, 10).await);
    let first = &store.nodes(at(10)).await.unwrap()[0];
    assert_eq!(
        (first.owner.as_str(), first.roles.as_str()),
        ("a-1", "schedule,send")
    );
    assert_eq!((first.started_at, first.seen_at), (START, at(10)));
    assert_eq!(first.doing.campaigns, [CampaignId(3), CampaignId(7)]);
    assert!(first.state.is_alive());

    let late = LOST_AFTER.as_secs() + 1;
    let (a, b) = ("a".to_owned(), "b".to_owned());
    assert_eq!(
        states(store, late).await,
        [(a.clone(), "running"), (b.clone(), "lost")]
    );
    beats(store, "a", NodeState::Stopped, late).await;
    beats(store, "b", NodeState::Running, 2 * late).await;
    assert_eq!(
        states(store, 2 * late).await,
        [(b, "running"), (a, "stopped")],
        "who has ended is not lost"
    );
    let a_day = 25 * 3_600;
    beats(store, "b", NodeState::Running, a_day).await;
    store.forget_nodes(at(a_day)).await.unwrap();
    assert_eq!(states(store, a_day).await.len(), 1);
    assert_eq!(store.texts("SELECT owner FROM nodes").await, ["b-1"]);
});

store_on_both_engines!(a_living_node_keeps_its_name, |store| {
    let name = async |seconds| store.free_node_name("main", at(seconds)).await.unwrap();
    assert_eq!(name(0).await, "main");
    beats(store, "main", NodeState::Running, 0).await;
    assert_eq!(name(1).await, "main-2");
    beats(store, "main-2", NodeState::Drained, 1).await;
    assert_eq!(name(2).await, "main-3");
    beats(store, "main", NodeState::Stopped, 2).await;
    assert_eq!(name(2).await, "main");
    let other = store.open_again("x").await.called("y".to_owned());
    assert_eq!(other.node(), "y");
    other.close().await;
});

store_on_both_engines!(a_node_is_asked_to_drain_by_name_or_owner, |store| {
    let by = By::command_line();
    let drain = async |which: &str, drain| store.drain_node(which, drain, &by, at(5)).await;
    assert!(matches!(drain("a", true).await, Err(StoreError::NotFound { .. })));
    beats(store, "a", NodeState::Running, 0).await;
    beats(store, "b", NodeState::Running, 0).await;
    assert_eq!(drain("a", true).await.unwrap(), "a-1");
    assert!(store.is_to_drain("a-1").await.unwrap());
    assert!(!store.is_to_drain("b-1").await.unwrap());
    assert!(!store.is_to_drain("nobody").await.unwrap());
    assert!(beats(store, "a", NodeState::Draining, 6).await);
    assert!(!beats(store, "b", NodeState::Running, 6).await);
    drain("a-1", false).await.unwrap();
    assert!(!beats(store, "a", NodeState::Running, 7).await);
    let log = store.audit_log(None, 10).await.unwrap();
    let what: Vec<_> = log
        .iter()
        .map(|entry| (entry.what.as_str(), entry.about.as_str()))
        .collect();
    assert_eq!(
        what,
        [("let a node work again", "node a"), ("drained a node", "node a")]
    );

    // A second one of that name.
    store
        .execute("UPDATE nodes SET name = 'a' WHERE owner = 'b-1'")
        .await;
    let Err(StoreError::SeveralNodes { owners, .. }) = drain("a", true).await else {
        panic!("it is not clear which is meant");
    };
    assert_eq!(owners, ["a-1", "b-1"]);
    beats(store, "a", NodeState::Stopped, 8).await;
    assert!(matches!(
        drain("a-1", true).await,
        Err(StoreError::NotFound { .. })
    ));
    assert_eq!(drain("a", true).await.unwrap(), "b-1");
});

store_on_both_engines!(drained_is_who_has_no_lease_any_more, |store| {
    let campaign = sending(store, 3).await;
    beats(store, "a", NodeState::Draining, 0).await;
    let claim = Claim {
        owner: "a-1",
        size: 10,
        now: at(1),
        expires_at: at(30),
    };
    let lease = store.claim(campaign, claim).await.unwrap().unwrap();
    beats(store, "a", NodeState::Drained, 2).await;
    assert_eq!(states(store, 2).await, [("a".to_owned(), "draining")]);
    store.release(lease.id, "a-1", true).await.unwrap();
    beats(store, "a", NodeState::Drained, 3).await;
    assert_eq!(states(store, 3).await, [("a".to_owned(), "drained")]);
});

store_on_both_engines!(
    of_a_campaign_that_cannot_start_only_what_was_read_is_held,
    |store| {
        let campaign = draft(store, &["readers"]).await;
        let by = By::command_line();
        let schedule = async |seconds| {
            let schedule = Schedule {
                at: at(seconds),
                local: String::new(),
                zone: "UTC".to_owned(),
            };
            store
                .schedule_campaign(campaign, &starts(&schedule), &by, at(0))
                .await
                .unwrap();
        };
        schedule(1).await;
        let due = store.due_campaigns(at(2)).await.unwrap();
        let read = &due[0];
        // A person gives it another time meanwhile.
        schedule(100).await;
        assert!(!store.hold_scheduled(read, "missed").await.unwrap());
        schedule(1).await;
        let other = store.open_again("there").await;
        let (one, two) = tokio::join!(
            store.hold_scheduled(read, "missed"),
            other.hold_scheduled(read, "missed")
        );
        assert!(one.unwrap() != two.unwrap(), "of two planners one holds it");
        let held = store.get_campaign(campaign).await.unwrap();
        assert_eq!(
            (held.state, held.state_reason.as_deref()),
            (CampaignState::Held, Some("missed"))
        );
        other.close().await;
    }
);

store_on_both_engines!(of_several_who_sum_the_same_day_one_does, |store| {
    let minute = START.minute();
    store
        .execute(&format!(
            "INSERT INTO send_counters (campaign_id, node, minute, relay, provider, outcome, class, n) \
             VALUES (1, 'x', {minute}, 'r', 'p', 'accepted', '', 5)"
        ))
        .await;
    let others = [store.open_again("b").await, store.open_again("c").await];
    let later = at(3 * 86_400);
    let sum = async |store: &Store| while store.sum_a_day(later).await.unwrap() {};
    tokio::join!(sum(store), sum(&others[0]), sum(&others[1]));
    let days = store
        .texts("SELECT CAST(n AS TEXT) FROM sent_days WHERE outcome = 'accepted'")
        .await;
    assert_eq!(days, ["5"]);
    for other in others {
        other.close().await;
    }
});

/// Whether something is heard within a second of what is done.
async fn is_heard(node: &AtWork, done: impl Future<Output = ()>) -> bool {
    let mut news = node.news();
    done.await;
    timeout(Duration::from_secs(1), news.come()).await.is_ok()
}

/// Listens beside `work`. On PostgreSQL that begins when it listens for certain.
async fn hearing(store: &FreshStore, node: &AtWork, work: impl Future<Output = ()>) {
    let mut news = node.news();
    let work = async {
        if store.engine == Engine::Postgres {
            news.come().await;
        }
        work.await;
    };
    tokio::select! {
        () = node.hear(store) => {}
        () = work => {}
    }
}

store_on_both_engines!(what_is_steered_anywhere_is_heard_at_once_on_postgresql, |store| {
    let (campaign, by) = (sending(store, 3).await, By::command_line());
    beats(store, "a", NodeState::Running, 0).await;
    let other = store.open_again("there").await;
    let node = AtWork::default();
    let expected = store.engine == Engine::Postgres;
    hearing(store, &node, async {
        for action in [Action::Pause, Action::Resume, Action::Pause, Action::Cancel] {
            let steered = async {
                other.steer_campaign(campaign, action, &by, at(1)).await.unwrap();
            };
            assert_eq!(is_heard(&node, steered).await, expected, "{action:?}");
        }
        let drained = async {
            other.drain_node("a", true, &by, at(1)).await.unwrap();
        };
        assert_eq!(is_heard(&node, drained).await, expected);
        // Whoever made the change, and by whatever.
        let by_hand = store.execute("UPDATE campaigns SET state = 'held'");
        assert_eq!(is_heard(&node, by_hand).await, expected);
        let beat = async {
            beats(&other, "a", NodeState::Draining, 2).await;
        };
        assert!(!is_heard(&node, beat).await, "a beat is nothing to look at");
    })
    .await;
    other.close().await;
});

#[test]
fn who_lost_the_connection_hears_again() {
    FreshStore::test(Engine::Postgres, async |store: &FreshStore| {
        let (campaign, by) = (sending(store, 3).await, By::command_line());
        let node = AtWork::default();
        hearing(store, &node, async {
            // What was said meanwhile is not known, so it is to be looked at.
            let mut news = node.news();
            store
                .execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                     WHERE datname = current_database() AND query LIKE 'LISTEN%'",
                )
                .await;
            let again = timeout(Duration::from_secs(20), news.come()).await;
            again.expect("it listens again");
            let paused = async {
                store
                    .steer_campaign(campaign, Action::Pause, &by, at(1))
                    .await
                    .unwrap();
            };
            assert!(is_heard(&node, paused).await);
        })
        .await;
    });
}

#[test]
fn a_node_knows_whether_anything_is_under_way() {
    let node = AtWork::default();
    assert!(node.may_take() && node.is_idle());
    let under_way = node.begin();
    assert!(!node.is_idle());
    drop(under_way);
    node.set_draining(true);
    assert!(!node.may_take() && node.is_idle());
    node.set_doing(Doing {
        sessions: 2,
        ..Doing::default()
    });
    assert_eq!(node.doing().sessions, 2);
    node.tell();
}
