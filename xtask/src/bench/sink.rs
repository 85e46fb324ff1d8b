//! Postfix's load programs: a sink that takes everything, and a source to compare with; and our scripted relay as a sink.

use super::meter::EndedAtDrop;
use crate::components::{self, Component, find, is_root};
use crate::workspace;
use anyhow::{Context, bail};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Sessions of `smtp-source`; with more it is no faster.
pub const SESSIONS: usize = 20;

/// A running `smtp-sink`.
pub struct Sink {
    address: SocketAddr,
    _process: EndedAtDrop,
}

impl Sink {
    /// Starts it on a free port of loopback.
    pub fn start() -> anyhow::Result<Self> {
        components::require(&[Component::SmtpSink])?;
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut command = Command::new(find("smtp-sink").context("smtp-sink")?);
        if is_root() {
            command.args(["-u", "nobody"]);
        }
        command
            .arg(address.to_string())
            .arg("1000")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let sink = Self {
            address,
            _process: EndedAtDrop(command.spawn().context("smtp-sink")?),
        };
        sink.wait_until_ready()?;
        Ok(sink)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The command that sends `messages` of so many octets to it, each session over one connection.
    pub fn source(&self, messages: usize, octets: u64) -> anyhow::Result<Command> {
        let mut command = Command::new(find("smtp-source").context("smtp-source")?);
        command.args([
            "-d",
            "-s",
            &SESSIONS.to_string(),
            "-l",
            &octets.to_string(),
            "-m",
            &messages.to_string(),
        ]);
        command
            .args(["-f", "news@example.com", "-t", "reader@example.org"])
            .arg(self.address.to_string());
        Ok(command)
    }

    fn wait_until_ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("smtp-sink does not listen on {}", self.address)
    }
}

/// Our scripted relay as a sink.
pub struct OurSink {
    address: SocketAddr,
    _process: EndedAtDrop,
}

impl OurSink {
    /// Starts it; `arguments`: `tls`, or the milliseconds that it waits before each answer.
    pub fn start(arguments: &[&str]) -> anyhow::Result<OurSink> {
        let mut command = Command::new(workspace::build_sink()?);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().context("the scripted relay")?;
        let stdout = child.stdout.take().context("the scripted relay's output")?;
        let process = EndedAtDrop(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        Ok(OurSink {
            address: line.trim().parse().context("the scripted relay's address")?,
            _process: process,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
