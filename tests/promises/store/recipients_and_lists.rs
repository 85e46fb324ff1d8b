//! Lists, recipients and suppressions.

use super::*;
use tidings_campaign::leaving::{PauseLength, Said};
use tidings_store::StoreError;
use tidings_store::deliveries::Frozen;
use tidings_store::lists::List;
use tidings_tests::store_on_both_engines;

const FOUR_WEEKS: u64 = 4 * 7 * 86_400;

store_on_both_engines!(
    a_list_is_made_once_and_renamed_to_what_no_other_is_called,
    |store| {
        let by = By::command_line();
        let made = store.make_list("readers", &by, START).await.unwrap();
        assert_eq!(store.find_list("readers").await.unwrap(), made);
        assert_eq!(store.make_list("readers", &by, START).await.unwrap(), None);
        store.make_list("writers", &by, START).await.unwrap().unwrap();
        let rename = async |from: &'static str, to: &'static str| {
            let change = ListChange::Name(to);
            store.change_list(from, change, &by, START).await.unwrap()
        };
        assert_eq!(rename("readers", "writers").await, ListChanged::NameTaken);
        assert_eq!(rename("nobody", "somebody").await, ListChanged::NoSuchList);
        assert_eq!(rename("readers", "those who read").await, ListChanged::Done);
        let names = store.list_names().await.unwrap();
        assert_eq!(names[0], (made.unwrap(), "those who read".to_owned()));
        let log = store.audit_log(None, 10).await.unwrap();
        assert_eq!(
            (log[0].what.as_str(), log[0].about.as_str()),
            ("renamed a list", "readers")
        );
        assert_eq!(log.len(), 3, "what was refused is no change");
    }
);

store_on_both_engines!(
    a_list_is_changed_by_its_number_as_a_whole_or_not_at_all,
    |store| {
        let by = By::command_line();
        let id = store.make_list("readers", &by, START).await.unwrap().unwrap();
        store.make_list("writers", &by, START).await.unwrap().unwrap();
        let change = async |id, changes: &[ListChange<'_>]| {
            store.change_list_by_id(id, changes, &by, START).await.unwrap()
        };
        // Somebody else renames it meanwhile.
        let renamed = [ListChange::Name("those who read"), ListChange::Archived(true)];
        assert_eq!(change(id, &renamed).await, ListChanged::Done);
        let refused = [ListChange::Archived(false), ListChange::Name("writers")];
        assert_eq!(change(id, &refused).await, ListChanged::NameTaken);
        let nobody = ListId(id.0 + 100);
        assert_eq!(change(nobody, &refused).await, ListChanged::NoSuchList);
        let lists = store.lists().await.unwrap();
        let list = lists.iter().find(|list| list.id == id).unwrap();
        assert_eq!((list.name.as_str(), list.archived), ("those who read", true));
    }
);

store_on_both_engines!(a_list_is_found_once_it_was_made, |store| {
    assert_eq!(store.find_list("readers").await.unwrap(), None);
    let made = store.find_or_create_list("readers", START).await.unwrap();
    let again = store.find_or_create_list("readers", at(1)).await.unwrap();
    assert_eq!(made, again);
    assert_eq!(store.find_list("readers").await.unwrap(), Some(made));
    assert_ne!(store.find_or_create_list("writers", START).await.unwrap(), made);
});

store_on_both_engines!(two_who_make_a_list_at_once_make_one, |store| {
    let other = store.open_again("there").await;
    let (one, two) = tokio::join!(
        store.find_or_create_list("readers", START),
        other.find_or_create_list("readers", START)
    );
    assert_eq!(one.unwrap(), two.unwrap());
    assert_eq!(store.lists().await.unwrap().len(), 1);
    other.close().await;
});

store_on_both_engines!(a_list_counts_those_who_want_its_mail, |store| {
    import(store, "readers", &readers(5)).await;
    let writers = list(store, "writers").await;
    let campaign = draft(store, &["readers"]).await;
    let leaving = recipient_id(store, &reader(2)).await;
    store.unsubscribe(campaign, leaving, "link", START).await.unwrap();
    let undecided = recipient_id(store, &reader(3)).await;
    store
        .execute(&format!(
            "UPDATE subscriptions SET state = 'pending' WHERE recipient_id = {undecided}"
        ))
        .await;
    store.execute("UPDATE list_counters SET n = n - 1").await;
    let authors = list(store, "authors").await;
    let of = |id, name: &str, confirmed| List {
        id,
        name: name.to_owned(),
        confirmed,
        tracking: None,
        utm: Utm::default(),
        archived: false,
        open_for_sign_up: false,
    };
    let readers = list(store, "readers").await;
    let expected = [
        of(authors, "authors", 0),
        of(readers, "readers", 3),
        of(writers, "writers", 0),
    ];
    assert_eq!(store.lists().await.unwrap(), expected);
});

