//! Campaigns and their life.

use super::*;
use tidings_campaign::lifecycle::{Action, CampaignState};
use tidings_store::StoreError;
use tidings_tests::store_on_both_engines;

fn schedule(seconds: u64) -> Schedule {
    Schedule {
        at: at(seconds),
        local: "2026-12-01 09:00".to_owned(),
        zone: "Europe/Berlin".to_owned(),
    }
}

async fn state(store: &Store, campaign: CampaignId) -> CampaignState {
    store.get_campaign(campaign).await.unwrap().state
}

#[track_caller]
fn assert_not_found<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    match answer {
        Err(StoreError::NotFound { what, name }) => assert_eq!((what, name.as_str()), ("campaign", "77")),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(super) fn assert_refused<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::NotAllowed(_))), "{answer:?}");
}

store_on_both_engines!(a_campaign_is_kept_as_it_was_made, |store| {
    let lists = vec![list(store, "writers").await, list(store, "readers").await];
    let new = NewCampaign {
        name: "Čas jara ❀".to_owned(),
        reply_to: Some("Ann <ann@example.com>".to_owned()),
        rate: Some("50/s".to_owned()),
        unknown_policy: UnknownPolicy::Skip,
        greatest_lateness: Duration::from_secs(120),
        pool: Some("marketing".to_owned()),
        max_sessions: Some(3),
        ..spring_news(lists.clone())
    };
    let id = store.create_campaign(&new, START).await.unwrap();
    let kept = store.get_campaign(id).await.unwrap();
    assert_eq!(kept.id, id);
    assert_eq!(kept.name, new.name);
    assert_eq!(kept.template, new.template);
    assert_eq!(kept.subject, new.subject);
    assert_eq!(kept.sender, new.sender);
    assert_eq!(kept.reply_to, new.reply_to);
    assert_eq!(kept.rate, new.rate);
    assert_eq!(kept.unknown_policy, new.unknown_policy);
    assert_eq!(kept.greatest_lateness, new.greatest_lateness);
    assert_eq!((kept.pool, kept.max_sessions), (new.pool, new.max_sessions));
    assert_eq!(kept.parent, None);
    assert_eq!(kept.state, CampaignState::Draft);
    assert_eq!(
        (kept.state_reason, kept.schedule, kept.content),
        (None, None, None)
    );
    assert_eq!((kept.planned, kept.started_at, kept.finished_at), (0, None, None));
    assert_eq!(
        store.lists_of(id).await.unwrap(),
        [(lists[0], "writers".to_owned()), (lists[1], "readers".to_owned())]
    );
    assert!(store.delivery_counts(id).await.unwrap().is_empty());
});

store_on_both_engines!(a_campaign_that_does_not_exist_is_not_found, |store| {
    let nobody = CampaignId(77);
    assert_not_found(store.get_campaign(nobody).await);
    assert_not_found(store.start_campaign(nobody, "{}", START).await);
    assert_not_found(
        store
            .schedule_campaign(nobody, &starts(&schedule(0)), &By::command_line(), START)
            .await,
    );
    assert_not_found(store.move_campaign(nobody, Action::Cancel, None).await);
    assert_not_found(store.resend_unknown(nobody, &By::command_line(), START).await);
    assert!(!store.finish_if_done(nobody, START).await.unwrap());
    assert!(!store.has_work(nobody, "somebody", START).await.unwrap());
    assert!(Sender::new(store, "one").try_claim(nobody, 10).await.is_none());
    assert!(store.lists_of(nobody).await.unwrap().is_empty());
    assert!(store.find_campaign_summary(nobody).await.unwrap().is_none());
});

store_on_both_engines!(campaigns_are_listed_by_state_the_newest_first, |store| {
    let (first, second, third) = (
        draft(store, &["readers"]).await,
        draft(store, &["readers"]).await,
        draft(store, &["readers"]).await,
    );
    store
        .move_campaign(second, Action::Cancel, Some("no more"))
        .await
        .unwrap();
    store.start_campaign(third, "{}", START).await.unwrap();
    let list = async |states: &[CampaignState]| {
        let campaigns = store.list_campaigns(states).await.unwrap();
        campaigns.into_iter().map(|c| c.id).collect::<Vec<_>>()
    };
    assert_eq!(list(&[]).await, [third, second, first]);
    assert_eq!(list(&[CampaignState::Draft]).await, [first]);
    let both = [CampaignState::Draft, CampaignState::Cancelled];
    assert_eq!(list(&both).await, [second, first]);
    assert!(list(&[CampaignState::Held]).await.is_empty());
    assert_eq!(store.sending_campaigns().await.unwrap(), [third]);
});

