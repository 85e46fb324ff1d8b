//! Signed tokens in return paths, Message-IDs, tracked links and the links of public pages: they name a delivery or a recipient, cannot be guessed or
//! changed, and need no look-up to be checked.
//!
//! Layout before base32: key id (1 octet), two or three numbers (1 to 9 octets each, LEB128), MAC (12 octets). The MAC is
//! HMAC-SHA256, cut, over a purpose octet and everything before it. Base32 without padding, because local parts and
//! host names may be folded to one case on their way.

use crate::address::EmailAddress;
use crate::ids::{CampaignId, RecipientId, Seq, SignUpId};
use crate::time::Timestamp;
use data_encoding::{BASE32_DNSSEC as BASE32, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use subtle::ConstantTimeEq;

const MAC_LEN: usize = 12;
/// The key id, three numbers of nine octets and the MAC.
const MAX_LEN: usize = 1 + 9 + 9 + 9 + MAC_LEN;
/// `MAX_LEN` octets in base32.
const MAX_TEXT: usize = MAX_LEN.div_ceil(5) * 8;
/// A key id, two small numbers and the MAC in base32.
const MIN_TEXT: usize = (1 + 1 + 1 + MAC_LEN) * 8 / 5;

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
type Keyed = (u8, Hmac<Sha256>);

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
        if !(MIN_TEXT..=MAX_TEXT).contains(&text.len()) || !text.bytes().all(|c| c.is_ascii_alphanumeric()) {
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

    fn newest(&self) -> Keyed {
        let keys = self.read();
        keys.keys[keys.signs].clone()
    }

    /// Signs what must stay the same while keys are added.
    fn oldest(&self) -> Keyed {
        self.read()
            .keys
            .first()
            .expect("a key ring is never empty")
            .clone()
    }

    fn find(&self, id: u8) -> Option<Keyed> {
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

/// Why a token is not accepted. None of these says anything about a recipient: a forged token changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not the shape of a token: cut, or something else altogether.
    #[error("this is not a token of ours; it may have been cut or changed on its way")]
    Malformed,
    /// Signed with a key that this instance does not have.
    #[error("the token was signed with a key that is not known here")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the token's signature does not fit")]
    Forged,
}

/// Names a delivery; stands in the return path, so that bounces find their delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryToken {
    /// The campaign.
    pub campaign: CampaignId,
    /// The delivery's place in it.
    pub seq: Seq,
}

/// Lets whoever holds it unsubscribe one recipient from one campaign's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsubscribeToken {
    /// The campaign that carried the link.
    pub campaign: CampaignId,
    /// Who unsubscribes.
    pub recipient: RecipientId,
}

/// Names the message of a campaign to a recipient; stands in its Message-ID, so that what comes back and tells it finds its
/// delivery. It is the same for every attempt, whatever keys are added meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageToken {
    /// The campaign.
    pub campaign: CampaignId,
    /// To whom it goes.
    pub recipient: RecipientId,
}

impl DeliveryToken {
    const PURPOSE: u8 = b'b';

    /// The token as text: at most 64 lower-case letters and digits.
    pub fn sign(&self, keys: &KeyRing) -> String {
        let mut text = String::with_capacity(MAX_TEXT);
        self.sign_into(keys, &mut text);
        text
    }

    /// Appends what [`sign`](Self::sign) returns.
    pub fn sign_into(&self, keys: &KeyRing, out: &mut String) {
        sign(Self::PURPOSE, &[self.campaign.0, self.seq.0], keys.newest(), out);
    }

    /// Reads a token, in upper or lower case.
    pub fn verify(text: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        let [campaign, seq] = verify(Self::PURPOSE, text, keys)?;
        Ok(DeliveryToken {
            campaign: CampaignId(campaign),
            seq: Seq(seq),
        })
    }
}

impl UnsubscribeToken {
    const PURPOSE: u8 = b'u';

    /// The token as text: at most 64 lower-case letters and digits.
    pub fn sign(&self, keys: &KeyRing) -> String {
        let mut text = String::with_capacity(MAX_TEXT);
        self.sign_into(keys, &mut text);
        text
    }

