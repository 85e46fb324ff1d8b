//! E-mail addresses: what is accepted, in which form it is kept, and how two are compared.

use idna::AsciiDenyList;
use std::borrow::Cow;
use std::fmt;

/// Octets of a local part (RFC 5321 section 4.5.3.1.1).
const GREATEST_LOCAL: usize = 64;
/// Octets of a domain (RFC 5321 section 4.5.3.1.2).
const GREATEST_DOMAIN: usize = 255;
/// Octets of a whole address: a path of 256 less its angle brackets (RFC 5321 section 4.5.3.1.3).
const GREATEST_ADDRESS: usize = 254;
/// Octets of one label of a domain (RFC 1035 section 2.3.4).
const GREATEST_LABEL: usize = 63;

/// An address that a message can be sent to: an RFC 5321 dot-atom, an `@` and a domain name with a dot in it.
///
/// The local part stands as it was written (UTF-8 is allowed, RFC 6531); the domain is in lower case, an
/// internationalised one as its A-labels (RFC 5891). Quoted local parts and address literals are refused: in a
/// list of recipients they are mistakes. `Debug` masks the local part, so that a log does not show who it is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress {
    text: String,
    at: usize,
}

/// Why a text is not an address that can be mailed. Reads on after "the address …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing but white space.
    #[error("is empty")]
    Empty,
    /// No `@`.
    #[error("has no @ sign")]
    NoAt,
    /// More than one `@`.
    #[error("has two @ signs")]
    TwoAts,
    /// It starts with the `@`.
    #[error("has nothing before the @")]
    NothingBefore,
    /// It ends with the `@`.
    #[error("has nothing after the @")]
    NothingAfter,
    /// A line break, NUL or another control character.
    #[error("has a line break or control character in it")]
    Control,
    /// A space between other characters.
    #[error("has a space in it")]
    Space,
    /// A character that may not stand before the `@` without quotes.
    #[error("has the character {0} before the @, which is not allowed there")]
    LocalCharacter(char),
    /// Dots that are not between other characters of the local part.
    #[error("has a dot before the @ that is first, last or doubled")]
    LocalDots,
    /// More than 64 octets before the `@`.
    #[error("is too long before the @ ({0} octets, at most 64)")]
    LocalTooLong(usize),
    /// More than 255 octets after the `@`.
    #[error("is too long after the @ ({0} octets, at most 255)")]
    DomainTooLong(usize),
    /// More than 254 octets.
    #[error("is too long ({0} octets, at most 254)")]
    TooLong(usize),
    /// A domain of one label: `ann@localhost`.
    #[error("has no dot in its domain")]
    NoDotInDomain,
    /// A domain with an empty label.
    #[error("has a dot in its domain that is first, last or doubled")]
    DomainDots,
    /// An IP address where a domain name is expected.
    #[error("ends in a number instead of a domain name")]
    Number,
    /// Anything else that is not a domain name.
    #[error("has a domain that is not a valid name")]
    Domain,
}

impl EmailAddress {
    /// Reads an address as people and spreadsheets write it.
    ///
    /// White space at both ends is dropped (no-break spaces too). Zero-width characters (U+200B to U+200D, U+2060,
    /// U+FEFF) are dropped wherever they stand: nobody sees or types them, they come with copied text.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let visible = without_zero_width(text);
        let trimmed = visible.trim();
        let (local, domain) = split(trimmed)?;
        check_local(local)?;
        let domain = canonical_domain(domain)?;
        let length = local.len() + 1 + domain.len();
        if length > GREATEST_ADDRESS {
            return Err(AddressError::TooLong(length));
        }
        let mut text = String::with_capacity(length);
        text.push_str(local);
        text.push('@');
        text.push_str(&domain);
        Ok(EmailAddress {
            text,
            at: local.len(),
        })
    }

    /// The whole address: local part as written, `@`, domain in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`, as it was written.
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// What stands after the `@`: ASCII, lower case.
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The form in which addresses are compared: all lower case. No provider of weight tells local parts apart by
    /// case, and a person who signs up twice must not get everything twice.
    pub fn key(&self) -> String {
        self.as_key().into_owned()
    }

    /// The same; borrowed if the address is written so.
    pub fn as_key(&self) -> Cow<'_, str> {
        if !self.text.is_ascii() {
            Cow::Owned(self.text.to_lowercase())
        } else if self.text.bytes().any(|octet| octet.is_ascii_uppercase()) {
            Cow::Owned(self.text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(&self.text)
        }
    }

    /// Whether the local part needs a relay that announces SMTPUTF8 (RFC 6531).
    pub fn needs_smtputf8(&self) -> bool {
        !self.local().is_ascii()
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.local().chars().next().unwrap_or('*');
        write!(f, "{first}***@{}", self.domain())
    }
}

