//! Sections `[[relay]]`.

pub(super) mod hello;
mod login;
mod timeouts;
mod trust;
mod url;

use super::rates::Rates;
use super::{Faults, keep};
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use std::fmt::Display;
use std::net::IpAddr;
use std::path::PathBuf;
use tidings_sender::connection::Extension;
use tidings_sender::pace::Rate;
use tidings_sender::relay::{RelaySettings, TlsMode};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelaySection {
    name: String,
    url: String,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
    auth: Option<String>,
    token_command: Option<String>,
    token_file: Option<PathBuf>,
    #[serde(default)]
    auth_over_clear_text: bool,
    ca_file: Option<PathBuf>,
    certificate_check: Option<String>,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
    without: Option<Words>,
    max_sessions: Option<usize>,
    messages_per_session: Option<u32>,
    idle_timeout: Option<String>,
    rate: Option<Rates>,
    weight: Option<u32>,
    priority: Option<u32>,
    source_address: Option<String>,
    hello: Option<String>,
    #[serde(default)]
    timeouts: timeouts::TimeoutsSection,
}

// By hand, because the URL may hold a password.
impl std::fmt::Debug for RelaySection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelaySection")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// One value or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Words {
    One(String),
    Many(Vec<String>),
}

impl Words {
    fn list(words: Option<Words>) -> Vec<String> {
        match words {
            None => Vec::new(),
            Some(Words::One(word)) => vec![word],
            Some(Words::Many(words)) => words,
        }
    }
}

/// The password that is written in a URL.
pub(super) fn password_in(url: &str) -> Option<String> {
    url::parse(url).ok()?.password
}

/// Enough for one relay, and what most relays allow.
const DEFAULT_SESSIONS: usize = 20;
/// Of all processes together; each has as many tasks that wait for a connection.
const MOST_SESSIONS: usize = 5000;

impl RelaySection {
    /// Checks all settings, so that every fault is named at once.
    pub(super) fn check(self) -> anyhow::Result<RelaySettings> {
        let section = format!("section [[relay]] `{}`", self.name);
        let mut faults = Vec::new();
        match (self.settings(&mut faults), &faults[..]) {
            (Some(settings), []) => Ok(settings),
            _ => Err(Faults::of(&section, faults).into()),
        }
    }

    /// What is faulty by itself is put to the faults and left away; without a place there are no settings.
    fn settings(self, faults: &mut Vec<String>) -> Option<RelaySettings> {
        let place = keep(url::parse(&self.url), faults);
        // What these mean depends on the place.
        let of_place = place.as_ref().map(|place| {
            let login = keep(self.login(place), faults);
            (login, keep(self.trust(place.tls), faults))
        });
        let max_sessions = self.max_sessions.unwrap_or(DEFAULT_SESSIONS);
        keep(within("max_sessions", max_sessions, MOST_SESSIONS), faults);
        let weight = self.weight.unwrap_or(1);
        keep(within("weight", weight, 1000), faults);
        let idle_timeout = self.idle_timeout.as_deref();
        let idle_timeout = idle_timeout.and_then(|text| keep(span("idle_timeout", text), faults));
        let rates = keep(rates(self.rate), faults);
        let without = keep(extensions(Words::list(self.without)), faults);
        let timeouts = self.timeouts.check(faults);
        let source_address = self.source_address.as_deref().map(address).transpose();
        let source_address = keep(source_address, faults);
        let hello = keep(hello::check(self.hello), faults);
        let (place, (login, trust)) = place.zip(of_place)?;
        let settings = RelaySettings {
            name: self.name,
            host: place.host,
            port: place.port,
            tls: place.tls,
            login: login?,
            auth_over_clear_text: self.auth_over_clear_text,
            trust: trust?,
            without: without.unwrap_or_default(),
            max_sessions,
            // Zero is how the configuration says "no bound".
            messages_per_session: self.messages_per_session.filter(|most| *most > 0),
            idle_timeout: idle_timeout.unwrap_or(RelaySettings::IDLE_TIMEOUT),
            timeouts,
            rates: rates.unwrap_or_default(),
            weight,
            priority: self.priority.unwrap_or(RelaySettings::PRIORITY),
            source_address: source_address.flatten(),
            hello: hello.unwrap_or_default(),
        };
        keep(check_clear_text(&settings), faults)?;
        Some(settings)
    }
}

fn check_clear_text(settings: &RelaySettings) -> anyhow::Result<()> {
    ensure!(
        settings.login.is_none() || settings.tls != TlsMode::Never || settings.may_log_in_over_clear_text(),
        "url says tls=never, and credentials do not go out in clear text: write ?tls=required, or \
         auth_over_clear_text = true if nobody can be in between"
    );
    Ok(())
}

fn within<N: PartialOrd + From<u8> + Display>(key: &str, number: N, most: N) -> anyhow::Result<()> {
    ensure!(
        number >= N::from(1) && number <= most,
        "{key} is a number from 1 to {most}"
    );
    Ok(())
}

fn rates(written: Option<Rates>) -> anyhow::Result<Vec<Rate>> {
    let rates = Rates::list(written);
    let rates = rates.iter().map(|rate| rate.parse::<Rate>());
    rates.collect::<Result<_, _>>().context("rate")
}

fn extensions(names: Vec<String>) -> anyhow::Result<Vec<Extension>> {
    let known = |name: String| {
        let found = Extension::NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(&name));
        match found {
            Some((_, extension)) => Ok(*extension),
            None => bail!(
                "without = [\"{name}\"]: it is a list of {}",
                Extension::NAMES.map(|(known, _)| known).join(", ")
            ),
        }
    };
    names.into_iter().map(known).collect()
}

fn address(text: &str) -> anyhow::Result<IpAddr> {
    text.parse().with_context(|| {
        format!("source_address = \"{text}\" is not an address of this machine: write it as 192.0.2.7 or 2001:db8::7")
    })
}

/// A duration above zero.
pub(super) fn span(key: &str, text: &str) -> anyhow::Result<std::time::Duration> {
    match humantime::parse_duration(text) {
        Ok(span) if !span.is_zero() => Ok(span),
        _ => bail!("{key} = \"{text}\" is not a duration: write 30s, 5m or 1h"),
    }
}

#[cfg(test)]
mod tests;
