//! What is kept of every attempt.

use super::*;
use tidings_store::attempts::ListedAttempt;
use tidings_tests::store_on_both_engines;

/// A delivery that was on the wire, with what is known of the attempt.
fn ended(held: Held, outcome: Outcome, attempt: Option<Tried>) -> Settlement {
    Settlement {
        attempt,
        ..settled(held, outcome)
    }
}

fn told(attempt: &ListedAttempt) -> (i64, i64, &str) {
    (attempt.seq, attempt.attempt, &attempt.outcome)
}

async fn attempts(store: &Store, campaign: CampaignId, seq: i64) -> Vec<ListedAttempt> {
    store.attempts(campaign, Seq(seq)).await.unwrap()
}

store_on_both_engines!(every_attempt_of_a_delivery_is_told_in_full, |store| {
    let campaign = sending(store, 1).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 1).await;
    sender.put_on_wire(&all_of(&lease)).await;
    sender.it_is(9);
    let refused = ended(held(&lease, 1), deferred(at(60)), tried(4));
    sender.record(Vec::new(), vec![refused]).await;
    sender.done_with(&lease).await;
    sender.it_is(60);
    let retries = sender.claim(campaign, 1).await;
    sender.put_on_wire(&all_of(&retries)).await;
    sender.it_is(61);
    let taken = ended(held(&retries, 1), accepted(), tried(60));
    sender.record(Vec::new(), vec![taken]).await;
    let row = listed(store, campaign, 1).await;
    assert_eq!((row.session, row.duration_us), (Some(2), Some(40_000)));
    let first = ListedAttempt {
        seq: 1,
        address: reader(1),
        attempt: 1,
        at: at(4).0,
        relay: Some("primary".to_owned()),
        session: Some(2),
        outcome: "deferred".to_owned(),
        code: Some(451),
        enhanced: Some("4.0.0".to_owned()),
        reply: Some("try again later".to_owned()),
        class: Some("soft".to_owned()),
        cause: Some("rate".to_owned()),
        reason: Some("speeding".to_owned()),
        rule: Some("too-fast".to_owned()),
        action: None,
        duration_us: Some(40_000),
    };
    let second = ListedAttempt {
        attempt: 2,
        at: at(61).0 - 40_000,
        outcome: "accepted".to_owned(),
        code: Some(250),
        enhanced: Some("2.0.0".to_owned()),
        reply: Some("queued".to_owned()),
        class: None,
        cause: None,
        reason: None,
        rule: None,
        ..first.clone()
    };
    assert_eq!(attempts(store, campaign, 1).await, [first, second]);
});

store_on_both_engines!(only_what_was_tried_is_an_attempt, |store| {
    let campaign = sending(store, 9).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 9).await;
    let deliveries = all_of(&lease);
    sender.put_on_wire(&deliveries[..6]).await;
    let expired = Outcome::Expired(kept(452, "mailbox full"), busy());
    let on_wire = [
        accepted(),
        rejected(),
        expired,
        unknown(UnknownPolicy::Hold),
        unknown(UnknownPolicy::Resend),
        Outcome::Returned,
    ];
    let on_wire = deliveries.iter().zip(on_wire).map(|(held, o)| settled(*held, o));
    let before = [withheld(), put_aside("global", at(60)), rejected()];
    let before = deliveries[6..].iter().zip(before);
    let before = before.map(|(held, o)| settled_before(*held, o));
    sender.record(Vec::new(), on_wire.chain(before).collect()).await;
    let all = store.list_attempts(campaign, (Seq(0), 0), 100).await.unwrap();
    let expected = [
        (1, 1, "accepted"),
        (2, 1, "rejected"),
        (3, 1, "expired"),
        (4, 1, "unknown"),
        (5, 1, "unknown"),
        (9, 1, "rejected"),
    ];
    assert_eq!(all.iter().map(told).collect::<Vec<_>>(), expected);
    assert!(attempts(store, campaign, 6).await.is_empty());
    assert_eq!(all[3].reason.as_deref(), Some("the connection broke"));
});

