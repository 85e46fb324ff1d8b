//! TLS for connections to mailboxes: at least 1.2 (RFC 8996), certificates are checked always.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, InvalidMessage, RootCertStore};
use std::io;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whose certificates a server may show. Its clones share what is made of it at the first connection.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The system's roots if there are none.
    roots: Option<Arc<RootCertStore>>,
    made: Arc<OnceLock<Arc<ClientConfig>>>,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// No certificate in the text.
    #[error("there is no certificate in it: it must be in PEM format, -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// A certificate that cannot be a root.
    #[error("one of its certificates cannot be read: {0}")]
    Unusable(Error),
}

impl Trust {
    /// These roots, in PEM format, instead of the system's.
    pub fn roots(pem: &[u8]) -> Result<Trust, TrustError> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let found = found.ok().filter(|found| !found.is_empty());
        let mut roots = RootCertStore::empty();
        for root in found.ok_or(TrustError::NoCertificate)? {
            roots.add(root).map_err(TrustError::Unusable)?;
        }
        Ok(Trust {
            roots: Some(Arc::new(roots)),
            made: Arc::default(),
        })
    }

    fn config(&self) -> Arc<ClientConfig> {
        let make = || {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let roots = self.roots.clone().unwrap_or_else(|| Arc::new(system_roots()));
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("ring supports the default protocol versions, 1.2 and 1.3")
                .with_root_certificates(roots)
                .with_no_client_auth();
            Arc::new(config)
        };
        Arc::clone(self.made.get_or_init(make))
    }

    /// Shakes hands and checks that the certificate is `host`'s. The error is a sentence.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> Result<TlsStream<TcpStream>, String> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("`{host}` can be in no certificate: write a host name into url"))?;
        TlsConnector::from(self.config())
            .connect(name, stream)
            .await
            .map_err(|error| words(&error, host))
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A root that does not parse is passed over; without any, every handshake fails and says so.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn words(error: &io::Error, host: &str) -> String {
    let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                "the server closed the connection during the handshake: look whether the port is right"
                    .to_owned()
            }
            _ => error.to_string(),
        };
    };
    match inner {
        Error::InvalidCertificate(why) => of_certificate(why, host),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server does not answer in TLS: write imap:// instead of imaps:// if this port begins in clear text \
             (143), or look whether the port is right"
                .to_owned()
        }
        Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure)
        | Error::PeerIncompatible(_) => {
            format!("the server offers nothing that is safe enough, at least TLS 1.2 is needed: ask its operator ({inner})")
        }
        other => other.to_string(),
    }
}

fn of_certificate(why: &CertificateError, host: &str) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired: its operator must renew it".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet: look whether this machine's clock is right".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the server's certificate is not for {host}: write the name that it is for into url ({why})")
        }
        CertificateError::UnknownIssuer => {
            "the server's certificate was issued by nobody who is trusted here: set ca_file to the PEM file of its \
             issuer (for a certificate that is its own issuer, to that certificate)"
                .to_owned()
        }
        // A certificate that is its own issuer and says that it is an authority.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "the server shows the certificate of an authority as its own: its operator must make a proper one, which \
             says CA:FALSE"
                .to_owned()
        }
        other => format!("the server's certificate is not acceptable: {other}"),
    }
}
