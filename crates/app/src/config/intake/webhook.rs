//! Sections `[[intake.webhook]]`.

use anyhow::{Context, bail, ensure};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidings_feedback::webhook::Provider;
use tidings_intake::webhook::{Door, Hook, Proof, PublicKey, SigningKey, Topic, WINDOW};

const MIB: usize = 1024 * 1024;
/// Posts are some kilobytes; batches of SendGrid and SparkPost can be larger, and have a setting.
const DEFAULT_LONGEST: usize = MIB;
const GREATEST_LONGEST: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookSection {
    name: String,
    provider: String,
    token: Option<SecretString>,
    token_file: Option<PathBuf>,
    token_env: Option<String>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
    header: Option<String>,
    header_value_file: Option<PathBuf>,
    header_value_env: Option<String>,
    #[serde(default)]
    networks: Vec<String>,
    #[serde(default)]
    behind_proxy: bool,
    topic_arn: Option<String>,
    #[serde(default)]
    allow_signature_version_1: bool,
    public_key: Option<String>,
    signing_key_file: Option<PathBuf>,
    signing_key_env: Option<String>,
    window: Option<String>,
    longest_mib: Option<usize>,
}

// By hand, because there may be a token in it.
impl std::fmt::Debug for WebhookSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookSection")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

pub(super) fn check(sections: Vec<WebhookSection>) -> anyhow::Result<Vec<Hook>> {
    let mut hooks: Vec<Hook> = Vec::new();
    let mut faults = Vec::new();
    for section in sections {
        let name = section.name.clone();
        match section.hook() {
            Ok(hook) if hooks.iter().any(|other| other.name == hook.name) => {
                faults.push(format!(
                    "section [[intake.webhook]]: two webhooks are called `{name}`"
                ));
            }
            Ok(hook) => hooks.push(hook),
            Err(fault) => faults.push(format!("section [[intake.webhook]] `{name}`: {fault:#}")),
        }
    }
    ensure!(faults.is_empty(), faults.join("\n  and "));
    Ok(hooks)
}

impl WebhookSection {
    fn hook(self) -> anyhow::Result<Hook> {
        let provider = Provider::named(&self.provider).with_context(|| {
            let known = Provider::ALL.map(Provider::as_str).join(", ");
            format!("provider = \"{}\": it is one of {known}", self.provider)
        })?;
        let longest = self.longest_mib.unwrap_or(DEFAULT_LONGEST / MIB);
        ensure!(
            (1..=GREATEST_LONGEST).contains(&longest),
            "longest_mib is a number from 1 to {GREATEST_LONGEST}"
        );
        let hook = Hook {
            name: self.name.clone(),
            provider,
            door: self.door()?,
            proof: self.proof(provider)?,
            most: longest * MIB,
        };
        hook.check()?;
        Ok(hook)
    }

    fn door(&self) -> anyhow::Result<Door> {
        let token = secret("token", self.token_file.as_deref(), self.token_env.as_deref())?;
        let token = match (token, &self.token) {
            (Some(_), Some(_)) => bail!("the token is given more than once: keep one"),
            (token, inline) => token.or_else(|| inline.clone()),
        };
        let password = secret(
            "password",
            self.password_file.as_deref(),
            self.password_env.as_deref(),
        )?;
        let basic = match (&self.user, password) {
            (None, None) => None,
            (Some(user), Some(password)) => Some((user.clone(), password)),
            (Some(_), None) => bail!("there is a user and no password: add password_file or password_env"),
            (None, Some(_)) => bail!("there is a password and no user: add user"),
        };
        let value = secret(
            "header_value",
            self.header_value_file.as_deref(),
            self.header_value_env.as_deref(),
        )?;
        let header = match (&self.header, value) {
            (None, None) => None,
            (Some(name), Some(value)) => Some((name.clone(), value)),
            _ => bail!("header and header_value_file (or header_value_env) go together"),
        };
        let network = |text: &String| -> anyhow::Result<IpNet> {
            text.parse()
                .with_context(|| format!("networks: \"{text}\" is not a network, such as 192.0.2.0/24"))
        };
        ensure!(
            !self.behind_proxy || !self.networks.is_empty(),
            "behind_proxy says from where the networks are read, and there are no networks: leave it out"
        );
        Ok(Door {
            token,
            basic,
            header,
            networks: self.networks.iter().map(network).collect::<Result<_, _>>()?,
            is_behind_proxy: self.behind_proxy,
        })
    }

