//! What recipients change of themselves: lists, name and attributes, their address; what is stored of them, and being forgotten.

use super::feedback::{about, arrival, sent_at, take, take_one, why_suppressed};
use super::*;
use serde_json::{Map, Value, json};
use tidings_campaign::token::AddressMark;
use tidings_feedback::event::{Event, EventKind};
use tidings_feedback::reason::Reason;
use tidings_store::address_changes::AddressChange;
use tidings_store::audit::By;
use tidings_store::feedback::Done;
use tidings_store::preferences::ListsWish;
use tidings_tests::{FreshStore, store_on_both_engines};

fn lists(join: &[ListId], leave: &[ListId]) -> ListsWish {
    ListsWish {
        join: join.to_vec(),
        leave: leave.to_vec(),
        text: "we will send it".to_owned(),
        network: Some("192.0.2.0/24".to_owned()),
    }
}

fn mark(mailbox: &str) -> AddressMark {
    AddressMark::of(&address(mailbox))
}

async fn change(store: &Store, who: RecipientId, from: &str, to: &str, seconds: u64) -> AddressChange {
    store
        .change_address(who, mark(from), &address(to), at(seconds))
        .await
        .unwrap()
}

async fn data(store: &Store, mailbox: &str) -> Option<Value> {
    let data = store.personal_data(&address(mailbox)).await.unwrap();
    data.map(|data| serde_json::to_value(data).unwrap())
}

store_on_both_engines!(name_and_attributes_are_changed_and_the_others_stay, |store| {
    let campaign = sending(store, 1).await;
    let who = recipient_id(store, &reader(1)).await;
    let changed = Map::from_iter([
        ("language".to_owned(), json!("de")),
        ("vip".to_owned(), json!(true)),
    ]);
    assert!(
        store
            .change_profile(who, Some("Anna"), &changed, at(1))
            .await
            .unwrap()
    );
    assert!(store.change_profile(who, None, &Map::new(), at(2)).await.unwrap());
    let known = store.preferences(campaign, who, at(2)).await.unwrap().unwrap();
    assert_eq!(known.recipient.name, "Anna");
    assert_eq!(
        Value::Object(known.recipient.attributes),
        json!({"city": "Springfield", "language": "de", "vip": true})
    );
    assert_eq!(known.language.as_deref(), Some("de"));
    assert!(!known.is_suppressed && known.paused_until.is_none());
    let nobody = RecipientId(4711);
    assert!(!store.change_profile(nobody, None, &changed, START).await.unwrap());
    assert!(
        store
            .preferences(campaign, nobody, START)
            .await
            .unwrap()
            .is_none()
    );
});

store_on_both_engines!(
    a_list_that_is_left_by_preferences_is_left_as_by_an_unsubscribe,
    |store| {
        let campaign = sending(store, 2).await;
        let who = recipient_id(store, &reader(1)).await;
        let (readers, other) = (list(store, "readers").await, list(store, "other").await);
        let both = (campaign, who);
        for _ in 0..2 {
            store
                .choose_lists(both, &lists(&[other], &[readers]), at(1))
                .await
                .unwrap();
        }
        let standings = standing(store, campaign, &reader(1)).await;
        assert_eq!(standings, [Subscription::Unsubscribed]);
        let page = store
            .export_unsubscribes((CampaignId(0), RecipientId(0)), 9)
            .await
            .unwrap();
        assert_eq!((page.len(), page[0].how.as_str()), (1, "preferences"));
        let known = store.preferences(campaign, who, at(1)).await.unwrap().unwrap();
        let on: Vec<_> = known
            .lists
            .iter()
            .map(|list| (list.name.as_str(), list.is_on()))
            .collect();
        assert_eq!(on, [("other", true), ("readers", false)]);
        let joined = data(store, &reader(1)).await.unwrap()["joined_by_own_wish"].clone();
        assert_eq!(
            (joined[0]["list"].clone(), joined[1].clone()),
            (json!("other"), Value::Null)
        );
        // The message's own link has the way back.
        assert!(store.come_back(campaign, who, at(2)).await.unwrap());
        assert_eq!(
            standing(store, campaign, &reader(1)).await,
            [Subscription::Confirmed]
        );
        // Who joins again by the page has nothing to take back.
        store
            .choose_lists(both, &lists(&[], &[readers]), at(3))
            .await
            .unwrap();
        store
            .choose_lists(both, &lists(&[readers], &[]), at(4))
            .await
            .unwrap();
        assert_eq!(
            standing(store, campaign, &reader(1)).await,
            [Subscription::Confirmed]
        );
        assert!(!store.wish(campaign, who, at(4)).await.unwrap().can_come_back);
    }
);

