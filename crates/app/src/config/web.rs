//! Section `[web]`.

use anyhow::Context;
use ipnet::IpNet;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};

/// What may be uploaded where nothing is said, in octets.
pub(crate) const LARGEST_UPLOAD: u64 = 1 << 30;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebSection {
    listen: Option<String>,
    public_listen: Option<String>,
    #[serde(default)]
    trusted_proxies: Vec<String>,
    largest_upload: Option<String>,
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
    /// `largest_upload`, `TIDINGS_WEB_LARGEST_UPLOAD`: octets of a file that is uploaded to be imported.
    pub largest_upload: u64,
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
            largest_upload: self.largest_upload.as_deref().map_or(Ok(LARGEST_UPLOAD), size)?,
        })
    }
}

/// Reads `1 GiB`, `500 MiB` or `64 KiB`.
fn size(text: &str) -> anyhow::Result<u64> {
    let (number, unit) = text.trim().split_once(' ').unwrap_or((text, ""));
    let shift = match unit.trim() {
        "KiB" => Some(10),
        "MiB" => Some(20),
        "GiB" => Some(30),
        _ => None,
    };
    let number = number.parse::<u64>().ok().filter(|n| (1..=1 << 20).contains(n));
    number
        .zip(shift)
        .map(|(number, shift)| number << shift)
        .with_context(|| {
            format!(
                "section [web]: largest_upload = \"{text}\" is not a size, such as \"500 MiB\" or \"1 GiB\""
            )
        })
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
