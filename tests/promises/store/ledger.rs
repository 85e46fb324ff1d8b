//! The recorder's batches: what is committed, what is granted, and what is left alone.

use super::*;
use tidings_campaign::lifecycle::Action;
use tidings_store::leases::LeaseKind;
use tidings_tests::{FreshStore, store_on_both_engines};

fn words(row: &ListedDelivery) -> [Option<&str>; 3] {
    [&row.class, &row.cause, &row.reason].map(|word| word.as_deref())
}

/// Somebody cancels the campaign and the first `n` waiting deliveries are withheld already.
async fn withhold(store: &Store, campaign: CampaignId, n: i64) {
    store.move_campaign(campaign, Action::Cancel, None).await.unwrap();
    let withheld = store.settle_cancelled(campaign, n, START).await.unwrap();
    assert_eq!(withheld, n as u64);
}

store_on_both_engines!(every_outcome_is_kept_as_it_was_reported, |store| {
    let campaign = sending(store, 7).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 7).await;
    let deliveries = all_of(&lease);
    sender.it_is(1);
    sender.put_on_wire(&deliveries).await;
    assert_eq!(store.ledger(campaign).await, [(DeliveryState::OnWire, 7)]);
    sender.it_is(2);
    let expired = Outcome::Expired(kept(452, "mailbox full"), busy());
    let outcomes = [
        accepted(),
        deferred(at(60)),
        rejected(),
        expired,
        withheld(),
        unknown(UnknownPolicy::Hold),
        Outcome::Returned,
    ];
    let reported = deliveries.iter().zip(outcomes).map(|(held, o)| settled(*held, o));
    let granted = sender.record(Vec::new(), reported.collect()).await;
    assert!(granted.is_empty());
    let expected = [
        (DeliveryState::Planned, 1),
        (DeliveryState::Accepted, 1),
        (DeliveryState::Deferred, 1),
        (DeliveryState::Rejected, 1),
        (DeliveryState::Expired, 1),
        (DeliveryState::Withheld, 1),
        (DeliveryState::Unknown, 1),
    ];
    assert_eq!(store.ledger(campaign).await, expected);
    let soft = [Some("soft"), Some("rate"), Some("speeding")];
    let hard = [Some("hard"), Some("address"), Some("userunknown")];
    let left = [None, Some("unsubscribed"), Some("left all lists")];
    let lost = [Some("other"), Some("network"), Some("the connection broke")];
    for (seq, state, code, enhanced, why) in [
        (1, "accepted", Some(250), Some("2.0.0"), [None; 3]),
        (2, "deferred", Some(451), Some("4.0.0"), soft),
        (3, "rejected", Some(550), Some("5.0.0"), hard),
        (4, "expired", Some(452), Some("4.0.0"), soft),
        (5, "withheld", None, None, left),
        (6, "unknown", None, None, lost),
        (7, "planned", None, None, [None; 3]),
    ] {
        let row = listed(store, campaign, seq).await;
        assert_eq!(row.address, reader(seq as usize));
        assert_eq!(row.state, state);
        assert_eq!(
            (row.code, row.enhanced.as_deref()),
            (code, enhanced),
            "code of {state}"
        );
        assert_eq!(words(&row), why, "verdict of {state}");
        assert_eq!(row.attempts, i64::from(state != "planned"), "attempts of {state}");
        assert_eq!(
            row.due_at,
            (state == "deferred").then_some(at(60).0),
            "due time of {state}"
        );
        if state != "planned" {
            assert_eq!(row.relay.as_deref(), Some("primary"));
            assert_eq!(row.settled_at, Some(at(2).0));
        }
    }
    let taken = listed(store, campaign, 1).await;
    assert_eq!(taken.reply.as_deref(), Some("queued"));
});

store_on_both_engines!(
    a_batch_may_have_more_deliveries_than_one_statement_takes,
    |store| {
        const MANY: usize = 1_700;
        let campaign = sending(store, MANY).await;
        let sender = Sender::new(store, "one");
        let lease = sender.claim(campaign, MANY as i64).await;
        let deliveries = all_of(&lease);
        sender.put_on_wire(&deliveries[..1_600]).await;
        let (first, second) = (&deliveries[..700], &deliveries[700..1_400]);
        let reported = first
            .iter()
            .map(|held| settled(*held, accepted()))
            .chain(second.iter().map(|held| settled(*held, rejected())))
            .chain(
                deliveries[1_400..1_600]
                    .iter()
                    .map(|held| settled(*held, Outcome::Returned)),
            )
            .collect();
        let granted = sender.record(deliveries[1_000..].to_vec(), reported).await;
        // What is settled as rejected does not go out, so the whole batch is gone through one by one.
        assert_eq!(granted, deliveries[1_400..].iter().copied().collect());
        let expected = [
            (DeliveryState::OnWire, 300),
            (DeliveryState::Accepted, 700),
            (DeliveryState::Rejected, 700),
        ];
        assert_eq!(store.ledger(campaign).await, expected);
        sender.settle(&deliveries[1_400..], &accepted()).await;
        sender.done_with(&lease).await;
        assert!(store.finish_if_done(campaign, START).await.unwrap());
    }
);

