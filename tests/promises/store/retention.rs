//! Old deliveries go, and nothing else; on PostgreSQL the ledger is in parts.

use super::*;
use futures_util::StreamExt;
use std::time::Duration;
use tidings_campaign::lifecycle::{Action, CampaignState};
use tidings_store::StoreError;
use tidings_store::retention::{Stays, WAITS_FOR_ITS_PART};
use tidings_tests::{Engine, FreshStore, store_on_both_engines};

const DAY: Duration = Duration::from_secs(86_400);

/// A campaign to `n` readers, that has been finished since the start; the first of them was refused for good.
async fn finished(store: &Store, n: usize) -> CampaignId {
    let campaign = sending(store, n).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, n as i64).await;
    let all = all_of(&lease);
    sender.send(&all[..1], &blocked()).await;
    sender.send(&all[1..], &accepted()).await;
    sender.done_with(&lease).await;
    assert!(store.finish_if_done(campaign, START).await.unwrap());
    campaign
}

async fn mark(store: &Store, campaign: CampaignId) -> bool {
    let by = By::command_line();
    store.mark_removed(campaign, at(1), &by, at(5)).await.unwrap()
}

async fn stays(store: &Store, campaign: CampaignId) -> Option<Stays> {
    let old = store.old_campaigns(at(1)).await.unwrap();
    let found = old.into_iter().find(|old| old.id == campaign);
    found.unwrap_or_else(|| panic!("{campaign} is not old")).stays
}

/// The next campaigns have ids from this one on.
async fn next_campaign_is(store: &FreshStore, id: i64) {
    let text = match store.engine {
        Engine::Sqlite => format!(
            "UPDATE sqlite_sequence SET seq = {0} WHERE name = 'campaigns'; \
             INSERT INTO sqlite_sequence (name, seq) SELECT 'campaigns', {0} \
             WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'campaigns')",
            id - 1
        ),
        Engine::Postgres => format!("ALTER TABLE campaigns ALTER COLUMN id RESTART WITH {id}"),
    };
    store.execute(&text).await;
}

store_on_both_engines!(deliveries_of_old_campaigns_go_and_figures_stay, |store| {
    let old = finished(store, 5).await;
    let counts = store.delivery_counts(old).await.unwrap();
    assert!(store.old_campaigns(START).await.unwrap().is_empty());
    let found = store.old_campaigns(at(1)).await.unwrap();
    let [only] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        (only.id, only.planned, only.over_at, only.stays),
        (old, 5, START, None)
    );
    assert_eq!(store.last_removal().await.unwrap(), None);

    assert!(mark(store, old).await);
    assert!(!mark(store, old).await, "another process was first");
    assert!(store.old_campaigns(at(1)).await.unwrap().is_empty());
    assert_eq!(store.removed_but_there().await.unwrap(), [old]);
    for left in [3, 1, 0] {
        assert!(store.delete_removed(old, 2).await.unwrap());
        let rows = store.list_deliveries(old, None, Seq(0), 100).await.unwrap();
        assert_eq!(rows.len(), left);
    }
    assert!(!store.delete_removed(old, 2).await.unwrap());
    assert!(store.removed_but_there().await.unwrap().is_empty());
    assert!(
        store
            .list_attempts(old, (Seq(0), 0), 100)
            .await
            .unwrap()
            .is_empty()
    );

    assert_eq!(store.delivery_counts(old).await.unwrap(), counts);
    let campaign = store.get_campaign(old).await.unwrap();
    assert_eq!(campaign.deliveries_removed_at, Some(at(5)));
    assert_eq!((campaign.planned, campaign.state), (5, CampaignState::Finished));
    let summary = store.find_campaign_summary(old).await.unwrap().unwrap();
    assert_eq!(summary.deliveries_removed_at, Some(at(5)));
    assert_eq!(store.last_removal().await.unwrap(), Some(at(5)));
    let entry = store.audit_log(None, 1).await.unwrap().remove(0);
    assert_eq!(entry.what, "removed old deliveries");
    assert!(entry.detail.starts_with("5 deliveries"), "{entry:?}");
});

