//! Secrets that are handed out once: in cookies, links and tokens. Only their SHA-256 is kept: with 256 random bits there is
//! nothing to be guessed, so that no slower hash is needed.

use sha2::{Digest as _, Sha256};
use std::fmt::{self, Write};
use tidings_store::people::Digest;

/// A secret as whoever holds it writes it. It does not print.
#[derive(Clone)]
pub struct Secret(String);

/// The longest text that is taken for a secret.
const LONGEST: usize = 100;

impl Secret {
    /// 256 random bits in hexadecimal digits.
    pub fn random() -> Result<Secret, getrandom::Error> {
        let mut octets = [0; 32];
        getrandom::fill(&mut octets)?;
        Ok(Secret(hex(&octets)))
    }

    /// What somebody brought; none if it is too long to be one.
    pub(crate) fn brought(text: &str) -> Option<Secret> {
        (!text.is_empty() && text.len() <= LONGEST).then(|| Secret(text.to_owned()))
    }

    /// What is kept of it.
    pub fn digest(&self) -> Digest {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("writing to a String cannot fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_new_each_time_and_does_not_print() {
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert_eq!(one.expose().len(), 64);
        assert_ne!(one.expose(), other.expose());
        assert_eq!(format!("{one:?}"), "Secret");
        assert_eq!(Secret::brought(one.expose()).unwrap().digest(), one.digest());
    }

    #[test]
    fn what_is_too_long_is_no_secret() {
        assert!(Secret::brought(&"a".repeat(LONGEST + 1)).is_none());
        assert!(Secret::brought("").is_none());
    }
}
