//! One SMTP connection: octets out, replies in, and the handshake that comes before the first message.

use crate::relay::{Login, RelayFault, RelaySettings, TlsMode};
use crate::reply::{Kind, Reply};
use crate::tls;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::commands::{Auth, Ehlo, Starttls};
use lettre::transport::smtp::extension::ClientId;
use secrecy::ExposeSecret;
use smtp_proto::response::parser::ResponseReceiver;
use smtp_proto::{
    AUTH_LOGIN, AUTH_PLAIN, EXT_8BIT_MIME, EXT_PIPELINING, EXT_SIZE, EXT_SMTP_UTF8, EXT_START_TLS,
    EhloResponse,
};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

/// RFC 5321 section 4.5.3.2. An early time-out after the final dot would send a second copy.
pub(crate) mod limits {
    use std::time::Duration;
    const MINUTE: Duration = Duration::from_secs(60);
    pub const CONNECT: Duration = Duration::from_secs(30);
    pub const GREETING: Duration = MINUTE.saturating_mul(5);
    pub const COMMAND: Duration = MINUTE.saturating_mul(5);
    pub const DATA: Duration = MINUTE.saturating_mul(2);
    pub const BLOCK: Duration = MINUTE.saturating_mul(3);
    pub const FINAL_DOT: Duration = MINUTE.saturating_mul(10);
    pub const QUIT: Duration = Duration::from_secs(2);
}

/// What a relay announced (RFC 5321 section 4.1.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// RFC 2920
    pub pipelining: bool,
    /// RFC 6152
    pub eight_bit_mime: bool,
    /// RFC 6531
    pub smtp_utf8: bool,
    /// RFC 1870: announced, and the limit in octets; zero stands for no fixed limit.
    pub size: Option<usize>,
    /// RFC 3207
    pub start_tls: bool,
    auth: u64,
}

impl Announced {
    /// The AUTH mechanisms that both sides know, the preferred first.
    pub fn mechanisms(&self) -> Vec<Mechanism> {
        [(AUTH_PLAIN, Mechanism::Plain), (AUTH_LOGIN, Mechanism::Login)]
            .into_iter()
            .filter(|(bit, _)| self.auth & bit != 0)
            .map(|(_, mechanism)| mechanism)
            .collect()
    }
}

/// A connection that is ready for MAIL. One task owns it.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    read: Vec<u8>,
    consumed: usize,
    announced: Announced,
    greeting: String,
}

/// A write that failed.
#[derive(Debug)]
pub struct WriteFailed {
    /// How many octets had been handed over before.
    pub written: usize,
    /// Why.
    pub fault: RelayFault,
}

impl Connection {
    /// Connects, protects the connection, says EHLO and logs in, as the settings ask.
    pub async fn open(relay: &RelaySettings) -> Result<Connection, RelayFault> {
        let tcp = timeout(
            limits::CONNECT,
            TcpStream::connect((relay.host.as_str(), relay.port)),
        )
        .await
        .map_err(|_| RelayFault::TimedOut {
            step: "connect",
            limit: limits::CONNECT,
        })?
        .map_err(|error| RelayFault::Connect(format!("{}:{}: {error}", relay.host, relay.port)))?;
        // Without it, every message waits 40 ms for a delayed acknowledgement.
        tcp.set_nodelay(true)
            .map_err(|error| RelayFault::Connect(error.to_string()))?;
        let stream = match relay.tls {
            TlsMode::Implicit => Stream::tls(tcp, &relay.host).await?,
            _ => Stream::Plain(tcp),
        };
        let mut connection = Connection {
            stream,
            read: Vec::with_capacity(1024),
            consumed: 0,
            announced: Announced::default(),
            greeting: String::new(),
        };
        let greeting = connection
            .expect(Kind::Positive, "the greeting", limits::GREETING)
            .await?;
        connection.greeting = greeting.text;
        connection.hello(&relay.hello).await?;
        connection = connection.start_tls_if_asked(relay).await?;
        if let Some(login) = &relay.login {
            if !connection.is_encrypted() && relay.tls != TlsMode::Never {
                let why = "the relay does not offer STARTTLS, and a password does not go out in clear text";
                return Err(RelayFault::Tls(why.to_owned()));
            }
            connection.log_in(login).await?;
        }
        Ok(connection)
    }

