//! Planning the ledger, reading it, and what a person may do with what is left.

use super::*;
use tidings_campaign::lifecycle::{Action, CampaignState};
use tidings_store::ledger_pages::DeliverySearch;
use tidings_tests::{FreshStore, store_on_both_engines};

async fn addresses(store: &Store, campaign: CampaignId) -> Vec<String> {
    let page = store
        .list_deliveries(campaign, None, Seq(0), 1_000)
        .await
        .unwrap();
    page.into_iter().map(|delivery| delivery.address).collect()
}

async fn cancel(store: &Store, campaign: CampaignId) {
    let after = store.move_campaign(campaign, Action::Cancel, None).await;
    assert_eq!(after.unwrap(), CampaignState::Cancelled);
}

/// Readers 1 to 6, of whom 1 is on both lists, 2 has left one of two, 3 has left the only one, 4 has not answered, 5 must
/// not be mailed, 6 is on the second list; 7 is on a list of another campaign.
async fn mixed(store: &FreshStore) -> CampaignId {
    import(store, "readers", &readers(5)).await;
    let rows = readers(7);
    import(store, "writers", &[rows[0].clone(), rows[5].clone()]).await;
    import(store, "others", &[rows[6].clone(), rows[2].clone()]).await;
    let to_readers = draft(store, &["readers"]).await;
    for leaving in [2, 3] {
        let leaving = recipient_id(store, &reader(leaving)).await;
        assert!(
            store
                .unsubscribe(to_readers, leaving, "link", START)
                .await
                .unwrap()
        );
    }
    import(store, "writers", &[rows[1].clone()]).await;
    let undecided = recipient_id(store, &reader(4)).await;
    store
        .execute(&format!(
            "UPDATE subscriptions SET state = 'pending' WHERE recipient_id = {undecided}"
        ))
        .await;
    suppress(store, &reader(5).to_uppercase()).await;
    draft(store, &["readers", "writers"]).await
}

store_on_both_engines!(everybody_who_may_be_mailed_is_planned_once, |store| {
    let campaign = mixed(store).await;
    assert_eq!(store.count_eligible(campaign, START).await.unwrap(), 3);
    let planned = store.start_campaign(campaign, "{}", START).await.unwrap();
    assert_eq!(planned, 3);
    let expected = [reader(1), reader(2), reader(6)];
    assert_eq!(addresses(store, campaign).await, expected);
    assert_eq!(store.ledger(campaign).await, [(DeliveryState::Planned, 3)]);
    let page = store.list_deliveries(campaign, None, Seq(0), 10).await.unwrap();
    let seqs: Vec<_> = page.iter().map(|delivery| delivery.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
});

store_on_both_engines!(who_is_eligible_is_read_page_by_page, |store| {
    let campaign = mixed(store).await;
    let (mut found, mut after) = (Vec::new(), RecipientId(0));
    loop {
        let page = store.eligible_page(campaign, after, 2, START).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = last.recipient.as_ref().unwrap().id;
        for eligible in page {
            let [(_, Subscription::Confirmed)] = eligible.standing.subscriptions[..] else {
                panic!("{:?}", eligible.standing);
            };
            assert_eq!(eligible.standing.suppression, None);
            let recipient = eligible.recipient.unwrap();
            assert_eq!(recipient.attributes["city"], "Springfield");
            found.push(recipient.address.as_str().to_owned());
        }
    }
    assert_eq!(found, [reader(1), reader(2), reader(6)]);
});

store_on_both_engines!(a_started_campaign_keeps_its_newsletter, |store| {
    import(store, "readers", &readers(2)).await;
    let campaign = draft(store, &["readers"]).await;
    let content = r#"{"subject":"Spring","template":{"name":"spring","html":"ü"}}"#;
    store.start_campaign(campaign, content, at(5)).await.unwrap();
    let kept = store.get_campaign(campaign).await.unwrap();
    assert_eq!(kept.content.as_deref(), Some(content));
    assert_eq!((kept.planned, kept.started_at), (2, Some(at(5))));
    // Who comes later is not part of it.
    import(store, "readers", &readers(4)).await;
    assert_eq!(addresses(store, campaign).await, [reader(1), reader(2)]);
});

store_on_both_engines!(the_ledger_is_read_page_by_page_and_by_state, |store| {
    let campaign = sending(store, 7).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 7).await;
    let deliveries = all_of(&lease);
    sender.send(&deliveries[1..3], &accepted()).await;
    sender.send(&deliveries[4..6], &accepted()).await;
    let page = async |state, after, limit| {
        let page = store.list_deliveries(campaign, state, Seq(after), limit).await;
        page.unwrap().iter().map(|d| d.seq).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 0, 3).await, [1, 2, 3]);
    assert_eq!(page(None, 3, 3).await, [4, 5, 6]);
    assert_eq!(page(None, 6, 3).await, [7]);
    assert!(page(None, 7, 3).await.is_empty());
    let taken = Some(DeliveryState::Accepted);
    assert_eq!(page(taken, 0, 3).await, [2, 3, 5]);
    assert_eq!(page(taken, 5, 3).await, [6]);
    assert_eq!(page(Some(DeliveryState::Planned), 0, 10).await, [1, 4, 7]);
    assert!(page(Some(DeliveryState::Unknown), 0, 10).await.is_empty());
});

