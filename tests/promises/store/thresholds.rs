//! When a campaign pauses by itself: what it says of its thresholds, and what counts against them.

use super::*;
use tidings_campaign::lifecycle::{Action, CampaignState};
use tidings_feedback::thresholds::{OwnThresholds, Share, Tally};
use tidings_tests::store_on_both_engines;

fn tally(settled: u64, accepted: u64, hard: u64, complaints: u64) -> Tally {
    Tally {
        settled,
        accepted,
        hard,
        complaints,
    }
}

store_on_both_engines!(a_campaign_keeps_its_own_thresholds_and_hands_them_on, |store| {
    let own = OwnThresholds {
        hard_bounces: Some(Share::of_millionths(30_000)),
        complaints: Some(Share::NEVER),
        after: Some(100),
    };
    import(store, "readers", &readers(1)).await;
    let lists = vec![list(store, "readers").await];
    let new = NewCampaign {
        thresholds: own,
        ..spring_news(lists.clone())
    };
    let campaign = store.create_campaign(&new, START).await.unwrap();
    let kept = store.campaign_thresholds(campaign).await.unwrap();
    assert_eq!(kept, (own, Tally::default()));
    let plain = store.create_campaign(&spring_news(lists), START).await.unwrap();
    assert_eq!(
        store.campaign_thresholds(plain).await.unwrap(),
        Default::default()
    );
    store.start_campaign(campaign, "{}", START).await.unwrap();
    store.move_campaign(campaign, Action::Cancel, None).await.unwrap();
    let child = store
        .create_child(
            campaign,
            &[DeliveryState::Withheld],
            "again",
            &By::command_line(),
            START,
        )
        .await;
    let child = child.unwrap();
    assert_eq!(store.campaign_thresholds(child).await.unwrap().0, own);
});

store_on_both_engines!(what_was_before_a_resume_does_not_count_any_more, |store| {
    let campaign = sending(store, 8).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 8).await;
    let deliveries = all_of(&lease);
    sender.send(&deliveries[..3], &accepted()).await;
    sender.send(&deliveries[3..5], &rejected()).await;
    sender.send(&deliveries[5..6], &deferred(at(600))).await;
    // Accepted, and a report came for each: what has its own ways in.
    store
        .execute(&format!(
            "INSERT INTO bounce_counters (campaign_id, hour, node, relay, provider, kind, class, cause, reason, n) \
             VALUES ({campaign}, 1, 'there', '', '', 'bounce', 'hard', 'address', 'userunknown', 1), \
             ({campaign}, 1, 'there', '', '', 'bounce', 'soft', 'mailbox_full', 'mailboxfull', 1), \
             ({campaign}, 1, 'there', '', '', 'complaint', 'complaint', 'person', 'feedback', 2)"
        ))
        .await;
    let now = tally(5, 3, 3, 2);
    assert_eq!(store.tally(campaign).await.unwrap(), now);
    store
        .move_campaign(campaign, Action::Pause, Some("a look"))
        .await
        .unwrap();
    assert_eq!(
        store.campaign_thresholds(campaign).await.unwrap().1,
        Tally::default()
    );
    let state = store.move_campaign(campaign, Action::Resume, None).await.unwrap();
    assert_eq!(state, CampaignState::Sending);
    let (own, before) = store.campaign_thresholds(campaign).await.unwrap();
    assert_eq!((own, before), (OwnThresholds::default(), now));
    sender.send(&deliveries[6..], &rejected()).await;
    let since = store.tally(campaign).await.unwrap().since(before);
    assert_eq!(since, tally(2, 0, 2, 0));
});
