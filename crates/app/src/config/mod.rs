//! The configuration: `tidings.toml`, then `TIDINGS_…` variables. Raw sections first, checked once, at the start.

mod brand;
mod dns;
mod environment;
mod feedback;
mod intake;
mod limits;
mod mail;
mod masking;
mod place;
mod pool;
mod preferences;
mod preflight;
pub mod public_url;
mod rates;
mod relay;
mod retention;
mod retry;
mod rules_file;
mod sender;
mod serve;
mod sign_up;
mod tracking;
mod web;
mod written_passwords;

use anyhow::{Context, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidings_dns::DnsSettings;
use tidings_sender::dispatch::Routing;
use tidings_sender::relay::RelaySettings;
use tidings_sender::retry::Retry;
use tidings_web::{Brand, PreferenceSettings, SignUpSettings};

pub use feedback::Feedback;
pub use intake::Ways;
pub use mail::MailSection;
pub(crate) use masking::masked;
pub use preflight::Preflight;
pub use retention::RetentionSection;
pub use sender::Sending;
pub use serve::{Roles, ServeRole};
pub use tracking::TrackingSection;
pub(crate) use web::LARGEST_UPLOAD;
pub use web::Web;
pub use written_passwords::settings_with_passwords;

/// Everything that was configured, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where this instance is reached from outside, without a slash at the end.
    pub public_url: Option<String>,
    /// The relays in the order of the file, their pools, and the limits.
    pub routing: Routing,
    /// What messages say about this instance.
    pub mail: MailSection,
    /// How bounces are understood, and what follows.
    pub feedback: Feedback,
    /// What becomes of links and the open pixel, and how hits of them are recorded and judged.
    pub tracking: TrackingSection,
    /// By which ways it comes in.
    pub intake: Ways,
    /// What pre-flight lists ask.
    pub preflight: Preflight,
    /// Who is asked about domains, if anybody.
    pub dns: Option<DnsSettings>,
    /// The addresses of the pages.
    pub web: Web,
    /// What recipients may see and change of themselves.
    pub preferences: PreferenceSettings,
    /// Whose name the public ones carry.
    pub brand: Brand,
    /// How people sign up for lists.
    pub sign_up: SignUpSettings,
    /// How long what is known for.
    pub retention: RetentionSection,
    /// How retries are spaced.
    pub retry: Retry,
    /// Leases and the node's name.
    pub sending: Sending,
    /// What a server does in this process.
    pub roles: Roles,
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
    feedback: feedback::FeedbackSection,
    #[serde(default)]
    tracking: TrackingSection,
    #[serde(default)]
    intake: intake::IntakeSection,
    #[serde(default)]
    preflight: preflight::PreflightSection,
    #[serde(default)]
    dns: dns::DnsSection,
    #[serde(default)]
    web: web::WebSection,
    #[serde(default)]
    preferences: preferences::PreferencesSection,
    #[serde(default)]
    brand: brand::BrandSection,
    #[serde(default)]
    sign_up: sign_up::SignUpSection,
    #[serde(default)]
    retention: RetentionSection,
    #[serde(default)]
    retry: retry::RetrySection,
    #[serde(default)]
    sender: sender::SenderSection,
    #[serde(default)]
    serve: serve::ServeSection,
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

    /// Where the file is, or would be.
    pub fn path(&self) -> &Path {
        self.file.as_deref().unwrap_or(&self.default_file)
    }

    /// The file's text; none if there is none and none was named.
    pub fn text(&self) -> anyhow::Result<Option<String>> {
        let path = self.path();
        if self.file.is_none() && !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(path);
        text.map(Some)
            .with_context(|| format!("cannot read the configuration {}", path.display()))
    }

    /// The configuration as it would be with this text in the file.
    pub fn check(&self, text: &str) -> anyhow::Result<Config> {
        Config::of(text, &self.path().display().to_string(), overrides()?)
    }
}

/// The variables over this text, unchecked.
pub fn merged(text: &str) -> anyhow::Result<toml::Table> {
    let table = toml::from_str::<toml::Table>(text)?;
    Ok(environment::merge(table, overrides()?))
}

/// The variable that is set for this setting; that of relays is the first one's.
pub fn variable_set(section: &str, key: &str) -> Option<String> {
    let set = overrides().ok()?;
    let found = set.iter().find(|(setting, _)| *setting == (section, key))?;
    Some(environment::variable(&found.0))
}

/// The password that a relay's URL has in it.
pub fn password_in_url(url: &str) -> Option<String> {
    relay::password_in(url)
}

