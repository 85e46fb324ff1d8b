//! Leases: who works on what, and what becomes of the work of a sender that is gone.

use super::*;
use tidings_campaign::lifecycle::Action;
use tidings_store::leases::LeaseKind;
use tidings_tests::{FreshStore, store_on_both_engines};

fn range(lease: &Lease) -> (LeaseKind, i64, i64) {
    (lease.kind, lease.first.0, lease.last.0)
}

async fn loaded(store: &Store, lease: &Lease) -> Vec<i64> {
    let deliveries = store.load(lease).await.unwrap();
    deliveries.iter().map(|delivery| delivery.seq.0).collect()
}

store_on_both_engines!(a_second_sender_gets_another_range, |store| {
    let campaign = sending(store, 25).await;
    let (one, two) = (Sender::new(store, "one"), Sender::new(store, "two"));
    let first = one.claim(campaign, 10).await;
    let second = two.claim(campaign, 10).await;
    let third = one.claim(campaign, 10).await;
    assert_eq!(range(&first), (LeaseKind::Range, 1, 10));
    assert_eq!(range(&second), (LeaseKind::Range, 11, 20));
    assert_eq!(range(&third), (LeaseKind::Range, 21, 25));
    assert!(first.id != second.id && second.id != third.id);
    assert!(two.try_claim(campaign, 10).await.is_none());
    assert_eq!(loaded(store, &third).await, [21, 22, 23, 24, 25]);
    assert_eq!(store.ledger(campaign).await, [(DeliveryState::Planned, 25)]);
});

store_on_both_engines!(senders_that_claim_at_once_share_the_campaign, |store| {
    let campaign = sending(store, 60).await;
    let other = store.open_again("there").await;
    let take_all = async |sender: &Sender<'_>| {
        let mut taken = Vec::new();
        while let Some(lease) = sender.try_claim(campaign, 7).await {
            taken.extend(lease.first.0..=lease.last.0);
        }
        taken
    };
    let (one, two) = (Sender::new(store, "one"), Sender::new(&other, "two"));
    let (mut taken, more) = tokio::join!(take_all(&one), take_all(&two));
    taken.extend(more);
    taken.sort_unstable();
    assert_eq!(taken, (1..=60).collect::<Vec<_>>());
    other.close().await;
});

store_on_both_engines!(only_a_sending_campaign_is_leased, |store| {
    let campaign = sending(store, 3).await;
    let waiting = draft(store, &["readers"]).await;
    let sender = Sender::new(store, "one");
    let has_work = async |campaign| store.has_work(campaign, "somebody", START).await.unwrap();
    assert!(!has_work(waiting).await);
    assert!(sender.try_claim(waiting, 10).await.is_none());
    assert!(has_work(campaign).await);
    store.move_campaign(campaign, Action::Pause, None).await.unwrap();
    assert!(!has_work(campaign).await);
    assert!(sender.try_claim(campaign, 10).await.is_none());
    store.move_campaign(campaign, Action::Resume, None).await.unwrap();
    assert_eq!(range(&sender.claim(campaign, 10).await), (LeaseKind::Range, 1, 3));
    assert!(!has_work(campaign).await);
});

/// A sender puts deliveries 2 and 3 of 5 on the wire and dies; another takes over. The lease as it was, and as it is.
async fn taken_over(store: &FreshStore, policy: UnknownPolicy) -> (CampaignId, [Lease; 2]) {
    let campaign = sending_with(store, 5, policy).await;
    let (dead, heir) = (Sender::new(store, "dead"), Sender::new(store, "heir"));
    let lease = dead.claim(campaign, 5).await;
    let deliveries = all_of(&lease);
    dead.send(&deliveries[..1], &accepted()).await;
    dead.put_on_wire(&deliveries[1..3]).await;
    heir.it_is(29);
    assert!(
        heir.try_claim(campaign, 5).await.is_none(),
        "the lease still holds"
    );
    assert!(!store.has_work(campaign, "somebody", at(29)).await.unwrap());
    heir.it_is(30);
    assert!(store.has_work(campaign, "somebody", at(30)).await.unwrap());
    let taken = heir.claim(campaign, 5).await;
    assert_eq!(range(&taken), range(&lease));
    assert_ne!(
        taken.id, lease.id,
        "what the dead one still says is not about the heir's"
    );
    assert_eq!(
        loaded(store, &taken).await,
        [4, 5],
        "only what was not on the wire"
    );
    (campaign, [lease, taken])
}

