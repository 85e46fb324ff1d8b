//! Faults of a relay, each in one sentence that says what to do.

use std::time::Duration;

/// A fault of the relay, not of a recipient: it is put aside for a while.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayFault {
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The TLS handshake failed, or STARTTLS is required and not offered.
    #[error("no TLS: {0}")]
    Tls(String),
    /// No credentials, or none that this relay takes.
    #[error("cannot log in: {0}")]
    Login(String),
    /// The relay said no at a step that has nothing to do with a recipient.
    #[error("{step} answered {reply}{}", advice_for_refusal(.step, .reply))]
    Refused {
        /// The command.
        step: &'static str,
        /// The relay's words.
        reply: String,
    },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The relay closed the connection when a reply was due.
    #[error("the relay closed the connection instead of answering {step}{}", advice_for_closing(.step))]
    Closed {
        /// The command.
        step: &'static str,
    },
    /// No answer in time.
    #[error("no answer to {step} within {} s{}", .limit.as_secs(), advice_for_silence(.step))]
    TimedOut {
        /// The command.
        step: &'static str,
        /// The time-out (RFC 5321 section 4.5.3.2).
        limit: Duration,
    },
    /// Not SMTP.
    #[error("not an SMTP reply to {step} (`{said}`): look whether host and port in url are an SMTP server's")]
    Garbled {
        /// The command.
        step: &'static str,
        /// How it begins, readable.
        said: String,
    },
}

/// What is told of an answer that is not SMTP, in characters.
const EXCERPT: usize = 40;

impl RelayFault {
    pub(crate) fn garbled(step: &'static str, said: &[u8]) -> RelayFault {
        let said = String::from_utf8_lossy(said);
        let readable = |c: char| if c.is_control() { ' ' } else { c };
        RelayFault::Garbled {
            step,
            said: said.trim_ascii().chars().take(EXCERPT).map(readable).collect(),
        }
    }
}

fn advice_for_refusal(step: &str, reply: &str) -> &'static str {
    match (step, reply.get(..3).unwrap_or_default()) {
        (_, "421") => "",
        ("the greeting", _) => ": ask the relay's operator whether it takes mail from this machine",
        ("EHLO" | "HELO", _) => {
            ": set hello to this machine's full host name, with DNS entries in both directions"
        }
        ("STARTTLS", _) => {
            ": its TLS is out of order; ask its operator, or write ?tls=never behind the url if clear text is acceptable"
        }
        ("AUTH", "454") => ": the relay cannot check logins just now; nothing is to be done here",
        ("AUTH", "504" | "534") => ": set auth to a mechanism that the relay takes: plain, login or xoauth2",
        ("AUTH", _) => ": check the user in url and its password or token",
        ("MAIL", "530") => ": the relay wants a login; write smtp://user@… into url and add password_file",
        ("MAIL" | "RCPT" | "DATA", "500" | "501" | "502" | "503" | "504" | "555") => {
            ": the relay seems not to support what it announces; leave it out with \
             without = [\"dsn\", \"size\", \"8bitmime\", \"smtputf8\", \"pipelining\"] or what of these `tidings relay test` names"
        }
        ("MAIL", code) if code.starts_with('5') => {
            ": the relay does not take this sender; ask its operator to allow the domain of [mail] return_path_domain"
        }
        _ => "",
    }
}

fn advice_for_closing(step: &str) -> &'static str {
    match step {
        "the greeting" => {
            ": it may not take connections from this machine, or it expects TLS at once (smtps://, port 465)"
        }
        "EHLO" | "HELO" => {
            ": it may want another name in hello, or not take connections from this machine; ask its operator"
        }
        "AUTH" => ": check the user in url and its password or token",
        _ => "",
    }
}

fn advice_for_silence(step: &str) -> &'static str {
    match step {
        "the greeting" => {
            ": a relay that expects TLS at once says nothing; write smtps:// for port 465, or look whether the port is right"
        }
        "TLS" => ": a relay that begins in clear text says nothing; write smtp:// for port 587 or 25",
        "EHLO" | "AUTH" | "MAIL" => ": the relay is overloaded or out of order; ask its operator",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_not_smtp_is_shown_readable_and_short() {
        let fault = RelayFault::garbled(
            "the greeting",
            &[b"HTTP/1.1 400 Bad\r\n".as_slice(), &[b'x'; 900]].concat(),
        );
        let text = fault.to_string();
        assert!(
            text.contains("`HTTP/1.1 400 Bad  xxx") && text.len() < 160,
            "{text}"
        );
    }
}
