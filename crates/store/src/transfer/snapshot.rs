//! Reading everything as it was at one moment, while others go on writing.

use super::TransferError;
use super::catalogue::{self, Kind, NOT_IN_BACKUPS, Table};
use super::connection::{Conn, on_conn};
use super::fitting::Misfits;
use super::row::{Row, Sum, Value, write_line};
use crate::engine::Store;
use crate::error::StoreError;
use futures_util::stream::{BoxStream, StreamExt};
use sqlx::postgres::PgRow;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{AssertSqlSafe, Database, Encode, Postgres, Row as _, Type, TypeInfo as _, ValueRef as _};
use std::collections::BTreeMap;

/// The database as it is when this is made. It is held by a reading transaction, which stops nobody.
#[derive(Debug)]
pub struct Snapshot {
    conn: Conn,
    tables: Vec<Table>,
    schema: i64,
}

impl Store {
    /// Holds the database as it is now, to be read.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let mut conn = Conn::to(self).await?;
        let begin = match conn {
            Conn::Sqlite(_) => "BEGIN",
            // A part that is dropped is gone for every transaction, however old. So retention must not get to it from before the
            // moment that is held, which the first statement after this one chooses.
            Conn::Postgres(_) => {
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE deliveries, attempts IN ACCESS SHARE MODE"
            }
        };
        conn.run(begin).await?;
        // The first read is what holds it.
        let schema = conn.schema().await?.unwrap_or_default();
        let tables = catalogue::read(&mut conn).await?;
        Ok(Snapshot { conn, tables, schema })
    }
}

impl Snapshot {
    /// The newest migration that has been applied.
    pub fn schema(&self) -> i64 {
        self.schema
    }

    /// All tables that are taken along, each after those that it refers to.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// Without what is not to come to life again by a backup.
    pub fn without_sessions(mut self) -> Snapshot {
        self.tables
            .retain(|table| !NOT_IN_BACKUPS.contains(&table.name.as_str()));
        self
    }

    /// The next identity of each table that the database numbers, where it is known.
    pub async fn next_ids(&mut self) -> Result<BTreeMap<String, i64>, StoreError> {
        // PostgreSQL tells none of a sequence that has given nothing out; its owner is the table.
        const SQLITE: &str = "SELECT name, seq + 1 FROM sqlite_sequence";
        const POSTGRES: &str = "SELECT t.relname::TEXT, pg_sequence_last_value(q.seqrelid) + 1 FROM pg_sequence q \
            JOIN pg_depend d ON d.objid = q.seqrelid AND d.deptype = 'i' AND d.classid = 'pg_class'::regclass \
            JOIN pg_class t ON t.oid = d.refobjid JOIN pg_namespace n ON n.oid = t.relnamespace \
            WHERE n.nspname = current_schema() AND pg_sequence_last_value(q.seqrelid) IS NOT NULL";
        let query = if self.conn.is_sqlite() { SQLITE } else { POSTGRES };
        let next: Vec<(String, i64)> =
            on_conn!(&mut self.conn, c => sqlx::query_as(query).fetch_all(c).await)?;
        let ours = |name: &String| self.tables.iter().any(|table| table.name == *name);
        Ok(next.into_iter().filter(|(name, _)| ours(name)).collect())
    }

    /// The rows of a table of this snapshot.
    pub fn rows<'s>(&'s mut self, table: &'s Table) -> BoxStream<'s, Result<Row, StoreError>> {
        rows(&mut self.conn, table, &[])
    }

    /// The rows after this key, in its order. Only SQLite is asked so: a move is from there.
    pub(super) fn rows_after<'s>(
        &'s mut self,
        table: &'s Table,
        key: &[Value],
    ) -> BoxStream<'s, Result<Row, StoreError>> {
        rows(&mut self.conn, table, key)
    }

    /// What the rows of a table come to, as they fit elsewhere.
    pub(super) async fn sum(&mut self, table: &Table, misfits: &mut Misfits) -> Result<Sum, StoreError> {
        sum(&mut self.conn, table, misfits).await
    }
}

/// What the rows of a table come to.
pub(super) async fn sum(conn: &mut Conn, table: &Table, misfits: &mut Misfits) -> Result<Sum, StoreError> {
    let mut sum = Sum::default();
    let mut line = Vec::new();
    let mut rows = rows(conn, table, &[]);
    while let Some(row) = rows.next().await {
        line.clear();
        write_line(&misfits.fit(table, row?)?, &mut line);
        sum.add(&line);
    }
    Ok(sum)
}