    /// Appends what [`sign`](Self::sign) returns.
    pub fn sign_into(&self, keys: &KeyRing, out: &mut String) {
        let numbers = [self.campaign.0, self.recipient.0];
        sign(Self::PURPOSE, &numbers, keys.newest(), out);
    }

    /// Reads a token, in upper or lower case.
    pub fn verify(text: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        let [campaign, recipient] = verify(Self::PURPOSE, text, keys)?;
        Ok(UnsubscribeToken {
            campaign: CampaignId(campaign),
            recipient: RecipientId(recipient),
        })
    }
}

/// What in a message was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HitTarget {
    /// The open pixel.
    Pixel,
    /// The link that nobody sees.
    Trap,
    /// A link, by its number in the campaign, from 1.
    Link(u32),
}

impl HitTarget {
    /// As it stands in tokens and in the database: 0 for the pixel, -1 for the trap, else the link's number.
    pub const fn number(self) -> i64 {
        match self {
            HitTarget::Pixel => 0,
            HitTarget::Trap => -1,
            HitTarget::Link(n) => n as i64,
        }
    }

    /// From that number.
    pub fn from_number(number: i64) -> Option<HitTarget> {
        match number {
            0 => Some(HitTarget::Pixel),
            -1 => Some(HitTarget::Trap),
            _ => u32::try_from(number).ok().map(HitTarget::Link),
        }
    }
}

/// Names what in a message was fetched, and by whom; stands in tracked links and in the open pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitToken {
    /// The campaign.
    pub campaign: CampaignId,
    /// To whom the message went; nobody where hits are only counted.
    pub recipient: Option<RecipientId>,
    /// What was fetched.
    pub target: HitTarget,
}

impl HitToken {
    const PURPOSE: u8 = b'h';
    /// Signs the token together with the address it leads to.
    const LEADING: u8 = b'l';

    /// Appends the token as text: at most 64 lower-case letters and digits, usually about 35.
    pub fn sign_into(&self, keys: &KeyRing, out: &mut String) {
        // Ids begin at 1, and numbers in tokens are never negative.
        let recipient = self.recipient.map_or(0, |id| id.0);
        let numbers = [self.campaign.0, recipient, self.target.number() + 1];
        sign(Self::PURPOSE, &numbers, keys.newest(), out);
    }

    /// Reads a token, in upper or lower case.
    pub fn verify(text: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        Self::of(verify(Self::PURPOSE, text, keys)?)
    }

    /// Appends the token of a link whose address is of this message alone: it holds only together with `to`, so nobody
    /// can make it lead elsewhere, and nothing need be looked up. As long as others.
    pub fn sign_leading_to(&self, to: &str, keys: &KeyRing, out: &mut String) {
        let recipient = self.recipient.map_or(0, |id| id.0);
        let numbers = [self.campaign.0, recipient, self.target.number() + 1];
        sign_with(Self::LEADING, &numbers, to.as_bytes(), keys.newest(), out);
    }

    /// Reads such a token, in upper or lower case; `to` octet for octet, as it is behind its percent-encoding.
    pub fn verify_leading_to(text: &str, to: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        Self::of(verify_with(Self::LEADING, text, to.as_bytes(), keys)?)
    }

    fn of([campaign, recipient, target]: [i64; 3]) -> Result<Self, TokenError> {
        Ok(HitToken {
            campaign: CampaignId(campaign),
            recipient: (recipient != 0).then_some(RecipientId(recipient)),
            target: HitTarget::from_number(target - 1).ok_or(TokenError::Malformed)?,
        })
    }
}

/// Lets whoever holds it see the newsletter of a campaign as one recipient got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewToken {
    /// The campaign.
    pub campaign: CampaignId,
    /// Whose newsletter it is.
    pub recipient: RecipientId,
}

impl ViewToken {
    const PURPOSE: u8 = b'v';

    /// Appends the token as text: at most 64 lower-case letters and digits.
    pub fn sign_into(&self, keys: &KeyRing, out: &mut String) {
        let numbers = [self.campaign.0, self.recipient.0];
        sign(Self::PURPOSE, &numbers, keys.newest(), out);
    }

    /// Reads a token, in upper or lower case.
    pub fn verify(text: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        let [campaign, recipient] = verify(Self::PURPOSE, text, keys)?;
        Ok(ViewToken {
            campaign: CampaignId(campaign),
            recipient: RecipientId(recipient),
        })
    }
}

