//! What is worth a look about an address that can be taken: it is pointed out, and nothing is changed.

use crate::address::EmailAddress;
use std::collections::HashSet;
use std::fmt;

/// What is worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// A provider of addresses for ten minutes.
    Disposable,
    /// The mailbox of a function, not of a person.
    Role,
    /// One letter away from a well-known domain, which is this.
    Typo(&'static str),
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remark::Disposable => {
                f.write_str("the domain gives addresses for a short time to whoever wants one")
            }
            Remark::Role => f.write_str("the mailbox is that of a function, not of a person"),
            Remark::Typo(meant) => write!(f, "the domain may be a typing error for {meant}"),
        }
    }
}

/// Mailboxes of functions: those of RFC 2142, and others that companies have.
const ROLES: [&str; 48] = [
    "abuse",
    "accounting",
    "accounts",
    "admin",
    "administrator",
    "billing",
    "bookings",
    "buchhaltung",
    "careers",
    "contact",
    "customerservice",
    "enquiries",
    "feedback",
    "finance",
    "ftp",
    "hello",
    "help",
    "helpdesk",
    "hostmaster",
    "hr",
    "info",
    "information",
    "inquiries",
    "invoices",
    "it",
    "jobs",
    "kontakt",
    "legal",
    "mail",
    "marketing",
    "news",
    "newsletter",
    "noc",
    "no-reply",
    "noreply",
    "office",
    "orders",
    "postmaster",
    "press",
    "privacy",
    "reception",
    "root",
    "sales",
    "security",
    "service",
    "support",
    "usenet",
    "webmaster",
];

/// Well-known domains for which others are mistaken.
const WELL_KNOWN: [&str; 33] = [
    "gmail.com",
    "googlemail.com",
    "hotmail.com",
    "hotmail.co.uk",
    "hotmail.fr",
    "hotmail.de",
    "hotmail.it",
    "hotmail.es",
    "outlook.com",
    "outlook.de",
    "outlook.fr",
    "yahoo.com",
    "yahoo.co.uk",
    "yahoo.de",
    "yahoo.fr",
    "yahoo.es",
    "yahoo.it",
    "icloud.com",
    "protonmail.com",
    "t-online.de",
    "freenet.de",
    "wanadoo.fr",
    "laposte.net",
    "orange.fr",
    "libero.it",
    "virgilio.it",
    "bluewin.ch",
    "comcast.net",
    "verizon.net",
    "btinternet.com",
    "sbcglobal.net",
    "rediffmail.com",
    "seznam.cz",
];

/// Domains that are like one of those and right.
const RIGHT: [&str; 16] = [
    "mail.com",
    "email.com",
    "ymail.com",
    "gmx.com",
    "hotmail.be",
    "hotmail.ch",
    "hotmail.nl",
    "hotmail.se",
    "yahoo.ca",
    "yahoo.in",
    "yahoo.ie",
    "yahoo.se",
    "outlook.be",
    "outlook.dk",
    "outlook.es",
    "outlook.it",
];

/// What is looked for.
pub struct Remarks {
    /// Some 50,000 domains; none if they are not looked for.
    disposable: HashSet<&'static str>,
    roles: bool,
    typos: bool,
}

impl fmt::Debug for Remarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remarks")
            .field("disposable", &self.disposable.len())
            .field("roles", &self.roles)
            .field("typos", &self.typos)
            .finish()
    }
}

impl Remarks {
    /// Looks for what is `true`.
    pub fn new(disposable: bool, roles: bool, typos: bool) -> Self {
        let domains = if disposable {
            mailchecker::blacklist()
        } else {
            Vec::new()
        };
        Remarks {
            disposable: domains.into_iter().collect(),
            roles,
            typos,
        }
    }

