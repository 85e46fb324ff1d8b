//! What was said about one message to one address, whoever said it and by whichever way it came in: the one model for
//! replies, reports and webhooks.

use crate::reason::Reason;
use crate::status::Enhanced;
use crate::verdict::Verdict;
use serde::Serialize;
use tidings_campaign::time::Timestamp;

/// What kind of event it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The message was not delivered and will not be.
    Bounce,
    /// The message is late, and is still being tried.
    Delay,
    /// A person, or the receiver for him, called it spam.
    Complaint,
    /// A machine answered in a person's name.
    Autoreply,
    /// The recipient asks to get no more.
    Unsubscribe,
    /// None of these. It is kept and changes nothing.
    Other,
}

impl EventKind {
    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            EventKind::Bounce => "bounce",
            EventKind::Delay => "delay",
            EventKind::Complaint => "complaint",
            EventKind::Autoreply => "autoreply",
            EventKind::Unsubscribe => "unsubscribe",
            EventKind::Other => "other",
        }
    }
}

/// What was said about one message to one address.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What kind it is.
    pub kind: EventKind,
    /// About whom, as it was written; empty if that was not told.
    pub address: String,
    /// What it means.
    pub verdict: Verdict,
    /// The enhanced status.
    pub status: Option<Enhanced>,
    /// The reply code.
    pub code: Option<u16>,
    /// What was said, at most [`LONGEST_SAID`](crate::message::LONGEST_SAID) octets.
    pub text: String,
    /// The host that said it.
    pub host: Option<String>,
    /// The rule that decided.
    pub rule: String,
    /// When it happened, if that was told.
    pub at: Option<Timestamp>,
    /// By what its delivery may be found.
    pub clues: Clues,
}

/// By what the delivery of an event may be found. Everything here is as it was written, by whomever: only what is signed
/// proves anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clues {
    /// To whom the report itself was sent: one of them may be the return path of a delivery, or an unsubscribe address.
    pub recipients: Vec<String>,
    /// The return path of the message that it is about.
    pub return_path: Option<String>,
    /// The Message-ID of the message that it is about, with or without angle brackets.
    pub message_id: Option<String>,
    /// `Original-Envelope-Id` (RFC 3464 section 2.2.1): the ENVID that we gave.
    pub envelope_id: Option<String>,
    /// `Feedback-ID` of the message that it is about.
    pub feedback_id: Option<String>,
    /// `List-Unsubscribe` of the message that it is about.
    pub list_unsubscribe: Option<String>,
    /// A delivery's token that was given to the provider beside the message, and came back.
    pub token: Option<String>,
    /// What recognises the same event if it is told again, such as the provider's identifier of it.
    pub event_id: Option<String>,
}

impl Event {
    /// An event whose meaning is a reason by itself, such as a complaint: without status, code and words.
    pub fn of(kind: EventKind, address: String, reason: Reason, rule: &str) -> Event {
        Event {
            kind,
            address,
            verdict: Verdict::of(reason),
            status: None,
            code: None,
            text: String::new(),
            host: None,
            rule: rule.to_owned(),
            at: None,
            clues: Clues::default(),
        }
    }
}