store_on_both_engines!(
    campaigns_are_due_when_their_time_has_come_the_first_first,
    |store| {
        let mut made = Vec::new();
        for seconds in [20, 10, 30] {
            let campaign = draft(store, &["readers"]).await;
            let state = store
                .schedule_campaign(campaign, &starts(&schedule(seconds)), &By::command_line(), START)
                .await
                .unwrap();
            assert_eq!(state, CampaignState::Scheduled);
            made.push(campaign);
        }
        let due = async |now| {
            let campaigns = store.due_campaigns(now).await.unwrap();
            campaigns.into_iter().map(|c| c.id).collect::<Vec<_>>()
        };
        assert!(due(at(9)).await.is_empty());
        assert_eq!(due(at(10)).await, [made[1]]);
        assert_eq!(due(at(25)).await, [made[1], made[0]]);
        assert_eq!(
            store.get_campaign(made[0]).await.unwrap().schedule,
            Some(schedule(20))
        );
        store.start_campaign(made[1], "{}", at(25)).await.unwrap();
        store.move_campaign(made[0], Action::Pause, None).await.unwrap();
        assert_eq!(due(at(40)).await, [made[2]]);
    }
);

store_on_both_engines!(a_campaign_may_be_given_another_time, |store| {
    let campaign = draft(store, &["readers"]).await;
    store
        .schedule_campaign(campaign, &starts(&schedule(20)), &By::command_line(), START)
        .await
        .unwrap();
    store
        .move_campaign(campaign, Action::Hold, Some("too late"))
        .await
        .unwrap();
    store
        .schedule_campaign(campaign, &starts(&schedule(90)), &By::command_line(), START)
        .await
        .unwrap();
    let kept = store.get_campaign(campaign).await.unwrap();
    assert_eq!(kept.schedule, Some(schedule(90)));
    assert_eq!(kept.state_reason, None, "the old reason holds no more");
    store.start_campaign(campaign, "{}", at(90)).await.unwrap();
    assert_refused(
        store
            .schedule_campaign(campaign, &starts(&schedule(100)), &By::command_line(), START)
            .await,
    );
    assert_eq!(state(store, campaign).await, CampaignState::Sending);
});

store_on_both_engines!(a_campaign_moves_as_its_state_allows, |store| {
    use Action::{Cancel, Hold, Pause, Resume};
    let campaign = sending(store, 1).await;
    for action in [Resume, Action::Schedule, Action::Start] {
        assert_refused(store.move_campaign(campaign, action, Some("no")).await);
        assert_eq!(state(store, campaign).await, CampaignState::Sending);
    }
    for (action, next, reason) in [
        (Pause, CampaignState::Paused, None),
        (Resume, CampaignState::Sending, None),
        (Hold, CampaignState::Held, Some("a person must look")),
        (Resume, CampaignState::Sending, None),
        (Cancel, CampaignState::Cancelled, Some("a wrong link")),
    ] {
        let after = store.move_campaign(campaign, action, reason).await.unwrap();
        assert_eq!(after, next);
        let kept = store.get_campaign(campaign).await.unwrap();
        assert_eq!((kept.state, kept.state_reason.as_deref()), (next, reason));
    }
    for action in [Pause, Resume, Hold, Cancel, Action::Start] {
        assert_refused(store.move_campaign(campaign, action, None).await);
    }
    assert_eq!(
        store.get_campaign(campaign).await.unwrap().state_reason.unwrap(),
        "a wrong link"
    );
});