store_on_both_engines!(what_is_known_of_a_mailbox_stays_with_it, |store| {
    let campaign = sent_at(store, 3, 1).await;
    let who = recipient_id(store, &reader(1)).await;
    assert_eq!(
        change(store, who, "x@example.org", "new@example.net", 60).await,
        AddressChange::Stale
    );
    assert_eq!(
        change(store, who, &reader(1), &reader(2), 60).await,
        AddressChange::Taken
    );
    suppress(store, "bad@example.net").await;
    assert_eq!(
        change(store, who, &reader(1), "bad@example.net", 60).await,
        AddressChange::Suppressed
    );
    assert_eq!(
        change(store, who, &reader(1), "New@example.net", 60).await,
        AddressChange::Changed
    );
    assert_eq!(
        change(store, who, &reader(1), "new@example.net", 61).await,
        AddressChange::Same
    );
    assert_eq!(recipient_id(store, "new@example.net").await, who);
    assert_eq!(
        why_suppressed(store, &reader(1)).await.as_deref(),
        Some("address_changed")
    );
    // The message went to the former address, and so it is that one that is gone.
    let bounce = about(store, campaign, 1, EventKind::Bounce, Reason::UserUnknown).await;
    assert_eq!(take_one(store, bounce, 120).await, Done::Suppressed);
    assert_eq!(why_suppressed(store, "new@example.net").await, None);
    // An import of the old address makes nobody; back to it is let.
    assert_eq!(
        import(store, "readers", &[row(&reader(1), None, "{}")])
            .await
            .suppressed,
        1
    );
    assert_eq!(
        change(store, who, "new@example.net", &reader(1), 180).await,
        AddressChange::Changed
    );
    assert_eq!(why_suppressed(store, &reader(1)).await, None);
    assert_eq!(
        why_suppressed(store, "new@example.net").await.as_deref(),
        Some("address_changed")
    );
    let former = data(store, &reader(1)).await.unwrap()["former_addresses"].clone();
    assert_eq!(former[0]["address"], "new@example.net");
    // Whoever has the old message gets no link to what is stored.
    assert_eq!(store.wish(campaign, who, at(200)).await.unwrap().address, None);
});

store_on_both_engines!(a_complaint_goes_with_the_person_and_a_bounce_does_not, |store| {
    sending(store, 2).await;
    let [one, two] = [
        recipient_id(store, &reader(1)).await,
        recipient_id(store, &reader(2)).await,
    ];
    suppress(store, &reader(1)).await;
    store
        .suppress(&address(&reader(2)), "hard_bounce", "550", START)
        .await
        .unwrap();
    assert_eq!(
        change(store, one, &reader(1), "one@example.net", 1).await,
        AddressChange::Changed
    );
    assert_eq!(
        change(store, two, &reader(2), "two@example.net", 1).await,
        AddressChange::Changed
    );
    assert_eq!(
        why_suppressed(store, "one@example.net").await.as_deref(),
        Some("complaint")
    );
    assert_eq!(why_suppressed(store, "two@example.net").await, None);
    assert_eq!(
        why_suppressed(store, &reader(2)).await.as_deref(),
        Some("hard_bounce")
    );
});