store_on_both_engines!(many_outcomes_and_many_grants_fit_into_one_batch, |store| {
    const MANY: usize = 2_400;
    let campaign = sending(store, MANY).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, MANY as i64).await;
    let deliveries = all_of(&lease);
    sender.put_on_wire(&deliveries[..1_202]).await;
    let reported = deliveries[..601]
        .iter()
        .map(|held| settled(*held, accepted()))
        .chain(
            deliveries[601..1_202]
                .iter()
                .map(|held| settled(*held, deferred(at(60)))),
        )
        .collect();
    let granted = sender.record(deliveries[1_202..].to_vec(), reported).await;
    assert_eq!(granted, deliveries[1_202..].iter().copied().collect());
    let expected = [
        (DeliveryState::OnWire, 1_198),
        (DeliveryState::Accepted, 601),
        (DeliveryState::Deferred, 601),
    ];
    assert_eq!(store.ledger(campaign).await, expected);
});

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

/// One sender loses the first of its two leases, with delivery 1 on the wire, to another.
async fn half_lost<'s>(store: &'s FreshStore) -> (Sender<'s>, Sender<'s>, Lease, Lease) {
    let campaign = sending(store, 4).await;
    let (one, two) = (Sender::new(store, "one"), Sender::new(store, "two"));
    let (lost, kept) = (one.claim(campaign, 2).await, one.claim(campaign, 2).await);
    one.put_on_wire(&[held(&lost, 1)]).await;
    one.it_is(20);
    one.put_on_wire(&[held(&kept, 3)]).await;
    two.it_is(30);
    assert_eq!(two.claim(campaign, 2).await, lost);
    one.it_is(31);
    (one, two, lost, kept)
}

store_on_both_engines!(a_sender_that_lost_its_lease_puts_nothing_on_the_wire, |store| {
    let (one, two, lost, kept) = half_lost(store).await;
    let granted = one
        .record(
            vec![held(&lost, 2), held(&kept, 4)],
            vec![settled(held(&kept, 3), accepted())],
        )
        .await;
    assert_eq!(granted, [held(&kept, 4)].into());
    assert_eq!(listed(store, lost.campaign, 2).await.state, "planned");
    two.send(&[held(&lost, 2)], &accepted()).await;
    one.settle(&[held(&kept, 4)], &accepted()).await;
    let expected = [(DeliveryState::Accepted, 3), (DeliveryState::Unknown, 1)];
    assert_eq!(store.ledger(lost.campaign).await, expected);
});

store_on_both_engines!(a_late_answer_tells_what_became_of_an_unknown_delivery, |store| {
    let (one, _, lost, _) = half_lost(store).await;
    assert_eq!(seqs(store, lost.campaign, DeliveryState::Unknown).await, [1]);
    one.settle(&[held(&lost, 1)], &accepted()).await;
    let row = listed(store, lost.campaign, 1).await;
    assert_eq!((row.state.as_str(), row.code), ("accepted", Some(250)));
    assert_eq!(words(&row), [None; 3]);
    // Heard twice, it counts once.
    one.settle(&[held(&lost, 1)], &accepted()).await;
    let happened = store.breakdown(Some(lost.campaign)).await.unwrap();
    let happened: Vec<_> = happened.iter().map(|b| (b.outcome.as_str(), b.n)).collect();
    assert_eq!(happened, [("unknown", 1), ("accepted", 1)]);
});

store_on_both_engines!(a_late_answer_that_is_not_final_changes_nothing, |store| {
    let (one, _, lost, _) = half_lost(store).await;
    for outcome in [
        deferred(at(60)),
        withheld(),
        unknown(UnknownPolicy::Resend),
        Outcome::Returned,
    ] {
        one.settle(&[held(&lost, 1)], &outcome).await;
        one.record(Vec::new(), vec![settled_before(held(&lost, 2), outcome)])
            .await;
    }
    one.record(Vec::new(), vec![settled_before(held(&lost, 2), rejected())])
        .await;
    let expected = [
        (DeliveryState::Planned, 2),
        (DeliveryState::OnWire, 1),
        (DeliveryState::Unknown, 1),
    ];
    assert_eq!(store.ledger(lost.campaign).await, expected);
});

store_on_both_engines!(a_late_answer_does_not_touch_what_another_settled, |store| {
    let (one, two, lost, _) = half_lost(store).await;
    two.send(&[held(&lost, 2)], &rejected()).await;
    two.done_with(&lost).await;
    one.settle(&[held(&lost, 2)], &accepted()).await;
    assert_eq!(listed(store, lost.campaign, 2).await.state, "rejected");
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
    assert_eq!((taken.kind, taken.id), (LeaseKind::Retry, retries.id));
    let loaded = store.load(&taken).await.unwrap();
    assert_eq!(loaded.len(), 2);
    for delivery in loaded {
        assert_eq!((delivery.attempts, delivery.first_attempt_at), (1, Some(at(5))));
    }
});

