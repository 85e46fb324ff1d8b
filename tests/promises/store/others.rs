//! Opening and closing, identifiers, keys, the place of an installation, and what is remembered for the senders.

use super::*;
use tidings_campaign::lifecycle::{Action, CampaignState};
use tidings_campaign::token::UnsubscribeToken;
use tidings_store::{StoreError, place_of};
use tidings_tests::{Engine, FreshStore, store_on_both_engines};

store_on_both_engines!(a_database_may_be_open_twice, |store| {
    let other = store.open_again("there").await;
    assert_eq!((store.node(), other.node()), (FreshStore::NODE, "there"));
    let made = list(store, "readers").await;
    assert_eq!(other.find_list("readers").await.unwrap(), Some(made));
    let (one, two) = (store.instance().await.unwrap(), other.instance().await.unwrap());
    assert_eq!(one, two);
    assert_eq!(store.place().await.unwrap(), other.place().await.unwrap());
    assert_eq!(store.sqlite_file(), other.sqlite_file());
    assert_eq!(store.sqlite_file().is_some(), store.engine == Engine::Sqlite);
    other.close().await;
    assert_eq!(store.find_list("readers").await.unwrap(), Some(made));
});

store_on_both_engines!(several_may_open_a_new_database_at_once, |store| {
    let url = match store.engine {
        Engine::Sqlite => format!("{}.new", store.url),
        Engine::Postgres => {
            store
                .execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
                .await;
            store.url.clone()
        }
    };
    let (one, two, three) = tokio::join!(
        Store::open(&url, "one"),
        Store::open(&url, "two"),
        Store::open(&url, "three")
    );
    let stores = [one, two, three].map(|opened| opened.unwrap());
    let made = list(&stores[0], "readers").await;
    for store in &stores {
        assert_eq!(store.find_list("readers").await.unwrap(), Some(made));
        store.close().await;
    }
});

#[test]
fn an_unknown_scheme_is_refused_and_named() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (url, named) in [
        ("mysql://ann:secret@db.example.net/tidings", "mysql"),
        ("/var/lib/tidings.db", "/var/lib/tidings.db"),
    ] {
        let error = runtime.block_on(Store::open(url, "here")).unwrap_err();
        assert!(
            matches!(&error, StoreError::UnknownScheme(scheme) if scheme == named),
            "{error}"
        );
        assert!(!error.to_string().contains("secret"));
    }
}

store_on_both_engines!(what_cannot_be_opened_is_an_error_and_no_password, |store| {
    let url = match store.engine {
        Engine::Sqlite => format!("{}/below-a-file/tidings.db", store.url),
        Engine::Postgres => store
            .url
            .replacen("@", ":secret@", 1)
            .replace("/tidings_", "/no_such_"),
    };
    assert_ne!(url, store.url);
    let error = Store::open(&url, "there").await.unwrap_err();
    match store.engine {
        Engine::Sqlite => assert!(matches!(error, StoreError::Folder { .. }), "{error}"),
        Engine::Postgres => assert!(matches!(error, StoreError::Open { .. }), "{error}"),
    }
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(!error.is_transient());
});

#[test]
fn the_place_of_a_database_hides_user_and_password() {
    assert_eq!(place_of("sqlite:///var/lib/tidings.db"), "/var/lib/tidings.db");
    for url in [
        "postgres://ann:secret@db.example.net:5433/tidings",
        "postgresql://ann:secret@db.example.net:5433/tidings?sslmode=require",
    ] {
        assert_eq!(place_of(url), "PostgreSQL at db.example.net:5433");
    }
}

#[test]
fn the_place_of_what_is_no_database_hides_the_password_too() {
    for url in [
        "postgres://ann:secret@db.example.net:port/tidings",
        "mysql://ann:secret@db.example.net/tidings",
    ] {
        let place = place_of(url);
        assert!(!place.contains("secret"), "{place}");
    }
}

#[test]
fn what_passes_by_itself_is_told_from_what_does_not() {
    assert!(StoreError::from(sqlx::Error::PoolTimedOut).is_transient());
    let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    assert!(StoreError::from(sqlx::Error::Io(cut)).is_transient());
    assert!(!StoreError::from(sqlx::Error::RowNotFound).is_transient());
    assert!(!StoreError::UnknownScheme("mysql".to_owned()).is_transient());
    assert!(!StoreError::DiskFull.is_transient());
}

store_on_both_engines!(a_database_that_answers_says_so_until_it_is_closed, |store| {
    let other = store.open_again("there").await;
    other.ping().await.unwrap();
    other.close().await;
    assert!(other.ping().await.is_err());
    store.ping().await.unwrap();
});

store_on_both_engines!(a_transaction_that_is_given_up_leaves_nothing_behind, |store| {
    let tx = store.begin_write().await.unwrap();
    drop(tx);
    // The next writers do not wait for it.
    let made = list(store, "readers").await;
    let other = store.open_again("there").await;
    assert_eq!(list(&other, "readers").await, made);
    let tx = store.begin_write().await.unwrap();
    tx.commit().await.unwrap();
    list(store, "writers").await;
    assert_eq!(other.lists().await.unwrap().len(), 2);
    other.close().await;
});

