//! One SMTP connection: octets out, replies in, and a record of both.

mod announced;
mod auth;
mod dial;
mod handshake;
mod probe;
mod stream;

use self::stream::Stream;
use crate::certificate::Certificate;
use crate::fault::RelayFault;
use crate::relay::RelaySettings;
use crate::reply::Reply;
use crate::timeouts::Timeouts;
use crate::tls::words;
use crate::transcript::Transcript;
use smtp_proto::Response;
use smtp_proto::response::parser::ResponseReceiver;
use std::io;
use std::pin::Pin;
use std::task::Context;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

pub use self::announced::{Announced, Extension};
pub use lettre::transport::smtp::authentication::Mechanism;

/// A connection that is ready for MAIL. One task owns it.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    read: Vec<u8>,
    consumed: usize,
    timeouts: Timeouts,
    announced: Announced,
    announcement: String,
    greeting: String,
    mechanism: Option<Mechanism>,
    transcript: Transcript,
}

/// A write that failed.
#[derive(Debug)]
pub struct WriteFailed {
    /// How many octets had been handed over before.
    pub written: usize,
    /// Why.
    pub fault: RelayFault,
}

/// No connection came about.
#[derive(Debug)]
pub struct NotOpened {
    /// Why.
    pub fault: RelayFault,
    /// What was said until then, secrets masked.
    pub transcript: String,
    /// The relay's certificate, if it had shown an acceptable one.
    pub certificate: Option<Certificate>,
}

impl Connection {
    /// Connects, protects the connection, says EHLO and logs in, as the settings ask.
    pub async fn open(relay: &RelaySettings) -> Result<Connection, NotOpened> {
        let mut connection = Connection {
            stream: Stream::Absent,
            read: Vec::with_capacity(1024),
            consumed: 0,
            timeouts: relay.timeouts,
            announced: Announced::default(),
            announcement: String::new(),
            greeting: String::new(),
            mechanism: None,
            transcript: Transcript::new(),
        };
        match connection.shake_hands(relay).await {
            Ok(()) => Ok(connection),
            Err(fault) => {
                connection.transcript.note(&fault.to_string());
                Err(NotOpened {
                    fault,
                    transcript: connection.transcript(),
                    certificate: connection.certificate(),
                })
            }
        }
    }

    /// What the relay announced in its last EHLO reply and may be used.
    pub fn announced(&self) -> &Announced {
        &self.announced
    }

    /// The whole of its last EHLO reply, a line for each extension.
    pub fn announcement(&self) -> &str {
        &self.announcement
    }

    /// What the relay said first.
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// How we logged in.
    pub fn mechanism(&self) -> Option<Mechanism> {
        self.mechanism
    }

    /// How long the relay may take.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Whether the conversation is encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// The version of TLS, `TLS 1.3` for instance.
    pub fn tls_version(&self) -> Option<String> {
        self.stream.tls_version()
    }

    /// The relay's certificate.
    pub fn certificate(&self) -> Option<Certificate> {
        self.stream.certificate()
    }

    /// The last part of what was said: secrets masked, of contents only the size.
    pub fn transcript(&self) -> String {
        self.transcript.text()
    }

    /// Writes commands.
    pub async fn write(&mut self, commands: &[u8], limit: Duration) -> Result<(), WriteFailed> {
        self.transcript.said(commands);
        self.put(commands, limit, || Duration::MAX).await
    }

    /// Writes `content` octets of content with the final dot, and the commands behind it, in one go. The time-out is
    /// for each block that the relay's side takes. `left`: how long it may be gone on.
    pub(crate) async fn write_content(
        &mut self,
        octets: &[u8],
        content: usize,
        left: impl Fn() -> Duration,
    ) -> Result<(), WriteFailed> {
        self.transcript.said_content(content);
        self.transcript.said(&octets[content..]);
        self.put(octets, self.timeouts.block, left).await
    }

    /// Writes what must not be seen in the transcript, where `shown` stands in its place.
    async fn write_secret(&mut self, secret: &[u8], shown: &str) -> Result<(), RelayFault> {
        self.transcript.said(shown.as_bytes());
        let outcome = self.put(secret, self.timeouts.command, || Duration::MAX).await;
        outcome.map_err(|failed| failed.fault)
    }