    /// All that is worth a look about an address.
    pub fn about(&self, address: &EmailAddress) -> Vec<Remark> {
        let domain = address.domain();
        let mut found = Vec::new();
        // Lists of disposable domains have mistyped ones in them, which somebody has registered.
        if let Some(meant) = self.typos.then(|| meant(domain)).flatten() {
            found.push(Remark::Typo(meant));
        } else if self.is_disposable(domain) {
            found.push(Remark::Disposable);
        }
        if self.roles && is_role(address.local()) {
            found.push(Remark::Role);
        }
        found
    }

    /// The domain or one that it is part of.
    fn is_disposable(&self, domain: &str) -> bool {
        if self.disposable.is_empty() {
            return false;
        }
        let mut rest = domain;
        while rest.contains('.') {
            if self.disposable.contains(rest) {
                return true;
            }
            rest = rest.split_once('.').map_or("", |(_, parent)| parent);
        }
        false
    }
}

fn is_role(local: &str) -> bool {
    let lower = local.to_lowercase();
    let mailbox = lower
        .split_once('+')
        .map_or(lower.as_str(), |(mailbox, _)| mailbox);
    ROLES.contains(&mailbox)
}

/// The well-known domain that is meant, if this one is none and one letter away.
fn meant(domain: &str) -> Option<&'static str> {
    if WELL_KNOWN.contains(&domain) || RIGHT.contains(&domain) {
        return None;
    }
    let (name, end) = domain.split_once('.')?;
    WELL_KNOWN.into_iter().find(|known| {
        let Some((known_name, known_end)) = known.split_once('.') else {
            return false;
        };
        // Providers have domains in many countries: of ends, only a mistyped `com` is told.
        (name == known_name && known_end == "com" && is_one_letter_away(end, "com"))
            || (end == known_end && is_one_letter_away(name, known_name))
    })
}

/// Whether one letter is missing, too many, another, or changes places with its neighbour.
fn is_one_letter_away(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let front = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[front..], &b[front..]);
    let back = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    match (&a[..a.len() - back], &b[..b.len() - back]) {
        ([_], []) | ([], [_]) | ([_], [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::LazyLock;

    fn about(address: &str) -> Vec<Remark> {
        static ALL: LazyLock<Remarks> = LazyLock::new(|| Remarks::new(true, true, true));
        ALL.about(&EmailAddress::parse(address).unwrap())
    }

    #[test]
    fn typing_errors_of_well_known_domains_are_told_and_other_domains_are_not() {
        for (domain, meant) in [
            ("gmial.com", "gmail.com"),
            ("gamil.com", "gmail.com"),
            ("gmail.con", "gmail.com"),
            ("gmail.co", "gmail.com"),
            ("gmaill.com", "gmail.com"),
            ("hotmial.com", "hotmail.com"),
            ("hotmai.com", "hotmail.com"),
            ("yaho.fr", "yahoo.fr"),
            ("outlok.com", "outlook.com"),
            ("tonline.de", "t-online.de"),
        ] {
            let found = about(&format!("ann@{domain}"));
            assert_eq!(found, [Remark::Typo(meant)], "{domain}");
        }
        for domain in WELL_KNOWN.iter().chain(&RIGHT).chain(&[
            "example.org",
            "hotmail.at",
            "gmx.de",
            "mail.example.net",
        ]) {
            let found = about(&format!("ann@{domain}"));
            assert!(found.is_empty(), "{domain}: {found:?}");
        }
    }

    #[test]
    fn mailboxes_of_functions_and_addresses_for_ten_minutes_are_told() {
        assert_eq!(about("Info@example.org"), [Remark::Role]);
        assert_eq!(about("sales+spring@example.org"), [Remark::Role]);
        assert_eq!(about("infora@example.org"), []);
        assert_eq!(about("ann@mailinator.com"), [Remark::Disposable]);
        assert_eq!(about("ann@box.mailinator.com"), [Remark::Disposable]);
    }

    #[test]
    fn what_is_not_asked_for_is_not_told() {
        let none = Remarks::new(false, false, false);
        for address in ["info@mailinator.com", "ann@gmial.com"] {
            assert_eq!(none.about(&EmailAddress::parse(address).unwrap()), []);
        }
    }
}
