//! Recovery codes, for people without their device: fifty random bits each, of which only the SHA-256 is kept. That is enough
//! because they can be tried at the sign-in page alone, after a right password, and a few times only; who reads the database has
//! the key of the device's codes beside them.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};
use tidings_store::people::Digest;

/// Codes that a person gets.
const CODES: usize = 10;
const LETTERS: usize = 10;

/// New codes, as people write them down: `ABCDE-FGHIJ`.
pub(crate) fn random() -> Result<Vec<String>, getrandom::Error> {
    (0..CODES).map(|_| one()).collect()
}

fn one() -> Result<String, getrandom::Error> {
    let mut octets = [0; 7];
    getrandom::fill(&mut octets)?;
    let letters = BASE32_NOPAD.encode(&octets);
    let (first, rest) = letters.split_at(LETTERS / 2);
    Ok(format!("{first}-{}", &rest[..LETTERS / 2]))
}

/// What is kept of a code; none if this text, however it is typed, is none.
pub(crate) fn digest(typed: &str) -> Option<Digest> {
    let letters: String = typed
        .chars()
        .filter(|c| !matches!(c, ' ' | '-'))
        .take(LETTERS + 1)
        .map(|c| c.to_ascii_uppercase())
        .collect();
    (letters.len() == LETTERS).then(|| Sha256::digest(letters.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_however_it_is_typed() {
        let codes = random().unwrap();
        assert_eq!(codes.len(), CODES);
        let code = &codes[0];
        assert_eq!(code.len(), LETTERS + 1);
        assert_ne!(code, &codes[1]);
        let kept = digest(code);
        assert!(kept.is_some());
        assert_eq!(
            digest(&format!(" {} ", code.to_lowercase().replace('-', " "))),
            kept
        );
        assert_ne!(digest(&codes[1]), kept);
        assert_eq!(digest("123456"), None);
        assert_eq!(digest(&"A".repeat(11)), None);
    }
}
