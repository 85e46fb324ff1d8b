//! Deliveries that wait for a limit, and what was used of the limits.

use super::*;
use tidings_campaign::lifecycle::Action;
use tidings_tests::store_on_both_engines;

/// Puts deliveries aside that are not on the wire.
async fn aside(sender: &Sender<'_>, deliveries: &[Held], limit: &str, due: u64) {
    let outcome = put_aside(limit, at(due));
    let settled = deliveries.iter().map(|h| settled_before(*h, outcome.clone()));
    sender.record(Vec::new(), settled.collect()).await;
}

async fn aside_of(store: &Store, campaign: CampaignId) -> Vec<(String, i64)> {
    store.count_aside(campaign).await.unwrap()
}

async fn used_since(store: &Store, since: Timestamp) -> Vec<(String, i64, i64)> {
    store.limit_usage(since).await.unwrap()
}

store_on_both_engines!(a_delivery_that_waits_for_a_limit_was_not_tried, |store| {
    let campaign = sending(store, 3).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 3).await;
    sender.it_is(1);
    aside(&sender, &all_of(&lease)[..2], "provider gmail", 60).await;
    let expected = [(DeliveryState::Planned, 1), (DeliveryState::Deferred, 2)];
    assert_eq!(store.ledger(campaign).await, expected);
    let row = listed(store, campaign, 1).await;
    assert_eq!((row.attempts, row.due_at), (0, Some(at(60).0)));
    assert_eq!((row.class.as_deref(), row.code, row.session), (None, None, None));
    assert_eq!(row.cause.as_deref(), Some("limit"));
    assert_eq!(row.reason.as_deref(), Some("provider gmail"));
    assert_eq!(row.waits_for(), Some("provider gmail"));
    assert_eq!(listed(store, campaign, 3).await.waits_for(), None);
    assert!(store.breakdown(Some(campaign)).await.unwrap().is_empty());
    sender.send(&[held(&lease, 3)], &accepted()).await;
    sender.done_with(&lease).await;
    assert!(!store.finish_if_done(campaign, at(2)).await.unwrap());
    assert!(!store.has_work(campaign, "somebody", at(59)).await.unwrap());
    assert_eq!(store.next_due(campaign).await.unwrap(), Some(at(60)));

    sender.it_is(60);
    let retries = sender.claim(campaign, 3).await;
    assert!(
        aside_of(store, campaign).await.is_empty(),
        "it is in a sender's hands"
    );
    let loaded = store.load(&retries).await.unwrap();
    assert_eq!(loaded.len(), 2);
    assert!(
        loaded
            .iter()
            .all(|l| l.attempts == 0 && l.first_attempt_at.is_none())
    );
    sender.send(&all_of(&retries), &accepted()).await;
    let row = listed(store, campaign, 1).await;
    assert_eq!((row.attempts, row.cause, row.reason), (1, None, None));
    sender.done_with(&retries).await;
    assert!(store.finish_if_done(campaign, at(61)).await.unwrap());
});

store_on_both_engines!(a_retry_that_waits_for_a_limit_keeps_its_attempts, |store| {
    let campaign = sending(store, 1).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 1).await;
    sender.it_is(5);
    sender.send(&all_of(&lease), &deferred(at(10))).await;
    sender.done_with(&lease).await;
    sender.it_is(10);
    let retries = sender.claim(campaign, 1).await;
    aside(&sender, &all_of(&retries), "relay primary", 20).await;
    let row = listed(store, campaign, 1).await;
    assert_eq!(
        (row.attempts, row.code, row.cause.as_deref()),
        (1, None, Some("limit"))
    );
    sender.done_with(&retries).await;
    sender.it_is(20);
    let again = sender.claim(campaign, 1).await;
    let loaded = store.load(&again).await.unwrap();
    assert_eq!((loaded[0].attempts, loaded[0].first_attempt_at), (1, Some(at(5))));
});

store_on_both_engines!(a_sender_that_lost_its_lease_puts_nothing_aside, |store| {
    let campaign = sending(store, 1).await;
    let (one, two) = (Sender::new(store, "one"), Sender::new(store, "two"));
    let lost = one.claim(campaign, 1).await;
    two.it_is(30);
    let taken = two.claim(campaign, 1).await;
    assert_eq!((taken.first, taken.last), (lost.first, lost.last));
    one.it_is(31);
    aside(&one, &all_of(&lost), "provider gmail", 60).await;
    assert_eq!(store.ledger(campaign).await, [(DeliveryState::Planned, 1)]);
});

store_on_both_engines!(
    what_waits_for_a_limit_is_withheld_when_its_campaign_is_cancelled,
    |store| {
        let campaign = sending(store, 4).await;
        let sender = Sender::new(store, "one");
        let lease = sender.claim(campaign, 4).await;
        aside(&sender, &all_of(&lease)[..2], "provider gmail", 60).await;
        store.move_campaign(campaign, Action::Cancel, None).await.unwrap();
        // The first has been withheld, the last two come back only now.
        assert_eq!(store.settle_cancelled(campaign, 1, at(1)).await.unwrap(), 1);
        aside(&sender, &all_of(&lease), "provider gmail", 90).await;
        sender.done_with(&lease).await;
        let expected = [(DeliveryState::Deferred, 3), (DeliveryState::Withheld, 1)];
        assert_eq!(store.ledger(campaign).await, expected);
        assert_eq!(store.cancelled_but_open().await.unwrap(), [campaign]);
        assert_eq!(store.settle_cancelled(campaign, 10, at(2)).await.unwrap(), 3);
        assert_eq!(store.ledger(campaign).await, [(DeliveryState::Withheld, 4)]);
        assert!(aside_of(store, campaign).await.is_empty());
        let row = listed(store, campaign, 4).await;
        assert_eq!((row.cause.as_deref(), row.due_at), (Some("cancelled"), None));
    }
);

