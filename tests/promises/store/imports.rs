//! Imports, batch by batch.

use super::*;
use tidings_store::imports::{DryRun, ImportRecord, ImportState};
use tidings_tests::store_on_both_engines;

const NOTHING: Counts = Counts {
    rows: 0,
    created: 0,
    updated: 0,
    unchanged: 0,
    duplicates: 0,
    suppressed: 0,
    rejected: 0,
};

store_on_both_engines!(every_row_of_an_import_is_counted_once, |store| {
    suppress(store, "gone@example.org").await;
    let rows = [
        row("ann@example.org", Some("Ann"), "{}"),
        row("ANN@example.org", Some("Again"), "{}"),
        row("Gone@example.org", Some("Gus"), "{}"),
        row("bob@example.org", Some("Bob"), "{}"),
        row("gone@example.org", Some("Gus"), "{}"),
    ];
    let expected = Counts {
        rows: 5,
        created: 2,
        duplicates: 1,
        suppressed: 2,
        ..NOTHING
    };
    assert_eq!(import(store, "readers", &rows).await, expected);
    let rows = [
        row("ann@example.org", Some("Ann"), "{}"),
        row("bob@example.org", Some("Robert"), "{}"),
        row("carl@example.org", Some("Carl"), "{}"),
    ];
    let expected = Counts {
        rows: 3,
        created: 1,
        updated: 1,
        unchanged: 1,
        ..NOTHING
    };
    assert_eq!(import(store, "readers", &rows).await, expected);
    let bob = store.find_recipient(&address("bob@example.org")).await.unwrap();
    assert_eq!(bob.unwrap().name, "Robert");
    let gone = store.find_recipient(&address("gone@example.org")).await.unwrap();
    assert_eq!(gone, None, "nothing is kept of a suppressed row");
});

store_on_both_engines!(a_row_of_an_earlier_batch_is_a_duplicate, |store| {
    let known = row("ann@example.org", Some("Ann"), "{}");
    import(store, "readers", std::slice::from_ref(&known)).await;
    let mut import = Import::begin(store, &NewImport::of("readers", "two.csv"), START)
        .await
        .unwrap();
    let first = [
        known.clone(),
        row("bob@example.org", None, "{}"),
        row("carl@example.org", None, "{}"),
    ];
    let counts = import.write(ImportBatch::of(&first), START).await.unwrap();
    assert_eq!((counts.unchanged, counts.created), (1, 2));
    let second = [
        row("Bob@example.org", Some("Robert"), "{}"),
        row("ann@example.org", Some("Anna"), "{}"),
        row("dora@example.org", None, "{}"),
    ];
    let counts = import.write(ImportBatch::of(&second), START).await.unwrap();
    let expected = Counts {
        rows: 3,
        created: 1,
        duplicates: 2,
        ..NOTHING
    };
    assert_eq!(counts, expected);
    let ann = store.find_recipient(&address("ann@example.org")).await.unwrap();
    assert_eq!(ann.unwrap().name, "Ann", "the first row counts");
});

store_on_both_engines!(an_import_never_brings_back_who_left, |store| {
    let ann = row("ann@example.org", Some("Ann"), "{}");
    import(store, "readers", std::slice::from_ref(&ann)).await;
    let campaign = draft(store, &["readers"]).await;
    let id = recipient_id(store, "ann@example.org").await;
    assert!(store.unsubscribe(campaign, id, "link", START).await.unwrap());
    let counts = import(store, "readers", &[ann]).await;
    assert_eq!(counts.unchanged, 1);
    let counts = import(store, "readers", &[row("ann@example.org", Some("Anna"), "{}")]).await;
    assert_eq!(counts.updated, 1);
    assert_eq!(
        standing(store, campaign, "ann@example.org").await,
        [Subscription::Unsubscribed]
    );
    assert_eq!(store.count_eligible(campaign, START).await.unwrap(), 0);
});

store_on_both_engines!(an_import_never_lifts_a_suppression, |store| {
    import(store, "readers", &readers(2)).await;
    suppress(store, &reader(1)).await;
    let rows: Vec<_> = readers(2)
        .into_iter()
        .map(|row| Row {
            name: Some("New Name".to_owned()),
            ..row
        })
        .collect();
    let counts = import(store, "readers", &rows).await;
    assert_eq!((counts.suppressed, counts.updated), (1, 1));
    let left_alone = store.find_recipient(&address(&reader(1))).await.unwrap();
    assert_eq!(left_alone.unwrap().name, "Reader 1");
    assert_eq!(store.suppressed(&[reader(1)]).await.unwrap().len(), 1);
    let campaign = draft(store, &["readers"]).await;
    assert_eq!(store.count_eligible(campaign, START).await.unwrap(), 1);
});

