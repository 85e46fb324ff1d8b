//! What went wrong with TLS, in one sentence that says what to do.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};
use std::io;
use tidings_campaign::time::Timestamp;

/// The sentence for an error of a handshake with `host`.
pub(crate) fn of_io(error: &io::Error, host: &str) -> String {
    match inner(error) {
        Some(error) => of(error, host),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the relay closed the connection during the handshake: look whether the port is right, or whether it wants a \
             client certificate"
                .to_owned()
        }
        None => error.to_string(),
    }
}

/// The sentence for an alert that the relay sent later, if the error is one. With TLS 1.3 it objects to a client
/// certificate only after the handshake.
pub(crate) fn of_alert(error: &io::Error) -> Option<String> {
    match inner(error)? {
        Error::AlertReceived(alert) => Some(of_received(*alert)),
        _ => None,
    }
}

fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn of(error: &Error, host: &str) -> String {
    match error {
        Error::InvalidCertificate(why) => of_certificate(why, host),
        Error::AlertReceived(alert) => of_received(*alert),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the relay does not answer in TLS: write smtp:// instead of smtps:// if this port begins in clear text \
             (587, 25), or look whether the port is right"
                .to_owned()
        }
        Error::PeerIncompatible(_) => {
            format!("the relay offers nothing that is safe enough, at least TLS 1.2 is needed: ask its operator ({error})")
        }
        Error::NoCertificatesPresented => "the relay shows no certificate: ask its operator".to_owned(),
        other => other.to_string(),
    }
}

fn of_certificate(why: &CertificateError, host: &str) -> String {
    match why {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!(
                "the relay's certificate expired on {}: its operator must renew it",
                day(not_after.as_secs())
            )
        }
        CertificateError::Expired => "the relay's certificate has expired: its operator must renew it".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!(
                "the relay's certificate is valid only from {}: look whether this machine's clock is right",
                day(not_before.as_secs())
            )
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names = if presented.is_empty() {
                "for no name at all".to_owned()
            } else {
                let names: Vec<&str> = presented.iter().take(5).map(|name| name_of(name)).collect();
                format!("for {}", names.join(", "))
            };
            format!("the relay's certificate is not for {host} but {names}: write such a name into url")
        }
        CertificateError::UnknownIssuer => {
            "the relay's certificate was issued by nobody who is trusted here: set ca_file to the PEM file of its \
             issuer (for a certificate that is its own issuer, to that certificate)"
                .to_owned()
        }
        CertificateError::Revoked => "the relay's certificate was revoked: its operator must replace it".to_owned(),
        // A certificate that is its own issuer and says that it is an authority.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "the relay shows the certificate of an authority as its own: its operator must make a proper one, or \
             set certificate_check = \"none\" if nobody can be in between"
                .to_owned()
        }
        other => format!("the relay's certificate is not acceptable: {other}"),
    }
}

fn of_received(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired => format!(
            "the relay wants a client certificate that it knows ({alert:?}): set client_certificate and client_key"
        ),
        AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure => format!(
            "the relay and this program have no TLS version or cipher in common ({alert:?}): at least TLS 1.2 is needed"
        ),
        AlertDescription::UnrecognisedName => {
            "the relay does not know itself by the host name in url: ask its operator for the right one"
                .to_owned()
        }
        other => format!("the relay ended the handshake ({other:?}): ask its operator"),
    }
}

/// `DnsName("mail.example.com")` as rustls has it, without the wrapping.
fn name_of(presented: &str) -> &str {
    presented.split('"').nth(1).unwrap_or(presented)
}

fn day(seconds: u64) -> String {
    let when = Timestamp::from_seconds(i64::try_from(seconds).unwrap_or(i64::MAX / 2_000_000));
    when.to_string().chars().take(10).collect()
}
