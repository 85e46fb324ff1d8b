//! How a token is written and read.
//!
//! Layout before base32: key id (1 octet), two or three numbers (1 to 9 octets each, LEB128), MAC (12 octets). The MAC is
//! HMAC-SHA256, cut, over a purpose octet and everything before it. Base32 without padding, because local parts and
//! host names may be folded to one case on their way.

use super::KeyRing;
use super::ring::Keyed;
use data_encoding::BASE32_DNSSEC as BASE32;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

const MAC_LEN: usize = 12;
/// The key id, three numbers of nine octets and the MAC.
const MAX_LEN: usize = 1 + 9 + 9 + 9 + MAC_LEN;
/// `MAX_LEN` octets in base32.
pub(super) const MAX_TEXT: usize = MAX_LEN.div_ceil(5) * 8;
/// A key id, two small numbers and the MAC in base32.
const MIN_TEXT: usize = (1 + 1 + 1 + MAC_LEN) * 8 / 5;

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

/// Whether a text has the length and the letters of a token.
pub(super) fn looks_like_a_token(text: &str) -> bool {
    (MIN_TEXT..=MAX_TEXT).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_alphanumeric())
}

pub(super) fn sign(purpose: u8, numbers: &[i64], key: Keyed, out: &mut String) {
    sign_with(purpose, numbers, &[], key, out);
}

/// Signs what stands beside the token too. The numbers tell their own length, so nothing can move between them and it.
pub(super) fn sign_with(purpose: u8, numbers: &[i64], beside: &[u8], (id, key): Keyed, out: &mut String) {
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

pub(super) fn verify<const N: usize>(
    purpose: u8,
    text: &str,
    keys: &KeyRing,
) -> Result<[i64; N], TokenError> {
    verify_with(purpose, text, &[], keys)
}

pub(super) fn verify_with<const N: usize>(
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
