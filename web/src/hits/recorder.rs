//! One task makes hits durable, round by round (group commit). It runs in the program's runtime, and the requests in the workers'.
//!
//! Few hits are judged and counted with that. A crowd is only kept, and folded into the figures beside it (`folder.rs`).

use super::folder::{self, Crowd};
use super::rounds::{Rounds, Waiters};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidings_feedback::hits::HitRules;
use tidings_store::hits::{HitNames, HitTurns, NewHit};
use tidings_store::{Store, StoreError};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Hits of one transaction that judges them at most.
const BATCH: usize = 1000;
/// When the database does not answer, what waits is tried again so often.
const AGAIN: Duration = Duration::from_millis(500);
/// How long a visitor waits for us.
const PATIENCE: Duration = Duration::from_secs(2);
/// Who finds no room looks again after so long.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Does it until the database is there and its disk has room. The hits are kept here until then. Visitors are answered meanwhile,
/// and what no longer fits in is not recorded.
macro_rules! until_there {
    ($store:expr, $work:expr) => {{
        let mut is_told = false;
        loop {
            match $store.while_it_answers($work).await {
                Err(error) if is_away(&error) => {
                    if !is_told {
                        tracing::warn!("hits wait for the database: {error}");
                    }
                    is_told = true;
                    sleep(AGAIN).await;
                }
                done => break done,
            }
        }
    }};
}

/// The way to the task. It ends when this is gone and everything that came is durable.
pub(super) struct Recorder {
    rounds: Arc<Rounds>,
    folding: JoinHandle<()>,
    late: AtomicU64,
}

impl Recorder {
    /// `turns` are of nobody else.
    pub(super) fn start(store: Store, rules: Arc<HitRules>, keep: Duration, turns: HitTurns) -> Recorder {
        let (rounds, crowd) = (Arc::new(Rounds::new()), Arc::new(Crowd::default()));
        let folding = folder::run(store.clone(), Arc::clone(&rules), keep, Arc::clone(&crowd));
        let recording = Recording {
            store,
            rules,
            keep,
            crowd,
            turns,
        };
        tokio::spawn(recording.run(Arc::clone(&rounds)));
        Recorder {
            rounds,
            folding: tokio::spawn(folding),
            late: AtomicU64::new(0),
        }
    }

    /// The requests of a worker. Must be called there.
    pub(super) fn waiters(&self) -> Waiters {
        Waiters::start(Arc::clone(&self.rounds))
    }

    /// Records a hit, or gives up after two seconds; then it may still be recorded.
    pub(super) async fn record(&self, hit: NewHit, waiters: &Waiters) {
        let recorded = timeout(PATIENCE, async {
            let mut hit = hit;
            loop {
                match waiters.add(hit) {
                    Ok(durable) => return durable.await.is_ok(),
                    Err(back) => hit = back,
                }
                sleep(LOOK_AGAIN).await;
            }
        });
        if !recorded.await.unwrap_or(false) {
            let late = self.late.fetch_add(1, Ordering::Relaxed) + 1;
            if late.is_power_of_two() {
                tracing::warn!("{late} hits so far were answered before they were recorded");
            }
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.rounds.close();
        self.folding.abort();
    }
}

/// What the task has.
struct Recording {
    store: Store,
    rules: Arc<HitRules>,
    keep: Duration,
    crowd: Arc<Crowd>,
    turns: HitTurns,
}

impl Recording {
    async fn run(mut self, rounds: Arc<Rounds>) {
        let rules = Arc::clone(&self.rules);
        let mut names = HitNames::new(&rules);
        while let Some((number, hits)) = rounds.next().await {
            if !self.crowd.is_one(hits.len()) || !self.let_wait(&hits, &mut names).await {
                for hits in hits.chunks(BATCH) {
                    self.record(hits, &mut names).await;
                }
            }
            rounds.is_done(number);
        }
    }

    /// False if the database does not take them so.
    async fn let_wait(&mut self, hits: &[NewHit], names: &mut HitNames<'_>) -> bool {
        let turn = self.turns.next_turn();
        match until_there!(self.store, self.store.let_hits_wait(turn, hits, names)) {
            Ok(()) => self.crowd.waits(hits.len()),
            Err(error) => {
                tracing::error!("{} hits cannot wait, and are judged at once: {error}", hits.len());
                return false;
            }
        }
        true
    }

    /// Records what can be recorded. A hit that the database refuses must not take the others with it: it is looked for by halving.
    async fn record(&mut self, hits: &[NewHit], names: &mut HitNames<'_>) {
        let mut left = vec![hits];
        while let Some(hits) = left.pop() {
            let turn = self.turns.next_turn();
            let recorded = until_there!(self.store, self.store.record_hits(turn, hits, names, self.keep));
            let Err(error) = recorded else {
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
}

/// Whether the database may take it when some time has passed.
fn is_away(error: &StoreError) -> bool {
    error.is_transient() || matches!(error, StoreError::DiskFull)
}
