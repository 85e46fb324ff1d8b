//! SQLite: one file, and one writer for all of this process.

use super::Engine;
use crate::error::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The connection of SQLite's one writer.
#[derive(Debug)]
pub struct Writer {
    connection: SqliteConnection,
    /// As it is tuned now.
    pub(super) tuning: Tuning,
}

/// How long a writer waits for another process to finish its transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);

/// How SQLite's writer uses memory and disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tuning {
    /// How large the write-ahead log grows before it is moved into the database, in pages of 4 KiB.
    checkpoint_pages: u32,
    /// Memory for pages, in KiB.
    cache_kib: u32,
}

impl Tuning {
    /// For the ledger, which writes the same pages often: the log is moved every 16 MiB rather than every 4. Memory stays
    /// the same for any number of recipients: 8 MiB of pages are as fast as 64.
    pub(crate) const LEDGER: Tuning = Tuning {
        checkpoint_pages: 4_000,
        cache_kib: 8 << 10,
    };

    /// For imports. Each batch touches pages all over the unique index: moved rarely, a page moves once for many batches,
    /// and kept in memory, it need not be read for each.
    pub(crate) const IMPORT: Tuning = Tuning {
        checkpoint_pages: 32_000,
        cache_kib: 64 << 10,
    };

    async fn apply(self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let Tuning {
            checkpoint_pages,
            cache_kib,
        } = self;
        let text =
            format!("PRAGMA wal_autocheckpoint = {checkpoint_pages}; PRAGMA cache_size = -{cache_kib}");
        sqlx::raw_sql(AssertSqlSafe(text)).execute(connection).await?;
        Ok(())
    }
}

impl Writer {
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Closes it, so that its file is nobody's.
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        Ok(self.connection.close().await?)
    }

    pub(super) async fn tune(&mut self, tuning: Tuning) -> Result<(), StoreError> {
        if self.tuning != tuning {
            tuning.apply(&mut self.connection).await?;
            self.tuning = tuning;
        }
        Ok(())
    }
}

/// A transaction of the one SQLite writer.
#[derive(Debug)]
pub struct SqliteTx {
    /// None once it has ended.
    writer: Option<OwnedMutexGuard<Writer>>,
}

impl SqliteTx {
    /// For a transaction that the caller begins.
    pub(crate) async fn unbegun(writer: Arc<Mutex<Writer>>) -> SqliteTx {
        SqliteTx {
            writer: Some(writer.lock_owned().await),
        }
    }

    pub(super) async fn begin(writer: Arc<Mutex<Writer>>) -> Result<SqliteTx, StoreError> {
        // Wrapped before it begins: a caller that gives up in between leaves nothing begun behind.
        let mut tx = SqliteTx::unbegun(writer).await;
        sqlx::query("BEGIN IMMEDIATE").execute(tx.connection()).await?;
        Ok(tx)
    }

    pub(super) fn writer(&mut self) -> &mut Writer {
        self.writer
            .as_mut()
            .expect("an ended transaction has been consumed")
    }

    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        self.writer().connection()
    }

    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        // If the commit fails, dropping `self` rolls back.
        sqlx::query("COMMIT").execute(self.connection()).await?;
        self.writer = None;
        Ok(())
    }
}

impl Drop for SqliteTx {
    fn drop(&mut self) {
        let Some(mut writer) = self.writer.take() else {
            return;
        };
        // The next writer gets the connection when the rollback is done. Without a runtime the process is ending,
        // and SQLite rolls back when the file is opened again.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = sqlx::query("ROLLBACK").execute(writer.connection()).await {
                    tracing::debug!("nothing to roll back: {error}");
                }
            });
        }
    }
}

/// Only one process at a time opens a database of this folder: neither the switch to WAL nor sqlx's migrations wait for
/// another process that does the same.
pub(crate) async fn lock_folder(file: &Path) -> Result<File, StoreError> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let failed = |source| StoreError::Folder {
        folder: folder.clone(),
        source,
    };
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let lock = File::open(&folder).map_err(failed)?;
    // Waiting may take as long as another process migrates.
    tokio::task::spawn_blocking(move || lock.lock().map(|()| lock))
        .await
        .expect("locking does not panic")
        .map_err(failed)
}

/// Opens or creates the file.
pub(super) async fn open_sqlite(file: &Path) -> Result<Engine, StoreError> {
    // FULL: a committed `on_wire` survives a power cut. What planning sorts goes to a temporary file when it is large.
    let base = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(256);
    let mut connection = base.clone().connect().await.map_err(|source| StoreError::Open {
        what: file.display().to_string(),
        source,
    })?;
    let tuning = Tuning::LEDGER;
    tuning.apply(&mut connection).await?;
    let read = SqlitePoolOptions::new()
        .max_connections(4)
        .test_before_acquire(false)
        .connect_with(base.pragma("cache_size", "-2048"))
        .await
        .map_err(|source| StoreError::Open {
            what: file.display().to_string(),
            source,
        })?;
    Ok(Engine::Sqlite {
        read,
        write: Arc::new(Mutex::new(Writer { connection, tuning })),
        file: file.to_owned(),
    })
}
