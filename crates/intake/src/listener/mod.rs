//! The SMTP and LMTP listener: mail servers hand over what came back. It takes mail for whoever holds a token of ours and
//! for complaint addresses, and relays nothing for anybody.
//!
//! `dialogue` decides what is answered and knows no sockets; `session` owns one connection; a message is answered with
//! 250 after [`Intake`] has said that it is durable.

mod clients;
mod content;
mod dialogue;
mod lines;
mod recipients;
mod reply;
mod session;
mod settings;
mod socket;
mod tls;

use crate::intake::Intake;
use clients::Clients;
use content::Room;
use session::Session;
use socket::{Door, Visitor};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::token::KeyRing;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use recipients::Recipients;
pub use settings::{Bounds, ListenerSettings, Place, Protocol};
pub use tls::{Identity, IdentityError};

/// Of a message that is for postmaster or abuse alone, and may be from anybody, so many octets are kept.
const OFFICE_KEPT: usize = 64 * 1024;
/// How long nobody is let in after that failed: file descriptors are freed by then.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What all sessions of a listener share.
struct House {
    settings: ListenerSettings,
    keys: KeyRing,
    room: Room,
}

/// The place where a listener was to listen is taken, or not allowed.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {place}: {source}")]
pub struct ListenError {
    /// Where.
    pub place: Place,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// A listener that holds its place already; [`Listener::run`] makes it answer.
pub struct Listener {
    door: Door,
    place: Place,
    house: Arc<House>,
    clients: Arc<Clients>,
    intake: Intake,
}

impl Listener {
    /// Takes its place.
    pub async fn bind(settings: ListenerSettings, intake: Intake) -> Result<Listener, ListenError> {
        let failed = |source| ListenError {
            place: settings.place.clone(),
            source,
        };
        let door = Door::open(&settings.place).await.map_err(failed)?;
        Ok(Listener {
            place: door.place().map_err(failed)?,
            door,
            clients: Clients::new(&settings.bounds),
            house: Arc::new(House {
                settings,
                keys: intake.keys().clone(),
                room: Room::new(),
            }),
            intake,
        })
    }

    /// Where it listens.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Answers until `stop`. Sessions then end at once, but for a message whose final dot has come: that is kept and
    /// answered.
    pub async fn run(self, stop: CancellationToken) {
        let sessions = TaskTracker::new();
        loop {
            let visitor = tokio::select! {
                visitor = self.door.accept() => visitor,
                () = stop.cancelled() => break,
            };
            match visitor {
                Ok(visitor) => self.receive(visitor, &sessions, &stop),
                Err(error) => {
                    tracing::warn!("nobody can be let in on {}: {error}", self.place);
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Nobody new is let in while the last ones are waited for.
        drop(self.door);
        sessions.close();
        sessions.wait().await;
    }

    fn receive(&self, visitor: Visitor, sessions: &TaskTracker, stop: &CancellationToken) {
        let Some(guest) = self.clients.enter(visitor.client()) else {
            let mut line = Vec::new();
            reply::TOO_MANY_SESSIONS.write(&mut line);
            // One that does not even take a line is sent away without.
            let _ = visitor.turn_away(&line);
            return;
        };
        let session = Session {
            house: Arc::clone(&self.house),
            intake: self.intake.clone(),
            stop: stop.clone(),
        };
        sessions.spawn(session.run(visitor.into_socket(), guest));
    }
}

#[cfg(test)]
mod tests;
