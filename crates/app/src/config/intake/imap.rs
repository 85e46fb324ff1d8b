//! Sections `[[intake.imap]]`.

use crate::config::keep;
use anyhow::{Context, bail, ensure};
use secrecy::SecretString;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use tidings_intake::imap::{FolderName, ImapSettings, Proof, TlsMode, TokenSource, Trust, WhenDone};
use url::{Host, Url};

/// `TIDINGS_INTAKE_IMAP_URL` and so on, of the first mailbox.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ImapSection {
    url: String,
    password_file: Option<PathBuf>,
    password_env: Option<String>,
    token_command: Option<String>,
    token_file: Option<PathBuf>,
    done: Option<String>,
    done_folder: Option<String>,
    poll: Option<String>,
    ca_file: Option<PathBuf>,
}

// By hand, because the URL may hold a password.
impl std::fmt::Debug for ImapSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImapSection").finish_non_exhaustive()
    }
}

const WORDS: &str = "write imaps://user@host:993/INBOX, or imap://user@host:143/INBOX for STARTTLS";
/// Where messages go that are done with.
const DONE_FOLDER: &str = "Tidings";
/// More often would be no kindness to the server.
const SHORTEST_POLL: Duration = Duration::from_secs(1);

/// The mailboxes of all sections; every faulty one is named.
pub(super) fn check(sections: Vec<ImapSection>) -> anyhow::Result<Vec<ImapSettings>> {
    let mut faults = Vec::new();
    let checked = sections.into_iter();
    let checked: Vec<_> = checked.filter_map(|one| keep(one.check(), &mut faults)).collect();
    ensure!(faults.is_empty(), faults.join("\n  and "));
    Ok(checked)
}

impl ImapSection {
    fn check(self) -> anyhow::Result<ImapSettings> {
        self.settings().context("section [[intake.imap]]")
    }

    /// The URL is never shown: it may hold a password.
    fn settings(self) -> anyhow::Result<ImapSettings> {
        let Ok(url) = Url::parse(&self.url) else {
            bail!("url is not a URL: {WORDS}")
        };
        let is_implicit = match url.scheme() {
            "imaps" => true,
            "imap" => false,
            other => bail!("url has the scheme `{other}`: {WORDS}"),
        };
        let host = match url.host() {
            // The scheme is not special to the parser, so an IPv4 address comes as a name.
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => bail!("url has no host: {WORDS}"),
        };
        let tls = tls_mode(&url, is_implicit, &host)?;
        let folder = match unescape(url.path().trim_start_matches('/'))? {
            path if path.is_empty() => FolderName::inbox(),
            path => FolderName::parse(&path).context("the folder in url")?,
        };
        let user = unescape(url.username())?;
        ensure!(!user.is_empty(), "url has no user: {WORDS}");
        ensure!(
            !user.contains(char::is_control),
            "the user in url has control characters"
        );
        Ok(ImapSettings {
            port: url.port().unwrap_or(if is_implicit { 993 } else { 143 }),
            trust: self.trust(tls)?,
            proof: self.proof(&url)?,
            done: self.done(&folder)?,
            poll: self.poll()?,
            host,
            tls,
            user,
            folder,
        })
    }

    fn proof(&self, url: &Url) -> anyhow::Result<Proof> {
        match (self.password(url)?, &self.token_command, &self.token_file) {
            (Some(password), None, None) => Ok(Proof::Password(password)),
            (None, Some(command), None) => {
                ensure!(
                    !command.trim().is_empty(),
                    "token_command is empty: write the command that prints the token"
                );
                Ok(Proof::Token(TokenSource::Command(command.clone())))
            }
            (None, None, Some(file)) => Ok(Proof::Token(TokenSource::File(file.clone()))),
            (None, None, None) => {
                bail!(
                    "there is no password: add password_file or password_env, or token_command or token_file"
                )
            }
            _ => {
                bail!("there is more than one of a password, token_command and token_file: keep one of them")
            }
        }
    }

    fn password(&self, url: &Url) -> anyhow::Result<Option<SecretString>> {
        let password = match (&self.password_file, &self.password_env, url.password()) {
            (Some(file), None, None) => std::fs::read_to_string(file)
                .with_context(|| format!("cannot read password_file = {}", file.display()))?
                .trim_end_matches(['\r', '\n'])
                .to_owned(),
            (None, Some(name), None) => {
                std::env::var(name).with_context(|| format!("password_env = {name} is not set"))?
            }
            (None, None, Some(password)) => unescape(password)?,
            (None, None, None) => return Ok(None),
            _ => {
                bail!("the password is given more than once: keep one of password_file, password_env and url")
            }
        };
        ensure!(
            !password.is_empty() && !password.contains(['\0', '\r', '\n']),
            "the password is empty, or has a NUL or the end of a line in it"
        );
        Ok(Some(SecretString::from(password)))
    }

    fn trust(&self, tls: TlsMode) -> anyhow::Result<Trust> {
        let Some(file) = &self.ca_file else {
            return Ok(Trust::default());
        };
        ensure!(
            tls != TlsMode::Never,
            "ca_file means nothing without TLS: write imaps:// or ?tls=required behind the url"
        );
        let name = || format!("ca_file = {}", file.display());
        let pem = std::fs::read(file).with_context(|| format!("cannot read {}", name()))?;
        Trust::roots(&pem).with_context(name)
    }

