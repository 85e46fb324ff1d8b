//! What was found out about one relay, and how it is shown.

use crate::output;
use serde::Serialize;
use std::time::Duration;
use tidings_campaign::time::Timestamp;
use tidings_sender::certificate::Certificate;
use tidings_sender::connection::{Announced, Connection};
use tidings_sender::relay::{RelaySettings, TlsMode};
use tidings_sender::timeouts::Timeouts;

/// What was found out about one relay.
#[derive(Serialize)]
pub struct Finding {
    /// The relay's name.
    pub relay: String,
    /// `host:port`.
    pub address: String,
    /// Everything was as it should be.
    pub works: bool,
    /// Why it does not work, one sentence.
    pub fault: Option<String>,
    /// How it greeted.
    pub greeting: Option<String>,
    /// The connection was encrypted.
    pub encrypted: bool,
    /// By which version of TLS.
    pub tls: Option<String>,
    /// What it showed.
    pub certificate: Option<ShownCertificate>,
    /// How we logged in.
    pub auth: Option<String>,
    /// The lines of its EHLO reply.
    pub announces: Vec<String>,
    /// It takes several commands at once.
    pub pipelining: bool,
    /// It takes umlauts as they are.
    pub eight_bit_mime: bool,
    /// It takes addresses with umlauts.
    pub smtp_utf8: bool,
    /// It can be asked for reports.
    pub dsn: bool,
    /// Octets of a message at most.
    pub size: Option<usize>,
    /// What deserves a word though it works.
    pub hints: Vec<String>,
    /// What was said before a fault, secrets masked.
    pub transcript: Option<String>,
}

/// What a certificate says of itself.
#[derive(Serialize)]
pub struct ShownCertificate {
    subject: String,
    issuer: String,
    expires: String,
    names: Vec<String>,
}

impl From<Certificate> for ShownCertificate {
    fn from(certificate: Certificate) -> Self {
        ShownCertificate {
            subject: certificate.subject,
            issuer: certificate.issuer,
            expires: certificate.expires.to_string(),
            names: certificate.names,
        }
    }
}

/// A certificate that ends sooner deserves a word.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

impl Finding {
    /// Nothing is known yet but what the settings say.
    pub fn of(relay: &RelaySettings) -> Finding {
        let mut hints = Vec::new();
        if relay.timeouts.final_dot < Timeouts::LEAST_FINAL_DOT {
            hints.push(format!(
                "timeouts.final_dot is {} s: below 10 minutes, messages that a slow relay still accepts end as unknown",
                relay.timeouts.final_dot.as_secs()
            ));
        }
        if !relay.trust.is_checked() {
            hints.push(
                "certificate_check is none: anybody in between can read along and take the password"
                    .to_owned(),
            );
        }
        Finding {
            relay: relay.name.clone(),
            address: format!("{}:{}", relay.host, relay.port),
            works: false,
            fault: None,
            greeting: None,
            encrypted: false,
            tls: None,
            certificate: None,
            auth: None,
            announces: Vec::new(),
            pipelining: false,
            eight_bit_mime: false,
            smtp_utf8: false,
            dsn: false,
            size: None,
            hints,
            transcript: None,
        }
    }

    /// Takes over what an open connection shows.
    pub fn describe(&mut self, connection: &Connection, relay: &RelaySettings, now: Timestamp) {
        let announced = *connection.announced();
        self.greeting = Some(connection.greeting().to_owned());
        self.encrypted = connection.is_encrypted();
        self.tls = connection.tls_version();
        self.auth = connection.mechanism().map(|mechanism| mechanism.to_string());
        let lines = connection.announcement().lines().skip(1);
        self.announces = lines.map(|line| line.trim().to_owned()).collect();
        self.pipelining = announced.pipelining;
        self.eight_bit_mime = announced.eight_bit_mime;
        self.smtp_utf8 = announced.smtp_utf8;
        self.dsn = announced.dsn;
        self.size = announced.size;
        if let Some(certificate) = connection.certificate() {
            let left = certificate.expires.since(now);
            if left < SOON {
                self.hint(format!(
                    "the certificate expires on {}, in {} days: see that it is renewed",
                    certificate.expires,
                    left.as_secs() / (24 * 3600)
                ));
            }
            self.certificate = Some(certificate.into());
        }
        self.hint_at_extensions(announced);
        if !self.encrypted && relay.login.is_some() && !relay.is_on_loopback() {
            self.hint("not encrypted: anybody on the way can read the messages and the password".to_owned());
        } else if !self.encrypted && !relay.is_on_loopback() {
            self.hint("not encrypted: anybody on the way can read the messages".to_owned());
        } else if relay.tls == TlsMode::StartTlsIfOffered && self.encrypted {
            self.hint(
                "encrypted because it was offered: ?tls=required behind the url makes sure of it".to_owned(),
            );
        }
    }

    fn hint_at_extensions(&mut self, announced: Announced) {
        for (there, hint) in [
            (
                announced.pipelining,
                "no PIPELINING: every message takes four round trips instead of one",
            ),
            (
                announced.eight_bit_mime,
                "no 8BITMIME: messages with umlauts are encoded, which makes them larger",
            ),
        ] {
            if !there {
                self.hint(hint.to_owned());
            }
        }
    }

    fn hint(&mut self, hint: String) {
        self.hints.push(hint);
    }

    /// Whose certificate it was, in one line.
    pub fn certificate_in_words(&self) -> Option<String> {
        let certificate = self.certificate.as_ref()?;
        Some(format!(
            "{} ({}), issued by {}, expires {}",
            certificate.names.join(", "),
            certificate.subject,
            certificate.issuer,
            certificate.expires
        ))
    }

    /// For people.
    pub fn print(&self) -> anyhow::Result<()> {
        output::line(format!("relay {} at {}", self.relay, self.address))?;
        match (&self.fault, &self.greeting) {
            (Some(fault), _) => output::line(format!("  does not work: {fault}"))?,
            (None, greeting) => {
                output::line(format!("  works: {}", greeting.as_deref().unwrap_or_default()))?
            }
        }
        if let Some(version) = &self.tls {
            output::line(format!("  encrypted with {version}"))?;
        }
        if let Some(certificate) = self.certificate_in_words() {
            output::line(format!("  certificate of {certificate}"))?;
        }
        if let Some(mechanism) = &self.auth {
            output::line(format!("  logged in with AUTH {mechanism}"))?;
        }
        if !self.announces.is_empty() {
            output::line(format!("  announces {}", self.announces.join(", ")))?;
        }
        for hint in &self.hints {
            output::line(format!("  note: {hint}"))?;
        }
        match &self.transcript {
            None => Ok(()),
            Some(transcript) => transcript
                .lines()
                .try_for_each(|line| output::line(format!("    {line}"))),
        }
    }
}