/// Lets whoever holds it confirm a sign-up until it expires; stands in the link of an opt-in letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignUpToken {
    /// Which sign-up.
    pub sign_up: SignUpId,
    /// Until when, to the second.
    pub expires_at: Timestamp,
}

impl SignUpToken {
    const PURPOSE: u8 = b's';

    /// The token as text: at most 64 lower-case letters and digits.
    pub fn sign(&self, keys: &KeyRing) -> String {
        let mut text = String::with_capacity(MAX_TEXT);
        let numbers = [self.sign_up.0, self.expires_at.seconds()];
        sign(Self::PURPOSE, &numbers, keys.newest(), &mut text);
        text
    }

    /// Reads a token, in upper or lower case. Whether it has expired is the caller's to ask.
    pub fn verify(text: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        let [sign_up, expires] = verify(Self::PURPOSE, text, keys)?;
        // Seconds of a date beyond all clocks would not fit into microseconds.
        let expires = expires.clamp(0, i64::MAX / 1_000_000);
        Ok(SignUpToken {
            sign_up: SignUpId(sign_up),
            expires_at: Timestamp::from_seconds(expires),
        })
    }

    /// Whether it is too late.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}

/// What an address leaves in a token: enough to tell that the recipient has another address by now, and too little to find
/// out the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressMark(i64);

impl AddressMark {
    /// Of an address: 28 bits of the SHA-256 of its comparison key, which take four octets.
    pub fn of(address: &EmailAddress) -> AddressMark {
        let digest = Sha256::digest(address.key());
        let [a, b, c, d] = [digest[0], digest[1], digest[2], digest[3]];
        AddressMark(i64::from(u32::from_be_bytes([a, b, c, d]) >> 4))
    }
}

/// Lets whoever holds it see and change what is stored of one recipient, as long as the recipient has the address to which it
/// was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreferencesToken {
    /// The campaign that carried the link.
    pub campaign: CampaignId,
    /// Whose preferences they are.
    pub recipient: RecipientId,
    /// The address that the recipient had.
    pub mark: AddressMark,
}

impl PreferencesToken {
    const PURPOSE: u8 = b'r';

    /// Appends the token as text: at most 64 lower-case letters and digits.
    pub fn sign_into(&self, keys: &KeyRing, out: &mut String) {
        let numbers = [self.campaign.0, self.recipient.0, self.mark.0];
        sign(Self::PURPOSE, &numbers, keys.newest(), out);
    }

    /// The token as text.
    pub fn sign(&self, keys: &KeyRing) -> String {
        let mut text = String::with_capacity(MAX_TEXT);
        self.sign_into(keys, &mut text);
        text
    }

    /// Reads a token, in upper or lower case. Whether the recipient still has that address must be asked.
    pub fn verify(text: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        let [campaign, recipient, mark] = verify(Self::PURPOSE, text, keys)?;
        Ok(PreferencesToken {
            campaign: CampaignId(campaign),
            recipient: RecipientId(recipient),
            mark: AddressMark(mark),
        })
    }
}

/// Proves that whoever holds it reads the mail of the address that a recipient wants to change to. It holds only together
/// with that address, until a time, and as long as the recipient has the address that is to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressChangeToken {
    /// Who changes the address.
    pub recipient: RecipientId,
    /// The address that is to be changed.
    pub mark: AddressMark,
    /// Until when, in whole seconds.
    pub expires_at: Timestamp,
}

impl AddressChangeToken {
    const PURPOSE: u8 = b'a';

    /// The token as text: at most 64 lower-case letters and digits. `to`: the new address as it is written in the link.
    pub fn sign(&self, to: &str, keys: &KeyRing) -> String {
        let mut text = String::with_capacity(MAX_TEXT);
        let numbers = [self.recipient.0, self.mark.0, self.expires_at.seconds()];
        sign_with(Self::PURPOSE, &numbers, to.as_bytes(), keys.newest(), &mut text);
        text
    }

