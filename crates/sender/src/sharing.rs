//! Dividing the limits with other senders: about twice a second this process takes its turn at the table of shares.
//! What is decided there is decided in `limits/share.rs`.

use crate::dispatch::Dispatcher;
use std::time::Duration;
use tidings_campaign::time::Clock;
use tidings_store::{Store, StoreError};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// What takes the turns.
pub(crate) struct Sharing {
    pub store: Store,
    pub clock: Clock,
    pub dispatcher: Dispatcher,
}

const EVERY: Duration = Duration::from_millis(500);
/// A turn that somebody waits for comes sooner, but not at once after the last.
const APART: Duration = Duration::from_millis(50);
/// A turn that takes longer is given up: shares run out meanwhile, and the next one finds out what became of it.
const PATIENCE: Duration = Duration::from_secs(3);

impl Sharing {
    /// Goes on until `end`, and gives everything back then. While the database is away it tries again; shares run out
    /// by themselves.
    pub(crate) async fn run(self, end: CancellationToken) -> Result<(), StoreError> {
        let mut number = 0;
        while !end.is_cancelled() {
            number += 1;
            self.turn(number, false).await?;
            let soon = async {
                sleep(APART).await;
                self.dispatcher.waits_for_a_share().await;
            };
            tokio::select! {
                () = end.cancelled() => {}
                () = sleep(EVERY) => {}
                () = soon => {}
            }
        }
        self.turn(number + 1, true).await
    }

    async fn turn(&self, number: i64, leaving: bool) -> Result<(), StoreError> {
        let now = self.clock.now();
        let Some((round, asked)) = self.dispatcher.begin_round(number, now, leaving) else {
            return Ok(());
        };
        let decide = |seen| self.dispatcher.decide(&seen, &round);
        let outcome = timeout(PATIENCE, self.store.share_limits(&asked, now, decide)).await;
        self.dispatcher.end_round(matches!(outcome, Ok(Ok(()))));
        match outcome {
            Ok(Err(error)) if !error.is_transient() => return Err(error),
            Ok(Err(error)) => tracing::warn!("limits cannot be shared, trying again: {error}"),
            Err(_) => tracing::warn!("limits cannot be shared, trying again: no answer from the database"),
            Ok(Ok(())) => {}
        }
        Ok(())
    }
}