store_on_both_engines!(
    deliveries_are_found_by_state_and_by_how_an_address_begins,
    |store| {
        let campaign = sending(store, 7).await;
        let find = async |begins: &str, state, after| {
            let search = DeliverySearch {
                state,
                begins: begins.to_owned(),
                after,
                limit: 3,
            };
            let found = store.find_deliveries(campaign, &search).await.unwrap();
            assert!(!found.is_cut);
            let seqs: Vec<_> = found.deliveries.iter().map(|d| d.seq).collect();
            (seqs, found.next)
        };
        assert_eq!(find("", None, 0).await, (vec![1, 2, 3], Some(Seq(3))));
        assert_eq!(find("", None, 6).await, (vec![7], None));
        assert_eq!(find("", Some(DeliveryState::Unknown), 0).await, (vec![], None));
        assert_eq!(find(&reader(4), None, 0).await, (vec![4], None));
        assert_eq!(
            find("reader", Some(DeliveryState::Planned), 2).await,
            (vec![3, 4, 5], Some(Seq(5)))
        );
        assert_eq!(find("nobody", None, 0).await, (vec![], None));
    }
);

store_on_both_engines!(
    what_a_person_asks_of_a_campaign_is_kept_in_the_audit_log,
    |store| {
        let campaign = sending(store, 2).await;
        let by = By::command_line();
        let paused = store
            .steer_campaign(campaign, Action::Pause, &by, START)
            .await
            .unwrap();
        assert_eq!(paused, CampaignState::Paused);
        let refused = store.steer_campaign(campaign, Action::Pause, &by, START).await;
        assert!(refused.unwrap_err().is_refusal());
        let kept = store.audit_log(None, 10).await.unwrap();
        let kept: Vec<_> = kept
            .iter()
            .map(|entry| (entry.what.as_str(), entry.detail.as_str()))
            .collect();
        let imported = ("began an import", "readers.csv → readers");
        assert_eq!(kept, [("paused a campaign", "sending → paused"), imported]);
    }
);

store_on_both_engines!(a_row_of_the_ledger_has_a_value_for_each_column, |store| {
    let campaign = sending(store, 1).await;
    let row = listed(store, campaign, 1).await;
    let values = row.values();
    let of = |column: &str| {
        let at = ListedDelivery::COLUMNS.iter().position(|name| *name == column);
        values[at.unwrap()].clone()
    };
    assert_eq!((of("seq"), of("state")), (1.into(), "planned".into()));
    assert_eq!(of("address"), reader(1).as_str());
    assert_eq!(row.why(), None);
});

store_on_both_engines!(the_ledger_can_be_counted_row_by_row, |store| {
    let campaign = sending(store, 3).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 3).await;
    sender.put_on_wire(&[held(&lease, 2)]).await;
    let mut counted = store.count_ledger(campaign).await.unwrap();
    counted.sort_unstable();
    assert_eq!(counted, [(DeliveryState::Planned, 2), (DeliveryState::OnWire, 1)]);
    assert!(store.count_ledger(CampaignId(77)).await.unwrap().is_empty());
});

