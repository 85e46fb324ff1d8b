//! Once more, to those whom a campaign did not reach.

use super::*;
use tidings_campaign::lifecycle::{Action, CampaignState};
use tidings_store::StoreError;
use tidings_store::children;
use tidings_tests::store_on_both_engines;

#[test]
fn a_campaign_to_those_not_reached_is_named_after_the_first() {
    assert_eq!(children::again_name("Spring news"), "Spring news, again");
}

/// A finished campaign to six readers: accepted, rejected, expired, withheld, unknown, rejected.
async fn finished(store: &Store) -> CampaignId {
    let campaign = sending(store, 6).await;
    let sender = Sender::new(store, "one");
    let lease = sender.claim(campaign, 6).await;
    let expired = Outcome::Expired(kept(452, "mailbox full"), busy());
    let outcomes = [
        accepted(),
        blocked(),
        expired,
        withheld(),
        unknown(UnknownPolicy::Hold),
        blocked(),
    ];
    for (delivery, outcome) in all_of(&lease).iter().zip(&outcomes) {
        sender.send(&[*delivery], outcome).await;
    }
    sender.done_with(&lease).await;
    assert!(store.finish_if_done(campaign, START).await.unwrap());
    campaign
}

async fn again(store: &Store, parent: CampaignId, states: &[DeliveryState]) -> CampaignId {
    let child = store
        .create_child(parent, states, "Once more", &By::command_line(), START)
        .await;
    child.unwrap()
}

/// Who is eligible, counted and page by page, and then planned.
async fn goes_to(store: &Store, campaign: CampaignId) -> Vec<String> {
    let page = store
        .eligible_page(campaign, RecipientId(0), 100, START)
        .await
        .unwrap();
    let page: Vec<_> = page
        .into_iter()
        .map(|eligible| eligible.recipient.unwrap().address.as_str().to_owned())
        .collect();
    assert_eq!(
        store.count_eligible(campaign, START).await.unwrap(),
        page.len() as i64
    );
    let planned = store.start_campaign(campaign, "{}", START).await.unwrap();
    assert_eq!(planned, page.len() as i64);
    let rows = store.list_deliveries(campaign, None, Seq(0), 100).await.unwrap();
    assert_eq!(rows.into_iter().map(|row| row.address).collect::<Vec<_>>(), page);
    page
}

store_on_both_engines!(a_child_goes_to_those_in_the_chosen_states, |store| {
    let parent = finished(store).await;
    let child = again(store, parent, &[DeliveryState::Rejected, DeliveryState::Expired]).await;
    assert_eq!(goes_to(store, child).await, [reader(2), reader(3), reader(6)]);
    let unknown = again(store, parent, &[DeliveryState::Unknown]).await;
    assert_eq!(goes_to(store, unknown).await, [reader(5)]);
});

store_on_both_engines!(a_child_is_made_like_its_parent, |store| {
    let lists = vec![list(store, "readers").await, list(store, "writers").await];
    let new = NewCampaign {
        reply_to: Some("Ann <ann@example.com>".to_owned()),
        rate: Some("50/s".to_owned()),
        unknown_policy: UnknownPolicy::Skip,
        pool: Some("marketing".to_owned()),
        max_sessions: Some(3),
        ..spring_news(lists)
    };
    let parent = store.create_campaign(&new, START).await.unwrap();
    store.move_campaign(parent, Action::Cancel, None).await.unwrap();
    let states = [DeliveryState::Withheld, DeliveryState::Unknown];
    let child = again(store, parent, &states).await;
    let kept = store.get_campaign(child).await.unwrap();
    assert_eq!(kept.parent, Some((parent, states.to_vec())));
    assert_eq!(
        (kept.name.as_str(), kept.state),
        ("Once more", CampaignState::Draft)
    );
    assert_eq!((kept.template, kept.subject), (new.template, new.subject));
    assert_eq!((kept.sender, kept.reply_to), (new.sender, new.reply_to));
    assert_eq!((kept.rate, kept.unknown_policy), (new.rate, new.unknown_policy));
    assert_eq!((kept.pool, kept.max_sessions), (new.pool, new.max_sessions));
    assert_eq!(kept.greatest_lateness, new.greatest_lateness);
    let lists = async |id| store.lists_of(id).await.unwrap();
    assert_eq!(lists(child).await, lists(parent).await);
});

store_on_both_engines!(a_child_leaves_out_who_may_not_be_mailed_any_more, |store| {
    let parent = finished(store).await;
    suppress(store, &reader(2)).await;
    let left = recipient_id(store, &reader(3)).await;
    store.unsubscribe(parent, left, "link", START).await.unwrap();
    let child = again(store, parent, &[DeliveryState::Rejected, DeliveryState::Expired]).await;
    assert_eq!(goes_to(store, child).await, [reader(6)]);
});

store_on_both_engines!(a_child_waits_until_its_parent_is_done, |store| {
    let parent = sending(store, 2).await;
    let rejected = [DeliveryState::Rejected];
    let refused = store
        .create_child(parent, &rejected, "Once more", &By::command_line(), START)
        .await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, StoreError::ParentNotDone { .. }), "{refused:?}");
    let words = refused.to_string();
    assert!(
        words.contains("sending") && words.contains("finished or cancelled"),
        "{words}"
    );
    store.move_campaign(parent, Action::Cancel, None).await.unwrap();
    store.settle_cancelled(parent, 10, START).await.unwrap();
    let child = again(store, parent, &[DeliveryState::Withheld]).await;
    assert_eq!(goes_to(store, child).await, [reader(1), reader(2)]);
    let unknown = store
        .create_child(
            CampaignId(999),
            &rejected,
            "Once more",
            &By::command_line(),
            START,
        )
        .await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "{unknown:?}");
});

store_on_both_engines!(a_child_is_about_outcomes_only, |store| {
    let parent = finished(store).await;
    for open in DeliveryState::ALL.into_iter().filter(|state| state.is_open()) {
        let refused = store
            .create_child(parent, &[open], "Once more", &By::command_line(), START)
            .await;
        assert!(
            matches!(refused, Err(StoreError::NoOutcome(_))),
            "{open}: {refused:?}"
        );
    }
    assert_eq!(store.list_campaigns(&[]).await.unwrap().len(), 1);
});