store_on_both_engines!(a_recipient_is_found_however_the_address_is_written, |store| {
    let rows = [row(
        "Ann.Baker@example.org",
        Some("Ann Bäker"),
        r#"{"city":"Köln","visits":3}"#,
    )];
    import(store, "readers", &rows).await;
    let ann = store
        .find_recipient(&address("ann.baker@EXAMPLE.org"))
        .await
        .unwrap();
    let ann = ann.unwrap();
    assert_eq!(ann.address.as_str(), "Ann.Baker@example.org");
    assert_eq!(ann.name, "Ann Bäker");
    assert_eq!(ann.attributes["city"], "Köln");
    assert_eq!(ann.attributes["visits"], 3);
    let nobody = store.find_recipient(&address("bob@example.org")).await.unwrap();
    assert_eq!(nobody, None);
});

store_on_both_engines!(recipients_are_read_by_id_and_who_is_gone_is_left_out, |store| {
    import(store, "readers", &readers(1_100)).await;
    let first = recipient_id(store, &reader(1)).await.0;
    // More than one statement takes, in no order, some of them twice, some of nobody.
    let ids: Vec<RecipientId> = (first..first + 1_100)
        .rev()
        .chain([first, first + 1, first + 5_000, -1])
        .map(RecipientId)
        .collect();
    let found = store.recipients(&ids).await.unwrap();
    let addresses: Vec<_> = found.iter().map(|r| r.address.as_str().to_owned()).collect();
    let expected: Vec<_> = (1..=1_100).map(reader).collect();
    assert_eq!(addresses, expected);
    assert!(store.recipients(&[]).await.unwrap().is_empty());
});

store_on_both_engines!(
    a_list_is_read_page_by_page_and_only_who_would_be_mailed,
    |store| {
        import(store, "writers", &[row("before@example.org", None, "{}")]).await;
        import(store, "readers", &readers(5)).await;
        let campaign = draft(store, &["readers"]).await;
        let leaving = recipient_id(store, &reader(2)).await;
        store.unsubscribe(campaign, leaving, "link", START).await.unwrap();
        suppress(store, &reader(4)).await;
        let pausing = recipient_id(store, &reader(5)).await;
        let pause = (PauseLength::FourWeeks, &Said::default());
        store
            .pause_recipient(campaign, pausing, pause, START)
            .await
            .unwrap();
        let readers = list(store, "readers").await;
        let after_the_pause = store
            .recipients_of_list(readers, RecipientId(0), 9, at(FOUR_WEEKS))
            .await;
        assert_eq!(after_the_pause.unwrap().len(), 3);
        let mut pages = Vec::new();
        let mut after = RecipientId(0);
        loop {
            let page = store.recipients_of_list(readers, after, 2, START).await.unwrap();
            let Some(last) = page.last() else { break };
            after = last.id;
            pages.push(page.iter().map(|r| r.address.to_string()).collect::<Vec<_>>());
        }
        assert_eq!(pages, [vec![reader(1), reader(3)]]);
        let broken = recipient_id(store, &reader(3)).await;
        store
            .execute(&format!(
                "UPDATE recipients SET attributes = '[]' WHERE id = {broken}"
            ))
            .await;
        let error = store
            .recipients_of_list(readers, RecipientId(0), 2, at(FOUR_WEEKS))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(&broken.to_string()), "{error}");
    }
);

store_on_both_engines!(a_row_that_cannot_be_read_is_named, |store| {
    import(store, "readers", &readers(2)).await;
    let broken = recipient_id(store, &reader(2)).await;
    store
        .execute(&format!(
            "UPDATE recipients SET attributes = 'no object' WHERE id = {broken}"
        ))
        .await;
    let errors = [
        store.find_recipient(&address(&reader(2))).await.unwrap_err(),
        store.recipients(&[broken]).await.unwrap_err(),
    ];
    for error in errors {
        let StoreError::BadRow { table, row, .. } = &error else {
            panic!("{error}");
        };
        assert_eq!((*table, row), ("recipients", &broken.to_string()));
        assert!(!error.is_transient());
    }
});

