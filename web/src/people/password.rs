//! Passwords: Argon2id with OWASP's parameters (Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane). Hashing is done
//! beside the server's workers and for few at once, so that a flood of sign-ins takes neither the machine nor its memory.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use std::sync::{Arc, LazyLock};
use tokio::sync::Semaphore;

/// Characters that a password has at least (NIST SP 800-63B section 5.1.1.2 asks for 8).
pub(crate) const SHORTEST: usize = 10;
/// Octets that a password has at most.
pub(crate) const LONGEST: usize = 500;
/// Hashed at once.
const AT_ONCE: usize = 2;

/// Checked where there is no such person, so that the answer takes as long.
static NOBODYS: LazyLock<String> = LazyLock::new(|| hash("nobody has this password").unwrap_or_default());

pub(crate) struct Passwords(Arc<Semaphore>);

/// Why a password cannot be hashed or checked now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PasswordError {
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
    #[error("the program is stopping")]
    Stopping,
}

impl Passwords {
    pub(crate) fn new() -> Passwords {
        Passwords(Arc::new(Semaphore::new(AT_ONCE)))
    }

    /// The hash to keep, in the PHC format.
    pub(crate) async fn hash(&self, password: String) -> Result<String, PasswordError> {
        self.beside(move || hash(&password)).await?
    }

    /// Whether this is the password; `kept` is none where there is no such person or password.
    pub(crate) async fn is_right(
        &self,
        password: String,
        kept: Option<String>,
    ) -> Result<bool, PasswordError> {
        self.beside(move || {
            let is_somebodys = kept.is_some();
            let is_right = verify(&password, kept.as_deref().unwrap_or(&NOBODYS));
            is_somebodys && is_right
        })
        .await
    }

    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = self.0.clone().acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        });
        done.await.map_err(|_| PasswordError::Stopping)
    }
}

/// What is wrong with a password that somebody chose.
pub(crate) fn fault(password: &str) -> Option<&'static str> {
    if password.chars().count() < SHORTEST {
        Some("Choose a password of at least 10 characters; a few words that do not belong together are good.")
    } else if password.len() > LONGEST {
        Some("This is longer than 500 octets.")
    } else {
        None
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(19 * 1024, 2, 1, None).expect("the parameters are within their ranges");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> Result<String, PasswordError> {
    let hash: PasswordHash = argon2()
        .hash_password(password.as_bytes())
        .map_err(|error| PasswordError::Hash(error.to_string()))?;
    Ok(hash.to_string())
}

fn verify(password: &str, kept: &str) -> bool {
    let Ok(kept) = PasswordHash::new(kept) else {
        return false;
    };
    argon2().verify_password(password.as_bytes(), &kept).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_fits_its_hash() {
        let kept = hash("correct horse battery").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(verify("correct horse battery", &kept));
        assert!(!verify("correct horse batterz", &kept));
        assert!(!verify("correct horse battery", "not a hash"));
        assert_ne!(
            kept,
            hash("correct horse battery").unwrap(),
            "each has a salt of its own"
        );
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        assert!(fault("123456789").is_some());
        assert!(fault(&"a".repeat(501)).is_some());
        assert!(fault("ten letters").is_none());
    }
}