/// Rows as they come. SQLite gives them by their keys, in which order they lie there; PostgreSQL as it finds them, which is
/// several times faster there.
fn rows<'c>(conn: &'c mut Conn, table: &'c Table, after: &[Value]) -> BoxStream<'c, Result<Row, StoreError>> {
    let mut text = format!("SELECT {} FROM \"{}\"", table.all_names(), table.name);
    let key = table.names(table.key.iter().copied());
    if !after.is_empty() {
        let mark = |(value, n): (&Value, usize)| match value {
            // Octets would come after every text.
            Value::NotUtf8(_) => format!("CAST(${n} AS TEXT)"),
            _ => format!("${n}"),
        };
        let marks: Vec<String> = after.iter().zip(1..).map(mark).collect();
        text.push_str(&format!(" WHERE ({key}) > ({})", marks.join(", ")));
    }
    match conn {
        Conn::Sqlite(c) => {
            text.push_str(&format!(" ORDER BY {key}"));
            let query = sqlx::query::<Sqlite>(AssertSqlSafe(text));
            let query = after.iter().fold(query, bind);
            query.fetch(&mut *c).map(|row| of_sqlite(&row?, table)).boxed()
        }
        Conn::Postgres(c) => {
            let query = sqlx::query::<Postgres>(AssertSqlSafe(text));
            let query = after.iter().fold(query, bind);
            query.fetch(&mut *c).map(|row| of_postgres(&row?, table)).boxed()
        }
    }
}

/// Binds one value.
pub(super) fn bind<'q, DB: Database>(
    query: Query<'q, DB, DB::Arguments>,
    value: &Value,
) -> Query<'q, DB, DB::Arguments>
where
    Option<i64>: Encode<'q, DB> + Type<DB>,
    i64: Encode<'q, DB> + Type<DB>,
    f64: Encode<'q, DB> + Type<DB>,
    String: Encode<'q, DB> + Type<DB>,
    Vec<u8>: Encode<'q, DB> + Type<DB>,
    DB::Arguments: sqlx::IntoArguments<DB>,
{
    match value {
        Value::Null => query.bind(None::<i64>),
        Value::Integer(n) => query.bind(*n),
        Value::Float(x) => query.bind(*x),
        Value::Text(text) => query.bind(text.clone()),
        Value::Octets(octets) | Value::NotUtf8(octets) => query.bind(octets.clone()),
    }
}

fn of_sqlite(row: &SqliteRow, table: &Table) -> Result<Row, StoreError> {
    let value = |(at, column): (usize, &catalogue::Column)| {
        let raw = row.try_get_raw(at)?;
        if raw.is_null() {
            return Ok(Value::Null);
        }
        // SQLite lets anything stand in any column, so what does is asked of the value.
        let found = raw.type_info().name().to_owned();
        Ok(match (column.kind, found.as_str()) {
            (Kind::Integer, "INTEGER") => Value::Integer(row.try_get_unchecked(at)?),
            (Kind::Float, "REAL" | "INTEGER") => Value::Float(row.try_get_unchecked(at)?),
            (Kind::Octets, "BLOB") => Value::Octets(row.try_get_unchecked(at)?),
            (Kind::Text, "TEXT") => {
                let octets: Vec<u8> = row.try_get_unchecked(at)?;
                match String::from_utf8(octets) {
                    Ok(text) => Value::Text(text),
                    Err(error) => Value::NotUtf8(error.into_bytes()),
                }
            }
            (kind, found) => {
                return Err(StoreError::from(TransferError::Misplaced {
                    table: table.name.clone(),
                    column: column.name.clone(),
                    kind,
                    found: found.to_owned(),
                }));
            }
        })
    };
    table.columns.iter().enumerate().map(value).collect()
}

fn of_postgres(row: &PgRow, table: &Table) -> Result<Row, StoreError> {
    let value = |(at, column): (usize, &catalogue::Column)| {
        Ok(match column.kind {
            Kind::Integer => row.try_get::<Option<i64>, _>(at)?.map(Value::Integer),
            Kind::Float => row.try_get::<Option<f64>, _>(at)?.map(Value::Float),
            Kind::Text => row.try_get::<Option<String>, _>(at)?.map(Value::Text),
            Kind::Octets => row.try_get::<Option<Vec<u8>>, _>(at)?.map(Value::Octets),
        }
        .unwrap_or(Value::Null))
    };
    table.columns.iter().enumerate().map(value).collect()
}