store_on_both_engines!(nothing_is_deleted_of_a_campaign_that_is_not_marked, |store| {
    let campaign = finished(store, 3).await;
    assert!(!store.delete_removed(campaign, 100).await.unwrap());
    assert_eq!(
        store.ledger(campaign).await.iter().map(|(_, n)| n).sum::<i64>(),
        3
    );
});

store_on_both_engines!(what_somebody_may_still_need_stays, |store| {
    // Still under way.
    let running = sending(store, 3).await;
    assert!(store.old_campaigns(at(1)).await.unwrap().is_empty());
    assert!(!mark(store, running).await);
    // Cancelled, and its deliveries are not settled yet; then they are.
    let by = By::command_line();
    store
        .steer_campaign(running, Action::Cancel, &by, START)
        .await
        .unwrap();
    assert_eq!(stays(store, running).await, Some(Stays::Open));
    assert!(Stays::Open.words().contains("no outcome"));
    assert!(!mark(store, running).await);
    store.settle_cancelled(running, 100, START).await.unwrap();
    assert_eq!(stays(store, running).await, None);

    // Of one the answer was lost, and nobody has said what is to be done about it.
    let lost = sending(store, 3).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(lost, 3).await;
    sender.send(&all_of(&lease), &unknown(UnknownPolicy::Hold)).await;
    sender.done_with(&lease).await;
    assert!(store.finish_if_done(lost, START).await.unwrap());
    assert_eq!(stays(store, lost).await, Some(Stays::Unsettled));
    assert!(!mark(store, lost).await);
    store.leave_unknown(lost, &by, START).await.unwrap();
    assert_eq!(stays(store, lost).await, None);

    // A child that has not begun takes its recipients from its parent's deliveries.
    let states = [DeliveryState::Unknown];
    let child = store
        .create_child(lost, &states, "Again", &by, START)
        .await
        .unwrap();
    assert_eq!(stays(store, lost).await, Some(Stays::Child));
    assert!(!mark(store, lost).await);
    store
        .steer_campaign(child, Action::Cancel, &by, START)
        .await
        .unwrap();
    assert_eq!(stays(store, lost).await, None);
    assert!(mark(store, lost).await);
});

store_on_both_engines!(what_would_need_to_know_who_was_reached_is_refused_then, |store| {
    let campaign = finished(store, 3).await;
    assert!(mark(store, campaign).await);
    let by = By::command_line();
    let states = [DeliveryState::Rejected];
    let child = store.create_child(campaign, &states, "Again", &by, at(9)).await;
    let resent = store.resend_unknown(campaign, &by, at(9)).await.map(|_| campaign);
    for refused in [child, resent] {
        let error = refused.unwrap_err();
        assert!(error.is_refusal());
        assert!(matches!(error, StoreError::DeliveriesRemoved { .. }), "{error}");
        assert!(
            error.to_string().contains("removed by retention on 2024-10-04"),
            "{error}"
        );
    }
    while store.delete_removed(campaign, 100).await.unwrap() {}
});

store_on_both_engines!(
    a_campaign_that_was_cancelled_before_is_over_since_its_last_outcome,
    |store| {
        let campaign = sending(store, 3).await;
        let by = By::command_line();
        store
            .steer_campaign(campaign, Action::Cancel, &by, at(7))
            .await
            .unwrap();
        store.settle_cancelled(campaign, 100, at(70)).await.unwrap();
        let over_at = async || store.old_campaigns(at(9_999)).await.unwrap()[0].over_at;
        assert_eq!(over_at().await, at(7));
        store.execute("UPDATE campaigns SET cancelled_at = NULL").await;
        assert_eq!(over_at().await, at(70));
    }
);

store_on_both_engines!(a_part_is_dropped_when_all_of_its_campaigns_are_old, |store| {
    next_campaign_is(store, 500).await;
    let (one, two) = (finished(store, 3).await, finished(store, 3).await);
    next_campaign_is(store, 601).await;
    let young = finished(store, 3).await;
    assert_eq!((one.0, two.0, young.0), (500, 501, 601));
    assert!(mark(store, one).await);
    assert!(
        store.drop_removed_parts().await.unwrap().is_empty(),
        "the second is needed"
    );
    assert!(mark(store, two).await);
    let dropped = store.drop_removed_parts().await.unwrap();
    match store.engine {
        Engine::Sqlite => assert!(dropped.is_empty()),
        Engine::Postgres => assert_eq!(dropped, ["deliveries_from_500", "attempts_from_500"]),
    }
    for old in store.removed_but_there().await.unwrap() {
        assert_eq!(store.engine, Engine::Sqlite);
        while store.delete_removed(old, 100).await.unwrap() {}
    }
    assert!(store.drop_removed_parts().await.unwrap().is_empty());
    let rows = store.list_deliveries(young, None, Seq(0), 100).await.unwrap();
    assert_eq!(rows.len(), 3);
});

