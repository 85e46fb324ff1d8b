//! The two engines behind one `Store`: opening, reading, writing. What differs between them is here, below, and nowhere else.

mod sqlite;
mod texts;

use self::sqlite::open_sqlite;
pub use self::sqlite::{SqliteTx, Writer};
pub(crate) use self::sqlite::{Tuning, lock_folder};
use self::texts::bulk_text;
pub(crate) use self::texts::values_list;
use crate::error::StoreError;
use crate::hosts::Hosts;
use crate::parts::Parts;
use crate::servers::Servers;
use sqlx::{AssertSqlSafe, Postgres, SqlitePool, Transaction};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tidings_campaign::time::Clock;
use tokio::sync::Mutex;

/// All that Tidings remembers, in SQLite or PostgreSQL. Cloning shares the connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) engine: Engine,
    pub(crate) parts: Parts,
    pub(crate) node: String,
}

/// The pools of the engine in use. SQLite has one writer, so writing there goes through a pool of one.
#[derive(Clone, Debug)]
pub enum Engine {
    /// One file on this machine.
    Sqlite {
        /// Many readers.
        read: SqlitePool,
        /// The only writer. Whoever writes holds the connection from the begin to the commit; a pool of one would
        /// give it back through a task of its own, which cost a busy sender half a millisecond for each commit.
        write: Arc<Mutex<Writer>>,
        /// Where the file is.
        file: PathBuf,
    },
    /// A server, perhaps shared by many machines.
    Postgres(Servers),
}

/// A writing transaction on either engine. Dropped without [`Tx::commit`], it is rolled back.
#[derive(Debug)]
pub enum Tx {
    /// Begun IMMEDIATE, so that it cannot fail half-way for want of the write lock.
    Sqlite(SqliteTx),
    /// Read committed.
    Postgres(Transaction<'static, Postgres>),
}

/// Runs a query on the pool for reading (on PostgreSQL the only pool). For statements that change something
/// outside a transaction use `on_write_pool`.
macro_rules! on_pool {
    ($store:expr, $pool:ident => $body:expr) => {
        match &$store.engine {
            $crate::engine::Engine::Sqlite { read: $pool, .. } => $body,
            $crate::engine::Engine::Postgres(servers) => {
                let pool = servers.pool();
                let $pool = &pool;
                $body
            }
        }
    };
}

/// Runs one writing statement that commits by itself.
macro_rules! on_write_pool {
    ($store:expr, $pool:ident => $body:expr) => {
        match &$store.engine {
            $crate::engine::Engine::Sqlite { write, .. } => {
                let mut writer = write.lock().await;
                let $pool = writer.connection();
                $body
            }
            $crate::engine::Engine::Postgres(servers) => {
                let pool = servers.pool();
                let $pool = &pool;
                $body
            }
        }
    };
}

/// Runs a query in a transaction: `on_tx!(tx, conn => sqlx::query(…).execute(conn).await)`.
macro_rules! on_tx {
    ($tx:expr, $conn:ident => $body:expr) => {
        match $tx {
            $crate::engine::Tx::Sqlite(tx) => {
                let $conn = tx.connection();
                $body
            }
            $crate::engine::Tx::Postgres(tx) => {
                let $conn = &mut **tx;
                $body
            }
        }
    };
}

impl Store {
    /// Opens the database at `url` (`sqlite://FILE` or `postgres://…`, which may name several servers), creates or migrates it, and refuses
    /// one that was made by a newer version. `node` names this process in the counters.
    pub async fn open(url: &str, node: &str) -> Result<Store, StoreError> {
        let (mut store, opening) = Store::connect(url, node).await?;
        crate::schema::migrate(&store).await?;
        store.parts = crate::parts::read(&store.engine).await?;
        drop(opening);
        crate::transfer::refuse_if_moving(&store, url).await?;
        Ok(store)
    }

    /// Opens the database as it is, without knowing how its ledger is divided. Until the lock is dropped nobody else opens a SQLite database of this folder.
    pub(crate) async fn connect(url: &str, node: &str) -> Result<(Store, Option<File>), StoreError> {
        let mut opening = None;
        let engine = if let Some(file) = url.strip_prefix("sqlite://") {
            opening = Some(lock_folder(Path::new(file)).await?);
            open_sqlite(Path::new(file)).await?
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Engine::Postgres(Servers::open(url).await?)
        } else {
            return Err(StoreError::UnknownScheme(scheme_of(url)));
        };
        let store = Store {
            engine,
            parts: Parts::Whole,
            node: node.to_owned(),
        };
        Ok((store, opening))
    }

    /// The name of this process in the counters.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The same database, with another name for this process.
    pub fn called(self, node: String) -> Store {
        Store { node, ..self }
    }

    /// The SQLite file, if that is the engine.
    pub fn sqlite_file(&self) -> Option<&Path> {
        match &self.engine {
            Engine::Sqlite { file, .. } => Some(file),
            Engine::Postgres(_) => None,
        }
    }

    /// Begins a transaction that will write.
    pub async fn begin_write(&self) -> Result<Tx, StoreError> {
        Ok(match &self.engine {
            Engine::Sqlite { write, .. } => Tx::Sqlite(SqliteTx::begin(Arc::clone(write)).await?),
            Engine::Postgres(servers) => Tx::Postgres(servers.pool().begin().await?),
        })
    }

