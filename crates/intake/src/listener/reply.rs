//! What is answered.

use std::borrow::Cow;

/// A reply of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// The enhanced code (RFC 3463); empty where RFC 2034 wants none.
    enhanced: &'static str,
    text: Cow<'static, str>,
}

impl Reply {
    pub(super) const fn new(code: u16, enhanced: &'static str, text: &'static str) -> Reply {
        Reply {
            code,
            enhanced,
            text: Cow::Borrowed(text),
        }
    }

    pub(super) const fn of(code: u16, enhanced: &'static str, text: String) -> Reply {
        Reply {
            code,
            enhanced,
            text: Cow::Owned(text),
        }
    }

    pub(super) fn is_refusal(&self) -> bool {
        self.code >= 400
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let between = if self.enhanced.is_empty() { "" } else { " " };
        let line = format!("{} {}{between}{}\r\n", self.code, self.enhanced, self.text);
        out.extend_from_slice(line.as_bytes());
    }
}

/// The reply of several lines that announces what is offered.
pub(super) fn write_lines(code: u16, lines: &[&str], out: &mut Vec<u8>) {
    for (number, line) in lines.iter().enumerate() {
        let mark = if number + 1 < lines.len() { '-' } else { ' ' };
        out.extend_from_slice(format!("{code}{mark}{line}\r\n").as_bytes());
    }
}

pub(super) const BYE: Reply = Reply::new(221, "2.0.0", "goodbye");
pub(super) const DONE: Reply = Reply::new(250, "2.0.0", "done");
pub(super) const SENDER_OK: Reply = Reply::new(250, "2.1.0", "sender ok");
pub(super) const RECIPIENT_OK: Reply = Reply::new(250, "2.1.5", "recipient ok");
pub(super) const KEPT: Reply = Reply::new(250, "2.0.0", "kept");
pub(super) const GO_ON: Reply = Reply::new(354, "", "end with a dot on its own line");
pub(super) const BEGIN_TLS: Reply = Reply::new(220, "2.0.0", "begin");
pub(super) const CANNOT_VERIFY: Reply = Reply::new(252, "2.5.0", "send it and see");
pub(super) const HELP: Reply = Reply::new(
    214,
    "2.0.0",
    "reports about mail from here are taken: EHLO LHLO HELO MAIL RCPT DATA RSET NOOP VRFY STARTTLS QUIT",
);

pub(super) const TOO_MANY_SESSIONS: Reply = Reply::new(421, "4.3.2", "too many sessions, try again later");
pub(super) const STOPPING: Reply = Reply::new(421, "4.3.2", "going down, try again later");
pub(super) const IDLE: Reply = Reply::new(421, "4.4.2", "nothing came for too long");
pub(super) const TOO_MANY_COMMANDS: Reply = Reply::new(421, "4.7.0", "too many commands without a message");
pub(super) const TOO_MANY_ERRORS: Reply = Reply::new(421, "4.7.0", "too many errors");
pub(super) const ENDLESS: Reply = Reply::new(421, "4.3.4", "message far too big");

pub(super) const NOT_KEPT: Reply = Reply::new(451, "4.3.0", "could not be kept, try again later");
pub(super) const TOO_FAST: Reply = Reply::new(450, "4.7.1", "too many messages a minute, try again later");
pub(super) const NO_ROOM: Reply = Reply::new(452, "4.3.1", "too many messages at once, try again later");
pub(super) const TOO_MANY_RECIPIENTS: Reply = Reply::new(452, "4.5.3", "too many recipients");
pub(super) const TOO_BIG: Reply = Reply::new(552, "5.3.4", "message too big");

pub(super) const UNKNOWN_RECIPIENT: Reply = Reply::new(550, "5.1.1", "nobody of this name is here");
pub(super) const NOT_RELAYED: Reply = Reply::new(550, "5.7.1", "mail is not relayed");
pub(super) const TLS_FIRST: Reply = Reply::new(530, "5.7.0", "say STARTTLS first");

pub(super) const LINE_TOO_LONG: Reply = Reply::new(500, "5.5.6", "line too long");
pub(super) const NO_COMMAND: Reply = Reply::new(500, "5.5.1", "not a command that is known here");
pub(super) const OTHER_GREETING: Reply = Reply::new(500, "5.5.1", "SMTP says EHLO, LMTP says LHLO");
pub(super) const NOT_OFFERED: Reply = Reply::new(502, "5.5.1", "not offered here");
pub(super) const GREET_FIRST: Reply = Reply::new(503, "5.5.1", "say EHLO or LHLO first");
pub(super) const MAIL_FIRST: Reply = Reply::new(503, "5.5.1", "MAIL comes before this");
pub(super) const ONE_MAIL: Reply = Reply::new(503, "5.5.1", "one MAIL at a time");
pub(super) const NO_RECIPIENTS: Reply = Reply::new(503, "5.5.1", "there are no valid recipients");
pub(super) const NO_SENDER_ADDRESS: Reply = Reply::new(553, "5.1.7", "not an address");
pub(super) const NO_RECIPIENT_ADDRESS: Reply = Reply::new(553, "5.1.3", "not an address");
pub(super) const NOT_ANNOUNCED: Reply = Reply::new(555, "5.5.4", "a parameter that was not announced");
