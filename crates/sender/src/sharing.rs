//! Dividing the limits with other senders: about twice a second this process takes its turn at the table of shares.
//! What is decided there is decided in `limits/share.rs`.

use crate::away::Away;
use crate::dispatch::Dispatcher;
use std::time::Duration;
use tidings_campaign::time::Clock;
use tidings_store::{Store, StoreError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// What takes the turns.
pub(crate) struct Sharing {
    pub store: Store,
    pub clock: Clock,
    pub dispatcher: Dispatcher,
    /// How long leases of this process last.
    pub lease: Duration,
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
        let mut away = Away::new("limits cannot be shared");
        while !end.is_cancelled() {
            number += 1;
            self.turn(number, false, &mut away).await?;
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
        self.turn(number + 1, true, &mut away).await
    }

    async fn turn(&self, number: i64, leaving: bool, away: &mut Away) -> Result<(), StoreError> {
        let now = self.clock.now();
        let Some((round, asked)) = self.dispatcher.begin_round(number, now, (leaving, self.lease)) else {
            return Ok(());
        };
        let decide = |seen| self.dispatcher.decide(&seen, &round);
        let shared = self.store.share_limits(&asked, now, decide);
        let outcome = self.store.within(PATIENCE, shared).await;
        self.dispatcher.end_round(outcome.is_ok());
        match outcome {
            Err(error) if !error.is_transient() => return Err(error),
            Err(error) => away.failed(&error),
            Ok(()) => away.worked(),
        }
        Ok(())
    }
}
