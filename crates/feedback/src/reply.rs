//! From an SMTP reply to a verdict.

use crate::rules::{Decision, Evidence, Rules, cut};
use crate::stage::Stage;
use crate::status::{self, Enhanced};
use crate::verdict::Ruling;

/// The reason of a receiver that puts off mail from strangers once (RFC 6647).
pub const GREYLISTED: &str = crate::reason::Reason::Greylisted.as_str();

/// The longest reply that is looked at, in octets.
const LONGEST_REPLY: usize = 16 * 1024;

/// The enhanced code at the beginning of a reply's text. One whose class does not agree with the reply code
/// is no code (RFC 2034 section 4).
pub fn enhanced(code: u16, text: &str) -> Option<Enhanced> {
    let status = Enhanced::parse(text.split_whitespace().next()?)?;
    (status.class == code / 100).then_some(status)
}

/// What a refusal means, and by which rule. `code` is 400–599; `text` without the code, its lines joined.
/// `stage`: what was refused, if that is known.
pub fn judge(rules: &Rules, code: u16, text: &str, stage: Option<Stage>) -> Ruling {
    let evidence = Evidence {
        code: Some(code),
        status: enhanced(code, text),
        texts: &[text],
        is_temporary: code < 500,
        stage,
    };
    let Decision { verdict, rule, .. } = rules.decide(&evidence);
    Ruling {
        verdict,
        rule: rule.to_owned(),
    }
}

/// What was read out of a reply's text.
#[derive(Clone, Debug)]
pub struct ReadReply<'r> {
    /// What it means, and by which rule.
    pub decision: Decision<'r>,
    /// The reply code, if there is one in the text.
    pub code: Option<u16>,
    /// The enhanced status, if there is one in the text.
    pub status: Option<Enhanced>,
}

/// What a reply means of which only the text is left: with its code, with what a mail server wrote around it, or a part.
pub fn read<'r>(rules: &'r Rules, text: &str) -> ReadReply<'r> {
    let text = cut(text, LONGEST_REPLY);
    let (code, status) = (status::reply_code(text), status::failure(text));
    let evidence = Evidence {
        code,
        status,
        texts: &[said(text)],
        is_temporary: false,
        stage: Stage::told(text),
    };
    ReadReply {
        decision: rules.decide(&evidence),
        code,
        status,
    }
}

/// Without the "host … said:" and the "(in reply to … command)" that a mail server writes around the reply.
pub(crate) fn said(text: &str) -> &str {
    let ends = [" (in reply to ", "\n(in reply to "];
    let end = ends.into_iter().find_map(|words| text.find(words));
    let text = &text[..end.unwrap_or(text.len())];
    let begins = [" said: ", " refused to talk to me: "]
        .into_iter()
        .find_map(|words| Some(text.find(words)? + words.len()));
    match begins {
        Some(at) if text.trim_start().starts_with("host ") || text[..at].contains(": host ") => &text[at..],
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Cause::{
        self, Address, Authentication, Content, MailboxFull, Relay, Reputation, Undefined,
    };
    use crate::verdict::Class::{self, Block, Hard, Soft};
    use crate::verdict::Verdict;

    fn verdict(code: u16, text: &str) -> Verdict {
        judge(Rules::standard(), code, text, None).verdict
    }

    #[test]
    fn replies_mean_what_receivers_mean_by_them() {
        let cases: &[(u16, &str, Class, Cause)] = &[
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
            (554, "5.7.1 relay access denied", Block, Relay),
            (451, "4.3.0 something", Soft, Undefined),
            (550, "nothing told", Hard, Address),
            (571, "nothing told", Soft, Undefined),
        ];
        for (code, text, class, cause) in cases {
            let verdict = verdict(*code, text);
            assert_eq!((verdict.class, verdict.cause), (*class, *cause), "{code} {text}");
        }
    }

    #[test]
    fn the_same_words_after_the_message_are_about_the_message() {
        let after = judge(Rules::standard(), 550, "nothing told", Some(Stage::Message));
        assert_ne!(after.verdict.class, Hard, "{after:?}");
        let gone = judge(
            Rules::standard(),
            550,
            "5.1.1 no such user here",
            Some(Stage::Message),
        );
        assert_eq!(gone.verdict.class, Hard, "{gone:?}");
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
            enhanced(550, "5.1.1 fine")
                .map(|status| status.to_string())
                .as_deref(),
            Some("5.1.1")
        );
        assert_eq!(enhanced(550, "10.0.0.1 said no"), None);
        assert_eq!(enhanced(550, "5.1 said no"), None);
    }
}
