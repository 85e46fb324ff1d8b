//! What the tests of the listener's parts share.

use tidings_campaign::ids::{CampaignId, RecipientId, Seq};
use tidings_campaign::token::{DeliveryToken, KeyRing, SigningKey, UnsubscribeToken};

pub(super) fn keys() -> KeyRing {
    let key = SigningKey {
        id: 1,
        secret: [7; 32],
    };
    KeyRing::new(vec![key]).unwrap()
}

/// The return path of a delivery.
pub(super) fn bounce_address() -> String {
    let token = DeliveryToken {
        campaign: CampaignId(3),
        seq: Seq(4),
    };
    format!("b-{}@bounce.example.com", token.sign(&keys()))
}

/// The same with one letter of the token changed.
pub(super) fn forged_address() -> String {
    let mut address = bounce_address();
    let other = if address[10..].starts_with('a') { "b" } else { "a" };
    address.replace_range(10..11, other);
    address
}

/// Where mail unsubscribes.
pub(super) fn unsubscribe_address() -> String {
    let token = UnsubscribeToken {
        campaign: CampaignId(3),
        recipient: RecipientId(5),
    };
    format!("u-{}@bounce.example.com", token.sign(&keys()))
}
