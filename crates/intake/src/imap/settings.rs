//! One mailbox, as it was configured and checked.

use super::folder::FolderName;
use super::tls::Trust;
use super::token::TokenSource;
use secrecy::SecretString;
use std::time::Duration;

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// TLS from the first octet (RFC 8314).
    Implicit,
    /// STARTTLS, or no conversation.
    StartTls,
    /// Clear text, by explicit wish or on loopback.
    Never,
}

/// What proves that we are the user.
#[derive(Clone, Debug)]
pub enum Proof {
    /// By LOGIN or PLAIN.
    Password(SecretString),
    /// By XOAUTH2.
    Token(TokenSource),
}

/// What becomes of a message that was understood, once that is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhenDone {
    /// It is moved into this folder, which is made if it is not there.
    Move(FolderName),
    /// It stays, marked as read and done.
    Flag,
    /// It is deleted.
    Delete,
}

/// A mailbox: where it is, who we are, and what becomes of what was read.
#[derive(Clone, Debug)]
pub struct ImapSettings {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: TlsMode,
    /// Whose certificates count.
    pub trust: Trust,
    /// The user name.
    pub user: String,
    /// What proves that we are the user.
    pub proof: Proof,
    /// The folder that is read.
    pub folder: FolderName,
    /// What becomes of a message that was understood.
    pub done: WhenDone,
    /// So long passes at most from one look into the folder to the next; at most [`ImapSettings::LONGEST_POLL`].
    pub poll: Duration,
}

impl ImapSettings {
    /// So long passes from one look to the next if nothing else is said.
    pub const POLL: Duration = Duration::from_secs(120);
    /// Servers may end a connection that was idle for 30 minutes (RFC 2177 advises to speak before 29).
    pub const LONGEST_POLL: Duration = Duration::from_secs(25 * 60);

    /// What it is called in warnings: user, host and folder.
    pub fn name(&self) -> String {
        format!("{} of {} at {}", self.folder, self.user, self.host)
    }
}
