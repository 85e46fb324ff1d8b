//! One relay: where it is and how it is talked to.

use crate::connection::Extension;
use crate::pace::Rate;
use crate::timeouts::Timeouts;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use crate::fault::RelayFault;
pub use crate::login::{Login, Proof};
pub use crate::tls::Trust;

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// TLS from the first octet (RFC 8314).
    Implicit,
    /// STARTTLS, or no conversation.
    StartTlsRequired,
    /// STARTTLS if the relay offers it.
    StartTlsIfOffered,
    /// Clear text, by explicit wish.
    Never,
}

/// A relay as it was configured and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct RelaySettings {
    /// Its name in the configuration, the ledger and the pages.
    pub name: String,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How connections are protected.
    pub tls: TlsMode,
    /// Credentials, if it wants any.
    pub login: Option<Login>,
    /// Whether credentials may go out over a connection that is not encrypted.
    pub auth_over_clear_text: bool,
    /// Whose certificates count, and which one we show.
    pub trust: Trust,
    /// Extensions that are not used although the relay announces them.
    pub without: Vec<Extension>,
    /// Connections at once, at most: of all senders together that work with one database.
    pub max_sessions: usize,
    /// Messages over one connection, at most.
    pub messages_per_session: Option<u32>,
    /// So long a connection without work is kept.
    pub idle_timeout: Duration,
    /// How long it may take for its answers.
    pub timeouts: Timeouts,
    /// All of them are kept.
    pub rates: Vec<Rate>,
    /// Its share among the healthy relays.
    pub weight: u32,
    /// Relays of a higher number are used while all of the lower ones are down.
    pub priority: u32,
    /// Where connections come from; wherever the system likes if not given.
    pub source_address: Option<IpAddr>,
    /// What EHLO says; a host name or an address literal.
    pub hello: String,
}

impl RelaySettings {
    /// So long a connection without work is kept if nothing else is said.
    pub const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
    /// The priority if nothing else is said: there is room on both sides.
    pub const PRIORITY: u32 = 10;

    /// A relay of our own on loopback: clear text, no login, no limits.
    pub fn on_loopback(name: &str, at: SocketAddr, max_sessions: usize) -> RelaySettings {
        RelaySettings {
            name: name.to_owned(),
            host: at.ip().to_string(),
            port: at.port(),
            tls: TlsMode::Never,
            login: None,
            auth_over_clear_text: false,
            trust: Trust::default(),
            without: Vec::new(),
            max_sessions,
            messages_per_session: None,
            idle_timeout: RelaySettings::IDLE_TIMEOUT,
            timeouts: Timeouts::default(),
            rates: Vec::new(),
            weight: 1,
            priority: RelaySettings::PRIORITY,
            source_address: None,
            hello: "[127.0.0.1]".to_owned(),
        }
    }

    /// Whether the relay is on this machine.
    pub fn is_on_loopback(&self) -> bool {
        self.host == "localhost"
            || self
                .host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// What stays on this machine and was asked to be in clear text needs no second wish.
    pub fn may_log_in_over_clear_text(&self) -> bool {
        self.auth_over_clear_text || (self.tls == TlsMode::Never && self.is_on_loopback())
    }
}
