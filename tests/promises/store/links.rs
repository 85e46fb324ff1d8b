//! The tracked links of a campaign, and what its lists wish.

use super::*;
use tidings_campaign::tracking::{TrackedLink, Tracking};
use tidings_store::deliveries::Frozen;
use tidings_tests::store_on_both_engines;

fn link(number: u32, url: &str) -> TrackedLink {
    TrackedLink {
        number,
        url: url.to_owned(),
        text: "Čtěte ❀".to_owned(),
        languages: "* de".to_owned(),
    }
}

store_on_both_engines!(links_are_kept_when_their_campaign_starts, |store| {
    let lists = vec![list(store, "readers").await, list(store, "others").await];
    let utm = Utm {
        source: Some("news & more".to_owned()),
        ..Utm::default()
    };
    let new = NewCampaign {
        utm: utm.clone(),
        ..spring_news(lists)
    };
    let campaign = store.create_campaign(&new, START).await.unwrap();
    let kept = store.get_campaign(campaign).await.unwrap();
    assert_eq!((kept.tracking, kept.utm), (None, utm.clone()));
    assert_eq!(store.list_tracking(campaign).await.unwrap(), [None, None]);
    assert!(changed(store, "others", ListChange::Tracking(Some(Tracking::Off))).await);
    assert!(!changed(store, "nobody", ListChange::Tracking(None)).await);
    let wishes = store.list_tracking(campaign).await.unwrap();
    assert!(
        wishes.contains(&Some(Tracking::Off)) && wishes.contains(&None),
        "{wishes:?}"
    );

    let links = [
        link(1, "https://a.example"),
        link(2, "https://b.example/?id={{id}}"),
    ];
    let frozen = Frozen {
        scheduled_at: None,
        content: "{}",
        utm: None,
        tracking: Tracking::Full,
        links: &links,
        revision: None,
    };
    store.start_campaign(campaign, frozen, START).await.unwrap();
    assert_eq!(store.links_of(campaign).await.unwrap(), links);
    let another = CampaignId(campaign.0 + 1);
    assert!(store.links_of(another).await.unwrap().is_empty());
    let kept = store.get_campaign(campaign).await.unwrap();
    assert_eq!((kept.tracking, kept.utm), (Some(Tracking::Full), utm));
    // Who is refused leaves nothing behind.
    store.start_campaign(campaign, frozen, START).await.unwrap_err();
    assert_eq!(store.links_of(campaign).await.unwrap(), links);
});