store_on_both_engines!(
    a_first_import_knows_an_address_that_was_changed_meanwhile,
    |store| {
        let mut first = Import::begin(store, &NewImport::of("readers", "a.csv"), START)
            .await
            .unwrap();
        first.write(ImportBatch::of(&readers(2)), START).await.unwrap();
        let who = recipient_id(store, &reader(1)).await;
        assert_eq!(
            change(store, who, &reader(1), "new@example.net", 1).await,
            AddressChange::Changed
        );
        let row = row("new@example.net", None, "{}");
        let counts = first.write(ImportBatch::of(&[row]), at(2)).await.unwrap();
        assert_eq!((counts.created, counts.duplicates), (0, 1));
        first.finish(at(3)).await.unwrap();
    }
);

/// All that is written anywhere, as text.
async fn dump(store: &FreshStore) -> String {
    let mut all = Vec::new();
    for query in [
        "SELECT address || name || attributes FROM recipients",
        "SELECT address_key || evidence FROM suppressions",
        "SELECT address_key || evidence FROM lifted_suppressions",
        "SELECT address_key || told_address || text || COALESCE(host, '') FROM feedback_events",
        "SELECT COALESCE(reply, '') || COALESCE(reason, '') FROM deliveries",
        "SELECT COALESCE(reply, '') FROM attempts",
        "SELECT change FROM import_changes",
        "SELECT text || fault FROM transcripts",
        "SELECT from_key FROM address_changes",
        "SELECT text FROM own_joins",
        "SELECT COALESCE(comment, '') FROM unsubscribes",
    ] {
        all.extend(store.texts(query).await);
    }
    all.join("\n")
}

store_on_both_engines!(
    an_erased_person_is_named_nowhere_and_what_was_counted_stays,
    |store| {
        let campaign = sent_at(store, 3, 1).await;
        let who = recipient_id(store, &reader(1)).await;
        let readers = list(store, "readers").await;
        let name = reader(1);
        // Traces of every kind.
        import(store, "readers", &[row(&name, Some("Another Name"), "{}")]).await;
        let mut bounce = about(store, campaign, 1, EventKind::Bounce, Reason::MailboxFull).await;
        bounce.address = name.clone();
        bounce.text = format!("<{name}> is full");
        let mut report = arrival("one", vec![bounce], 60);
        report.raw = name.clone().into_bytes();
        let taken = take(store, &[report], 60).await;
        store
            .choose_lists((campaign, who), &lists(&[], &[readers]), at(61))
            .await
            .unwrap();
        store
            .keep_transcript("primary", at(61), "broken", &format!("RCPT TO:<{name}>"), 9)
            .await
            .unwrap();
        assert_eq!(
            change(store, who, &name, "moved@example.net", 62).await,
            AddressChange::Changed
        );
        store
            .suppress(
                &address("moved@example.net"),
                "by_hand",
                "moved@example.net",
                at(62),
            )
            .await
            .unwrap();
        let stored = data(store, "moved@example.net").await.unwrap();
        assert_eq!(stored["reports"][0]["raw"], json!(name));
        assert_eq!(stored["events"][0]["told_address"], json!(name));
        assert!(stored["changes_by_imports"][0]["import"].is_i64());
        assert_eq!(stored["unsubscribes"][0]["how"], "preferences");
        assert_eq!(stored["suppressions"].as_array().unwrap().len(), 2);
        let before = store.ledger(campaign).await;
        // Not by an older link, then by the right one, and once.
        assert!(!store.erase_recipient(who, mark(&name), at(63)).await.unwrap());
        assert!(
            store
                .erase_recipient(who, mark("moved@example.net"), at(63))
                .await
                .unwrap()
        );
        assert!(
            !store
                .erase_recipient(who, mark("moved@example.net"), at(63))
                .await
                .unwrap()
        );
        // What comes in later makes nothing anew, by whatever it is found.
        let mut late = about(store, campaign, 1, EventKind::Bounce, Reason::UserUnknown).await;
        late.address = name.clone();
        let mut unsigned = Event::of(EventKind::Bounce, name.clone(), Reason::UserUnknown, "a rule");
        unsigned.text = format!("<{name}> is unknown");
        let arrivals = [("two", late), ("three", unsigned)].map(|(key, event)| {
            let mut arrival = arrival(key, vec![event], 70);
            arrival.raw = name.clone().into_bytes();
            arrival
        });
        let later = take(store, &arrivals, 70).await;
        for id in [taken[0].id, later[0].id, later[1].id] {
            assert!(store.arrival(id).await.unwrap().unwrap().raw.is_empty());
        }
        let left = dump(store).await;
        for word in [name.as_str(), "moved@", "Reader 1\"", "Another Name"] {
            assert!(!left.contains(word), "{word} is left in: {left}");
        }
        assert!(left.contains(&reader(2)));
        assert_eq!(store.ledger(campaign).await, before);
        // Neither address comes back by an import, until a person lifts it.
        for mailbox in [name.as_str(), "moved@example.net"] {
            assert_eq!(why_suppressed(store, mailbox).await.as_deref(), Some("erased"));
            let counts = import(store, "readers", &[row(mailbox, Some("Back"), "{}")]).await;
            assert_eq!((counts.created, counts.suppressed), (0, 1));
            assert!(store.find_recipient(&address(mailbox)).await.unwrap().is_none());
        }
        store.lift_suppression(&address(&name), at(80)).await.unwrap();
        assert_eq!(
            import(store, "readers", &[row(&name, None, "{}")]).await.created,
            1
        );
    }
);

