//! What the relay does with whom: data, made before it starts.

use crate::record::Acceptance;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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
    /// On DATA, before 354: the client cannot have sent the content.
    AtData,
    /// When the first octets of the content have come in: the message is lost.
    InContent,
    /// After the final dot, and the message is lost.
    AfterDotLost,
    /// After the final dot, and the message is accepted: the client cannot know.
    AfterDotAccepted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Greeting,
    Mail,
    Rcpt,
    Data,
    Content,
    Dot,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Answer(Reply),
    Cut(Cut),
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

/// What the relay announces in its reply to EHLO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// RFC 2920. Without it, a client that does not wait for each reply gets 503.
    pub pipelining: bool,
    /// RFC 6152. Without it, `BODY=8BITMIME` gets 555.
    pub eight_bit_mime: bool,
    /// RFC 1870: the greatest content in octets; more gets 552.
    pub size: Option<usize>,
    /// RFC 6531. Without it, the parameter SMTPUTF8 gets 555 and an address beyond ASCII 553.
    pub smtputf8: bool,
    /// RFC 2034. Without it, replies carry no enhanced status codes.
    pub enhanced_status_codes: bool,
}

impl Default for Extensions {
    fn default() -> Self {
        Extensions {
            pipelining: true,
            eight_bit_mime: true,
            size: Some(50 * 1024 * 1024),
            smtputf8: true,
            enhanced_status_codes: true,
        }
    }
}

pub(crate) type Watcher = Arc<dyn Fn(&Acceptance) + Send + Sync>;

/// How the relay behaves. Begin with [`Script::accepting`] or [`Script::sink`].
#[derive(Clone)]
pub struct Script {
    pub(crate) rules: Vec<Rule>,
    pub(crate) seed: u64,
    pub(crate) host: String,
    pub(crate) banner: String,
    pub(crate) extensions: Extensions,
    pub(crate) login: Option<(String, String)>,
    pub(crate) max_sessions: Option<u64>,
    pub(crate) max_messages_per_session: Option<u32>,
    pub(crate) delay: Duration,
    pub(crate) throttle: Option<u32>,
    pub(crate) pace: Option<f64>,
    pub(crate) swing: Option<(f64, Duration)>,
    pub(crate) data_without_recipients: bool,
    pub(crate) remember: bool,
    pub(crate) content_limit: usize,
    pub(crate) watcher: Option<Watcher>,
}

impl Script {
    /// Takes everything at once and remembers what it took.
    pub fn accepting() -> Self {
        Script {
            rules: Vec::new(),
            seed: 1,
            host: "relay.example.net".to_owned(),
            banner: "ready".to_owned(),
            extensions: Extensions::default(),
            login: None,
            max_sessions: None,
            max_messages_per_session: None,
            delay: Duration::ZERO,
            throttle: None,
            pace: None,
            swing: None,
            data_without_recipients: false,
            remember: true,
            content_limit: 0,
            watcher: None,
        }
    }

    /// Takes everything and keeps nothing but counts: memory does not grow with the number of messages.
    pub fn sink() -> Self {
        Script {
            remember: false,
            ..Script::accepting()
        }
    }

    /// Adds a rule; the first that applies wins.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Decides what [`Rule::chance`] draws. 1 unless set.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The text of the greeting after the host's name; a line feed makes it a multi-line banner.
    pub fn banner(mut self, text: &str) -> Self {
        self.banner = text.to_owned();
        self
    }

    /// What EHLO announces.
    pub fn extensions(mut self, extensions: Extensions) -> Self {
        self.extensions = extensions;
        self
    }

    /// Announces everything but PIPELINING.
    pub fn without_pipelining(mut self) -> Self {
        self.extensions.pipelining = false;
        self
    }

    /// Wants AUTH (PLAIN or LOGIN) with this user and password before MAIL.
    pub fn login(mut self, user: &str, password: &str) -> Self {
        self.login = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// A session beyond this number at once is greeted with 421.
    pub fn max_sessions(mut self, sessions: u64) -> Self {
        self.max_sessions = Some(sessions);
        self
    }

    /// After this number of accepted messages a session's next MAIL gets 421.
    pub fn max_messages_per_session(mut self, messages: u32) -> Self {
        self.max_messages_per_session = Some(messages);
        self
    }

    /// Waits before each write of replies; one wait for a pipelined group.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Beyond this number of recipients in one second, RCPT gets `450 4.7.1`.
    pub fn throttle(mut self, per_second: u32) -> Self {
        self.throttle = Some(per_second);
        self
    }

    /// Takes its time: replies to final dots are held back so that no more than this number of messages a
    /// second is accepted. Must be above 0.
    pub fn pace(mut self, per_second: f64) -> Self {
        self.pace = Some(per_second);
        self
    }

    /// Lets the pace swing around its mean by `share` (0 to 1) in this period, as a busy relay's does.
    pub fn swing(mut self, share: f64, period: Duration) -> Self {
        self.swing = Some((share, period));
        self
    }

    /// Answers DATA with 354 although no recipient was accepted (and the lone dot with 554).
    pub fn data_without_recipients(mut self) -> Self {
        self.data_without_recipients = true;
        self
    }

    /// Keeps the whole content of accepted messages, `octets` in total; what comes after is not kept.
    pub fn keep_content(mut self, octets: usize) -> Self {
        self.content_limit = octets;
        self
    }

    /// Calls `watcher` for every accepted message, in the session's task: it must be quick.
    pub fn watch(mut self, watcher: impl Fn(&Acceptance) + Send + Sync + 'static) -> Self {
        self.watcher = Some(Arc::new(watcher));
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
