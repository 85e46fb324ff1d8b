//! A connection of one's own to either engine, outside the pools: what is begun on it ends with it.

use crate::engine::{Engine, Store};
use crate::error::StoreError;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, SqliteConnection};

/// A connection that nobody else uses.
#[derive(Debug)]
pub(super) enum Conn {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Whatever the server, the database or the user has been set to: a transaction here lasts as long as it must, and waits for whoever
/// takes a backup in, or gives one. Settings that an old server does not know are passed over.
const PATIENT: &str = "SELECT COUNT(set_config(name, '0', false)) FROM pg_settings WHERE name IN \
    ('idle_in_transaction_session_timeout', 'transaction_timeout', 'statement_timeout', 'lock_timeout', 'tcp_user_timeout')";

/// Runs a query on either: `on_conn!(conn, c => sqlx::query(…).execute(c).await)`.
macro_rules! on_conn {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn {
            $crate::transfer::connection::Conn::Sqlite(c) => {
                let $c = &mut *c;
                $body
            }
            $crate::transfer::connection::Conn::Postgres(c) => {
                let $c = &mut *c;
                $body
            }
        }
    };
}

impl Conn {
    /// Dropped, it is closed, and what was not committed is undone.
    pub(super) async fn to(store: &Store) -> Result<Conn, StoreError> {
        // To read a whole table takes its time, and nobody need be told that the statement was slow.
        Ok(match &store.engine {
            Engine::Sqlite { read, .. } => {
                let options = (*read.connect_options()).clone().disable_statement_logging();
                Conn::Sqlite(options.connect().await?)
            }
            Engine::Postgres(servers) => {
                let options = (*servers.pool().connect_options())
                    .clone()
                    .disable_statement_logging();
                let mut connection = options.connect().await?;
                sqlx::query(PATIENT).execute(&mut connection).await?;
                Conn::Postgres(connection)
            }
        })
    }

    pub(super) fn is_sqlite(&self) -> bool {
        matches!(self, Conn::Sqlite(_))
    }

    /// Runs statements that give nothing back.
    pub(super) async fn run(&mut self, text: &str) -> Result<(), StoreError> {
        let text = AssertSqlSafe(text.to_owned());
        on_conn!(self, c => sqlx::raw_sql(text).execute(c).await.map(drop))?;
        Ok(())
    }

    /// The newest migration that has been applied; none if there never was one.
    pub(super) async fn schema(&mut self) -> Result<Option<i64>, StoreError> {
        let there = match self {
            Conn::Sqlite(_) => "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'",
            Conn::Postgres(_) => "SELECT COUNT(to_regclass('_sqlx_migrations'))",
        };
        if self.number(there.to_owned()).await? == Some(0) {
            return Ok(None);
        }
        self.number("SELECT MAX(version) FROM _sqlx_migrations".to_owned())
            .await
    }

    /// The number that a query gives.
    pub(super) async fn number(&mut self, text: String) -> Result<Option<i64>, StoreError> {
        let text = AssertSqlSafe(text);
        Ok(on_conn!(self, c => sqlx::query_scalar(text).fetch_one(c).await)?)
    }

    /// Undoes what was not committed, if anything, and closes it.
    pub(super) async fn close(self) -> Result<(), StoreError> {
        match self {
            Conn::Sqlite(c) => c.close().await?,
            Conn::Postgres(c) => c.close().await?,
        }
        Ok(())
    }
}

pub(super) use on_conn;
