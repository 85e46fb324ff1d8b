//! One task gathers the one-click unsubscribes that have come in, commits them in one transaction, and wakes the requests
//! (group commit). After a large campaign they come in thousands, and a transaction for each would keep the sender from its own.

use crate::site::Trouble;
use std::time::Duration;
use tidings_store::Store;
use tidings_store::one_clicks::OneClick;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// One-clicks of one transaction at most.
const BATCH: usize = 512;
/// One-clicks that may wait. What does not fit in waits in its request, whose patience is bounded.
const WAITING: usize = 8 * BATCH;
/// Mail programs wait longer than this; whoever is told that it is not done may try again.
const PATIENCE: Duration = Duration::from_secs(20);

struct Asked {
    click: OneClick,
    is_done: oneshot::Sender<bool>,
}

/// The way to the task. It ends when this is gone and everything that waited is committed.
pub(crate) struct OneClicks(mpsc::Sender<Asked>);

impl OneClicks {
    /// Must be called in the runtime that outlives the server's workers.
    pub(crate) fn start(store: Store) -> OneClicks {
        let (queue, asked) = mpsc::channel(WAITING);
        tokio::spawn(run(store, asked));
        OneClicks(queue)
    }

    /// Unsubscribes; durable when it returns well. It may be repeated.
    pub(crate) async fn record(&self, click: OneClick) -> Result<(), Trouble> {
        let (done, is_done) = oneshot::channel();
        let recorded = timeout(PATIENCE, async {
            let asked = Asked { click, is_done: done };
            self.0.send(asked).await.is_ok() && is_done.await.unwrap_or(false)
        });
        match recorded.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(Trouble::NotRecorded),
        }
    }
}

async fn run(store: Store, mut queue: mpsc::Receiver<Asked>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let (clicks, answers): (Vec<_>, Vec<_>) = batch
            .drain(..)
            .map(|Asked { click, is_done }| (click, is_done))
            .unzip();
        let done = record(&store, &clicks).await;
        // Whoever asked may have gone away.
        answers.into_iter().zip(done).for_each(|(answer, is_done)| {
            let _ = answer.send(is_done);
        });
    }
}

/// Which of them are done. One that the database refuses must not keep the others from leaving: then each goes by itself.
async fn record(store: &Store, clicks: &[OneClick]) -> Vec<bool> {
    match store.while_it_answers(store.one_clicks(clicks)).await {
        Ok(()) => return vec![true; clicks.len()],
        // Nobody waits in here for a database that is away: they are told, and may try again.
        Err(error) if error.is_transient() || clicks.len() == 1 => {
            tracing::error!(
                "{} one-click unsubscribes were not recorded: {error}",
                clicks.len()
            );
            return vec![false; clicks.len()];
        }
        Err(error) => tracing::warn!("one-click unsubscribes are recorded one by one: {error}"),
    }
    let mut done = Vec::with_capacity(clicks.len());
    for click in clicks {
        let one = store.one_clicks(std::slice::from_ref(click));
        let recorded = store.while_it_answers(one).await;
        if let Err(error) = &recorded {
            let OneClick {
                campaign, recipient, ..
            } = click;
            tracing::error!(campaign.id = %campaign, recipient.id = %recipient, "a one-click unsubscribe was not recorded: {error}");
        }
        done.push(recorded.is_ok());
    }
    done
}
