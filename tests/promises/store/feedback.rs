//! What came in: kept once, matched, judged, and acted upon.

use super::*;
use tidings_campaign::token::{DeliveryToken, KeyRing};
use tidings_feedback::event::{Event, EventKind};
use tidings_feedback::policy::{Policy, SoftRule};
use tidings_feedback::reason::Reason;
use tidings_store::bounces::{Asked, By, Figures};
use tidings_store::domain_providers::DomainProvider;
use tidings_store::feedback::{Done, MatchedBy, NewArrival, Taken, Way};
use tidings_tests::store_on_both_engines;

pub(super) const POLICY: Policy = Policy {
    soft: SoftRule {
        in_row: 3,
        over: Duration::from_secs(10 * 86_400),
    },
    window: Duration::from_secs(7 * 86_400),
    stale: Duration::from_secs(30 * 86_400),
};

const DAY: u64 = 86_400;

pub(super) async fn keys(store: &Store) -> KeyRing {
    store.key_ring(START).await.unwrap()
}

/// A campaign whose deliveries were all accepted at so many seconds after the start.
pub(super) async fn sent_at(store: &Store, n: usize, seconds: u64) -> CampaignId {
    let campaign = sending(store, n).await;
    let sender = Sender::new(store, "one");
    sender.it_is(seconds);
    let lease = sender.claim(campaign, n as i64).await;
    sender.send(&all_of(&lease), &accepted()).await;
    sender.done_with(&lease).await;
    campaign
}

/// What came back to the return path of a delivery.
pub(super) async fn about(
    store: &Store,
    campaign: CampaignId,
    seq: i64,
    kind: EventKind,
    reason: Reason,
) -> Event {
    let seq = Seq(seq);
    let token = DeliveryToken { campaign, seq }.sign(&keys(store).await);
    let mut event = Event::of(kind, String::new(), reason, "a rule");
    event.clues.recipients = vec![format!("b-{token}@bounce.example.com")];
    event
}

pub(super) fn arrival(key: &str, events: Vec<Event>, seconds: u64) -> NewArrival {
    NewArrival {
        way: Way::Smtp,
        key: key.to_owned(),
        events,
        raw: format!("as it came: {key}").into_bytes(),
        received_at: at(seconds),
    }
}

pub(super) async fn take(store: &Store, arrivals: &[NewArrival], seconds: u64) -> Vec<Taken> {
    store
        .take_feedback(arrivals, &POLICY, &keys(store).await, at(seconds))
        .await
        .unwrap()
}

pub(super) async fn take_one(store: &Store, event: Event, seconds: u64) -> Done {
    let key = format!("{event:?} at {seconds}");
    let taken = take(store, &[arrival(&key, vec![event], seconds)], seconds).await;
    taken[0].events[0].done
}

pub(super) async fn why_suppressed(store: &Store, mailbox: &str) -> Option<String> {
    let found = store.find_suppression(&address(mailbox)).await.unwrap();
    found.map(|found| found.reason)
}

store_on_both_engines!(the_same_arrival_is_taken_once_in_a_batch_or_later, |store| {
    let campaign = sent_at(store, 1, 1).await;
    let event = about(store, campaign, 1, EventKind::Bounce, Reason::UserUnknown).await;
    let one = arrival("one", vec![event], 60);
    let taken = take(store, &[one.clone(), one.clone()], 60).await;
    assert_eq!((taken[0].is_known, taken[1].is_known), (false, true));
    assert_eq!(taken[0].id, taken[1].id);
    let again = take(store, &[one], 90).await;
    assert_eq!(
        (again[0].id, again[0].is_known, again[0].events.len()),
        (taken[0].id, true, 0)
    );
    let kept = store.arrival(taken[0].id).await.unwrap().unwrap();
    assert_eq!(
        (kept.way.as_str(), kept.raw.as_slice(), kept.received_at),
        ("smtp", b"as it came: one".as_slice(), at(60))
    );
    assert_eq!(store.arrival(4711).await.unwrap(), None);
    assert_eq!(store.empty_old_arrivals(at(60), 10).await.unwrap(), 0);
    assert_eq!(store.empty_old_arrivals(at(61), 10).await.unwrap(), 1);
    let kept = store.arrival(taken[0].id).await.unwrap().unwrap();
    assert_eq!((kept.raw.len(), kept.octets), (0, 15));
});