store_on_both_engines!(a_lease_that_ran_out_goes_to_the_next_sender, |store| {
    let (campaign, [_, taken]) = taken_over(store, UnknownPolicy::Hold).await;
    let heir = Sender::new(store, "heir");
    heir.it_is(31);
    heir.send(&[held(&taken, 4), held(&taken, 5)], &accepted()).await;
    heir.done_with(&taken).await;
    assert!(store.finish_if_done(campaign, at(32)).await.unwrap());
    let expected = [(DeliveryState::Accepted, 3), (DeliveryState::Unknown, 2)];
    assert_eq!(store.ledger(campaign).await, expected);
});

store_on_both_engines!(what_a_dead_sender_had_on_the_wire_waits_for_a_person, |store| {
    let (campaign, _) = taken_over(store, UnknownPolicy::Hold).await;
    assert_eq!(seqs(store, campaign, DeliveryState::Unknown).await, [2, 3]);
    let row = listed(store, campaign, 2).await;
    assert_eq!(
        (row.class.as_deref(), row.cause.as_deref()),
        (Some("other"), Some("network"))
    );
    assert_eq!((row.attempts, row.settled_at), (1, Some(at(30).0)));
    assert!(row.reason.is_some());
});

store_on_both_engines!(what_a_dead_sender_had_on_the_wire_may_stay_unknown, |store| {
    let (campaign, _) = taken_over(store, UnknownPolicy::Skip).await;
    assert_eq!(seqs(store, campaign, DeliveryState::Unknown).await, [2, 3]);
    assert_eq!(store.next_due(campaign).await.unwrap(), None);
});

store_on_both_engines!(what_waits_for_nothing_has_no_time_to_go_out, |store| {
    let (campaign, [lost, _]) = taken_over(store, UnknownPolicy::Hold).await;
    // The late answer of the sender that was taken for dead.
    Sender::new(store, "dead")
        .settle(&[held(&lost, 3)], &accepted())
        .await;
    for (seq, state) in [(2, "unknown"), (3, "accepted")] {
        let row = listed(store, campaign, seq).await;
        assert_eq!((row.state.as_str(), row.due_at), (state, None));
    }
});

store_on_both_engines!(what_a_dead_sender_had_on_the_wire_may_go_out_again, |store| {
    let (campaign, _) = taken_over(store, UnknownPolicy::Resend).await;
    assert_eq!(seqs(store, campaign, DeliveryState::Deferred).await, [2, 3]);
    assert_eq!(store.next_due(campaign).await.unwrap(), Some(at(30)));
    let sender = Sender::new(store, "another");
    sender.it_is(30);
    let retries = sender.claim(campaign, 10).await;
    assert_eq!(retries.kind, LeaseKind::Retry);
    assert_eq!(loaded(store, &retries).await, [2, 3]);
});

store_on_both_engines!(a_lost_answer_is_counted_alike_however_it_was_lost, |store| {
    let (campaign, [_, taken]) = taken_over(store, UnknownPolicy::Hold).await;
    let heir = Sender::new(store, "heir");
    heir.it_is(31);
    heir.send(&[held(&taken, 4)], &unknown(UnknownPolicy::Hold)).await;
    for seq in [2, 4] {
        assert_eq!(listed(store, campaign, seq).await.class.as_deref(), Some("other"));
    }
    let lost = store.counts_since(START.minute()).await.unwrap();
    let mut lost: Vec<_> = lost.iter().filter(|c| c.outcome == "unknown").collect();
    lost.sort_by_key(|c| &c.class);
    let lost: Vec<_> = lost.iter().map(|c| (c.class.as_str(), c.n)).collect();
    assert_eq!(lost, [("other", 3)]);
});

