//! Asking the DNS: who takes a domain's mail, and what a sender's domain publishes.

mod mail_domain;
mod sender_domain;

pub use mail_domain::TakesMail;
pub use sender_domain::{Role, look_at};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Whom to ask, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// The servers; the system's if there are none here.
    pub servers: Vec<SocketAddr>,
    /// What has no answer by then has none.
    pub timeout: Duration,
}

/// Why the DNS gave no answer. That there is no such record is an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody to ask.
    #[error("the DNS cannot be asked: {0}; write [dns] servers = [\"192.0.2.53:53\"] into tidings.toml")]
    NoServer(String),
    /// Nothing came, or nothing of use.
    #[error("the DNS gave no answer about {name}: {why}")]
    Failed {
        /// What was asked for.
        name: String,
        /// As the library says it.
        why: String,
    },
}

/// A host that takes a domain's mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mx {
    /// The lowest is asked first.
    pub preference: u16,
    /// Its name; empty if the domain says that it takes no mail (RFC 7505).
    pub host: String,
}

/// Asks the DNS. Cloning shares its connections and its memory of answers.
#[derive(Clone)]
pub struct Resolver {
    resolver: TokioResolver,
    timeout: Duration,
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    /// Nothing is asked yet.
    pub fn new(settings: &DnsSettings) -> Result<Resolver, NoAnswer> {
        let cannot = |error: NetError| NoAnswer::NoServer(error.to_string());
        let mut builder = if settings.servers.is_empty() {
            TokioResolver::builder_tokio().map_err(cannot)?
        } else {
            let servers = settings.servers.iter().copied().map(server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        // Two tries within the time that there is.
        options.timeout = settings.timeout / 2;
        options.attempts = 1;
        options.use_hosts_file = ResolveHosts::Never;
        Ok(Resolver {
            resolver: builder.build().map_err(cannot)?,
            timeout: settings.timeout,
        })
    }

    /// The hosts that take a domain's mail; none if it names none or does not exist.
    pub async fn mx(&self, domain: &str) -> Result<Vec<Mx>, NoAnswer> {
        let found = self.ask(domain, RecordType::MX).await?;
        let mx = |data| match data {
            RData::MX(mx) => Some(Mx {
                preference: mx.preference,
                host: mx.exchange.to_ascii().trim_end_matches('.').to_owned(),
            }),
            _ => None,
        };
        Ok(found.into_iter().filter_map(mx).collect())
    }

    /// The texts at a name; none if there are none.
    pub async fn txt(&self, name: &str) -> Result<Vec<String>, NoAnswer> {
        let found = self.ask(name, RecordType::TXT).await?;
        let text = |data| match data {
            // One text may come in several pieces, with nothing between them (RFC 7208 section 3.3).
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        };
        Ok(found.into_iter().filter_map(text).collect())
    }

    /// Whether a name has an address.
    pub async fn has_address(&self, name: &str) -> Result<bool, NoAnswer> {
        for kind in [RecordType::A, RecordType::AAAA] {
            let found = self.ask(name, kind).await?;
            if found.iter().any(|data| data.record_type() == kind) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn ask(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, NoAnswer> {
        let failed = |why: String| NoAnswer::Failed {
            name: name.to_owned(),
            why,
        };
        let mut asked = Name::from_ascii(name).map_err(|error| failed(error.to_string()))?;
        // The system's search domains are for people's short names.
        asked.set_fqdn(true);
        match tokio::time::timeout(self.timeout, self.resolver.lookup(asked, kind)).await {
            Ok(Ok(found)) => Ok(found.answers().iter().map(|record| record.data.clone()).collect()),
            Ok(Err(error)) if is_none(&error) => Ok(Vec::new()),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed("it did not come in time".to_owned())),
        }
    }
}

/// The answer was that there is no such record, or no such name.
fn is_none(error: &NetError) -> bool {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => {
            matches!(none.response_code, ResponseCode::NoError | ResponseCode::NXDomain)
        }
        _ => false,
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let at = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let connections = vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())];
    NameServerConfig::new(address.ip(), true, connections)
}

/// Whether anything outside can be known of a name. Those that are for use at home (RFC 6761), single words and
/// addresses in place of names are nobody else's business.
pub fn may_be_asked(domain: &str) -> bool {
    const AT_HOME: [&str; 4] = ["test", "example", "invalid", "localhost"];
    let Some((_, last)) = domain.trim_end_matches('.').rsplit_once('.') else {
        return false;
    };
    let is_address = domain.starts_with('[') || domain.parse::<IpAddr>().is_ok();
    !is_address && !AT_HOME.iter().any(|home| last.eq_ignore_ascii_case(home))
}

#[cfg(test)]
mod tests {
    use super::may_be_asked;

    #[test]
    fn names_for_use_at_home_and_addresses_are_never_asked() {
        for domain in [
            "slow.test",
            "a.b.example",
            "nowhere.INVALID",
            "mail.localhost",
            "localhost",
            "intranet",
            "[192.0.2.1]",
            "[IPv6:2001:db8::1]",
            "192.0.2.1",
        ] {
            assert!(!may_be_asked(domain), "{domain}");
        }
        for domain in ["example.org", "news.example.com", "test.example.net"] {
            assert!(may_be_asked(domain), "{domain}");
        }
    }
}
