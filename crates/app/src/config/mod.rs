//! The configuration: `tidings.toml`, then `TIDINGS_…` variables. Raw sections first, checked once, at the start.

mod environment;
mod limits;
mod mail;
mod pool;
mod relay;
mod retry;
mod sender;
mod web;

use anyhow::{Context, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidings_sender::dispatch::Routing;
use tidings_sender::retry::Retry;

pub use mail::MailSection;
pub use sender::Sending;
pub use web::Web;

/// Everything that was configured, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where this instance is reached from outside, without a slash at the end.
    pub public_url: Option<String>,
    /// The relays in the order of the file, their pools, and the limits.
    pub routing: Routing,
    /// What messages say about this instance.
    pub mail: MailSection,
    /// The addresses of the pages.
    pub web: Web,
    /// How retries are spaced.
    pub retry: Retry,
    /// Leases and the node's name.
    pub sending: Sending,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    public_url: Option<String>,
    #[serde(default)]
    relay: Vec<relay::RelaySection>,
    #[serde(default)]
    pool: Vec<pool::PoolSection>,
    #[serde(default)]
    limits: limits::LimitsSection,
    #[serde(default)]
    mail: MailSection,
    #[serde(default)]
    web: web::WebSection,
    #[serde(default)]
    retry: retry::RetrySection,
    #[serde(default)]
    sender: sender::SenderSection,
}

/// Where the configuration came from, for reading it again.
#[derive(Clone, Debug)]
pub struct ConfigSource {
    /// The file that was named.
    pub file: Option<PathBuf>,
    /// The file that is read if none was named and this one exists.
    pub default_file: PathBuf,
}

impl ConfigSource {
    /// Reads the configuration as it is now.
    pub fn load(&self) -> anyhow::Result<Config> {
        Config::load(self.file.as_deref(), &self.default_file)
    }
}

impl Config {
    /// Reads `file` if it is given (or if it is `default_file` and exists), then the environment.
    pub fn load(file: Option<&Path>, default_file: &Path) -> anyhow::Result<Config> {
        let file = file.or_else(|| default_file.exists().then_some(default_file));
        let (text, name) = match file {
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("cannot read the configuration {}", file.display()))?;
                (text, file.display().to_string())
            }
            None => (String::new(), "the configuration".to_owned()),
        };
        let mut raw: RawConfig = match toml::from_str(&text) {
            Ok(raw) => raw,
            Err(error) => bail!("{name}: {}", place(&text, &error)),
        };
        let overrides: Vec<_> = environment::read(std::env::vars())?;
        if !overrides.is_empty() {
            let table = toml::from_str(&text).context("the configuration was read before")?;
            raw = environment::merge(table, overrides)
                .try_into()
                .map_err(|error: toml::de::Error| {
                    anyhow::anyhow!("a TIDINGS_… variable: {}", error.message())
                })?;
        }
        raw.check().with_context(|| name)
    }
}

impl RawConfig {
    fn check(self) -> anyhow::Result<Config> {
        let public_url = self.public_url.map(check_public_url).transpose()?;
        let relays = self
            .relay
            .into_iter()
            .map(relay::RelaySection::check)
            .collect::<anyhow::Result<Vec<_>>>()?;
        for (at, relay) in relays.iter().enumerate() {
            if relays[..at].iter().any(|other| other.name == relay.name) {
                bail!("section [[relay]]: two relays are called `{}`", relay.name);
            }
        }
        let routing = Routing {
            pools: pool::check(self.pool, &relays)?,
            limits: self.limits.check()?,
            relays,
        };
        Ok(Config {
            public_url,
            routing,
            mail: self.mail.check()?,
            web: self.web.check()?,
            retry: self.retry.check()?,
            sending: self.sender.check()?,
        })
    }
}

fn check_public_url(text: String) -> anyhow::Result<String> {
    let usable = |url: &url::Url| {
        matches!(url.scheme(), "http" | "https")
            && url.host().is_some()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    };
    // The parser passes over line ends and spaces, which would break the header that the text goes into.
    let is_clean = text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    if !is_clean || !url::Url::parse(&text).is_ok_and(|url| usable(&url)) {
        bail!("public_url = \"{text}\": write it as https://news.example.com");
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Says where in the file an error is: line, section, and what is wrong.
fn place(text: &str, error: &toml::de::Error) -> String {
    let Some(span) = error.span() else {
        return error.message().to_owned();
    };
    let before = &text[..span.start.min(text.len())];
    let line = before.lines().count().max(1) + usize::from(before.ends_with('\n'));
    let section = before
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| line.starts_with('['));
    let key = text[span.clone()].lines().next().unwrap_or_default().trim();
    let section = section.map_or("the top of the file", |section| section);
    format!("line {line}, section {section}: `{key}`: {}", error.message())
}

fn duration(section: &str, key: &str, text: &str) -> anyhow::Result<Duration> {
    humantime::parse_duration(text).with_context(|| {
        format!("section [{section}]: {key} = \"{text}\" is not a duration: write 30s, 5m, 2h or 4days")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tidings.toml");
        std::fs::write(&file, text).unwrap();
        Config::load(Some(&file), &file).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_smallest_useful_configuration_is_taken() {
        let config = load("public_url = \"https://news.example.com/\"\n[[relay]]\nname = \"primary\"\nurl = \"smtp://127.0.0.1:2525\"\nrate = [\"200/s\", \"50000/h\"]\n").unwrap();
        assert_eq!(config.public_url.as_deref(), Some("https://news.example.com"));
        assert_eq!(config.routing.relays[0].rates.len(), 2);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_section() {
        let error =
            load("public_url = \"https://news.example.com\"\n\n[retry]\nfrist = \"5m\"\n").unwrap_err();
        for part in ["tidings.toml", "line 4", "[retry]", "frist"] {
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }

    #[test]
    fn values_that_mean_nothing_are_refused_with_an_example() {
        for (text, part) in [
            (
                "public_url = \"https://news.example.com/a\\r\\nX-Evil: 1\"",
                "https://news.example.com",
            ),
            (
                "public_url = \"https://news.example.com/#top\"",
                "https://news.example.com",
            ),
            (
                "public_url = \"https://ann:secret@news.example.com\"",
                "https://news.example.com",
            ),
            ("public_url = \"news\"", "https://news.example.com"),
            ("[retry]\nfirst = \"soon\"", "30s"),
            (
                "[[relay]]\nname = \"a\"\nurl = \"http://x.example.com\"",
                "smtps://",
            ),
            (
                "[[relay]]\nname = \"a\"\nurl = \"smtp://x.example.com\"\nrate = \"fast\"",
                "200/s",
            ),
            (
                "[[relay]]\nname = \"a\"\nurl = \"smtp://ann@x.example.com\"",
                "password_file",
            ),
        ] {
            let error = load(text).unwrap_err();
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }
}
