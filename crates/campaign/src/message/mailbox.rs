//! A name and an address.

use super::headers;
use crate::address::{AddressError, EmailAddress};
use std::fmt;

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
    pub fn parse(text: &str) -> Result<Mailbox, AddressError> {
        let text = text.trim();
        let Some((name, address)) = text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) else {
            return Ok(Mailbox {
                name: None,
                address: EmailAddress::parse(text)?,
            });
        };
        let name = name.trim();
        let name = match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
            Some(quoted) => unquoted(quoted),
            None => name.to_owned(),
        };
        let name = headers::one_line(&name).into_owned();
        Ok(Mailbox {
            name: (!name.is_empty()).then_some(name),
            address: EmailAddress::parse(address)?,
        })
    }
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
    use super::Mailbox;

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
        assert!(Mailbox::parse("Ann").is_err());
        assert!(Mailbox::parse("Ann <>").is_err());
    }
}