store_on_both_engines!(a_suppression_stays_as_it_was_made, |store| {
    let (upper, lower) = (address("Gone@example.org"), address("gone@example.org"));
    assert!(
        store
            .suppress(&upper, "complaint", "a report", START)
            .await
            .unwrap()
    );
    assert!(
        !store
            .suppress(&lower, "address", "a bounce", at(1))
            .await
            .unwrap()
    );
    let known = store
        .suppressed(&[upper.key(), "ann@example.org".to_owned()])
        .await;
    let known: Vec<_> = known.unwrap().into_iter().collect();
    assert_eq!(known, [("gone@example.org".to_owned(), "complaint".to_owned())]);
});

store_on_both_engines!(
    more_suppressions_can_be_asked_for_than_one_statement_takes,
    |store| {
        let gone = [1, 500, 501, 1_100];
        for i in gone {
            suppress(store, &reader(i)).await;
        }
        let keys: Vec<_> = (1..=1_200).map(reader).collect();
        let known = store.suppressed(&keys).await.unwrap();
        assert_eq!(known.len(), gone.len());
        assert!(gone.iter().all(|i| known[&reader(*i)] == "complaint"));
        assert!(store.suppressed(&[]).await.unwrap().is_empty());
    }
);

store_on_both_engines!(recipients_are_found_by_how_their_addresses_begin, |store| {
    import(store, "readers", &readers(12)).await;
    let found = async |beginning: &'static str, limit| -> Vec<String> {
        let found = store.recipients_beginning(beginning, limit).await.unwrap();
        found.into_iter().map(|one| one.address).collect()
    };
    assert_eq!(found("reader0001", 9).await, [reader(10), reader(11), reader(12)]);
    assert_eq!(found("reader0001", 2).await.len(), 2);
    assert!(found("reader0001%", 9).await.is_empty());
    assert!(found("nobody", 9).await.is_empty());
});

store_on_both_engines!(a_standing_says_by_which_import_and_consent, |store| {
    let new = NewImport {
        consent: Some("open day in May".to_owned()),
        ..NewImport::of("readers", "readers.csv")
    };
    let mut import = Import::begin(store, &new, START).await.unwrap();
    import.write(ImportBatch::of(&readers(1)), START).await.unwrap();
    let id = import.id();
    import.finish(START).await.unwrap();
    let record = store.recipient_record(&address(&reader(1)), 1).await.unwrap();
    let standing = &record.lists[0];
    assert_eq!(standing.import_id, Some(id.0));
    assert_eq!(standing.import_consent.as_deref(), Some("open day in May"));
    assert_eq!((standing.signed_up_at, &standing.agreed_to), (None, &None));
});

store_on_both_engines!(lists_say_what_is_added_to_links_and_the_first_wins, |store| {
    let campaign = draft(store, &["writers", "readers"]).await;
    assert_eq!(store.list_utm(campaign).await.unwrap(), Utm::default());
    let utm = |source: &str, medium: Option<&str>| Utm {
        source: Some(source.to_owned()),
        medium: medium.map(str::to_owned),
        ..Utm::default()
    };
    assert!(changed(store, "writers", ListChange::Utm(&utm("writers", Some("email")))).await);
    assert!(changed(store, "readers", ListChange::Utm(&utm("readers", None))).await);
    assert!(!changed(store, "nobody", ListChange::Utm(&Utm::default())).await);
    assert_eq!(
        store.list_utm(campaign).await.unwrap(),
        utm("readers", Some("email"))
    );
    changed(store, "readers", ListChange::Utm(&Utm::default())).await;
    assert_eq!(
        store.list_utm(campaign).await.unwrap(),
        utm("writers", Some("email"))
    );
    // What was in force when it started stays.
    let frozen = Frozen {
        utm: Some(&utm("writers", None)),
        ..Frozen::from("{}")
    };
    store.start_campaign(campaign, frozen, START).await.unwrap();
    assert_eq!(
        store.get_campaign(campaign).await.unwrap().utm,
        utm("writers", None)
    );
});
