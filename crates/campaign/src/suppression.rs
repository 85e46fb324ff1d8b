//! Addresses that must not be mailed, and how they are known without being named.

use crate::address::EmailAddress;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;

/// The SHA-256 of an address's comparison key, in lower-case hexadecimal: how one company tells another whom not to mail
/// without telling it whom. Most tools hash the trimmed address in lower case, which is the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressHash(String);

impl AddressHash {
    /// Of an address.
    pub fn of(address: &EmailAddress) -> Self {
        AddressHash::of_key(&address.key())
    }

    /// Of a comparison key.
    pub fn of_key(key: &str) -> Self {
        AddressHash(HEXLOWER.encode(&Sha256::digest(key)))
    }

    /// From 64 hexadecimal digits, in whatever case.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hash = text.len() == 64 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
        is_hash.then(|| AddressHash(text.to_ascii_lowercase()))
    }

    /// The hash in a line of a file, if it has one: the line may have other fields, and quotes.
    pub fn in_line(line: &str) -> Option<Self> {
        line.split(|c: char| !c.is_ascii_alphanumeric())
            .find_map(AddressHash::parse)
    }

    /// The 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The secret under which the addresses of people are known who have had everything about them erased: without it nobody can
/// find out whether an address that they guess is among them.
#[derive(Clone)]
pub struct ErasureKey(Hmac<Sha256>);

impl ErasureKey {
    /// From random octets.
    pub fn new(secret: &[u8; 32]) -> Self {
        ErasureKey(Hmac::new_from_slice(secret).expect("HMAC takes keys of every length"))
    }

    /// The HMAC-SHA256 of a comparison key, in lower-case hexadecimal.
    pub fn hash(&self, key: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(key.as_bytes());
        HEXLOWER.encode(&mac.finalize().into_bytes())
    }
}

impl fmt::Debug for ErasureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErasureKey")
    }
}

/// Whether a file lists hashes and not addresses, by its beginning.
pub fn lists_hashes(beginning: &str) -> bool {
    let mut lines = beginning.lines().take(10);
    lines.any(|line| !line.contains('@') && AddressHash::in_line(line).is_some())
}

/// Whether a word can stand as the reason of a suppression: lower-case letters, digits and underscores, at most 40.
pub fn is_reason(word: &str) -> bool {
    let allowed = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_';
    !word.is_empty() && word.len() <= 40 && word.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_the_address_in_lower_case() {
        // By `printf ann@example.org | sha256sum`.
        let expected = "438c4c7afe600cdf1e455c369bec76dc970fc8ca463447c7b387a347f3c79331";
        let hash = AddressHash::of(&EmailAddress::parse(" ANN@Example.org ").unwrap());
        assert_eq!(hash.as_str(), expected);
        assert_eq!(hash, AddressHash::of_key("ann@example.org"));
        let line = format!("\"{}\";unsubscribed", hash.as_str().to_uppercase());
        assert_eq!(AddressHash::in_line(&line), Some(hash.clone()));
        assert!(lists_hashes(&format!("sha256\n{}\n", hash.as_str())));
        assert!(!lists_hashes("email\nann@example.org\n"));
    }
}
