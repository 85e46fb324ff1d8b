//! One relay: where it is, how it is talked to, and how it fares.

use crate::connection::Extension;
use crate::pace::{Pace, Rate, Wait};
use crate::timeouts::Timeouts;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

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
    /// Connections at once, at most.
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

/// A relay at work.
#[derive(Debug)]
pub struct Relay {
    /// As configured.
    pub settings: RelaySettings,
    pace: Pace,
    // Held for a few instructions, never across an await.
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    faults_in_a_row: u32,
    aside_until: Option<Instant>,
    last_fault: Option<String>,
    held_up_by: Option<(Rate, Instant)>,
}

/// The shortest and the longest time that a relay is put aside after faults.
const ASIDE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

impl Relay {
    /// A relay that has had no faults yet.
    pub fn new(settings: RelaySettings) -> Relay {
        let pace = Pace::new(&settings.rates);
        Relay {
            settings,
            pace,
            health: Mutex::new(Health::default()),
        }
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        // The guarded values are plain; a panic elsewhere cannot leave them half changed.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one message pass, or says how long to wait.
    pub fn try_pass(&self) -> Result<(), Wait> {
        let outcome = self.pace.try_pass();
        if let Err(wait) = &outcome {
            self.health().held_up_by = Some((wait.rate, Instant::now()));
        }
        outcome
    }

    /// Counts a fault. Faults that many sessions meet at the same time count once.
    pub fn put_aside(&self, fault: &RelayFault) {
        let mut health = self.health();
        let now = Instant::now();
        health.last_fault = Some(fault.to_string());
        if health.aside_until.is_some_and(|until| now < until) {
            return;
        }
        let doublings = health.faults_in_a_row.min(10);
        health.faults_in_a_row += 1;
        health.aside_until = Some(now + (ASIDE.0 * 2_u32.pow(doublings)).min(ASIDE.1));
        tracing::warn!(relay.name = %self.settings.name, faults = health.faults_in_a_row, "relay put aside: {fault}");
    }

    /// It works.
    pub fn works(&self) {
        let mut health = self.health();
        if health.faults_in_a_row > 0 {
            tracing::info!(relay.name = %self.settings.name, "relay works again");
        }
        health.faults_in_a_row = 0;
        health.aside_until = None;
        health.last_fault = None;
    }

    /// How long it is still put aside.
    pub fn aside_for(&self) -> Option<Duration> {
        self.health()
            .aside_until
            .and_then(|until| until.checked_duration_since(Instant::now()))
    }

    /// What keeps this relay from going faster just now, in words.
    pub fn binding_limit(&self) -> Option<String> {
        let name = &self.settings.name;
        let aside = self.aside_for();
        let health = self.health();
        if let (Some(fault), Some(span)) = (&health.last_fault, aside) {
            return Some(format!(
                "relay {name} is put aside, next try in {:.0} s: {fault}",
                span.as_secs_f64().ceil()
            ));
        }
        match health.held_up_by {
            Some((rate, when)) if when.elapsed() < Duration::from_secs(2) => {
                Some(format!("relay {name}: {rate}"))
            }
            _ => None,
        }
    }
}