impl std::str::FromStr for EmailAddress {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        EmailAddress::parse(text)
    }
}

fn without_zero_width(text: &str) -> Cow<'_, str> {
    const fn zero_width(c: char) -> bool {
        matches!(c, '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}')
    }
    if !text.is_ascii() && text.contains(zero_width) {
        Cow::Owned(text.chars().filter(|&c| !zero_width(c)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn split(text: &str) -> Result<(&str, &str), AddressError> {
    if text.is_empty() {
        return Err(AddressError::Empty);
    }
    if text.chars().any(char::is_control) {
        return Err(AddressError::Control);
    }
    let (local, domain) = text.split_once('@').ok_or(AddressError::NoAt)?;
    if domain.contains('@') {
        return Err(AddressError::TwoAts);
    }
    if local.is_empty() {
        return Err(AddressError::NothingBefore);
    }
    if domain.is_empty() {
        return Err(AddressError::NothingAfter);
    }
    if text.contains(char::is_whitespace) {
        return Err(AddressError::Space);
    }
    Ok((local, domain))
}

/// A dot-atom (RFC 5322 section 3.2.3), widened by RFC 6531 to everything beyond ASCII.
fn check_local(local: &str) -> Result<(), AddressError> {
    let atext = |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    if let Some(c) = local.chars().find(|&c| c != '.' && !atext(c)) {
        return Err(AddressError::LocalCharacter(c));
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return Err(AddressError::LocalDots);
    }
    if local.len() > GREATEST_LOCAL {
        return Err(AddressError::LocalTooLong(local.len()));
    }
    Ok(())
}

fn canonical_domain(domain: &str) -> Result<String, AddressError> {
    let ascii = if domain.is_ascii() && !domain.to_ascii_lowercase().contains("xn--") {
        domain.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii_cow(domain.as_bytes(), AsciiDenyList::URL)
            .map_err(|_| AddressError::Domain)?
            .into_owned()
    };
    if ascii.len() > GREATEST_DOMAIN {
        return Err(AddressError::DomainTooLong(ascii.len()));
    }
    if ascii.split('.').any(str::is_empty) {
        return Err(AddressError::DomainDots);
    }
    if !ascii.split('.').all(is_host_label) {
        return Err(AddressError::Domain);
    }
    let (_, last) = ascii.rsplit_once('.').ok_or(AddressError::NoDotInDomain)?;
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AddressError::Number);
    }
    Ok(ascii)
}

/// Letters, digits and inner hyphens (RFC 5321 section 4.1.2, `sub-domain`).
fn is_host_label(label: &str) -> bool {
    label.len() <= GREATEST_LABEL
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        EmailAddress::parse(text)
            .unwrap_or_else(|e| panic!("{text:?} {e}"))
            .to_string()
    }

    #[test]
    fn addresses_are_kept_in_one_form() {
        for (written, kept) in [
            ("ann@example.org", "ann@example.org"),
            ("Ann.Lee+news@EXAMPLE.Org", "Ann.Lee+news@example.org"),
            (" \tann@example.org\r\n", "ann@example.org"),
            ("\u{a0}ann@example.org\u{a0}\u{3000}", "ann@example.org"),
            ("\u{feff}ann@exam\u{200b}ple.org\u{200d}", "ann@example.org"),
            ("\u{200b} an\u{2060}n@example.org \u{200c}", "ann@example.org"),
            ("ann@bücher.example.org", "ann@xn--bcher-kva.example.org"),
            ("ann@BÜCHER.example.org", "ann@xn--bcher-kva.example.org"),
            ("ann@XN--BCHER-KVA.example.org", "ann@xn--bcher-kva.example.org"),
            ("jörg@example.org", "jörg@example.org"),
            ("花子@例え.test", "花子@xn--r8jz45g.test"),
            (
                "!#$%&'*+-/=?^_`{|}~@example.org",
                "!#$%&'*+-/=?^_`{|}~@example.org",
            ),
        ] {
            assert_eq!(parsed(written), kept, "{written:?}");
        }
    }

    #[test]
    fn what_cannot_be_mailed_is_refused_in_plain_words() {
        let long_local = format!("{}@example.org", "a".repeat(65));
        let long_label = format!("ann@{}.org", "a".repeat(64));
        let long_domain = format!("ann@{}org", "a234567890.".repeat(24));
        let long = format!("{}@{}org", "a".repeat(64), "a234567890.".repeat(18));
        for (written, reason) in [
            ("", "is empty"),
            (" \u{200b}\u{a0}", "is empty"),
            ("ann", "has no @ sign"),
            ("ann@@example.org", "has two @ signs"),
            ("ann@example.org@example.net", "has two @ signs"),
            ("@example.org", "has nothing before the @"),
            ("ann@", "has nothing after the @"),
            (
                "ann@example.org\r\nBcc: bob@example.net",
                "has a line break or control character in it",
            ),
            ("an\0n@example.org", "has a line break or control character in it"),
            ("ann lee@example.org", "has a space in it"),
            ("ann@example.org, bob", "has a space in it"),
            ("an\u{a0}n@example.org", "has a space in it"),
            (
                "<ann@example.org",
                "has the character < before the @, which is not allowed there",
            ),
            (
                "\"ann\"@example.org",
                "has the character \" before the @, which is not allowed there",
            ),
            (
                ".ann@example.org",
                "has a dot before the @ that is first, last or doubled",
            ),
            (
                "ann..lee@example.org",
                "has a dot before the @ that is first, last or doubled",
            ),
            (
                long_local.as_str(),
                "is too long before the @ (65 octets, at most 64)",
            ),
            (
                long_domain.as_str(),
                "is too long after the @ (267 octets, at most 255)",
            ),
            (long.as_str(), "is too long (266 octets, at most 254)"),
            ("ann@localhost", "has no dot in its domain"),
            (
                "ann@example..org",
                "has a dot in its domain that is first, last or doubled",
            ),
            (
                "ann@example.org.",
                "has a dot in its domain that is first, last or doubled",
            ),
            ("ann@192.0.2.7", "ends in a number instead of a domain name"),
            ("ann@[192.0.2.7]", "has a domain that is not a valid name"),
            ("ann@exam_ple.org", "has a domain that is not a valid name"),
            ("ann@-example.org", "has a domain that is not a valid name"),
            ("ann@example.org>", "has a domain that is not a valid name"),
            (long_label.as_str(), "has a domain that is not a valid name"),
        ] {
            let refused = EmailAddress::parse(written).expect_err(written);
            assert_eq!(refused.to_string(), reason, "{written:?}");
        }
    }

    #[test]
    fn an_independent_parser_accepts_what_is_accepted_here() {
        for text in [
            "Ann.Lee+news@EXAMPLE.Org",
            "ann@bücher.example.org",
            "jörg@example.org",
            "o'neil@example.net",
        ] {
            assert!(email_address::EmailAddress::is_valid(&parsed(text)), "{text}");
        }
    }

    #[test]
    fn case_does_not_tell_addresses_apart() {
        let key = |text| EmailAddress::parse(text).unwrap().key();
        assert_eq!(key("Ann@Example.ORG"), key("ann@example.org"));
        assert_eq!(key("JÖRG@example.org"), key("jörg@example.org"));
        assert_eq!(key("Ann@example.org"), "ann@example.org");
    }

    #[test]
    fn a_debug_text_does_not_show_who_it_is() {
        let address = EmailAddress::parse("ann.lee@example.org").unwrap();
        assert_eq!(format!("{address:?}"), "a***@example.org");
        assert_eq!((address.local(), address.domain()), ("ann.lee", "example.org"));
    }
}