    /// Reads a token, in upper or lower case; `to` octet for octet. Whether its time is over, and whether the recipient still
    /// has the old address, must be asked.
    pub fn verify(text: &str, to: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        let [recipient, mark, expires_at] = verify_with(Self::PURPOSE, text, to.as_bytes(), keys)?;
        Ok(AddressChangeToken {
            recipient: RecipientId(recipient),
            mark: AddressMark(mark),
            expires_at: Timestamp::from_seconds(expires_at.min(i64::MAX / 1_000_000)),
        })
    }
}

impl MessageToken {
    const PURPOSE: u8 = b'm';

    /// The token as text: at most 64 lower-case letters and digits.
    pub fn sign(&self, keys: &KeyRing) -> String {
        let mut text = String::with_capacity(MAX_TEXT);
        let numbers = [self.campaign.0, self.recipient.0];
        sign(Self::PURPOSE, &numbers, keys.oldest(), &mut text);
        text
    }

    /// Reads a token, in upper or lower case.
    pub fn verify(text: &str, keys: &KeyRing) -> Result<Self, TokenError> {
        let [campaign, recipient] = verify(Self::PURPOSE, text, keys)?;
        Ok(MessageToken {
            campaign: CampaignId(campaign),
            recipient: RecipientId(recipient),
        })
    }
}

fn sign(purpose: u8, numbers: &[i64], key: Keyed, out: &mut String) {
    sign_with(purpose, numbers, &[], key, out);
}

/// Signs what stands beside the token too. The numbers tell their own length, so nothing can move between them and it.
fn sign_with(purpose: u8, numbers: &[i64], beside: &[u8], (id, key): Keyed, out: &mut String) {
    let mut token = [0; MAX_LEN];
    token[0] = id;
    let mut len = 1;
    for number in numbers {
        put_number(*number, &mut token, &mut len);
    }
    let tag = mac(key, purpose, &token[..len], beside);
    token[len..len + MAC_LEN].copy_from_slice(&tag);
    BASE32.encode_append(&token[..len + MAC_LEN], out);
}

fn verify<const N: usize>(purpose: u8, text: &str, keys: &KeyRing) -> Result<[i64; N], TokenError> {
    verify_with(purpose, text, &[], keys)
}

fn verify_with<const N: usize>(
    purpose: u8,
    text: &str,
    beside: &[u8],
    keys: &KeyRing,
) -> Result<[i64; N], TokenError> {
    // The bound comes first: the text is from outside.
    if text.len() > MAX_TEXT {
        return Err(TokenError::Malformed);
    }
    let token = BASE32
        .decode(text.as_bytes())
        .map_err(|_| TokenError::Malformed)?;
    let (body, tag) = token.split_last_chunk::<MAC_LEN>().ok_or(TokenError::Malformed)?;
    let (id, mut rest) = body.split_first().ok_or(TokenError::Malformed)?;
    let (_, key) = keys.find(*id).ok_or(TokenError::UnknownKey)?;
    if !bool::from(mac(key, purpose, body, beside).ct_eq(tag)) {
        return Err(TokenError::Forged);
    }
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = take_number(&mut rest).ok_or(TokenError::Malformed)?;
    }
    if !rest.is_empty() {
        return Err(TokenError::Malformed);
    }
    Ok(numbers)
}

fn mac(key: Hmac<Sha256>, purpose: u8, body: &[u8], beside: &[u8]) -> [u8; MAC_LEN] {
    let mut mac = key;
    mac.update(&[purpose]);
    mac.update(body);
    mac.update(beside);
    let full = mac.finalize().into_bytes();
    let mut cut = [0; MAC_LEN];
    cut.copy_from_slice(&full[..MAC_LEN]);
    cut
}

/// LEB128. Ids are never negative, so nine octets hold the greatest.
fn put_number(number: i64, token: &mut [u8; MAX_LEN], len: &mut usize) {
    let mut rest = number.max(0);
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        token[*len] = if rest == 0 { low } else { low | 0x80 };
        *len += 1;
        if rest == 0 {
            return;
        }
    }
}

fn take_number(octets: &mut &[u8]) -> Option<i64> {
    let mut number = 0_i64;
    for place in 0..9 {
        let (&octet, rest) = octets.split_first()?;
        *octets = rest;
        number |= i64::from(octet & 0x7f) << (7 * place);
        if octet & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
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
}
