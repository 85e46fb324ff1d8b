//! Taking imports back.

use super::feedback::{about, sent_at, take_one, why_suppressed};
use super::imports::{MANY, record};
use super::imports_cut_off::released;
use super::*;
use tidings_campaign::csv_import::{Suppression, SuppressionReason};
use tidings_feedback::event::EventKind;
use tidings_feedback::reason::Reason;
use tidings_store::imports::{ImportState, KeptWhy, Undo, UndoCounts};
use tidings_store::suppressions::NewSuppression;
use tidings_tests::{FreshStore, store_on_both_engines};

/// Takes an import back to its end.
async fn undo(store: &Store, id: ImportId, now: Timestamp) -> (UndoCounts, Vec<(String, KeptWhy)>) {
    released(store, id).await;
    let mut undo = Undo::begin(store, id, &By::command_line(), now)
        .await
        .unwrap()
        .unwrap();
    let mut kept = Vec::new();
    while let Some(more) = undo.step(now).await.unwrap() {
        kept.extend(more.into_iter().map(|kept| (kept.address, kept.why)));
    }
    let counts = undo.counts();
    undo.finish(now).await.unwrap();
    assert_eq!(record(store, id).await.state, ImportState::Undone);
    assert!(
        Undo::begin(store, id, &By::command_line(), now).await.is_err(),
        "once is enough"
    );
    (counts, kept)
}

/// Everything about recipients and their standing, to be compared.
async fn everybody(store: &FreshStore) -> Vec<String> {
    store
        .texts(
            "SELECT r.address || ' ' || r.name || ' ' || r.attributes || ' ' || r.updated_at || ' ' || \
             COALESCE(s.state, '-') || ' ' || COALESCE(s.list_id, 0) \
             FROM recipients r LEFT JOIN subscriptions s ON s.recipient_id = r.id ORDER BY 1",
        )
        .await
}

/// A row of [`everybody`] without the time of its last change, which a standing that stays for a while sets anew.
fn without_time(row: &str) -> String {
    let mut fields: Vec<&str> = row.split(' ').collect();
    fields.remove(fields.len() - 3);
    fields.join(" ")
}

