//! Removing the single deliveries of campaigns that have been over for longer than `[retention] deliveries`, while the server runs.

use crate::commands::retention::Removal;
use std::time::Duration;
use tidings_campaign::time::Clock;
use tidings_store::at_work::AtWork;
use tidings_store::audit::By;
use tidings_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

const A_WHILE: Duration = Duration::from_secs(6 * 3_600);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(600);

/// Looks for old campaigns at the start and then four times a day; never, if deliveries are kept for ever. A node that drains
/// begins nothing, and stops after the batch that it is at.
pub async fn run(store: Store, clock: Clock, keep: Option<Duration>, node: AtWork, stop: CancellationToken) {
    let Some(keep) = keep else {
        // A part that ends, ends the others.
        return stop.cancelled().await;
    };
    let mut news = node.news();
    while !stop.is_cancelled() {
        if !node.may_take() {
            stop.run_until_cancelled(news.come()).await;
            continue;
        }
        let under_way = node.begin();
        let outcome = stop
            .run_until_cancelled(remove(&store, &clock, keep, &node))
            .await;
        drop(under_way);
        let pause = match outcome {
            None => return,
            Some(Ok(0)) => A_WHILE,
            Some(Ok(n)) => {
                tracing::info!(
                    "the single deliveries of {n} campaigns were older than they are kept, and are removed"
                );
                A_WHILE
            }
            Some(Err(error)) => {
                tracing::warn!("some old deliveries cannot be removed, and will be later: {error}");
                AGAIN
            }
        };
        // What a drain has cut off goes on when the node works again.
        if node.may_take() {
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }
}

async fn remove(store: &Store, clock: &Clock, keep: Duration, node: &AtWork) -> Result<u64, StoreError> {
    let before = clock.now().minus(keep);
    let removal = Removal {
        store,
        clock,
        by: By {
            who: "retention".to_owned(),
            network: String::new(),
        },
        may_go_on: &|| node.may_take(),
    };
    let removed = async { removal.of(&store.old_campaigns(before).await?, before).await };
    store.while_it_answers(removed).await
}
