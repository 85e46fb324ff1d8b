//! Enhanced status codes (RFC 3463) and reply codes (RFC 5321), wherever they stand in a text.

use serde::{Serialize, Serializer};

/// An enhanced status code (RFC 3463): class, subject, detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enhanced {
    /// 2, 4 or 5.
    pub class: u16,
    /// 0–999.
    pub subject: u16,
    /// 0–999.
    pub detail: u16,
}

impl std::fmt::Display for Enhanced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl Serialize for Enhanced {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Enhanced {
    /// The code that is the whole of `word`, if it is one.
    pub fn parse(word: &str) -> Option<Enhanced> {
        let mut numbers = word.split('.').map(|part| {
            (part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse::<u16>().ok())
                .flatten()
        });
        let (class, subject, detail) = (numbers.next()??, numbers.next()??, numbers.next()??);
        (numbers.next().is_none() && matches!(class, 2 | 4 | 5)).then_some(Enhanced {
            class,
            subject,
            detail,
        })
    }

    /// Whether it says more than "failed": RFC 3463 calls subject 0 and detail 0 other or undefined.
    pub fn is_specific(self) -> bool {
        self.subject != 0 && self.detail != 0
    }

    /// Whether it says anything about what failed.
    pub fn says_something(self) -> bool {
        self.subject != 0 || self.detail != 0
    }
}

/// The codes of failures in a text, in their order. A part of a network address or of a version is none.
pub fn failures(text: &str) -> impl Iterator<Item = Enhanced> + '_ {
    let octets = text.as_bytes();
    memchr::memchr2_iter(b'4', b'5', octets).filter_map(move |at| {
        let before = at.checked_sub(1).map(|before| octets[before]);
        if before.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_') {
            return None;
        }
        let rest = &octets[at..octets.len().min(at + 12)];
        let length = rest
            .iter()
            .position(|b| !b.is_ascii_digit() && *b != b'.')
            .unwrap_or(rest.len());
        let (word, next) = (&text[at..at + length], rest.get(length));
        if next.is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') {
            return None;
        }
        Enhanced::parse(word.strip_suffix('.').unwrap_or(word))
    })
}

/// The first code of a failure that is specific, else the first that says something, else the first at all.
pub fn failure(text: &str) -> Option<Enhanced> {
    let mut best: Option<Enhanced> = None;
    for code in failures(text) {
        if code.is_specific() {
            return Some(code);
        }
        match best {
            Some(known) if known.says_something() || !code.says_something() => {}
            _ => best = Some(code),
        }
    }
    best
}

/// Reply codes that are in use (RFC 5321 section 4.2.3, RFC 4954, RFC 7504, and what servers invented).
fn is_reply_code(code: u16) -> bool {
    matches!(code, 420..=422 | 430..=432 | 441..=442 | 446..=447 | 449..=455 | 458..=459 | 471..=472
        | 500..=505 | 510..=515 | 520..=523 | 525..=526 | 530..=535 | 538 | 540..=542 | 544 | 550..=559
        | 561 | 570..=572 | 574 | 577 | 582)
}

/// The first reply code of a failure in a text.
pub fn reply_code(text: &str) -> Option<u16> {
    let octets = text.as_bytes();
    memchr::memchr2_iter(b'4', b'5', octets).find_map(|at| {
        let before = at.checked_sub(1).map(|before| octets[before]);
        if before.is_some_and(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'@' | b'/' | b'+' | b'=')
        }) {
            return None;
        }
        let rest = &octets[at..octets.len().min(at + 4)];
        if rest.len() < 3 || !rest[..3].iter().all(u8::is_ascii_digit) {
            return None;
        }
        let ends = rest.get(3).is_none_or(|b| {
            b.is_ascii_whitespace()
                || matches!(
                    b,
                    b'-' | b':'
                        | b'_'
                        | b')'
                        | b']'
                        | b','
                        | b';'
                        | b'\''
                        | b'"'
                        | b'<'
                        | b'#'
                        | b'.'
                        | b'/'
                        | b'|'
                )
        });
        let code = text[at..at + 3].parse().ok()?;
        (ends && is_reply_code(code)).then_some(code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_found_in_the_midst_of_a_text() {
        for (text, status) in [
            ("550 5.1.1 no such user", Some("5.1.1")),
            ("550-5.7.26 This mail is unauthenticated", Some("5.7.26")),
            ("Sorry, no mailbox here by that name. (#5.1.1)", Some("5.1.1")),
            (
                "host mx.example.com[192.0.2.5] said: 450 4.2.0 busy",
                Some("4.2.0"),
            ),
            ("5.0.0 (permanent failure), 5.4.4", Some("5.4.4")),
            ("connect to 5.4.4.1", None),
            ("version x5.1.1", None),
            ("Exim 4.60", None),
        ] {
            assert_eq!(
                failure(text).map(|status| status.to_string()).as_deref(),
                status,
                "{text}"
            );
        }
    }

    #[test]
    fn a_reply_code_is_found_in_the_midst_of_a_text() {
        for (text, code) in [
            ("host mx.example.com[192.0.2.5] said: 450 4.2.0 busy", Some(450)),
            ("smtp;550-5.1.1 no such user", Some(550)),
            ("message of 1550 octets at 12:55.550", None),
            ("id 4550-450x", None),
            ("", None),
        ] {
            assert_eq!(reply_code(text), code, "{text}");
        }
    }
}
