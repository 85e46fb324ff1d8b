//! People, their links, sessions and tokens, and the audit log.

use std::time::Duration;
use tidings_campaign::time::Timestamp;
use tidings_store::Store;
use tidings_store::audit::By;
use tidings_store::people::{
    Chosen, LINK_WORKS_FOR, LinkFor, NewSession, Role, SESSION_ENDS_AFTER, SESSION_IDLES,
};
use tidings_tests::store_on_both_engines;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const CHOSEN: Chosen<'static> = Chosen {
    email: "ada@example.com",
    name: "Ada",
    password_hash: "hash",
};

/// The first administrator, by the link `[1; 32]`.
async fn first(store: &Store) -> i64 {
    store.first_link([1; 32], NOW).await.unwrap();
    store
        .enter([1; 32], &CHOSEN, "192.0.2.1", NOW)
        .await
        .unwrap()
        .unwrap()
}

fn session(digest: u8, person: i64) -> NewSession<'static> {
    NewSession {
        digest: [digest; 32],
        person,
        password_hash: "hash",
        csrf: "token",
        agent: "a browser",
    }
}

store_on_both_engines!(
    the_first_link_works_once_and_only_while_nobody_can_sign_in,
    |store| {
        assert!(!store.has_administrator().await.unwrap());
        store.first_link([9; 32], NOW).await.unwrap();
        store.first_link([1; 32], NOW).await.unwrap();
        assert_eq!(
            store.link([9; 32], NOW).await.unwrap(),
            None,
            "a later start made another"
        );
        assert_eq!(store.link([1; 32], NOW).await.unwrap(), Some(LinkFor::First));
        assert_eq!(store.link([1; 32], NOW.plus(LINK_WORKS_FOR)).await.unwrap(), None);
        first(store).await;
        assert!(store.has_administrator().await.unwrap());
        assert_eq!(store.enter([1; 32], &CHOSEN, "", NOW).await.unwrap(), None);
        store.first_link([2; 32], NOW).await.unwrap();
        assert_eq!(store.link([2; 32], NOW).await.unwrap(), None);
        let other = Chosen {
            email: "eve@example.com",
            ..CHOSEN
        };
        assert_eq!(store.enter([2; 32], &other, "", NOW).await.unwrap(), None);
    }
);

store_on_both_engines!(an_invited_person_chooses_a_password_and_keeps_the_role, |store| {
    first(store).await;
    let by = By::command_line();
    let bob = ("Bob@Example.com", "Bob", Role::Viewer);
    assert!(store.invite(bob, [3; 32], &by, NOW).await.unwrap());
    assert!(!store.invite(bob, [4; 32], &by, NOW).await.unwrap());
    let Some(LinkFor::Person(invited)) = store.link([3; 32], NOW).await.unwrap() else {
        panic!("the link lets nobody in");
    };
    assert_eq!((invited.role, invited.password_hash), (Role::Viewer, None));
    store.enter([3; 32], &CHOSEN, "", NOW).await.unwrap().unwrap();
    let found = store.find_person("BOB@example.com").await.unwrap().unwrap();
    assert_eq!(
        (found.email.as_str(), found.role, found.password_hash.as_deref()),
        ("bob@example.com", Role::Viewer, Some("hash"))
    );
    assert_eq!(store.people().await.unwrap().len(), 2);
});

store_on_both_engines!(a_session_ends_by_time_by_its_person_and_by_others, |store| {
    let ada = first(store).await;
    let by = By {
        who: "ada@example.com".to_owned(),
        network: "192.0.2.1".to_owned(),
    };
    for digest in [1, 2, 3] {
        assert!(store.open_session(&session(digest, ada), &by, NOW).await.unwrap());
    }
    let open = async |digest: u8, at| store.session([digest; 32], at).await.unwrap().is_some();
    assert!(open(1, NOW).await);
    assert!(!open(1, NOW.plus(SESSION_IDLES)).await);
    // Used again and again, until it has lasted long enough.
    let mut at = NOW;
    while at.since(NOW) + Duration::from_secs(36_000) < SESSION_ENDS_AFTER {
        at = at.plus(Duration::from_secs(36_000));
        assert!(open(1, at).await, "{at}");
    }
    assert!(!open(1, NOW.plus(SESSION_ENDS_AFTER)).await);
    assert_eq!(store.sessions_of(ada, NOW).await.unwrap().len(), 3);
    store.close_session([2; 32], &by, NOW).await.unwrap();
    assert!(!open(2, NOW).await && open(3, NOW).await);
    store.close_sessions(ada, &by, NOW).await.unwrap();
    assert!(!open(3, NOW).await);
    assert!(store.open_session(&session(4, ada), &by, NOW).await.unwrap());
    store.change_password(ada, "other", &by, NOW).await.unwrap();
    assert!(!open(4, NOW).await);
});

