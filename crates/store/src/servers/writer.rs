//! The connection by which the ledger is written. The pool hands its connections out in turns and asks each that comes back
//! whether it still works; many commits a second would be as many questions, and each of the server's processes would have
//! to keep the ledger's statements prepared.

use super::{LOOK_TIMEOUT, MOMENT_AGO, Servers};
use crate::error::StoreError;
use sqlx::{Connection, PgConnection};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// Plans are kept for any number of rows: by itself PostgreSQL plans anew for each batch that is smaller than it thinks that
/// batches are, which takes longer than to run it.
const ONE_PLAN: &str = "SELECT COUNT(set_config(name, 'force_generic_plan', false)) FROM pg_settings \
    WHERE name = 'plan_cache_mode'";
/// But not for ever. What was planned when the ledger was small would search all of it when it is large.
const FORGET_PLANS: &str = "DISCARD PLANS";
/// How long a plan is used.
const PLANNED: Duration = Duration::from_secs(5);

/// A connection in the hands of a writer, which belongs to no pool any more. It is closed if it is not kept afterwards.
#[derive(Debug)]
pub(crate) struct Writer {
    connection: PgConnection,
    /// Of which pool it was, counted as [`Servers`] counts them.
    pools: usize,
    used: Instant,
    planned: Instant,
}

impl Writer {
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Whether it can be used again.
    async fn is_fit(&mut self) -> bool {
        if self.used.elapsed() > MOMENT_AGO
            && !matches!(timeout(LOOK_TIMEOUT, self.connection.ping()).await, Ok(Ok(())))
        {
            return false;
        }
        if self.planned.elapsed() < PLANNED {
            return true;
        }
        self.planned = Instant::now();
        let forgotten = sqlx::raw_sql(FORGET_PLANS).execute(&mut self.connection);
        forgotten.await.is_ok()
    }
}

/// The one that is kept from one commit to the next, while nobody uses it.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<Option<Writer>>);

impl Kept {
    fn place(&self) -> MutexGuard<'_, Option<Writer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops it.
    pub(super) fn let_go(&self) {
        let writer = self.place().take();
        drop(writer);
    }

    /// Says good-bye first.
    pub(super) async fn close(&self) {
        let writer = self.place().take();
        if let Some(writer) = writer
            && let Err(error) = writer.connection.close().await
        {
            tracing::debug!("the writer's connection was gone already: {error}");
        }
    }
}

impl Servers {
    /// The connection that was kept, if it still works, or another.
    pub(crate) async fn writer(&self) -> Result<Writer, StoreError> {
        let pools = self.0.pools.load(Ordering::Relaxed);
        let kept = self.0.kept.place().take();
        if let Some(mut writer) = kept
            && writer.pools == pools
            && writer.is_fit().await
        {
            return Ok(writer);
        }
        let mut connection = self.pool().acquire().await?.detach();
        sqlx::query(ONE_PLAN).execute(&mut connection).await?;
        Ok(Writer {
            connection,
            pools,
            used: Instant::now(),
            planned: Instant::now(),
        })
    }

    /// Keeps a connection whose work was done and that has nothing under way.
    pub(crate) fn keep(&self, writer: Writer) {
        let used = Instant::now();
        let former = match self.pool().is_closed() {
            false => self.0.kept.place().replace(Writer { used, ..writer }),
            true => Some(writer),
        };
        drop(former);
    }
}