    fn done(&self, folder: &FolderName) -> anyhow::Result<WhenDone> {
        let (done, done_folder) = (self.done.as_deref(), self.done_folder.as_deref());
        ensure!(
            done_folder.is_none() || matches!(done, None | Some("move")),
            "done_folder is for done = \"move\": drop one of them"
        );
        match done {
            None | Some("move") => {
                let done_folder =
                    FolderName::parse(done_folder.unwrap_or(DONE_FOLDER)).context("done_folder")?;
                ensure!(
                    done_folder != *folder,
                    "done_folder is the folder that is read, `{folder}`: write another, or done = \"flag\""
                );
                Ok(WhenDone::Move(done_folder))
            }
            Some("flag") => Ok(WhenDone::Flag),
            Some("delete") => Ok(WhenDone::Delete),
            Some(other) => bail!("done = \"{other}\": it is move (the default), flag or delete"),
        }
    }

    fn poll(&self) -> anyhow::Result<Duration> {
        let Some(text) = &self.poll else {
            return Ok(ImapSettings::POLL);
        };
        let poll = humantime::parse_duration(text).ok();
        poll.filter(|poll| (SHORTEST_POLL..=ImapSettings::LONGEST_POLL).contains(poll))
            .with_context(|| format!("poll = \"{text}\": it is a time from 1s to 25m"))
    }
}

fn unescape(text: &str) -> anyhow::Result<String> {
    // A form's decoder reads `+` as a space and `&` as the next field; here they are themselves.
    let text = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let unescaped = url::form_urlencoded::parse(text.as_bytes()).next();
    Ok(unescaped.map(|(key, _)| key.into_owned()).unwrap_or_default())
}

fn tls_mode(url: &Url, is_implicit: bool, host: &str) -> anyhow::Result<TlsMode> {
    let mut wish = None;
    for (key, value) in url.query_pairs() {
        ensure!(key == "tls", "url has the parameter `{key}`: only tls is known");
        wish = Some(value.into_owned());
    }
    Ok(match (is_implicit, wish.as_deref()) {
        (true, None) => TlsMode::Implicit,
        (true, Some(_)) => bail!("imaps:// is always encrypted: leave tls= away or write imap://"),
        (false, Some("required")) => TlsMode::StartTls,
        (false, Some("never")) => TlsMode::Never,
        (false, Some(other)) => bail!("url has tls={other}: it is required or never"),
        (false, None) if url.port() == Some(993) => {
            bail!("url says imap:// and port 993, where TLS begins at once: write imaps://")
        }
        // What stays on this machine needs no certificate.
        (false, None) if is_loopback(host) => TlsMode::Never,
        (false, None) => TlsMode::StartTls,
    })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn section(text: &str) -> Result<ImapSettings, String> {
        let section: ImapSection = toml::from_str(text).unwrap();
        section.check().map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_url_says_where_the_mailbox_is_and_how_it_is_protected() {
        let settings = section("url = \"imaps://bounces%40example.com:se+cret@mail.example.com\"").unwrap();
        assert_eq!(
            settings.name(),
            "INBOX of bounces@example.com at mail.example.com"
        );
        assert_eq!((settings.port, settings.tls), (993, TlsMode::Implicit));
        let Proof::Password(password) = settings.proof else {
            panic!("{:?}", settings.proof)
        };
        assert_eq!(password.expose_secret(), "se+cret");
        let WhenDone::Move(folder) = settings.done else {
            panic!("{:?}", settings.done)
        };
        assert_eq!(folder.to_string(), "Tidings");
        for (url, port, tls) in [
            ("imap://ann:x@mail.example.com", 143, TlsMode::StartTls),
            ("imap://ann:x@127.0.0.1:1143", 1143, TlsMode::Never),
            ("imap://ann:x@127.0.0.1?tls=required", 143, TlsMode::StartTls),
            ("imap://ann:x@mail.example.com?tls=never", 143, TlsMode::Never),
        ] {
            let settings = section(&format!("url = \"{url}\"")).unwrap();
            assert_eq!((settings.port, settings.tls), (port, tls), "{url}");
        }
        let folder = section("url = \"imaps://ann:x@mail.example.com/Lists/R%C3%BCckl%C3%A4ufer\"").unwrap();
        assert_eq!(folder.folder.to_string(), "Lists/Rückläufer");
    }

    #[test]
    fn what_cannot_work_is_refused_without_the_password() {
        for (text, part) in [
            ("url = \"imaps://ann@mail.example.com\"", "password_file"),
            ("url = \"imaps://mail.example.com\"", "no user"),
            (
                "url = \"imaps://ann:hush@mail.example.com\"\ntoken_file = \"a\"",
                "more than one",
            ),
            ("url = \"smtps://ann:hush@mail.example.com\"", "imaps://"),
            ("url = \"imap://ann:hush@mail.example.com:993\"", "imaps://"),
            (
                "url = \"imaps://ann:hush@mail.example.com?tls=never\"",
                "always encrypted",
            ),
            (
                "url = \"imaps://ann:hush@mail.example.com\"\ndone = \"keep\"",
                "flag",
            ),
            (
                "url = \"imaps://ann:hush@mail.example.com\"\ndone_folder = \"INBOX\"",
                "another",
            ),
            (
                "url = \"imaps://ann:hush@mail.example.com\"\ndone = \"flag\"\ndone_folder = \"a\"",
                "done_folder",
            ),
            (
                "url = \"imaps://ann:hush@mail.example.com\"\npoll = \"1h\"",
                "25m",
            ),
            (
                "url = \"imap://ann:hush@127.0.0.1\"\nca_file = \"/no/file\"",
                "without TLS",
            ),
            (
                "url = \"imaps://ann:hush%0D%0Ax@mail.example.com\"",
                "end of a line",
            ),
            (
                "url = \"imaps://ann:hush@mail.example.com/a%0D%0Ab\"",
                "control characters",
            ),
        ] {
            let error = section(text).unwrap_err();
            assert!(error.contains(part), "{part} is missing in: {error}");
            assert!(
                error.contains("[[intake.imap]]") && !error.contains("hush"),
                "{error}"
            );
        }
    }
}
