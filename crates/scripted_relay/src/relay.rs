//! The listener and its sessions.

use crate::dialogue::{Dialogue, Shared, Step};
use crate::judge::Judge;
use crate::record::{Acceptance, Counts, Record};
use crate::script::{Script, write_reply};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const READ_OCTETS: usize = 64 * 1024;

/// How a relay is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Nobody listens on its port.
    RefuseConnections,
    /// It greets with 421 and closes.
    Answer421,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Open,
    Down(Outage),
}

/// A running relay. Dropping it ends it, sessions included.
pub struct ScriptedRelay {
    shared: Arc<Shared>,
    addr: SocketAddr,
    door: watch::Sender<Door>,
    listening: watch::Receiver<Door>,
    sessions: TaskTracker,
    stop: CancellationToken,
}

impl ScriptedRelay {
    /// Listens on `addr`, which must be a loopback address; port 0 takes a free one.
    pub async fn start(script: Script, addr: SocketAddr) -> io::Result<Self> {
        if !addr.ip().is_loopback() {
            let why = format!("{addr} is not a loopback address: this relay takes mail from anybody");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let started = Instant::now();
        let judge = Judge::new(&script, started);
        let shared = Arc::new(Shared {
            judge,
            script,
            record: Record::default(),
            started,
        });
        let (door, seen) = watch::channel(Door::Open);
        let (shown, listening) = watch::channel(Door::Open);
        let sessions = TaskTracker::new();
        let stop = CancellationToken::new();
        let port = Port {
            addr,
            listener: Some(listener),
            shown,
            sessions: sessions.clone(),
            stop: stop.clone(),
        };
        sessions.spawn(
            stop.clone()
                .run_until_cancelled_owned(port.listen(shared.clone(), seen)),
        );
        Ok(ScriptedRelay {
            shared,
            addr,
            door,
            listening,
            sessions,
            stop,
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its address as the configuration of a relay wants it: `smtp://127.0.0.1:PORT?tls=never`, with the
    /// user's name if the script wants a login.
    pub fn url(&self) -> String {
        let user = self
            .shared
            .script
            .login
            .as_ref()
            .map(|(user, _)| format!("{user}@"))
            .unwrap_or_default();
        format!("smtp://{user}{}?tls=never", self.addr)
    }

    /// What it has accepted so far, in order; empty for a [`Script::sink`].
    pub fn accepted(&self) -> Vec<Acceptance> {
        self.shared.record.acceptances()
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.shared.record.counts()
    }

    /// Closes every session with 421 and goes down; returns when new connections feel it.
    pub async fn go_down(&self, outage: Outage) {
        self.show(Door::Down(outage)).await;
    }

    /// Takes mail again; returns when it listens.
    pub async fn come_up(&self) {
        self.show(Door::Open).await;
    }

    async fn show(&self, door: Door) {
        self.door.send_replace(door);
        // An error means that the listening task has ended: there is nothing to wait for.
        let _ = self.listening.clone().wait_for(|shown| *shown == door).await;
    }

    /// Ends the sessions wherever they are and waits for them.
    pub async fn stop(self) {
        self.stop.cancel();
        self.sessions.close();
        self.sessions.wait().await;
    }
}

impl Drop for ScriptedRelay {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What the listening task owns.
struct Port {
    addr: SocketAddr,
    listener: Option<TcpListener>,
    shown: watch::Sender<Door>,
    sessions: TaskTracker,
    stop: CancellationToken,
}

impl Port {
    async fn listen(mut self, shared: Arc<Shared>, mut door: watch::Receiver<Door>) {
        loop {
            let now = *door.borrow_and_update();
            if now == Door::Down(Outage::RefuseConnections) {
                self.listener = None;
            } else if self.listener.is_none() {
                self.listener = TcpListener::bind(self.addr).await.ok();
                if self.listener.is_none() {
                    sleep(Duration::from_millis(20)).await;
                    continue;
                }
            }
            self.shown.send_replace(now);
            tokio::select! {
                changed = door.changed() => if changed.is_err() { return },
                stream = accept(self.listener.as_ref()) => {
                    let session = Session::new(stream, shared.clone(), door.clone());
                    self.sessions.spawn(self.stop.clone().run_until_cancelled_owned(session.run()));
                }
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Out of file descriptors, or the client has gone already.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

struct Session {
    stream: TcpStream,
    shared: Arc<Shared>,
    door: watch::Receiver<Door>,
}

impl Session {
    fn new(stream: TcpStream, shared: Arc<Shared>, door: watch::Receiver<Door>) -> Self {
        Session { stream, shared, door }
    }

    /// Talks until one side ends it. A failing socket is an end like any other.
    async fn run(mut self) {
        let (number, open) = self.shared.record.open_session();
        let _open = OpenSession(self.shared.clone());
        let _ = self.talk(number, open).await;
    }

    async fn talk(&mut self, number: u64, open: u64) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        let mut out = Vec::with_capacity(1024);
        if *self.door.borrow() != Door::Open {
            return self.say_down(&mut out).await;
        }
        let mut dialogue = Dialogue::new(self.shared.clone(), number);
        let mut step = dialogue.greet(open, &mut out);
        let mut read = vec![0; READ_OCTETS];
        loop {
            self.answer(&mut dialogue, &mut out).await?;
            match step {
                Step::Go => {}
                Step::Close => return self.stream.shutdown().await,
                Step::Cut => return Ok(()),
            }
            let octets = tokio::select! {
                octets = self.stream.read(&mut read) => Some(octets?),
                _ = self.door.wait_for(|door| *door != Door::Open) => None,
            };
            let Some(octets) = octets else {
                return self.say_down(&mut out).await;
            };
            if octets == 0 {
                return Ok(());
            }
            step = dialogue.feed(&read[..octets], Instant::now(), &mut out);
        }
    }

    async fn answer(&mut self, dialogue: &mut Dialogue, out: &mut Vec<u8>) -> io::Result<()> {
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
        self.stream.write_all(out).await?;
        out.clear();
        Ok(())
    }

    async fn say_down(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        write_reply(
            421,
            "",
            &format!("{} is going down", self.shared.script.host),
            out,
        );
        self.stream.write_all(out).await?;
        self.stream.shutdown().await
    }
}

/// Keeps the count of open sessions true, also when the session's task is cancelled.
struct OpenSession(Arc<Shared>);

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.0.record.close_session();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Cut, Reply, Rule, Who};
    use tokio::io::{AsyncBufReadExt, BufReader};

    async fn start(script: Script) -> ScriptedRelay {
        ScriptedRelay::start(script, ([127, 0, 0, 1], 0).into())
            .await
            .unwrap()
    }

    struct Client(BufReader<TcpStream>);

    impl Client {
        async fn connect(relay: &ScriptedRelay) -> Self {
            Client(BufReader::new(TcpStream::connect(relay.addr()).await.unwrap()))
        }

        /// The code of the next reply; 0 if the connection has ended.
        async fn code(&mut self) -> u16 {
            loop {
                let mut line = String::new();
                if self.0.read_line(&mut line).await.unwrap_or(0) == 0 {
                    return 0;
                }
                if line.as_bytes()[3] == b' ' {
                    return line[..3].parse().unwrap();
                }
            }
        }

        async fn say(&mut self, text: &str, replies: usize) -> Vec<u16> {
            self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
            let mut codes = Vec::new();
            for _ in 0..replies {
                codes.push(self.code().await);
            }
            codes
        }

        async fn greeted(relay: &ScriptedRelay) -> Self {
            let mut client = Client::connect(relay).await;
            assert_eq!(client.code().await, 220);
            assert_eq!(client.say("EHLO c.example.com\r\n", 1).await, [250]);
            client
        }

        async fn send(&mut self, to: &str) -> Vec<u16> {
            let group = format!("MAIL FROM:<b@example.com>\r\nRCPT TO:<{to}>\r\nDATA\r\n");
            let mut codes = self.say(&group, 3).await;
            codes.extend(self.say("Subject: x\r\n\r\n..dot\r\n.\r\n", 1).await);
            codes
        }
    }

    #[tokio::test]
    async fn a_message_is_taken_with_its_whole_content() {
        let relay = start(Script::accepting().banner("one\ntwo").keep_content(1000)).await;
        let mut client = Client::greeted(&relay).await;
        assert_eq!(client.send("ann@example.org").await, [250, 250, 354, 250]);
        assert_eq!(client.say("QUIT\r\n", 2).await, [221, 0]);
        let taken = relay.accepted();
        assert_eq!(
            taken[0].content.as_deref(),
            Some(&b"Subject: x\r\n\r\n.dot\r\n"[..])
        );
        assert!(taken[0].answered);
        relay.stop().await;
    }

    #[tokio::test]
    async fn a_cut_after_the_dot_ends_the_connection_without_a_reply() {
        let script =
            Script::accepting().rule(Rule::cut(Cut::AfterDotAccepted).to(Who::domain("example.org")));
        let relay = start(script).await;
        let mut client = Client::greeted(&relay).await;
        assert_eq!(client.send("ann@example.org").await, [250, 250, 354, 0]);
        assert!(!relay.accepted()[0].answered);
        assert_eq!((relay.counts().cut, relay.counts().accepted), (1, 1));
    }

    #[tokio::test]
    async fn a_relay_goes_down_and_comes_up_on_the_same_port() {
        let relay = start(Script::accepting()).await;
        let mut client = Client::greeted(&relay).await;
        relay.go_down(Outage::RefuseConnections).await;
        assert_eq!(client.code().await, 421);
        assert!(TcpStream::connect(relay.addr()).await.is_err());
        relay.go_down(Outage::Answer421).await;
        assert_eq!(Client::connect(&relay).await.code().await, 421);
        relay.come_up().await;
        assert_eq!(
            Client::greeted(&relay).await.send("ann@example.org").await,
            [250, 250, 354, 250]
        );
        relay.stop().await;
    }

    #[tokio::test]
    async fn sessions_beyond_the_limit_are_turned_away() {
        let relay = start(Script::accepting().max_sessions(1)).await;
        let mut first = Client::greeted(&relay).await;
        assert_eq!(Client::connect(&relay).await.code().await, 421);
        assert_eq!(first.say("QUIT\r\n", 2).await, [221, 0]);
        while relay.counts().open_sessions > 0 {
            sleep(Duration::from_millis(1)).await;
        }
        Client::greeted(&relay).await;
        assert_eq!(relay.counts().most_sessions, 2);
    }

    #[tokio::test]
    async fn a_refused_greeting_can_be_for_the_first_connections_only() {
        let relay = start(Script::accepting().rule(Rule::greeting(Reply::new(554, "", "no")).first(1))).await;
        assert_eq!(Client::connect(&relay).await.code().await, 554);
        Client::greeted(&relay).await;
    }

    #[tokio::test]
    async fn the_pace_holds_replies_back() {
        let relay = start(Script::accepting().pace(50.0)).await;
        let mut client = Client::greeted(&relay).await;
        let start = Instant::now();
        for _ in 0..6 {
            client.send("ann@example.org").await;
        }
        assert!(start.elapsed() >= Duration::from_millis(100));
    }

    #[tokio::test]
    async fn only_loopback_is_listened_on() {
        assert!(
            ScriptedRelay::start(Script::sink(), ([0, 0, 0, 0], 0).into())
                .await
                .is_err()
        );
    }
}
