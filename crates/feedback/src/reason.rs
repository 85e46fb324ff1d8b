//! The finer reasons of a verdict, by the field's usual names, and what follows from each.

use crate::verdict::{Cause, Class};

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $words:literal, $class:ident, $cause:ident;)+) => {
        /// Why a message was not taken. The names are those that bounce parsers share.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            /// All of them.
            pub const ALL: &[Reason] = &[$(Reason::$variant,)+];

            /// The name, as in the database and in files of rules.
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$variant => $name,)+ }
            }

            /// The same for people who do not know the names, in a few words.
            pub const fn words(self) -> &'static str {
                match self { $(Reason::$variant => $words,)+ }
            }

            /// The class of a permanent failure for this reason.
            pub const fn class(self) -> Class {
                match self { $(Reason::$variant => Class::$class,)+ }
            }

            /// What is to blame.
            pub const fn cause(self) -> Cause {
                match self { $(Reason::$variant => Cause::$cause,)+ }
            }
        }
    };
}

reasons! {
    /// There is no such mailbox.
    UserUnknown = "userunknown", "no such mailbox", Hard, Address;
    /// The mailbox has moved and mail is not forwarded.
    HasMoved = "hasmoved", "has moved", Hard, Address;
    /// There is no such domain.
    HostUnknown = "hostunknown", "no such domain", Hard, Address;
    /// The domain takes no mail (RFC 7505).
    NotAccept = "notaccept", "domain takes no mail", Hard, Address;
    /// The account is disabled, locked, or long unused. It may come back.
    Suspended = "suspend", "account disabled", Soft, Address;
    /// The recipient, or a filter of his, does not want it.
    Filtered = "filtered", "filtered by the recipient", Soft, Address;
    /// The mailbox is full.
    MailboxFull = "mailboxfull", "mailbox full", Soft, MailboxFull;
    /// The message is larger than the server takes.
    MessageTooBig = "mesgtoobig", "message too large", Soft, Content;
    /// The message is larger than this recipient may get.
    ExceedLimit = "exceedlimit", "too large for the recipient", Soft, Content;
    /// It was tried too long.
    Expired = "expired", "tried too long", Soft, Network;
    /// No connection, a broken connection, a loop, or a name server that fails.
    NetworkError = "networkerror", "network fault", Soft, Network;
    /// The receiving system has a fault.
    SystemError = "systemerror", "fault of the receiver", Soft, Undefined;
    /// The receiving system's disk is full.
    SystemFull = "systemfull", "receiver's disk full", Soft, Undefined;
    /// A program that should deliver failed.
    MailerError = "mailererror", "receiver's program failed", Soft, Undefined;
    /// A command or its order was not understood.
    SyntaxError = "syntaxerror", "command not understood", Soft, Relay;
    /// Too much in a time.
    Speeding = "speeding", "too fast", Soft, Rate;
    /// Too many connections, recipients or errors.
    TooManyConnections = "toomanyconn", "too many connections", Soft, Rate;
    /// Strangers are put off once (RFC 6647).
    Greylisted = "greylisted", "greylisted", Soft, Reputation;
    /// Our network address or domain is on a list.
    Blocked = "blocked", "we are on a block list", Block, Reputation;
    /// Our network address or domain has a bad name.
    BadReputation = "badreputation", "bad reputation", Block, Reputation;
    /// Our network address has no name, or one that does not lead back.
    RequirePtr = "requireptr", "our address has no name", Block, Reputation;
    /// SPF, DKIM or DMARC.
    AuthFailure = "authfailure", "SPF, DKIM or DMARC failed", Block, Authentication;
    /// A login or leave to send was missing.
    SecurityError = "securityerror", "login missing", Block, Authentication;
    /// TLS was demanded or failed.
    FailedStartTls = "failedstarttls", "TLS failed", Block, Authentication;
    /// The content looks like spam.
    SpamDetected = "spamdetected", "taken for spam", Block, Content;
    /// The content holds malware.
    VirusDetected = "virusdetected", "malware found", Block, Content;
    /// The content, a header or an attachment was refused.
    ContentError = "contenterror", "content refused", Block, Content;
    /// The message breaks a standard.
    NotCompliantRfc = "notcompliantrfc", "breaks a standard", Block, Content;
    /// A policy of the receiver.
    PolicyViolation = "policyviolation", "receiver's policy", Block, Reputation;
    /// The sender's address was refused.
    Rejected = "rejected", "sender refused", Block, Policy;
    /// The server does not relay for us.
    NoRelaying = "norelaying", "not relayed for us", Block, Relay;
    /// A person said that it is spam.
    Feedback = "feedback", "called spam by a person", Complaint, Person;
    /// A person is away.
    Vacation = "vacation", "away", Autoreply, Person;
    /// A person wants no more of it.
    Unsubscribe = "unsubscribe", "wants no more", Other, Person;
    /// It was delivered after all.
    Delivered = "delivered", "delivered after all", Other, Undefined;
    /// Not told.
    Undefined = "undefined", "not told", Soft, Undefined;
}

impl Reason {
    /// The reason of that name.
    pub fn named(name: &str) -> Option<Reason> {
        Reason::ALL.iter().copied().find(|reason| reason.as_str() == name)
    }
}
