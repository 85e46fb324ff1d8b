//! What pages show: summaries, counters, the state of the sending, unsubscribes.

use super::*;
use tidings_campaign::lifecycle::{Action, CampaignState};
use tidings_store::send_status::SendStatus;
use tidings_tests::store_on_both_engines;

store_on_both_engines!(a_summary_counts_every_state, |store| {
    let campaign = sending(store, 6).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 6).await;
    let deliveries = all_of(&lease);
    sender.send(&deliveries[..3], &accepted()).await;
    sender.send(&deliveries[3..4], &rejected()).await;
    sender.put_on_wire(&deliveries[4..5]).await;
    let summary = store.find_campaign_summary(campaign).await.unwrap().unwrap();
    assert_eq!((summary.id, summary.name.as_str()), (campaign, "Spring news"));
    assert_eq!(
        (summary.state, summary.state_reason),
        (CampaignState::Sending, None)
    );
    assert_eq!((summary.planned, summary.started_at), (6, Some(START)));
    assert_eq!((summary.schedule, summary.finished_at), (None, None));
    assert_eq!(summary.states, [1, 0, 1, 3, 0, 1, 0, 0, 0]);
    let of_all = store.campaign_summaries(10).await.unwrap();
    assert_eq!(of_all[0].states, summary.states);
    assert_eq!(of_all[0].count(DeliveryState::Accepted), 3);
    assert_eq!(of_all[0].count(DeliveryState::Unknown), 0);
});

store_on_both_engines!(what_is_under_way_is_shown_first, |store| {
    import(store, "readers", &readers(2)).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(draft(store, &["readers"]).await);
    }
    let schedule = Schedule {
        at: at(60),
        local: "2026-12-01 09:00".to_owned(),
        zone: "Europe/Berlin".to_owned(),
    };
    store.start_campaign(made[0], "{}", START).await.unwrap();
    store
        .schedule_campaign(made[1], &starts(&schedule), &By::command_line(), START)
        .await
        .unwrap();
    store
        .move_campaign(made[3], Action::Cancel, Some("a wrong link"))
        .await
        .unwrap();
    let summaries = store.campaign_summaries(10).await.unwrap();
    let ids: Vec<_> = summaries.iter().map(|s| s.id).collect();
    assert_eq!(ids, [made[1], made[0], made[4], made[3], made[2]]);
    assert_eq!(summaries[0].schedule, Some(schedule));
    assert_eq!(summaries[3].state_reason.as_deref(), Some("a wrong link"));
    let first = store.campaign_summaries(2).await.unwrap();
    let ids: Vec<_> = first.iter().map(|s| s.id).collect();
    assert_eq!(ids, [made[1], made[0]]);
    assert_eq!(first[1].count(DeliveryState::Planned), 2);
});

store_on_both_engines!(what_happened_is_counted_by_the_minute_over_all_nodes, |store| {
    let campaign = sending(store, 6).await;
    let other = store.open_again("there").await;
    let (one, two) = (Sender::new(store, "one"), Sender::new(&other, "two"));
    let (here, there) = (one.claim(campaign, 3).await, two.claim(campaign, 3).await);
    one.it_is(10);
    two.it_is(20);
    one.send(&all_of(&here)[..2], &accepted()).await;
    two.send(&all_of(&there)[..2], &accepted()).await;
    one.it_is(70);
    one.renew(&[here.id]).await;
    one.send(&all_of(&here)[2..], &rejected()).await;
    let since = async |minute| {
        let counts = store.counts_since(minute).await.unwrap();
        let mut counts: Vec<_> = counts
            .into_iter()
            .map(|c| {
                assert_eq!(c.campaign_id, campaign.0);
                (c.minute - START.minute(), c.outcome, c.class, c.n)
            })
            .collect();
        counts.sort();
        counts
    };
    let taken = (0, "accepted".to_owned(), String::new(), 4);
    let refused = (1, "rejected".to_owned(), "hard".to_owned(), 1);
    assert_eq!(since(0).await, [taken.clone(), refused.clone()]);
    assert_eq!(since(START.minute()).await, [taken, refused.clone()]);
    assert_eq!(since(START.minute() + 1).await, [refused]);
    assert!(since(START.minute() + 2).await.is_empty());
    other.close().await;
});

store_on_both_engines!(what_happened_is_told_apart_by_day_relay_and_provider, |store| {
    import(store, "readers", &readers(4)).await;
    let sender = Sender::new(store, "one");
    let mut campaigns = Vec::new();
    for _ in 0..2 {
        let campaign = draft(store, &["readers"]).await;
        store.start_campaign(campaign, "{}", START).await.unwrap();
        campaigns.push(campaign);
        sender.it_is(0);
        let lease = sender.claim(campaign, 4).await;
        sender.put_on_wire(&all_of(&lease)).await;
        let through = |seq, relay: &str, provider, outcome| Settlement {
            relay: relay.to_owned(),
            provider,
            ..settled(held(&lease, seq), outcome)
        };
        let first = vec![
            through(1, "primary", "gmail", accepted()),
            through(2, "primary", "gmail", accepted()),
            through(3, "second", "other", deferred(at(60))),
        ];
        sender.record(Vec::new(), first).await;
        sender.it_is(86_400);
        sender
            .record(Vec::new(), vec![through(4, "primary", "gmail", accepted())])
            .await;
    }
    let rows = async |campaign| {
        let rows = store.breakdown(campaign).await.unwrap();
        rows.into_iter()
            .map(|b| {
                format!(
                    "{} {} {} {} {} {}",
                    b.day, b.relay, b.provider, b.outcome, b.class, b.n
                )
            })
            .collect::<Vec<_>>()
    };
    let expected = [
        "20000 primary gmail accepted  2",
        "20000 second other deferred soft 1",
        "20001 primary gmail accepted  1",
    ];
    for campaign in campaigns {
        assert_eq!(rows(Some(campaign)).await, expected);
    }
    let expected = [
        "20000 primary gmail accepted  4",
        "20000 second other deferred soft 2",
        "20001 primary gmail accepted  2",
    ];
    assert_eq!(rows(None).await, expected);
    assert!(rows(Some(CampaignId(77))).await.is_empty());
});