store_on_both_engines!(a_lease_is_loaded_with_what_is_known_now, |store| {
    let campaign = sending(store, 4).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 4).await;
    let (leaving, deleted) = (
        recipient_id(store, &reader(2)).await,
        recipient_id(store, &reader(4)).await,
    );
    store.unsubscribe(campaign, leaving, "link", START).await.unwrap();
    suppress(store, &reader(3)).await;
    store
        .execute(&format!("DELETE FROM recipients WHERE id = {deleted}"))
        .await;
    let loaded = store.load(&lease).await.unwrap();
    let seqs: Vec<_> = loaded.iter().map(|d| d.seq.0).collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
    for delivery in &loaded {
        assert_eq!((delivery.attempts, delivery.first_attempt_at), (0, None));
    }
    let first = loaded[0].recipient.as_ref().unwrap();
    assert_eq!(
        (first.address.as_str(), first.name.as_str()),
        (reader(1).as_str(), "Reader 1")
    );
    assert_eq!(first.attributes["city"], "Springfield");
    let readers = store.find_list("readers").await.unwrap().unwrap();
    let on_readers = |state| vec![(readers, state)];
    assert_eq!(
        loaded[0].standing.subscriptions,
        on_readers(Subscription::Confirmed)
    );
    assert_eq!(
        loaded[1].standing.subscriptions,
        on_readers(Subscription::Unsubscribed)
    );
    assert_eq!(loaded[2].standing.suppression.as_deref(), Some("complaint"));
    let why = loaded[3].recipient.as_ref().unwrap_err();
    assert!(why.contains("deleted"), "{why}");
    // Asked one by one, the answer is the same.
    for delivery in &loaded[..3] {
        let recipient = delivery.recipient.as_ref().unwrap().id;
        assert_eq!(
            store.standing(campaign, recipient).await.unwrap(),
            delivery.standing
        );
    }
});

store_on_both_engines!(a_lease_is_loaded_without_what_is_done_already, |store| {
    let campaign = sending(store, 4).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 4).await;
    let deliveries = all_of(&lease);
    sender.send(&deliveries[..1], &accepted()).await;
    sender.put_on_wire(&deliveries[2..3]).await;
    let loaded = store.load(&lease).await.unwrap();
    let seqs: Vec<_> = loaded.iter().map(|d| d.seq.0).collect();
    assert_eq!(seqs, [2, 4]);
});

store_on_both_engines!(a_standing_names_every_list_of_the_campaign, |store| {
    import(store, "readers", &readers(1)).await;
    let to_readers = draft(store, &["readers"]).await;
    let id = recipient_id(store, &reader(1)).await;
    store.unsubscribe(to_readers, id, "link", START).await.unwrap();
    import(store, "writers", &readers(1)).await;
    let to_both = draft(store, &["readers", "writers", "others"]).await;
    let mut standing = store.standing(to_both, id).await.unwrap();
    assert_eq!(standing.suppression, None);
    let list = async |name| store.find_list(name).await.unwrap().unwrap();
    let (readers, writers) = (list("readers").await, list("writers").await);
    standing.subscriptions.sort_by_key(|(list, _)| *list);
    assert_eq!(
        standing.subscriptions,
        [
            (readers, Subscription::Unsubscribed),
            (writers, Subscription::Confirmed)
        ]
    );
    assert_eq!(standing.list(), Some(writers));
    // Who would get the campaign by a list, and who gets it, are told the same list.
    let page = store
        .eligible_page(to_both, RecipientId(0), 2, START)
        .await
        .unwrap();
    assert_eq!(page[0].standing.list(), Some(writers));
    let nobody = store.standing(to_both, RecipientId(-5)).await.unwrap();
    assert!(nobody.subscriptions.is_empty() && nobody.suppression.is_none());
});

