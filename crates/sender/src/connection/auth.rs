//! Logging in: AUTH PLAIN, LOGIN and XOAUTH2 (RFC 4954).

use super::{Connection, Mechanism};
use crate::fault::RelayFault;
use crate::login::{Login, Proof};
use crate::reply::Kind;
use data_encoding::BASE64;
use lettre::transport::smtp::authentication::Credentials;
use secrecy::{ExposeSecret, SecretString};

/// Octets of a command line with its CRLF (RFC 5321 section 4.5.3.1.4). A longer first answer waits for a 334
/// (RFC 4954 section 4).
const LONGEST_COMMAND: usize = 512;
/// A relay that goes on asking is not answered for ever.
const MOST_QUESTIONS: usize = 6;

impl Connection {
    pub(super) async fn log_in(&mut self, login: &Login) -> Result<(), RelayFault> {
        let mechanism = login
            .choose(&self.announced.mechanisms())
            .map_err(RelayFault::Login)?;
        let outcome = match &login.proof {
            Proof::Password(password) => self.prove(mechanism, &login.user, password).await,
            Proof::Token(tokens) => {
                let token = tokens.token(None).await.map_err(RelayFault::Login)?;
                let outcome = self.prove(mechanism, &login.user, &token.secret).await;
                match outcome {
                    // It may have been revoked before its time: once, another is tried.
                    Err(RelayFault::Refused { ref reply, .. })
                        if token.is_kept && reply.starts_with("535") =>
                    {
                        let another = tokens.token(Some(&token)).await.map_err(RelayFault::Login)?;
                        if another.secret.expose_secret() == token.secret.expose_secret() {
                            return outcome;
                        }
                        self.prove(mechanism, &login.user, &another.secret).await
                    }
                    outcome => outcome,
                }
            }
        };
        self.mechanism = outcome.is_ok().then_some(mechanism);
        outcome
    }

    async fn prove(
        &mut self,
        mechanism: Mechanism,
        user: &str,
        secret: &SecretString,
    ) -> Result<(), RelayFault> {
        let mut answers = answers(mechanism, user, secret.expose_secret())?
            .into_iter()
            .peekable();
        let mut line = format!("AUTH {mechanism}");
        let mut shown = format!("AUTH {mechanism}\r\n");
        if mechanism.supports_initial_response()
            && let Some(first) = answers.next_if(|first| line.len() + first.len() + 3 <= LONGEST_COMMAND)
        {
            line = format!("{line} {first}");
            shown = format!("AUTH {mechanism} (secret)\r\n");
        }
        let mut complaint = String::new();
        for _ in 0..MOST_QUESTIONS {
            line.push_str("\r\n");
            self.write_secret(line.as_bytes(), &shown).await?;
            let reply = self.reply("AUTH", self.timeouts.command).await?;
            match reply.kind() {
                Kind::Positive => return Ok(()),
                Kind::Intermediate => {
                    "(secret)\r\n".clone_into(&mut shown);
                    line = match answers.next() {
                        Some(answer) => answer,
                        // XOAUTH2 explains its refusal in a 334, and wants an empty line before it says 535.
                        None if mechanism == Mechanism::Xoauth2 => {
                            complaint = explained(&reply.text);
                            String::new()
                        }
                        None => "*".to_owned(),
                    };
                }
                _ => {
                    return Err(RelayFault::Refused {
                        step: "AUTH",
                        reply: format!("{reply}{complaint}"),
                    });
                }
            }
        }
        Err(RelayFault::Login(
            "the relay asks again and again: ask its operator".to_owned(),
        ))
    }
}

/// What is sent in turn, in base64.
fn answers(mechanism: Mechanism, user: &str, secret: &str) -> Result<Vec<String>, RelayFault> {
    let encode = |text: &str| BASE64.encode(text.as_bytes());
    if mechanism == Mechanism::Login {
        // Its prompts are in no standard; that the user comes first is what all of them have in common.
        return Ok(vec![encode(user), encode(secret)]);
    }
    let credentials = Credentials::new(user.to_owned(), secret.to_owned());
    let response = mechanism
        .response(&credentials, None)
        .map_err(|error| RelayFault::Login(error.to_string()))?;
    Ok(vec![encode(&response)])
}

/// The JSON of a refused token, readable and short.
fn explained(challenge: &str) -> String {
    let decoded = BASE64.decode(challenge.trim().as_bytes()).unwrap_or_default();
    let text: String = String::from_utf8_lossy(&decoded)
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect();
    if text.is_empty() {
        text
    } else {
        format!(" ({text})")
    }
}
