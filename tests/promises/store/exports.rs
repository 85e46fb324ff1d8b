//! Everything that is known of recipients, page by page.

use super::*;
use tidings_campaign::leaving::{PauseLength, Said};
use tidings_store::exports::{Consent, ExportedList, ExportedPause, ExportedUnsubscribe};
use tidings_tests::store_on_both_engines;

store_on_both_engines!(recipients_are_exported_page_by_page, |store| {
    import(store, "readers", &readers(3)).await;
    import(store, "others", &readers(1)).await;
    let page = store.export_recipients(RecipientId(0), 2).await.unwrap();
    let names: Vec<_> = page.iter().map(|recipient| recipient.name.as_str()).collect();
    assert_eq!(names, ["Reader 1", "Reader 2"]);
    assert_eq!(
        (page[0].created_at, page[0].subscription.as_deref()),
        (START.0, None)
    );
    let rest = store.export_recipients(RecipientId(page[1].id), 2).await.unwrap();
    assert_eq!((rest.len(), rest[0].address.as_str()), (1, reader(3).as_str()));
    let others = list(store, "others").await;
    let page = store
        .export_recipients_of(others, RecipientId(0), 9)
        .await
        .unwrap();
    assert_eq!(
        (page.len(), page[0].subscription.as_deref()),
        (1, Some("confirmed"))
    );
    assert_eq!(page[0].attributes, r#"{"city":"Springfield"}"#);
});

store_on_both_engines!(
    consent_and_unsubscribes_are_exported_with_where_they_come_from,
    |store| {
        let new = NewImport {
            started_by: "Ann".to_owned(),
            consent: Some("the fair".to_owned()),
            ..NewImport::of("readers", "people.csv")
        };
        let mut import = Import::begin(store, &new, START).await.unwrap();
        import.write(ImportBatch::of(&readers(2)), START).await.unwrap();
        let id = import.id();
        import.finish(START).await.unwrap();
        let campaign = draft(store, &["readers"]).await;
        let (first, second) = (
            recipient_id(store, &reader(1)).await,
            recipient_id(store, &reader(2)).await,
        );
        store.unsubscribe(campaign, second, "link", at(1)).await.unwrap();
        let readers = list(store, "readers").await;
        let expected = |recipient: RecipientId, i: usize, state: &str, since: Timestamp| Consent {
            list_id: readers.0,
            recipient_id: recipient.0,
            address: Some(reader(i)),
            list: "readers".to_owned(),
            state: state.to_owned(),
            since: since.0,
            import_id: Some(id.0),
            import_files: Some("people.csv".to_owned()),
            imported_by: Some("Ann".to_owned()),
            consent: Some("the fair".to_owned()),
        };
        let all = store
            .export_consent((ListId(0), RecipientId(0)), 9)
            .await
            .unwrap();
        assert_eq!(
            all,
            [
                expected(first, 1, "confirmed", START),
                expected(second, 2, "unsubscribed", at(1))
            ]
        );
        assert_eq!(store.export_consent((readers, first), 9).await.unwrap(), all[1..]);
        let gone = ExportedUnsubscribe {
            campaign_id: campaign.0,
            recipient_id: second.0,
            address: Some(reader(2)),
            at: at(1).0,
            how: "link".to_owned(),
            scope: "lists".to_owned(),
            reason: None,
            comment: None,
            undone_at: None,
        };
        assert_eq!(
            store
                .export_unsubscribes((CampaignId(0), RecipientId(0)), 9)
                .await
                .unwrap(),
            [gone]
        );
        assert_eq!(
            store.export_unsubscribes((campaign, second), 9).await.unwrap(),
            []
        );
        let counted = ExportedList {
            name: "readers".to_owned(),
            created_at: START.0,
            confirmed: 1,
            pending: 0,
            unsubscribed: 1,
        };
        assert_eq!(store.export_lists().await.unwrap(), [counted]);
    }
);

store_on_both_engines!(pauses_are_exported_with_what_was_said_of_them, |store| {
    import(store, "readers", &readers(2)).await;
    let campaign = draft(store, &["readers"]).await;
    let mut expected = Vec::new();
    for i in 1..=2 {
        let id = recipient_id(store, &reader(i)).await;
        let pause = (PauseLength::FourWeeks, &Said::new("too_many", "every day"));
        let until = store
            .pause_recipient(campaign, id, pause, at(i as u64))
            .await
            .unwrap();
        expected.push(ExportedPause {
            recipient_id: id.0,
            address: Some(reader(i)),
            at: at(i as u64).0,
            paused_until: until.0,
            campaign_id: campaign.0,
            reason: Some("too_many".to_owned()),
            comment: Some("every day".to_owned()),
        });
    }
    assert_eq!(store.export_pauses(RecipientId(0), 9).await.unwrap(), expected);
    let first = RecipientId(expected[0].recipient_id);
    assert_eq!(store.export_pauses(first, 9).await.unwrap(), expected[1..]);
    assert_eq!(
        store.export_pauses(RecipientId(0), 1).await.unwrap(),
        expected[..1]
    );
});
