//! When campaigns start, and what is coming.

use super::campaigns::assert_refused;
use super::*;
use std::time::Duration;
use tidings_campaign::lifecycle::{Action, CampaignState};
use tidings_tests::store_on_both_engines;

fn written(seconds: u64, zone: &str) -> Schedule {
    Schedule {
        at: at(seconds),
        local: "2026-12-01 09:00".to_owned(),
        zone: zone.to_owned(),
    }
}

store_on_both_engines!(a_start_is_kept_with_its_spread_and_who_chose_it, |store| {
    let campaign = draft(store, &["readers"]).await;
    let start = Start {
        spread: Some(Duration::from_secs(7200)),
        greatest_lateness: Some(Duration::from_secs(900)),
        ..starts(&written(20, "Europe/Berlin"))
    };
    let by = By {
        who: "ann@example.com".to_owned(),
        network: "192.0.2.1".to_owned(),
    };
    store
        .schedule_campaign(campaign, &start, &by, at(5))
        .await
        .unwrap();
    let kept = store.get_campaign(campaign).await.unwrap();
    assert_eq!(kept.schedule, Some(start.schedule.clone()));
    assert_eq!(kept.spread, start.spread);
    assert_eq!(kept.greatest_lateness, Duration::from_secs(900));
    let entries = store.audit_log(None, 10).await.unwrap();
    assert_eq!(entries[0].what, "scheduled a campaign");
    assert_eq!(entries[0].who, "ann@example.com");
    assert!(entries[0].detail.contains("spread over 7200 s"), "{entries:?}");

    store
        .schedule_campaign(campaign, &starts(&start.schedule), &by, at(6))
        .await
        .unwrap();
    let again = store.get_campaign(campaign).await.unwrap();
    assert_eq!(again.spread, None, "the last word holds");
    assert_eq!(
        again.greatest_lateness,
        Duration::from_secs(900),
        "nothing was said about it"
    );
});

store_on_both_engines!(what_has_not_started_can_be_a_draft_again, |store| {
    let by = By::command_line();
    let campaign = draft(store, &["readers"]).await;
    assert_refused(store.unschedule_campaign(campaign, &by, START).await);
    for held in [false, true] {
        store
            .schedule_campaign(campaign, &starts(&written(20, "UTC")), &by, START)
            .await
            .unwrap();
        if held {
            store
                .move_campaign(campaign, Action::Hold, Some("too late"))
                .await
                .unwrap();
        }
        let state = store.unschedule_campaign(campaign, &by, START).await.unwrap();
        assert_eq!(state, CampaignState::Draft);
        let kept = store.get_campaign(campaign).await.unwrap();
        assert_eq!((kept.schedule, kept.state_reason), (None, None));
    }
    store.start_campaign(campaign, "{}", START).await.unwrap();
    assert_refused(store.unschedule_campaign(campaign, &by, START).await);
    store.move_campaign(campaign, Action::Pause, None).await.unwrap();
    assert_refused(store.unschedule_campaign(campaign, &by, START).await);
});

store_on_both_engines!(the_calendar_has_what_started_and_what_is_to_start, |store| {
    let by = By::command_line();
    let mut made = Vec::new();
    for seconds in [30, 10, 20] {
        let campaign = draft(store, &["readers"]).await;
        store
            .schedule_campaign(campaign, &starts(&written(seconds, "Asia/Tokyo")), &by, START)
            .await
            .unwrap();
        made.push(campaign);
    }
    let written_only = draft(store, &["readers"]).await;
    store.start_campaign(made[1], "{}", at(12)).await.unwrap();
    store.move_campaign(made[2], Action::Cancel, None).await.unwrap();
    let shown = async |from, before| {
        let entries = store.calendar(from, before).await.unwrap();
        entries
            .into_iter()
            .map(|entry| (entry.id, entry.at))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(at(0), at(60)).await, [(made[1], at(12)), (made[0], at(30))]);
    assert_eq!(shown(at(13), at(30)).await, []);
    assert_eq!(shown(at(30), at(31)).await, [(made[0], at(30))]);
    assert!(
        !shown(at(0), at(1_000_000))
            .await
            .iter()
            .any(|(id, _)| *id == written_only),
        "a draft has no time"
    );
    assert_eq!(store.last_zone().await.unwrap().as_deref(), Some("Asia/Tokyo"));
});