    async fn put(
        &mut self,
        octets: &[u8],
        limit: Duration,
        left: impl Fn() -> Duration,
    ) -> Result<(), WriteFailed> {
        let slow = RelayFault::TimedOut {
            step: "a block of content",
            limit,
        };
        let mut written = 0;
        while written < octets.len() {
            let limit = limit.min(left());
            if limit.is_zero() {
                return Err(WriteFailed { written, fault: slow });
            }
            let fault = match timeout(limit, self.stream.write(&octets[written..])).await {
                Ok(Ok(0)) => RelayFault::Broken("closed by the relay".to_owned()),
                Ok(Ok(n)) => {
                    written += n;
                    continue;
                }
                Ok(Err(error)) => RelayFault::Broken(error.to_string()),
                Err(_) => slow,
            };
            return Err(WriteFailed { written, fault });
        }
        let fault = match timeout(limit, self.stream.flush()).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => RelayFault::Broken(error.to_string()),
            Err(_) => slow,
        };
        Err(WriteFailed { written, fault })
    }

    /// Waits until something comes from the relay. False: nothing did within `limit`.
    pub(crate) async fn is_heard(&mut self, step: &'static str, limit: Duration) -> Result<bool, RelayFault> {
        if self.consumed < self.read.len() {
            return Ok(true);
        }
        match self.fill(step, limit).await {
            Ok(()) => Ok(true),
            Err(RelayFault::TimedOut { .. }) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// Reads the next reply.
    pub async fn reply(&mut self, step: &'static str, limit: Duration) -> Result<Reply, RelayFault> {
        self.response(step, limit).await.map(Reply::from_response)
    }

    async fn response(
        &mut self,
        step: &'static str,
        limit: Duration,
    ) -> Result<Response<String>, RelayFault> {
        let mut receiver = ResponseReceiver::default();
        loop {
            let fresh = &self.read[self.consumed..];
            let mut octets = fresh.iter();
            let parsed = receiver.parse(&mut octets);
            let used = fresh.len() - octets.as_slice().len();
            match parsed {
                Ok(response) if (200..600).contains(&response.code) => {
                    self.transcript.heard(&fresh[..used]);
                    self.consumed += used;
                    return Ok(response);
                }
                Err(smtp_proto::Error::NeedsMoreData { .. }) => {
                    self.transcript.heard(&fresh[..used]);
                    self.consumed += used;
                    self.fill(step, limit).await?;
                }
                _ => {
                    self.transcript.heard(fresh);
                    return Err(RelayFault::garbled(step, fresh));
                }
            }
        }
    }

    async fn fill(&mut self, step: &'static str, limit: Duration) -> Result<(), RelayFault> {
        if self.consumed == self.read.len() {
            self.read.clear();
            self.consumed = 0;
        }
        self.read.reserve(1024);
        match timeout(limit, self.stream.read_buf(&mut self.read)).await {
            Ok(Ok(0)) => Err(RelayFault::Closed { step }),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(fault_of_read(&error, step)),
            Err(_) => Err(RelayFault::TimedOut { step, limit }),
        }
    }

    /// Whether the relay has closed the connection or said something that nobody asked for.
    pub fn is_disturbed(&mut self) -> bool {
        if self.consumed < self.read.len() {
            return true;
        }
        let mut octet = [0; 1];
        let mut buffer = ReadBuf::new(&mut octet);
        let mut context = Context::from_waker(std::task::Waker::noop());
        // Anything but "nothing there yet" is a disturbance: the end, an error, or a 421.
        Pin::new(&mut self.stream)
            .poll_read(&mut context, &mut buffer)
            .is_ready()
    }

    /// Says goodbye and does not wait for long.
    pub async fn quit(mut self) {
        if self.write(b"QUIT\r\n", Timeouts::QUIT).await.is_ok() {
            // Whatever is answered, the connection ends here.
            let _ = self.reply("QUIT", Timeouts::QUIT).await;
        }
        let _ = timeout(Timeouts::QUIT, self.stream.shutdown()).await;
    }
}

fn fault_of_read(error: &io::Error, step: &'static str) -> RelayFault {
    match (words::of_alert(error), error.kind()) {
        (Some(sentence), _) => RelayFault::Tls(sentence),
        (None, io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => RelayFault::Closed { step },
        (None, _) => RelayFault::Broken(error.to_string()),
    }
}
