//! Suppressions by address and by hash.

use super::*;
use tidings_campaign::suppression::AddressHash;
use tidings_store::audit::By;
use tidings_store::suppressions::{NewSuppression, Suppression, SuppressionSearch};
use tidings_tests::store_on_both_engines;

/// More than one statement takes.
const MANY: usize = 4_500;

fn new(mailbox: &str, reason: &str) -> NewSuppression {
    NewSuppression {
        address: address(mailbox),
        reason: reason.to_owned(),
        evidence: "a file".to_owned(),
    }
}

fn hash(mailbox: &str) -> AddressHash {
    AddressHash::of(&address(mailbox))
}

store_on_both_engines!(a_list_of_addresses_is_suppressed_once_each, |store| {
    suppress(store, "ann@example.org").await;
    let all = [
        new("Ann@example.org", "cleaned"),
        new("bob@example.org", "cleaned"),
        new("BOB@example.org", "other"),
    ];
    assert_eq!(store.suppress_all(&all, at(1)).await.unwrap(), 1);
    let ann = store
        .find_suppression(&address("ann@example.org"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (ann.reason.as_str(), ann.created_at),
        ("complaint", START),
        "the first stays"
    );
    let bob = Suppression {
        who: "bob@example.org".to_owned(),
        reason: "cleaned".to_owned(),
        evidence: "a file".to_owned(),
        created_at: at(1),
    };
    assert_eq!(
        store.list_suppressions("ann@example.org", 10).await.unwrap(),
        std::slice::from_ref(&bob)
    );
    assert_eq!(store.list_suppressions("", 1).await.unwrap().len(), 1);
    assert_eq!(
        store
            .lift_suppression(&address("bob@example.org"), at(1))
            .await
            .unwrap(),
        Some(bob)
    );
    assert_eq!(
        store.find_suppression(&address("bob@example.org")).await.unwrap(),
        None
    );
    assert_eq!(
        store
            .lift_suppression(&address("bob@example.org"), at(1))
            .await
            .unwrap(),
        None
    );
});

store_on_both_engines!(many_are_suppressed_with_more_than_one_statement, |store| {
    let all: Vec<_> = (1..=MANY).map(|i| new(&reader(i), "cleaned")).collect();
    assert_eq!(store.suppress_all(&all, START).await.unwrap(), MANY as u64);
    let hashes: Vec<_> = (1..=MANY).map(|i| hash(&reader(i))).collect();
    let added = store
        .suppress_hashes(&hashes, "cleaned", "a file", START)
        .await
        .unwrap();
    assert_eq!(added, MANY as u64);
    assert_eq!(
        store.list_suppression_hashes("", 10_000).await.unwrap().len(),
        MANY
    );
});

store_on_both_engines!(who_is_known_by_hash_only_is_never_mailed, |store| {
    import(store, "readers", &readers(MANY)).await;
    let hashes = [hash(&reader(2)), hash("later@example.org"), hash(&reader(2))];
    let added = store
        .suppress_hashes(&hashes[..2], "left", "a partner", at(1))
        .await
        .unwrap();
    assert_eq!(added, 2);
    assert_eq!(
        store
            .suppress_hashes(&hashes[2..], "left", "a partner", at(1))
            .await
            .unwrap(),
        0
    );
    let (mut after, mut suppressed) = (Some(RecipientId(0)), 0);
    while let Some(from) = after {
        let (last, n) = store.suppress_by_hash(from, at(2)).await.unwrap();
        (after, suppressed) = (last, suppressed + n);
    }
    assert_eq!(suppressed, 1);
    let campaign = draft(store, &["readers"]).await;
    assert_eq!(
        store.count_eligible(campaign, START).await.unwrap(),
        MANY as i64 - 1
    );
    // Who comes later is recognised when it comes, in a dry run too.
    let later = [row("Later@example.org", Some("Lea"), "{}")];
    let dry = tidings_store::imports::DryRun::new(store, "readers")
        .await
        .unwrap()
        .count(&later, &[])
        .await;
    assert_eq!(dry.unwrap().suppressed, 1);
    assert_eq!(import(store, "readers", &later).await.suppressed, 1);
    assert_eq!(
        store.find_recipient(&address("later@example.org")).await.unwrap(),
        None
    );
    let found = store
        .find_suppression(&address("later@example.org"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.who.as_str(), found.reason.as_str()),
        (hashes[1].as_str(), "left")
    );
    // Lifted, neither the address nor the hash holds it back.
    for mailbox in [reader(2), "later@example.org".to_owned()] {
        assert!(
            store
                .lift_suppression(&address(&mailbox), at(1))
                .await
                .unwrap()
                .is_some()
        );
        assert_eq!(store.find_suppression(&address(&mailbox)).await.unwrap(), None);
    }
    assert_eq!(import(store, "readers", &later).await.created, 1);
    assert_eq!(
        store.count_eligible(campaign, START).await.unwrap(),
        MANY as i64 + 1
    );
});

store_on_both_engines!(suppressions_are_paged_by_address_and_by_time, |store| {
    for (second, mailbox) in ["ann", "anna", "Bob", "a_n"].iter().enumerate() {
        let all = [new(&format!("{mailbox}@example.org"), "cleaned")];
        store.suppress_all(&all, at(second as u64)).await.unwrap();
    }
    let search = |beginning: &str, after: &str, limit| SuppressionSearch {
        beginning: beginning.to_owned(),
        reason: "cleaned".to_owned(),
        after: after.to_owned(),
        limit,
    };
    let found = async |search| {
        let found = store.find_suppressions(&search).await.unwrap();
        found.into_iter().map(|row| row.who).collect::<Vec<_>>()
    };
    let mut anns = found(search("ann", "", 9)).await;
    anns.sort();
    assert_eq!(anns, ["ann@example.org", "anna@example.org"]);
    assert_eq!(found(search("a_", "", 9)).await, ["a_n@example.org"]);
    let first = found(search("", "", 3)).await;
    assert_eq!(first.len(), 3);
    assert_eq!(found(search("", &first[2], 3)).await.len(), 1);

    let newest = async |before: Option<&Suppression>| {
        let before = before.map(|row| (row.created_at, row.who.as_str()));
        store.newest_suppressions("cleaned", before, 3).await.unwrap()
    };
    let page = newest(None).await;
    let who: Vec<_> = page.iter().map(|row| row.who.as_str()).collect();
    assert_eq!(who, ["a_n@example.org", "bob@example.org", "anna@example.org"]);
    let rest = newest(page.last()).await;
    assert_eq!((rest.len(), rest[0].who.as_str()), (1, "ann@example.org"));
    assert!(
        store
            .newest_suppressions("other", None, 3)
            .await
            .unwrap()
            .is_empty()
    );
});

store_on_both_engines!(
    whoever_suppresses_and_lifts_by_hand_is_in_the_audit_log,
    |store| {
        let by = By {
            who: "eve@example.com".to_owned(),
            network: "192.0.2.1".to_owned(),
        };
        let ann = address("ann@example.org");
        assert!(
            store
                .suppress_by(&ann, ("by_hand", "a call"), &by, at(1))
                .await
                .unwrap()
        );
        assert!(!store.suppress_by(&ann, ("other", ""), &by, at(2)).await.unwrap());
        let lifted = store
            .lift_suppression_by(&ann, &by, at(3))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(lifted.evidence, "a call");
        assert_eq!(store.lift_suppression_by(&ann, &by, at(4)).await.unwrap(), None);
        assert_eq!(store.lifted_suppressions(&ann).await.unwrap().len(), 1);
        let log = store.audit_log(None, 9).await.unwrap();
        let log: Vec<_> = log
            .iter()
            .map(|entry| (entry.what.as_str(), entry.detail.as_str()))
            .collect();
        assert_eq!(
            log,
            [
                ("lifted a suppression", "by_hand"),
                ("suppressed an address", "by_hand")
            ]
        );
    }
);
