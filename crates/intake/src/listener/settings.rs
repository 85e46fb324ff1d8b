//! What is configured of a listener.

use super::recipients::Recipients;
use super::tls::Identity;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address and a port; port 0 takes a free one.
    Address(SocketAddr),
    /// A socket in the file system.
    Socket(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Address(address) => address.fmt(f),
            Place::Socket(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 5321.
    Smtp,
    /// RFC 2033: each recipient has an answer of its own after the content.
    Lmtp,
}

/// A listener, as it is configured.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// Where it listens.
    pub place: Place,
    /// What it speaks.
    pub protocol: Protocol,
    /// The name that it greets with.
    pub name: String,
    /// Whom it takes mail for.
    pub recipients: Recipients,
    /// The certificate that it shows; none: STARTTLS is not offered.
    pub identity: Option<Identity>,
    /// Whether mail is taken over TLS only. Means nothing without a certificate.
    pub tls_required: bool,
    /// How much it takes.
    pub bounds: Bounds,
}

/// How much a listener takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The octets of a message.
    pub message_size: usize,
    /// The sessions at once.
    pub sessions: usize,
    /// The sessions at once of one client: an IPv4 address, an IPv6 network of 64 bits, or this machine's socket.
    pub sessions_per_client: usize,
    /// The messages of one client; 0: as many as it likes.
    pub messages_per_minute: u32,
    /// The commands of a session since its last message that was taken.
    pub commands: u32,
    /// The commands of a session that were refused since its last message that was taken.
    pub errors: u32,
    /// How long a client may take for a command, and between two reads of a content.
    pub idle: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            message_size: 10 * 1024 * 1024,
            sessions: 200,
            sessions_per_client: 50,
            messages_per_minute: 6000,
            commands: 1000,
            errors: 50,
            // RFC 5321 section 4.5.3.2.7.
            idle: Duration::from_secs(300),
        }
    }
}

impl Bounds {
    /// The recipients of one message (RFC 5321 section 4.5.3.1.8 asks for so many).
    pub const RECIPIENTS: usize = 100;
}
