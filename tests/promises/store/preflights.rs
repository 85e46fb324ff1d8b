//! Pre-flight lists: asked for, claimed by one, taken over, kept, and taken on by name.

use super::*;
use tidings_campaign::lifecycle::Action;
use tidings_campaign::preflight::verdict::Verdict;
use tidings_campaign::preflight::{Check, Finding, Level};
use tidings_store::StoreError;
use tidings_store::letters::{NewTest, TestQueued};
use tidings_store::preflights::{ABANDONED_AFTER, PreflightState};
use tidings_tests::store_on_both_engines;

fn finding(level: Level) -> Finding {
    Finding {
        check: Check::Links,
        level,
        sentence: "A link leads nowhere.".to_owned(),
        place: Some("reader00001@example.org".to_owned()),
        advice: None,
        is_rest: false,
    }
}

async fn a_draft(store: &Store) -> CampaignId {
    import(store, "readers", &readers(1)).await;
    let lists = vec![list(store, "readers").await];
    store.create_campaign(&spring_news(lists), START).await.unwrap()
}

/// The list as it was made at once.
async fn made(store: &Store, campaign: CampaignId, findings: &[Finding], seconds: u64) {
    store
        .ask_preflight(campaign, &By::command_line(), at(seconds))
        .await
        .unwrap();
    let claim = store.claim_preflight(at(seconds)).await.unwrap().unwrap();
    let fingerprint = store.preflight_fingerprint(campaign).await.unwrap();
    let found = Ok((findings, fingerprint.as_str()));
    assert!(store.finish_preflight(claim, found, at(seconds)).await.unwrap());
}

store_on_both_engines!(a_list_is_made_by_one_and_taken_over_when_that_is_gone, |store| {
    let campaign = a_draft(store).await;
    let verdict = async |seconds| store.preflight_verdict(campaign, at(seconds)).await.unwrap().0;
    assert_eq!(store.claim_preflight(START).await.unwrap(), None);
    assert_eq!(verdict(0).await, Verdict::NotRun);
    store
        .ask_preflight(campaign, &By::command_line(), START)
        .await
        .unwrap();
    assert_eq!(verdict(0).await, Verdict::Running);
    let first = store.claim_preflight(at(1)).await.unwrap().unwrap();
    assert_eq!(first.campaign, campaign);
    assert_eq!(store.claim_preflight(at(1)).await.unwrap(), None);
    assert!(store.touch_preflight(first, 7, at(2)).await.unwrap());
    // Asked for again, the list that is being made goes on.
    store
        .ask_preflight(campaign, &By::command_line(), at(3))
        .await
        .unwrap();
    let kept = store.find_preflight(campaign).await.unwrap().unwrap();
    assert_eq!((kept.state, kept.asked_at), (PreflightState::Running(7), START));
    let later = at(3).plus(ABANDONED_AFTER);
    assert!(store.claim_preflight(later).await.unwrap().is_some());
    let failed = store
        .finish_preflight(first, Err("the disk is full"), later)
        .await;
    assert!(failed.unwrap());
    assert_eq!(verdict(70).await, Verdict::Failed);
    assert!(
        !store.touch_preflight(first, 8, later).await.unwrap(),
        "it is over"
    );
});

store_on_both_engines!(amber_is_taken_on_as_it_was_read_and_red_is_not, |store| {
    let campaign = a_draft(store).await;
    let (amber, red) = (finding(Level::Amber), finding(Level::Red));
    let by = By {
        who: "ann@example.com".to_owned(),
        network: String::new(),
    };
    let take = async |finding: &Finding| {
        store
            .override_preflight(campaign, finding, "meant so", &by, at(9))
            .await
    };
    let refused = |outcome| matches!(outcome, Err(StoreError::NotInPreflight));
    assert!(refused(take(&amber).await), "there is no list");
    made(store, campaign, &[amber.clone(), red.clone()], 5).await;
    let verdict = async || store.preflight_verdict(campaign, at(9)).await.unwrap().0;
    assert_eq!(verdict().await, Verdict::Blocked { red: 1, amber: 1 });
    assert!(refused(take(&red).await));
    let rest = Finding {
        is_rest: true,
        ..amber.clone()
    };
    made(store, campaign, &[amber.clone(), red.clone(), rest.clone()], 5).await;
    assert!(refused(take(&rest).await), "it stands for others");
    made(store, campaign, &[amber.clone(), red.clone()], 5).await;
    take(&amber).await.unwrap();
    let overrides = store.preflight_overrides(campaign).await.unwrap();
    assert_eq!(
        (overrides.len(), &*overrides[0].who, &*overrides[0].reason),
        (1, "ann@example.com", "meant so")
    );
    assert_eq!(verdict().await, Verdict::Blocked { red: 1, amber: 0 });
    made(store, campaign, &[amber], 6).await;
    assert_eq!(verdict().await, Verdict::Clear);
    assert_eq!(
        store.preflight_verdict(campaign, at(6 + 86_401)).await.unwrap().0,
        Verdict::Stale
    );
    store.move_campaign(campaign, Action::Cancel, None).await.unwrap();
    let asked = store.ask_preflight(campaign, &by, at(10)).await;
    assert!(matches!(asked, Err(StoreError::NotAllowed(_))), "{asked:?}");
});

