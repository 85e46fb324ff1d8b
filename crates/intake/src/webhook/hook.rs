//! A hook as it is configured.

use super::door::Door;
use super::mailgun::SigningKey;
use super::sendgrid::PublicKey;
use super::sns::Topic;
use super::{PATH, SHORTEST_TOKEN};
use secrecy::ExposeSecret;
use std::time::Duration;
use tidings_feedback::webhook::Provider;

/// Where one provider posts.
#[derive(Clone, Debug)]
pub struct Hook {
    /// Stands in its address.
    pub name: String,
    /// Whose posts it takes.
    pub provider: Provider,
    /// What is asked of whoever posts.
    pub door: Door,
    /// How the provider proves that a post is its own.
    pub proof: Proof,
    /// The longest post, in octets.
    pub most: usize,
}

/// How a provider proves that a post is its own.
#[derive(Clone, Debug)]
pub enum Proof {
    /// It cannot: the door must do.
    Nothing,
    /// The messages of SNS are signed, and come from this topic.
    Sns(Topic),
    /// SendGrid signs the whole post, and a time that may be so old.
    SendGrid(PublicKey, Duration),
    /// Mailgun signs a token for one use, and a time that may be so old; not what the post says.
    Mailgun(SigningKey, Duration),
}

/// Why a hook would take posts from anybody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HookFault {
    /// The name does not fit into an address.
    #[error("name = {0:?}: it stands in the address, so write at most 64 small letters, digits and -")]
    Name(String),
    /// The secret in the address can be guessed.
    #[error(
        "the token is shorter than {SHORTEST_TOKEN} letters, or has others than letters, digits, - and _: make one with \
         `openssl rand -hex 32`"
    )]
    Token,
    /// There is nothing secret.
    #[error(
        "{} {}: add a token for the end of the address (make one with `openssl rand -hex 32`), or a user and password, or a \
         header and its value",
        .0.as_str(),
        if *.0 == Provider::Mailgun { "does not sign what its posts say" } else { "does not sign its posts" }
    )]
    Open(Provider),
    /// The proof is another provider's, or there is none though the provider signs.
    #[error("{} signs its posts: {}", .0.as_str(), needed(*.0))]
    Unsigned(Provider),
}

fn needed(provider: Provider) -> &'static str {
    match provider {
        Provider::Ses => "add topic_arn, the ARN of the SNS topic",
        Provider::SendGrid => "add public_key, the verification key of the signed event webhook",
        Provider::Mailgun => "add signing_key_file, with the HTTP webhook signing key in it",
        _ => "leave its keys out",
    }
}

impl Hook {
    /// Whether only the provider can post to it.
    ///
    /// # Errors
    /// If somebody else could.
    pub fn check(&self) -> Result<(), HookFault> {
        let fits = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.bytes().all(fits) {
            return Err(HookFault::Name(self.name.clone()));
        }
        if let Some(token) = &self.door.token {
            let token = token.expose_secret();
            let fits = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
            if token.len() < SHORTEST_TOKEN || !token.bytes().all(fits) {
                return Err(HookFault::Token);
            }
        }
        let is_signed = match (self.provider, &self.proof) {
            (Provider::Ses, Proof::Sns(_)) | (Provider::SendGrid, Proof::SendGrid(..)) => return Ok(()),
            // The signature is only over a token, so what it is signed for must not be seen or changed by others.
            (Provider::Mailgun, Proof::Mailgun(..)) => true,
            (Provider::Ses | Provider::SendGrid | Provider::Mailgun, _) => false,
            (_, Proof::Nothing) => true,
            _ => false,
        };
        match (is_signed, self.door.has_secret()) {
            (false, _) => Err(HookFault::Unsigned(self.provider)),
            (true, false) => Err(HookFault::Open(self.provider)),
            (true, true) => Ok(()),
        }
    }

    /// The path under which it is, with the token masked.
    pub fn shown_path(&self) -> String {
        match self.door.token {
            Some(_) => format!("{PATH}/{}/********", self.name),
            None => format!("{PATH}/{}", self.name),
        }
    }
}
