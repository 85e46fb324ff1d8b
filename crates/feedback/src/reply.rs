//! From an SMTP reply to a verdict.

use crate::rules::{Decision, Evidence, Rules, cut};
use crate::status::{self, Enhanced};
use crate::verdict::Verdict;

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

/// What a refusal means by the rules of this crate. `code` is 400–599; `text` without the code, its lines joined.
pub fn verdict(code: u16, text: &str) -> Verdict {
    verdict_by(Rules::standard(), code, text)
}

/// What a refusal means. `code` is 400–599; `text` without the code, its lines joined.
pub fn verdict_by(rules: &Rules, code: u16, text: &str) -> Verdict {
    let evidence = Evidence {
        code: Some(code),
        status: enhanced(code, text),
        texts: &[text],
        is_temporary: code < 500,
        is_after_message: false,
    };
    rules.decide(&evidence).verdict
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
        is_after_message: is_after_message(text),
    };
    ReadReply {
        decision: rules.decide(&evidence),
        code,
        status,
    }
}

/// Without the "host … said:" that a mail server writes before the reply.
pub(crate) fn said(text: &str) -> &str {
    let begins = [" said: ", " refused to talk to me: "].into_iter().find_map(|words| Some(text.find(words)? + words.len()));
    match begins {
        Some(at) if text.trim_start().starts_with("host ") || text[..at].contains(": host ") => &text[at..],
        _ => text,
    }
}

/// Whether a mail server says that the reply came after the message itself.
pub(crate) fn is_after_message(text: &str) -> bool {
    let marks = ["end of DATA", "end of data", ">>> DATA\n<<< 5", "SMTP command DATA", "DATA command)", ">>> .\n<<< 5"];
    marks.iter().any(|mark| text.contains(mark))
}
