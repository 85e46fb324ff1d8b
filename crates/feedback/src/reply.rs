//! From an SMTP reply to a verdict: first by the enhanced status code (RFC 3463, RFC 5248), then by the words
//! that receivers use, then by the reply code. The rules are tables, tried in order.

use crate::verdict::{Cause, Class, Verdict};

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

/// The enhanced code at the beginning of a reply's text. One whose class does not agree with the reply code
/// is no code (RFC 2034 section 4).
pub fn enhanced(code: u16, text: &str) -> Option<Enhanced> {
    let word = text.split_whitespace().next()?;
    let mut numbers = word.split('.').map(|part| {
        (part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit()))
            .then(|| part.parse::<u16>().ok())
            .flatten()
    });
    let (class, subject, detail) = (numbers.next()??, numbers.next()??, numbers.next()??);
    (numbers.next().is_none() && class == code / 100).then_some(Enhanced {
        class,
        subject,
        detail,
    })
}

/// Subject and detail of an enhanced code; `None` stands for any detail.
type StatusRule = ((u16, Option<u16>), (Class, Cause, &'static str));

use Cause::{Address, Authentication, Content, MailboxFull, Network, Rate, Relay, Reputation, Undefined};
use Class::{Block, Hard, Other, Soft};

/// What an enhanced code means in a permanent reply (RFC 3463 section 3, RFC 7372, RFC 7505).
const BY_STATUS: &[StatusRule] = &[
    ((1, Some(7)), (Other, Relay, "rejected")),
    ((1, Some(8)), (Other, Relay, "rejected")),
    ((1, Some(2)), (Hard, Address, "hostunknown")),
    ((1, Some(10)), (Hard, Address, "notaccept")),
    ((1, Some(6)), (Hard, Address, "hasmoved")),
    ((1, None), (Hard, Address, "userunknown")),
    ((2, Some(2)), (Soft, MailboxFull, "mailboxfull")),
    ((2, Some(3)), (Soft, Content, "exceedlimit")),
    ((2, Some(1)), (Hard, Address, "suspend")),
    ((3, Some(4)), (Soft, Content, "mesgtoobig")),
    ((4, Some(4)), (Hard, Address, "hostunknown")),
    ((4, None), (Soft, Network, "networkerror")),
    ((6, None), (Block, Content, "contenterror")),
    ((7, Some(20)), (Block, Authentication, "authfailure")),
    ((7, Some(21)), (Block, Authentication, "authfailure")),
    ((7, Some(22)), (Block, Authentication, "authfailure")),
    ((7, Some(23)), (Block, Authentication, "authfailure")),
    ((7, Some(24)), (Block, Authentication, "authfailure")),
    ((7, Some(25)), (Block, Reputation, "requireptr")),
    ((7, Some(26)), (Block, Authentication, "authfailure")),
    ((7, Some(28)), (Block, Rate, "speeding")),
    ((7, Some(515)), (Block, Authentication, "authfailure")),
];

/// The reason of a receiver that puts off mail from strangers once (RFC 6647).
pub const GREYLISTED: &str = "greylisted";

/// Words in lower case, and what they mean. Specific phrases stand before vague ones.
const BY_WORDS: &[(&str, (Class, Cause, &str))] = &[
    ("relay access denied", (Other, Relay, "norelaying")),
    ("relaying denied", (Other, Relay, "norelaying")),
    ("mailbox full", (Soft, MailboxFull, "mailboxfull")),
    ("mailbox is full", (Soft, MailboxFull, "mailboxfull")),
    ("over quota", (Soft, MailboxFull, "mailboxfull")),
    ("quota exceeded", (Soft, MailboxFull, "mailboxfull")),
    ("user unknown", (Hard, Address, "userunknown")),
    ("no such user", (Hard, Address, "userunknown")),
    ("unknown user", (Hard, Address, "userunknown")),
    ("does not exist", (Hard, Address, "userunknown")),
    ("no mailbox", (Hard, Address, "userunknown")),
    ("mailbox unavailable", (Hard, Address, "userunknown")),
    ("recipient address rejected", (Hard, Address, "userunknown")),
    ("account disabled", (Hard, Address, "suspend")),
    ("account is disabled", (Hard, Address, "suspend")),
    ("inactive", (Hard, Address, "suspend")),
    ("greylist", (Soft, Reputation, GREYLISTED)),
    ("graylist", (Soft, Reputation, GREYLISTED)),
    ("grey-list", (Soft, Reputation, GREYLISTED)),
    ("greypolicy", (Soft, Reputation, GREYLISTED)),
    ("too many", (Soft, Rate, "toomanyconn")),
    ("too fast", (Soft, Rate, "speeding")),
    ("rate limit", (Soft, Rate, "speeding")),
    ("throttl", (Soft, Rate, "speeding")),
    ("dmarc", (Block, Authentication, "authfailure")),
    ("dkim", (Block, Authentication, "authfailure")),
    ("spf", (Block, Authentication, "authfailure")),
    ("reverse dns", (Block, Reputation, "requireptr")),
    ("blacklist", (Block, Reputation, "blocked")),
    ("blocklist", (Block, Reputation, "blocked")),
    ("block list", (Block, Reputation, "blocked")),
    ("listed at", (Block, Reputation, "blocked")),
    ("reputation", (Block, Reputation, "badreputation")),
    ("spam", (Block, Content, "spamdetected")),
    ("virus", (Block, Content, "virusdetected")),
    ("content", (Block, Content, "contenterror")),
    ("message too large", (Soft, Content, "mesgtoobig")),
];

/// What a refusal means. `code` is 400–599; `text` without the code, its lines joined.
pub fn verdict(code: u16, text: &str) -> Verdict {
    let (mut class, cause, reason) = permanent_meaning(code, text);
    // The receiver says "later": whatever it names, the address is not known to be bad.
    if code < 500 && class == Hard {
        class = Soft;
    }
    Verdict { class, cause, reason }
}

fn permanent_meaning(code: u16, text: &str) -> (Class, Cause, &'static str) {
    let status = enhanced(code, text);
    if let Some(status) = status {
        let rule = BY_STATUS.iter().find(|((subject, detail), _)| {
            *subject == status.subject && detail.is_none_or(|detail| detail == status.detail)
        });
        if let Some((_, meaning)) = rule {
            return *meaning;
        }
    }
    let words = text.to_lowercase();
    if let Some((_, meaning)) = BY_WORDS.iter().find(|(phrase, _)| words.contains(phrase)) {
        return *meaning;
    }
    match (status.map(|s| s.subject), code) {
        (Some(7), _) => (Block, Reputation, "policyviolation"),
        // RFC 5321 section 4.2.2: 552 was once used for too many recipients, today for storage.
        (_, 452 | 552) => (Soft, MailboxFull, "mailboxfull"),
        (_, 421) => (Soft, Relay, "systemerror"),
        (None, 550 | 551 | 553) => (Hard, Address, "userunknown"),
        (_, 554) => (Block, Undefined, "rejected"),
        (_, 400..=499) => (Soft, Undefined, "undefined"),
        _ => (Other, Undefined, "undefined"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_mean_what_receivers_mean_by_them() {
        for (code, text, class, cause) in [
            (550, "5.1.1 no such user here", Hard, Address),
            (550, "5.7.1 blocked by our policy", Block, Reputation),
            (
                550,
                "5.7.26 unauthenticated mail is not taken",
                Block,
                Authentication,
            ),
            (550, "no such user", Hard, Address),
            (552, "5.2.2 mailbox full", Soft, MailboxFull),
            (452, "4.2.2 over quota", Soft, MailboxFull),
            (451, "4.7.1 greylisted, come back later", Soft, Reputation),
            (554, "5.7.1 message content rejected", Block, Content),
            (554, "5.7.1 spam", Block, Content),
            (554, "5.7.1 relay access denied", Other, Relay),
            (451, "4.3.0 something", Soft, Undefined),
            (550, "nothing told", Hard, Address),
            (571, "nothing told", Other, Undefined),
        ] {
            let verdict = verdict(code, text);
            assert_eq!((verdict.class, verdict.cause), (class, cause), "{code} {text}");
        }
    }

    #[test]
    fn a_temporary_reply_never_says_that_the_address_is_bad() {
        assert_eq!(verdict(450, "4.1.1 unknown user").class, Soft);
        assert_eq!(verdict(451, "no such user here just now").class, Soft);
    }

    #[test]
    fn an_enhanced_code_that_disagrees_with_the_reply_code_is_none() {
        assert_eq!(enhanced(550, "4.1.1 odd"), None);
        assert_eq!(
            enhanced(550, "5.1.1 fine"),
            Some(Enhanced {
                class: 5,
                subject: 1,
                detail: 1
            })
        );
        assert_eq!(enhanced(550, "10.0.0.1 said no"), None);
        assert_eq!(enhanced(550, "5.1 said no"), None);
    }
}
