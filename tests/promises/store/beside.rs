//! What the store promises when two do something at the same time: it is as if one had come after the other.

use super::feedback::{POLICY, about, arrival, keys, sent_at};
use super::imports_cut_off::released;
use super::*;
use tidings_campaign::csv_import::{Suppression, SuppressionReason};
use tidings_campaign::token::AddressMark;
use tidings_feedback::event::EventKind;
use tidings_feedback::reason::Reason;
use tidings_store::StoreError;
use tidings_store::deliveries::Frozen;
use tidings_store::imports::Undo;
use tidings_tests::store_on_both_engines;

async fn take_back(mut undo: Undo, now: Timestamp) {
    while undo.step(now).await.unwrap().is_some() {}
    undo.finish(now).await.unwrap();
}

async fn begin_undo(store: &Store, id: ImportId, now: Timestamp) -> Undo {
    released(store, id).await;
    let undo = Undo::begin(store, id, &By::command_line(), now).await;
    undo.unwrap().unwrap()
}

store_on_both_engines!(
    a_campaign_that_is_given_another_time_while_it_is_planned_waits_for_that,
    |store| {
        import(store, "readers", &readers(1)).await;
        let campaign = draft(store, &["readers"]).await;
        let schedule = async |seconds| {
            let schedule = Schedule {
                at: at(seconds),
                local: String::new(),
                zone: "UTC".to_owned(),
            };
            let by = By::command_line();
            store
                .schedule_campaign(campaign, &starts(&schedule), &by, START)
                .await
                .unwrap();
        };
        schedule(10).await;
        let due = store.due_campaigns(at(10)).await.unwrap();
        schedule(100_000).await;
        let frozen = |scheduled_at| Frozen {
            revision: Some(due[0].revision),
            scheduled_at: Some(scheduled_at),
            ..Frozen::from("{}")
        };
        let error = store.start_campaign(campaign, frozen(at(10)), at(11)).await;
        assert!(matches!(error, Err(StoreError::WrittenMeanwhile(_))), "{error:?}");
        assert!(store.due_campaigns(at(11)).await.unwrap().is_empty());
        let planned = store
            .start_campaign(campaign, frozen(at(100_000)), at(100_000))
            .await;
        assert_eq!(planned.unwrap(), 1);
    }
);

store_on_both_engines!(
    a_campaign_whose_unknown_are_just_being_sent_again_is_not_finished,
    |store| {
        let campaign = sent_at(store, 1, 1).await;
        let other = store.open_again("there").await;
        let again = format!(
            "UPDATE campaigns SET state = state WHERE id = {campaign}; UPDATE deliveries SET state = 'deferred', due_at = 1"
        );
        let finished = store
            .while_uncommitted(&again, other.finish_if_done(campaign, at(9)))
            .await;
        assert!(!finished.unwrap());
        store
            .execute("UPDATE deliveries SET state = 'accepted', due_at = NULL")
            .await;
        assert!(other.finish_if_done(campaign, at(9)).await.unwrap());
        other.close().await;
    }
);