store_on_both_engines!(whoever_is_erased_by_a_former_address_is_erased_whole, |store| {
    sending(store, 1).await;
    let name = reader(1);
    let who = recipient_id(store, &name).await;
    let by = By::command_line();
    let wish = ("by_hand", "a call");
    store
        .suppress_by(&address(&name), wish, &by, at(5))
        .await
        .unwrap();
    store
        .lift_suppression_by(&address(&name), &by, at(6))
        .await
        .unwrap();
    let changed = change(store, who, &name, "moved@example.net", 10).await;
    assert_eq!(changed, AddressChange::Changed);
    assert!(store.erase_address(&address(&name), at(20)).await.unwrap());
    assert!(
        store
            .find_recipient(&address("moved@example.net"))
            .await
            .unwrap()
            .is_none()
    );
    for mailbox in [name.as_str(), "moved@example.net"] {
        assert_eq!(why_suppressed(store, mailbox).await.as_deref(), Some("erased"));
    }
    let mut log = store.audit_log(None, 10).await.unwrap();
    log.retain(|entry| entry.what != "began an import");
    assert_eq!(log.len(), 2);
    assert!(log.iter().all(|entry| !entry.about.contains(&name)), "{log:?}");
});

store_on_both_engines!(an_address_is_erased_that_no_recipient_has, |store| {
    sending(store, 1).await;
    suppress(store, "gone@example.net").await;
    assert!(data(store, "gone@example.net").await.is_some());
    assert!(
        !store
            .erase_address(&address("gone@example.net"), START)
            .await
            .unwrap()
    );
    assert!(store.erase_address(&address(&reader(1)), START).await.unwrap());
    assert_eq!(
        store
            .suppressed(&["gone@example.net".to_owned()])
            .await
            .unwrap()
            .len(),
        0
    );
    let stored = data(store, "gone@example.net").await.unwrap();
    assert_eq!(stored["suppressions"][0]["reason"], "erased");
    assert!(
        !stored["suppressions"][0]["address"]
            .as_str()
            .unwrap()
            .contains("gone")
    );
    assert!(data(store, "nobody@example.net").await.is_none());
    assert_eq!(store.vacuum().await.unwrap(), store.sqlite_file().is_some());
});
