//! The finer reasons of a verdict, by the field's usual names, and what follows from each.

use crate::verdict::{Cause, Class};

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $class:ident, $cause:ident;)+) => {
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
    UserUnknown = "userunknown", Hard, Address;
    /// The mailbox has moved and mail is not forwarded.
    HasMoved = "hasmoved", Hard, Address;
    /// There is no such domain.
    HostUnknown = "hostunknown", Hard, Address;
    /// The domain takes no mail (RFC 7505).
    NotAccept = "notaccept", Hard, Address;
    /// The account is disabled, locked, or long unused. It may come back.
    Suspended = "suspend", Soft, Address;
    /// The recipient, or a filter of his, does not want it.
    Filtered = "filtered", Soft, Address;
    /// The mailbox is full.
    MailboxFull = "mailboxfull", Soft, MailboxFull;
    /// The message is larger than the server takes.
    MessageTooBig = "mesgtoobig", Soft, Content;
    /// The message is larger than this recipient may get.
    ExceedLimit = "exceedlimit", Soft, Content;
    /// It was tried too long.
    Expired = "expired", Soft, Network;
    /// No connection, a broken connection, a loop, or a name server that fails.
    NetworkError = "networkerror", Soft, Network;
    /// The receiving system has a fault.
    SystemError = "systemerror", Soft, Undefined;
    /// The receiving system's disk is full.
    SystemFull = "systemfull", Soft, Undefined;
    /// A program that should deliver failed.
    MailerError = "mailererror", Soft, Undefined;
    /// A command or its order was not understood.
    SyntaxError = "syntaxerror", Soft, Relay;
    /// Too much in a time.
    Speeding = "speeding", Soft, Rate;
    /// Too many connections, recipients or errors.
    TooManyConnections = "toomanyconn", Soft, Rate;
    /// Strangers are put off once (RFC 6647).
    Greylisted = "greylisted", Soft, Reputation;
    /// Our network address or domain is on a list.
    Blocked = "blocked", Block, Reputation;
    /// Our network address or domain has a bad name.
    BadReputation = "badreputation", Block, Reputation;
    /// Our network address has no name, or one that does not lead back.
    RequirePtr = "requireptr", Block, Reputation;
    /// SPF, DKIM or DMARC.
    AuthFailure = "authfailure", Block, Authentication;
    /// A login or leave to send was missing.
    SecurityError = "securityerror", Block, Authentication;
    /// TLS was demanded or failed.
    FailedStartTls = "failedstarttls", Block, Authentication;
    /// The content looks like spam.
    SpamDetected = "spamdetected", Block, Content;
    /// The content holds malware.
    VirusDetected = "virusdetected", Block, Content;
    /// The content, a header or an attachment was refused.
    ContentError = "contenterror", Block, Content;
    /// The message breaks a standard.
    NotCompliantRfc = "notcompliantrfc", Block, Content;
    /// A policy of the receiver.
    PolicyViolation = "policyviolation", Block, Reputation;
    /// The sender's address was refused.
    Rejected = "rejected", Block, Policy;
    /// The server does not relay for us.
    NoRelaying = "norelaying", Block, Relay;
    /// A person said that it is spam.
    Feedback = "feedback", Complaint, Person;
    /// A person is away.
    Vacation = "vacation", Autoreply, Person;
    /// A person wants no more of it.
    Unsubscribe = "unsubscribe", Other, Person;
    /// It was delivered after all.
    Delivered = "delivered", Other, Undefined;
    /// Not told.
    Undefined = "undefined", Soft, Undefined;
}

impl Reason {
    /// The reason of that name.
    pub fn named(name: &str) -> Option<Reason> {
        Reason::ALL.iter().copied().find(|reason| reason.as_str() == name)
    }
}
