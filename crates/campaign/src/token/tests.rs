//! What tokens promise.

use super::*;

fn ring(ids: &[u8]) -> KeyRing {
    KeyRing::new(
        ids.iter()
            .map(|&id| SigningKey { id, secret: [id; 32] })
            .collect(),
    )
    .unwrap()
}

#[test]
fn a_token_comes_back_whatever_the_numbers_and_the_case() {
    let keys = ring(&[1]);
    for (campaign, seq) in [
        (1, 1),
        (7, 127),
        (300, 128),
        (i64::MAX, i64::MAX),
        (1, 10_000_000),
    ] {
        let token = DeliveryToken {
            campaign: CampaignId(campaign),
            seq: Seq(seq),
        };
        let text = token.sign(&keys);
        assert!(
            text.len() <= 56 && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()),
            "{text}"
        );
        assert_eq!(DeliveryToken::verify(&text, &keys), Ok(token));
        assert_eq!(DeliveryToken::verify(&text.to_uppercase(), &keys), Ok(token));
    }
}

#[test]
fn a_sign_up_s_time_is_signed_with_it() {
    let keys = ring(&[1]);
    let token = SignUpToken {
        sign_up: SignUpId(70_000),
        expires_at: Timestamp::from_seconds(1_800_000_000),
    };
    assert_eq!(SignUpToken::verify(&token.sign(&keys), &keys), Ok(token));
    assert!(!token.has_expired(Timestamp::from_seconds(1_799_999_999)));
    assert!(token.has_expired(Timestamp::from_seconds(1_800_000_000)));
    let unsubscribe = UnsubscribeToken {
        campaign: CampaignId(70_000),
        recipient: RecipientId(1_800_000_000),
    };
    assert_eq!(
        SignUpToken::verify(&unsubscribe.sign(&keys), &keys),
        Err(TokenError::Forged)
    );
}

#[test]
fn a_pseudonym_is_the_same_while_keys_are_added_and_tells_nothing_without_them() {
    let word = ring(&[1]).pseudonym("192.0.2.7");
    assert_eq!(word, ring(&[1, 2]).pseudonym("192.0.2.7"));
    assert_eq!(word.len(), 32);
    assert_ne!(word, ring(&[2]).pseudonym("192.0.2.7"));
    assert_ne!(word, ring(&[1]).pseudonym("192.0.2.8"));
}

#[test]
fn every_changed_letter_is_noticed() {
    let keys = ring(&[1]);
    let text = UnsubscribeToken {
        campaign: CampaignId(3),
        recipient: RecipientId(70_000),
    }
    .sign(&keys);
    for at in 0..text.len() {
        let mut forged = text.clone().into_bytes();
        forged[at] = if forged[at] == b'a' { b'b' } else { b'a' };
        assert!(
            UnsubscribeToken::verify(std::str::from_utf8(&forged).unwrap(), &keys).is_err(),
            "at {at}"
        );
    }
    for cut in 0..text.len() {
        assert!(UnsubscribeToken::verify(&text[..cut], &keys).is_err());
    }
    assert_eq!(
        UnsubscribeToken::verify(&"a".repeat(10_000), &keys),
        Err(TokenError::Malformed)
    );
    assert_eq!(
        UnsubscribeToken::verify("not a töken", &keys),
        Err(TokenError::Malformed)
    );
}