    fn proof(&self, provider: Provider) -> anyhow::Result<Proof> {
        let window = match &self.window {
            None => WINDOW,
            Some(text) => window(text)?,
        };
        let key = secret(
            "signing_key",
            self.signing_key_file.as_deref(),
            self.signing_key_env.as_deref(),
        )?;
        let has_window = self.window.is_some();
        Ok(match (provider, &self.topic_arn, &self.public_key, key) {
            (Provider::Ses, Some(arn), None, None) if !has_window => {
                let topic = Topic::new(arn, self.allow_signature_version_1);
                Proof::Sns(topic.with_context(|| {
                    format!(
                        "topic_arn = \"{arn}\" is not the ARN of an SNS topic: write it as \
                         arn:aws:sns:eu-west-1:123456789012:bounces"
                    )
                })?)
            }
            (Provider::SendGrid, None, Some(key), None) => {
                let key = PublicKey::parse(key);
                Proof::SendGrid(
                    key.context(
                        "public_key is not the verification key that SendGrid shows (base64, P-256)",
                    )?,
                    window,
                )
            }
            (Provider::Mailgun, None, None, Some(key)) => Proof::Mailgun(SigningKey::new(&key), window),
            (_, None, None, None) if !has_window => Proof::Nothing,
            _ => bail!(
                "topic_arn is for ses, public_key for sendgrid, signing_key_file for mailgun, window for the last two: \
                 leave out what is not {}'s",
                provider.as_str()
            ),
        })
    }
}

fn window(text: &str) -> anyhow::Result<Duration> {
    match humantime::parse_duration(text) {
        Ok(window) if window >= Duration::from_secs(60) => Ok(window),
        _ => bail!("window = \"{text}\" is not a duration of a minute or more: write 10m or 25h"),
    }
}