store_on_both_engines!(many_arrivals_are_taken_at_once_each_for_its_delivery, |store| {
    let n = 700;
    let campaign = sent_at(store, n, 1).await;
    let mut arrivals = Vec::new();
    for seq in 1..=n as i64 {
        let event = about(store, campaign, seq, EventKind::Bounce, Reason::UserUnknown).await;
        arrivals.push(arrival(&format!("report {seq}"), vec![event], 60));
    }
    let taken = take(store, &arrivals, 60).await;
    for (at, taken) in taken.iter().enumerate() {
        let event = &taken.events[0];
        assert_eq!(event.delivery, Some((campaign, Seq(at as i64 + 1))));
        assert_eq!(
            (event.matched_by, event.done),
            (MatchedBy::ReturnPath, Done::Suppressed)
        );
    }
    let suppressed = store.list_suppressions("", 1_000).await.unwrap();
    assert_eq!(suppressed.len(), n);
    let mut all = Vec::new();
    let mut before = i64::MAX;
    loop {
        let page = store.list_events(Some(campaign), before, 300).await.unwrap();
        let Some(last) = page.last() else { break };
        before = last.id;
        all.extend(page);
    }
    assert_eq!(all.len(), n);
    assert_eq!(store.list_events(None, i64::MAX, 5).await.unwrap()[..], all[..5]);
    assert!(
        store
            .list_events(Some(CampaignId(99)), i64::MAX, 5)
            .await
            .unwrap()
            .is_empty()
    );
});

store_on_both_engines!(an_event_counts_once_for_its_delivery_and_kind, |store| {
    let campaign = sent_at(store, 2, 1).await;
    let event = |seq, kind, reason| about(store, campaign, seq, kind, reason);
    let full = event(1, EventKind::Bounce, Reason::MailboxFull).await;
    assert_eq!(take_one(store, full.clone(), 60).await, Done::Counted);
    assert_eq!(take_one(store, full.clone(), 61).await, Done::Known);
    let late = event(1, EventKind::Delay, Reason::MailboxFull).await;
    assert_eq!(take_one(store, late, 62).await, Done::Counted, "another kind");
    let other = event(2, EventKind::Bounce, Reason::MailboxFull).await;
    assert_eq!(
        take_one(store, other, 63).await,
        Done::Counted,
        "another delivery"
    );
    // Two of one batch.
    let spam = event(2, EventKind::Complaint, Reason::Feedback).await;
    let two = [
        arrival("first", vec![spam.clone()], 64),
        arrival("second", vec![spam], 64),
    ];
    let taken = take(store, &two, 64).await;
    assert_eq!(
        (taken[0].events[0].done, taken[1].events[0].done),
        (Done::Suppressed, Done::Known)
    );
    assert_eq!(
        why_suppressed(store, &reader(2)).await.as_deref(),
        Some("complaint")
    );
});

store_on_both_engines!(what_was_refused_already_is_no_second_bounce, |store| {
    let campaign = sending(store, 1).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 1).await;
    sender.send(&all_of(&lease), &rejected()).await;
    sender.done_with(&lease).await;
    let event = about(store, campaign, 1, EventKind::Bounce, Reason::UserUnknown).await;
    assert_eq!(take_one(store, event, 60).await, Done::Known);
});

store_on_both_engines!(a_report_on_what_was_never_sent_or_long_ago_is_stale, |store| {
    let campaign = sending(store, 2).await;
    let event = about(store, campaign, 1, EventKind::Bounce, Reason::UserUnknown).await;
    assert_eq!(
        take_one(store, event.clone(), 60).await,
        Done::Stale,
        "not sent yet"
    );
    let nobody = about(store, campaign, 3, EventKind::Bounce, Reason::UserUnknown).await;
    assert_eq!(
        take_one(store, nobody, 61).await,
        Done::Stale,
        "there is no such delivery"
    );
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 2).await;
    sender.send(&all_of(&lease), &accepted()).await;
    sender.done_with(&lease).await;
    assert_eq!(take_one(store, event, 31 * DAY).await, Done::Stale, "long ago");
    assert_eq!(why_suppressed(store, &reader(1)).await, None);
    let spam = about(store, campaign, 1, EventKind::Complaint, Reason::Feedback).await;
    assert_eq!(
        take_one(store, spam, 31 * DAY).await,
        Done::Suppressed,
        "a person's word"
    );
});

store_on_both_engines!(
    without_a_signature_the_last_message_to_the_address_is_meant,
    |store| {
        let first = sent_at(store, 1, 1).await;
        let second = sent_at(store, 1, DAY).await;
        let mut event = Event::of(
            EventKind::Bounce,
            reader(1).to_uppercase(),
            Reason::MailboxFull,
            "a rule",
        );
        let taken = take(
            store,
            &[arrival("by address", vec![event.clone()], 2 * DAY)],
            2 * DAY,
        )
        .await;
        assert_eq!(taken[0].events[0].delivery, Some((second, Seq(1))));
        assert_eq!(taken[0].events[0].matched_by, MatchedBy::Address);
        event.clues.feedback_id = Some(format!("campaign-{first}:list-1:newsletter:x"));
        let taken = take(
            store,
            &[arrival("by feedback id", vec![event.clone()], 2 * DAY)],
            2 * DAY,
        )
        .await;
        assert_eq!(taken[0].events[0].delivery, Some((first, Seq(1))));
        assert_eq!(taken[0].events[0].matched_by, MatchedBy::FeedbackId);
        event.clues.feedback_id = None;
        event.kind = EventKind::Delay;
        assert_eq!(
            take_one(store, event.clone(), 9 * DAY).await,
            Done::Unmatched,
            "over the window"
        );
        event.address = "nobody@example.org".to_owned();
        assert_eq!(take_one(store, event, 2 * DAY).await, Done::Unmatched);
    }
);

