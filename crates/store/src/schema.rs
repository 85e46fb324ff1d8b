//! The migrations, embedded; both engines have the same versions and names.

use crate::engine::{Engine, Store};
use crate::error::StoreError;
use sqlx::migrate::{MigrateError, Migrator};

static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");

/// Brings the database up to date. A database with migrations that this program does not know is left alone.
pub(crate) async fn migrate(store: &Store) -> Result<(), StoreError> {
    let known = SQLITE.iter().map(|m| m.version).max().unwrap_or_default();
    let outcome = match &store.engine {
        Engine::Sqlite { write, .. } => SQLITE.run(&mut *write.lock().await).await,
        Engine::Postgres(pool) => POSTGRES.run(pool).await,
    };
    outcome.map_err(|error| match error {
        MigrateError::VersionMissing(found) => StoreError::Newer { found, known },
        MigrateError::Execute(error) => StoreError::from(error),
        other => StoreError::Migrate(other),
    })
}
