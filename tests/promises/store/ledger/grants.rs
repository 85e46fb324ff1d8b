//! What may go on the wire, and what is left alone.

use super::*;
use tidings_tests::Engine;

store_on_both_engines!(one_delivery_that_is_not_ours_holds_up_no_other, |store| {
    let campaign = sending(store, 8).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 8).await;
    let deliveries = all_of(&lease);
    sender.put_on_wire(&deliveries[5..]).await;
    withhold(store, campaign, 2).await;
    let reported = vec![
        settled(deliveries[5], accepted()),
        settled(deliveries[6], rejected()),
        settled_before(deliveries[1], rejected()),
    ];
    let granted = sender.record(deliveries[..4].to_vec(), reported).await;
    assert_eq!(granted, deliveries[2..4].iter().copied().collect());
    let expected = [
        (DeliveryState::Planned, 1),
        (DeliveryState::OnWire, 3),
        (DeliveryState::Accepted, 1),
        (DeliveryState::Rejected, 1),
        (DeliveryState::Withheld, 2),
    ];
    assert_eq!(store.ledger(campaign).await, expected);
    assert_eq!(listed(store, campaign, 1).await.attempts, 0);
    assert_eq!(listed(store, campaign, 3).await.attempts, 1, "counted once");
    assert_eq!(
        listed(store, campaign, 2).await.cause.as_deref(),
        Some("cancelled")
    );
    let happened = store.breakdown(Some(campaign)).await.unwrap();
    let happened: Vec<_> = happened.iter().map(|b| (b.outcome.as_str(), b.n)).collect();
    assert_eq!(happened, [("accepted", 1), ("rejected", 1)]);
});

store_on_both_engines!(a_sender_that_lost_its_lease_puts_nothing_on_the_wire, |store| {
    let (one, (two, taken), lost, kept) = half_lost(store).await;
    let granted = one
        .record(
            vec![held(&lost, 2), held(&kept, 4)],
            vec![settled(held(&kept, 3), accepted())],
        )
        .await;
    assert_eq!(granted, [held(&kept, 4)].into());
    assert_eq!(listed(store, lost.campaign, 2).await.state, "planned");
    two.send(&[held(&taken, 2)], &accepted()).await;
    one.settle(&[held(&kept, 4)], &accepted()).await;
    let expected = [(DeliveryState::Accepted, 3), (DeliveryState::Unknown, 1)];
    assert_eq!(store.ledger(lost.campaign).await, expected);
});

store_on_both_engines!(a_delivery_may_come_back_and_go_out_in_one_batch, |store| {
    let campaign = sending(store, 3).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 3).await;
    let deliveries = all_of(&lease);
    sender.put_on_wire(&deliveries).await;
    let back = deliveries.iter().map(|held| settled(*held, Outcome::Returned));
    let granted = sender.record(deliveries.clone(), back.collect()).await;
    assert_eq!(granted.len(), 3);
    assert_eq!(store.ledger(campaign).await, [(DeliveryState::OnWire, 3)]);
    assert_eq!(
        listed(store, campaign, 2).await.attempts,
        1,
        "the first one does not count"
    );
    sender.settle(&deliveries, &accepted()).await;
    assert_eq!(store.ledger(campaign).await, [(DeliveryState::Accepted, 3)]);
    let happened = store.breakdown(Some(campaign)).await.unwrap();
    let happened: Vec<_> = happened.iter().map(|b| (b.outcome.as_str(), b.n)).collect();
    assert_eq!(happened, [("accepted", 3)], "coming back is no outcome");
});

store_on_both_engines!(a_retry_may_come_back_and_go_out_in_one_batch, |store| {
    let campaign = sending(store, 2).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 2).await;
    sender.send(&all_of(&lease), &deferred(at(10))).await;
    sender.done_with(&lease).await;
    sender.it_is(10);
    let retries = sender.claim(campaign, 2).await;
    let deliveries = all_of(&retries);
    sender.put_on_wire(&deliveries).await;
    let back = settled(deliveries[0], Outcome::Returned);
    let granted = sender.record(vec![deliveries[0]], vec![back]).await;
    assert_eq!(granted, [deliveries[0]].into());
    assert_eq!(store.ledger(campaign).await, [(DeliveryState::OnWire, 2)]);
    sender.settle(&deliveries, &accepted()).await;
    assert_eq!(listed(store, campaign, 1).await.attempts, 2);
});

store_on_both_engines!(a_delivery_that_comes_back_is_unharmed, |store| {
    let campaign = sending(store, 1).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 1).await;
    sender.it_is(1);
    sender.send(&all_of(&lease), &Outcome::Returned).await;
    let loaded = store.load(&lease).await.unwrap();
    assert_eq!((loaded[0].seq, loaded[0].attempts), (Seq(1), 0));
});

store_on_both_engines!(the_time_for_retries_begins_with_an_attempt_that_counts, |store| {
    let campaign = sending(store, 1).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 1).await;
    sender.it_is(1);
    sender.send(&all_of(&lease), &Outcome::Returned).await;
    assert_eq!(store.load(&lease).await.unwrap()[0].first_attempt_at, None);
    sender.it_is(5);
    sender.send(&all_of(&lease), &deferred(at(10))).await;
    sender.done_with(&lease).await;
    sender.it_is(10);
    let retries = sender.claim(campaign, 1).await;
    let loaded = store.load(&retries).await.unwrap();
    assert_eq!((loaded[0].attempts, loaded[0].first_attempt_at), (1, Some(at(5))));
});