fn overrides() -> anyhow::Result<Vec<environment::Override>> {
    environment::read(std::env::vars())
}

/// Everything that is wrong with a configuration, a sentence for each.
#[derive(Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<String>);

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("\n  and "))
    }
}

impl std::error::Error for Faults {}

impl Faults {
    /// What is wrong with a section.
    fn of(section: &str, faults: Vec<String>) -> Faults {
        let named = faults.into_iter().map(|fault| format!("{section}: {fault}"));
        Faults(named.collect())
    }
}

impl Config {
    /// Reads `file` if it is given (or if it is `default_file` and exists), then the environment.
    pub fn load(file: Option<&Path>, default_file: &Path) -> anyhow::Result<Config> {
        let source = ConfigSource {
            file: file.map(Path::to_owned),
            default_file: default_file.to_owned(),
        };
        match source.text()? {
            Some(text) => source.check(&text),
            None => Config::of("", "the configuration", overrides()?),
        }
    }

    /// Checks a text, and what the environment says over it. `name`: what faults are said of.
    fn of(text: &str, name: &str, overrides: Vec<environment::Override>) -> anyhow::Result<Config> {
        let alone = match toml::from_str::<RawConfig>(text) {
            Ok(raw) => raw,
            Err(error) => bail!("{name}: {}", place::place(text, &error)),
        };
        if overrides.is_empty() {
            return alone.check().with_context(|| name.to_owned());
        }
        let table: toml::Table = toml::from_str(text).context("the configuration was read before")?;
        let with = |overrides: Vec<environment::Override>| {
            environment::merge(table.clone(), overrides)
                .try_into::<RawConfig>()
                .map_err(|error| anyhow::anyhow!("{}", place::plain(error.message())))
                .and_then(RawConfig::check)
        };
        with(overrides.clone())
            .map_err(
                |error| match environment::guilty(&overrides, |others| with(others).is_ok()) {
                    Some(variable) => anyhow::anyhow!("the environment variable {variable}: {error:#}"),
                    None => error,
                },
            )
            .with_context(|| name.to_owned())
    }
}

impl RawConfig {
    /// Checks all sections, so that every fault is named at once.
    fn check(self) -> anyhow::Result<Config> {
        let mut faults = Vec::new();
        let public_url = self.public_url.map(|text| public_url::check(&text)).transpose();
        let public_url = keep(public_url, &mut faults);
        let relays: Vec<_> = self
            .relay
            .into_iter()
            .filter_map(|relay| keep(relay.check(), &mut faults))
            .collect();
        keep(check_relays(&relays), &mut faults);
        let pools = keep(pool::check(self.pool, &relays), &mut faults);
        let limits = keep(self.limits.check(), &mut faults);
        let mail = keep(self.mail.check(), &mut faults);
        let feedback = keep(self.feedback.check(), &mut faults);
        let tracking = self.tracking;
        let retention = self.retention;
        let domain = mail.as_ref().and_then(|mail| mail.return_path_domain.as_deref());
        let intake = keep(self.intake.check(domain), &mut faults);
        let preflight = keep(self.preflight.check(), &mut faults);
        let dns = keep(self.dns.check(), &mut faults);
        let web = keep(self.web.check(), &mut faults);
        let preferences = keep(self.preferences.check(), &mut faults);
        let brand = keep(self.brand.check(), &mut faults);
        let sign_up = keep(self.sign_up.check(), &mut faults);
        let retry = keep(self.retry.check(), &mut faults);
        let sending = keep(self.sender.check(), &mut faults);
        let roles = keep(self.serve.check(), &mut faults);
        let routing = pools.zip(limits).map(|(pools, limits)| Routing {
            relays,
            pools,
            limits,
        });
        match (
            public_url,
            routing,
            mail,
            feedback,
            intake,
            preflight,
            dns,
            web,
            preferences,
            brand,
            sign_up,
            retry,
            sending,
            roles,
        ) {
            (
                Some(public_url),
                Some(routing),
                Some(mail),
                Some(feedback),
                Some(intake),
                Some(preflight),
                Some(dns),
                Some(web),
                Some(preferences),
                Some(brand),
                Some(sign_up),
                Some(retry),
                Some(sending),
                Some(roles),
            ) if faults.is_empty() => Ok(Config {
                public_url,
                routing,
                mail,
                feedback,
                tracking,
                intake,
                preflight,
                dns,
                web,
                preferences,
                brand,
                sign_up,
                retention,
                retry,
                sending,
                roles,
            }),
            _ => Err(Faults(faults).into()),
        }
    }
}