store_on_both_engines!(soft_bounces_in_a_row_over_days_suppress, |store| {
    for (nth, (day, expected)) in [(0, Done::Counted), (6, Done::Counted), (12, Done::Suppressed)]
        .into_iter()
        .enumerate()
    {
        let campaign = sent_at(store, 1, day * DAY + 1).await;
        let full = about(store, campaign, 1, EventKind::Bounce, Reason::MailboxFull).await;
        assert_eq!(
            take_one(store, full, day * DAY + 60).await,
            expected,
            "number {nth}"
        );
    }
    assert_eq!(
        why_suppressed(store, &reader(1)).await.as_deref(),
        Some("soft_bounces")
    );
    // Lifted: the row begins anew.
    let lifted = store
        .lift_suppression(&address(&reader(1)), at(13 * DAY))
        .await
        .unwrap();
    assert_eq!(lifted.unwrap().reason, "soft_bounces");
    let campaign = sent_at(store, 1, 14 * DAY).await;
    let full = about(store, campaign, 1, EventKind::Bounce, Reason::MailboxFull).await;
    assert_eq!(take_one(store, full, 14 * DAY + 60).await, Done::Counted);
    let lifted = store.lifted_suppressions(&address(&reader(1))).await.unwrap();
    assert_eq!((lifted.len(), lifted[0].1), (1, at(13 * DAY)));
});

store_on_both_engines!(an_accepted_message_between_forgets_soft_bounces, |store| {
    for (day, bounces) in [(0, true), (4, true), (8, false), (12, true), (16, true)] {
        let campaign = sent_at(store, 1, day * DAY + 1).await;
        if bounces {
            let full = about(store, campaign, 1, EventKind::Bounce, Reason::MailboxFull).await;
            assert_eq!(
                take_one(store, full, day * DAY + 60).await,
                Done::Counted,
                "day {day}"
            );
        }
    }
    assert_eq!(why_suppressed(store, &reader(1)).await, None);
});

store_on_both_engines!(a_record_tells_everything_of_an_address, |store| {
    let campaign = sent_at(store, 2, 1).await;
    let event = about(store, campaign, 1, EventKind::Bounce, Reason::UserUnknown).await;
    take_one(store, event, 60).await;
    let record = store.recipient_record(&address(&reader(1)), 10).await.unwrap();
    assert_eq!(
        record.recipient.unwrap().id,
        recipient_id(store, &reader(1)).await
    );
    assert_eq!(
        (record.lists[0].list.as_str(), record.lists[0].state.as_str()),
        ("readers", "confirmed")
    );
    assert_eq!(record.suppression.unwrap().reason, "hard_bounce");
    assert_eq!(record.deliveries[0].state, "accepted");
    assert_eq!(
        record.events,
        store.events_of_address(&reader(1), 10).await.unwrap()
    );
    assert_eq!(
        (record.events.len(), record.events[0].done.as_str()),
        (1, "suppressed")
    );
    let nobody = store
        .recipient_record(&address("nobody@example.org"), 10)
        .await
        .unwrap();
    assert!(nobody.recipient.is_none() && nobody.lists.is_empty() && nobody.events.is_empty());
});

store_on_both_engines!(what_came_back_is_counted_once_by_relay_and_provider, |store| {
    let campaign = sent_at(store, 4, 0).await;
    let known = [DomainProvider {
        domain: "example.org".to_owned(),
        provider: "gmail".to_owned(),
        looked_up_at: START,
    }];
    store.put_domain_providers(&known).await.unwrap();
    let mut events = Vec::new();
    for (seq, kind, reason) in [
        (1, EventKind::Bounce, Reason::UserUnknown),
        (1, EventKind::Bounce, Reason::UserUnknown),
        (2, EventKind::Complaint, Reason::Feedback),
        (3, EventKind::Autoreply, Reason::Vacation),
    ] {
        events.push(about(store, campaign, seq, kind, reason).await);
    }
    take(store, &[arrival("one", events.clone(), DAY)], DAY).await;
    take(store, &[arrival("two", events, DAY)], DAY).await;
    let expected = Figures {
        accepted: 4,
        reported: 1,
        hard: 1,
        complaints: 1,
        autoreplies: 1,
        ..Figures::default()
    };
    for (by, key, accepted) in [(By::Relay, "primary", 4), (By::Provider, "gmail", 0)] {
        let asked = Asked {
            campaign: Some(campaign),
            by,
            since: None,
        };
        let found = store.bounce_breakdown(asked).await.unwrap();
        let row = found.rows.iter().find(|row| row.key == key).unwrap();
        let expected = Figures {
            key: key.to_owned(),
            accepted,
            ..expected.clone()
        };
        assert_eq!(row, &expected);
    }
    let tally = store.tally(campaign).await.unwrap();
    assert_eq!((tally.settled, tally.hard, tally.complaints), (4, 1, 1));
});
