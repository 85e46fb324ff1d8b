//! The listener and its sessions.

use crate::dialogue::Shared;
use crate::judge::Judge;
use crate::record::{Acceptance, Counts, Record};
use crate::script::{Script, Tls};
use crate::session::Session;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How a relay is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// Nobody listens on its port.
    RefuseConnections,
    /// It greets with 421 and closes.
    Answer421,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
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

    /// Its address as the configuration of a relay wants it, `smtp://127.0.0.1:PORT?tls=never` for instance, with the
    /// user's name if the script wants a password.
    pub fn url(&self) -> String {
        let script = &self.shared.script;
        let user = script.login.as_ref().map(|(user, _)| format!("{user}@"));
        let user = user.unwrap_or_default();
        match script.tls {
            Tls::Never => format!("smtp://{user}{}?tls=never", self.addr),
            Tls::AtOnce(_) => format!("smtps://{user}{}", self.addr),
            Tls::Offered(_) => format!("smtp://{user}{}?tls=required", self.addr),
        }
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
                (stream, peer) = accept(self.listener.as_ref()) => {
                    let session = Session::new(shared.clone(), door.clone(), peer.ip());
                    self.sessions.spawn(self.stop.clone().run_until_cancelled_owned(session.run(stream)));
                }
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> (TcpStream, SocketAddr) {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // Out of file descriptors, or the client has gone already.
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

#[cfg(test)]
mod tests;
