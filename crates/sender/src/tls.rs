//! TLS for connections to relays: at least 1.2 (RFC 8996), certificates checked unless that is expressly not wanted.

mod unchecked;
pub(crate) mod words;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::sync::{Arc, LazyLock, OnceLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whose certificates a relay may show, and which one we show. Its clones share what is made of it at the first
/// connection.
#[derive(Clone, Debug)]
pub struct Trust {
    check: Check,
    ours: Option<Arc<CertifiedKey>>,
    made: Arc<OnceLock<Arc<ClientConfig>>>,
}

/// How a relay's certificate is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Check {
    SystemRoots,
    Roots(Vec<CertificateDer<'static>>),
    None,
}

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// No certificate in the text.
    #[error("there is no certificate in it: it must be in PEM format, -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// No private key in the text.
    #[error("there is no private key in it: it must be in PEM format, -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// A certificate that cannot be a root.
    #[error("one of its certificates cannot be read: {0}")]
    Unusable(rustls::Error),
    /// The key does not fit, or is of a kind that is not known.
    #[error("certificate and key do not belong together, or the key is of an unknown kind: {0}")]
    Mismatch(rustls::Error),
}

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

impl Default for Trust {
    /// The system's roots.
    fn default() -> Self {
        Trust::new(Check::SystemRoots)
    }
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        let cert = |trust: &Trust| trust.ours.as_ref().map(|ours| ours.cert.clone());
        self.check == other.check && cert(self) == cert(other)
    }
}

impl Trust {
    fn new(check: Check) -> Trust {
        Trust {
            check,
            ours: None,
            made: Arc::default(),
        }
    }

    /// These roots, in PEM format, instead of the system's.
    pub fn roots(pem: &[u8]) -> Result<Trust, TrustError> {
        let roots = certificates(pem)?;
        let mut store = rustls::RootCertStore::empty();
        for root in &roots {
            store.add(root.clone()).map_err(TrustError::Unusable)?;
        }
        Ok(Trust::new(Check::Roots(roots)))
    }

    /// Whatever certificate a relay shows: anybody in between can read along.
    pub fn unchecked() -> Trust {
        Trust::new(Check::None)
    }

    /// Shows this certificate to relays that ask for one; both in PEM format.
    pub fn showing(self, certificate: &[u8], key: &[u8]) -> Result<Trust, TrustError> {
        let chain = certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TrustError::NoKey)?;
        let ours = CertifiedKey::from_der(chain, key, &PROVIDER).map_err(TrustError::Mismatch)?;
        Ok(Trust {
            ours: Some(Arc::new(ours)),
            made: Arc::default(),
            ..self
        })
    }

    /// Whether certificates are checked.
    pub fn is_checked(&self) -> bool {
        self.check != Check::None
    }

    fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(self.made.get_or_init(|| Arc::new(self.make_config())))
    }

    fn make_config(&self) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
            .with_safe_default_protocol_versions()
            .expect("ring supports the default protocol versions, 1.2 and 1.3");
        let builder = match &self.check {
            Check::None => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(unchecked::Unchecked(Arc::clone(&PROVIDER)))),
            Check::SystemRoots => builder.with_root_certificates(system_roots()),
            Check::Roots(certificates) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add_parsable_certificates(certificates.iter().cloned());
                builder.with_root_certificates(roots)
            }
        };
        match &self.ours {
            None => builder.with_no_client_auth(),
            Some(ours) => {
                let ours = SingleCertAndKey::from(Arc::clone(ours));
                builder.with_client_cert_resolver(Arc::new(ours))
            }
        }
    }

    /// Shakes hands and checks that the certificate is `host`'s. The error is a sentence.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        host: &str,
    ) -> Result<TlsStream<TcpStream>, String> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| format!("`{host}` can be in no certificate: write a host name into url"))?;
        TlsConnector::from(self.config())
            .connect(name, stream)
            .await
            .map_err(|error| words::of_io(&error, host))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found
        .ok()
        .filter(|found| !found.is_empty())
        .ok_or(TrustError::NoCertificate)
}

fn system_roots() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    // A root that does not parse is passed over; without any, every handshake fails and says so.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
