//! Lists that pages ask for, made one after the other.

use crate::{PreflightSettings, examine};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tidings_campaign::time::Clock;
use tidings_store::at_work::AtWork;
use tidings_store::preflights::PreflightClaim;
use tidings_store::{Store, StoreError};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often it is looked for lists that somebody has asked for.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often a list says how far it is.
const TOUCH_EVERY: Duration = Duration::from_secs(1);

/// Makes every list that is asked for, until the token is cancelled. One that is not finished then is taken over by another
/// process, or by the next.
pub async fn run(
    store: Store,
    settings: PreflightSettings,
    clock: Clock,
    node: AtWork,
    stop: CancellationToken,
) -> Result<(), StoreError> {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        let _under_way = node.begin();
        if !node.may_take() {
            continue;
        }
        let claim = match store.while_it_answers(store.claim_preflight(clock.now())).await {
            Err(error) if error.is_transient() => continue,
            claim => claim?,
        };
        let Some(claim) = claim else {
            continue;
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            made = store.while_it_answers(make(&store, claim, &settings, &clock)) => match made {
                Err(error) if error.is_transient() => tracing::warn!("database away, the pre-flight list waits: {error}"),
                made => made?,
            },
        }
    }
}

async fn make(
    store: &Store,
    claim: PreflightClaim,
    settings: &PreflightSettings,
    clock: &Clock,
) -> Result<(), StoreError> {
    let rendered = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&rendered);
    let examining = examine(store, claim.campaign, settings, clock, move |n| {
        seen.store(n, Ordering::Relaxed)
    });
    tokio::pin!(examining);
    let mut tick = interval(TOUCH_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let examined = loop {
        tokio::select! {
            examined = &mut examining => break examined,
            _ = tick.tick() => {
                let rendered = rendered.load(Ordering::Relaxed);
                if !store.touch_preflight(claim, rendered, clock.now()).await? {
                    return Ok(());
                }
            }
        }
    };
    match examined {
        Ok(examined) => {
            let found = Ok((examined.findings.as_slice(), examined.fingerprint.as_str()));
            store.finish_preflight(claim, found, clock.now()).await?;
        }
        Err(error) if error.is_transient() => return Err(error),
        Err(error) => {
            let why = error.to_string();
            store.finish_preflight(claim, Err(&why), clock.now()).await?;
        }
    }
    Ok(())
}
