//! The task that judges and counts the hits that wait: as fast as it can when a crowd is gone, and beside it at a pace that leaves the
//! database to those who wait for an answer.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidings_feedback::hits::HitRules;
use tidings_store::Store;
use tidings_store::hits::HitNames;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// So many hits that have come during one commit are a crowd. Fewer are judged and counted at once.
const MANY: usize = 32;
/// So many may wait to be judged, more or less; some dozen megabytes of the database. Beyond it hits are judged at once, however many.
const MOST: i64 = 4_000_000;
/// A crowd lasts until so long after the last many.
const LASTS: Duration = Duration::from_millis(100);
/// While it lasts there are so many times as long between two bites as one takes.
const PAUSE: u32 = 4;
/// What nobody here has left waiting may be another node's, or from before a crash: it is looked for so often.
const LOOK: Duration = Duration::from_secs(10);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(1);

/// What is known of the crowd, and of what it has left waiting.
#[derive(Default)]
pub(super) struct Crowd {
    /// As it was counted last, and what has come and gone here since: other nodes add and fold too.
    waiting: AtomicI64,
    last: Mutex<Option<Instant>>,
    came: Notify,
}

impl Crowd {
    /// Whether so many hits at once are to wait.
    pub(super) fn is_one(&self, hits: usize) -> bool {
        hits >= MANY && self.waiting.load(Ordering::Relaxed) < MOST
    }

    /// So many more wait.
    pub(super) fn waits(&self, hits: usize) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.waiting.fetch_add(hits as i64, Ordering::Relaxed);
        self.came.notify_one();
    }

    fn lasts(&self) -> bool {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < LASTS)
    }
}

/// Folds what waits, until it is aborted.
pub(super) async fn run(store: Store, rules: Arc<HitRules>, keep: Duration, crowd: Arc<Crowd>) {
    let mut names = HitNames::new(&rules);
    let mut is_told = false;
    let mut counted = None;
    loop {
        let began = Instant::now();
        let folded = async {
            if counted.is_none_or(|at: Instant| at.elapsed() >= LOOK) {
                let waiting = store.count_waiting_hits().await?;
                crowd.waiting.store(waiting, Ordering::Relaxed);
                counted = Some(Instant::now());
            }
            store.fold_waiting_hits(&mut names, keep).await
        };
        match store.while_it_answers(folded).await {
            Ok(0) => {
                crowd.waiting.store(0, Ordering::Relaxed);
                is_told = false;
                // Whether it came or not, there may be some.
                let _ = timeout(LOOK, crowd.came.notified()).await;
            }
            Ok(hits) => {
                crowd.waiting.fetch_sub(hits, Ordering::Relaxed);
                if crowd.lasts() {
                    sleep(began.elapsed() * PAUSE).await;
                }
            }
            Err(error) => {
                if !is_told {
                    tracing::warn!("hits that wait cannot be judged and counted yet: {error}");
                }
                is_told = true;
                sleep(AGAIN).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_waits_unless_too_many_do_already() {
        let crowd = Crowd::default();
        assert!(!crowd.is_one(MANY - 1));
        assert!(crowd.is_one(MANY));
        crowd.waits(MOST as usize - 1);
        assert!(crowd.is_one(MANY));
        crowd.waits(1);
        assert!(!crowd.is_one(MANY), "so many are judged at once");
        crowd.waiting.fetch_sub(1, Ordering::Relaxed);
        assert!(crowd.is_one(MANY));
    }
}
