//! Who we say we are, and how that is proved.

use super::conversation::{Command, Conversation};
use super::fault::ImapFault;
use super::folder::quoted;
use super::opening::Offers;
use super::settings::{ImapSettings, Proof};
use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretString};

/// Logs in as it was configured.
pub(super) async fn log_in(
    talk: &mut Conversation,
    offers: &Offers,
    settings: &ImapSettings,
) -> Result<(), ImapFault> {
    let user = &settings.user;
    match &settings.proof {
        Proof::Password(password) => by_password(talk, offers, user, password).await,
        Proof::Token(source) => {
            if !offers.has("AUTH=XOAUTH2") {
                return Err(ImapFault::Login(
                    "the server does not offer XOAUTH2: give a password instead of a token".to_owned(),
                ));
            }
            let token = source.token().await.map_err(ImapFault::Login)?;
            by_token(talk, user, &token).await
        }
    }
}

/// By LOGIN, or by AUTHENTICATE PLAIN (RFC 4616) if LOGIN is not allowed or cannot say it: it knows ASCII only.
async fn by_password(
    talk: &mut Conversation,
    offers: &Offers,
    user: &str,
    password: &SecretString,
) -> Result<(), ImapFault> {
    let secret = password.expose_secret();
    let knows_plain = offers.has("AUTH=PLAIN");
    let may_login = !offers.has("LOGINDISABLED");
    if !may_login && !knows_plain {
        return Err(ImapFault::Login(
            "the server takes no password over this connection: write imaps:// (port 993) into url, or it wants a token \
             instead of a password"
                .to_owned(),
        ));
    }
    let is_ascii = user.is_ascii() && secret.is_ascii();
    let answer = if knows_plain && !(may_login && is_ascii) {
        let proof = BASE64.encode(format!("\0{user}\0{secret}").as_bytes());
        let command = Command {
            more: Some(&proof),
            ..Command::small("AUTHENTICATE", "AUTHENTICATE PLAIN")
        };
        talk.command(command, |_| ()).await
    } else {
        let text = format!("LOGIN {} {}", quoted(user), quoted(secret));
        talk.command(Command::small("LOGIN", &text), |_| ()).await
    };
    answer.map_err(|fault| {
        told(
            fault,
            user,
            password,
            "the password; many providers want an application password, or IMAP to be allowed first",
        )
    })
}

/// As Google and Microsoft have it.
async fn by_token(talk: &mut Conversation, user: &str, token: &SecretString) -> Result<(), ImapFault> {
    let proof = format!("user={user}\u{1}auth=Bearer {}\u{1}\u{1}", token.expose_secret());
    let proof = BASE64.encode(proof.as_bytes());
    let command = Command {
        more: Some(&proof),
        ..Command::small("AUTHENTICATE", "AUTHENTICATE XOAUTH2")
    };
    let answer = talk.command(command, |_| ()).await;
    answer.map_err(|fault| {
        told(
            fault,
            user,
            token,
            "that the token is for this user, for IMAP, and not expired",
        )
    })
}

/// A refusal in words, without the secret, should the server repeat it.
fn told(fault: ImapFault, user: &str, secret: &SecretString, check: &str) -> ImapFault {
    let ImapFault::Refused { reply, .. } = fault else {
        return fault;
    };
    let reply = reply.replace(secret.expose_secret(), "…");
    // RFC 5530.
    ImapFault::Login(match reply.contains("[UNAVAILABLE]") {
        true => format!("the server cannot check logins just now (`{reply}`); nothing is to be done here"),
        false => {
            format!("the server refuses the user `{user}` (`{reply}`): check the user in url and {check}")
        }
    })
}
