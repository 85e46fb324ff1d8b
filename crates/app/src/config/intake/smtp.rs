//! Sections `[[intake.smtp]]`.

use crate::config::relay::{hello, span};
use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use tidings_campaign::address::EmailAddress;
use tidings_intake::listener::{Bounds, Identity, ListenerSettings, Place, Protocol, Recipients};

/// The name of the sections in faults.
const SECTION: &str = "section [[intake.smtp]]";

/// Each key is a variable too, of the first section: `TIDINGS_INTAKE_SMTP_LISTEN` and so on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SmtpSection {
    listen: String,
    protocol: Option<String>,
    hello: Option<String>,
    domains: Option<Vec<String>>,
    #[serde(default)]
    complaints: Vec<String>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    tls: Option<String>,
    max_message_size: Option<usize>,
    max_sessions: Option<usize>,
    max_sessions_per_client: Option<usize>,
    max_messages_per_minute: Option<u32>,
    max_commands: Option<u32>,
    max_errors: Option<u32>,
    idle_timeout: Option<String>,
}

/// A listener for mail servers, checked but for its certificate, which only `serve` and `check` must be able to read.
#[derive(Clone, Debug)]
pub struct SmtpListener {
    settings: ListenerSettings,
    certificate: Option<Certificate>,
}

/// The files of a certificate and of its key.
#[derive(Clone, Debug)]
struct Certificate {
    chain: PathBuf,
    key: PathBuf,
}

impl SmtpListener {
    /// Where it listens.
    pub fn place(&self) -> &Place {
        &self.settings.place
    }

    /// Everything about it, with the certificate read.
    ///
    /// # Errors
    /// If the certificate or its key cannot be read or used; the message names the files.
    pub fn settings(&self) -> anyhow::Result<ListenerSettings> {
        let identity = self.certificate.as_ref().map(Certificate::read);
        Ok(ListenerSettings {
            identity: identity.transpose().with_context(|| named(self.place()))?,
            ..self.settings.clone()
        })
    }
}

impl Certificate {
    fn read(&self) -> anyhow::Result<Identity> {
        let chain = read("certificate_file", &self.chain)?;
        let key = read("key_file", &self.key)?;
        Identity::from_pem(&chain, &key).with_context(|| {
            format!(
                "certificate_file = {}, key_file = {}",
                self.chain.display(),
                self.key.display()
            )
        })
    }
}

fn read(key: &str, file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {key} = {}", file.display()))
}

fn named(place: &Place) -> String {
    format!("{SECTION} `{place}`")
}

pub(super) fn check(
    sections: Vec<SmtpSection>,
    return_path_domain: Option<&str>,
) -> anyhow::Result<Vec<SmtpListener>> {
    let mut listeners: Vec<SmtpListener> = Vec::new();
    for section in sections {
        let name = format!("{SECTION} `{}`", section.listen);
        let listener = section.check(return_path_domain).context(name)?;
        let is_taken = listeners.iter().any(|other| other.place() == listener.place());
        let finds_a_port = matches!(listener.place(), Place::Address(address) if address.port() == 0);
        ensure!(
            !is_taken || finds_a_port,
            "{}: two sections listen there",
            named(listener.place())
        );
        listeners.push(listener);
    }
    Ok(listeners)
}

