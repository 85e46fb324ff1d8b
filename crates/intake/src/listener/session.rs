//! One connection: its socket, its time-outs, and what its messages come to.

use super::House;
use super::clients::Guest;
use super::dialogue::{Dialogue, Received, Step};
use super::reply::{self, Reply};
use crate::arrival::{Arrival, Mail};
use crate::intake::Intake;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tidings_store::feedback::Way;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// What is read at once.
const READ_OCTETS: usize = 16 * 1024;
/// A content may take so many times as long as a command, however it trickles in.
const CONTENT_PATIENCE: u32 = 6;
/// How long a client may take for the last words.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A connection, clear or encrypted.
pub(super) type Socket = Box<dyn Stream>;

/// What a session talks through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A session that has been let in.
pub(super) struct Session {
    pub(super) house: Arc<House>,
    pub(super) intake: Intake,
    pub(super) stop: CancellationToken,
}

/// What a read brought.
enum Read {
    Octets(usize),
    /// The client has gone.
    End,
    /// It took too long.
    Idle,
    /// The process ends.
    Stop,
}

impl Session {
    /// Talks until one side ends it.
    pub(super) async fn run(self, socket: Socket, guest: Guest) {
        // A failing socket is an end like any other: what was not answered comes again.
        if let Err(error) = self.talk(socket, guest).await {
            tracing::debug!("a session broke: {error}");
        }
    }

    async fn talk(&self, mut socket: Socket, guest: Guest) -> io::Result<()> {
        let mut dialogue = Dialogue::new(Arc::clone(&self.house), guest);
        let mut out = Vec::with_capacity(1024);
        dialogue.greet(&mut out);
        let mut read = vec![0; READ_OCTETS];
        let mut since = Instant::now();
        loop {
            self.send(&mut socket, &mut out).await?;
            let octets = match self.read(&mut socket, &mut read, &dialogue, since).await? {
                Read::Octets(octets) => octets,
                Read::End => return Ok(()),
                Read::Idle => return end(&mut socket, &reply::IDLE).await,
                Read::Stop => return end(&mut socket, &reply::STOPPING).await,
            };
            let was_in_content = dialogue.is_in_content();
            let mut rest = &read[..octets];
            loop {
                match dialogue.feed(&mut rest, &mut out) {
                    Step::Read => break,
                    Step::Keep(received) => {
                        let recipients = received.recipients.len();
                        let is_kept = self.keep(received).await;
                        dialogue.answer_kept(recipients, is_kept, &mut out);
                        if self.stop.is_cancelled() {
                            reply::STOPPING.write(&mut out);
                            return close(&mut socket, &out).await;
                        }
                    }
                    Step::StartTls => {
                        self.send(&mut socket, &mut out).await?;
                        socket = self.encrypt(socket).await?;
                        dialogue.begin_encrypted();
                        // What came in clear text behind the command is not the client's word any more.
                        break;
                    }
                    Step::Close => return close(&mut socket, &out).await,
                }
            }
            if !out.is_empty() || was_in_content != dialogue.is_in_content() {
                since = Instant::now();
            }
        }
    }

    /// Writes the replies.
    async fn send(&self, socket: &mut Socket, out: &mut Vec<u8>) -> io::Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        self.in_time(async {
            socket.write_all(out).await?;
            socket.flush().await
        })
        .await?;
        out.clear();
        Ok(())
    }

    /// Waits for what depends on the client: for as long as it may idle, and not much longer once the process ends.
    async fn in_time<T>(&self, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        let stopped = async {
            self.stop.cancelled().await;
            sleep(LAST_WORDS).await;
        };
        tokio::select! {
            done = timeout(self.house.settings.bounds.idle, work) => done?,
            () = stopped => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// Waits for the client. `since`: when the command or content that comes in could begin.
    async fn read(
        &self,
        socket: &mut Socket,
        into: &mut [u8],
        dialogue: &Dialogue,
        since: Instant,
    ) -> io::Result<Read> {
        let idle = self.house.settings.bounds.idle;
        let deadline = match dialogue.is_in_content() {
            true => (since + idle * CONTENT_PATIENCE).min(Instant::now() + idle),
            false => since + idle,
        };
        tokio::select! {
            octets = timeout_at(deadline, socket.read(into)) => Ok(match octets {
                Ok(octets) => match octets? {
                    0 => Read::End,
                    octets => Read::Octets(octets),
                },
                Err(_) => Read::Idle,
            }),
            () = self.stop.cancelled() => Ok(Read::Stop),
        }
    }

    async fn encrypt(&self, socket: Socket) -> io::Result<Socket> {
        let House { settings, .. } = &*self.house;
        let identity = settings
            .identity
            .as_ref()
            .expect("STARTTLS is offered with a certificate only");
        self.in_time(identity.encrypt(socket)).await
    }

    /// Whether the message is durable now.
    async fn keep(&self, received: Received) -> bool {
        let Received {
            recipients,
            octets,
            _held,
        } = received;
        let mail = Mail {
            way: Way::Smtp,
            recipients,
            octets,
        };
        match self.intake.take(Arrival::Mail(mail)).await {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!("a message was not kept, and its sender is told to try again: {error}");
                false
            }
        }
    }
}

/// Says why the session ends, and ends it.
async fn end(socket: &mut Socket, why: &Reply) -> io::Result<()> {
    let mut out = Vec::new();
    why.write(&mut out);
    close(socket, &out).await
}

/// Writes the last replies and ends the session.
async fn close(socket: &mut Socket, out: &[u8]) -> io::Result<()> {
    timeout(LAST_WORDS, async {
        socket.write_all(out).await?;
        socket.shutdown().await
    })
    .await?
}
