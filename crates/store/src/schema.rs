//! The migrations, embedded; both engines have the same versions and names. docs/retention.md says how they are written, so that
//! none keeps a running installation waiting.

mod each_part;

use crate::engine::{Engine, Store};
use crate::error::StoreError;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use std::sync::LazyLock;
use std::time::Duration;
use tokio::time::Instant;

static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");
/// Without the lock of sqlx: whoever waits for that one has a snapshot open, for which `CREATE INDEX CONCURRENTLY` would wait.
static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrator = sqlx::migrate!("../../migrations/postgres");
    migrator.set_locking(false);
    migrator
});

/// The key of the advisory lock that one migrating process holds.
const LOCK: i64 = 0x7469_6470 << 32;

/// Whoever comes after a statement that waits for a lock waits behind it, so it waits for a moment only.
const WAITING: [&str; 2] = ["SET lock_timeout = '200ms'", "SET statement_timeout = 0"];

/// Migrations that are one `CREATE INDEX CONCURRENTLY`, and the index that each makes. Such a statement waits for everybody who reads
/// or writes, and nobody waits for it, so it may take its time. What is cut off leaves an index that is not valid.
const CONCURRENT: [(i64, &str); 2] = [(36, "feedback_events_by_address"), (37, "letters_by_address")];

/// For as long as such a statement waits for one transaction of others.
const PATIENTLY: &str = "SET lock_timeout = '10min'";

/// Until a lock is tried for again.
const BREATH: Duration = Duration::from_millis(500);

/// Until another process is asked again whether it is done: mostly it has nothing to do.
const GLANCE: Duration = Duration::from_millis(50);

/// After so long of failing to get a lock, a person has to look who holds it.
const PATIENCE: Duration = Duration::from_secs(600);

/// The newest migration of this program.
pub(crate) fn newest() -> i64 {
    SQLITE.iter().map(|m| m.version).max().unwrap_or_default()
}

/// Brings the database up to date. A database with migrations that this program does not know is left alone.
pub(crate) async fn migrate(store: &Store) -> Result<(), StoreError> {
    let outcome = match &store.engine {
        Engine::Sqlite { write, .. } => SQLITE.run(write.lock().await.connection()).await,
        Engine::Postgres(servers) => migrate_postgres(&servers.pool(), newest()).await,
    };
    outcome.map_err(told)
}

/// Brings an empty database to an earlier version: that of a backup.
pub(crate) async fn migrate_to(store: &Store, version: i64) -> Result<(), StoreError> {
    let outcome = match &store.engine {
        Engine::Sqlite { write, .. } => SQLITE.run_to(version, write.lock().await.connection()).await,
        Engine::Postgres(servers) => migrate_postgres(&servers.pool(), version).await,
    };
    outcome.map_err(told)
}

fn told(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(found) => StoreError::Newer {
            found,
            known: newest(),
        },
        MigrateError::Execute(error) => StoreError::from(error),
        other => StoreError::Migrate(other),
    }
}

/// Tries until no lock is in the way. Every migration is a transaction, or finds out itself what it has done already.
async fn migrate_postgres(pool: &PgPool, version: i64) -> Result<(), MigrateError> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        // A connection of its own, which ends with each try: with it end its lock and what it had begun.
        let mut connection = pool.acquire().await?.detach();
        let outcome = migrate_once(&mut connection, version).await;
        let closed = connection.close().await;
        let pause = match outcome {
            Ok(Outcome::Migrated) => return Ok(()),
            // However long that takes; but no connection waits in a statement.
            Ok(Outcome::AnotherDoes) => GLANCE,
            Err(error) if is_locked_out(&error) && Instant::now() < give_up => {
                tracing::info!("a migration waits until nobody is in its way: {error}");
                BREATH
            }
            Err(error) => return Err(error),
        };
        closed?;
        tokio::time::sleep(pause).await;
    }
}

enum Outcome {
    Migrated,
    /// Another process is at it.
    AnotherDoes,
}

async fn migrate_once(connection: &mut PgConnection, version: i64) -> Result<Outcome, MigrateError> {
    let is_ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(LOCK)
        .fetch_one(&mut *connection)
        .await?;
    if !is_ours {
        return Ok(Outcome::AnotherDoes);
    }
    for setting in WAITING {
        sqlx::query(setting).execute(&mut *connection).await?;
    }
    let applied = applied(connection).await?;
    for (at, index) in CONCURRENT {
        if applied < at && at <= version {
            POSTGRES.run_to(at - 1, &mut *connection).await?;
            sqlx::query(PATIENTLY).execute(&mut *connection).await?;
            let drop = AssertSqlSafe(format!("DROP INDEX CONCURRENTLY IF EXISTS {index}"));
            sqlx::raw_sql(drop).execute(&mut *connection).await?;
            POSTGRES.run_to(at, &mut *connection).await?;
            sqlx::query(WAITING[0]).execute(&mut *connection).await?;
        }
    }
    if applied < each_part::VERSION && each_part::VERSION <= version {
        POSTGRES.run_to(each_part::VERSION - 1, &mut *connection).await?;
        sqlx::query(PATIENTLY).execute(&mut *connection).await?;
        each_part::index(connection).await?;
        sqlx::query(WAITING[0]).execute(&mut *connection).await?;
    }
    POSTGRES.run_to(version, &mut *connection).await?;
    Ok(Outcome::Migrated)
}

/// The newest migration that has been applied; 0 if there never was one.
async fn applied(connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
    const IS_THERE: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
    const NEWEST: &str = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations";
    match sqlx::query_scalar(IS_THERE).fetch_one(&mut *connection).await? {
        true => sqlx::query_scalar(NEWEST).fetch_one(connection).await,
        false => Ok(0),
    }
}

/// Whether others held what it needs (55P03), or waited for it while it waited for them (40P01).
fn is_locked_out(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("55P03" | "40P01"))
}