store_on_both_engines!(a_campaign_resumes_where_it_was_stopped, |store| {
    let campaign = draft(store, &["nobody"]).await;
    store
        .schedule_campaign(campaign, &starts(&schedule(20)), &By::command_line(), START)
        .await
        .unwrap();
    for action in [Action::Hold, Action::Pause] {
        store.move_campaign(campaign, action, None).await.unwrap();
        let after = store.move_campaign(campaign, Action::Resume, None).await;
        assert_eq!(after.unwrap(), CampaignState::Scheduled);
    }
    store.start_campaign(campaign, "{}", at(20)).await.unwrap();
    for action in [Action::Hold, Action::Pause] {
        store.move_campaign(campaign, action, None).await.unwrap();
        let after = store.move_campaign(campaign, Action::Resume, None).await;
        assert_eq!(after.unwrap(), CampaignState::Sending);
    }
});

store_on_both_engines!(
    what_has_started_gets_no_new_time_even_if_it_is_to_nobody,
    |store| {
        let campaign = draft(store, &["nobody"]).await;
        store.start_campaign(campaign, "{}", at(20)).await.unwrap();
        store.move_campaign(campaign, Action::Hold, None).await.unwrap();
        assert_refused(
            store
                .schedule_campaign(campaign, &starts(&schedule(90)), &By::command_line(), START)
                .await,
        );
        assert_eq!(state(store, campaign).await, CampaignState::Held);
    }
);

store_on_both_engines!(a_campaign_starts_once, |store| {
    let campaign = sending(store, 3).await;
    import(store, "readers", &readers(5)).await;
    assert_refused(store.start_campaign(campaign, "{}", at(1)).await);
    assert_eq!(store.ledger(campaign).await, [(DeliveryState::Planned, 3)]);
});

store_on_both_engines!(of_two_who_start_a_campaign_at_once_one_does, |store| {
    import(store, "readers", &readers(5)).await;
    let campaign = draft(store, &["readers"]).await;
    let other = store.open_again("there").await;
    let (one, two) = tokio::join!(
        store.start_campaign(campaign, "{}", START),
        other.start_campaign(campaign, "{}", START)
    );
    assert_eq!(usize::from(one.is_ok()) + usize::from(two.is_ok()), 1);
    assert_eq!(store.ledger(campaign).await, [(DeliveryState::Planned, 5)]);
    other.close().await;
});

store_on_both_engines!(
    a_campaign_is_finished_when_every_delivery_has_its_outcome,
    |store| {
        let campaign = sending(store, 3).await;
        let sender = Sender::new(store, "one");
        let finish = async |seconds| store.finish_if_done(campaign, at(seconds)).await.unwrap();
        assert!(!finish(1).await, "nothing was sent");
        let lease = sender.claim(campaign, 2).await;
        sender
            .send(
                &all_of(&lease),
                &Outcome::Rejected(kept(550, "no"), no_such_user()),
            )
            .await;
        sender.done_with(&lease).await;
        assert!(!finish(2).await, "one is planned");
        let lease = sender.claim(campaign, 2).await;
        assert!(!finish(3).await, "one is leased");
        sender.send(&all_of(&lease), &deferred(at(60))).await;
        sender.done_with(&lease).await;
        assert!(!finish(4).await, "one is deferred");
        sender.it_is(60);
        let lease = sender.claim(campaign, 2).await;
        sender.send(&all_of(&lease), &accepted()).await;
        assert!(!finish(61).await, "the lease is not done with");
        sender.done_with(&lease).await;
        assert!(finish(62).await);
        assert!(!finish(63).await, "it is finished already");
        let kept = store.get_campaign(campaign).await.unwrap();
        assert_eq!(
            (kept.state, kept.finished_at),
            (CampaignState::Finished, Some(at(62)))
        );
    }
);

store_on_both_engines!(a_campaign_to_nobody_is_finished_at_once, |store| {
    let campaign = draft(store, &["nobody"]).await;
    assert!(!store.finish_if_done(campaign, START).await.unwrap());
    assert_eq!(store.start_campaign(campaign, "{}", START).await.unwrap(), 0);
    assert!(!store.has_work(campaign, "somebody", START).await.unwrap());
    assert!(store.finish_if_done(campaign, START).await.unwrap());
});

store_on_both_engines!(a_paused_campaign_is_not_finished, |store| {
    let campaign = draft(store, &["nobody"]).await;
    store.start_campaign(campaign, "{}", START).await.unwrap();
    store.move_campaign(campaign, Action::Pause, None).await.unwrap();
    assert!(!store.finish_if_done(campaign, START).await.unwrap());
});
