//! A database that does not answer, has another time, or is somewhere else.

use super::*;
use std::time::Instant;
use tidings_campaign::time::Clock;
use tidings_store::StoreError;
use tidings_store::instance::Place;
use tidings_tests::{Cluster, Engine, Yardstick, store_on_both_engines};

const A_MOMENT: Duration = Duration::from_millis(100);

store_on_both_engines!(a_clock_that_is_an_hour_wrong_follows_the_databases, |store| {
    let clock = Clock::led();
    let Clock::Led(led) = &clock else {
        panic!("it can be led")
    };
    let wrong = Clock::System.now().plus(Duration::from_secs(3_600));
    led.tell(wrong);
    store.lead(&clock).await.unwrap();
    let (now, machines) = (clock.now(), Clock::System.now());
    match store.engine {
        // On one machine there is nobody to agree with.
        Engine::Sqlite => assert!(now >= wrong),
        Engine::Postgres => {
            let apart = now.since(machines).max(machines.since(now));
            assert!(apart < Duration::from_secs(5), "{now} and {machines}");
        }
    }
    let still = Clock::Set(Default::default());
    store.lead(&still).await.unwrap();
    assert_eq!(still.now().0, 0, "a clock that is set stays as it is");
});

store_on_both_engines!(postgres_is_not_waited_for_without_end, |store| {
    let made = list(store, "readers").await;
    let answer = store.within(A_MOMENT, async {
        tokio::time::sleep(3 * A_MOMENT).await;
        Ok(7)
    });
    match store.engine {
        Engine::Sqlite => assert_eq!(answer.await.unwrap(), 7),
        Engine::Postgres => {
            let error = answer.await.unwrap_err();
            assert!(
                matches!(error, StoreError::NoAnswer(_)) && error.is_transient(),
                "{error}"
            );
        }
    }
    // What comes next goes over other connections.
    let found = store.within(Duration::from_secs(10), store.find_list("readers"));
    assert_eq!(found.await.unwrap(), Some(made));
});

store_on_both_engines!(
    what_takes_long_is_waited_for_while_the_database_is_there,
    |store| {
        // It is looked at meanwhile.
        let answer = store.while_it_answers(async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(7)
        });
        assert_eq!(answer.await.unwrap(), 7);
        let error = store.while_it_answers(store.get_campaign(CampaignId(1))).await;
        assert!(matches!(error, Err(StoreError::NotFound { .. })), "{error:?}");
    }
);

#[test]
fn what_a_database_was_asked_that_is_gone_is_given_up() {
    let mut cluster = Cluster::start();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let store = runtime.block_on(Store::open(&cluster.url(), "there")).unwrap();
    cluster.stop();
    let never = store.while_it_answers(std::future::pending::<Result<(), StoreError>>());
    let error = runtime.block_on(never).unwrap_err();
    assert!(
        matches!(error, StoreError::Silent) && error.is_transient(),
        "{error}"
    );
    cluster.start_again();
    let back = async { while store.ping().await.is_err() {} };
    let patience = Duration::from_secs(30);
    runtime
        .block_on(async { tokio::time::timeout(patience, back).await })
        .unwrap();
}

store_on_both_engines!(
    a_process_that_stands_still_in_a_transaction_does_not_keep_others_out,
    |store| {
        if store.engine == Engine::Sqlite {
            return;
        }
        let standing_still = store.open_again("there").await;
        let mut tx = standing_still.begin_write().await.unwrap();
        let tidings_store::Tx::Postgres(connection) = &mut tx else {
            panic!("it is PostgreSQL")
        };
        sqlx::query("UPDATE sequences SET next = next WHERE name = 'leases'")
            .execute(&mut **connection)
            .await
            .unwrap();
        let (began, yardstick) = (Instant::now(), Yardstick::begin());
        store.allocate_ids("leases", 1).await.unwrap();
        let (took, excuse) = (began.elapsed(), yardstick.end().excuse());
        assert!(
            took < Duration::from_secs(8) + excuse,
            "{took:?}; the machine excuses {excuse:?}"
        );
        let error = tx.commit().await.unwrap_err();
        assert!(error.is_transient(), "{error}");
    }
);

store_on_both_engines!(a_database_at_its_place_is_not_elsewhere, |store| {
    store.stay_at(store.place().await.unwrap());
    store.ping().await.unwrap();
    assert!(store.elsewhere().is_none());
    assert!(!store.is_synchronous(), "nobody follows this server");
});

