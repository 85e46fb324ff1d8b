//! Who we say we are to a relay, and how it is proved.

use crate::oauth::Tokens;
use lettre::transport::smtp::authentication::Mechanism;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

/// A user and the proof.
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// The user name.
    pub user: String,
    /// What proves it.
    pub proof: Proof,
    /// The one mechanism to use; none: the best that the relay announces.
    pub mechanism: Option<Mechanism>,
}

/// What proves that we are the user.
#[derive(Clone, Debug)]
pub enum Proof {
    /// For PLAIN and LOGIN.
    Password(SecretString),
    /// For XOAUTH2. Shared by all sessions of the relay.
    Token(Arc<Tokens>),
}

impl PartialEq for Proof {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Proof::Password(one), Proof::Password(other)) => one.expose_secret() == other.expose_secret(),
            (Proof::Token(one), Proof::Token(other)) => one.source() == other.source(),
            _ => false,
        }
    }
}

impl Login {
    /// The mechanism to use with a relay that announces these.
    pub(crate) fn choose(&self, announced: &[Mechanism]) -> Result<Mechanism, String> {
        let fitting: &[Mechanism] = match (self.mechanism, &self.proof) {
            (Some(Mechanism::Plain), _) => &[Mechanism::Plain],
            (Some(Mechanism::Login), _) => &[Mechanism::Login],
            (Some(Mechanism::Xoauth2), _) | (None, Proof::Token(_)) => &[Mechanism::Xoauth2],
            (None, Proof::Password(_)) => &[Mechanism::Plain, Mechanism::Login],
        };
        let chosen = fitting.iter().find(|mechanism| announced.contains(mechanism));
        chosen.copied().ok_or_else(|| {
            let names = |mechanisms: &[Mechanism]| {
                let names: Vec<String> = mechanisms.iter().map(Mechanism::to_string).collect();
                names.join(", ")
            };
            let wanted = names(fitting);
            if announced.is_empty() {
                format!(
                    "the relay offers no AUTH that is known here (wanted: {wanted}); it may offer it only on another \
                     port or after STARTTLS, or want no login at all: then take the user out of url"
                )
            } else {
                format!("the relay offers {} and not {wanted}: set auth accordingly", names(announced))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(mechanism: Option<Mechanism>) -> Login {
        Login {
            user: "ann".to_owned(),
            proof: Proof::Password(SecretString::from("secret")),
            mechanism,
        }
    }

    #[test]
    fn plain_goes_before_login_and_a_wish_before_both() {
        use Mechanism::{Login as L, Plain as P, Xoauth2 as X};
        assert_eq!(login(None).choose(&[L, P, X]), Ok(P));
        assert_eq!(login(None).choose(&[L, X]), Ok(L));
        assert_eq!(login(Some(L)).choose(&[P, L]), Ok(L));
        let error = login(None).choose(&[X]).unwrap_err();
        assert!(error.contains("offers XOAUTH2 and not PLAIN, LOGIN"), "{error}");
        assert!(login(None).choose(&[]).unwrap_err().contains("offers no AUTH"));
    }
}
