//! Summing the days that are over, while the server runs: pages about months read them instead of every minute.

use std::time::Duration;
use tidings_campaign::time::Clock;
use tidings_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

/// Between two days, so that others get their turn.
const BREATH: Duration = Duration::from_millis(20);
/// Between two looks, and after a failure.
const A_WHILE: Duration = Duration::from_secs(600);

/// Sums what there is at the start, and looks every ten minutes.
pub async fn run(store: Store, clock: Clock, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match stop.run_until_cancelled(sum(&store, &clock)).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(error)) => tracing::warn!("days cannot be summed, and will be later: {error}"),
        }
        stop.run_until_cancelled(tokio::time::sleep(A_WHILE)).await;
    }
}

async fn sum(store: &Store, clock: &Clock) -> Result<(), StoreError> {
    while store.while_it_answers(store.sum_a_day(clock.now())).await? {
        tokio::time::sleep(BREATH).await;
    }
    Ok(())
}
