//! What the parts of one process share as a node: whether they may take work, what is under way, and when to look at once because
//! something has been changed by whomever. Whoever takes work asks [`AtWork::may_take`] first.

use crate::engine::{Engine, Store};
use crate::nodes::Doing;
use sqlx::postgres::PgListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// The channel of migration 0030.
const CHANNEL: &str = "tidings";
/// Between two tries to hear.
const AGAIN: Duration = Duration::from_secs(2);

/// This process as a node. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct AtWork(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    draining: watch::Sender<bool>,
    /// Counts what was heard.
    heard: watch::Sender<u64>,
    under_way: AtomicUsize,
    doing: Mutex<Doing>,
}

/// Something is under way as long as this lives.
#[derive(Debug)]
pub struct UnderWay(AtWork);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Tells when something was heard since it was last asked.
#[derive(Debug)]
pub struct News(watch::Receiver<u64>);

impl News {
    /// Returns when there is something new to look at. Nothing is missed between two calls.
    pub async fn come(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left who could tell.
            std::future::pending::<()>().await;
        }
    }
}

impl AtWork {
    /// Whether work may be taken; else this node drains.
    pub fn may_take(&self) -> bool {
        !*self.0.draining.borrow()
    }

    /// Says that something is under way, which a drain waits for.
    #[must_use = "it is under way as long as this is kept"]
    pub fn begin(&self) -> UnderWay {
        self.0.under_way.fetch_add(1, Ordering::AcqRel);
        UnderWay(self.clone())
    }

    /// Whether anything is.
    pub fn is_idle(&self) -> bool {
        self.0.under_way.load(Ordering::Acquire) == 0
    }

    /// From now on it drains, or works again.
    pub fn set_draining(&self, draining: bool) {
        let is_new = self
            .0
            .draining
            .send_if_modified(|now| std::mem::replace(now, draining) != draining);
        if is_new {
            self.tell();
        }
    }

    /// What it does, as was said last.
    pub fn doing(&self) -> Doing {
        self.0
            .doing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Says what it does.
    pub fn set_doing(&self, doing: Doing) {
        *self.0.doing.lock().unwrap_or_else(PoisonError::into_inner) = doing;
    }

    /// Tells its parts to look at once.
    pub fn tell(&self) {
        self.0.heard.send_modify(|n| *n += 1);
    }

    /// Tells when to look.
    pub fn news(&self) -> News {
        News(self.0.heard.subscribe())
    }

    /// Hears on PostgreSQL of what any process has changed that senders and planners must know, by one connection that listens, and
    /// tells the parts. Until it is dropped. Whoever hears nothing looks by himself a little later: what is lost here, because the
    /// connection was, or because something between us and the server passes no notifications on, only takes longer. On SQLite
    /// nothing is heard.
    pub async fn hear(&self, store: &Store) {
        let Engine::Postgres(servers) = &store.engine else {
            return std::future::pending().await;
        };
        loop {
            let error = match PgListener::connect_with(&servers.pool()).await {
                Ok(listener) => self.listen(listener).await,
                Err(error) => error,
            };
            tracing::debug!("changes by others are not heard at once, only looked for: {error}");
            sleep(AGAIN).await;
        }
    }

    /// Until the connection cannot be had again.
    async fn listen(&self, mut listener: PgListener) -> sqlx::Error {
        if let Err(error) = listener.listen(CHANNEL).await {
            return error;
        }
        loop {
            // What was said before is not heard any more, neither at first nor when the connection was lost.
            self.tell();
            match listener.try_recv().await {
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_told_before_somebody_waits_is_not_missed() {
        let node = AtWork::default();
        let mut news = node.news();
        node.tell();
        news.come().await;
        node.set_draining(true);
        news.come().await;
        node.set_draining(true);
        let more = tokio::time::timeout(Duration::from_millis(20), news.come()).await;
        assert!(more.is_err(), "it drained already");
    }

    #[test]
    fn it_is_idle_when_all_that_was_begun_has_ended() {
        let node = AtWork::default();
        let (first, second) = (node.begin(), node.begin());
        drop(first);
        assert!(!node.is_idle());
        drop(second);
        assert!(node.is_idle());
    }
}