store_on_both_engines!(deliveries_wait_a_month_for_the_rest_of_their_part, |store| {
    next_campaign_is(store, 500).await;
    let (old, young) = (finished(store, 3).await, finished(store, 3).await);
    next_campaign_is(store, 601).await;
    finished(store, 3).await;
    let finished_at = async |after: Duration| {
        let at = START.plus(after).0;
        let text = format!("UPDATE campaigns SET finished_at = {at} WHERE id = {young}");
        store.execute(&text).await;
        stays(store, old).await
    };
    let waits = (store.engine == Engine::Postgres).then_some(Stays::Part);
    assert_eq!(finished_at(WAITS_FOR_ITS_PART - DAY).await, waits);
    assert_eq!(finished_at(WAITS_FOR_ITS_PART + DAY).await, None);
    assert_eq!(finished_at(Duration::ZERO).await, None);
});

store_on_both_engines!(
    parts_are_made_as_they_are_needed_by_however_many_at_once,
    |store| {
        let others = [store.open_again("two").await, store.open_again("three").await];
        let make = |store: &Store| {
            let store = store.clone();
            tokio::spawn(async move { store.make_part_for(CampaignId(12_345)).await })
        };
        let tasks = [make(store), make(&others[0]), make(&others[1])];
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        next_campaign_is(store, 12_345).await;
        let campaign = finished(store, 3).await;
        assert_eq!(campaign, CampaignId(12_345));
        if store.engine == Engine::Postgres {
            let tables =
                "SELECT relname::text FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY 1";
            let parts = [
                "attempts_from_0",
                "attempts_from_12300",
                "deliveries_from_0",
                "deliveries_from_12300",
            ];
            assert_eq!(store.texts(tables).await, parts);
            let rows = "SELECT COUNT(*)::text FROM deliveries_from_12300";
            assert_eq!(store.texts(rows).await, ["3"]);
        }
    }
);