impl SmtpSection {
    fn check(self, return_path_domain: Option<&str>) -> anyhow::Result<SmtpListener> {
        let bounds = self.bounds()?;
        let certificate = match (self.certificate_file, self.key_file) {
            (None, None) => None,
            (Some(chain), Some(key)) => Some(Certificate { chain, key }),
            (Some(_), None) => {
                bail!("there is a certificate_file and no key_file: add the file of its private key")
            }
            (None, Some(_)) => {
                bail!("there is a key_file and no certificate_file: add the file of the certificate")
            }
        };
        let tls_required = match self.tls.as_deref() {
            None => false,
            Some("offered") => false,
            Some("required") => true,
            Some(other) => bail!("tls = \"{other}\": it is offered or required"),
        };
        ensure!(
            self.tls.is_none() || certificate.is_some(),
            "tls is given and no certificate: add certificate_file and key_file"
        );
        let protocol = match self.protocol.as_deref() {
            None | Some("smtp") => Protocol::Smtp,
            Some("lmtp") => Protocol::Lmtp,
            Some(other) => bail!("protocol = \"{other}\": it is smtp or lmtp"),
        };
        let domains = match self.domains {
            Some(domains) => domains,
            None => return_path_domain.map(str::to_owned).into_iter().collect(),
        };
        let domains = domains
            .iter()
            .map(|domain| domain_name(domain))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let complaints = self
            .complaints
            .iter()
            .map(|address| complaint_address(address))
            .collect::<anyhow::Result<_>>()?;
        Ok(SmtpListener {
            settings: ListenerSettings {
                place: place(&self.listen)?,
                protocol,
                name: hello::check(self.hello.or_else(|| domains.first().cloned()))?,
                recipients: Recipients { domains, complaints },
                identity: None,
                tls_required,
                bounds,
            },
            certificate,
        })
    }

    fn bounds(&self) -> anyhow::Result<Bounds> {
        let usual = Bounds::default();
        Ok(Bounds {
            // RFC 5321 section 4.5.3.1.7 wants 64 KiB taken.
            message_size: within(
                "max_message_size",
                self.max_message_size,
                usual.message_size,
                65_536..=104_857_600,
            )?,
            sessions: within("max_sessions", self.max_sessions, usual.sessions, 1..=10_000)?,
            sessions_per_client: within(
                "max_sessions_per_client",
                self.max_sessions_per_client,
                usual.sessions_per_client,
                1..=10_000,
            )?,
            messages_per_minute: self.max_messages_per_minute.unwrap_or(usual.messages_per_minute),
            commands: within("max_commands", self.max_commands, usual.commands, 10..=1_000_000)?,
            errors: within("max_errors", self.max_errors, usual.errors, 1..=1_000_000)?,
            idle: match &self.idle_timeout {
                None => usual.idle,
                Some(text) => span("idle_timeout", text)?,
            },
        })
    }
}

fn within<T: PartialOrd + std::fmt::Display>(
    key: &str,
    given: Option<T>,
    usual: T,
    range: RangeInclusive<T>,
) -> anyhow::Result<T> {
    let value = given.unwrap_or(usual);
    ensure!(
        range.contains(&value),
        "{key} is a number from {} to {}",
        range.start(),
        range.end()
    );
    Ok(value)
}

fn place(listen: &str) -> anyhow::Result<Place> {
    let found = match listen.strip_prefix("unix:") {
        Some(path) => Path::new(path).is_absolute().then(|| Place::Socket(path.into())),
        None => listen.parse().ok().map(Place::Address),
    };
    found.with_context(|| {
        format!(
            "listen = \"{listen}\" is not an address with a port, such as 0.0.0.0:25 or [::]:25, nor a socket, such as \
             unix:/run/tidings/lmtp.sock"
        )
    })
}

fn domain_name(domain: &str) -> anyhow::Result<String> {
    match EmailAddress::parse(&format!("b@{domain}")) {
        Ok(address) => Ok(address.domain().to_owned()),
        Err(error) => bail!("domains = [\"{domain}\"]: {error}"),
    }
}

