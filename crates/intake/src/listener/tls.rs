//! The listener's side of TLS: at least 1.2 (RFC 8996).

use super::session::Socket;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt;
use std::io;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// A certificate and its key, ready to be shown to clients.
#[derive(Clone)]
pub struct Identity {
    acceptor: TlsAcceptor,
}

/// Why a certificate cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No certificate in the text.
    #[error("there is no certificate in PEM format, -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// No private key in the text.
    #[error("there is no private key in PEM format, -----BEGIN PRIVATE KEY-----")]
    NoKey,
    /// The key does not fit, or is of a kind that is not known.
    #[error("certificate and key do not belong together, or the key is of an unknown kind: {0}")]
    Mismatch(rustls::Error),
}

impl Identity {
    /// A chain of certificates, the listener's own first, and its key; both in PEM format.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Identity, IdentityError> {
        let chain = certificates(chain).ok_or(IdentityError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityError::NoKey)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring supports the default protocol versions, 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(IdentityError::Mismatch)?;
        Ok(Identity {
            acceptor: TlsAcceptor::from(Arc::new(config)),
        })
    }

    pub(super) async fn encrypt(&self, socket: Socket) -> io::Result<Socket> {
        Ok(Box::new(self.acceptor.accept(socket).await?))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|found| !found.is_empty())
}
