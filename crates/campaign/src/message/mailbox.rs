//! A name and an address.

use super::headers;
use crate::address::{AddressError, EmailAddress};
use std::fmt;

/// What is wrong with a mailbox. Reads on after "the address …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailboxError {
    /// The address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// `<a@example.org>, <b@example.org>`.
    #[error("is more than one: give one, as in \"Ann Example <ann@example.org>\"")]
    Several,
    /// It would have to stand in every message, and only relays with SMTPUTF8 could carry those.
    #[error(
        "has letters beyond ASCII before the @, which many relays and readers cannot take: use another one"
    )]
    NotAscii,
}

/// A name and an address, as in `Ann <ann@example.org>`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mailbox {
    /// The name shown to readers.
    pub name: Option<String>,
    /// The address.
    pub address: EmailAddress,
}

impl Mailbox {
    /// Reads `ann@example.org`, `Ann <ann@example.org>` or `"Example, Ann" <ann@example.org>`.
    pub fn parse(text: &str) -> Result<Mailbox, MailboxError> {
        let text = text.trim();
        let Some((name, address)) = text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) else {
            return Ok(Mailbox {
                name: None,
                address: address_of(text)?,
            });
        };
        let name = name.trim();
        let name = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
            Some(quoted) => unquoted(quoted),
            // Unquoted, a comma after an address begins another mailbox.
            None if name.contains(['<', '>']) || (name.contains('@') && name.contains([',', ';'])) => {
                return Err(MailboxError::Several);
            }
            None => name.to_owned(),
        };
        let name = headers::one_line(&name).into_owned();
        Ok(Mailbox {
            name: (!name.is_empty()).then_some(name),
            address: address_of(address)?,
        })
    }
}

fn address_of(text: &str) -> Result<EmailAddress, MailboxError> {
    let address = EmailAddress::parse(text)?;
    if address.needs_smtputf8() {
        return Err(MailboxError::NotAscii);
    }
    Ok(address)
}

fn unquoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

/// As [`parse`](Mailbox::parse) reads it.
impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => {
                let mut quoted = Vec::new();
                headers::push_quoted(name, &mut quoted);
                write!(f, "{} <{}>", String::from_utf8_lossy(&quoted), self.address)
            }
            None => self.address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Mailbox, MailboxError};

    #[test]
    fn what_is_read_can_be_written_and_read_again() {
        for (text, name, address) in [
            ("ann@example.org", None, "ann@example.org"),
            ("<ann@example.org>", None, "ann@example.org"),
            (
                " Ann Example <ann@example.org> ",
                Some("Ann Example"),
                "ann@example.org",
            ),
            (
                r#""Example, Ann \"A\" \\" <ann@example.org>"#,
                Some(r#"Example, Ann "A" \"#),
                "ann@example.org",
            ),
            ("Änn <ann@EXAMPLE.org>", Some("Änn"), "ann@example.org"),
            (
                "A\r\nBcc: x <ann@example.org>",
                Some("A Bcc: x"),
                "ann@example.org",
            ),
        ] {
            let mailbox = Mailbox::parse(text).unwrap();
            assert_eq!(
                (mailbox.name.as_deref(), mailbox.address.as_str()),
                (name, address)
            );
            assert_eq!(Mailbox::parse(&mailbox.to_string()).unwrap(), mailbox);
        }
        for several in [
            "<a@example.org>, <b@example.org>",
            "a@example.org, Bob <b@example.org>",
            "Ann <a@example.org> <b@example.org>",
        ] {
            assert_eq!(Mailbox::parse(several), Err(MailboxError::Several), "{several}");
        }
        assert!(Mailbox::parse("a@example.org, b@example.org").is_err());
        assert_eq!(
            Mailbox::parse("Änn <änn@example.org>"),
            Err(MailboxError::NotAscii)
        );
        assert!(Mailbox::parse("Ann").is_err());
        assert!(Mailbox::parse("Ann <>").is_err());
    }
}
