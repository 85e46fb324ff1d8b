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

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::{ServerConfig, ServerConnection};
    use std::net::TcpListener;

    /// A server with a certificate that nobody trusts; returns its port.
    fn untrusted_server() -> u16 {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut connection = ServerConnection::new(Arc::new(config.clone())).unwrap();
                let _ = connection.complete_io(&mut stream);
            }
        });
        port
    }

    #[test]
    fn nothing_is_fetched_in_clear_text_or_from_whom_nobody_vouches_for() {
        let (https, port) = (Https::default(), untrusted_server());
        let fault = https
            .fetch(&format!("https://localhost:{port}/a.pem"))
            .unwrap_err();
        assert!(fault.contains("certificate"), "{fault}");
        let fault = https
            .fetch(&format!("http://localhost:{port}/a.pem"))
            .unwrap_err();
        assert!(fault.contains("https"), "{fault}");
    }
}
