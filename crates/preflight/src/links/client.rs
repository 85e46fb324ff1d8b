//! One address, asked by HTTP: HEAD first, GET where that is refused; redirects are followed one by one, each looked at first.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidings_campaign::preflight::{Answer, Outcome, reach};
use ureq::config::Config;
use ureq::http::{Response, Uri, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::typestate::WithoutBody;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body, Error, RequestBuilder};
use url::Url;

/// For one request with its answer's header. Of a body nothing is read: the connection is closed.
const PATIENCE: Duration = Duration::from_secs(10);
/// For one address with all its requests: HEAD, GET and redirects.
const LONGEST: Duration = Duration::from_secs(30);
/// Redirects that are followed.
const MOST_REDIRECTS: u32 = 10;
const LONGEST_HEADER: usize = 64 * 1024;

pub(super) struct Client {
    agent: Agent,
    allow_private: bool,
}

/// Looks names up, and leaves out what nobody outside could reach. The connection goes to one of the addresses that were looked at:
/// the name is not asked again, so that it cannot mean another host then.
#[derive(Debug)]
struct PublicOnly {
    system: DefaultResolver,
    allow_private: bool,
}

impl Resolver for PublicOnly {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.system.resolve(uri, config, timeout)?;
        let is_allowed = |address: &&SocketAddr| self.allow_private || reach::is_public(address.ip());
        let mut allowed = self.empty();
        for address in found.iter().filter(is_allowed) {
            allowed.push(*address);
        }
        match allowed.is_empty() {
            true => Err(Error::Other(Box::new(IsPrivate))),
            false => Ok(allowed),
        }
    }
}

#[derive(Debug)]
struct IsPrivate;

impl std::fmt::Display for IsPrivate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("its name leads into a private network, which is not asked")
    }
}

impl std::error::Error for IsPrivate {}

impl Client {
    pub(super) fn new(allow_private: bool) -> Client {
        let roots = rustls_native_certs::load_native_certs().certs;
        let roots: Vec<_> = roots
            .iter()
            .map(|root| Certificate::from_der(root).to_owned())
            .collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let config = Agent::config_builder()
            .max_redirects(0)
            .http_status_as_error(false)
            .max_response_header_size(LONGEST_HEADER)
            .max_idle_connections(0)
            // A proxy would look names up itself.
            .proxy(None)
            .user_agent("Tidings (link check of a newsletter)")
            .tls_config(tls)
            .build();
        let resolver = PublicOnly {
            system: DefaultResolver::default(),
            allow_private,
        };
        Client {
            agent: Agent::with_parts(config, DefaultConnector::default(), resolver),
            allow_private,
        }
    }

    /// Takes half a minute at most.
    pub(super) fn ask(&self, mut url: Url) -> Outcome {
        let until = Instant::now() + LONGEST;
        for redirects in 0..=MOST_REDIRECTS {
            let response = match self.head_or_get(&url, until) {
                Ok(response) => response,
                Err(Error::Timeout(_)) if Instant::now() >= until => {
                    return Outcome::Failed(format!("there was no answer within {} s", LONGEST.as_secs()));
                }
                Err(error) => return Outcome::Failed(in_words(&error)),
            };
            let Some(next) = leads_on(&response, &url) else {
                return Outcome::Answered(Answer {
                    status: response.status().as_u16(),
                    redirects,
                    size: length(&response),
                });
            };
            if !matches!(next.scheme(), "http" | "https") {
                return Outcome::Failed(format!("it leads on to {}:, which is no web page", next.scheme()));
            }
            if let Some(why) = reach::why_not_asked(&next, self.allow_private) {
                return Outcome::Failed(format!("it leads on to {next}, which is not asked: {why}"));
            }
            url = next;
        }
        Outcome::Failed(format!("it leads on and on, more than {MOST_REDIRECTS} times"))
    }

    /// Many servers do not know HEAD, or answer it otherwise than GET. Who does not answer at all is not waited for again.
    fn head_or_get(&self, url: &Url, until: Instant) -> Result<Response<Body>, Error> {
        match call(self.agent.head(url.as_str()), until) {
            Ok(response) if response.status().is_client_error() || response.status().is_server_error() => {
                call(self.agent.get(url.as_str()), until)
            }
            answered => answered,
        }
    }
}

/// Asks, until the moment or the end of our patience has come.
fn call(request: RequestBuilder<WithoutBody>, until: Instant) -> Result<Response<Body>, Error> {
    let left = until.saturating_duration_since(Instant::now());
    // Nothing would be no limit.
    let patience = left.clamp(Duration::from_millis(1), PATIENCE);
    request.config().timeout_global(Some(patience)).build().call()
}

fn leads_on(response: &Response<Body>, from: &Url) -> Option<Url> {
    if !response.status().is_redirection() {
        return None;
    }
    let place = response.headers().get(header::LOCATION)?;
    from.join(place.to_str().ok()?).ok()
}

fn length(response: &Response<Body>) -> Option<u64> {
    response
        .headers()
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

fn unknown_name() -> String {
    "the DNS does not know its name, or does not answer".to_owned()
}

fn in_words(error: &Error) -> String {
    match error {
        Error::Io(error) if error.to_string().contains("lookup address") => unknown_name(),
        Error::HostNotFound => unknown_name(),
        Error::Timeout(_) => format!("there was no answer within {} s", PATIENCE.as_secs()),
        Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "the connection was refused".to_owned()
        }
        Error::Io(error) => error.to_string().trim_end_matches('.').to_owned(),
        error => error.to_string().trim_end_matches('.').to_owned(),
    }
}