store_on_both_engines!(
    a_password_that_was_changed_while_it_was_checked_begins_no_session,
    |store| {
        let ada = first(store).await;
        let by = By::command_line();
        let checked = store.find_person("ada@example.com").await.unwrap().unwrap();
        store.change_password(ada, "another", &by, NOW).await.unwrap();
        assert!(!store.open_session(&session(8, ada), &by, NOW).await.unwrap());
        assert!(store.session([8; 32], NOW).await.unwrap().is_none());
        store.begin_half_sign_in(&checked, [9; 32], NOW).await.unwrap();
        assert!(store.half_sign_in([9; 32], NOW).await.unwrap().is_none());
    }
);

store_on_both_engines!(two_administrators_cannot_put_each_other_out_at_once, |store| {
    let ada = first(store).await;
    let by = By::command_line();
    let new = ("bob@example.com", "Bob", Role::Administrator);
    store.invite(new, [3; 32], &by, NOW).await.unwrap();
    let bob = store.enter([3; 32], &CHOSEN, "", NOW).await.unwrap().unwrap();
    for _ in 0..10 {
        let out = |person| store.change_person(person, (Role::Viewer, true), &by, NOW);
        let (first, second) = tokio::join!(out(ada), out(bob));
        assert!(first.is_ok_and(|done| done) != second.is_ok_and(|done| done));
        assert!(store.has_administrator().await.unwrap());
        for person in [ada, bob] {
            let back = (Role::Administrator, false);
            assert!(store.change_person(person, back, &by, NOW).await.unwrap());
        }
    }
    let log = store.audit_log(None, 2).await.unwrap();
    assert!(
        log.iter().any(|entry| entry.what == "enabled a person"),
        "{log:?}"
    );
});

store_on_both_engines!(the_last_administrator_is_not_locked_out, |store| {
    let ada = first(store).await;
    let by = By::command_line();
    assert!(
        !store
            .change_person(ada, (Role::Editor, false), &by, NOW)
            .await
            .unwrap()
    );
    assert!(
        !store
            .change_person(ada, (Role::Administrator, true), &by, NOW)
            .await
            .unwrap()
    );
    assert!(
        !store
            .change_person(999, (Role::Viewer, false), &by, NOW)
            .await
            .unwrap()
    );
    assert_eq!(store.people().await.unwrap()[0].role, Role::Administrator);
    store
        .invite(("bob@example.com", "Bob", Role::Administrator), [3; 32], &by, NOW)
        .await
        .unwrap();
    let bob = store.enter([3; 32], &CHOSEN, "", NOW).await.unwrap().unwrap();
    assert!(store.open_session(&session(5, ada), &by, NOW).await.unwrap());
    assert!(
        store
            .change_person(ada, (Role::Viewer, true), &by, NOW)
            .await
            .unwrap()
    );
    assert!(store.session([5; 32], NOW).await.unwrap().is_none());
    assert!(store.reset_password(bob, [6; 32], &by, NOW).await.unwrap());
    assert!(!store.reset_password(999, [7; 32], &by, NOW).await.unwrap());
    assert_eq!(
        store
            .find_person("bob@example.com")
            .await
            .unwrap()
            .unwrap()
            .password_hash,
        None
    );
});

store_on_both_engines!(a_token_works_until_it_ends_or_is_revoked, |store| {
    let by = By::command_line();
    let ends = NOW.plus(Duration::from_secs(60));
    let id = store
        .create_token(("feed", Role::Viewer, Some(ends)), [1; 32], &by, NOW)
        .await
        .unwrap();
    let token = store.token([1; 32], NOW).await.unwrap().unwrap();
    assert_eq!((token.id, token.role, token.used_at), (id, Role::Viewer, None));
    assert_eq!(store.tokens().await.unwrap()[0].used_at, Some(NOW));
    assert!(store.token([1; 32], ends).await.unwrap().is_none());
    assert!(store.token([2; 32], NOW).await.unwrap().is_none());
    assert!(store.revoke_token(id, &by, NOW).await.unwrap());
    assert!(!store.revoke_token(id, &by, NOW).await.unwrap());
    assert!(store.token([1; 32], NOW).await.unwrap().is_none());
});

store_on_both_engines!(the_audit_log_is_read_from_the_newest_on, |store| {
    let by = By {
        who: "ada@example.com".to_owned(),
        network: "192.0.2.1".to_owned(),
    };
    for n in 0..5 {
        store
            .audit(&by, "did something", (&n.to_string(), ""), NOW)
            .await
            .unwrap();
    }
    let log = store.audit_log(None, 3).await.unwrap();
    assert_eq!(
        log.iter().map(|entry| entry.about.as_str()).collect::<Vec<_>>(),
        ["4", "3", "2"]
    );
    let older = store.audit_log(Some(log[2].id), 3).await.unwrap();
    assert_eq!(
        older.iter().map(|entry| entry.about.as_str()).collect::<Vec<_>>(),
        ["1", "0"]
    );
    assert_eq!(
        (older[0].who.as_str(), older[0].network.as_str()),
        ("ada@example.com", "192.0.2.1")
    );
    let long = "x".repeat(10_000);
    store.audit(&by, &long, (&long, &long), NOW).await.unwrap();
    assert_eq!(store.audit_log(None, 1).await.unwrap()[0].detail.len(), 500);
});
