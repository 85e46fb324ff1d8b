//! Access tokens for XOAUTH2. One is fetched for each login, so none is kept.

use secrecy::SecretString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// Run by `sh -c`. Prints the token alone, or JSON with `access_token`.
    Command(String),
    /// Holds the same. Somebody else renews it.
    File(PathBuf),
}

/// A command may take so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// Tokens are some kilobytes at most.
const MOST_OCTETS: usize = 64 * 1024;

impl TokenSource {
    /// A token. The error is a sentence.
    pub(super) async fn token(&self) -> Result<SecretString, String> {
        match self {
            TokenSource::Command(command) => {
                let printed = printed_by(command).await?;
                token_in(&printed).map_err(|why| format!("token_command {why}"))
            }
            TokenSource::File(file) => {
                let name = || format!("token_file = {}", file.display());
                let text = read(file).map_err(|error| format!("cannot read {}: {error}", name()))?;
                token_in(&text).map_err(|why| format!("{} {why}", name()))
            }
        }
    }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let opened = std::fs::File::open(file)?;
    opened.take(MOST_OCTETS as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

async fn printed_by(command: &str) -> Result<Vec<u8>, String> {
    let running = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    match timeout(PATIENCE, running).await {
        Ok(Ok(output)) if output.status.success() => Ok(output.stdout),
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().rfind(|line| !line.trim().is_empty());
            let last = super::fault::excerpt(last.unwrap_or_default());
            Err(format!("token_command failed ({}): {last}", output.status))
        }
        Ok(Err(error)) => Err(format!("token_command cannot be run: {error}")),
        Err(_) => Err(format!(
            "token_command did not end within {} s: run it by hand and see what it waits for",
            PATIENCE.as_secs()
        )),
    }
}

fn token_in(text: &[u8]) -> Result<SecretString, &'static str> {
    if text.len() > MOST_OCTETS {
        return Err("gives more than a token");
    }
    let text = std::str::from_utf8(text)
        .map_err(|_| "gives what is no text")?
        .trim();
    let token = match text.starts_with('{') {
        true => {
            let read: serde_json::Value =
                serde_json::from_str(text).map_err(|_| "gives JSON that cannot be read")?;
            let token = read["access_token"].as_str().map(str::to_owned);
            token.ok_or("gives JSON without \"access_token\"")?
        }
        false => text.to_owned(),
    };
    // RFC 6750 section 2.1. Anything else would break out of the answer, or be a message of an error.
    if token.is_empty() || !token.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err("gives no token: one word, or JSON with \"access_token\"");
    }
    Ok(SecretString::from(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[tokio::test]
    async fn a_token_stands_alone_or_in_json() {
        for command in [
            "echo ya29.abc",
            "echo '{\"access_token\": \"ya29.abc\", \"expires_in\": 3600}'",
        ] {
            let token = TokenSource::Command(command.to_owned()).token().await.unwrap();
            assert_eq!(token.expose_secret(), "ya29.abc");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "ya29.abc\n").unwrap();
        let token = TokenSource::File(file).token().await.unwrap();
        assert_eq!(token.expose_secret(), "ya29.abc");
    }

    #[tokio::test]
    async fn what_is_no_token_is_told() {
        for (command, part) in [
            ("echo the login has expired", "gives no token"),
            (
                "echo '{\"error\": \"invalid_grant\"}'",
                "without \"access_token\"",
            ),
            ("echo nobody is logged in >&2; exit 3", "nobody is logged in"),
            ("head -c 100000 /dev/zero | tr '\\0' x", "more than a token"),
        ] {
            let told = TokenSource::Command(command.to_owned())
                .token()
                .await
                .unwrap_err();
            assert!(told.contains(part), "`{part}` is missing in: {told}");
        }
        let told = TokenSource::File("/no/such/file".into())
            .token()
            .await
            .unwrap_err();
        assert!(told.contains("/no/such/file"), "{told}");
    }
}
