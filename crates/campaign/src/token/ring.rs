//! The keys that sign tokens, shared by all parts of a process.

use super::coding::looks_like_a_token;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// A secret that signs tokens.
#[derive(Clone)]
pub struct SigningKey {
    /// Stands in every token, so that it is checked with the right key. The greatest id is the newest key.
    pub id: u8,
    /// 32 random octets.
    pub secret: [u8; 32],
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The keys of an instance: one signs, all verify. Clones share them: what one takes over, all have at once, wherever in the
/// process they are.
#[derive(Clone)]
pub struct KeyRing(Arc<RwLock<Keys>>);

struct Keys {
    /// By id, never empty. The HMAC state after the key is kept, which halves the cost of a signature.
    keys: Vec<Keyed>,
    /// Which of them signs what is new.
    signs: usize,
}

/// A key's id, and the HMAC state after its secret.
pub(super) type Keyed = (u8, Hmac<Sha256>);

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.read().keys.iter().map(|(id, _)| id))
            .finish()
    }
}

impl KeyRing {
    /// A ring of these keys, of which the newest signs; `None` if there are none.
    pub fn new(keys: Vec<SigningKey>) -> Option<KeyRing> {
        let newest = keys.iter().map(|key| key.id).max()?;
        KeyRing::signing_with(newest, keys)
    }

    /// A ring of these keys, of which that with the id `signs` signs; `None` if it is not among them.
    pub fn signing_with(signs: u8, mut keys: Vec<SigningKey>) -> Option<KeyRing> {
        keys.sort_by_key(|key| key.id);
        let signs = keys.iter().position(|key| key.id == signs)?;
        let keys = keys.iter().map(|key| (key.id, keyed(&key.secret))).collect();
        Some(KeyRing(Arc::new(RwLock::new(Keys { keys, signs }))))
    }

    /// From now on this ring and all its clones have the keys of `fresh`, and no others.
    pub fn take_over(&self, fresh: KeyRing) {
        let keys = {
            let fresh = fresh.read();
            Keys {
                keys: fresh.keys.clone(),
                signs: fresh.signs,
            }
        };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Whether a text has the look of a token whose key is not in this ring: then it may be worth reading the ring again.
    pub fn is_stranger(&self, text: &str) -> bool {
        // Two letters hold the octet of the key id, and two bits more.
        let Some(first) = text.as_bytes().get(..2) else {
            return false;
        };
        if !looks_like_a_token(text) {
            return false;
        }
        // Without the bits that belong to the next octet, it is one octet in base32.
        let value = |c: u8| char::from(c).to_digit(32);
        let (Some(high), Some(low)) = (value(first[0]), value(first[1])) else {
            return false;
        };
        let id = (high << 3) | (low >> 2);
        !self.read().keys.iter().any(|(known, _)| u32::from(*known) == id)
    }

    /// A word for a text that cannot be told from it without the keys, always the same as long as the oldest key is kept: 32
    /// hexadecimal digits.
    pub fn pseudonym(&self, text: &str) -> String {
        const PURPOSE: u8 = b'#';
        let (_, mut mac) = self.oldest();
        mac.update(&[PURPOSE]);
        mac.update(text.as_bytes());
        HEXLOWER.encode(&mac.finalize().into_bytes()[..16])
    }

    pub(super) fn newest(&self) -> Keyed {
        let keys = self.read();
        keys.keys[keys.signs].clone()
    }

    /// Signs what must stay the same while keys are added.
    pub(super) fn oldest(&self) -> Keyed {
        self.read()
            .keys
            .first()
            .expect("a key ring is never empty")
            .clone()
    }

    pub(super) fn find(&self, id: u8) -> Option<Keyed> {
        self.read().keys.iter().find(|(known, _)| *known == id).cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        // They are replaced as a whole, so a panic elsewhere leaves none half written.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keyed(secret: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes keys of every length")
}
