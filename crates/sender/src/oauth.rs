//! Access tokens for XOAUTH2: from a command or a file, kept until shortly before they expire.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Mutex, oneshot};
use tokio::time::{sleep, timeout};

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// Run by `sh -c`. Prints the token alone, or JSON with `access_token` and `expires_in`.
    Command(String),
    /// Holds the same. Somebody else renews it.
    File(PathBuf),
}

/// A token is renewed so long before it expires; or at half its life if that is short.
const MARGIN: Duration = Duration::from_secs(60);
/// A command may take so long.
const PATIENCE: Duration = Duration::from_secs(30);
/// A command that failed is not run again at once, however many sessions ask.
const REST: Duration = Duration::from_secs(3);
/// How often a command that has printed everything is looked after.
const LOOK: Duration = Duration::from_millis(10);
/// Tokens are some kilobytes at most.
const MOST_OCTETS: u64 = 64 * 1024;

/// The tokens of one relay.
#[derive(Debug)]
pub struct Tokens {
    source: TokenSource,
    // Held across the command on purpose: whoever comes meanwhile waits for the same token instead of running it again.
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    token: Option<Token>,
    failed: Option<(Instant, String)>,
    number: u64,
}

/// A token in use.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) secret: SecretString,
    /// Whether it was fetched for somebody before.
    pub(crate) is_kept: bool,
    /// Counts the tokens of a relay.
    number: u64,
    renew_at: Option<Instant>,
    modified: Option<SystemTime>,
}

impl Tokens {
    /// No token is fetched before it is asked for.
    pub fn new(source: TokenSource) -> Tokens {
        Tokens {
            source,
            kept: Mutex::default(),
        }
    }

    /// Where they come from.
    pub fn source(&self) -> &TokenSource {
        &self.source
    }

    /// A token that is good for a while. `refused`: one that the relay did not take; another is fetched unless that
    /// has happened already. The error is a sentence.
    pub(crate) async fn token(&self, refused: Option<&Token>) -> Result<Token, String> {
        let mut kept = self.kept.lock().await;
        let refused = refused.map(|token| token.number);
        if let Some(token) = &kept.token
            && Some(token.number) != refused
            && self.is_fresh(token)
        {
            return Ok(token.clone());
        }
        if let Some((when, why)) = &kept.failed
            && when.elapsed() < REST
        {
            return Err(why.clone());
        }
        kept.number += 1;
        match self.fetch(kept.number).await {
            Ok(token) => {
                kept.failed = None;
                kept.token = Some(Token {
                    is_kept: true,
                    ..token.clone()
                });
                Ok(token)
            }
            Err(why) => {
                kept.failed = Some((Instant::now(), why.clone()));
                Err(why)
            }
        }
    }

    fn is_fresh(&self, token: &Token) -> bool {
        if token.renew_at.is_some_and(|at| Instant::now() >= at) {
            return false;
        }
        match &self.source {
            TokenSource::Command(_) => true,
            TokenSource::File(file) => modified(file) == token.modified,
        }
    }

    async fn fetch(&self, number: u64) -> Result<Token, String> {
        let (text, modified) = match &self.source {
            TokenSource::Command(command) => (printed_by(command, PATIENCE).await?, None),
            TokenSource::File(file) => {
                let modified = modified(file);
                (read(file).await?, modified)
            }
        };
        let (secret, life) = parse(&text).map_err(|why| match &self.source {
            TokenSource::Command(_) => format!("token_command {why}"),
            TokenSource::File(file) => format!("token_file = {} {why}", file.display()),
        })?;
        // A file tells how long its token lived when it was written.
        let age = modified.and_then(|at| at.elapsed().ok()).unwrap_or_default();
        Ok(Token {
            secret,
            is_kept: false,
            number,
            renew_at: life.map(|life| Instant::now() + (life - MARGIN.min(life / 2)).saturating_sub(age)),
            modified,
        })
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).ok()?.modified().ok()
}

async fn read(file: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot read token_file = {}: {error}", file.display());
    let opened = std::fs::File::open(file).map_err(failed)?;
    Ok(read_some(Some(opened)).await.unwrap_or_default())
}

/// A command that is ended when nobody waits for it any more.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn printed_by(command: &str, patience: Duration) -> Result<String, String> {
    let child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("token_command cannot be started: {error}"))?;
    let mut running = Running(child);
    let printed = read_some(running.0.stdout.take());
    let complaint = read_some(running.0.stderr.take());
    let ended = async {
        let (printed, complaint) = (
            printed.await.unwrap_or_default(),
            complaint.await.unwrap_or_default(),
        );
        loop {
            match running.0.try_wait() {
                Ok(None) => sleep(LOOK).await,
                Ok(Some(status)) => return (printed, complaint, Ok(status)),
                Err(error) => return (printed, complaint, Err(error)),
            }
        }
    };
    let Ok((printed, complaint, status)) = timeout(patience, ended).await else {
        return Err(format!(
            "token_command did not end within {} s: run it by hand and see what it waits for",
            patience.as_secs()
        ));
    };
    match status {
        Ok(status) if status.success() => Ok(printed),
        Ok(status) => {
            let last = complaint.lines().rfind(|line| !line.trim().is_empty());
            let last = last.unwrap_or_default().chars().filter(|c| !c.is_control());
            let last: String = last.take(200).collect();
            Err(format!("token_command failed ({status}): {last}"))
        }
        Err(error) => Err(format!("token_command: {error}")),
    }
}

/// Reads in a thread of its own until the end or the bound, whichever comes first; then the pipe is closed. Not one of
/// the runtime's threads: it would wait for a pipe that a command has left to somebody else.
fn read_some(pipe: Option<impl Read + Send + 'static>) -> oneshot::Receiver<String> {
    let (read, outcome) = oneshot::channel();
    std::thread::spawn(move || {
        let mut octets = Vec::new();
        if let Some(pipe) = pipe {
            // What cannot be read is missing from the token, and that is told.
            let _ = pipe.take(MOST_OCTETS).read_to_end(&mut octets);
        }
        // Nobody may be waiting any more.
        let _ = read.send(String::from_utf8_lossy(&octets).into_owned());
    });
    outcome
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<f64>,
}

/// The token, and how long it lives if that is told. The error never shows what was printed.
fn parse(text: &str) -> Result<(SecretString, Option<Duration>), String> {
    let text = text.trim();
    let (token, life) = if text.starts_with('{') {
        let answer: Answer = serde_json::from_str(text).map_err(|_| {
            "gives JSON without `access_token`, or with an `expires_in` that is no number".to_owned()
        })?;
        let life = answer
            .expires_in
            .map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
        (SecretString::from(answer.access_token), life)
    } else {
        (SecretString::from(text), None)
    };
    let shown = token.expose_secret();
    if shown.is_empty() {
        return Err("gives no token".to_owned());
    }
    if !shown.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err("gives something that is no token: it must print the token alone, or JSON".to_owned());
    }
    Ok((token, life))
}

#[cfg(test)]
mod tests;