store_on_both_engines!(a_lease_that_is_renewed_is_kept, |store| {
    let campaign = sending(store, 5).await;
    let (one, two) = (Sender::new(store, "one"), Sender::new(store, "two"));
    let lease = one.claim(campaign, 5).await;
    one.it_is(20);
    assert_eq!(one.renew(&[lease.id]).await, [lease.id]);
    two.it_is(49);
    assert!(two.try_claim(campaign, 5).await.is_none());
    two.it_is(50);
    assert_eq!(range(&two.claim(campaign, 5).await), range(&lease));
});

store_on_both_engines!(a_batch_renews_its_leases, |store| {
    let campaign = sending(store, 5).await;
    let (one, two) = (Sender::new(store, "one"), Sender::new(store, "two"));
    let lease = one.claim(campaign, 5).await;
    one.it_is(20);
    one.put_on_wire(&[held(&lease, 1)]).await;
    two.it_is(49);
    assert!(two.try_claim(campaign, 5).await.is_none());
});

store_on_both_engines!(a_lost_lease_is_not_renewed, |store| {
    let campaign = sending(store, 6).await;
    let (one, two) = (Sender::new(store, "one"), Sender::new(store, "two"));
    let (lost, kept) = (one.claim(campaign, 2).await, one.claim(campaign, 2).await);
    one.it_is(20);
    one.renew(&[kept.id]).await;
    two.it_is(30);
    let taken = two.claim(campaign, 5).await;
    assert_eq!(range(&taken), range(&lost));
    let alive = one.renew(&[lost.id, kept.id, LeaseId(999_999)]).await;
    assert_eq!(alive, [kept.id]);
    assert!(one.renew(&[]).await.is_empty());
    assert_eq!(two.renew(&[taken.id]).await, [taken.id]);
});

store_on_both_engines!(nobody_takes_over_what_is_in_his_own_hands, |store| {
    let campaign = sending(store, 5).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 5).await;
    sender.put_on_wire(&all_of(&lease)[..1]).await;
    sender.it_is(60);
    assert!(!store.has_work(campaign, "one", at(60)).await.unwrap());
    assert!(sender.try_claim(campaign, 5).await.is_none());
    assert_eq!(seqs(store, campaign, DeliveryState::OnWire).await, [1]);
    let freed = store.free_forgotten("one", &[lease.id], at(60)).await.unwrap();
    assert_eq!(freed, 0, "it is in his hands");
    // Its claim's answer was lost, so that he knows nothing of it.
    assert_eq!(store.free_forgotten("another", &[], at(60)).await.unwrap(), 0);
    assert_eq!(store.free_forgotten("one", &[], at(60)).await.unwrap(), 1);
    let again = sender.claim(campaign, 5).await;
    assert_eq!(range(&again), range(&lease));
    assert_ne!(again.id, lease.id);
    assert_eq!(seqs(store, campaign, DeliveryState::Unknown).await, [1]);
});

store_on_both_engines!(
    a_lease_of_retries_keeps_its_retries_when_it_is_taken_over,
    |store| {
        let campaign = sending(store, 4).await;
        let (dead, heir) = (Sender::new(store, "dead"), Sender::new(store, "heir"));
        let lease = dead.claim(campaign, 4).await;
        dead.put_on_wire(&all_of(&lease)).await;
        dead.settle(&all_of(&lease), &deferred(at(1))).await;
        dead.done_with(&lease).await;
        dead.it_is(2);
        let retries = dead.claim(campaign, 4).await;
        assert_eq!(retries.kind, LeaseKind::Retry);
        heir.it_is(60);
        let taken = heir.claim(campaign, 4).await;
        assert_eq!((taken.kind, taken.id == retries.id), (LeaseKind::Retry, false));
        assert_eq!(loaded(store, &taken).await, [1, 2, 3, 4]);
        heir.send(&all_of(&taken), &accepted()).await;
        heir.done_with(&taken).await;
        assert!(store.finish_if_done(campaign, at(61)).await.unwrap());
    }
);

