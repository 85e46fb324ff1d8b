//! What the store promises of letters: caps hold, none is lost or sent twice, and what is unknown is said to be.

use super::*;
use tidings_campaign::ids::LetterId;
use tidings_campaign::letter::{Cap, LetterCaps, LetterKind};
use tidings_store::letters::{DueLetter, LETTERS_KEPT, LetterOutcome, NewLetter, Queued, fresh_letter_id};
use tidings_tests::store_on_both_engines;

const OWNER: &str = "here-1";

fn letter<'a>(to: &'a EmailAddress, once: Option<&'a str>) -> NewLetter<'a> {
    NewLetter {
        kind: LetterKind::OptIn,
        to,
        sender_domain: "example.com",
        message: b"Subject: Please confirm\r\n\r\n.\r\n",
        list: None,
        campaign: None,
        network: None,
        once,
        expires_at: at(3600),
    }
}

async fn queue(store: &Store, to: &str) -> LetterId {
    let to = address(to);
    match store
        .queue_letter(&letter(&to, None), LetterCaps::NONE, START)
        .await
    {
        Ok(Queued::Yes(id)) => id,
        other => panic!("{other:?}"),
    }
}

async fn claim(store: &Store, owner: &str, seconds: u64) -> Vec<DueLetter> {
    let claim = Claim {
        owner,
        size: 10,
        now: at(seconds),
        expires_at: at(seconds).plus(LEASE),
    };
    store.claim_letters(claim).await.unwrap()
}

async fn settle(store: &Store, id: LetterId, outcome: Outcome, seconds: u64) {
    let relay = "primary".to_owned();
    let settled = LetterOutcome { id, relay, outcome };
    store.settle_letter(&settled, OWNER, at(seconds)).await.unwrap();
}

async fn state(store: &Store, id: LetterId) -> String {
    let page = store.list_letters(LetterId(id.0 + 1), 1).await.unwrap();
    assert_eq!(page[0].id, id.0);
    page[0].state.clone()
}

store_on_both_engines!(a_letter_goes_from_state_to_state, |store| {
    let ann = queue(store, "Ann@example.org").await;
    assert!(ann > LetterId(0));
    let due = claim(store, OWNER, 1).await;
    assert_eq!((due.len(), due[0].id, due[0].attempts), (1, ann, 0));
    assert_eq!(due[0].to.as_str(), "Ann@example.org");
    assert_eq!(due[0].message, b"Subject: Please confirm\r\n\r\n.\r\n");
    assert!(claim(store, "there-1", 1).await.is_empty(), "it is leased");
    let usage = [Usage {
        limit: "all".into(),
        n: 1,
    }];
    let put = |owner: &'static str| store.put_letter_on_wire(ann, owner, &usage, at(2));
    assert!(!put("there-1").await.unwrap());
    assert!(put(OWNER).await.unwrap());
    assert!(!put(OWNER).await.unwrap(), "once");
    assert_eq!(store.limit_usage(START).await.unwrap().len(), 1);
    settle(store, ann, Outcome::Returned, 2).await;
    assert_eq!(state(store, ann).await, "leased");
    assert!(put(OWNER).await.unwrap());
    settle(store, ann, deferred(at(60)), 3).await;
    assert_eq!(state(store, ann).await, "deferred");
    assert!(claim(store, OWNER, 59).await.is_empty());
    let again = claim(store, OWNER, 60).await;
    assert_eq!((again[0].attempts, again[0].first_attempt_at), (1, Some(at(2))));
    assert!(store.put_letter_on_wire(ann, OWNER, &[], at(61)).await.unwrap());
    settle(store, ann, accepted(), 61).await;
    assert_eq!(state(store, ann).await, "accepted");
    let kept = store
        .texts("SELECT address FROM letters WHERE message IS NOT NULL")
        .await;
    assert!(kept.is_empty(), "what was said is forgotten");
    assert_eq!(store.forget_letters(at(62)).await.unwrap(), 0);
    let later = at(61).plus(LETTERS_KEPT);
    assert_eq!(store.forget_letters(later).await.unwrap(), 1);
});

store_on_both_engines!(
    a_letter_that_its_sender_has_lost_sight_of_goes_with_another,
    |store| {
        let [held, lost] = [
            queue(store, "ann@example.org").await,
            queue(store, "bob@example.org").await,
        ];
        assert_eq!(claim(store, OWNER, 0).await.len(), 2);
        store
            .renew_letters(OWNER, &[held], at(20).plus(LEASE))
            .await
            .unwrap();
        let taken = claim(store, "there-1", 40).await;
        assert_eq!(taken.iter().map(|letter| letter.id).collect::<Vec<_>>(), [lost]);
        store.renew_letters(OWNER, &[], at(40).plus(LEASE)).await.unwrap();
        assert_eq!(claim(store, "there-1", 51).await.len(), 1);
    }
);

