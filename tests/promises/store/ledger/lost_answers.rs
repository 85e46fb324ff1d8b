//! Answers that come late, twice, or whose commit was not heard of.

use super::*;

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
    let (one, (two, taken), lost, _) = half_lost(store).await;
    two.send(&[held(&taken, 2)], &rejected()).await;
    two.done_with(&taken).await;
    one.settle(&[held(&lost, 2)], &accepted()).await;
    assert_eq!(listed(store, lost.campaign, 2).await.state, "rejected");
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

store_on_both_engines!(
    a_batch_that_was_given_up_and_comes_late_changes_nothing,
    |store| {
        let campaign = sending(store, 2).await;
        let sender = Sender::new(store, "one");
        let lease = sender.claim(campaign, 2).await;
        let [one, two] = [1, 2].map(|seq| held(&lease, seq));
        let given_up = sender.batch(vec![one], Vec::new());
        // Done over another connection, and what came of it is past.
        assert_eq!(sender.commit(&given_up).await, [one].into());
        sender.settle(&[one], &Outcome::Returned).await;
        sender.commit(&given_up).await;
        assert_eq!(store.ledger(campaign).await, [(DeliveryState::Planned, 2)]);
        sender.send(&[one, two], &accepted()).await;
        assert_eq!(store.ledger(campaign).await, [(DeliveryState::Accepted, 2)]);
        assert_eq!(listed(store, campaign, 1).await.attempts, 1);
    }
);

store_on_both_engines!(
    what_was_accepted_does_not_go_out_again_whatever_the_ledger_thinks_of_it,
    |store| {
        let campaign = sending(store, 4).await;
        let (one, two) = (Sender::new(store, "one"), Sender::new(store, "two"));
        let lease = one.claim(campaign, 4).await;
        let deliveries = all_of(&lease);
        one.put_on_wire(&deliveries).await;
        // As when a database has lost its last commits; and as when an answer is thought to be lost.
        one.settle(&deliveries[..1], &Outcome::Returned).await;
        one.settle(&deliveries[1..3], &unknown(UnknownPolicy::Resend))
            .await;
        one.settle(&deliveries[..2], &accepted()).await;
        let retry = two.claim(campaign, 4).await;
        assert_eq!(all_of(&retry).len(), 1, "the others are not to be sent");
        one.settle(&deliveries[2..3], &accepted()).await;
        assert!(two.record(all_of(&retry), Vec::new()).await.is_empty());
        let expected = [(DeliveryState::OnWire, 1), (DeliveryState::Accepted, 3)];
        assert_eq!(store.ledger(campaign).await, expected);
        for seq in 1..=3 {
            let row = listed(store, campaign, seq).await;
            assert_eq!((row.attempts, row.code), (1, Some(250)), "{seq}");
        }
    }
);
