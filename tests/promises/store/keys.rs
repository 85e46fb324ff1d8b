//! The keys that sign tokens: made, followed by new ones, retired.

use super::*;
use tidings_campaign::lifecycle::Action;
use tidings_campaign::token::{MessageToken, TokenError, UnsubscribeToken};
use tidings_store::signing_keys::{KEY_SETTLES_IN, KeyRefusal};
use tidings_tests::store_on_both_engines;

const TOKEN: UnsubscribeToken = UnsubscribeToken {
    campaign: CampaignId(1),
    recipient: RecipientId(2),
};
const MESSAGE: MessageToken = MessageToken {
    campaign: CampaignId(1),
    recipient: RecipientId(2),
};

store_on_both_engines!(a_new_key_is_known_at_once_and_signs_when_all_know_it, |store| {
    let old = TOKEN.sign(&store.key_ring(START).await.unwrap());
    assert_eq!(store.rotate_keys(at(100)).await.unwrap(), 2);
    let settled = at(100).plus(KEY_SETTLES_IN);
    let before = store.key_ring(at(101)).await.unwrap();
    let after = store.key_ring(settled).await.unwrap();
    assert_eq!(TOKEN.sign(&before), old);
    let new = TOKEN.sign(&after);
    assert_ne!(new, old);
    for (text, ring) in [(&old, &before), (&old, &after), (&new, &before), (&new, &after)] {
        assert_eq!(UnsubscribeToken::verify(text, ring), Ok(TOKEN));
    }
    assert_eq!(MESSAGE.sign(&after), MESSAGE.sign(&before), "Message-IDs stay");
    let listed = store.list_keys(settled).await.unwrap();
    let told: Vec<_> = listed
        .iter()
        .map(|key| (key.id, key.signs, key.names_messages))
        .collect();
    assert_eq!(told, [(1, false, true), (2, true, false)]);
    assert_eq!((listed[1].created_at, listed[1].retired_at), (at(100), None));
});

store_on_both_engines!(
    a_retired_key_is_forgotten_and_its_number_not_used_again,
    |store| {
        let old = TOKEN.sign(&store.key_ring(START).await.unwrap());
        let refused = store.retire_key(1, at(50)).await.unwrap_err();
        assert!(matches!(refused, KeyRefusal::Signs(1)), "{refused}");
        store.rotate_keys(at(100)).await.unwrap();
        let refused = store.retire_key(1, at(101)).await.unwrap_err();
        assert!(
            matches!(refused, KeyRefusal::Signs(1)),
            "the new one does not sign yet: {refused}"
        );
        store.retire_key(1, at(200)).await.unwrap();
        for id in [1, 9] {
            let refused = store.retire_key(id, at(201)).await.unwrap_err();
            assert!(matches!(refused, KeyRefusal::Unknown(n) if n == id), "{refused}");
        }
        let ring = store.key_ring(at(201)).await.unwrap();
        assert_eq!(UnsubscribeToken::verify(&old, &ring), Err(TokenError::UnknownKey));
        let listed = store.list_keys(at(201)).await.unwrap();
        assert_eq!(listed[0].retired_at, Some(at(200)));
        assert!(listed[1].signs && listed[1].names_messages);
        assert_eq!(store.rotate_keys(at(300)).await.unwrap(), 3);
        store.retire_key(3, at(301)).await.unwrap();
        assert_eq!(store.rotate_keys(at(302)).await.unwrap(), 4);
    }
);

store_on_both_engines!(
    the_key_of_message_ids_stays_until_its_campaigns_are_done,
    |store| {
        store.key_ring(START).await.unwrap();
        let campaign = sending(store, 2).await;
        store.rotate_keys(at(100)).await.unwrap();
        store.move_campaign(campaign, Action::Pause, None).await.unwrap();
        let refused = store.retire_key(1, at(200)).await.unwrap_err();
        assert!(
            matches!(&refused, KeyRefusal::NamesMessages { key: 1, campaigns } if *campaigns == [campaign]),
            "{refused}"
        );
        assert!(
            refused.to_string().contains(&format!("({campaign})")),
            "{refused}"
        );
        store.move_campaign(campaign, Action::Cancel, None).await.unwrap();
        store.retire_key(1, at(200)).await.unwrap();
    }
);

store_on_both_engines!(the_campaigns_are_counted_that_a_key_has_signed, |store| {
    store.key_ring(START).await.unwrap();
    sending(store, 2).await;
    assert_eq!(store.campaigns_signed_by(1, START).await.unwrap(), 1);
    store.rotate_keys(at(1_000)).await.unwrap();
    // It is still under way, so that both have signed.
    assert_eq!(store.campaigns_signed_by(1, START).await.unwrap(), 1);
    assert_eq!(store.campaigns_signed_by(2, START).await.unwrap(), 1);
    let later = draft(store, &["readers"]).await;
    store.start_campaign(later, "{}", at(2_000)).await.unwrap();
    assert_eq!(store.campaigns_signed_by(1, START).await.unwrap(), 1);
    assert_eq!(store.campaigns_signed_by(2, START).await.unwrap(), 2);
    assert_eq!(store.campaigns_signed_by(2, at(1_500)).await.unwrap(), 1);
});

store_on_both_engines!(there_is_an_end_to_the_keys_of_an_installation, |store| {
    for id in 2..=255 {
        assert_eq!(
            store.rotate_keys(at(id)).await.unwrap(),
            u8::try_from(id).unwrap()
        );
    }
    let refused = store.rotate_keys(at(300)).await.unwrap_err();
    assert!(matches!(refused, KeyRefusal::NoneLeft), "{refused}");
});
