//! Sections `[[relay]]`.

use anyhow::{Context, bail, ensure};
use secrecy::SecretString;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::PathBuf;
use tidings_sender::pace::Rate;
use tidings_sender::relay::{Login, RelaySettings, TlsMode};
use url::{Host, Url};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelaySection {
    name: String,
    url: String,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
    max_sessions: Option<usize>,
    rate: Option<Rates>,
    hello: Option<String>,
}

// By hand, because the URL may hold a password.
impl std::fmt::Debug for RelaySection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelaySection")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Rates {
    One(String),
    Many(Vec<String>),
}

/// Enough for one relay, and what most relays allow.
const DEFAULT_SESSIONS: usize = 20;

impl RelaySection {
    pub(super) fn check(self) -> anyhow::Result<RelaySettings> {
        let section = format!("section [[relay]] `{}`", self.name);
        let words = "write smtps://user@host:465, smtp://user@host:587 or smtp://host:25";
        // The text is not shown: it may hold a password.
        let Ok(url) = Url::parse(&self.url) else {
            bail!("{section}: url is not a URL: {words}")
        };
        let implicit = match url.scheme() {
            "smtps" => true,
            "smtp" => false,
            other => bail!("{section}: url has the scheme `{other}`: {words}"),
        };
        let Some(host) = url.host() else {
            bail!("{section}: url has no host: {words}")
        };
        let host = match host {
            // The `smtp` scheme is not special to the parser, so an IPv4 address comes as a name.
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let port = url.port().unwrap_or(if implicit { 465 } else { 25 });
        let tls = tls_mode(&url, implicit, port, &host).with_context(|| section.clone())?;
        let login = self.login(&url).with_context(|| section.clone())?;
        let max_sessions = self.max_sessions.unwrap_or(DEFAULT_SESSIONS);
        ensure!(
            (1..=1000).contains(&max_sessions),
            "{section}: max_sessions is a number from 1 to 1000"
        );
        let rates = match self.rate {
            None => Vec::new(),
            Some(Rates::One(rate)) => vec![rate],
            Some(Rates::Many(rates)) => rates,
        };
        let rates = rates
            .iter()
            .map(|rate| rate.parse::<Rate>())
            .collect::<Result<_, _>>()
            .with_context(|| format!("{section}: rate"))?;
        let hello = self.hello.unwrap_or_else(own_name);
        ensure!(
            !hello.is_empty() && hello.len() <= 255 && hello.bytes().all(|b| b.is_ascii_graphic()),
            "{section}: hello is a host name"
        );
        Ok(RelaySettings {
            name: self.name,
            host,
            port,
            tls,
            login,
            max_sessions,
            rates,
            hello,
        })
    }

    fn login(&self, url: &Url) -> anyhow::Result<Option<Login>> {
        let password = match (&self.password_file, &self.password_env, url.password()) {
            (Some(file), None, None) => Some(
                std::fs::read_to_string(file)
                    .with_context(|| format!("cannot read password_file = {}", file.display()))?
                    .trim_end_matches(['\r', '\n'])
                    .to_owned(),
            ),
            (None, Some(name), None) => {
                Some(std::env::var(name).with_context(|| format!("password_env = {name} is not set"))?)
            }
            (None, None, Some(password)) => Some(unescape(password)),
            (None, None, None) => None,
            _ => {
                bail!("the password is given more than once: keep one of password_file, password_env and url")
            }
        };
        match (url.username(), password) {
            ("", None) => Ok(None),
            ("", Some(_)) => {
                bail!("there is a password and no user: write the user into the url, smtps://user@host")
            }
            (_, None) => bail!("there is a user and no password: add password_file or password_env"),
            (user, Some(password)) => Ok(Some(Login {
                user: unescape(user),
                password: SecretString::from(password),
            })),
        }
    }
}

fn unescape(text: &str) -> String {
    // A form's decoder reads `+` as a space; here it is a plus.
    let text = text.replace('+', "%2B");
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

/// The machine's name if it is a full one, else an address literal (RFC 5321 section 4.1.4).
fn own_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.contains('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
    {
        name.to_owned()
    } else {
        "[127.0.0.1]".to_owned()
    }
}
