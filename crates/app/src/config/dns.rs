//! Section `[dns]`.

use super::duration;
use anyhow::{Context, ensure};
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tidings_dns::DnsSettings;

/// `enabled`, `TIDINGS_DNS_ENABLED`; `servers`, `TIDINGS_DNS_SERVERS`; `timeout`, `TIDINGS_DNS_TIMEOUT`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DnsSection {
    enabled: Option<bool>,
    #[serde(default)]
    servers: Vec<String>,
    timeout: Option<String>,
}

const DEFAULT_PORT: u16 = 53;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

impl DnsSection {
    /// `None`: the DNS is not asked.
    pub(super) fn check(self) -> anyhow::Result<Option<DnsSettings>> {
        let servers = self
            .servers
            .iter()
            .map(|text| server(text))
            .collect::<Result<_, _>>()?;
        let timeout = match &self.timeout {
            Some(text) => duration("dns", "timeout", text)?,
            None => DEFAULT_TIMEOUT,
        };
        ensure!(
            !timeout.is_zero(),
            "section [dns]: timeout must be longer than nothing"
        );
        Ok(self
            .enabled
            .unwrap_or(true)
            .then_some(DnsSettings { servers, timeout }))
    }
}

fn server(text: &str) -> anyhow::Result<SocketAddr> {
    let with_port = text.parse::<SocketAddr>();
    let alone = || Ok(SocketAddr::new(text.parse::<IpAddr>()?, DEFAULT_PORT));
    with_port
        .or_else(|_| alone())
        .map_err(|_: std::net::AddrParseError| anyhow::anyhow!("\"{text}\" is not an address"))
        .context(
            "section [dns]: servers is a list of addresses, such as [\"192.0.2.53\", \"127.0.0.1:5353\"]",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> anyhow::Result<Option<DnsSettings>> {
        toml::from_str::<DnsSection>(text)?.check()
    }

    #[test]
    fn servers_may_have_a_port() {
        let settings = section("servers = [\"192.0.2.53\", \"[::1]:5353\"]\ntimeout = \"2s\"")
            .unwrap()
            .unwrap();
        assert_eq!(
            settings
                .servers
                .iter()
                .map(SocketAddr::to_string)
                .collect::<Vec<_>>(),
            ["192.0.2.53:53", "[::1]:5353"]
        );
        assert_eq!(settings.timeout, Duration::from_secs(2));
        let error = section("servers = [\"ns.example.org\"]").unwrap_err();
        assert!(format!("{error:#}").contains("ns.example.org"), "{error:#}");
    }

    #[test]
    fn the_dns_is_asked_unless_that_is_forbidden() {
        assert_eq!(section("").unwrap().unwrap().servers, []);
        assert_eq!(section("enabled = false").unwrap(), None);
    }
}
