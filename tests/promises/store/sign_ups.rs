//! What the store promises of sign-ups: nothing a stranger asks for comes true without the confirmation, and the proof is kept.

use super::*;
use serde_json::json;
use tidings_campaign::ids::SignUpId;
use tidings_campaign::letter::{Cap, LetterCaps, LetterKind};
use tidings_campaign::sign_up::{Field, SignUpForm};
use tidings_store::letters::NewLetter;
use tidings_store::sign_ups::{Confirmed, NewSignUp, ShownBy, SignedUp, UNCONFIRMED_KEPT, Visitor};
use tidings_tests::store_on_both_engines;

const HOUR: u64 = 3600;

fn visitor(network: &str) -> Visitor {
    Visitor {
        network: Some(network.to_owned()),
        user_agent: "A browser".to_owned(),
    }
}

/// Somebody writes this address into the form of the list; the sign-up's number, and what became of it.
async fn sign_up(store: &Store, readers: ListId, to: &str, caps: LetterCaps) -> (SignUpId, SignedUp) {
    let id = SignUpId(store.allocate_ids("sign_ups", 1).await.unwrap());
    let new = NewSignUp {
        id,
        list: readers,
        address: address(to),
        name: "Ann Example".to_owned(),
        attributes: serde_json::from_value(json!({ "city": "Ulm" })).unwrap(),
        form: "footer".to_owned(),
        language: "de".to_owned(),
        text: "I agree.".to_owned(),
        text_shown_by: ShownBy::Form,
        visitor: visitor("192.0.2.1"),
        expires_at: at(HOUR),
    };
    let letter = NewLetter {
        kind: LetterKind::OptIn,
        to: &new.address,
        sender_domain: "example.com",
        message: b"Subject: x\r\n\r\n",
        list: Some(readers),
        campaign: None,
        network: None,
        once: None,
        expires_at: at(HOUR),
    };
    let signed_up = store.sign_up(&new, &letter, caps, START).await.unwrap();
    (id, signed_up)
}

async fn confirm(store: &Store, id: SignUpId, seconds: u64) -> Confirmed {
    let visitor = visitor("192.0.2.2");
    let confirmed = store.confirm_sign_up(id, &visitor, LANGUAGE_ATTRIBUTE, at(seconds));
    confirmed.await.unwrap()
}

async fn stands(store: &Store, readers: ListId, mailbox: &str) -> Option<Subscription> {
    let recipient = recipient_id(store, mailbox).await;
    store.standing_on(readers, recipient).await.unwrap()
}

store_on_both_engines!(a_form_is_opened_changed_and_closed, |store| {
    let readers = list(store, "readers").await;
    let form = SignUpForm::new(
        "News <news@example.com>",
        vec![Field::parse("city=Your city").unwrap()],
        None,
        vec!["https://www.example.com".to_owned()],
    )
    .unwrap();
    assert_eq!(store.sign_up_form(readers).await.unwrap(), None);
    assert!(changed(store, "readers", ListChange::SignUp(Some(&form))).await);
    assert!(!changed(store, "writers", ListChange::SignUp(Some(&form))).await);
    let found = store.sign_up_form(readers).await.unwrap();
    assert_eq!(found, Some(("readers".to_owned(), form)));
    assert!(store.lists().await.unwrap()[0].open_for_sign_up);
    assert!(changed(store, "readers", ListChange::SignUp(None)).await);
    assert_eq!(store.sign_up_form(readers).await.unwrap(), None);
});

