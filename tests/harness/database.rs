//! A fresh database for every test.

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// What the ledger is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// One file, one machine.
    Sqlite,
    /// A server, many machines.
    Postgres,
}

/// A database that no other test uses. On PostgreSQL it is dropped at the end.
pub struct Database {
    engine: Engine,
    url: String,
    runtime: tokio::runtime::Runtime,
    dropped_at_end: Option<String>,
}

impl Database {
    pub(crate) fn create(engine: Engine, folder: &Path) -> Self {
        match engine {
            Engine::Sqlite => {
                let url = format!("sqlite://{}", folder.join("tidings.db").display());
                Self::at(engine, url)
            }
            Engine::Postgres => {
                let server = crate::from_xtask("TIDINGS_TEST_POSTGRES");
                let name = unique_name();
                let mut database = Self::at(engine, with_database(&server, &name));
                database.dropped_at_end = Some(name.clone());
                database.on_server(&format!("CREATE DATABASE {name}"));
                database
            }
        }
    }

    /// One that is there already, and stays.
    pub(crate) fn at(engine: Engine, url: String) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime needs nothing but memory");
        Self {
            engine,
            url,
            runtime,
            dropped_at_end: None,
        }
    }

    /// As `--database` takes it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs one statement beside the binary: to bring about what no command can.
    pub fn execute(&self, statement: &str) {
        self.block_on(execute(self.engine, &self.url, statement));
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// The one number that a query gives.
    pub fn number(&self, query: &str) -> i64 {
        let query = AssertSqlSafe(query.to_owned());
        self.runtime.block_on(async {
            match self.engine {
                Engine::Sqlite => {
                    let mut connection = SqliteConnection::connect(&self.url)
                        .await
                        .expect("the test's database");
                    sqlx::query_scalar(query).fetch_one(&mut connection).await
                }
                Engine::Postgres => {
                    let mut connection = PgConnection::connect(&self.url)
                        .await
                        .expect("the test's database");
                    sqlx::query_scalar(query).fetch_one(&mut connection).await
                }
            }
            .expect("a query of a test")
        })
    }

    /// The texts that a query gives.
    pub fn texts(&self, query: &str) -> Vec<String> {
        self.block_on(texts(self.engine, &self.url, query))
    }

    /// Ends every connection to a PostgreSQL database from the server's side, as a restart of the server does.
    pub fn cut_connections(&self) {
        assert_eq!(self.engine, Engine::Postgres, "SQLite has no connections to cut");
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
    }

    /// Keeps a backup of the database as it is. No process may have it open.
    pub fn back_up(&self) {
        match &self.dropped_at_end {
            None => self.copy_files("", ".backup"),
            Some(name) => self.on_server(&format!("CREATE DATABASE {name}_backup TEMPLATE {name}")),
        }
    }

    /// Puts the backup in the place of the database: written over the same SQLite file, or as a new PostgreSQL database
    /// of the same name.
    pub fn restore(&self) {
        match &self.dropped_at_end {
            None => self.copy_files(".backup", ""),
            Some(name) => {
                self.on_server(&format!("DROP DATABASE {name} WITH (FORCE)"));
                self.on_server(&format!("ALTER DATABASE {name}_backup RENAME TO {name}"));
            }
        }
    }

    /// Puts a copy in the place of the SQLite file, as when a folder is copied to another machine.
    pub fn replace_by_a_copy(&self) {
        self.copy_files("", ".copy");
        let file = self.sqlite_file();
        for part in SQLITE_PARTS {
            let copy = format!("{file}.copy{part}");
            if std::fs::exists(&copy).expect("a file in the test's folder") {
                std::fs::rename(&copy, format!("{file}{part}")).expect("a file in the test's folder");
            }
        }
    }

    fn sqlite_file(&self) -> &str {
        self.url
            .strip_prefix("sqlite://")
            .expect("only SQLite has a file")
    }

    fn copy_files(&self, from: &str, to: &str) {
        let file = self.sqlite_file();
        // The index of the log is made anew.
        let _ = std::fs::remove_file(format!("{file}{to}-shm"));
        for part in SQLITE_PARTS {
            let (from, to) = (format!("{file}{from}{part}"), format!("{file}{to}{part}"));
            if std::fs::exists(&from).expect("a file in the test's folder") {
                std::fs::copy(&from, &to).expect("room in the test's folder");
            } else {
                let _ = std::fs::remove_file(&to);
            }
        }
    }

    fn on_server(&self, statement: &str) {
        let server = crate::from_xtask("TIDINGS_TEST_POSTGRES");
        let statement = AssertSqlSafe(statement.to_owned());
        self.runtime.block_on(async {
            let mut connection = PgConnection::connect(&server)
                .await
                .expect("the PostgreSQL of `cargo xtask test`");
            sqlx::raw_sql(statement)
                .execute(&mut connection)
                .await
                .expect("creating and dropping databases");
        });
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(name) = self.dropped_at_end.take() {
            self.on_server(&format!("DROP DATABASE {name} WITH (FORCE)"));
            self.on_server(&format!("DROP DATABASE IF EXISTS {name}_backup"));
        }
    }
}

pub(crate) async fn execute(engine: Engine, url: &str, statement: &str) {
    Beside::connect(engine, url).await.execute(statement).await;
}

/// A connection of the test's own.
pub(crate) enum Beside {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Beside {
    pub(crate) async fn connect(engine: Engine, url: &str) -> Beside {
        match engine {
            Engine::Sqlite => SqliteConnection::connect(url).await.map(Beside::Sqlite),
            Engine::Postgres => PgConnection::connect(url).await.map(Beside::Postgres),
        }
        .expect("the test's database")
    }

    /// Runs one statement, or several.
    pub(crate) async fn execute(&mut self, statements: &str) {
        let statements = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
        match self {
            Beside::Sqlite(connection) => statements.execute(connection).await.map(drop),
            Beside::Postgres(connection) => statements.execute(connection).await.map(drop),
        }
        .expect("a statement of a test");
    }
}

pub(crate) async fn texts(engine: Engine, url: &str, query: &str) -> Vec<String> {
    let query = AssertSqlSafe(query.to_owned());
    match engine {
        Engine::Sqlite => {
            let mut connection = SqliteConnection::connect(url).await.expect("the test's database");
            sqlx::query_scalar(query).fetch_all(&mut connection).await
        }
        Engine::Postgres => {
            let mut connection = PgConnection::connect(url).await.expect("the test's database");
            sqlx::query_scalar(query).fetch_all(&mut connection).await
        }
    }
    .expect("a query of a test")
}

/// The database and its write-ahead log.
const SQLITE_PARTS: [&str; 2] = ["", "-wal"];

fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "tidings_{}_{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

fn with_database(server: &str, name: &str) -> String {
    let (before, _) = server
        .rsplit_once('/')
        .expect("the admin URL ends with the name of a database");
    format!("{before}/{name}")
}
