//! Several statements that change many rows each, run in one go.

mod joined;

use self::joined::joined;
use crate::engine::{Engine, SqliteTx, Store, Tx};
use crate::error::StoreError;
use crate::parts::Part;
use crate::servers::Servers;
use futures_util::TryStreamExt;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, Sqlite};
use std::sync::Arc;

/// A value of a bulk statement.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Int(Option<i64>),
    Text(Option<String>),
    Octets(Vec<u8>),
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Value::Int(Some(n))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(Some(text.to_owned()))
    }
}

/// A statement with question marks for its values and a list of rows, and how many rows it must change.
#[derive(Debug)]
pub(crate) struct Bulk {
    before: String,
    after: String,
    /// Of the question marks of `before`, of the rows, one after the other, and of the question marks of `after`.
    values: Vec<Value>,
    rows: usize,
    columns: usize,
    /// None: any number is right.
    expected: Option<u64>,
}

/// Puts a list of rows of question marks between two texts, at the end of `text`.
fn write_rows(text: &mut String, before: &str, (rows, columns): (usize, usize), after: &str) {
    text.reserve(before.len() + after.len() + rows * (2 * columns + 2));
    text.push_str(before);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ",(" });
        for column in 0..columns {
            text.push_str(if column == 0 { "?" } else { ",?" });
        }
        text.push(')');
    }
    text.push_str(after);
}

macro_rules! bind {
    ($query:expr, $values:expr) => {
        $values.fold($query, |query, value| match value {
            Value::Int(n) => query.bind(n),
            Value::Text(text) => query.bind(text),
            Value::Octets(octets) => query.bind(octets),
        })
    };
}

impl Bulk {
    /// `before`, a list of rows, `after`, with the values in this order.
    pub(crate) fn new(
        before: &str,
        after: &str,
        values: Vec<Value>,
        rows: usize,
        columns: usize,
        expected: u64,
    ) -> Bulk {
        Bulk {
            before: before.to_owned(),
            after: after.to_owned(),
            values,
            rows,
            columns,
            expected: Some(expected),
        }
    }

    /// The same, with the names of a part of the ledger for `{deliveries}` and `{attempts}`.
    pub(crate) fn in_part(
        part: Part,
        before: &str,
        after: &str,
        values: Vec<Value>,
        rows: usize,
        columns: usize,
        expected: u64,
    ) -> Bulk {
        let (before, after) = (part.named(before), part.named(after));
        Bulk::new(&before, &after, values, rows, columns, expected)
    }

    /// The same, where any number of changed rows is right.
    pub(crate) fn however_many(self) -> Bulk {
        Bulk {
            expected: None,
            ..self
        }
    }

    /// Puts its text at the end of this one.
    fn write(&self, text: &mut String) {
        write_rows(text, &self.before, (self.rows, self.columns), &self.after);
    }

    fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }
}

/// Rows of one statement. Few sizes, so that few statements are kept prepared; and each the double of the next, because every
/// statement is a switch to SQLite's thread and back, which costs as much as a dozen rows.
const SIZES: [usize; 10] = [512, 256, 128, 64, 32, 16, 8, 4, 2, 1];

/// Cuts a batch into pieces of these sizes.
pub(crate) fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rows.len())?;
        let (piece, rest) = rows.split_at(size);
        rows = rest;
        Some(piece)
    })
}

/// Rows of one statement that does not mind a row twice.
const FILLED: [usize; 17] = [
    1, 2, 4, 8, 16, 32, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512,
];

/// Cuts a batch into as few pieces as can be, for statements that do not mind a row twice: each is filled up with its last row to
/// one of few sizes. A row too many costs less than a statement too many.
pub(crate) fn filled<T: Clone>(mut rows: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let most = FILLED[FILLED.len() - 1];
    std::iter::from_fn(move || {
        let rest = rows.split_off(rows.len().min(most));
        let mut piece = std::mem::replace(&mut rows, rest);
        let last = piece.last()?.clone();
        let size = FILLED.into_iter().find(|size| *size >= piece.len())?;
        piece.resize(size, last);
        Some(piece)
    })
}

impl Store {
    /// Runs the statements in one transaction and commits it if each changed as many rows as it had to; if not,
    /// nothing has been done and the answer is false. They come in groups: none sees what another of its group has done.
    pub(crate) async fn run_as_expected(&self, groups: Vec<Vec<Bulk>>) -> Result<bool, StoreError> {
        match &self.engine {
            Engine::Sqlite { write, .. } => {
                let tx = SqliteTx::unbegun(Arc::clone(write)).await;
                run_as_one_text(tx, groups.into_iter().flatten().collect()).await
            }
            Engine::Postgres(servers) => run_joined(servers, groups).await,
        }
    }
}