store_on_both_engines!(
    what_a_recipient_changes_while_an_import_is_written_stays,
    |store| {
        import(store, "readers", &readers(2)).await;
        let other = store.open_again("there").await;
        let rows = [1, 2].map(|i| row(&reader(i), None, r#"{"age":41}"#));
        let chosen = r#"UPDATE recipients SET name = 'Chosen', attributes = '{"city":"Rome"}' WHERE id = 2"#;
        let imported = import_at(&other, "readers", &rows, at(1));
        let (_, counts) = store.while_uncommitted(chosen, imported).await;
        assert_eq!(counts.updated, 2);
        let kept = store
            .texts("SELECT name || ' ' || attributes FROM recipients ORDER BY id")
            .await;
        assert_eq!(
            kept,
            [
                r#"Reader 1 {"age":41,"city":"Springfield"}"#,
                r#"Chosen {"age":41,"city":"Rome"}"#
            ]
        );
        other.close().await;
    }
);

store_on_both_engines!(
    who_is_imported_again_while_an_import_is_taken_back_stays_on_the_list,
    |store| {
        let (wrong, _) = import_at(store, "readers", &readers(4), START).await;
        let undo = begin_undo(store, wrong, at(1)).await;
        let mut rows = readers(3);
        rows[2] = row(&reader(3), Some("Another"), "{}");
        let (_, counts) = import_at(store, "readers", &rows, at(2)).await;
        assert_eq!((counts.unchanged, counts.updated), (2, 1));
        take_back(undo, at(3)).await;
        let on_list = store
            .texts(
                "SELECT r.address FROM recipients r JOIN subscriptions s ON s.recipient_id = r.id \
                 WHERE s.state = 'confirmed' ORDER BY r.id",
            )
            .await;
        assert_eq!(on_list, [1, 2, 3].map(reader));
        assert_eq!(store.texts("SELECT address FROM recipients").await.len(), 3);
    }
);

store_on_both_engines!(
    what_somebody_changes_while_an_import_is_taken_back_stays,
    |store| {
        import(store, "readers", &readers(1)).await;
        let rows = [row(&reader(1), Some("Wrong"), r#"{"city":"Nowhere"}"#)];
        let (wrong, _) = import_at(store, "readers", &rows, at(1)).await;
        let undo = begin_undo(store, wrong, at(2)).await;
        let chosen = format!(
            "UPDATE recipients SET name = 'Chosen', updated_at = {} WHERE id = 1",
            at(3).0
        );
        store.while_uncommitted(&chosen, take_back(undo, at(4))).await;
        let kept = store
            .texts("SELECT name || ' ' || attributes FROM recipients")
            .await;
        assert_eq!(kept, [r#"Chosen {"city":"Springfield"}"#]);
    }
);

store_on_both_engines!(
    who_complains_while_an_import_is_taken_back_stays_suppressed,
    |store| {
        let known = Suppression {
            line: 2,
            address: address(&reader(1)),
            reason: SuppressionReason::Unsubscribe,
            evidence: "a file".to_owned(),
        };
        let mut import = Import::begin(store, &NewImport::of("readers", "left.csv"), START)
            .await
            .unwrap();
        let batch = ImportBatch {
            suppressions: &[known],
            ..ImportBatch::default()
        };
        import.write(batch, START).await.unwrap();
        let id = import.id();
        import.finish(START).await.unwrap();
        let undo = begin_undo(store, id, at(1)).await;
        let complains = "UPDATE suppressions SET import_id = NULL";
        store.while_uncommitted(complains, take_back(undo, at(2))).await;
        assert!(
            store
                .find_suppression(&address(&reader(1)))
                .await
                .unwrap()
                .is_some()
        );
    }
);

store_on_both_engines!(
    who_is_erased_while_a_report_about_them_comes_in_leaves_nothing,
    |store| {
        const N: usize = 20;
        let campaign = sent_at(store, N, 1).await;
        let other = store.open_again("there").await;
        let keys = keys(store).await;
        for n in 1..=N {
            let bounce = about(store, campaign, n as i64, EventKind::Bounce, Reason::UserUnknown).await;
            let arrivals = [arrival(&format!("report {n}"), vec![bounce], 60)];
            let id = recipient_id(store, &reader(n)).await;
            let mark = AddressMark::of(&address(&reader(n)));
            let (erased, taken) = tokio::join!(
                store.erase_recipient(id, mark, at(61)),
                other.take_feedback(&arrivals, &POLICY, &keys, at(61)),
            );
            assert!(erased.unwrap());
            taken.unwrap();
        }
        for table in ["suppressions", "feedback_events"] {
            let named = format!("SELECT address_key FROM {table} WHERE address_key LIKE 'reader%'");
            assert_eq!(store.texts(&named).await, Vec::<String>::new(), "{table}");
        }
        let raw = "SELECT CAST(octets AS TEXT) FROM arrivals WHERE LENGTH(raw) > 0";
        assert_eq!(store.texts(raw).await, Vec::<String>::new());
        other.close().await;
    }
);
