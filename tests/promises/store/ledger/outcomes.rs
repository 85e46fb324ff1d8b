//! What is reported of a delivery is kept as it was reported.

use super::*;

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
