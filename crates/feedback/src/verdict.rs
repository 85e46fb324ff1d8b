//! What a reply or a report means for a recipient.

use crate::reason::Reason;
use serde::{Deserialize, Serialize};

/// The class of a bounce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The address is bad.
    Hard,
    /// It may work later.
    Soft,
    /// We, our network or the content were refused; it says nothing about the address.
    Block,
    /// A person, or the receiver for him, called it spam.
    Complaint,
    /// A machine answered in a person's name.
    Autoreply,
    /// None of these.
    Other,
}

impl Class {
    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Hard => "hard",
            Class::Soft => "soft",
            Class::Block => "block",
            Class::Complaint => "complaint",
            Class::Autoreply => "autoreply",
            Class::Other => "other",
        }
    }

    /// From the database's word.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Class::Hard,
            Class::Soft,
            Class::Block,
            Class::Complaint,
            Class::Autoreply,
            Class::Other,
        ]
        .into_iter()
        .find(|class| class.as_str() == word)
    }
}

/// What is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The address does not exist, or takes no mail.
    Address,
    /// The mailbox is full.
    MailboxFull,
    /// The message itself was refused.
    Content,
    /// Our network address or domain has a bad name.
    Reputation,
    /// SPF, DKIM, DMARC or reverse DNS.
    Authentication,
    /// Too much at once.
    Rate,
    /// The relay, or its leave to relay.
    Relay,
    /// The receiver does not want this sender.
    Policy,
    /// A person, not a machine.
    Person,
    /// A connection or a name server.
    Network,
    /// Not told.
    Undefined,
}

impl Cause {
    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Cause::Address => "address",
            Cause::MailboxFull => "mailbox_full",
            Cause::Content => "content",
            Cause::Reputation => "reputation",
            Cause::Authentication => "authentication",
            Cause::Rate => "rate",
            Cause::Relay => "relay",
            Cause::Policy => "policy",
            Cause::Person => "person",
            Cause::Network => "network",
            Cause::Undefined => "undefined",
        }
    }
}

/// What a reply or report means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The class.
    pub class: Class,
    /// What is to blame.
    pub cause: Cause,
    /// The finer reason, by the field's usual names (`userunknown`, `mailboxfull`, `blocked`, …).
    pub reason: &'static str,
}

impl Verdict {
    /// What a permanent failure for this reason means.
    pub const fn of(reason: Reason) -> Verdict {
        Verdict {
            class: reason.class(),
            cause: reason.cause(),
            reason: reason.as_str(),
        }
    }
}

/// What was decided about a refusal, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What it means.
    pub verdict: Verdict,
    /// The name of the rule that decided.
    pub rule: String,
}
