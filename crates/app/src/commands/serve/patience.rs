//! Machines are started in any order, and a database may restart while a server starts: so a server waits for it.

use crate::output::in_one_line;
use std::time::{Duration, Instant};
use tidings_store::StoreError;
use tokio_util::sync::CancellationToken;

/// So long a server waits before it ends with the reason.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(2);

/// How long a server that starts has waited already.
pub struct Patience(Instant);

impl Patience {
    /// From now on.
    pub fn begins() -> Patience {
        Patience(Instant::now())
    }

    /// Whether waiting may help against this.
    pub fn lasts(&self, error: &anyhow::Error) -> bool {
        let may_pass = |cause: &(dyn std::error::Error + 'static)| {
            cause.downcast_ref().is_some_and(StoreError::is_transient)
        };
        self.0.elapsed() < PATIENCE && error.chain().any(may_pass)
    }

    /// Says what is waited for, and waits a little, or until the process is to stop.
    pub async fn pause(&self, error: anyhow::Error, stop: &CancellationToken) {
        let left = PATIENCE.saturating_sub(self.0.elapsed()).as_secs();
        let why = in_one_line(&error);
        tracing::warn!("waits for the database, for {left} seconds more: {why}");
        let pause = tokio::time::sleep(PAUSE);
        stop.run_until_cancelled(pause).await;
    }
}