store_on_both_engines!(
    attempts_are_kept_when_a_batch_is_gone_through_one_by_one,
    |store| {
        let campaign = sending(store, 3).await;
        let sender = Sender::new(store, "one");
        let lease = sender.claim(campaign, 3).await;
        let deliveries = all_of(&lease);
        sender.put_on_wire(&deliveries[..2]).await;
        // The second is reported twice, the third never was on the wire.
        let reported = [
            (0, rejected()),
            (1, deferred(at(60))),
            (1, rejected()),
            (2, rejected()),
        ];
        let reported = reported.map(|(n, outcome)| settled(deliveries[n], outcome));
        sender.record(Vec::new(), reported.to_vec()).await;
        let all = store.list_attempts(campaign, (Seq(0), 0), 100).await.unwrap();
        let expected = [(1, 1, "rejected"), (2, 1, "deferred")];
        assert_eq!(all.iter().map(told).collect::<Vec<_>>(), expected);
    }
);

store_on_both_engines!(the_attempts_of_a_campaign_are_read_page_by_page, |store| {
    let campaign = sending(store, 700).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 700).await;
    let deliveries = all_of(&lease);
    sender.send(&deliveries[..600], &deferred(at(10))).await;
    sender.send(&deliveries[600..], &accepted()).await;
    sender.done_with(&lease).await;
    sender.it_is(10);
    let retries = sender.claim(campaign, 700).await;
    sender.send(&all_of(&retries)[..300], &accepted()).await;
    let (mut found, mut after) = (Vec::new(), (Seq(0), 0));
    loop {
        let page = store.list_attempts(campaign, after, 7).await.unwrap();
        assert!(page.len() <= 7);
        let Some(last) = page.last() else { break };
        after = (Seq(last.seq), last.attempt);
        found.extend(page.iter().map(|a| (a.seq, a.attempt, a.outcome.clone())));
    }
    let mut expected = Vec::new();
    for seq in 1..=700 {
        if seq <= 600 {
            expected.push((seq, 1, "deferred".to_owned()));
        }
        if seq <= 300 || seq > 600 {
            expected.push((seq, if seq <= 300 { 2 } else { 1 }, "accepted".to_owned()));
        }
    }
    assert_eq!(found, expected);
});

store_on_both_engines!(
    an_attempt_that_was_lost_with_its_sender_is_kept_until_the_truth_is_told,
    |store| {
        let campaign = sending(store, 3).await;
        let (one, two) = (Sender::new(store, "one"), Sender::new(store, "two"));
        let lease = one.claim(campaign, 3).await;
        one.it_is(3);
        one.put_on_wire(&all_of(&lease)).await;
        two.it_is(40);
        let taken = two.claim(campaign, 3).await;
        assert_eq!((taken.first, taken.last), (lease.first, lease.last));
        let lost = attempts(store, campaign, 1).await;
        assert_eq!(told(&lost[0]), (1, 1, "unknown"));
        assert_eq!((lost[0].at, lost[0].relay.as_deref()), (at(3).0, None));
        assert_eq!(lost[0].cause.as_deref(), Some("network"));

        one.it_is(41);
        one.settle(&[held(&lease, 1)], &accepted()).await;
        let late = ended(held(&lease, 2), rejected(), tried(3));
        one.record(Vec::new(), vec![late]).await;
        let all = store.list_attempts(campaign, (Seq(0), 0), 100).await.unwrap();
        let expected = [(1, 1, "accepted"), (2, 1, "rejected"), (3, 1, "unknown")];
        assert_eq!(all.iter().map(told).collect::<Vec<_>>(), expected);
        assert_eq!(
            (all[1].at, all[1].code, all[1].session),
            (at(3).0, Some(550), Some(2))
        );
    }
);

store_on_both_engines!(a_delivery_is_found_by_its_recipient, |store| {
    let campaign = sending(store, 3).await;
    let recipient = recipient_id(store, &reader(2)).await;
    let found = store.find_delivery(campaign, recipient).await.unwrap();
    assert_eq!(found, Some(Seq(2)));
    let elsewhere = draft(store, &["readers"]).await;
    assert_eq!(store.find_delivery(elsewhere, recipient).await.unwrap(), None);
});