/// What stands in a file or variable, without the line's end.
fn secret(key: &str, file: Option<&Path>, variable: Option<&str>) -> anyhow::Result<Option<SecretString>> {
    let text = match (file, variable) {
        (None, None) => return Ok(None),
        (Some(file), None) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {key}_file = {}", file.display()))?,
        (None, Some(name)) => {
            std::env::var(name).with_context(|| format!("{key}_env = {name} is not set"))?
        }
        (Some(_), Some(_)) => bail!("there are {key}_file and {key}_env: keep one of them"),
    };
    let secret = SecretString::from(text.trim_end_matches(['\r', '\n']));
    ensure!(
        !secret.expose_secret().is_empty(),
        "what {key}_file or {key}_env gives is empty"
    );
    Ok(Some(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    /// Made for this test; nobody has the private key.
    const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENHoxF5YzH1BAMO1exXsA23mFRtHEYsMb+M1zHBvsIUQl4NcYwKKF0Yv0tSpkfONQ4LefoFCFmGMShTTFM+7kQQ==";

    fn hooks(text: &str) -> Result<Vec<Hook>, String> {
        #[derive(Deserialize)]
        struct Raw {
            webhook: Vec<WebhookSection>,
        }
        let raw: Raw = toml::from_str(text).map_err(|error| error.to_string())?;
        check(raw.webhook).map_err(|error| format!("{error:#}"))
    }

    fn hook(lines: &str) -> Result<Hook, String> {
        hooks(&format!("[[webhook]]\nname = \"a\"\n{lines}")).map(|mut hooks| hooks.remove(0))
    }

    #[test]
    fn a_webhook_of_each_provider_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "a secret\n").unwrap();
        let secret = file.display();
        for lines in [
            "provider = \"ses\"\ntopic_arn = \"arn:aws:sns:eu-west-1:123456789012:bounces\"".to_owned(),
            format!("provider = \"sendgrid\"\npublic_key = \"{KEY}\"\nlongest_mib = 5\nwindow = \"10m\""),
            format!("provider = \"postmark\"\nuser = \"hook\"\npassword_file = \"{secret}\""),
            format!("provider = \"mailgun\"\nsigning_key_file = \"{secret}\"\ntoken = \"{TOKEN}\""),
            format!("provider = \"sparkpost\"\nheader = \"Authorization\"\nheader_value_file = \"{secret}\""),
            format!("provider = \"mailjet\"\ntoken = \"{TOKEN}\""),
            format!(
                "provider = \"brevo\"\ntoken = \"{TOKEN}\"\nnetworks = [\"1.179.112.0/20\"]\nbehind_proxy = true"
            ),
        ] {
            let hook = hook(&lines).unwrap();
            assert!(!hook.shown_path().contains(TOKEN));
        }
    }

    #[test]
    fn a_webhook_that_is_open_to_anybody_is_refused_with_what_to_do() {
        for (lines, part) in [
            ("provider = \"postmark\"", "openssl rand -hex 32"),
            (
                "provider = \"postmark\"\ntoken = \"short\"",
                "openssl rand -hex 32",
            ),
            (
                "provider = \"brevo\"\nnetworks = [\"1.179.112.0/20\"]",
                "openssl rand -hex 32",
            ),
            ("provider = \"ses\"", "topic_arn"),
            ("provider = \"sendgrid\"", "public_key"),
            (
                &format!("provider = \"mailgun\"\ntoken = \"{TOKEN}\""),
                "signing_key_file",
            ),
        ] {
            let error = hook(lines).unwrap_err();
            assert!(
                error.contains(part) && error.contains("[[intake.webhook]] `a`"),
                "{error}"
            );
        }
    }

    #[test]
    fn faults_are_named() {
        let token = format!("token = \"{TOKEN}\"\n");
        for (lines, part) in [
            ("provider = \"mandrill\"".to_owned(), "sendgrid, postmark"),
            (
                "provider = \"ses\"\ntopic_arn = \"bounces\"".to_owned(),
                "arn:aws:sns:",
            ),
            (
                "provider = \"sendgrid\"\npublic_key = \"key\"".to_owned(),
                "public_key",
            ),
            (
                format!("{token}provider = \"brevo\"\nnetworks = [\"here\"]"),
                "192.0.2.0/24",
            ),
            (
                format!("{token}provider = \"brevo\"\nbehind_proxy = true"),
                "networks",
            ),
            (
                format!("{token}provider = \"brevo\"\nuser = \"ann\""),
                "password_file",
            ),
            (format!("{token}provider = \"brevo\"\nlongest_mib = 0"), "1 to 64"),
            (
                format!("{token}provider = \"brevo\"\ntoken_file = \"/no/such/file\""),
                "/no/such/file",
            ),
            (
                format!("{token}provider = \"mailjet\"\npublic_key = \"{KEY}\""),
                "mailjet",
            ),
            (
                format!("provider = \"sendgrid\"\npublic_key = \"{KEY}\"\nwindow = \"soon\""),
                "25h",
            ),
        ] {
            let error = hook(&lines).unwrap_err();
            assert!(error.contains(part), "{part} is missing in: {error}");
            assert!(!error.contains(TOKEN), "{error}");
        }
        let twice = format!("[[webhook]]\nname = \"a\"\nprovider = \"brevo\"\n{token}").repeat(2);
        assert!(hooks(&twice).unwrap_err().contains("`a`"));
        assert!(hook(&format!("{token}provider = \"brevo\"\n")).is_ok());
        let named = format!("[[webhook]]\nname = \"a/b\"\nprovider = \"brevo\"\n{token}");
        assert!(hooks(&named).unwrap_err().contains("letters"));
    }
}