/// What was found right; what was not is put to the other faults.
fn keep<T>(checked: anyhow::Result<T>, faults: &mut Vec<String>) -> Option<T> {
    match checked {
        Ok(right) => return Some(right),
        Err(error) => match error.downcast::<Faults>() {
            Ok(Faults(several)) => faults.extend(several),
            Err(error) => faults.push(format!("{error:#}")),
        },
    }
    None
}

fn check_relays(relays: &[RelaySettings]) -> anyhow::Result<()> {
    for (at, relay) in relays.iter().enumerate() {
        if relays[..at].iter().any(|other| other.name == relay.name) {
            bail!("section [[relay]]: two relays are called `{}`", relay.name);
        }
    }
    Ok(())
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
    fn what_the_parser_says_is_put_into_words_with_its_place() {
        let relay = "[[relay]]\nname = \"a\"\nurl = \"smtp://127.0.0.1\"\n";
        for (text, parts) in [
            (
                format!("{relay}rate = 5"),
                &["line 4", "[[relay]]", "\"200/s\""][..],
            ),
            (
                "[relays]\nname = \"a\"".to_owned(),
                &["line 1", "[relays]", "`relays`"][..],
            ),
            (
                "\n[[relay]]\nname = \"a\"".to_owned(),
                &["[[relay]]", "`url`"][..],
            ),
            (
                "[intake.smtp]\nlisten = \"127.0.0.1:2525\"".to_owned(),
                &["line 1", "[intake.smtp]", "double brackets"][..],
            ),
            (
                "[retry]\nfirst = \"5m".to_owned(),
                &["line 2", "[retry]", "first = \"5m"][..],
            ),
            (
                format!("{relay}max_sessions = \"ten\""),
                &["line 4", "a whole number"][..],
            ),
        ] {
            let error = load(&text).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{part} is missing in: {error}");
            }
            assert!(!error.contains("untagged") && !error.contains("usize"), "{error}");
        }
    }

    #[test]
    fn a_fault_of_the_file_is_named_without_a_secret() {
        for text in [
            "[[relay]]\nname = \"a\"\nurl = \"smtp://u:hush@h\" x",
            "[[relay]]\nname = \"a\"\nurl = \"smtp://u:hush@h",
            "[[relay]]\nname = \"a\"\nmax_sessions = \"smtp://u:hush@h\"",
            "[[relay]]\nname = \"a\"\nurl = [\"smtp://u:hush@h\"]",
            "relay = \"smtp://u:hush@h\"",
            "[[intake.webhook]]\ntoken = \"hush",
            "[[intake.webhook]]\ntoken = [\"hush\"]",
            "[[intake.webhook]]\ntoken = 123454321",
            "[[relay]]\npassword = \"hush\"",
            "[[relay]]\npassword hush",
        ] {
            let error = load(text).unwrap_err();
            assert!(!error.contains("hush") && !error.contains("12345"), "{error}");
            assert!(error.contains("line "), "{error}");
        }
    }

    #[test]
    fn every_section_with_a_fault_is_named_at_once() {
        let error =
            load("public_url = \"news\"\n[retry]\nfirst = \"soon\"\n[sender]\nlease = \"1ms\"").unwrap_err();
        for part in ["public_url", "[retry]", "[sender]"] {
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }

    #[test]
    fn every_fault_of_a_section_is_named_at_once() {
        let relay = "[[relay]]\nname = \"a\"\nurl = \"http://h\"\nrate = \"fast\"\nweight = 0\ntimeouts.connect = \"x\"\ntimeouts.data = \"y\"\n";
        let limits = "[limits]\nrate = \"fast\"\nmax_sessions = 0\n[limits.provider.gmail]\nmax_sessions = 0\n[limits.sender.a]\nrate = \"1/x\"\n";
        let feedback =
            "[feedback]\nsoft_bounces_in_row = 99\nmatch_window = \"x\"\npause_at_complaints = \"half\"\n";
        for (text, parts) in [
            (
                relay,
                &[
                    "`a`: url",
                    "`a`: rate",
                    "`a`: weight",
                    "`a`: timeouts.connect",
                    "`a`: timeouts.data",
                ][..],
            ),
            (
                limits,
                &[
                    "[limits]: rate",
                    "[limits]: max_sessions",
                    "\"gmail\"]: max_sessions",
                    "\"a\"]: rate",
                ],
            ),
            (
                feedback,
                &["soft_bounces_in_row", "match_window", "pause_at_complaints"],
            ),
        ] {
            let error = load(text).unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{part} is missing in: {error}");
            }
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