store_on_both_engines!(a_lease_that_is_given_back_is_free_at_once, |store| {
    let campaign = sending(store, 5).await;
    let (one, two) = (Sender::new(store, "one"), Sender::new(store, "two"));
    let lease = one.claim(campaign, 5).await;
    one.send(&[held(&lease, 1)], &accepted()).await;
    one.give_back(&lease).await;
    assert!(store.has_work(campaign, "somebody", START).await.unwrap());
    assert!(one.renew(&[lease.id]).await.is_empty());
    let taken = two.claim(campaign, 5).await;
    assert_eq!(loaded(store, &taken).await, [2, 3, 4, 5]);
});

store_on_both_engines!(a_lease_that_is_done_with_is_gone, |store| {
    let campaign = sending(store, 2).await;
    let (one, two) = (Sender::new(store, "one"), Sender::new(store, "two"));
    let lease = one.claim(campaign, 2).await;
    one.send(&all_of(&lease), &accepted()).await;
    one.done_with(&lease).await;
    two.it_is(1_000);
    assert!(!store.has_work(campaign, "somebody", at(1_000)).await.unwrap());
    assert!(two.try_claim(campaign, 2).await.is_none());
});

store_on_both_engines!(only_its_owner_ends_a_lease, |store| {
    let campaign = sending(store, 2).await;
    let (one, two) = (Sender::new(store, "one"), Sender::new(store, "two"));
    let lease = one.claim(campaign, 2).await;
    two.done_with(&lease).await;
    two.give_back(&lease).await;
    assert_eq!(one.renew(&[lease.id]).await, [lease.id]);
    assert!(two.try_claim(campaign, 2).await.is_none());
});

store_on_both_engines!(retries_that_are_due_are_claimed_first, |store| {
    let campaign = sending(store, 10).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 5).await;
    let deliveries = all_of(&lease);
    sender.send(&deliveries[0..1], &deferred(at(60))).await;
    sender.send(&deliveries[1..3], &deferred(at(10))).await;
    sender.send(&deliveries[4..], &deferred(at(11))).await;
    sender.give_back(&lease).await;
    sender.it_is(20);
    let retries = sender.claim(campaign, 10).await;
    assert_eq!(range(&retries), (LeaseKind::Retry, 2, 5));
    assert_eq!(retries.waiting_state(), DeliveryState::Leased);
    assert_eq!(
        loaded(store, &retries).await,
        [2, 3, 5],
        "neither what is not due nor what is new"
    );
    assert_eq!(seqs(store, campaign, DeliveryState::Leased).await, [2, 3, 5]);
    // Then what was given back, then what is new.
    let left = sender.claim(campaign, 10).await;
    assert_eq!(range(&left), (LeaseKind::Range, 1, 5));
    assert_ne!(left.id, lease.id);
    assert_eq!(loaded(store, &left).await, [4]);
    let new = sender.claim(campaign, 10).await;
    assert_eq!(range(&new), (LeaseKind::Range, 6, 10));
    assert_eq!(new.waiting_state(), DeliveryState::Planned);
    sender
        .send(&[2, 3, 5].map(|seq| held(&retries, seq)), &accepted())
        .await;
    let expected = [
        (DeliveryState::Planned, 6),
        (DeliveryState::Accepted, 3),
        (DeliveryState::Deferred, 1),
    ];
    assert_eq!(store.ledger(campaign).await, expected);
});

store_on_both_engines!(the_retries_that_wait_longest_are_claimed_first, |store| {
    let campaign = sending(store, 3).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 3).await;
    for (delivery, due) in all_of(&lease).into_iter().zip([12, 11, 10]) {
        sender.send(&[delivery], &deferred(at(due))).await;
    }
    sender.done_with(&lease).await;
    sender.it_is(20);
    let first = sender.claim(campaign, 2).await;
    assert_eq!(loaded(store, &first).await, [2, 3]);
    let then = sender.claim(campaign, 2).await;
    assert_eq!(loaded(store, &then).await, [1]);
});