store_on_both_engines!(the_next_retry_is_the_earliest, |store| {
    let campaign = sending(store, 3).await;
    assert_eq!(store.next_due(campaign).await.unwrap(), None);
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 3).await;
    for (delivery, due) in all_of(&lease).into_iter().zip([90, 60, 120]) {
        sender.send(&[delivery], &deferred(at(due))).await;
    }
    assert_eq!(store.next_due(campaign).await.unwrap(), Some(at(60)));
    sender.done_with(&lease).await;
    sender.it_is(60);
    sender.claim(campaign, 3).await;
    assert_eq!(store.next_due(campaign).await.unwrap(), Some(at(90)));
});

store_on_both_engines!(what_is_left_of_a_cancelled_campaign_is_withheld, |store| {
    let campaign = sending(store, 9).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 5).await;
    let deliveries = all_of(&lease);
    sender.send(&deliveries[..1], &accepted()).await;
    sender.send(&deliveries[1..3], &deferred(at(10))).await;
    sender.put_on_wire(&deliveries[3..4]).await;
    sender.it_is(10);
    let retries = sender.claim(campaign, 1).await;
    assert_eq!(store.load(&retries).await.unwrap().len(), 1);
    cancel(store, campaign).await;
    let mut total = 0;
    loop {
        match store.settle_cancelled(campaign, 2, at(11)).await.unwrap() {
            0 => break,
            n => total += n,
        }
    }
    assert_eq!(total, 7);
    let expected = [
        (DeliveryState::OnWire, 1),
        (DeliveryState::Accepted, 1),
        (DeliveryState::Withheld, 7),
    ];
    assert_eq!(store.ledger(campaign).await, expected);
    for seq in seqs(store, campaign, DeliveryState::Withheld).await {
        let row = listed(store, campaign, seq).await;
        assert_eq!(row.cause.as_deref(), Some("cancelled"));
        assert_eq!((row.settled_at, row.due_at), (Some(at(11).0), None));
    }
    // What was on the wire still gets its outcome; what comes back from there is withheld too.
    sender.settle(&deliveries[3..4], &deferred(at(60))).await;
    assert_eq!(store.settle_cancelled(campaign, 2, at(12)).await.unwrap(), 1);
    assert_eq!(store.settle_cancelled(campaign, 2, at(12)).await.unwrap(), 0);
});

store_on_both_engines!(
    what_a_dead_sender_had_on_the_wire_of_a_cancelled_campaign_is_unknown,
    |store| {
        let campaign = sending_with(store, 4, UnknownPolicy::Resend).await;
        let sender = Sender::new(store, "one");
        let lease = sender.claim(campaign, 4).await;
        sender.put_on_wire(&all_of(&lease)[..2]).await;
        cancel(store, campaign).await;
        assert_eq!(store.settle_cancelled(campaign, 10, at(1)).await.unwrap(), 2);
        assert_eq!(store.settle_cancelled(campaign, 10, at(2)).await.unwrap(), 0);
        assert_eq!(store.cancelled_but_open().await.unwrap(), [campaign]);
        let after_the_lease = at(LEASE.as_secs() + 1);
        assert_eq!(
            store
                .settle_cancelled(campaign, 10, after_the_lease)
                .await
                .unwrap(),
            2
        );
        assert_eq!(store.cancelled_but_open().await.unwrap(), []);
        let expected = [(DeliveryState::Withheld, 2), (DeliveryState::Unknown, 2)];
        assert_eq!(store.ledger(campaign).await, expected);
    }
);

store_on_both_engines!(a_cancelled_campaign_is_withheld_in_small_steps, |store| {
    let campaign = sending(store, 6).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 3).await;
    sender.send(&all_of(&lease), &deferred(at(10))).await;
    cancel(store, campaign).await;
    let mut steps = Vec::new();
    while steps.last() != Some(&0) {
        steps.push(store.settle_cancelled(campaign, 2, at(1)).await.unwrap());
    }
    assert!(
        steps.iter().all(|n| *n <= 2),
        "more than were asked for: {steps:?}"
    );
    assert_eq!(steps.iter().sum::<u64>(), 6);
});