store_on_both_engines!(a_letter_of_a_dead_sender_is_never_sent_twice, |store| {
    let [on_wire, leased] = [
        queue(store, "ann@example.org").await,
        queue(store, "bob@example.org").await,
    ];
    assert_eq!(claim(store, OWNER, 0).await.len(), 2);
    assert!(
        store
            .put_letter_on_wire(on_wire, OWNER, &[], at(1))
            .await
            .unwrap()
    );
    store
        .renew_letters(OWNER, &[on_wire, leased], at(20).plus(LEASE))
        .await
        .unwrap();
    assert!(claim(store, "there-1", 40).await.is_empty(), "it was renewed");
    let taken = claim(store, "there-1", 51).await;
    assert_eq!(taken.iter().map(|letter| letter.id).collect::<Vec<_>>(), [leased]);
    assert_eq!(state(store, on_wire).await, "unknown");
    assert!(
        !store
            .put_letter_on_wire(leased, OWNER, &[], at(52))
            .await
            .unwrap()
    );
    // The answer comes after all.
    settle(store, on_wire, accepted(), 53).await;
    assert_eq!(state(store, on_wire).await, "accepted");
    // The one sender of an SQLite file knows at once that the former is dead.
    store.expire_all_leases().await.unwrap();
    assert_eq!(claim(store, "there-2", 54).await[0].id, leased);
    // A sender that stops gives back what is not on the wire.
    store.let_go_of_letter(leased, "there-2", at(55)).await.unwrap();
    assert_eq!(state(store, leased).await, "queued");
    assert_eq!(claim(store, OWNER, 56).await.len(), 1);
    assert!(
        store
            .put_letter_on_wire(leased, OWNER, &[], at(57))
            .await
            .unwrap()
    );
    store.let_go_of_letter(leased, OWNER, at(58)).await.unwrap();
    assert_eq!(state(store, leased).await, "unknown");
});

store_on_both_engines!(a_letter_that_is_too_late_expires, |store| {
    let ann = queue(store, "ann@example.org").await;
    assert!(claim(store, OWNER, 3600).await.is_empty());
    assert_eq!(state(store, ann).await, "expired");
});

store_on_both_engines!(a_restored_database_sends_no_letter_by_itself, |store| {
    let ann = queue(store, "ann@example.org").await;
    store.move_in("elsewhere", Some("restored")).await.unwrap();
    assert!(claim(store, OWNER, 1).await.is_empty());
    assert_eq!(state(store, ann).await, "unknown");
});

store_on_both_engines!(caps_hold_letters_back, |store| {
    let caps = LetterCaps {
        address_per_day: 1,
        network_per_hour: 2,
        list_per_hour: 3,
    };
    let readers = list(store, "readers").await;
    let queue = async |to: &str, network: &str, seconds: u64| {
        let to = address(to);
        let new = NewLetter {
            list: Some(readers),
            network: Some(network),
            expires_at: at(1_000_000),
            ..letter(&to, None)
        };
        match store.queue_letter(&new, caps, at(seconds)).await.unwrap() {
            Queued::TooMany(cap) => Some(cap),
            _ => None,
        }
    };
    assert_eq!(queue("ann@example.org", "one", 0).await, None);
    assert_eq!(queue("ANN@example.org", "two", 1).await, Some(Cap::Address));
    assert_eq!(queue("bob@example.org", "one", 2).await, None);
    assert_eq!(queue("cid@example.org", "one", 3).await, Some(Cap::Network));
    assert_eq!(queue("cid@example.org", "two", 4).await, None);
    assert_eq!(queue("dan@example.org", "three", 5).await, Some(Cap::List));
    assert_eq!(queue("dan@example.org", "one", 3700).await, None, "an hour later");
    assert_eq!(queue("ann@example.org", "two", 86_401).await, None, "a day later");
});

store_on_both_engines!(the_same_letter_is_queued_once, |store| {
    let ann = address("ann@example.org");
    let once = async |word: &'static str| {
        let queued = store
            .queue_letter(&letter(&ann, Some(word)), LetterCaps::NONE, START)
            .await;
        matches!(queued.unwrap(), Queued::Yes(_))
    };
    assert_eq!(
        (once("a").await, once("a").await, once("b").await),
        (true, false, true)
    );
    let id = fresh_letter_id().unwrap();
    assert!(id.len() == 32 && id != fresh_letter_id().unwrap());
});
