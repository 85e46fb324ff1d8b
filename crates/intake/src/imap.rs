//! A mailbox, by IMAP (RFC 3501): what lies in a folder is read and kept for good, and only then filed.
//!
//! Nothing is remembered here: what has been read is told by the mailbox itself, by where a message lies or how it is
//! marked. So a message whose filing was interrupted is read again, is known then, and is filed.

mod conversation;
mod fault;
mod folder;
mod login;
mod mailbox;
mod opening;
mod pause;
mod settings;
mod stream;
mod tls;
mod token;
mod watch;

pub use fault::ImapFault;
pub use folder::{FolderName, NoFolderName};
pub use opening::{Looked, look};
pub use settings::{ImapSettings, Proof, TlsMode, WhenDone};
pub use tls::{Trust, TrustError};
pub use token::TokenSource;
pub use watch::run;

#[cfg(test)]
mod tests;