store_on_both_engines!(an_import_taken_back_leaves_what_was_before, |store| {
    let known = [
        row("ann@example.org", Some("Ann"), r#"{"age":null,"city":"Bern"}"#),
        row("bob@example.org", Some("Bob"), "{}"),
    ];
    import(store, "others", &known[..1]).await;
    import(store, "readers", &known[1..]).await;
    store
        .execute("UPDATE subscriptions SET state = 'pending' WHERE recipient_id = 2")
        .await;
    let before = everybody(store).await;
    let rows = [
        row(
            "ann@example.org",
            Some("Anna"),
            r#"{"age":41,"city":"Rome","vip":true}"#,
        ),
        row("bob@example.org", Some("Bob"), "{}"),
        row("carl@example.org", Some("Carl"), "{}"),
    ];
    let (id, counts) = import_at(store, "readers", &rows, at(1)).await;
    assert_eq!((counts.created, counts.updated), (1, 2));
    let (counts, kept) = undo(store, id, at(2)).await;
    let expected = UndoCounts {
        removed: 1,
        restored: 2,
        ..UndoCounts::default()
    };
    assert_eq!((counts, kept), (expected, vec![]));
    assert_eq!(everybody(store).await, before);
});

store_on_both_engines!(an_undo_is_made_in_steps_that_can_be_gone_on_with, |store| {
    let (id, _) = import_at(store, "readers", &readers(MANY), START).await;
    let mut begun = Undo::begin(store, id, &By::command_line(), at(1))
        .await
        .unwrap()
        .unwrap();
    begun.step(at(1)).await.unwrap();
    assert_eq!(begun.counts().removed, 2_000);
    assert!(
        Undo::begin(store, id, &By::command_line(), at(1))
            .await
            .unwrap()
            .is_none(),
        "one process at a time"
    );
    drop(begun);
    let (counts, _) = undo(store, id, at(2)).await;
    assert_eq!(counts.removed, MANY as u64 - 2_000);
    assert_eq!(everybody(store).await, Vec::<String>::new());
});

store_on_both_engines!(
    what_happened_after_an_import_stays_when_it_is_taken_back,
    |store| {
        let rows = readers(6);
        let (id, _) = import_at(store, "readers", &rows, START).await;
        for n in 2..=6 {
            suppress(store, &reader(n)).await;
        }
        let campaign = draft(store, &["readers"]).await;
        assert_eq!(store.start_campaign(campaign, "{}", START).await.unwrap(), 1);
        store.execute("DELETE FROM suppressions").await;
        let mut expected = vec![(reader(1), KeptWhy::Mailed)];
        let left = recipient_id(store, &reader(2)).await;
        store.unsubscribe(campaign, left, "link", at(1)).await.unwrap();
        expected.push((reader(2), KeptWhy::Unsubscribed));
        let (other, _) = import_at(store, "others", &rows[2..3], at(1)).await;
        expected.push((reader(3), KeptWhy::InImport(other)));
        store
            .execute("UPDATE recipients SET name = 'Changed', updated_at = updated_at + 1 WHERE id = 4")
            .await;
        expected.push((reader(4), KeptWhy::ChangedSince));
        let list = list(store, "by hand").await;
        store
        .execute(&format!(
            "INSERT INTO subscriptions (list_id, recipient_id, state, updated_at) VALUES ({list}, 5, 'confirmed', 0)"
        ))
        .await;
        expected.push((reader(5), KeptWhy::OnOtherList));
        let (counts, kept) = undo(store, id, at(2)).await;
        assert_eq!((counts.removed, counts.kept), (1, 5));
        assert_eq!(kept, expected);
        let confirmed = store.lists().await.unwrap();
        let of = |name: &str| confirmed.iter().find(|list| list.name == name).unwrap().confirmed;
        // What was put on the third list by hand is in no counter.
        assert_eq!((of("readers"), of("others")), (0, 1));
    }
);

store_on_both_engines!(imports_are_taken_back_in_any_order, |store| {
    let ann = |name, attributes| [row("ann@example.org", Some(name), attributes)];
    import(store, "readers", &ann("Ann", r#"{"city":"Bern"}"#)).await;
    let before = everybody(store).await;
    let first = import_at(store, "readers", &ann("Anna", r#"{"city":"Rome"}"#), at(1))
        .await
        .0;
    let second = import_at(
        store,
        "readers",
        &ann("Annie", r#"{"city":"Rome","vip":true}"#),
        at(2),
    )
    .await
    .0;
    let (_, kept) = undo(store, first, at(3)).await;
    assert_eq!(
        kept,
        [(
            "ann@example.org".to_owned(),
            KeptWhy::Changed(vec!["name".to_owned()])
        )]
    );
    undo(store, second, at(4)).await;
    let without_times = |rows: Vec<String>| rows[0].replace(&at(4).0.to_string(), &START.0.to_string());
    assert_eq!(without_times(everybody(store).await), before[0]);
});

/// Every order in which three can be taken.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

store_on_both_engines!(
    whom_every_import_has_changed_is_as_before_after_the_last_of_them,
    |store| {
        let rows = |name: &str| {
            let attributes = format!(r#"{{"by":"{name}","{name}":1}}"#);
            ["known@example.org", "new@example.org"].map(|address| row(address, Some(name), &attributes))
        };
        import(store, "origin", &rows("origin")[..1]).await;
        let before = everybody(store).await;
        for (round, order) in ORDERS.into_iter().enumerate() {
            let time = |n: usize| at(10 * round as u64 + n as u64);
            let first = import_at(store, "readers", &rows("first"), time(1)).await.0;
            let second = import_at(store, "others", &rows("second"), time(3)).await.0;
            // It had looked at the clock before the second wrote, and had to wait for it.
            let new = NewImport::of("readers", "third.csv");
            let mut waiting = Import::begin(store, &new, time(2)).await.unwrap();
            let rows = rows("third");
            waiting.write(ImportBatch::of(&rows), time(2)).await.unwrap();
            let third = waiting.id();
            waiting.finish(time(4)).await.unwrap();
            let imports = [first, second, third];
            for (n, import) in order.into_iter().enumerate() {
                undo(store, imports[import], time(5 + n)).await;
            }
            assert_eq!(
                everybody(store).await,
                before,
                "taken back in the order {order:?}"
            );
        }
    }
);

store_on_both_engines!(what_several_imports_have_goes_with_the_last_of_them, |store| {
    let rows = readers(5);
    let stranger = [row("stranger@example.org", None, "{}")];
    // Somebody whom the imports only bring onto the list.
    import(store, "base", &rows[..1]).await;
    let before = everybody(store).await;
    for (round, order) in ORDERS.into_iter().enumerate() {
        let time = |n: usize| at(10 * round as u64 + n as u64);
        let first = import_at(store, "readers", &rows[..4], time(1)).await.0;
        let again = [&rows[1..], &rows[..1]].concat();
        let second = import_at(store, "readers", &again, time(2)).await.0;
        let third = import_at(store, "others", &rows[2..3], time(3)).await.0;
        // It has none of them, and is no reason to keep anybody.
        import_at(store, "readers", &stranger, time(4)).await;
        let imports = [first, second, third];
        for (n, import) in order.into_iter().enumerate() {
            undo(store, imports[import], time(5 + n)).await;
        }
        let left = everybody(store).await;
        let known: Vec<_> = left.iter().filter(|row| !row.starts_with("stranger")).collect();
        let known: Vec<_> = known.iter().map(|row| without_time(row)).collect();
        assert_eq!(
            known,
            [without_time(&before[0])],
            "taken back in the order {order:?}"
        );
    }
});

store_on_both_engines!(
    whom_imports_have_seen_is_remembered_for_the_newest_only,
    |store| {
        for n in 1..=15 {
            import_at(store, "readers", &readers(3), at(n)).await;
        }
        // The last one's marks stand with the recipients.
        let remembered = store
            .texts("SELECT CAST(import_id AS TEXT) AS import FROM import_seen GROUP BY import_id ORDER BY import_id")
            .await;
        let newest: Vec<_> = (6..=14).map(|id| id.to_string()).collect();
        assert_eq!(remembered, newest);
    }
);

store_on_both_engines!(
    what_an_import_suppressed_and_others_too_stays_suppressed_when_it_is_taken_back,
    |store| {
        let known = |n| Suppression {
            line: 2,
            address: address(&reader(n)),
            reason: SuppressionReason::Unsubscribe,
            evidence: "a file".to_owned(),
        };
        let import = async |list: &str, of: &[usize], now| {
            let suppressions: Vec<_> = of.iter().map(|n| known(*n)).collect();
            let mut import = Import::begin(store, &NewImport::of(list, "left.csv"), now)
                .await
                .unwrap();
            let batch = ImportBatch {
                suppressions: &suppressions,
                ..ImportBatch::default()
            };
            import.write(batch, now).await.unwrap();
            let id = import.id();
            import.finish(now).await.unwrap();
            id
        };
        let campaign = sent_at(store, 5, 1).await;
        let id = import("readers", &[1, 2, 3, 4, 4, 5], at(10)).await;
        import("others", &[1, 1], at(11)).await;
        let complaint = about(store, campaign, 2, EventKind::Complaint, Reason::Feedback).await;
        take_one(store, complaint, 60).await;
        let third = address(&reader(3));
        let by_person = store.suppress(&third, "complaint", "a letter", at(61));
        assert!(!by_person.await.unwrap());
        let left = NewSuppression {
            address: address(&reader(5)),
            reason: "cleaned".to_owned(),
            evidence: "a file".to_owned(),
        };
        assert_eq!(
            store.suppress_all(&[left.clone(), left], at(62)).await.unwrap(),
            0
        );
        let (counts, _) = undo(store, id, at(70)).await;
        assert_eq!(counts.suppressions_lifted, 1);
        let mut why = Vec::new();
        for n in 1..=5 {
            why.push(why_suppressed(store, &reader(n)).await);
        }
        let why: Vec<_> = why.iter().map(|why| why.as_deref()).collect();
        assert_eq!(
            why,
            [
                Some("unsubscribe"),
                Some("unsubscribe"),
                Some("unsubscribe"),
                None,
                Some("unsubscribe")
            ]
        );
    }
);