fn complaint_address(address: &str) -> anyhow::Result<String> {
    match EmailAddress::parse(address) {
        Ok(address) => Ok(address.key()),
        Err(error) => bail!("complaints = [\"{address}\"]: the address {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn check_text(text: &str) -> Result<ListenerSettings, String> {
        let section: SmtpSection = toml::from_str(text).map_err(|error| error.to_string())?;
        let listeners =
            check(vec![section], Some("bounce.example.com")).map_err(|error| format!("{error:#}"))?;
        listeners[0].settings().map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn what_is_not_said_has_a_sensible_value() {
        let settings = check_text("listen = \"0.0.0.0:25\"").unwrap();
        assert_eq!(settings.place, Place::Address(([0, 0, 0, 0], 25).into()));
        assert_eq!(settings.protocol, Protocol::Smtp);
        assert_eq!(settings.name, "bounce.example.com");
        assert_eq!(settings.recipients.domains, ["bounce.example.com"]);
        assert_eq!(settings.bounds, Bounds::default());
        assert!(settings.identity.is_none() && !settings.tls_required);
    }

    #[test]
    fn every_key_is_taken() {
        let settings = check_text(
            "listen = \"unix:/run/tidings/lmtp.sock\"\nprotocol = \"lmtp\"\nhello = \"mx.example.com\"\n\
             domains = [\"Bounce.Example.org\", \"bücher.example\"]\ncomplaints = [\"FBL@example.com\"]\n\
             max_message_size = 100000\nmax_sessions = 5\nmax_sessions_per_client = 2\nmax_messages_per_minute = 0\n\
             max_commands = 50\nmax_errors = 4\nidle_timeout = \"30s\"\n",
        )
        .unwrap();
        assert_eq!(settings.place, Place::Socket("/run/tidings/lmtp.sock".into()));
        assert_eq!(settings.protocol, Protocol::Lmtp);
        assert_eq!(settings.name, "mx.example.com");
        assert_eq!(
            settings.recipients.domains,
            ["bounce.example.org", "xn--bcher-kva.example"]
        );
        assert_eq!(settings.recipients.complaints, ["fbl@example.com"]);
        let bounds = Bounds {
            message_size: 100_000,
            sessions: 5,
            sessions_per_client: 2,
            messages_per_minute: 0,
            commands: 50,
            errors: 4,
            idle: Duration::from_secs(30),
        };
        assert_eq!(settings.bounds, bounds);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_write() {
        for (more, part) in [
            ("protocol = \"http\"", "smtp or lmtp"),
            ("tls = \"required\"", "add certificate_file"),
            ("certificate_file = \"/x\"", "no key_file"),
            ("key_file = \"/x\"", "no certificate_file"),
            (
                "certificate_file = \"/does/not/exist.pem\"\nkey_file = \"/x\"",
                "cannot read certificate_file",
            ),
            (
                "certificate_file = \"/dev/null\"\nkey_file = \"/dev/null\"",
                "BEGIN CERTIFICATE",
            ),
            (
                "certificate_file = \"/x\"\nkey_file = \"/x\"\ntls = \"never\"",
                "offered or required",
            ),
            ("domains = [\"bounce example\"]", "domains"),
            ("complaints = [\"fbl\"]", "no @ sign"),
            ("max_message_size = 1000", "65536"),
            ("max_sessions = 0", "1 to 10000"),
            ("max_errors = 0", "max_errors"),
            ("idle_timeout = \"0s\"", "30s"),
            ("hello = \"my host\"", "mail.example.com"),
            ("relay = true", "relay"),
        ] {
            let error = check_text(&format!("listen = \"127.0.0.1:2525\"\n{more}")).unwrap_err();
            assert!(error.contains(part), "`{part}` is missing in: {error}");
        }
        for listen in ["25", "mx.example.com:25", "unix:lmtp.sock", "unix:"] {
            let error = check_text(&format!("listen = \"{listen}\"")).unwrap_err();
            assert!(error.contains("0.0.0.0:25") && error.contains(listen), "{error}");
        }
    }

    #[test]
    fn two_listeners_do_not_share_a_place() {
        let section = || toml::from_str::<SmtpSection>("listen = \"127.0.0.1:2525\"").unwrap();
        let error = check(vec![section(), section()], None).unwrap_err();
        assert!(format!("{error:#}").contains("two sections"), "{error:#}");
    }
}