#[test]
fn what_was_fetched_survives_and_is_not_to_be_changed() {
    let keys = ring(&[1]);
    for target in [
        HitTarget::Pixel,
        HitTarget::Trap,
        HitTarget::Link(1),
        HitTarget::Link(u32::MAX),
    ] {
        for recipient in [None, Some(RecipientId(7_000_000))] {
            let token = HitToken {
                campaign: CampaignId(3),
                recipient,
                target,
            };
            let mut text = String::new();
            token.sign_into(&keys, &mut text);
            assert_eq!(HitToken::verify(&text, &keys), Ok(token));
            assert!(text.len() <= 48, "{text}");
            let mut forged = text.into_bytes();
            forged[5] = if forged[5] == b'a' { b'b' } else { b'a' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(HitToken::verify(&forged, &keys).is_err());
        }
    }
    let view = ViewToken {
        campaign: CampaignId(3),
        recipient: RecipientId(4),
    };
    let mut text = String::new();
    view.sign_into(&keys, &mut text);
    assert_eq!(ViewToken::verify(&text, &keys), Ok(view));
    assert!(UnsubscribeToken::verify(&text, &keys).is_err());
}

#[test]
fn a_return_path_is_no_unsubscribe_link() {
    let keys = ring(&[1]);
    let text = DeliveryToken {
        campaign: CampaignId(3),
        seq: Seq(4),
    }
    .sign(&keys);
    assert_eq!(UnsubscribeToken::verify(&text, &keys), Err(TokenError::Forged));
}

#[test]
fn a_message_is_named_by_the_same_token_whatever_keys_are_added() {
    let token = MessageToken {
        campaign: CampaignId(3),
        recipient: RecipientId(70_000),
    };
    let text = token.sign(&ring(&[1]));
    assert_eq!(token.sign(&ring(&[2, 1])), text);
    assert_eq!(MessageToken::verify(&text, &ring(&[2, 1])), Ok(token));
    assert_eq!(
        UnsubscribeToken::verify(&text, &ring(&[1])),
        Err(TokenError::Forged)
    );
}

#[test]
fn old_keys_verify_and_the_newest_signs() {
    let token = DeliveryToken {
        campaign: CampaignId(1),
        seq: Seq(2),
    };
    let old = token.sign(&ring(&[1]));
    assert_eq!(DeliveryToken::verify(&old, &ring(&[2, 1])), Ok(token));
    let new = token.sign(&ring(&[2, 1]));
    assert_eq!(
        DeliveryToken::verify(&new, &ring(&[1])),
        Err(TokenError::UnknownKey)
    );
    assert!(KeyRing::new(Vec::new()).is_none());
}

#[test]
fn a_key_that_only_verifies_yet_does_not_sign() {
    let both = |signs| {
        let key = |id| SigningKey { id, secret: [id; 32] };
        KeyRing::signing_with(signs, vec![key(2), key(1)])
    };
    let token = UnsubscribeToken {
        campaign: CampaignId(1),
        recipient: RecipientId(2),
    };
    let keys = both(1).unwrap();
    assert_eq!(token.sign(&keys), token.sign(&ring(&[1])));
    assert_eq!(
        UnsubscribeToken::verify(&token.sign(&ring(&[2])), &keys),
        Ok(token)
    );
    assert!(both(3).is_none());
}

#[test]
fn what_a_ring_takes_over_all_its_clones_have() {
    let keys = ring(&[1]);
    let clone = keys.clone();
    let token = UnsubscribeToken {
        campaign: CampaignId(1),
        recipient: RecipientId(2),
    };
    let [old, new] = [1, 2].map(|id| token.sign(&ring(&[id])));
    keys.take_over(ring(&[2, 1]));
    assert_eq!(token.sign(&clone), new);
    assert_eq!(UnsubscribeToken::verify(&old, &clone), Ok(token));
    keys.take_over(ring(&[2]));
    assert_eq!(
        UnsubscribeToken::verify(&old, &clone),
        Err(TokenError::UnknownKey)
    );
}

#[test]
fn a_token_with_an_unknown_key_is_told_from_other_words() {
    let keys = ring(&[1]);
    let token = UnsubscribeToken {
        campaign: CampaignId(1),
        recipient: RecipientId(2),
    };
    for id in [2, 31, 32, 100, 255] {
        let text = token.sign(&ring(&[id]));
        assert!(
            keys.is_stranger(&text) && keys.is_stranger(&text.to_uppercase()),
            "{id}"
        );
        assert!(!ring(&[id]).is_stranger(&text), "{id}");
    }
    assert!(!keys.is_stranger(&token.sign(&keys)));
    for word in [
        "",
        "0",
        "style.css",
        "\u{f6}",
        &"z".repeat(30),
        &"a".repeat(10_000),
    ] {
        assert!(!keys.is_stranger(word), "{word}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let key = SigningKey {
        id: 9,
        secret: [77; 32],
    };
    assert!(!format!("{key:?}").contains("77"));
    assert!(!format!("{:?}", ring(&[9])).contains("77"));
}

#[test]
fn a_token_that_leads_somewhere_leads_nowhere_else() {
    let keys = ring(&[1]);
    let hit = HitToken {
        campaign: CampaignId(12),
        recipient: Some(RecipientId(70_000)),
        target: HitTarget::Link(3),
    };
    let to = "https://shop.example.com/?id=7";
    let mut text = String::new();
    hit.sign_leading_to(to, &keys, &mut text);
    assert!(text.len() <= 64, "{text}");
    assert_eq!(
        HitToken::verify_leading_to(&text.to_uppercase(), to, &keys),
        Ok(hit)
    );
    for other in ["", "https://shop.example.com/?id=8", "https://evil.example/"] {
        assert_eq!(
            HitToken::verify_leading_to(&text, other, &keys),
            Err(TokenError::Forged)
        );
    }
    // Neither kind of token stands for the other.
    assert_eq!(HitToken::verify(&text, &keys), Err(TokenError::Forged));
    let mut plain = String::new();
    hit.sign_into(&keys, &mut plain);
    assert_eq!(
        HitToken::verify_leading_to(&plain, "", &keys),
        Err(TokenError::Forged)
    );
}

#[test]
fn a_link_to_preferences_knows_another_address_and_another_purpose() {
    let keys = ring(&[1]);
    let address = |text| AddressMark::of(&EmailAddress::parse(text).unwrap());
    let ann = address("Ann@Example.org");
    assert_eq!(ann, address("ann@example.org"));
    assert_ne!(ann, address("anna@example.org"));
    let token = PreferencesToken {
        campaign: CampaignId(7),
        recipient: RecipientId(70_001),
        mark: ann,
    };
    let text = token.sign(&keys);
    assert!(text.len() <= 40, "{text}");
    assert_eq!(PreferencesToken::verify(&text, &keys), Ok(token));
    assert_eq!(HitToken::verify(&text, &keys), Err(TokenError::Forged));
    let change = AddressChangeToken {
        recipient: RecipientId(70_001),
        mark: ann,
        expires_at: Timestamp::from_seconds(1_800_000_000),
    };
    let text = change.sign("anna@example.org", &keys);
    assert_eq!(
        AddressChangeToken::verify(&text, "anna@example.org", &keys),
        Ok(change)
    );
    for to in ["", "bob@example.org", "Anna@example.org"] {
        assert_eq!(
            AddressChangeToken::verify(&text, to, &keys),
            Err(TokenError::Forged),
            "{to}"
        );
    }
}
