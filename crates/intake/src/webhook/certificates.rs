//! The certificates that SNS signs with, kept after they were fetched once.

use std::collections::HashMap;
use std::sync::Arc;
use tidings_campaign::time::Timestamp;
use tokio::sync::Mutex;
use url::Url;
use x509_parser::pem::parse_x509_pem;

/// SNS changes its certificate about once a year.
const MOST: usize = 16;

/// Fetches what SNS names in its messages. [`Https`](super::Https) is the one of the program.
pub trait Fetch: Send + Sync + 'static {
    /// What is at the address; at most some kilobytes, within seconds. Called on a thread for blocking work.
    ///
    /// # Errors
    /// If it is not there. The text says why.
    fn fetch(&self, url: &str) -> Result<Vec<u8>, String>;
}

/// A certificate, as far as it is needed.
#[derive(Debug)]
pub(super) struct Certificate {
    /// `RSAPublicKey` (RFC 8017).
    pub(super) key: Vec<u8>,
    from: i64,
    to: i64,
}

impl Certificate {
    pub(super) fn is_valid(&self, now: Timestamp) -> bool {
        (self.from..=self.to).contains(&now.seconds())
    }

    fn read(pem: &[u8]) -> Option<Certificate> {
        let (_, pem) = parse_x509_pem(pem).ok()?;
        let read = pem.parse_x509().ok()?;
        Some(Certificate {
            key: read.public_key().subject_public_key.data.to_vec(),
            from: read.validity().not_before.timestamp(),
            to: read.validity().not_after.timestamp(),
        })
    }
}

pub(super) struct Certificates {
    fetch: Arc<dyn Fetch>,
    /// Held while one is fetched: whoever wants the same one waits for it, and nobody makes us fetch many at once.
    known: Mutex<HashMap<Url, Arc<Certificate>>>,
}

impl Certificates {
    pub(super) fn new(fetch: impl Fetch) -> Certificates {
        Certificates {
            fetch: Arc::new(fetch),
            known: Mutex::default(),
        }
    }

    /// The certificate at an address that has been checked.
    pub(super) async fn at(&self, url: &Url) -> Result<Arc<Certificate>, String> {
        let mut known = self.known.lock().await;
        if let Some(certificate) = known.get(url) {
            return Ok(Arc::clone(certificate));
        }
        let pem = self.fetch(url).await?;
        let certificate = Certificate::read(&pem).ok_or("there is no certificate at its address")?;
        let certificate = Arc::new(certificate);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(url.clone(), Arc::clone(&certificate));
        Ok(certificate)
    }

    pub(super) async fn fetch(&self, url: &Url) -> Result<Vec<u8>, String> {
        let (fetch, url) = (Arc::clone(&self.fetch), url.clone());
        let fetched = tokio::task::spawn_blocking(move || fetch.fetch(url.as_str())).await;
        fetched.map_err(|error| error.to_string())?
    }
}
