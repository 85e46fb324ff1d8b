//! Section `[web]`.

use anyhow::Context;
use ipnet::IpNet;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebSection {
    listen: Option<String>,
    public_listen: Option<String>,
    #[serde(default)]
    trusted_proxies: Vec<String>,
}

/// The addresses of the pages.
#[derive(Clone, Debug)]
pub struct Web {
    /// `listen`, `TIDINGS_WEB_LISTEN`: the dashboard and the public pages.
    pub listen: SocketAddr,
    /// `public_listen`, `TIDINGS_WEB_PUBLIC_LISTEN`: the public pages alone.
    pub public_listen: Option<SocketAddr>,
    /// `trusted_proxies`, `TIDINGS_WEB_TRUSTED_PROXIES`: addresses or ranges of proxies that tell the visitor's address in
    /// X-Forwarded-For.
    pub trusted_proxies: Vec<IpNet>,
}

impl WebSection {
    pub(super) fn check(self) -> anyhow::Result<Web> {
        let read = |key: &str, text: String| {
            text.parse().with_context(|| {
                format!(
                    "section [web]: {key} = \"{text}\" is not an address with a port, such as 127.0.0.1:8025"
                )
            })
        };
        let default = SocketAddr::from(([127, 0, 0, 1], 8025));
        Ok(Web {
            listen: self
                .listen
                .map(|text| read("listen", text))
                .transpose()?
                .unwrap_or(default),
            public_listen: self
                .public_listen
                .map(|text| read("public_listen", text))
                .transpose()?,
            trusted_proxies: self
                .trusted_proxies
                .iter()
                .map(|text| range(text))
                .collect::<anyhow::Result<_>>()?,
        })
    }
}

fn range(text: &str) -> anyhow::Result<IpNet> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .with_context(|| {
            format!(
                "section [web]: trusted_proxies: \"{text}\" is no address and no range: write \"127.0.0.1\" or \"10.0.0.0/8\""
            )
        })
}