store_on_both_engines!(an_import_confirms_who_had_not_answered, |store| {
    import(store, "readers", &readers(2)).await;
    let undecided = recipient_id(store, &reader(1)).await;
    store
        .execute(&format!(
            "UPDATE subscriptions SET state = 'pending' WHERE recipient_id = {undecided}"
        ))
        .await;
    let campaign = draft(store, &["readers"]).await;
    assert_eq!(
        standing(store, campaign, &reader(1)).await,
        [Subscription::Pending]
    );
    let counts = import(store, "readers", &readers(2)).await;
    assert_eq!((counts.updated, counts.unchanged), (1, 1));
    assert_eq!(
        standing(store, campaign, &reader(1)).await,
        [Subscription::Confirmed]
    );
});

store_on_both_engines!(columns_of_the_file_overwrite_and_others_stay, |store| {
    let known = row("ann@example.org", Some("Ann"), r#"{"city":"Bern","vip":true}"#);
    import(store, "readers", &[known]).await;
    let counts = import(
        store,
        "others",
        &[row("ann@example.org", None, r#"{"city":"Rome"}"#)],
    )
    .await;
    assert_eq!(counts.updated, 1);
    let ann = store.find_recipient(&address("ann@example.org")).await.unwrap();
    let ann = ann.unwrap();
    assert_eq!(ann.name, "Ann");
    assert_eq!(
        serde_json::Value::Object(ann.attributes).to_string(),
        r#"{"city":"Rome","vip":true}"#
    );
    let confirmed: Vec<_> = store.lists().await.unwrap();
    assert!(confirmed.iter().all(|list| list.confirmed == 1), "{confirmed:?}");
});

/// So many that none of the statements can take all of them at once.
pub(super) const MANY: usize = 4_500;

store_on_both_engines!(a_batch_may_have_more_rows_than_one_statement_takes, |store| {
    suppress(store, "gone@example.org").await;
    let mut rows = readers(MANY);
    let counts = import(store, "readers", &rows).await;
    let expected = Counts {
        rows: MANY as u64,
        created: MANY as u64,
        ..NOTHING
    };
    assert_eq!(counts, expected);
    // Some are as they were, some are not, some are new.
    for row in &mut rows[..2_300] {
        row.attributes = r#"{"city":"Shelbyville"}"#.to_owned();
    }
    rows.push(row("gone@example.org", None, "{}"));
    rows.push(row("new@example.org", None, "{}"));
    rows.push(row(&reader(1), None, "{}"));
    let counts = import(store, "readers", &rows).await;
    let expected = Counts {
        rows: MANY as u64 + 3,
        created: 1,
        updated: 2_300,
        unchanged: 2_200,
        duplicates: 1,
        suppressed: 1,
        ..NOTHING
    };
    assert_eq!(counts, expected);
    for (i, city) in [
        (1, "Shelbyville"),
        (2_300, "Shelbyville"),
        (2_301, "Springfield"),
        (MANY, "Springfield"),
    ] {
        let found = store.find_recipient(&address(&reader(i))).await.unwrap().unwrap();
        assert_eq!(found.attributes["city"], city, "reader {i}");
    }
    let campaign = draft(store, &["readers"]).await;
    assert_eq!(
        store.count_eligible(campaign, START).await.unwrap(),
        MANY as i64 + 1
    );
});

store_on_both_engines!(a_dry_run_counts_the_same_and_changes_nothing, |store| {
    suppress(store, "gone@example.org").await;
    import(store, "readers", &readers(10)).await;
    let mut first = readers(12);
    first[0].name = Some("Another".to_owned());
    first.push(row(&reader(2), None, "{}"));
    first.push(row("gone@example.org", None, "{}"));
    let second = readers(13);
    // The first list is there already, the second is not.
    for list in ["readers", "others"] {
        let before = store.lists().await.unwrap();
        let mut dry = DryRun::new(store, list).await.unwrap();
        let counted = [
            dry.count(&first, &[]).await.unwrap(),
            dry.count(&second, &[]).await.unwrap(),
        ];
        assert_eq!(store.lists().await.unwrap(), before);
        let new = store.find_recipient(&address(&reader(13))).await.unwrap();
        assert_eq!(new.is_some(), list == "others");
        let mut import = Import::begin(store, &NewImport::of(list, "readers.csv"), START)
            .await
            .unwrap();
        let done = [
            import.write(ImportBatch::of(&first), START).await.unwrap(),
            import.write(ImportBatch::of(&second), START).await.unwrap(),
        ];
        assert_eq!(counted, done, "into {list}");
        assert_eq!(done[1].duplicates, 12);
    }
});

store_on_both_engines!(a_dry_run_may_have_more_rows_than_one_statement_takes, |store| {
    suppress(store, &reader(2_001)).await;
    import(store, "readers", &readers(2_100)).await;
    let mut dry = DryRun::new(store, "readers").await.unwrap();
    let counts = dry.count(&readers(MANY), &[]).await.unwrap();
    let expected = Counts {
        rows: MANY as u64,
        created: MANY as u64 - 2_100,
        unchanged: 2_099,
        suppressed: 1,
        ..NOTHING
    };
    assert_eq!(counts, expected);
});

store_on_both_engines!(an_import_of_no_rows_makes_its_list, |store| {
    let import = Import::begin(store, &NewImport::of("readers", "empty.csv"), START)
        .await
        .unwrap();
    let id = import.id();
    import.finish(START).await.unwrap();
    assert!(store.find_list("readers").await.unwrap().is_some());
    let record = store.find_import(id).await.unwrap().unwrap();
    assert_eq!((record.state.as_str(), record.counts), ("finished", NOTHING));
});

store_on_both_engines!(what_an_import_wrote_stays_when_it_breaks_off, |store| {
    let mut import = Import::begin(store, &NewImport::of("readers", "readers.csv"), START)
        .await
        .unwrap();
    import.write(ImportBatch::of(&readers(3)), START).await.unwrap();
    drop(import);
    let counts = super::import(store, "readers", &readers(5)).await;
    assert_eq!((counts.unchanged, counts.created), (3, 2));
});

store_on_both_engines!(two_imports_at_once_make_each_recipient_once, |store| {
    let other = store.open_again("there").await;
    let (mut one, mut two) = (
        Import::begin(store, &NewImport::of("readers", "one.csv"), START)
            .await
            .unwrap(),
        Import::begin(&other, &NewImport::of("others", "two.csv"), START)
            .await
            .unwrap(),
    );
    let (all, mut reversed) = (readers(300), readers(300));
    reversed.reverse();
    let (here, there) = tokio::join!(
        async {
            let mut sum = NOTHING;
            for rows in all.chunks(100) {
                sum += one.write(ImportBatch::of(rows), START).await.unwrap();
            }
            sum
        },
        async {
            let mut sum = NOTHING;
            for rows in reversed.chunks(100) {
                sum += two.write(ImportBatch::of(rows), START).await.unwrap();
            }
            sum
        }
    );
    assert_eq!(here.created + there.created, 300);
    assert_eq!(
        here.updated + there.updated,
        300,
        "a new place on a list is a change"
    );
    let confirmed: Vec<_> = store.lists().await.unwrap();
    assert!(
        confirmed.iter().all(|list| list.confirmed == 300),
        "{confirmed:?}"
    );
    other.close().await;
});

pub(super) async fn record(store: &Store, id: ImportId) -> ImportRecord {
    store.find_import(id).await.unwrap().unwrap()
}

store_on_both_engines!(the_record_of_an_import_says_who_what_and_how_far, |store| {
    let new = NewImport {
        started_by: "Ann".to_owned(),
        consent: Some("the fair".to_owned()),
        fingerprint: Some("f".to_owned()),
        details: Some("{}".to_owned()),
        ..NewImport::of("readers", "readers.csv")
    };
    let mut import = Import::begin(store, &new, START).await.unwrap();
    let rows = readers(3);
    let batch = ImportBatch {
        rejected: 2,
        rejects_octets: 99,
        ..ImportBatch::of(&rows)
    };
    import.write(batch, at(1)).await.unwrap();
    let id = import.id();
    let found = store.find_unfinished_import("f").await.unwrap().unwrap();
    let expected = ImportRecord {
        id,
        list: "readers".to_owned(),
        files: "readers.csv".to_owned(),
        state: ImportState::Running,
        reason: None,
        started_by: "Ann".to_owned(),
        consent: Some("the fair".to_owned()),
        details: Some("{}".to_owned()),
        counts: Counts {
            rows: 5,
            created: 3,
            rejected: 2,
            ..NOTHING
        },
        rejects_octets: 99,
        remarks_octets: 0,
        started_at: START,
        updated_at: at(1),
        finished_at: None,
    };
    assert_eq!(found, expected);
    assert_eq!(import.counts(), expected.counts);
    import.finish(at(2)).await.unwrap();
    assert_eq!(store.find_unfinished_import("f").await.unwrap(), None);
    let second = import_at(store, "readers", &readers(1), at(3)).await.0;
    let newest: Vec<_> = store.imports(10).await.unwrap().iter().map(|r| r.id).collect();
    assert_eq!(newest, [second, id]);
});

store_on_both_engines!(imports_at_once_each_know_their_own_duplicates, |store| {
    let rows = readers(2);
    let begin = |name| Import::begin(store, name, START);
    let (one, two) = (
        NewImport::of("readers", "1.csv"),
        NewImport::of("readers", "2.csv"),
    );
    let (mut one, mut two) = (begin(&one).await.unwrap(), begin(&two).await.unwrap());
    one.write(ImportBatch::of(&rows), START).await.unwrap();
    assert_eq!(
        two.write(ImportBatch::of(&rows), START).await.unwrap().unchanged,
        2
    );
    let renamed = [row(&reader(1), Some("Somebody Else"), "{}")];
    assert_eq!(
        one.write(ImportBatch::of(&renamed), START)
            .await
            .unwrap()
            .duplicates,
        1
    );
    assert_eq!(
        two.write(ImportBatch::of(&renamed), START)
            .await
            .unwrap()
            .duplicates,
        1
    );
    one.finish(START).await.unwrap();
    assert_eq!(
        two.write(ImportBatch::of(&renamed), START)
            .await
            .unwrap()
            .duplicates,
        1
    );
});