/// One text, because every statement by itself is a switch of threads and back.
async fn run_as_one_text(mut tx: SqliteTx, statements: Vec<Bulk>) -> Result<bool, StoreError> {
    let expected: Vec<Option<u64>> = statements.iter().map(|s| s.expected).collect();
    let mut text = String::from("BEGIN IMMEDIATE");
    for statement in &statements {
        text.push(';');
        statement.write(&mut text);
    }
    let query = sqlx::query(AssertSqlSafe(text));
    let query = bind!(query, statements.into_iter().flat_map(|s| s.values));
    #[expect(
        deprecated,
        reason = "sqlx's advice is raw_sql, which binds no values; SQLite supports this"
    )]
    let results = query.execute_many(tx.connection()).await;
    let changed: Vec<u64> = results.map_ok(|done| done.rows_affected()).try_collect().await?;
    // The first result is that of BEGIN.
    let changed = changed.get(1..).unwrap_or_default();
    let fits =
        |(expected, changed): (&Option<u64>, &u64)| expected.is_none_or(|expected| expected == *changed);
    if changed.len() != expected.len() || !expected.iter().zip(changed).all(fits) {
        return Ok(false);
    }
    tx.commit().await?;
    Ok(true)
}

/// One statement for each group, because every statement by itself is a round trip.
async fn run_joined(servers: &Servers, groups: Vec<Vec<Bulk>>) -> Result<bool, StoreError> {
    let groups = groups.into_iter().filter(|group| !group.is_empty()).collect();
    let mut writer = servers.writer().await?;
    let is_as_expected = match run_groups(writer.connection(), groups).await {
        Ok(()) => true,
        Err(error) if joined::is_unexpected(&error) => false,
        Err(error) => return Err(error.into()),
    };
    servers.keep(writer);
    Ok(is_as_expected)
}

async fn run_groups(connection: &mut PgConnection, mut groups: Vec<Vec<Bulk>>) -> Result<(), sqlx::Error> {
    // A single statement is a transaction by itself: there is nothing to begin or to commit.
    if groups.len() == 1
        && let Some(group) = groups.pop()
    {
        return joined(group).execute(connection).await.map(drop);
    }
    let mut tx = connection.begin().await?;
    for group in groups {
        if let Err(error) = joined(group).execute(&mut *tx).await {
            tx.rollback().await?;
            return Err(error);
        }
    }
    tx.commit().await
}

/// A statement with its values bound, which is most of the work on this side.
pub(crate) enum Ready {
    Sqlite(Query<'static, Sqlite, SqliteArguments>),
    Postgres(Query<'static, Postgres, PgArguments>),
}

impl Tx {
    /// A statement with a list of rows of values between two texts.
    pub(crate) fn text_with_rows(
        &self,
        before: &str,
        rows_and_columns: (usize, usize),
        after: &str,
    ) -> AssertSqlSafe<String> {
        let mut text = String::new();
        write_rows(&mut text, before, rows_and_columns, after);
        AssertSqlSafe(match self {
            Tx::Sqlite(_) => text,
            Tx::Postgres(_) => numbered(&text),
        })
    }

    /// Makes a statement ready to be run in this transaction.
    pub(crate) fn readying(&self) -> impl Fn(Bulk) -> Ready + use<> {
        let is_sqlite = matches!(self, Tx::Sqlite(_));
        move |statement| match is_sqlite {
            true => {
                let query = sqlx::query(AssertSqlSafe(statement.text()));
                Ready::Sqlite(bind!(query, statement.values.into_iter()))
            }
            false => {
                let query = sqlx::query(AssertSqlSafe(numbered(&statement.text())));
                Ready::Postgres(bind!(query, statement.values.into_iter()))
            }
        }
    }

    /// Runs one statement and returns how many rows it changed.
    pub(crate) async fn run(&mut self, statement: Bulk) -> Result<u64, StoreError> {
        let ready = self.readying()(statement);
        self.run_ready(ready).await
    }

    /// Runs a statement that was made ready for this transaction.
    pub(crate) async fn run_ready(&mut self, ready: Ready) -> Result<u64, StoreError> {
        Ok(match (self, ready) {
            (Tx::Sqlite(tx), Ready::Sqlite(query)) => query.execute(tx.connection()).await?.rows_affected(),
            (Tx::Postgres(tx), Ready::Postgres(query)) => query.execute(&mut **tx).await?.rows_affected(),
            _ => unreachable!("a statement is run on the engine that it was made ready for"),
        })
    }
}

/// Question marks become `$1`, `$2` …
fn numbered(text: &str) -> String {
    let mut parts = text.split('?');
    let mut numbered = parts.next().unwrap_or_default().to_owned();
    for (at, part) in parts.enumerate() {
        numbered.push('$');
        numbered.push_str(&(at + 1).to_string());
        numbered.push_str(part);
    }
    numbered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_cut_into_pieces_of_few_sizes() {
        let rows: Vec<u32> = (0..999).collect();
        let sizes: Vec<usize> = pieces(&rows).map(<[u32]>::len).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 999);
        assert!(sizes.iter().all(|size| SIZES.contains(size)));
        assert_eq!(pieces(&rows).flatten().copied().collect::<Vec<_>>(), rows);
        assert_eq!(pieces::<u32>(&[]).count(), 0);
    }

    #[test]
    fn a_batch_that_is_filled_up_has_every_row() {
        for n in [0, 1, 3, 100, 129, 512, 513, 1200] {
            let filled: Vec<Vec<usize>> = filled((0..n).collect()).collect();
            assert_eq!(filled.len(), n.div_ceil(512));
            assert!(filled.iter().all(|piece| FILLED.contains(&piece.len())));
            let mut rows = filled.concat();
            rows.dedup();
            assert_eq!(rows, (0..n).collect::<Vec<_>>());
        }
    }
}