store_on_both_engines!(a_retry_that_comes_back_stays_with_its_lease, |store| {
    let campaign = sending(store, 2).await;
    let (one, two) = (Sender::new(store, "one"), Sender::new(store, "two"));
    let lease = one.claim(campaign, 2).await;
    one.it_is(5);
    one.send(&all_of(&lease), &deferred(at(10))).await;
    one.done_with(&lease).await;
    one.it_is(10);
    let retries = one.claim(campaign, 2).await;
    one.send(&[held(&retries, 2)], &Outcome::Returned).await;
    one.record(
        Vec::new(),
        vec![settled_before(held(&retries, 1), Outcome::Returned)],
    )
    .await;
    assert_eq!(store.ledger(campaign).await, [(DeliveryState::Leased, 2)]);
    one.give_back(&retries).await;
    two.it_is(11);
    let taken = two.claim(campaign, 2).await;
    assert_eq!(
        (taken.kind, taken.first, taken.last),
        (LeaseKind::Retry, retries.first, retries.last)
    );
    let loaded = store.load(&taken).await.unwrap();
    assert_eq!(loaded.len(), 2);
    for delivery in loaded {
        assert_eq!((delivery.attempts, delivery.first_attempt_at), (1, Some(at(5))));
    }
});

store_on_both_engines!(a_delivery_goes_on_the_wire_once, |store| {
    let campaign = sending(store, 1).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 1).await;
    let delivery = held(&lease, 1);
    let granted = sender.record(vec![delivery, delivery], Vec::new()).await;
    assert_eq!(granted, [delivery].into());
    assert!(sender.record(vec![delivery], Vec::new()).await.is_empty());
    let row = listed(store, campaign, 1).await;
    assert_eq!((row.state.as_str(), row.attempts), ("on_wire", 1));
});

store_on_both_engines!(a_batch_may_be_about_several_campaigns, |store| {
    import(store, "readers", &readers(4)).await;
    let sender = Sender::new(store, "one");
    let mut leases = Vec::new();
    for _ in 0..2 {
        let campaign = draft(store, &["readers"]).await;
        store.start_campaign(campaign, "{}", START).await.unwrap();
        leases.push(sender.claim(campaign, 4).await);
    }
    let both = [all_of(&leases[0]), all_of(&leases[1])].concat();
    sender.put_on_wire(&both).await;
    let reported = vec![settled(both[0], accepted()), settled(both[4], rejected())];
    sender.record(Vec::new(), reported).await;
    for (lease, state) in leases
        .iter()
        .zip([DeliveryState::Accepted, DeliveryState::Rejected])
    {
        let expected = [(DeliveryState::OnWire, 3), (state, 1)];
        assert_eq!(store.ledger(lease.campaign).await, expected);
    }
});

#[test]
fn a_delivery_that_is_given_back_goes_where_it_came_from() {
    for waiting in [DeliveryState::Planned, DeliveryState::Leased] {
        assert_eq!(Outcome::Returned.state(waiting), waiting);
        assert_eq!(accepted().state(waiting), DeliveryState::Accepted);
    }
}

store_on_both_engines!(
    the_last_attempt_of_a_delivery_tells_its_session_and_its_time,
    |store| {
        let campaign = sending(store, 3).await;
        let sender = Sender::new(store, "one");
        let lease = sender.claim(campaign, 3).await;
        let deliveries = all_of(&lease);
        sender.put_on_wire(&deliveries).await;
        let ends = [accepted(), rejected(), Outcome::Returned];
        let ends = deliveries.iter().zip(ends).map(|(held, outcome)| Settlement {
            attempt: tried(0).filter(|_| outcome != Outcome::Returned),
            ..settled(*held, outcome)
        });
        sender.record(Vec::new(), ends.collect()).await;
        for (seq, expected) in [
            (1, (Some(2), Some(40_000))),
            (2, (Some(2), Some(40_000))),
            (3, (None, None)),
        ] {
            let row = listed(store, campaign, seq).await;
            assert_eq!((row.session, row.duration_us), expected, "delivery {seq}");
        }
    }
);

/// The commit is one statement on PostgreSQL: it must see what others have committed since it began.
#[test]
fn a_batch_that_has_waited_for_others_goes_by_what_they_have_done() {
    FreshStore::test(Engine::Postgres, async |store| {
        let campaign = sending(store, 5).await;
        let sender = Sender::new(store, "one");
        let lease = sender.claim(campaign, 5).await;
        let deliveries = all_of(&lease);
        sender.put_on_wire(&deliveries[..1]).await;
        let others = store.open_again("another").await;
        let accepted = vec![settled(deliveries[0], accepted())];
        for (change, asked, settled, granted) in [
            (
                "UPDATE deliveries SET reason = 'looked at' WHERE seq <= 3",
                1..3,
                accepted,
                1..3,
            ),
            (
                "UPDATE leases SET expires_at = expires_at + 1",
                3..4,
                Vec::new(),
                3..4,
            ),
            ("UPDATE leases SET owner = 'two'", 4..5, Vec::new(), 4..4),
        ] {
            let tidings_store::Tx::Postgres(mut tx) = others.begin_write().await.unwrap() else {
                panic!("another engine")
            };
            sqlx::raw_sql(change).execute(&mut *tx).await.unwrap();
            let committing = async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                tx.commit().await.unwrap();
            };
            let recording = sender.record(deliveries[asked].to_vec(), settled);
            let (answer, ()) = tokio::join!(recording, committing);
            assert_eq!(answer, deliveries[granted].iter().copied().collect(), "{change}");
        }
        let expected = [
            (DeliveryState::Planned, 1),
            (DeliveryState::OnWire, 3),
            (DeliveryState::Accepted, 1),
        ];
        assert_eq!(store.ledger(campaign).await, expected);
    });
}
