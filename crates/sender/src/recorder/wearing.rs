//! Soft bounces that may be one too many for their address. They are looked into after their outcomes were recorded, and
//! beside the recorder, so that no session waits for it.

use crate::judging::JudgingNow;
use std::time::Duration;
use tidings_campaign::time::Clock;
use tidings_store::Store;
use tidings_store::ledger::Settlement;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// So many wait at most. What finds no room is looked into at the next soft bounce of the address.
const MOST: usize = 10_000;

#[derive(Debug)]
pub(super) struct Wearing {
    questions: mpsc::Sender<Settlement>,
    task: JoinHandle<()>,
}

impl Wearing {
    pub(super) fn start(store: Store, clock: Clock, judging: JudgingNow) -> Wearing {
        let (questions, queue) = mpsc::channel(MOST);
        Wearing {
            questions,
            task: tokio::spawn(look_into(store, clock, judging, queue)),
        }
    }

    /// Has those of the recorded outcomes looked into that are soft bounces.
    pub(super) fn look_into(&self, settled: Vec<Settlement>) {
        for settlement in settled.into_iter().filter(Settlement::is_soft_bounce) {
            if self.questions.try_send(settlement).is_err() {
                tracing::debug!("a soft bounce is not looked into: too many wait");
            }
        }
    }

    /// Waits until everything has been looked into.
    pub(super) async fn end(self) {
        drop(self.questions);
        if let Err(panic) = self.task.await {
            tracing::error!("looking into soft bounces broke: {panic}");
        }
    }
}

async fn look_into(store: Store, clock: Clock, judging: JudgingNow, mut queue: mpsc::Receiver<Settlement>) {
    while let Some(settlement) = queue.recv().await {
        let rule = judging.borrow().soft;
        let looked_into = store.wear_out(&settlement, rule, clock.now());
        if let Err(error) = store.within(ANSWER, looked_into).await {
            tracing::warn!("a soft bounce cannot be looked into: {error}");
        }
    }
}