    /// What the relay announced in its last EHLO reply.
    pub fn announced(&self) -> &Announced {
        &self.announced
    }

    /// What the relay said first.
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// Whether the conversation is encrypted.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    async fn hello(&mut self, name: &str) -> Result<(), RelayFault> {
        let id = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(literal) => match literal.strip_prefix("IPv6:").unwrap_or(literal).parse() {
                Ok(std::net::IpAddr::V4(address)) => ClientId::Ipv4(address),
                Ok(std::net::IpAddr::V6(address)) => ClientId::Ipv6(address),
                Err(_) => ClientId::Domain(name.to_owned()),
            },
            None => ClientId::Domain(name.to_owned()),
        };
        self.write(Ehlo::new(id).to_string().as_bytes(), limits::COMMAND)
            .await
            .map_err(|failed| failed.fault)?;
        let (reply, raw) = self.reply_with_octets("EHLO", limits::COMMAND).await?;
        if reply.kind() == Kind::Permanent {
            // RFC 5321 section 3.2: a server that does not know EHLO is met with HELO, and offers nothing.
            self.command(
                &format!("HELO {name}\r\n"),
                Kind::Positive,
                "HELO",
                limits::COMMAND,
            )
            .await?;
            self.announced = Announced::default();
            return Ok(());
        }
        if reply.kind() != Kind::Positive {
            return Err(RelayFault::Refused {
                step: "EHLO",
                reply: reply.to_string(),
            });
        }
        let ehlo = EhloResponse::parse(&mut raw.iter()).map_err(|_| RelayFault::Garbled { step: "EHLO" })?;
        self.announced = Announced {
            pipelining: ehlo.has_capability(EXT_PIPELINING),
            eight_bit_mime: ehlo.has_capability(EXT_8BIT_MIME),
            smtp_utf8: ehlo.has_capability(EXT_SMTP_UTF8),
            size: ehlo.has_capability(EXT_SIZE).then_some(ehlo.size),
            start_tls: ehlo.has_capability(EXT_START_TLS),
            auth: ehlo.auth_mechanisms,
        };
        Ok(())
    }

    async fn start_tls_if_asked(mut self, relay: &RelaySettings) -> Result<Connection, RelayFault> {
        let wanted = match relay.tls {
            TlsMode::Implicit | TlsMode::Never => false,
            TlsMode::StartTlsIfOffered => self.announced.start_tls,
            TlsMode::StartTlsRequired if self.announced.start_tls => true,
            TlsMode::StartTlsRequired => {
                return Err(RelayFault::Tls(
                    "the relay does not offer STARTTLS, and it is required".to_owned(),
                ));
            }
        };
        if !wanted {
            return Ok(self);
        }
        self.command(&Starttls.to_string(), Kind::Positive, "STARTTLS", limits::COMMAND)
            .await?;
        let Stream::Plain(tcp) = self.stream else {
            return Err(RelayFault::Tls("STARTTLS inside TLS".to_owned()));
        };
        self.stream = Stream::tls(tcp, &relay.host).await?;
        // RFC 3207 section 4.2: forget all that came in clear text, also what was injected behind the reply.
        self.read.clear();
        self.consumed = 0;
        self.hello(&relay.hello).await?;
        Ok(self)
    }

    async fn log_in(&mut self, login: &Login) -> Result<(), RelayFault> {
        let credentials = Credentials::new(login.user.clone(), login.password.expose_secret().to_owned());
        let refused = |reply: String| RelayFault::Refused { step: "AUTH", reply };
        let mechanism = *self
            .announced
            .mechanisms()
            .first()
            .ok_or_else(|| refused("the relay offers neither PLAIN nor LOGIN".to_owned()))?;
        let mut command = Auth::new(mechanism, credentials.clone(), None)
            .map_err(|error| refused(error.to_string()))?
            .to_string();
        // LOGIN asks twice; a relay that goes on asking is not answered for ever.
        for _ in 0..4 {
            self.write(command.as_bytes(), limits::COMMAND)
                .await
                .map_err(|failed| failed.fault)?;
            let reply = self.reply("AUTH", limits::COMMAND).await?;
            match reply.kind() {
                Kind::Positive => return Ok(()),
                Kind::Intermediate => {
                    let challenge = format!("334 {}\r\n", reply.text)
                        .parse()
                        .map_err(|_| RelayFault::Garbled { step: "AUTH" })?;
                    command = Auth::new_from_response(mechanism, credentials.clone(), &challenge)
                        .map_err(|error| refused(error.to_string()))?
                        .to_string();
                }
                _ => return Err(refused(reply.to_string())),
            }
        }
        Err(refused("the relay asks again and again".to_owned()))
    }

    async fn command(
        &mut self,
        line: &str,
        expected: Kind,
        step: &'static str,
        limit: Duration,
    ) -> Result<Reply, RelayFault> {
        self.write(line.as_bytes(), limit)
            .await
            .map_err(|failed| failed.fault)?;
        self.expect(expected, step, limit).await
    }

    async fn expect(&mut self, kind: Kind, step: &'static str, limit: Duration) -> Result<Reply, RelayFault> {
        let reply = self.reply(step, limit).await?;
        if reply.kind() == kind {
            return Ok(reply);
        }
        Err(RelayFault::Refused {
            step,
            reply: reply.to_string(),
        })
    }

    /// Writes all of `octets`. `limit` is for each block that the relay's side takes.
    pub async fn write(&mut self, octets: &[u8], limit: Duration) -> Result<(), WriteFailed> {
        let mut written = 0;
        while written < octets.len() {
            let block = timeout(limit, self.stream.write(&octets[written..])).await;
            let fault = match block {
                Ok(Ok(0)) => RelayFault::Broken("closed by the relay".to_owned()),
                Ok(Ok(n)) => {
                    written += n;
                    continue;
                }
                Ok(Err(error)) => RelayFault::Broken(error.to_string()),
                Err(_) => RelayFault::TimedOut {
                    step: "a block of content",
                    limit,
                },
            };
            return Err(WriteFailed { written, fault });
        }
        match timeout(limit, self.stream.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(WriteFailed {
                written,
                fault: RelayFault::Broken(error.to_string()),
            }),
            Err(_) => Err(WriteFailed {
                written,
                fault: RelayFault::TimedOut {
                    step: "a block of content",
                    limit,
                },
            }),
        }
    }

    /// Reads the next reply.
    pub async fn reply(&mut self, step: &'static str, limit: Duration) -> Result<Reply, RelayFault> {
        self.reply_with_octets(step, limit).await.map(|(reply, _)| reply)
    }

    async fn reply_with_octets(
        &mut self,
        step: &'static str,
        limit: Duration,
    ) -> Result<(Reply, Vec<u8>), RelayFault> {
        let mut receiver = ResponseReceiver::default();
        let mut raw = Vec::new();
        loop {
            let fresh = &self.read[self.consumed..];
            let mut octets = fresh.iter();
            let parsed = receiver.parse(&mut octets);
            let used = fresh.len() - octets.as_slice().len();
            if step == "EHLO" {
                raw.extend_from_slice(&fresh[..used]);
            }
            self.consumed += used;
            match parsed {
                Ok(response) if (200..600).contains(&response.code) => {
                    return Ok((Reply::from_response(response), raw));
                }
                Err(smtp_proto::Error::NeedsMoreData { .. }) => self.fill(step, limit).await?,
                _ => return Err(RelayFault::Garbled { step }),
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
            Ok(Ok(0)) => Err(RelayFault::Broken("closed by the relay".to_owned())),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(RelayFault::Broken(error.to_string())),
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
        if self.write(b"QUIT\r\n", limits::QUIT).await.is_ok() {
            // Whatever is answered, the connection ends here.
            let _ = self.reply("QUIT", limits::QUIT).await;
        }
        let _ = timeout(limits::QUIT, self.stream.shutdown()).await;
    }
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    async fn tls(tcp: TcpStream, host: &str) -> Result<Stream, RelayFault> {
        let stream = timeout(limits::CONNECT, tls::handshake(tcp, host))
            .await
            .map_err(|_| RelayFault::TimedOut {
                step: "TLS",
                limit: limits::CONNECT,
            })?
            .map_err(|error| RelayFault::Tls(error.to_string()))?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, octets),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, octets),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
