//! What the relay took, for whoever wants to count.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Who brought a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Where it connected from.
    pub address: IpAddr,
    /// What it said in EHLO or HELO.
    pub hello: String,
    /// Whether it spoke TLS.
    pub encrypted: bool,
    /// As whom it had logged in.
    pub user: Option<String>,
}

/// What MAIL and RCPT carried besides the addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// SIZE; zero if there was none.
    pub size: usize,
    /// BODY=8BITMIME
    pub eight_bit_mime: bool,
    /// SMTPUTF8
    pub smtputf8: bool,
    /// RET=HDRS
    pub headers_only: bool,
    /// ENVID, decoded.
    pub envelope_id: Option<String>,
    /// NOTIFY with FAILURE
    pub notify_failure: bool,
    /// NOTIFY with DELAY
    pub notify_delay: bool,
    /// The address of ORCPT, decoded.
    pub original_recipient: Option<String>,
}

/// One message accepted for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The address of RCPT as it was sent.
    pub recipient: String,
    /// The address of MAIL.
    pub sender: String,
    /// What both carried besides.
    pub parameters: Parameters,
    /// Who brought it.
    pub client: Client,
    /// The value of the Message-ID field, angle brackets included, if there is one.
    pub message_id: Option<String>,
    /// Octets of the content on the wire, without the final dot.
    pub size: usize,
    /// The session that brought it: 1 for the relay's first.
    pub session: u64,
    /// How long after the relay's start.
    pub at: Duration,
    /// False if the connection was cut instead of answering: the client cannot know of the acceptance.
    pub answered: bool,
    /// The content, if [`crate::Script::keep_content`] asks for it and still has room.
    pub content: Option<Arc<[u8]>>,
}

/// How often what happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections, greeted or refused.
    pub sessions: u64,
    /// Connections now.
    pub open_sessions: u64,
    /// The greatest number of connections at once.
    pub most_sessions: u64,
    /// Messages accepted, counted for each recipient.
    pub accepted: u64,
    /// Recipients refused with 5xx, at RCPT or at the final dot.
    pub refused: u64,
    /// Recipients put off with 4xx, at RCPT or at the final dot.
    pub deferred: u64,
    /// Connections cut by a rule.
    pub cut: u64,
    /// Octets of accepted content.
    pub octets: u64,
    /// Commands out of order, unknown or wrongly written.
    pub bad_commands: u64,
}

#[derive(Default)]
pub(crate) struct Record {
    sessions: AtomicU64,
    open_sessions: AtomicU64,
    most_sessions: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    deferred: AtomicU64,
    cut: AtomicU64,
    octets: AtomicU64,
    bad_commands: AtomicU64,
    content_kept: AtomicU64,
    // Sessions append, tests read; never held across an await.
    acceptances: Mutex<Vec<Acceptance>>,
}

impl Record {
    /// Numbers a new session; also says how many are open with it.
    pub(crate) fn open_session(&self) -> (u64, u64) {
        let open = self.open_sessions.fetch_add(1, Relaxed) + 1;
        self.most_sessions.fetch_max(open, Relaxed);
        (self.sessions.fetch_add(1, Relaxed) + 1, open)
    }

    pub(crate) fn close_session(&self) {
        self.open_sessions.fetch_sub(1, Relaxed);
    }

    /// Counts a reply that a recipient got instead of an acceptance.
    pub(crate) fn count_refusal(&self, code: u16) {
        let counter = if code < 500 { &self.deferred } else { &self.refused };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_cut(&self) {
        self.cut.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_bad_command(&self) {
        self.bad_commands.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_acceptance(&self, size: usize) {
        self.accepted.fetch_add(1, Relaxed);
        self.octets.fetch_add(size as u64, Relaxed);
    }

    pub(crate) fn remember(&self, acceptance: Acceptance) {
        self.acceptances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(acceptance);
    }

    /// Whether `octets` more of content still fit below `limit`; if so they are counted as kept.
    pub(crate) fn may_keep(&self, octets: usize, limit: usize) -> bool {
        let (octets, limit) = (octets as u64, limit as u64);
        let grown = |kept: u64| kept.checked_add(octets).filter(|kept| *kept <= limit);
        self.content_kept.fetch_update(Relaxed, Relaxed, grown).is_ok()
    }

    pub(crate) fn acceptances(&self) -> Vec<Acceptance> {
        self.acceptances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            sessions: self.sessions.load(Relaxed),
            open_sessions: self.open_sessions.load(Relaxed),
            most_sessions: self.most_sessions.load(Relaxed),
            accepted: self.accepted.load(Relaxed),
            refused: self.refused.load(Relaxed),
            deferred: self.deferred.load(Relaxed),
            cut: self.cut.load(Relaxed),
            octets: self.octets.load(Relaxed),
            bad_commands: self.bad_commands.load(Relaxed),
        }
    }
}
