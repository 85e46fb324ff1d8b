//! The right to work on one import: one process at a time, and free as soon as that process is gone.

use crate::engine::{Engine, Store};
use crate::error::StoreError;
use crate::file_lock::FileLock;
use sqlx::PgConnection;
use std::path::PathBuf;
use tidings_campaign::ids::ImportId;

/// The upper half of the keys of PostgreSQL's advisory locks; the lower half is the import's id.
const LOCK_SPACE: i64 = 0x7469_6469 << 32;

/// Held while a process works on an import or takes it back.
#[derive(Debug)]
pub struct ImportLock {
    /// What the lock ends with: a locked file beside the database, or a connection of its own.
    held: Option<Held>,
}

#[derive(Debug)]
enum Held {
    File { _lock: FileLock },
    Connection(Box<PgConnection>),
}

impl ImportLock {
    /// Takes the lock; none if another process holds it.
    pub async fn take(store: &Store, import: ImportId) -> Result<Option<ImportLock>, StoreError> {
        match &store.engine {
            Engine::Sqlite { file, .. } => {
                let mut name = file.as_os_str().to_owned();
                name.push(format!(".import-{import}-lock"));
                let taken = FileLock::take(PathBuf::from(name))?;
                Ok(taken.map(|lock| ImportLock {
                    held: Some(Held::File { _lock: lock }),
                }))
            }
            Engine::Postgres(servers) => {
                let mut connection = servers.pool().acquire().await?.detach();
                let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                    .bind(LOCK_SPACE | import.0)
                    .fetch_one(&mut connection)
                    .await?;
                let held = Some(Held::Connection(Box::new(connection)));
                Ok(taken.then_some(ImportLock { held }))
            }
        }
    }

    /// Whether a process works on an import. One that ended without giving its lock back may seem to do so for a moment.
    pub async fn is_held(store: &Store, import: ImportId) -> Result<bool, StoreError> {
        // A key of 64 bits stands in two halves there.
        const HELD: &str = "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted \
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
            AND classid::bigint = $1 AND objid::bigint = $2 AND objsubid = 1)";
        match &store.engine {
            Engine::Sqlite { .. } => Ok(ImportLock::take(store, import).await?.is_none()),
            Engine::Postgres(servers) => Ok(sqlx::query_scalar(HELD)
                .bind(LOCK_SPACE >> 32)
                .bind(import.0)
                .fetch_one(&servers.pool())
                .await?),
        }
    }

    /// Gives the lock back, so that the next one can have it at once. A dropped one is noticed by PostgreSQL a moment later.
    pub(super) async fn release(mut self) -> Result<(), StoreError> {
        // A file's lock ends with the file, when this is dropped.
        if let Some(Held::Connection(connection)) = &mut self.held {
            sqlx::query("SELECT pg_advisory_unlock_all()")
                .execute(&mut **connection)
                .await?;
        }
        Ok(())
    }
}