store_on_both_engines!(a_refusal_before_the_dot_counts_as_an_attempt, |store| {
    let campaign = sending(store, 3).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 3).await;
    sender.it_is(3);
    let reported = vec![
        settled_before(held(&lease, 1), deferred(at(10))),
        settled_before(held(&lease, 2), rejected()),
        settled_before(held(&lease, 3), withheld()),
    ];
    sender.record(Vec::new(), reported).await;
    for (seq, attempts) in [(1, 1), (2, 1), (3, 0)] {
        assert_eq!(
            listed(store, campaign, seq).await.attempts,
            attempts,
            "delivery {seq}"
        );
    }
    sender.done_with(&lease).await;
    sender.it_is(10);
    let retries = sender.claim(campaign, 3).await;
    let loaded = store.load(&retries).await.unwrap();
    assert_eq!((loaded[0].attempts, loaded[0].first_attempt_at), (1, Some(at(3))));
    let again = settled_before(held(&retries, 1), deferred(at(20)));
    sender.record(Vec::new(), vec![again]).await;
    assert_eq!(listed(store, campaign, 1).await.attempts, 2);
});

store_on_both_engines!(a_lost_answer_follows_the_policy_of_the_campaign, |store| {
    let campaign = sending(store, 3).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 3).await;
    let policies = [UnknownPolicy::Hold, UnknownPolicy::Skip, UnknownPolicy::Resend];
    sender.it_is(7);
    for (delivery, policy) in all_of(&lease).into_iter().zip(policies) {
        sender.send(&[delivery], &unknown(policy)).await;
    }
    assert_eq!(seqs(store, campaign, DeliveryState::Unknown).await, [1, 2]);
    assert_eq!(seqs(store, campaign, DeliveryState::Deferred).await, [3]);
    assert_eq!(store.next_due(campaign).await.unwrap(), Some(at(7)));
    let happened = store.breakdown(Some(campaign)).await.unwrap();
    let happened: Vec<_> = happened.iter().map(|b| (b.outcome.as_str(), b.n)).collect();
    assert_eq!(happened, [("unknown", 3)]);
});

store_on_both_engines!(an_outcome_that_is_reported_twice_counts_once, |store| {
    let campaign = sending(store, 2).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 2).await;
    let deliveries = all_of(&lease);
    sender.put_on_wire(&deliveries).await;
    let twice = vec![
        settled(deliveries[0], accepted()),
        settled(deliveries[0], accepted()),
        settled(deliveries[1], rejected()),
        settled(deliveries[1], deferred(at(10))),
    ];
    sender.record(Vec::new(), twice).await;
    sender.settle(&deliveries, &accepted()).await;
    let expected = [(DeliveryState::Accepted, 1), (DeliveryState::Rejected, 1)];
    assert_eq!(store.ledger(campaign).await, expected);
    let happened = store.breakdown(Some(campaign)).await.unwrap();
    assert!(happened.iter().all(|b| b.n == 1), "{happened:?}");
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

store_on_both_engines!(a_batch_of_nothing_does_nothing, |store| {
    let sender = Sender::new(store, "one");
    assert!(sender.record(Vec::new(), Vec::new()).await.is_empty());
});

store_on_both_engines!(a_batch_whose_answer_was_lost_is_recognised, |store| {
    let campaign = sending(store, 4).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 4).await;
    let deliveries = all_of(&lease);
    sender.put_on_wire(&deliveries[..1]).await;
    let committed = sender.batch(
        deliveries[1..3].to_vec(),
        vec![settled(deliveries[0], accepted())],
    );
    assert_eq!(store.recorded(&committed, "one").await.unwrap(), None);
    let granted = sender.commit(&committed).await;
    assert_eq!(store.recorded(&committed, "one").await.unwrap(), Some(granted));
    // Another sender's batch of the same number, and our own next one, never were.
    assert_eq!(store.recorded(&committed, "two").await.unwrap(), None);
    let next = sender.batch(deliveries[3..].to_vec(), Vec::new());
    assert_eq!(store.recorded(&next, "one").await.unwrap(), None);
});

store_on_both_engines!(a_recognised_batch_grants_what_it_granted, |store| {
    let campaign = sending(store, 4).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 4).await;
    withhold(store, campaign, 2).await;
    let batch = sender.batch(all_of(&lease), Vec::new());
    let granted = sender.commit(&batch).await;
    assert_eq!(granted, [held(&lease, 3), held(&lease, 4)].into());
    assert_eq!(store.recorded(&batch, "one").await.unwrap(), Some(granted));
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