#[test]
fn a_database_that_is_elsewhere_is_not_used_there_before_it_may_be() {
    tidings_tests::FreshStore::test(Engine::Postgres, async |store| {
        let other = store.open_again("there").await;
        assert_eq!(other.stays_at(), None);
        let here = other.place().await.unwrap();
        assert!(here.since > START.0 / 2, "{here:?}");
        other.stay_at(Place {
            name: "another place".to_owned(),
            ..here
        });
        // What is open stays open; a new connection is looked at.
        let never = other.within(A_MOMENT, std::future::pending::<Result<(), StoreError>>());
        never.await.unwrap_err();
        let error = other
            .within(Duration::from_secs(10), other.ping())
            .await
            .unwrap_err();
        assert!(error.is_transient(), "{error}");
        let there = other.elsewhere().expect("it was found elsewhere");
        there.ping().await.unwrap();
        let place = there.place().await.unwrap();
        other.stay_at(place.clone());
        assert_eq!(other.stays_at(), Some(place.clone()));
        other.ping().await.unwrap();
        assert!(other.elsewhere().is_none());
        // The same place, but started again: it may have been turned back.
        other.stay_at(Place {
            since: place.since - 1,
            ..place
        });
        let never = other.within(A_MOMENT, std::future::pending::<Result<(), StoreError>>());
        never.await.unwrap_err();
        other
            .within(Duration::from_secs(10), other.ping())
            .await
            .unwrap_err();
        assert!(other.elsewhere().is_some());
        other.stay_nowhere();
        other.ping().await.unwrap();
    });
}

store_on_both_engines!(a_database_says_whether_it_knows_what_was_committed, |store| {
    let campaign = sending(store, 3).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 3).await;
    let [one, two, three] = [1, 2, 3].map(|seq| held(&lease, seq));
    assert!(!store.remembers(one, false).await.unwrap(), "it still waits");
    sender.put_on_wire(&[one, two, three]).await;
    assert!(store.remembers(one, false).await.unwrap());
    assert!(!store.remembers(one, true).await.unwrap());
    sender.settle(&[one], &accepted()).await;
    sender.settle(&[two], &deferred(at(60))).await;
    sender.settle(&[three], &Outcome::Returned).await;
    assert!(store.remembers(one, true).await.unwrap() && store.remembers(one, false).await.unwrap());
    assert!(store.remembers(two, false).await.unwrap());
    assert!(
        !store.remembers(three, false).await.unwrap(),
        "it looks as if it had not been tried"
    );
    let removed = Held { seq: Seq(4), ..three };
    assert!(!store.remembers(removed, false).await.unwrap());
    store
        .execute("UPDATE campaigns SET deliveries_removed_at = 1")
        .await;
    assert!(store.remembers(removed, false).await.unwrap());
    // A retry waits under the lease by which it was claimed, and later under another.
    let claimed =
        |lease: i64| format!("UPDATE deliveries SET state = 'leased', lease_id = {lease} WHERE seq = 2");
    let retry = Held {
        waiting: DeliveryState::Leased,
        ..two
    };
    store.execute(&claimed(retry.lease.0)).await;
    assert!(!store.remembers(retry, false).await.unwrap());
    store.execute(&claimed(retry.lease.0 + 1)).await;
    assert!(store.remembers(retry, false).await.unwrap());
});

store_on_both_engines!(a_batch_that_was_committed_unheard_is_not_done_twice, |store| {
    let campaign = sending(store, 3).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 3).await;
    let [one, two] = [1, 2].map(|seq| held(&lease, seq));
    sender.put_on_wire(&[one]).await;
    let batch = sender.batch(vec![two], vec![settled(one, accepted())]);
    assert_eq!(sender.commit(&batch).await, HashSet::from([two]));
    // Its answer is lost, and it comes again.
    assert_eq!(sender.commit(&batch).await, HashSet::from([two]));
    assert_eq!(seqs(store, campaign, DeliveryState::Accepted).await, [1]);
    assert_eq!(listed(store, campaign, 2).await.attempts, 1);
});

store_on_both_engines!(
    an_answer_is_recorded_though_its_sender_had_to_take_its_lease_again,
    |store| {
        let campaign = sending(store, 2).await;
        let sender = Sender::new(store, "one");
        let lease = sender.claim(campaign, 2).await;
        sender.put_on_wire(&[held(&lease, 1)]).await;
        sender.it_is(60);
        // Nobody else was there, and it had let it go.
        store.free_forgotten("one", &[], at(60)).await.unwrap();
        let again = sender.claim(campaign, 2).await;
        assert_eq!((again.first, again.last), (lease.first, lease.last));
        assert_eq!(seqs(store, campaign, DeliveryState::Unknown).await, [1]);
        sender.settle(&[held(&lease, 1)], &accepted()).await;
        assert_eq!(seqs(store, campaign, DeliveryState::Accepted).await, [1]);
    }
);