store_on_both_engines!(senders_that_claim_at_once_share_the_retries, |store| {
    let campaign = sending(store, 60).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 60).await;
    sender.send(&all_of(&lease), &deferred(at(10))).await;
    sender.done_with(&lease).await;
    let other = store.open_again("there").await;
    let take_all = async |sender: &Sender<'_>| {
        sender.it_is(10);
        let mut taken = Vec::new();
        while let Some(lease) = sender.try_claim(campaign, 7).await {
            taken.extend(loaded(sender.store, &lease).await);
        }
        taken
    };
    let two = Sender::new(&other, "two");
    let (mut taken, more) = tokio::join!(take_all(&sender), take_all(&two));
    taken.extend(more);
    // On PostgreSQL one may have found all of what was left locked by the other and gone home.
    taken.extend(take_all(&sender).await);
    taken.sort_unstable();
    assert_eq!(taken, (1..=60).collect::<Vec<_>>());
    other.close().await;
});

store_on_both_engines!(the_retries_of_a_dead_sender_are_taken_over, |store| {
    let campaign = sending(store, 4).await;
    let (dead, heir) = (Sender::new(store, "dead"), Sender::new(store, "heir"));
    let lease = dead.claim(campaign, 4).await;
    let deliveries = all_of(&lease);
    dead.send(&deliveries[..1], &accepted()).await;
    dead.send(&deliveries[1..], &deferred(at(10))).await;
    dead.done_with(&lease).await;
    dead.it_is(10);
    let retries = dead.claim(campaign, 10).await;
    dead.put_on_wire(&[held(&retries, 3)]).await;
    heir.it_is(40);
    let taken = heir.claim(campaign, 10).await;
    assert_eq!((range(&taken), taken.kind), (range(&retries), LeaseKind::Retry));
    assert_eq!(loaded(store, &taken).await, [2, 4]);
    heir.send(&[held(&taken, 2), held(&taken, 4)], &accepted()).await;
    let expected = [(DeliveryState::Accepted, 3), (DeliveryState::Unknown, 1)];
    assert_eq!(store.ledger(campaign).await, expected);
});

store_on_both_engines!(a_dead_sender_leaves_its_leases_one_by_one, |store| {
    let campaign = sending(store, 6).await;
    let (dead, heir) = (Sender::new(store, "dead"), Sender::new(store, "heir"));
    let (first, second) = (dead.claim(campaign, 2).await, dead.claim(campaign, 2).await);
    dead.put_on_wire(&[held(&first, 1), held(&second, 3)]).await;
    heir.it_is(30);
    assert_eq!(range(&heir.claim(campaign, 2).await), range(&first));
    assert_eq!(seqs(store, campaign, DeliveryState::Unknown).await, [1]);
    assert_eq!(seqs(store, campaign, DeliveryState::OnWire).await, [3]);
    assert_eq!(range(&heir.claim(campaign, 2).await), range(&second));
    assert_eq!(seqs(store, campaign, DeliveryState::Unknown).await, [1, 3]);
    assert_eq!(range(&heir.claim(campaign, 2).await), (LeaseKind::Range, 5, 6));
});

store_on_both_engines!(all_leases_may_run_out_at_once, |store| {
    let campaign = sending(store, 4).await;
    let (dead, heir) = (Sender::new(store, "dead"), Sender::new(store, "heir"));
    let (first, second) = (dead.claim(campaign, 2).await, dead.claim(campaign, 2).await);
    assert!(heir.try_claim(campaign, 2).await.is_none());
    store.expire_all_leases().await.unwrap();
    assert_eq!(range(&heir.claim(campaign, 2).await), range(&first));
    assert_eq!(range(&heir.claim(campaign, 2).await), range(&second));
    assert!(heir.try_claim(campaign, 2).await.is_none());
});

store_on_both_engines!(leased_is_what_waits_under_a_living_lease, |store| {
    let campaign = sending(store, 9).await;
    let sender = Sender::new(store, "one");
    let leased = async |seconds| store.count_leased(campaign, at(seconds)).await.unwrap();
    assert_eq!(leased(0).await, 0);
    let (first, second) = (sender.claim(campaign, 5).await, sender.claim(campaign, 2).await);
    assert_eq!(leased(29).await, 7);
    sender.put_on_wire(&[held(&first, 1)]).await;
    assert_eq!(leased(29).await, 6);
    sender.give_back(&second).await;
    assert_eq!(leased(29).await, 4);
    assert_eq!(leased(30).await, 0, "the lease has run out");
});
