//! How we log in to a relay.

use super::RelaySection;
use super::url::Place;
use anyhow::{Context, bail, ensure};
use secrecy::SecretString;
use std::sync::Arc;
use tidings_sender::connection::Mechanism;
use tidings_sender::oauth::{TokenSource, Tokens};
use tidings_sender::relay::{Login, Proof};

impl RelaySection {
    pub(super) fn login(&self, place: &Place) -> anyhow::Result<Option<Login>> {
        let mechanism = match self.auth.as_deref() {
            None => None,
            Some("plain") => Some(Mechanism::Plain),
            Some("login") => Some(Mechanism::Login),
            Some("xoauth2") => Some(Mechanism::Xoauth2),
            Some(other) => bail!("auth = \"{other}\": it is plain, login or xoauth2"),
        };
        let proof = match (self.password(place)?, self.token_source()?) {
            (None, None) => None,
            (Some(password), None) => Some(Proof::Password(password)),
            (None, Some(source)) => Some(Proof::Token(Arc::new(Tokens::new(source)))),
            (Some(_), Some(_)) => bail!("there are a password and a token: keep one of them"),
        };
        match (mechanism, &proof) {
            (Some(Mechanism::Xoauth2), Some(Proof::Password(_)) | None) => {
                bail!("auth = \"xoauth2\" needs a token: add token_command or token_file")
            }
            (Some(Mechanism::Plain | Mechanism::Login), Some(Proof::Token(_))) => {
                bail!("a token is for auth = \"xoauth2\": write that, or a password instead of the token")
            }
            (Some(_), None) => bail!("auth is given and no password: add password_file or password_env"),
            _ => {}
        }
        match (place.user.as_str(), proof) {
            ("", None) => Ok(None),
            ("", Some(_)) => {
                bail!(
                    "there is a password or token and no user: write the user into the url, smtps://user@host"
                )
            }
            (_, None) => bail!("there is a user and no password: add password_file or password_env"),
            (user, Some(proof)) => {
                // It would end the user in AUTH PLAIN and XOAUTH2.
                ensure!(
                    !user.contains(['\0', '\u{1}']),
                    "the user in url has control characters"
                );
                Ok(Some(Login {
                    user: user.to_owned(),
                    proof,
                    mechanism,
                }))
            }
        }
    }

    fn password(&self, place: &Place) -> anyhow::Result<Option<SecretString>> {
        let password = match (&self.password_file, &self.password_env, &place.password) {
            (None, None, None) => return Ok(None),
            (Some(file), None, None) => std::fs::read_to_string(file)
                .with_context(|| format!("cannot read password_file = {}", file.display()))?
                .trim_end_matches(['\r', '\n'])
                .to_owned(),
            (None, Some(name), None) => {
                std::env::var(name).with_context(|| format!("password_env = {name} is not set"))?
            }
            (None, None, Some(password)) => password.clone(),
            _ => {
                bail!("the password is given more than once: keep one of password_file, password_env and url")
            }
        };
        ensure!(
            !password.is_empty() && !password.contains('\0'),
            "the password is empty, or has a NUL in it"
        );
        Ok(Some(SecretString::from(password)))
    }

    fn token_source(&self) -> anyhow::Result<Option<TokenSource>> {
        Ok(match (&self.token_command, &self.token_file) {
            (None, None) => None,
            (Some(command), None) => {
                ensure!(
                    !command.trim().is_empty(),
                    "token_command is empty: write the command that prints the token"
                );
                Some(TokenSource::Command(command.clone()))
            }
            (None, Some(file)) => Some(TokenSource::File(file.clone())),
            (Some(_), Some(_)) => bail!("there are a token_command and a token_file: keep one of them"),
        })
    }
}