store_on_both_engines!(sending_the_unknown_again_leaves_what_waits_for_a_limit, |store| {
    let campaign = sending(store, 2).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 2).await;
    aside(&sender, &[held(&lease, 1)], "provider gmail", 60).await;
    sender
        .send(&[held(&lease, 2)], &unknown(UnknownPolicy::Hold))
        .await;
    assert_eq!(
        store
            .resend_unknown(campaign, &By::command_line(), at(5))
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        aside_of(store, campaign).await,
        [("provider gmail".to_owned(), 1)]
    );
    assert_eq!(listed(store, campaign, 1).await.due_at, Some(at(60).0));
});

store_on_both_engines!(the_earliest_that_wait_for_a_limit_are_pulled_forward, |store| {
    let campaign = sending(store, 6).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 6).await;
    for (seq, limit, due) in [
        (1, "provider gmail", 90),
        (2, "provider gmail", 70),
        (3, "provider gmail", 80),
        (4, "relay primary", 60),
    ] {
        aside(&sender, &[held(&lease, seq)], limit, due).await;
    }
    sender.send(&[held(&lease, 5)], &deferred(at(60))).await;
    let expected = [("provider gmail".to_owned(), 3), ("relay primary".to_owned(), 1)];
    assert_eq!(aside_of(store, campaign).await, expected);
    let pulled = async |rows, now| {
        store
            .pull_forward(campaign, "provider gmail", rows, at(now))
            .await
    };
    assert_eq!(pulled(2, 10).await.unwrap(), 2);
    let due: Vec<_> = store.list_deliveries(campaign, None, Seq(0), 6).await.unwrap();
    let due: Vec<_> = due.into_iter().map(|row| row.due_at).collect();
    let expected = [
        Some(at(90)),
        Some(at(10)),
        Some(at(10)),
        Some(at(60)),
        Some(at(60)),
        None,
    ];
    assert_eq!(due, expected.map(|due| due.map(|due| due.0)));
    assert_eq!(pulled(2, 11).await.unwrap(), 0, "those two are due already");
    assert_eq!(pulled(100, 12).await.unwrap(), 1);
    assert_eq!(pulled(100, 13).await.unwrap(), 0);
    sender.it_is(12);
    let retries = sender.claim(campaign, 10).await;
    assert_eq!((retries.first, retries.last), (Seq(1), Seq(3)));
});

store_on_both_engines!(
    what_is_used_of_a_limit_is_summed_by_minute_over_all_nodes,
    |store| {
        let campaign = sending(store, 4).await;
        let sender = Sender::new(store, "one");
        let lease = sender.claim(campaign, 4).await;
        let deliveries = all_of(&lease);
        sender.it_is(5);
        let used = [("global", 1), ("provider gmail", 1), ("global", 1)];
        let granted = sender.uses(deliveries[..2].to_vec(), &used).await;
        assert_eq!(granted.len(), 2);
        // Of what is not granted the use counts all the same: it can only make the sender slower.
        let granted = sender.uses(deliveries[..3].to_vec(), &[("global", 3)]).await;
        assert_eq!(granted, [deliveries[2]].into());
        let elsewhere = store.open_again("there").await;
        let other = Sender::new(&elsewhere, "two");
        other.it_is(6);
        assert!(other.uses(Vec::new(), &[("global", 10)]).await.is_empty());
        elsewhere.close().await;
        sender.it_is(60);
        sender
            .uses(Vec::new(), &[("global", 4), ("a", 1), ("b", 1)])
            .await;

        let (first, second) = (START.minute(), START.minute() + 1);
        let expected = [
            ("a".to_owned(), second, 1),
            ("b".to_owned(), second, 1),
            ("global".to_owned(), first, 15),
            ("global".to_owned(), second, 4),
            ("provider gmail".to_owned(), first, 1),
        ];
        assert_eq!(used_since(store, at(59)).await, expected);
        assert_eq!(used_since(store, at(60)).await.len(), 3);
        assert_eq!(store.forget_limit_usage(at(60)).await.unwrap(), 3);
        assert_eq!(used_since(store, START).await.len(), 3);
    }
);

store_on_both_engines!(more_limits_may_be_used_than_one_statement_takes, |store| {
    let sender = Sender::new(store, "one");
    let names: Vec<_> = (0..1_200).map(|n| format!("campaign {n}")).collect();
    let used: Vec<_> = names.iter().map(|name| (name.as_str(), 2)).collect();
    sender.uses(Vec::new(), &used).await;
    let found = used_since(store, START).await;
    assert_eq!(
        (found.len(), found.iter().map(|f| f.2).sum::<i64>()),
        (1_200, 2_400)
    );
});
