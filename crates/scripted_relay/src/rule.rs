//! What the relay does with whom, and where it misbehaves.

use std::fmt;
use std::sync::Arc;

/// One SMTP reply (RFC 5321, 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    enhanced: String,
    text: String,
}

impl Reply {
    /// `code`: 200 to 599; 421 also closes the connection. `enhanced`: a status code of RFC 3463 such as
    /// `5.1.1`, or empty; left out when the script does not announce ENHANCEDSTATUSCODES. A line feed in
    /// `text` makes a multi-line reply.
    pub fn new(code: u16, enhanced: &str, text: &str) -> Self {
        Reply {
            code,
            enhanced: enhanced.to_owned(),
            text: text.to_owned(),
        }
    }

    pub(crate) fn code(&self) -> u16 {
        self.code
    }

    pub(crate) fn write(&self, enhanced: bool, out: &mut Vec<u8>) {
        let enhanced = if enhanced { self.enhanced.as_str() } else { "" };
        write_reply(self.code, enhanced, &self.text, out);
    }
}

/// Appends a reply; `text` may have several lines.
pub(crate) fn write_reply(code: u16, enhanced: &str, text: &str, out: &mut Vec<u8>) {
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        let mark = if lines.peek().is_some() { '-' } else { ' ' };
        let space = if enhanced.is_empty() { "" } else { " " };
        out.extend_from_slice(format!("{code}{mark}{enhanced}{space}{line}\r\n").as_bytes());
    }
}

/// Which recipients a rule is about. Compared without case.
#[derive(Clone)]
pub enum Who {
    /// All of them.
    Everybody,
    /// The local part begins with this.
    LocalStartsWith(String),
    /// Exactly this domain.
    Domain(String),
    /// Exactly this address.
    Address(String),
    /// Those for which the function says yes; it gets the address in lower case.
    Matching(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl Who {
    /// Recipients whose local part begins with `start`.
    pub fn local_starts_with(start: &str) -> Self {
        Who::LocalStartsWith(start.to_lowercase())
    }

    /// Recipients at `domain`.
    pub fn domain(domain: &str) -> Self {
        Who::Domain(domain.to_lowercase())
    }

    /// The recipient `address`.
    pub fn address(address: &str) -> Self {
        Who::Address(address.to_lowercase())
    }

    /// Recipients for which `is_meant` says yes; it gets the address in lower case.
    pub fn matching(is_meant: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Who::Matching(Arc::new(is_meant))
    }

    /// `address` is in lower case.
    pub(crate) fn includes(&self, address: &str) -> bool {
        match self {
            Who::Everybody => true,
            Who::LocalStartsWith(start) => address.starts_with(start),
            Who::Domain(domain) => address.rsplit_once('@').is_some_and(|(_, of)| of == domain),
            Who::Address(whole) => address == whole,
            Who::Matching(is_meant) => is_meant(address),
        }
    }
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Everybody => f.write_str("everybody"),
            Who::LocalStartsWith(start) => write!(f, "{start}…@…"),
            Who::Domain(domain) => write!(f, "…@{domain}"),
            Who::Address(whole) => f.write_str(whole),
            Who::Matching(_) => f.write_str("those that a function picks"),
        }
    }
}

/// Where the connection is cut, without any reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// After EHLO was answered as if all were well.
    AfterEhlo,
    /// On DATA, before 354: the client cannot have sent the content.
    AtData,
    /// When the first octets of the content have come in: the message is lost.
    InContent,
    /// After the final dot, and the message is lost.
    AfterDotLost,
    /// After the final dot, and the message is accepted: the client cannot know.
    AfterDotAccepted,
}

/// What a rule answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The connection.
    Greeting,
    /// EHLO; HELO is always answered.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// AUTH, before any credentials are looked at.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// The first octets of the content; they can only be cut off.
    Content,
    /// The final dot.
    Dot,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Answer(Reply),
    Cut(Cut),
    /// Closes without an answer.
    Close,
    /// Not SMTP.
    Garbage(Vec<u8>),
    /// Nothing more is said.
    Silence,
}

/// One way to misbehave. The first rule of a script that applies wins.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(crate) moment: Moment,
    pub(crate) who: Who,
    pub(crate) act: Act,
    pub(crate) first: Option<u32>,
    pub(crate) chance: f64,
}