/// A campaign to three: one accepted, two unknown.
async fn finished_with_two_unknown(store: &Store) -> (CampaignId, Sender<'_>) {
    let campaign = sending(store, 3).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 3).await;
    let deliveries = all_of(&lease);
    sender.send(&deliveries[..1], &accepted()).await;
    sender.send(&deliveries[1..], &unknown(UnknownPolicy::Hold)).await;
    sender.done_with(&lease).await;
    assert!(store.finish_if_done(campaign, at(1)).await.unwrap());
    (campaign, sender)
}

store_on_both_engines!(what_is_unknown_is_sent_again_when_a_person_says_so, |store| {
    let (campaign, sender) = finished_with_two_unknown(store).await;
    assert_eq!(
        store
            .resend_unknown(campaign, &By::command_line(), at(5))
            .await
            .unwrap(),
        2
    );
    let kept = store.get_campaign(campaign).await.unwrap();
    assert_eq!((kept.state, kept.finished_at), (CampaignState::Sending, None));
    assert_eq!(store.next_due(campaign).await.unwrap(), Some(at(5)));
    assert_eq!(
        store
            .resend_unknown(campaign, &By::command_line(), at(6))
            .await
            .unwrap(),
        0
    );
    sender.it_is(6);
    let lease = sender.claim(campaign, 10).await;
    let loaded = store.load(&lease).await.unwrap();
    let attempts: Vec<_> = loaded.iter().map(|d| (d.seq.0, d.attempts)).collect();
    assert_eq!(attempts, [(2, 1), (3, 1)]);
    sender.send(&all_of(&lease), &accepted()).await;
    sender.done_with(&lease).await;
    assert!(store.finish_if_done(campaign, at(7)).await.unwrap());
    assert_eq!(store.ledger(campaign).await, [(DeliveryState::Accepted, 3)]);
});

store_on_both_engines!(what_is_unknown_stays_so_when_a_person_says_so, |store| {
    let (campaign, _) = finished_with_two_unknown(store).await;
    assert_eq!(
        store
            .leave_unknown(campaign, &By::command_line(), at(5))
            .await
            .unwrap(),
        2
    );
    let kept = store.get_campaign(campaign).await.unwrap();
    assert_eq!(
        (kept.state, kept.unknown_policy),
        (CampaignState::Finished, UnknownPolicy::Skip)
    );
    let summaries = store.campaign_summaries(1).await.unwrap();
    assert_eq!(summaries[0].unknown_policy, UnknownPolicy::Skip);
    let states = [(DeliveryState::Accepted, 1), (DeliveryState::Unknown, 2)];
    assert_eq!(store.ledger(campaign).await, states);
});

store_on_both_engines!(a_finished_campaign_without_unknown_stays_finished, |store| {
    let campaign = sending(store, 1).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 1).await;
    sender.send(&all_of(&lease), &accepted()).await;
    sender.done_with(&lease).await;
    assert!(store.finish_if_done(campaign, at(1)).await.unwrap());
    assert_eq!(
        store
            .resend_unknown(campaign, &By::command_line(), at(5))
            .await
            .unwrap(),
        0
    );
    let kept = store.get_campaign(campaign).await.unwrap();
    assert_eq!(
        (kept.state, kept.finished_at),
        (CampaignState::Finished, Some(at(1)))
    );
});

store_on_both_engines!(a_cancelled_campaign_sends_nothing_again, |store| {
    let campaign = sending(store, 2).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 2).await;
    sender.send(&all_of(&lease), &unknown(UnknownPolicy::Hold)).await;
    cancel(store, campaign).await;
    // Whether it is refused or does nothing: no delivery may wait for a retry that never comes.
    let answer = store.resend_unknown(campaign, &By::command_line(), at(5)).await;
    assert!(!matches!(answer, Ok(1..)), "said to go out again: {answer:?}");
    assert_eq!(store.ledger(campaign).await, [(DeliveryState::Unknown, 2)]);
});

store_on_both_engines!(what_has_no_outcome_yet_is_counted, |store| {
    let campaign = sending(store, 3).await;
    assert_eq!(store.count_open(campaign).await.unwrap(), 3);
    let another = draft(store, &["readers"]).await;
    assert_eq!(store.count_open(another).await.unwrap(), 0);
});