store_on_both_engines!(
    only_the_confirmation_subscribes_and_takes_over_what_was_written,
    |store| {
        let readers = list(store, "readers").await;
        let (id, signed_up) = sign_up(store, readers, "ann@example.org", LetterCaps::NONE).await;
        assert_eq!(signed_up, SignedUp::Asked);
        assert_eq!(
            stands(store, readers, "ann@example.org").await,
            Some(Subscription::Pending)
        );
        let ann = store
            .find_recipient(&address("ann@example.org"))
            .await
            .unwrap()
            .unwrap();
        assert!(ann.name.is_empty() && ann.attributes.is_empty());
        let found = store.find_sign_up(id).await.unwrap().unwrap();
        assert_eq!((found.list, found.list_name.as_str()), (readers, "readers"));
        assert_eq!(found.confirmed_at, None);
        let standing = async || {
            let ann = store.recipient_record(&address("ann@example.org"), 1).await;
            ann.unwrap().lists.remove(0)
        };
        assert_eq!(standing().await.agreed_to, None, "nothing is agreed to yet");
        assert_eq!(confirm(store, id, 60).await, Confirmed::Yes);
        let agreed = standing().await;
        assert_eq!(agreed.agreed_to.as_deref(), Some("I agree."));
        assert_eq!(
            (agreed.signed_up_by.as_deref(), agreed.signed_up_at),
            (Some("footer"), Some(at(60).0))
        );
        assert_eq!(confirm(store, id, 61).await, Confirmed::Before);
        assert_eq!(confirm(store, SignUpId(id.0 + 9), 61).await, Confirmed::Gone);
        assert_eq!(
            stands(store, readers, "ann@example.org").await,
            Some(Subscription::Confirmed)
        );
        let ann = store
            .find_recipient(&address("ann@example.org"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(ann.name, "Ann Example");
        assert_eq!(
            serde_json::Value::from(ann.attributes),
            json!({ "city": "Ulm", "language": "de" })
        );
        let proofs = store
            .export_sign_ups(Some(readers), SignUpId(0), 9)
            .await
            .unwrap();
        let proof = &proofs[0];
        assert_eq!(
            (proof.id, proof.text.as_str(), proof.text_shown_by.as_str()),
            (id.0, "I agree.", "form")
        );
        assert_eq!((proof.asked_at, proof.confirmed_at), (START.0, Some(at(60).0)));
        assert_eq!(proof.network.as_deref(), Some("192.0.2.1"));
        assert_eq!(proof.confirmed_network.as_deref(), Some("192.0.2.2"));
        assert_eq!(proof.was.as_deref(), Some("pending"));
        let elsewhere = list(store, "writers").await;
        assert!(
            store
                .export_sign_ups(Some(elsewhere), SignUpId(0), 9)
                .await
                .unwrap()
                .is_empty()
        );
    }
);

store_on_both_engines!(a_sign_up_alone_changes_no_standing_that_there_is, |store| {
    import(store, "readers", &readers(2)).await;
    let readers = list(store, "readers").await;
    let (one, two) = (reader(1), reader(2));
    let campaign = draft(store, &["readers"]).await;
    let left = recipient_id(store, &two).await;
    store.unsubscribe(campaign, left, "link", START).await.unwrap();
    let mut ids = Vec::new();
    for to in [&one, &two] {
        ids.push(sign_up(store, readers, to, LetterCaps::NONE).await.0);
    }
    assert_eq!(stands(store, readers, &one).await, Some(Subscription::Confirmed));
    assert_eq!(
        stands(store, readers, &two).await,
        Some(Subscription::Unsubscribed)
    );
    assert_eq!(confirm(store, ids[1], 60).await, Confirmed::Yes);
    assert_eq!(stands(store, readers, &two).await, Some(Subscription::Confirmed));
    // Whoever leaves after that has left, whoever follows the old link again.
    store.unsubscribe(campaign, left, "link", at(70)).await.unwrap();
    assert_eq!(confirm(store, ids[1], 80).await, Confirmed::Before);
    assert_eq!(
        stands(store, readers, &two).await,
        Some(Subscription::Unsubscribed)
    );
    assert_eq!(confirm(store, ids[0], HOUR).await, Confirmed::Gone, "too late");
});

store_on_both_engines!(
    a_suppressed_address_is_asked_nothing_and_stays_suppressed,
    |store| {
        let readers = list(store, "readers").await;
        suppress(store, "ann@example.org").await;
        let (_, signed_up) = sign_up(store, readers, "Ann@example.org", LetterCaps::NONE).await;
        assert_eq!(signed_up, SignedUp::Suppressed);
        assert!(
            store
                .find_recipient(&address("ann@example.org"))
                .await
                .unwrap()
                .is_none()
        );
        let (id, _) = sign_up(store, readers, "bob@example.org", LetterCaps::NONE).await;
        suppress(store, "bob@example.org").await;
        assert_eq!(confirm(store, id, 60).await, Confirmed::Suppressed);
        let suppression = store.find_suppression(&address("bob@example.org")).await.unwrap();
        assert_eq!(suppression.unwrap().reason, "complaint");
    }
);

store_on_both_engines!(a_cap_leaves_nothing_behind, |store| {
    let readers = list(store, "readers").await;
    let caps = LetterCaps {
        list_per_hour: 1,
        ..LetterCaps::NONE
    };
    assert_eq!(
        sign_up(store, readers, "ann@example.org", caps).await.1,
        SignedUp::Asked
    );
    let (_, signed_up) = sign_up(store, readers, "bob@example.org", caps).await;
    assert_eq!(signed_up, SignedUp::TooMany(Cap::List));
    assert!(
        store
            .find_recipient(&address("bob@example.org"))
            .await
            .unwrap()
            .is_none()
    );
});

store_on_both_engines!(what_nobody_confirms_is_forgotten, |store| {
    import(store, "readers", &readers(1)).await;
    let readers = list(store, "readers").await;
    sign_up(store, readers, "ann@example.org", LetterCaps::NONE).await;
    sign_up(store, readers, &reader(1), LetterCaps::NONE).await;
    let (confirmed, _) = sign_up(store, readers, "bob@example.org", LetterCaps::NONE).await;
    assert_eq!(confirm(store, confirmed, 60).await, Confirmed::Yes);
    assert_eq!(store.forget_sign_ups(at(HOUR)).await.unwrap(), 0);
    let later = at(HOUR).plus(UNCONFIRMED_KEPT);
    assert_eq!(store.forget_sign_ups(later).await.unwrap(), 2);
    assert!(
        store
            .find_recipient(&address("ann@example.org"))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        stands(store, readers, &reader(1)).await,
        Some(Subscription::Confirmed)
    );
    assert_eq!(
        stands(store, readers, "bob@example.org").await,
        Some(Subscription::Confirmed)
    );
});
