//! One connection to the relay, clear or encrypted.

use crate::dialogue::{Dialogue, Shared, Step};
use crate::record::Client;
use crate::relay::Door;
use crate::rule::write_reply;
use crate::script::Tls;
use crate::tls::Identity;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;

const READ_OCTETS: usize = 64 * 1024;

type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

pub(crate) struct Session {
    shared: Arc<Shared>,
    door: watch::Receiver<Door>,
    peer: IpAddr,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, door: watch::Receiver<Door>, peer: IpAddr) -> Self {
        Session { shared, door, peer }
    }

    /// Talks until one side ends it. A failing socket is an end like any other.
    pub(crate) async fn run(mut self, stream: TcpStream) {
        let (number, open) = self.shared.record.open_session();
        let _open = OpenSession(self.shared.clone());
        let _ = self.talk(stream, number, open).await;
    }

    async fn talk(&mut self, stream: TcpStream, number: u64, open: u64) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let shared = Arc::clone(&self.shared);
        let mut stream: Stream = match &shared.script.tls {
            Tls::AtOnce(identity) => encrypt(stream, identity).await?,
            _ => Either::Left(stream),
        };
        let mut out = Vec::with_capacity(1024);
        if *self.door.borrow() != Door::Open {
            return self.say_down(&mut stream, &mut out).await;
        }
        let client = Client {
            address: self.peer,
            hello: String::new(),
            encrypted: matches!(stream, Either::Right(_)),
            user: None,
        };
        let mut dialogue = Dialogue::new(shared.clone(), number, client);
        let mut step = dialogue.greet(open, &mut out);
        let mut read = vec![0; READ_OCTETS];
        loop {
            self.answer(&mut stream, &mut dialogue, &mut out).await?;
            match (step, &shared.script.tls) {
                (Step::Close, _) => return stream.shutdown().await,
                (Step::Cut, _) => return Ok(()),
                (Step::StartTls, Tls::Offered(identity)) => {
                    stream = match stream {
                        Either::Left(stream) => encrypt(stream, identity).await?,
                        encrypted @ Either::Right(_) => encrypted,
                    };
                    dialogue.begin_encrypted();
                }
                _ => {}
            }
            let octets = tokio::select! {
                octets = stream.read(&mut read) => Some(octets?),
                _ = self.door.wait_for(|door| *door != Door::Open) => None,
            };
            let Some(octets) = octets else {
                return self.say_down(&mut stream, &mut out).await;
            };
            if octets == 0 {
                return Ok(());
            }
            if step != Step::Silence {
                step = dialogue.feed(&read[..octets], Instant::now(), &mut out);
            }
        }
    }

    async fn answer(
        &self,
        stream: &mut Stream,
        dialogue: &mut Dialogue,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let answer_at = dialogue.take_answer_at();
        if out.is_empty() {
            return Ok(());
        }
        if !self.shared.script.delay.is_zero() {
            sleep(self.shared.script.delay).await;
        }
        if let Some(at) = answer_at {
            sleep_until(at).await;
        }
        stream.write_all(out).await?;
        out.clear();
        stream.flush().await
    }

    async fn say_down(&self, stream: &mut Stream, out: &mut Vec<u8>) -> io::Result<()> {
        write_reply(
            421,
            "",
            &format!("{} is going down", self.shared.script.host),
            out,
        );
        stream.write_all(out).await?;
        stream.shutdown().await
    }
}

async fn encrypt(stream: TcpStream, identity: &Identity) -> io::Result<Stream> {
    Ok(Either::Right(Box::new(identity.accept(stream).await?)))
}

/// Keeps the count of open sessions true, also when the session's task is cancelled.
struct OpenSession(Arc<Shared>);

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.0.record.close_session();
    }
}