impl Rule {
    fn new(moment: Moment, act: Act) -> Self {
        Rule {
            moment,
            who: Who::Everybody,
            act,
            first: None,
            chance: 1.0,
        }
    }

    /// Greets with this reply (421 or 554, say) and closes.
    pub fn greeting(reply: Reply) -> Self {
        Rule::new(Moment::Greeting, Act::Answer(reply))
    }

    /// Answers EHLO with this reply.
    pub fn ehlo(reply: Reply) -> Self {
        Rule::new(Moment::Ehlo, Act::Answer(reply))
    }

    /// Answers STARTTLS with this reply.
    pub fn start_tls(reply: Reply) -> Self {
        Rule::new(Moment::StartTls, Act::Answer(reply))
    }

    /// Answers AUTH with this reply.
    pub fn auth(reply: Reply) -> Self {
        Rule::new(Moment::Auth, Act::Answer(reply))
    }

    /// Closes the connection instead of answering.
    pub fn closing(moment: Moment) -> Self {
        Rule::new(moment, Act::Close)
    }

    /// Answers with octets that need not be SMTP.
    pub fn garbage(moment: Moment, octets: &[u8]) -> Self {
        Rule::new(moment, Act::Garbage(octets.to_vec()))
    }

    /// Says nothing more on this connection, and keeps it open.
    pub fn silence(moment: Moment) -> Self {
        Rule::new(moment, Act::Silence)
    }

    /// Answers MAIL with this reply.
    pub fn mail(reply: Reply) -> Self {
        Rule::new(Moment::Mail, Act::Answer(reply))
    }

    /// Answers RCPT with this reply.
    pub fn rcpt(reply: Reply) -> Self {
        Rule::new(Moment::Rcpt, Act::Answer(reply))
    }

    /// Answers DATA with this reply instead of 354.
    pub fn data(reply: Reply) -> Self {
        Rule::new(Moment::Data, Act::Answer(reply))
    }

    /// Answers the final dot with this reply.
    pub fn dot(reply: Reply) -> Self {
        Rule::new(Moment::Dot, Act::Answer(reply))
    }

    /// Cuts the connection.
    pub fn cut(cut: Cut) -> Self {
        let moment = match cut {
            Cut::AfterEhlo => Moment::Ehlo,
            Cut::AtData => Moment::Data,
            Cut::InContent => Moment::Content,
            Cut::AfterDotLost | Cut::AfterDotAccepted => Moment::Dot,
        };
        Rule::new(moment, Act::Cut(cut))
    }

    /// Only for these recipients. Without effect on rules for the greeting and for MAIL.
    pub fn to(mut self, who: Who) -> Self {
        self.who = who;
        self
    }

    /// Only the first `tries` times: of each recipient; for the greeting and for MAIL, of the relay.
    pub fn first(mut self, tries: u32) -> Self {
        self.first = Some(tries);
        self
    }

    /// Only with this probability (0 to 1). The draw depends on the script's seed, the recipient and how
    /// often it was tried, not on the order in which sessions happen to run.
    pub fn chance(mut self, probability: f64) -> Self {
        self.chance = probability;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_of_several_lines_repeats_its_codes() {
        let mut out = Vec::new();
        Reply::new(550, "5.1.1", "no\nsuch user").write(true, &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "550-5.1.1 no\r\n550 5.1.1 such user\r\n"
        );
    }

    #[test]
    fn a_reply_drops_its_enhanced_code_where_it_was_not_announced() {
        let mut out = Vec::new();
        Reply::new(550, "5.1.1", "no such user").write(false, &mut out);
        assert_eq!(out, b"550 no such user\r\n");
    }

    #[test]
    fn recipients_are_picked_without_case() {
        assert!(Who::local_starts_with("Gone.").includes("gone.ann@example.org"));
        assert!(Who::domain("Example.ORG").includes("ann@example.org"));
        assert!(!Who::domain("example.org").includes("ann@mail.example.org"));
        assert!(Who::address("Ann@example.org").includes("ann@example.org"));
        assert!(Who::matching(|address| address.contains('+')).includes("a+b@example.org"));
    }
}
