//! `url`: where a relay is, how the connection is protected, and who we are.

use anyhow::{bail, ensure};
use std::net::IpAddr;
use tidings_sender::relay::TlsMode;
use url::{Host, Url};

/// What a URL says.
pub(super) struct Place {
    pub host: String,
    pub port: u16,
    pub tls: TlsMode,
    /// Empty if there is none.
    pub user: String,
    pub password: Option<String>,
}

const WORDS: &str = "write smtps://user@host:465, smtp://user@host:587 or smtp://host:25";

/// The text is never shown: it may hold a password.
pub(super) fn parse(text: &str) -> anyhow::Result<Place> {
    let Ok(url) = Url::parse(text) else {
        bail!("url is not a URL: {WORDS}")
    };
    let implicit = match url.scheme() {
        "smtps" => true,
        "smtp" => false,
        other => bail!("url has the scheme `{other}`: {WORDS}"),
    };
    let host = match url.host() {
        // The `smtp` scheme is not special to the parser, so an IPv4 address comes as a name.
        Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        _ => bail!("url has no host: {WORDS}"),
    };
    ensure!(
        matches!(url.path(), "" | "/") && url.fragment().is_none(),
        "url has something behind the port: {WORDS}"
    );
    let port = url.port().unwrap_or(if implicit { 465 } else { 25 });
    Ok(Place {
        tls: tls_mode(&url, implicit, port, &host)?,
        host,
        port,
        user: unescape(url.username()),
        password: url.password().map(unescape),
    })
}

fn unescape(text: &str) -> String {
    // A form's decoder reads `+` as a space and `&` as the next field; here they are themselves.
    let text = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(text.as_bytes())
        .map(|(key, _)| key.into_owned())
        .next()
        .unwrap_or_default()
}

fn tls_mode(url: &Url, implicit: bool, port: u16, host: &str) -> anyhow::Result<TlsMode> {
    let mut wish = None;
    for (key, value) in url.query_pairs() {
        ensure!(key == "tls", "url has the parameter `{key}`: only tls is known");
        wish = Some(value.into_owned());
    }
    Ok(match (implicit, wish.as_deref()) {
        (true, None) => TlsMode::Implicit,
        (true, Some(_)) => bail!("smtps:// is always encrypted: leave tls= away or write smtp://"),
        (false, Some("never")) => TlsMode::Never,
        (false, Some("required")) => TlsMode::StartTlsRequired,
        (false, Some("opportunistic")) => TlsMode::StartTlsIfOffered,
        (false, Some(other)) => bail!("url has tls={other}: it is required, opportunistic or never"),
        (false, None) if port == 465 => {
            bail!("url says smtp:// and port 465, where TLS begins at once: write smtps://")
        }
        // RFC 8314 section 3.3: submission is encrypted or does not happen.
        (false, None) if port == 587 => TlsMode::StartTlsRequired,
        // What stays on this machine needs no certificate.
        (false, None) if is_loopback(host) => TlsMode::Never,
        (false, None) => TlsMode::StartTlsIfOffered,
    })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
