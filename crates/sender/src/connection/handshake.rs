//! From a socket to a connection that is ready for MAIL: greeting, EHLO, STARTTLS, login.

use super::dial::dial;
use super::stream::Stream;
use super::{Announced, Connection};
use crate::fault::RelayFault;
use crate::relay::{RelaySettings, TlsMode};
use crate::reply::{Kind, Reply};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

impl Connection {
    pub(super) async fn shake_hands(&mut self, relay: &RelaySettings) -> Result<(), RelayFault> {
        let tcp = dial(relay).await?;
        if let Ok(peer) = tcp.peer_addr() {
            self.transcript.note(&format!("connected to {peer}"));
        }
        match relay.tls {
            TlsMode::Implicit => self.encrypt(tcp, relay).await?,
            _ => self.stream = Stream::Plain(tcp),
        }
        let greeting = self
            .expect(Kind::Positive, "the greeting", relay.timeouts.greeting)
            .await?;
        self.greeting = greeting.text;
        self.hello(relay).await?;
        self.start_tls_if_asked(relay).await?;
        let Some(login) = &relay.login else {
            return Ok(());
        };
        if !self.is_encrypted() && !relay.may_log_in_over_clear_text() {
            let why = "the connection is not encrypted, and credentials do not go out in clear text: the relay offers \
                       no STARTTLS here, try smtps:// on port 465, or set auth_over_clear_text = true if nobody can \
                       be in between";
            return Err(RelayFault::Login(why.to_owned()));
        }
        self.log_in(login).await
    }

    async fn encrypt(&mut self, tcp: TcpStream, relay: &RelaySettings) -> Result<(), RelayFault> {
        let limit = relay.timeouts.connect;
        let stream = timeout(limit, relay.trust.handshake(tcp, &relay.host))
            .await
            .map_err(|_| RelayFault::TimedOut { step: "TLS", limit })?
            .map_err(RelayFault::Tls)?;
        self.stream = Stream::Tls(Box::new(stream));
        // RFC 3207 section 4.2: forget all that came in clear text, also what was injected behind the reply.
        self.read.clear();
        self.consumed = 0;
        self.announced = Announced::default();
        self.transcript.note(&self.tls_version().unwrap_or_default());
        Ok(())
    }

    async fn hello(&mut self, relay: &RelaySettings) -> Result<(), RelayFault> {
        let limit = self.timeouts.command;
        let ehlo = format!("EHLO {}\r\n", relay.hello);
        self.write(ehlo.as_bytes(), limit)
            .await
            .map_err(|failed| failed.fault)?;
        let response = self.response("EHLO", limit).await?;
        match response.code {
            200..300 => {
                self.announced = Announced::parse(&response.message);
                self.announced.leave_out(&relay.without);
                self.announcement = response.message.replace('\r', "");
                Ok(())
            }
            500.. => {
                // RFC 5321 section 3.2: a server that does not know EHLO is met with HELO, and offers nothing.
                let helo = format!("HELO {}\r\n", relay.hello);
                self.command(&helo, Kind::Positive, "HELO", limit).await?;
                self.announced = Announced::default();
                self.announcement.clear();
                Ok(())
            }
            _ => Err(RelayFault::Refused {
                step: "EHLO",
                reply: Reply::from_response(response).to_string(),
            }),
        }
    }

    async fn start_tls_if_asked(&mut self, relay: &RelaySettings) -> Result<(), RelayFault> {
        let wanted = match relay.tls {
            TlsMode::Implicit | TlsMode::Never => false,
            TlsMode::StartTlsIfOffered => self.announced.start_tls,
            TlsMode::StartTlsRequired if self.announced.start_tls => true,
            TlsMode::StartTlsRequired => {
                return Err(RelayFault::Tls(
                    "the relay does not offer STARTTLS, and it is required on port 587: try smtps:// on port 465, or \
                     write ?tls=opportunistic behind the url if clear text is acceptable"
                        .to_owned(),
                ));
            }
        };
        if !wanted {
            return Ok(());
        }
        let limit = self.timeouts.command;
        self.command("STARTTLS\r\n", Kind::Positive, "STARTTLS", limit)
            .await?;
        match std::mem::replace(&mut self.stream, Stream::Absent) {
            Stream::Plain(tcp) => self.encrypt(tcp, relay).await?,
            _ => return Err(RelayFault::Tls("STARTTLS inside TLS".to_owned())),
        }
        self.hello(relay).await
    }

    pub(super) async fn command(
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
}