    /// Takes `n` fresh identifiers from the named sequence and returns the first. Gaps may remain.
    pub async fn allocate_ids(&self, sequence: &str, n: i64) -> Result<i64, StoreError> {
        const ALLOCATE: &str = "UPDATE sequences SET next = next + $1 WHERE name = $2 RETURNING next - $1";
        let first = on_write_pool!(self, pool => sqlx::query_scalar::<_, i64>(ALLOCATE)
            .bind(n).bind(sequence).fetch_one(pool).await)?;
        Ok(first)
    }

    /// The text of a statement with many values, in the form that this engine takes fastest.
    pub(crate) fn bulk_text(&self, text: String) -> AssertSqlSafe<String> {
        bulk_text(matches!(self.engine, Engine::Sqlite { .. }), text)
    }

    /// Writes the SQLite file anew, without what was deleted or written over, and empties its log. It takes as much room as the
    /// database has, and nobody can write meanwhile. False on PostgreSQL, where that is the server's business.
    pub async fn vacuum(&self) -> Result<bool, StoreError> {
        let Engine::Sqlite { write, .. } = &self.engine else {
            return Ok(false);
        };
        let mut writer = write.lock().await;
        for text in ["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            sqlx::raw_sql(text).execute(writer.connection()).await?;
        }
        Ok(true)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        on_pool!(self, pool => sqlx::query("SELECT 1").execute(pool).await.map(drop))?;
        Ok(())
    }

    /// Waits for an answer of PostgreSQL for so long, and not longer: what does not come may have been done all the same. SQLite
    /// is on this machine, and is waited for.
    pub async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sqlite { .. } => work.await,
            Engine::Postgres(servers) => servers.within(limit, work).await,
        }
    }

    /// Waits for an answer for as long as PostgreSQL is there, however long that takes. If it has become silent or gone, what was
    /// asked may have been done all the same. SQLite is waited for.
    pub async fn while_it_answers<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        match &self.engine {
            Engine::Sqlite { .. } => work.await,
            Engine::Postgres(servers) => servers.while_it_answers(work).await,
        }
    }

    /// Has a clock that can be led follow PostgreSQL's from now on, so that all machines agree on when a lease ends. With SQLite
    /// it stays the machine's.
    pub async fn lead(&self, clock: &Clock) -> Result<(), StoreError> {
        match (&self.engine, clock) {
            (Engine::Postgres(servers), Clock::Led(led)) => servers.lead(led).await,
            _ => Ok(()),
        }
    }

    /// Waits until nothing is under way and closes all connections.
    pub async fn close(&self) {
        match &self.engine {
            // The writer is closed with the last handle; what it committed is durable already.
            Engine::Sqlite { read, .. } => read.close().await,
            Engine::Postgres(servers) => servers.close().await,
        }
    }
}

impl Tx {
    /// Makes everything done in this transaction durable, at once.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Tx::Sqlite(tx) => tx.commit().await?,
            Tx::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// The text of a statement with many values, in the form that this engine takes fastest.
    pub(crate) fn bulk_text(&self, text: String) -> AssertSqlSafe<String> {
        bulk_text(matches!(self, Tx::Sqlite(_)), text)
    }

    /// How SQLite's writer uses memory and disk from now on. On PostgreSQL that is the server's business.
    pub(crate) async fn tune(&mut self, tuning: Tuning) -> Result<(), StoreError> {
        match self {
            Tx::Sqlite(tx) => tx.writer().tune(tuning).await,
            Tx::Postgres(_) => Ok(()),
        }
    }

    /// Whether SQLite overwrites what is deleted in this transaction with zeros. It costs writing, so it is for what must not
    /// be found in the file any more. On PostgreSQL that is the server's business.
    pub(crate) async fn overwrite_deleted(&mut self, on: bool) -> Result<(), StoreError> {
        if let Tx::Sqlite(tx) = self {
            let text = if on {
                "PRAGMA secure_delete = ON"
            } else {
                "PRAGMA secure_delete = OFF"
            };
            sqlx::raw_sql(text).execute(tx.connection()).await?;
        }
        Ok(())
    }

    /// The words that make a claiming `SELECT` pass over rows that another claimer holds. SQLite has one
    /// writer and needs none.
    pub(crate) const fn skip_locked(&self) -> &'static str {
        match self {
            Tx::Sqlite(_) => "",
            Tx::Postgres(_) => " FOR UPDATE SKIP LOCKED",
        }
    }
}

/// Where a database is, for people: without user and password.
pub fn place_of(url: &str) -> String {
    match Hosts::parse(url) {
        Ok(hosts) if url.starts_with("postgres") => hosts.to_string(),
        _ if url.starts_with("sqlite://") => url["sqlite://".len()..].to_owned(),
        // Whatever stands before the last @ may be a password.
        _ => url.rsplit('@').next().unwrap_or_default().to_owned(),
    }
}

fn scheme_of(url: &str) -> String {
    url.split("://").next().unwrap_or_default().to_owned()
}

pub(crate) use {on_pool, on_tx, on_write_pool};
