//! One relay: where it is, how it is talked to, and how it fares.

use crate::pace::{Pace, Rate, Wait};
use secrecy::SecretString;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

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

/// Who we say we are.
#[derive(Clone, Debug)]
pub struct Login {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: SecretString,
}

/// A relay as it was configured and checked.
#[derive(Clone, Debug)]
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
    /// Connections at once, at most.
    pub max_sessions: usize,
    /// All of them are kept.
    pub rates: Vec<Rate>,
    /// What EHLO says; a host name or an address literal.
    pub hello: String,
}

/// A fault of the relay, not of a recipient: it is put aside for a while.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayFault {
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The TLS handshake failed, or STARTTLS is required and not offered.
    #[error("no TLS: {0}")]
    Tls(String),
    /// The relay said no at a step that has nothing to do with a recipient.
    #[error("{step} answered {reply}")]
    Refused {
        /// The command.
        step: &'static str,
        /// The relay's words.
        reply: String,
    },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// No answer in time.
    #[error("no answer to {step} within {} s", .limit.as_secs())]
    TimedOut {
        /// The command.
        step: &'static str,
        /// The time-out (RFC 5321 section 4.5.3.2).
        limit: Duration,
    },
    /// Not SMTP.
    #[error("not an SMTP reply to {step}")]
    Garbled {
        /// The command.
        step: &'static str,
    },
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
