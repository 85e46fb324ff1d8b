//! Mailgun signs a time and a token for one use, not what the post says. So a token counts once, and there is a secret in the
//! address besides.

use super::refused::Refused;
use super::sendgrid::within;
use data_encoding::HEXLOWER_PERMISSIVE;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;
use tidings_campaign::time::Timestamp;

/// Mailgun's tokens have 50 letters.
const LONGEST_TOKEN: usize = 200;
/// Tokens that are remembered; the database knows those that are older.
const MOST_SEEN: usize = 50_000;

/// The HTTP webhook signing key.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// The key as Mailgun shows it.
    pub fn new(key: &SecretString) -> SigningKey {
        SigningKey(hmac::Key::new(hmac::HMAC_SHA256, key.expose_secret().as_bytes()))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

#[derive(Deserialize)]
struct Post {
    signature: Signature,
    /// Of a sub-account: by the key of the account that it belongs to.
    #[serde(rename = "parent-signature")]
    parent: Option<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    timestamp: String,
    token: String,
    signature: String,
}

/// The token of a post, if Mailgun signed it and it is not older than `window`.
pub(super) fn check(
    key: &SigningKey,
    window: Duration,
    now: Timestamp,
    body: &[u8],
) -> Result<String, Refused> {
    let post: Post =
        serde_json::from_slice(body).map_err(|_| Refused::Forged("there is none of Mailgun in the post"))?;
    let signed = [Some(post.signature), post.parent].into_iter().flatten();
    let signed = signed.into_iter().find(|signature| signature.is_of(key));
    let signed = signed.ok_or(Refused::Forged("it is not of this key, or something was changed"))?;
    within(window, now, &signed.timestamp)?;
    Ok(signed.token)
}

impl Signature {
    fn is_of(&self, key: &SigningKey) -> bool {
        let Ok(signature) = HEXLOWER_PERMISSIVE.decode(self.signature.as_bytes()) else {
            return false;
        };
        // Without a fixed border between the two, digits must not wander from the time to the token.
        let is_time =
            self.timestamp.len() == 10 && self.timestamp.bytes().all(|octet| octet.is_ascii_digit());
        let signed = [self.timestamp.as_bytes(), self.token.as_bytes()].concat();
        is_time && self.token.len() <= LONGEST_TOKEN && hmac::verify(&key.0, &signed, &signature).is_ok()
    }
}

/// The tokens that were used, and for which posts.
#[derive(Default)]
pub(super) struct Seen {
    tokens: Mutex<Tokens>,
}

#[derive(Default)]
struct Tokens {
    posts: HashMap<[u8; 32], [u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Seen {
    /// Whether the token was used for another post. The same post may come again: its answer may have been lost.
    pub(super) fn was_for_another(&self, token: &str, body: &[u8]) -> bool {
        let tokens = self
            .tokens
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let post = tokens.posts.get(&digest(token.as_bytes()));
        post.is_some_and(|post| *post != digest(body))
    }

    /// Remembers a token after its post was kept.
    pub(super) fn remember(&self, token: &str, body: &[u8]) {
        let mut tokens = self
            .tokens
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let token = digest(token.as_bytes());
        if tokens.posts.insert(token, digest(body)).is_none() {
            tokens.order.push_back(token);
        }
        if tokens.order.len() > MOST_SEEN
            && let Some(oldest) = tokens.order.pop_front()
        {
            tokens.posts.remove(&oldest);
        }
    }
}

fn digest(octets: &[u8]) -> [u8; 32] {
    Sha256::digest(octets).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_one_post_and_only_so_many_are_remembered() {
        let seen = Seen::default();
        assert!(!seen.was_for_another("t", b"a"));
        seen.remember("t", b"a");
        assert!(!seen.was_for_another("t", b"a"), "the same again");
        assert!(seen.was_for_another("t", b"b"));
        for number in 0..=MOST_SEEN {
            seen.remember(&number.to_string(), b"");
        }
        assert!(!seen.was_for_another("t", b"b"));
        assert_eq!(seen.tokens.lock().unwrap().posts.len(), MOST_SEEN);
    }
}
