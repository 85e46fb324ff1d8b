//! Faults of a mailbox, each in one sentence that says what to do.

use crate::IntakeError;
use async_imap::imap_proto::Outcome;
use std::time::Duration;

/// Why a mailbox cannot be read just now.
#[derive(Debug, thiserror::Error)]
pub enum ImapFault {
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The TLS handshake failed, or STARTTLS is required and not offered.
    #[error("no TLS: {0}")]
    Tls(String),
    /// The server does not let us in.
    #[error("cannot log in: {0}")]
    Login(String),
    /// The server said no.
    #[error("{step} answered `{reply}`{}", advice_for_refusal(.step))]
    Refused {
        /// What was asked for.
        step: &'static str,
        /// The server's words.
        reply: String,
    },
    /// The folder can be read and not changed.
    #[error(
        "the folder may only be read, so nothing in it can be filed: give the user the rights to change it, or name \
         another folder in url"
    )]
    ReadOnly,
    /// The server ended the connection.
    #[error("the server ended the connection at {step}{}", said(.words))]
    Closed {
        /// What was asked for.
        step: &'static str,
        /// What it said before.
        words: Option<String>,
    },
    /// The connection broke.
    #[error("the connection broke at {step}: {why}")]
    Broken {
        /// What was asked for.
        step: &'static str,
        /// The system's words.
        why: String,
    },
    /// No answer in time.
    #[error("no answer to {step} within {} s{}", .limit.as_secs(), advice_for_silence(.step))]
    TimedOut {
        /// What was asked for.
        step: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// An answer that is longer than any should be.
    #[error(
        "the answer to {0} is longer than any should be: look whether host and port in url are an IMAP server's"
    )]
    TooMuch(&'static str),
    /// Not IMAP.
    #[error("not an IMAP answer to {step} (`{said}`): look whether host and port in url are an IMAP server's{}", advice_for_silence(.step))]
    Garbled {
        /// What was asked for.
        step: &'static str,
        /// How it begins, readable.
        said: String,
    },
    /// What was read could not be kept. It stays where it is.
    #[error("what was read stays in the mailbox, for it could not be kept: {0}")]
    NotKept(#[from] IntakeError),
}

/// What is told of a server's words, in characters.
const EXCERPT: usize = 200;

/// A server's words, readable and short.
pub(super) fn excerpt(said: &str) -> String {
    let readable = |c: char| if c.is_control() { ' ' } else { c };
    said.trim().chars().take(EXCERPT).map(readable).collect()
}

/// The words of an answer.
pub(super) fn words(outcome: &Outcome<'_>) -> String {
    excerpt(outcome.information.as_deref().unwrap_or("no reason given"))
}

fn said(words: &Option<String>) -> String {
    words
        .as_ref()
        .map_or(String::new(), |words| format!(": `{words}`"))
}

fn advice_for_refusal(step: &str) -> &'static str {
    match step {
        "the greeting" => ": ask the server's operator whether it takes connections from this machine",
        "SELECT" => {
            ": write the name of a folder that is there behind the host in url, imaps://user@host/INBOX"
        }
        "CREATE" => {
            ": make the folder by hand, or write another done_folder (some servers have all folders below INBOX: \
             done_folder = \"INBOX.Tidings\")"
        }
        "MOVE" | "COPY" => ": look at the rights and the quota of the folder named in done_folder",
        _ => "",
    }
}

fn advice_for_silence(step: &str) -> &'static str {
    match step {
        "the greeting" => ": a server that expects TLS at once says nothing; write imaps:// for port 993",
        "TLS" => ": a server that begins in clear text says nothing; write imap:// for port 143",
        _ => "",
    }
}
