//! One task gathers the hits that have come in, commits them in one transaction, and wakes the requests (group commit).
//!
//! It runs in the program's runtime; requests reach it by a channel, so that none of them needs a task there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidings_feedback::hits::HitRules;
use tidings_store::hits::{HitNames, NewHit};
use tidings_store::{Store, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

/// Hits of one transaction at most.
const BATCH: usize = 1000;
/// Hits that may wait. What does not fit in waits in its request, whose patience is bounded.
const WAITING: usize = 8 * BATCH;
/// When the database does not answer, what waits is tried again so often.
const AGAIN: Duration = Duration::from_millis(500);
/// How long a visitor waits for us.
const PATIENCE: Duration = Duration::from_secs(2);

struct Asked {
    hit: NewHit,
    done: oneshot::Sender<()>,
}

/// The way to the task. It ends when this is gone and everything that waited is committed.
pub(super) struct Recorder {
    queue: mpsc::Sender<Asked>,
    late: AtomicU64,
}

impl Recorder {
    pub(super) fn start(store: Store, rules: Arc<HitRules>, keep: Duration) -> Recorder {
        let (queue, asked) = mpsc::channel(WAITING);
        tokio::spawn(run(store, rules, keep, asked));
        Recorder {
            queue,
            late: AtomicU64::new(0),
        }
    }

    /// Records a hit, or gives up after two seconds; then it may still be recorded.
    pub(super) async fn record(&self, hit: NewHit) {
        let (done, is_done) = oneshot::channel();
        let recorded = timeout(PATIENCE, async {
            self.queue.send(Asked { hit, done }).await.is_ok() && is_done.await.is_ok()
        });
        if !recorded.await.unwrap_or(false) {
            let late = self.late.fetch_add(1, Ordering::Relaxed) + 1;
            if late.is_power_of_two() {
                tracing::warn!("{late} hits so far were answered before they were recorded");
            }
        }
    }
}

async fn run(store: Store, rules: Arc<HitRules>, keep: Duration, mut queue: mpsc::Receiver<Asked>) {
    let mut names = HitNames::new(&rules);
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let (hits, answers): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|Asked { hit, done }| (hit, done)).unzip();
        record(&store, &hits, &mut names, keep).await;
        // Whoever asked may have been answered already.
        answers.into_iter().for_each(|done| {
            let _ = done.send(());
        });
    }
}

/// Records what can be recorded. A hit that the database refuses must not take the others with it: it is looked for by halving.
async fn record(store: &Store, hits: &[NewHit], names: &mut HitNames<'_>, keep: Duration) {
    let mut left = vec![hits];
    while let Some(hits) = left.pop() {
        let Err(error) = persist(store, hits, names, keep).await else {
            continue;
        };
        if let [hit] = hits {
            tracing::error!(campaign.id = %hit.campaign, "a hit was not recorded: {error}");
        } else {
            let (first, rest) = hits.split_at(hits.len() / 2);
            left.extend([rest, first]);
        }
    }
}

/// While the database is away or its disk full, the hits are kept here. Visitors are answered meanwhile, and what no longer fits
/// into the queue is not recorded.
async fn persist(
    store: &Store,
    hits: &[NewHit],
    names: &mut HitNames<'_>,
    keep: Duration,
) -> Result<(), StoreError> {
    let mut is_told = false;
    loop {
        match store.record_hits(hits, names, keep).await {
            Err(error) if error.is_transient() || matches!(error, StoreError::DiskFull) => {
                if !is_told {
                    tracing::warn!("hits wait for the database: {error}");
                }
                is_told = true;
                sleep(AGAIN).await;
            }
            recorded => return recorded,
        }
    }
}