store_on_both_engines!(a_writer_that_gives_up_waiting_holds_nobody_up, |store| {
    let tx = store.begin_write().await.unwrap();
    // Polled once and dropped.
    let mut waiting = Box::pin(store.find_or_create_list("readers", START));
    let once = std::future::poll_fn(|context| {
        let polled = waiting.as_mut().poll(context);
        std::task::Poll::Ready(polled.is_pending())
    });
    // PostgreSQL lets writers work side by side, and may have answered already.
    let had_to_wait = once.await;
    drop(waiting);
    tx.commit().await.unwrap();
    list(store, "writers").await;
    let names: Vec<_> = store.lists().await.unwrap().into_iter().map(|l| l.name).collect();
    let expected: &[&str] = if had_to_wait {
        &["writers"]
    } else {
        &["readers", "writers"]
    };
    assert_eq!(names, expected);
});

store_on_both_engines!(identifiers_are_dense_and_given_out_once, |store| {
    let other = store.open_again("there").await;
    let allocate = async |store: &Store, n| store.allocate_ids("leases", n).await.unwrap();
    let first = allocate(store, 5).await;
    assert_eq!(allocate(&other, 1).await, first + 5);
    assert_eq!(allocate(store, 0).await, first + 6);
    let take_many = async |store: &Store| {
        let mut taken = Vec::new();
        for n in 1..=20 {
            let first = allocate(store, n).await;
            taken.extend(first..first + n);
        }
        taken
    };
    let (mut taken, more) = tokio::join!(take_many(store), take_many(&other));
    taken.extend(more);
    taken.sort_unstable();
    assert_eq!(taken, (first + 6..first + 6 + 420).collect::<Vec<_>>());
    assert!(store.allocate_ids("no such sequence", 1).await.is_err());
    other.close().await;
});

store_on_both_engines!(the_keys_are_made_once, |store| {
    let other = store.open_again("there").await;
    let (here, there) = tokio::join!(store.key_ring(START), other.key_ring(START));
    let later = store.key_ring(at(1)).await.unwrap();
    let token = UnsubscribeToken {
        campaign: CampaignId(1),
        recipient: RecipientId(2),
    };
    let signed = token.sign(&here.unwrap());
    assert_eq!(token.sign(&there.unwrap()), signed);
    assert_eq!(UnsubscribeToken::verify(&signed, &later), Ok(token));
    other.close().await;
});

store_on_both_engines!(an_installation_knows_its_place, |store| {
    let new = store.instance().await.unwrap();
    assert_eq!(new.home, None);
    assert!(!new.id.is_empty());
    let place = store.place().await.unwrap();
    assert_eq!(store.move_in(&place.name, None).await.unwrap(), 0);
    let campaign = sending(store, 2).await;
    Sender::new(store, "one").claim(campaign, 2).await;
    let now = store.instance().await.unwrap();
    assert_eq!((now.id, now.home), (new.id, Some(place.name.clone())));
    assert!(now.leases > new.leases, "leases only grow");
    assert_eq!(store.place().await.unwrap(), place);
});

store_on_both_engines!(what_would_send_by_itself_is_held_in_a_new_place, |store| {
    let schedule = Schedule {
        at: at(60),
        local: "2026-12-01 09:00".to_owned(),
        zone: "Europe/Berlin".to_owned(),
    };
    let sends = sending(store, 2).await;
    let pauses = draft(store, &["readers"]).await;
    store.start_campaign(pauses, "{}", START).await.unwrap();
    store.move_campaign(pauses, Action::Pause, None).await.unwrap();
    let waits = draft(store, &["readers"]).await;
    store
        .schedule_campaign(waits, &starts(&schedule), &By::command_line(), START)
        .await
        .unwrap();
    let written = draft(store, &["readers"]).await;
    let ended = draft(store, &["readers"]).await;
    store
        .move_campaign(ended, Action::Cancel, Some("a wrong link"))
        .await
        .unwrap();
    assert_eq!(store.move_in("a place", None).await.unwrap(), 0);
    assert_eq!(store.move_in("another", Some("it was copied")).await.unwrap(), 3);
    assert_eq!(store.instance().await.unwrap().home.as_deref(), Some("another"));
    let held = store.list_campaigns(&[CampaignState::Held]).await.unwrap();
    let ids: Vec<_> = held.iter().map(|c| c.id).collect();
    assert_eq!(ids, [waits, pauses, sends]);
    for campaign in held {
        assert_eq!(campaign.state_reason.as_deref(), Some("it was copied"));
    }
    let left = [
        (written, CampaignState::Draft, None),
        (ended, CampaignState::Cancelled, Some("a wrong link")),
    ];
    for (id, state, reason) in left {
        let kept = store.get_campaign(id).await.unwrap();
        assert_eq!((kept.state, kept.state_reason.as_deref()), (state, reason));
    }
});

store_on_both_engines!(the_last_failed_sessions_of_each_relay_are_kept, |store| {
    for n in 1..=5 {
        let said = format!("S: 220 hello {n}");
        store
            .keep_transcript("primary", at(n), "it fell silent", &said, 3)
            .await
            .unwrap();
    }
    store
        .keep_transcript("second", at(1), "refused the login", "C: AUTH", 3)
        .await
        .unwrap();
    let kept = async |relay, limit| {
        let kept = store.transcripts(relay, limit).await.unwrap();
        kept.iter().map(|t| t.text.clone()).collect::<Vec<_>>()
    };
    let expected = ["S: 220 hello 5", "S: 220 hello 4", "S: 220 hello 3"];
    assert_eq!(kept("primary", 10).await, expected);
    assert_eq!(kept("primary", 1).await, expected[..1]);
    let second = store.transcripts("second", 10).await.unwrap();
    assert_eq!(
        (second[0].at, second[0].fault.as_str()),
        (at(1).0, "refused the login")
    );
    assert!(kept("nobody", 10).await.is_empty());
});