store_on_both_engines!(who_is_erased_is_in_no_list_any_more, |store| {
    let campaign = a_draft(store).await;
    let amber = finding(Level::Amber);
    made(store, campaign, std::slice::from_ref(&amber), 5).await;
    store
        .override_preflight(campaign, &amber, "meant so", &By::command_line(), at(6))
        .await
        .unwrap();
    let test = NewTest {
        campaign,
        sender_domain: "example.com",
        letters: &[(
            address("reader00001@example.org"),
            b"Subject: x\r\n\r\nx\r\n".to_vec(),
        )],
        once: "a",
    };
    let queued = store.queue_test(test, &By::command_line(), at(6)).await.unwrap();
    assert_eq!(queued, TestQueued::Yes);
    store
        .erase_address(&address("READER00001@example.org"), at(7))
        .await
        .unwrap();
    assert_eq!(store.find_preflight(campaign).await.unwrap(), None);
    assert_eq!(store.preflight_overrides(campaign).await.unwrap(), []);
    let log = store.audit_log(None, 100).await.unwrap();
    assert!(log.len() >= 3, "{log:?}");
    let named = log.iter().find(|entry| {
        let texts = [&entry.who, &entry.about, &entry.detail];
        texts
            .iter()
            .any(|text| text.to_lowercase().contains("reader00001"))
    });
    assert_eq!(named, None);
});

#[test]
fn a_campaign_without_a_list_is_not_looked_at() {
    let verdict = tidings_store::preflights::verdict_of(None, &[], "as it is", START);
    assert_eq!(verdict, Verdict::NotRun);
}

store_on_both_engines!(
    what_cleared_a_campaign_is_kept_as_long_as_it_is_scheduled_by_that,
    |store| {
        let campaign = a_draft(store).await;
        made(store, campaign, &[finding(Level::Ok)], 1).await;
        let (verdict, fingerprint) = store.preflight_verdict(campaign, at(2)).await.unwrap();
        assert_eq!(verdict, Verdict::Clear);
        let kept = async || store.get_campaign(campaign).await.unwrap().cleared;
        let by_command = starts(&Schedule {
            at: at(90),
            local: String::new(),
            zone: "UTC".to_owned(),
        });
        let cleared = Start {
            cleared: Some(fingerprint.clone()),
            ..by_command.clone()
        };
        let by = By::command_line();
        store
            .schedule_campaign(campaign, &cleared, &by, at(3))
            .await
            .unwrap();
        assert_eq!(kept().await, Some(fingerprint));
        store.unschedule_campaign(campaign, &by, at(4)).await.unwrap();
        assert_eq!(kept().await, None);
        store
            .schedule_campaign(campaign, &cleared, &by, at(5))
            .await
            .unwrap();
        store.unschedule_campaign(campaign, &by, at(6)).await.unwrap();
        store
            .schedule_campaign(campaign, &by_command, &by, at(7))
            .await
            .unwrap();
        assert_eq!(kept().await, None);
    }
);

store_on_both_engines!(a_draft_that_is_removed_leaves_no_list_behind, |store| {
    let campaign = a_draft(store).await;
    let by = By::command_line();
    let amber = finding(Level::Amber);
    made(store, campaign, std::slice::from_ref(&amber), 1).await;
    store
        .override_preflight(campaign, &amber, "meant so", &by, at(2))
        .await
        .unwrap();
    store.remove_draft(campaign, &by, at(3)).await.unwrap();
    assert_eq!(store.find_preflight(campaign).await.unwrap(), None);
    assert_eq!(store.preflight_overrides(campaign).await.unwrap(), []);
});

store_on_both_engines!(
    what_was_read_has_the_print_of_what_is_kept_until_it_changes,
    |store| {
        let id = draft(store, &["readers"]).await;
        let kept = store.preflight_fingerprint(id).await.unwrap();
        let mut campaign = store.get_campaign(id).await.unwrap();
        let newsletter = store.newsletter_of(&campaign).await.ok();
        let read = store
            .fingerprint_with(campaign.clone(), newsletter.as_ref())
            .await
            .unwrap();
        assert_eq!(read, kept);
        campaign.sender = "Somebody else <else@example.org>".to_owned();
        let changed = store
            .fingerprint_with(campaign, newsletter.as_ref())
            .await
            .unwrap();
        assert_ne!(changed, kept);
    }
);
