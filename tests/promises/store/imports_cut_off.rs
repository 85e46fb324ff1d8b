//! Imports that are cut off, stopped or taken over, and gone on with.

use super::imports::record;
use super::*;
use tidings_store::StoreError;
use tidings_store::imports::{ImportLock, ImportRecord, ImportState};
use tidings_tests::{Engine, FreshStore, store_on_both_engines};

store_on_both_engines!(an_import_goes_on_where_its_last_commit_was, |store| {
    let rows = readers(5);
    let mut import = Import::begin(store, &NewImport::of("readers", "readers.csv"), START)
        .await
        .unwrap();
    import.write(ImportBatch::of(&rows[..3]), START).await.unwrap();
    let id = import.id();
    assert!(
        ImportLock::take(store, id).await.unwrap().is_none(),
        "one process at a time"
    );
    let now = record(store, id).await;
    assert!(Import::resume(store, &now, None, at(1)).await.unwrap().is_none());
    drop(import);
    let quiet = released(store, id).await;
    assert_eq!(store.quiet_imports(START).await.unwrap(), []);
    assert_eq!(
        store.quiet_imports(at(1)).await.unwrap(),
        std::slice::from_ref(&quiet)
    );
    let (mut import, from) = Import::resume(store, &quiet, None, at(1)).await.unwrap().unwrap();
    assert_eq!(from.counts.rows, 3);
    assert!(!store.has_import_of("incoming-nobody").await.unwrap());
    // A row that it has seen before it was cut off is a duplicate, as it would have been.
    let counts = import.write(ImportBatch::of(&rows[2..]), at(1)).await.unwrap();
    assert_eq!((counts.created, counts.duplicates), (2, 1));
    import.stop("a test", at(2)).await.unwrap();
    let stopped = record(store, id).await;
    assert_eq!(
        (stopped.state, stopped.reason.as_deref()),
        (ImportState::Stopped, Some("a test"))
    );
    let waiting = store.stopped_imports().await.unwrap();
    assert_eq!(waiting, std::slice::from_ref(&stopped));
    assert_eq!(store.quiet_imports(at(9)).await.unwrap(), []);
    released(store, id).await;
    let (import, _) = Import::resume(store, &stopped, None, at(3))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(store.stopped_imports().await.unwrap(), []);
    assert_eq!(import.counts().rows, 6);
    import.finish(at(3)).await.unwrap();
    released(store, id).await;
    assert!(
        Import::resume(store, &stopped, None, at(4)).await.is_err(),
        "it is at its end"
    );
});

/// PostgreSQL notices a moment later that a connection is gone, and its lock with it.
pub(super) async fn released(store: &Store, id: ImportId) -> ImportRecord {
    for _ in 0..500 {
        if !ImportLock::is_held(store, id).await.unwrap() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    record(store, id).await
}

store_on_both_engines!(an_import_is_stopped_by_a_person_before_its_next_batch, |store| {
    let by = By {
        who: "ada@example.com".to_owned(),
        network: String::new(),
    };
    let new = NewImport {
        by: by.clone(),
        ..NewImport::of("readers", "readers.csv")
    };
    let mut import = Import::begin(store, &new, START).await.unwrap();
    let id = import.id();
    import.write(ImportBatch::of(&readers(3)), START).await.unwrap();
    assert!(store.stop_import(id, &by, at(1)).await.unwrap());
    assert!(!store.stop_import(id, &by, at(1)).await.unwrap(), "once");
    let refused = import.write(ImportBatch::of(&readers(5)), at(2)).await;
    assert!(refused.is_err());
    import
        .stop(&refused.unwrap_err().to_string(), at(2))
        .await
        .unwrap();
    let record = store.find_import(id).await.unwrap().unwrap();
    assert_eq!(record.reason.as_deref(), Some("ada@example.com asked it to stop"));
    assert_eq!((record.state, record.counts.rows), (ImportState::Stopped, 3));
    let (import, _) = Import::resume(store, &record, Some(&by), at(3))
        .await
        .unwrap()
        .unwrap();
    // Also between its last batch and its end.
    assert!(store.stop_import(id, &by, at(3)).await.unwrap());
    assert!(import.finish(at(3)).await.is_err());
    let record = store.find_import(id).await.unwrap().unwrap();
    assert_eq!(record.state, ImportState::Stopped);
    let (import, _) = Import::resume(store, &record, Some(&by), at(3))
        .await
        .unwrap()
        .unwrap();
    import.finish(at(4)).await.unwrap();
    let log = store.audit_log(None, 10).await.unwrap();
    let what: Vec<&str> = log.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(
        what,
        [
            "went on with an import",
            "stopped an import",
            "went on with an import",
            "stopped an import",
            "began an import"
        ]
    );
    assert!(
        log.iter()
            .all(|entry| entry.who == "ada@example.com" && entry.about == format!("import {id}"))
    );
});

#[test]
fn who_lost_an_import_with_its_lock_writes_nothing_more_of_it() {
    FreshStore::test(Engine::Postgres, async |store| {
        let new = NewImport::of("readers", "one.csv");
        let rows: Vec<Row> = ["ann", "bob", "carl", "dora"]
            .iter()
            .map(|name| row(&format!("{name}@example.org"), Some(name), "{}"))
            .collect();
        let mut one = Import::begin(store, &new, START).await.unwrap();
        let id = one.id();
        one.write(ImportBatch::of(&rows[..1]), START).await.unwrap();
        // As PostgreSQL does with a connection that has been silent for too long.
        store
            .execute(
                "SELECT pg_terminate_backend(pid, 20000) FROM pg_locks WHERE locktype = 'advisory' AND granted \
                 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            )
            .await;
        let record = store.find_import(id).await.unwrap().unwrap();
        let resumed = Import::resume(store, &record, None, at(1)).await.unwrap();
        let (mut two, _) = resumed.expect("the lock is free");
        let refused = one.write(ImportBatch::of(&rows[2..3]), at(2)).await;
        two.write(ImportBatch::of(&rows[1..2]), at(2)).await.unwrap();
        assert!(
            matches!(refused, Err(StoreError::ImportNotAllowed { .. })),
            "{refused:?}"
        );
        // It cannot give back a lock that it has not any more.
        let _ = one.stop("it was refused", START).await;
        two.write(ImportBatch::of(&rows[3..]), START).await.unwrap();
        two.finish(START).await.unwrap();
        let record = store.find_import(id).await.unwrap().unwrap();
        assert_eq!((record.state, record.counts.created), (ImportState::Finished, 3));
        assert_eq!(
            store.find_recipient(&address("carl@example.org")).await.unwrap(),
            None
        );
    });
}
