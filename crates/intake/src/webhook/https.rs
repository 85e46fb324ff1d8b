//! The HTTPS of this program: for what SNS wants to be fetched, nothing else.

use super::certificates::Fetch;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

const PATIENCE: Duration = Duration::from_secs(10);
/// A certificate is two kilobytes.
const LONGEST: u64 = 64 * 1024;

/// Fetches by HTTPS alone, with the system's roots, follows no redirect.
#[derive(Debug, Default)]
pub struct Https {
    agent: OnceLock<Agent>,
}

impl Https {
    fn agent(&self) -> &Agent {
        self.agent.get_or_init(|| {
            let roots = rustls_native_certs::load_native_certs().certs;
            let roots: Vec<_> = roots
                .iter()
                .map(|root| Certificate::from_der(root).to_owned())
                .collect();
            let tls = TlsConfig::builder()
                .root_certs(RootCerts::new_with_certs(&roots))
                .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .build();
            Agent::config_builder()
                .https_only(true)
                .max_redirects(0)
                .timeout_global(Some(PATIENCE))
                .tls_config(tls)
                .build()
                .into()
        })
    }
}

impl Fetch for Https {
    fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        let mut response = self.agent().get(url).call().map_err(|error| error.to_string())?;
        if !response.status().is_success() {
            return Err(format!("the answer is {}", response.status()));
        }
        let body = response.body_mut().with_config().limit(LONGEST);
        body.read_to_vec().map_err(|error| error.to_string())
    }
}