store_on_both_engines!(
    the_rates_of_all_senders_are_added_and_the_last_to_end_counts,
    |store| {
        let campaign = draft(store, &["readers"]).await;
        assert_eq!(store.send_status(campaign, START).await.unwrap(), None);
        let other = store.open_again("there").await;
        let status = |rate_per_second, limit: Option<&str>, eta_seconds| SendStatus {
            rate_per_second,
            binding_limit: limit.map(str::to_owned),
            eta_seconds,
        };
        let say = async |store: &Store, status: SendStatus, seconds| {
            let said = store.set_send_status(campaign, &status, at(seconds)).await;
            said.unwrap();
        };
        say(store, status(99.0, Some("the relay"), None), 0).await;
        say(store, status(20.5, None, Some(60.0)), 1).await;
        say(&other, status(10.25, Some("the campaign's rate"), Some(7.5)), 5).await;
        let known = async |seconds| store.send_status(campaign, at(seconds)).await.unwrap();
        assert_eq!(
            known(1).await,
            Some(status(30.75, Some("the campaign's rate"), Some(60.0)))
        );
        assert_eq!(
            known(2).await,
            Some(status(10.25, Some("the campaign's rate"), Some(7.5)))
        );
        assert_eq!(known(6).await, None, "said too long ago");
        let another = draft(store, &["readers"]).await;
        assert_eq!(store.send_status(another, START).await.unwrap(), None);
        other.close().await;
    }
);

store_on_both_engines!(an_unsubscribe_counts_once_however_often_it_comes, |store| {
    let campaign = sending(store, 2).await;
    let leaving = recipient_id(store, &reader(1)).await;
    let unsubscribe = async |how, seconds| {
        let first = store.unsubscribe(campaign, leaving, how, at(seconds)).await;
        first.unwrap()
    };
    assert!(unsubscribe("link", 1).await);
    assert!(!unsubscribe("one-click", 2).await);
    assert!(!unsubscribe("link", 3).await);
    let left = [Subscription::Unsubscribed];
    assert_eq!(standing(store, campaign, &reader(1)).await, left);
    assert_eq!(
        standing(store, campaign, &reader(2)).await,
        [Subscription::Confirmed]
    );
    let happened = store.counts_since(START.minute()).await.unwrap();
    let happened: Vec<_> = happened.iter().map(|c| (c.outcome.as_str(), c.n)).collect();
    assert_eq!(happened, [("unsubscribed", 1)]);
    // By another campaign to the same list it counts again, though nothing is left to change.
    let another = draft(store, &["readers"]).await;
    assert!(store.unsubscribe(another, leaving, "link", at(4)).await.unwrap());
});

store_on_both_engines!(who_unsubscribes_leaves_every_list_of_the_campaign, |store| {
    import(store, "readers", &readers(1)).await;
    import(store, "others", &readers(1)).await;
    let campaign = draft(store, &["readers", "writers"]).await;
    let leaving = recipient_id(store, &reader(1)).await;
    assert!(store.unsubscribe(campaign, leaving, "link", START).await.unwrap());
    let left = [Subscription::Unsubscribed; 2];
    assert_eq!(standing(store, campaign, &reader(1)).await, left);
    let to_others = draft(store, &["others"]).await;
    assert_eq!(
        standing(store, to_others, &reader(1)).await,
        [Subscription::Confirmed]
    );
    // A later import to a list that they were not even on does not bring them there.
    import(store, "writers", &readers(1)).await;
    assert_eq!(store.count_eligible(campaign, START).await.unwrap(), 0);
});

store_on_both_engines!(who_unsubscribes_from_a_lost_campaign_leaves_every_list, |store| {
    import(store, "readers", &readers(2)).await;
    import(store, "writers", &readers(2)).await;
    let leaving = recipient_id(store, &reader(1)).await;
    assert!(
        store
            .unsubscribe(CampaignId(77), leaving, "link", START)
            .await
            .unwrap()
    );
    assert!(
        !store
            .unsubscribe(CampaignId(77), leaving, "link", START)
            .await
            .unwrap()
    );
    for list in store.lists().await.unwrap() {
        assert_eq!(list.confirmed, 1, "{}", list.name);
    }
    // Nor need the recipient be known.
    let nobody = RecipientId(-5);
    assert!(
        store
            .unsubscribe(CampaignId(77), nobody, "link", START)
            .await
            .unwrap()
    );
});
