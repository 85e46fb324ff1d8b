//! Removing the single deliveries of campaigns that have been over for longer than `[retention] deliveries`, while the server runs.

use crate::commands::retention::remove;
use std::time::Duration;
use tidings_campaign::time::Clock;
use tidings_store::Store;
use tidings_store::audit::By;
use tokio_util::sync::CancellationToken;

const A_WHILE: Duration = Duration::from_secs(6 * 3_600);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(600);

/// Looks for old campaigns at the start and then four times a day; never, if deliveries are kept for ever.
pub async fn run(store: Store, clock: Clock, keep: Option<Duration>, stop: CancellationToken) {
    let Some(keep) = keep else {
        // A part that ends, ends the others.
        return stop.cancelled().await;
    };
    let by = By {
        who: "retention".to_owned(),
        network: String::new(),
    };
    while !stop.is_cancelled() {
        let pause = match stop.run_until_cancelled(remove(&store, &clock, keep, &by)).await {
            None => return,
            Some(Ok(0)) => A_WHILE,
            Some(Ok(n)) => {
                tracing::info!(
                    "the single deliveries of {n} campaigns were older than they are kept, and are removed"
                );
                A_WHILE
            }
            Some(Err(error)) => {
                tracing::warn!("old deliveries cannot be removed, and will be later: {error}");
                AGAIN
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
}
