//! Forgetting hits that are older than `[tracking] keep_hits`, while the server runs.

use std::time::Duration;
use tidings_campaign::time::Clock;
use tidings_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

/// Hits that are deleted at once: others want to write too.
const BATCH: i64 = 500;
/// Between two batches, so that others get their turn.
const BREATH: Duration = Duration::from_millis(50);
const A_WHILE: Duration = Duration::from_secs(6 * 3_600);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(600);

/// Looks for old hits at the start and then four times a day.
pub async fn run(store: Store, clock: Clock, keep: Duration, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match stop.run_until_cancelled(expire(&store, &clock, keep)).await {
            None => return,
            Some(Ok(0)) => A_WHILE,
            Some(Ok(hits)) => {
                tracing::info!("{hits} hits were older than keep_hits and are deleted; the counters stay");
                A_WHILE
            }
            Some(Err(error)) => {
                tracing::warn!("old hits cannot be deleted, and will be later: {error}");
                AGAIN
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}

/// Returns how many hits are deleted.
async fn expire(store: &Store, clock: &Clock, keep: Duration) -> Result<u64, StoreError> {
    let before = clock.now().minus(keep);
    let (mut hits, mut after) = (0, None);
    loop {
        let expired = store
            .while_it_answers(store.expire_hits(before, after, BATCH))
            .await?;
        hits += expired.hits;
        after = expired.next;
        if after.is_none() {
            return Ok(hits);
        }
        tokio::time::sleep(BREATH).await;
    }
}