/// What senders do all the time, in one part, while nobody may look at another.
#[test]
fn a_sender_touches_no_other_part_of_the_ledger() {
    FreshStore::test(Engine::Postgres, async |store| {
        next_campaign_is(store, 500).await;
        finished(store, 3).await;
        next_campaign_is(store, 700).await;
        let campaign = sending(store, 9).await;
        let another = store.open_again("another").await;
        let locked = another.begin_write().await.unwrap();
        let tidings_store::Tx::Postgres(mut tx) = locked else {
            panic!("another engine")
        };
        for table in [
            "deliveries_from_500",
            "attempts_from_500",
            "deliveries_from_0",
            "attempts_from_0",
        ] {
            let text = sqlx::AssertSqlSafe(format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"));
            sqlx::raw_sql(text).execute(&mut *tx).await.unwrap();
        }
        let work = async {
            let sender = Sender::new(store, "one");
            // More often than PostgreSQL plans a statement anew.
            for _ in 0..8 {
                assert!(store.has_work(campaign, "somebody", at(0)).await.unwrap());
                let lease = sender.claim(campaign, 1).await;
                assert_eq!(store.load(&lease).await.unwrap().len(), 1);
                sender.put_on_wire(&all_of(&lease)).await;
                sender.settle(&all_of(&lease), &deferred(at(1))).await;
                sender.done_with(&lease).await;
                store.next_due(campaign).await.unwrap();
            }
            sender.it_is(2);
            let lease = sender.claim(campaign, 8).await;
            assert_eq!(store.load(&lease).await.unwrap().len(), 8);
            sender.put_on_wire(&all_of(&lease)).await;
            sender.settle(&all_of(&lease)[..4], &accepted()).await;
            sender.settle(&all_of(&lease)[4..], &rejected()).await;
            sender.done_with(&lease).await;
            let lease = sender.claim(campaign, 1).await;
            sender.put_on_wire(&all_of(&lease)).await;
            sender.it_is(100);
            let taken = Sender::new(store, "two");
            taken.it_is(100);
            let lease = taken.claim(campaign, 1).await;
            taken.done_with(&lease).await;
            assert!(store.finish_if_done(campaign, at(100)).await.unwrap());
        };
        let patience = Duration::from_secs(20);
        tokio::time::timeout(patience, work)
            .await
            .expect("it waits for another part");
        drop(tx);
        another.close().await;
    });
}

/// Whoever reads for hours, as a backup does, keeps nobody from sending; what was begun is brought to its end later.
#[test]
fn a_reader_only_delays_that_a_part_is_dropped() {
    FreshStore::test(Engine::Postgres, async |store| {
        next_campaign_is(store, 500).await;
        let old = finished(store, 3).await;
        next_campaign_is(store, 601).await;
        finished(store, 3).await;
        assert!(mark(store, old).await);
        let another = store.open_again("another").await;
        let reading = another.begin_write().await.unwrap();
        let tidings_store::Tx::Postgres(mut tx) = reading else {
            panic!("another engine")
        };
        // What is silent in a transaction for seconds is ended; a backup is not silent.
        sqlx::query("SET LOCAL idle_in_transaction_session_timeout = 0")
            .execute(&mut *tx)
            .await
            .unwrap();
        for table in ["deliveries", "attempts"] {
            let text = sqlx::AssertSqlSafe(format!("SELECT 1 FROM {table} LIMIT 1"));
            sqlx::query(text).fetch_all(&mut *tx).await.unwrap();
        }
        store.drop_removed_parts().await.unwrap_err();
        finished(store, 3).await;
        next_campaign_is(store, 701).await;
        finished(store, 3).await;
        tx.rollback().await.unwrap();
        let dropped = store.drop_removed_parts().await.unwrap();
        assert_eq!(dropped, ["deliveries_from_500", "attempts_from_500"]);
        another.close().await;
    });
}

/// What a backup has begun to read is there until it has read it.
#[test]
fn a_snapshot_has_the_deliveries_of_a_part_that_is_dropped_meanwhile() {
    FreshStore::test(Engine::Postgres, async |store| {
        next_campaign_is(store, 500).await;
        let old = finished(store, 3).await;
        next_campaign_is(store, 601).await;
        finished(store, 3).await;
        assert!(mark(store, old).await);
        let mut snapshot = store.snapshot().await.unwrap();
        let dropping = tokio::time::timeout(Duration::from_secs(2), store.drop_removed_parts());
        assert!(dropping.await.is_err(), "it waits for the snapshot");
        let tables = snapshot.tables().to_vec();
        let deliveries = tables.iter().find(|table| table.name == "deliveries").unwrap();
        assert_eq!(snapshot.rows(deliveries).count().await, 6);
        drop(snapshot);
        let mut dropped = Vec::new();
        while dropped.len() < 2 {
            // The server may still be at the one that was given up.
            dropped.extend(store.drop_removed_parts().await.unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(dropped, ["deliveries_from_500", "attempts_from_500"]);
    });
}

/// PostgreSQL writes a changed row anew, and in every index too if an index is about what has changed or the page has no room.
#[test]
fn no_index_hears_of_a_delivery_that_is_sent() {
    FreshStore::test(Engine::Postgres, async |store| {
        for first in [1, 500] {
            next_campaign_is(store, first).await;
            let campaign = sending(store, 400).await;
            let sender = Sender::new(store, "one");
            let lease = sender.claim(campaign, 400).await;
            for some in all_of(&lease).chunks(20) {
                sender.send(some, &accepted()).await;
            }
        }
        let in_place = "SELECT relname::text FROM pg_stat_user_tables \
            WHERE relname IN ('deliveries_from_0', 'deliveries_from_500', 'leases') \
            AND n_tup_upd > 0 AND n_tup_hot_upd > n_tup_upd * 9 / 10 ORDER BY 1";
        // The server counts a moment later.
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while store.texts(in_place).await.len() < 3 {
            assert!(
                std::time::Instant::now() < deadline,
                "in place: {:?}",
                store.texts(in_place).await
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
}
