//! Which lists have a public archive, and what is in it.

use super::*;
use tidings_store::StoreError;
use tidings_store::archive::{ArchivedCampaign, Issue};
use tidings_tests::store_on_both_engines;

/// A campaign to nobody on a list, finished.
async fn finished(store: &Store, name: &str, seconds: u64) -> CampaignId {
    let campaign = draft(store, &[name]).await;
    store.start_campaign(campaign, "{}", START).await.unwrap();
    assert!(store.finish_if_done(campaign, at(seconds)).await.unwrap());
    campaign
}

async fn page(store: &Store, list: ListId, before: CampaignId, limit: i64) -> Vec<ArchivedCampaign> {
    store.archive_page(list, before, limit).await.unwrap()
}

fn ids(page: &[ArchivedCampaign]) -> Vec<CampaignId> {
    page.iter().map(|campaign| campaign.id).collect()
}

const LAST: CampaignId = CampaignId(i64::MAX);

store_on_both_engines!(an_archive_is_closed_until_it_is_opened, |store| {
    let list = list(store, "readers").await;
    let campaign = finished(store, "readers", 1).await;
    assert_eq!(store.archived_list(list).await.unwrap(), None);
    assert!(page(store, list, LAST, 10).await.is_empty());
    assert!(store.archived_campaign(list, campaign).await.unwrap().is_none());
    assert!(changed(store, "readers", ListChange::Archived(true)).await);
    assert_eq!(
        store.archived_list(list).await.unwrap().as_deref(),
        Some("readers")
    );
    assert_eq!(ids(&page(store, list, LAST, 10).await), [campaign]);
    assert!(changed(store, "readers", ListChange::Archived(false)).await);
    assert!(page(store, list, LAST, 10).await.is_empty());
    assert!(!changed(store, "writers", ListChange::Archived(true)).await);
});

store_on_both_engines!(
    only_finished_campaigns_that_are_not_hidden_are_archived,
    |store| {
        let list = list(store, "readers").await;
        changed(store, "readers", ListChange::Archived(true)).await;
        let [first, second, third] = [
            finished(store, "readers", 1).await,
            finished(store, "readers", 2).await,
            finished(store, "readers", 3).await,
        ];
        let other = finished(store, "writers", 4).await;
        let written = draft(store, &["readers"]).await;
        assert_eq!(ids(&page(store, list, LAST, 2).await), [third, second]);
        assert_eq!(ids(&page(store, list, second, 2).await), [first]);
        store.hide_from_archive(second, true).await.unwrap();
        assert_eq!(ids(&page(store, list, LAST, 10).await), [third, first]);
        for campaign in [second, other, written] {
            assert!(store.archived_campaign(list, campaign).await.unwrap().is_none());
        }
        store.hide_from_archive(second, false).await.unwrap();
        let found = store.archived_campaign(list, second).await.unwrap().unwrap();
        assert_eq!((found.id, found.finished_at, found.issue), (second, at(2), None));
        assert!(found.sender.contains("news@example.com"), "{}", found.sender);
        let refused = store.hide_from_archive(CampaignId(999), true).await.unwrap_err();
        assert!(matches!(refused, StoreError::NotFound { .. }), "{refused}");
    }
);

store_on_both_engines!(what_strangers_see_is_made_once, |store| {
    let list = list(store, "readers").await;
    changed(store, "readers", ListChange::Archived(true)).await;
    let campaign = finished(store, "readers", 1).await;
    let issue = |subject: &str, problem: Option<&str>| Issue {
        subject: subject.to_owned(),
        html: "<p>ü</p>".to_owned(),
        problem: problem.map(str::to_owned),
        made_at: at(5),
    };
    store.keep_issue(campaign, &issue("Spring", None)).await.unwrap();
    store
        .keep_issue(campaign, &issue("Later", Some("no city")))
        .await
        .unwrap();
    let found = store.archived_campaign(list, campaign).await.unwrap().unwrap();
    assert_eq!(found.issue, Some(issue("Spring", None)));
    let listed = page(store, list, LAST, 1).await.remove(0).issue.unwrap();
    assert_eq!((listed.subject.as_str(), listed.html.as_str()), ("Spring", ""));
});
