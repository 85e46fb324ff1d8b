//! The files that go with a campaign.

use super::*;
use tidings_campaign::lifecycle::Action;
use tidings_campaign::message::attachment::{Attachment, ContentId};
use tidings_store::campaign_files::FileSummary;
use tidings_tests::store_on_both_engines;

/// With an octet of every value, and one with a word in another script.
fn files() -> Vec<Attachment> {
    let letter = Attachment::new("Grüße.pdf", (0..=255).collect()).unwrap();
    let logo = Attachment::new("logo.png", vec![0x89, 0]).unwrap();
    vec![letter, logo.shown_as(ContentId::parse("logo").unwrap()).unwrap()]
}

store_on_both_engines!(files_are_kept_with_their_campaign, |store| {
    let lists = vec![list(store, "readers").await];
    let new = NewCampaign {
        files: files(),
        attach_from: Some("invoice".to_owned()),
        language_attribute: "sprache".to_owned(),
        ..spring_news(lists.clone())
    };
    let parent = store.create_campaign(&new, START).await.unwrap();
    let other = store.create_campaign(&spring_news(lists), START).await.unwrap();
    store.move_campaign(parent, Action::Cancel, None).await.unwrap();
    let states = [DeliveryState::Withheld];
    let child = store
        .create_child(parent, &states, "Once more", &By::command_line(), START)
        .await
        .unwrap();
    for campaign in [parent, child] {
        assert_eq!(store.files_of(campaign).await.unwrap(), files());
        let summary = |file_name: &str, content_id: Option<&str>, size| FileSummary {
            file_name: file_name.to_owned(),
            content_id: content_id.map(str::to_owned),
            size,
        };
        let expected = [
            summary("Grüße.pdf", None, 256),
            summary("logo.png", Some("logo"), 2),
        ];
        assert_eq!(store.list_files(campaign).await.unwrap(), expected);
        let shown = store.shown_file(campaign, "logo").await.unwrap();
        assert_eq!(shown, Some(("logo.png".to_owned(), vec![0x89, 0])));
        assert_eq!(store.shown_file(campaign, "Grüße.pdf").await.unwrap(), None);
        let kept = store.get_campaign(campaign).await.unwrap();
        assert_eq!(kept.attach_from.as_deref(), Some("invoice"));
        assert_eq!(kept.language_attribute, "sprache");
    }
    assert!(store.files_of(other).await.unwrap().is_empty());
    assert!(store.list_files(other).await.unwrap().is_empty());
    let kept = store.get_campaign(other).await.unwrap();
    assert_eq!(
        (kept.attach_from, kept.language_attribute.as_str()),
        (None, "language")
    );
});
