//! A move: from SQLite, which one machine uses, to PostgreSQL, which many may.
//!
//! Never both send. The source is marked before anything is read: from then on nothing opens it, whatever happens to the move.
//! The target is marked until everything has been compared: nothing opens it before. In between neither is used, and the same
//! command goes on. A mark names the move and the place that it goes to, so that no second target can come of it.

use super::catalogue::{self, Kind, Table};
use super::connection::{Conn, on_conn};
use super::fitting::Misfits;
use super::loading;
use super::marks::{self, Mark, NewMark};
use super::row::{Row, Sum, Value, read_line, write_line};
use super::snapshot::{self, Snapshot};
use super::{BATCH_OCTETS, BATCH_ROWS, TransferError, refuse_missing, shown};
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::StoreError;
use crate::imports::ImportLock;
use crate::parts;
use crate::schema;
use data_encoding::HEXLOWER;
use futures_util::StreamExt;
use tidings_campaign::ids::ImportId;
use tidings_campaign::time::Timestamp;

/// What is being done, to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// So many rows of this table are in the target by now.
    Writing {
        /// The table.
        table: String,
        /// How many.
        rows: u64,
    },
    /// This table is compared.
    Comparing {
        /// The table.
        table: String,
    },
}

/// A move between two databases that are open.
#[derive(Debug)]
pub struct Move {
    source: Store,
    target: Store,
    from: String,
    to: String,
}

impl Move {
    /// Opens both, and changes nothing but the schema of a new target. `from`: `sqlite://FILE`, `to`: `postgres://…`.
    pub async fn open(from: &str, to: &str, node: &str) -> Result<Move, StoreError> {
        refuse_missing(from)?;
        let (source, opening) = Store::connect(from, node).await?;
        drop(opening);
        let mut conn = Conn::to(&source).await?;
        let (found, known) = (conn.schema().await?.unwrap_or_default(), schema::newest());
        if found > known {
            return Err(StoreError::Newer { found, known });
        }
        if found != known {
            return Err(TransferError::OtherSchema { found, known }.into());
        }
        // A database that is itself being filled is no source.
        let left = marks::of(&mut conn).await?;
        if let Some(mark) = left.clone().filter(Mark::arrives) {
            return Err(mark.refusal(from).into());
        }
        conn.close().await?;
        let (mut target, opening) = Store::connect(to, node).await?;
        let mut conn = Conn::to(&target).await?;
        let begun = marks::of(&mut conn).await?.is_some_and(|mark| mark.arrives());
        if !begun && let Some(found) = loading::what_is_in(&mut conn).await? {
            // Unless it has moved there already, which the mark of the source tells better.
            if left.is_none() {
                let what = shown(to);
                return Err(TransferError::NotEmpty { what, found }.into());
            }
        } else {
            schema::migrate(&target).await?;
            target.parts = parts::read(&target.engine).await?;
        }
        conn.close().await?;
        drop(opening);
        Ok(Move {
            source,
            target,
            from: from.to_owned(),
            to: to.to_owned(),
        })
    }

    /// The database to be left: whoever moves it holds the right to send from it.
    pub fn source(&self) -> &Store {
        &self.source
    }

    /// Moves everything, or goes on with it. In the end the target is the installation. `replace`: texts that PostgreSQL does
    /// not take are replaced rather than refused. Returns how many rows there are and what was replaced.
    pub async fn run(
        &self,
        now: Timestamp,
        replace: bool,
        tell: &mut (dyn FnMut(Stage) + Send),
    ) -> Result<(u64, Misfits), StoreError> {
        let mut there = Conn::to(&self.target).await?;
        let place = self.target.place().await?.name;
        let mark = self.leave(&mut there, &place, now).await?;
        // Whoever has the source open still cannot write into it any more.
        let nobody_writes = self.source.begin_write().await?;
        let mut here = self.source.snapshot().await?;
        let tables = here.tables().to_vec();
        same_tables(&tables, &catalogue::read(&mut there).await?)?;
        self.arrive(&mut there, &tables, &mark, &place, now).await?;
        let mut misfits = Misfits::new(replace, false);
        for table in &tables {
            write(&mut here, (&self.target, &mut there), table, &mut misfits, tell).await?;
        }
        loading::set_next_ids(&mut there, &here.next_ids().await?).await?;
        there.run("ANALYZE").await?;
        let (rows, misfits) = compare(&mut here, &mut there, &tables, replace, tell).await?;
        self.finish(nobody_writes, &mut there, &tables, (&mark, &place), now)
            .await?;
        there.close().await?;
        Ok((rows, misfits))
    }

    /// Marks the source, unless it is.
    async fn leave(&self, there: &mut Conn, place: &str, now: Timestamp) -> Result<Mark, StoreError> {
        const IMPORTS: &str = "SELECT id FROM imports WHERE state IN ('running', 'undoing')";
        let mut here = Conn::to(&self.source).await?;
        if let Some(mark) = marks::of(&mut here).await? {
            if lasting(&mark.place) != lasting(place) {
                return Err(mark.other_move(&self.from).into());
            }
            let unfinished = marks::of(there).await?.is_some();
            if mark.verified_at.is_some() && !unfinished {
                return Err(mark.refusal(&self.from).into());
            }
            return Ok(mark);
        }
        // Nothing is marked for the sake of a target that cannot be one.
        self.refuse_full(there).await?;
        self.refuse_nodes(now).await?;
        let imports: Vec<i64> =
            on_pool!(&self.source, pool => sqlx::query_scalar(IMPORTS).fetch_all(pool).await)?;
        for import in imports {
            if ImportLock::is_held(&self.source, ImportId(import)).await? {
                return Err(TransferError::Importing(import).into());
            }
        }
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(StoreError::Random)?;
        let mark = NewMark {
            id: &HEXLOWER.encode(&id),
            role: "leaves",
            other: &shown(&self.to),
            place,
            now,
        };
        here.run("BEGIN IMMEDIATE").await?;
        marks::set(&mut here, &mark).await?;
        here.run("COMMIT").await?;
        let set = marks::of(&mut here).await?;
        here.close().await?;
        Ok(set.expect("what was committed is there"))
    }

    /// Whoever has it open, with pages or for what comes back, would go on to use it.
    async fn refuse_nodes(&self, now: Timestamp) -> Result<(), StoreError> {
        let nodes = self.source.nodes(now).await?.into_iter();
        let at_work: Vec<String> = nodes
            .filter(|node| node.state.is_alive())
            .map(|node| node.name)
            .collect();
        match at_work.is_empty() {
            true => Ok(()),
            false => Err(TransferError::AtWork(at_work).into()),
        }
    }

    async fn refuse_full(&self, there: &mut Conn) -> Result<(), StoreError> {
        let what = shown(&self.to);
        match loading::what_is_in(there).await? {
            Some(found) => Err(TransferError::NotEmpty { what, found }.into()),
            None => Ok(()),
        }
    }

    /// Marks the target, unless it is.
    async fn arrive(
        &self,
        there: &mut Conn,
        tables: &[Table],
        mark: &Mark,
        place: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if marks::of(there).await?.is_some_and(|other| other.id == mark.id) {
            return Ok(());
        }
        self.refuse_full(there).await?;
        let mark = NewMark {
            id: &mark.id,
            role: "arrives",
            other: &shown(&self.from),
            place,
            now,
        };
        there.run("BEGIN").await?;
        loading::clear(there).await?;
        for table in tables {
            progress(there, table, &Progress::default()).await?;
        }
        marks::set(there, &mark).await?;
        there.run("COMMIT").await
    }

    /// The target becomes the installation. The source is told first, so that after a crash in between it does not seem as if
    /// nothing had been sent elsewhere; and nobody writes there any more, not even who has had it open all the time.
    async fn finish(
        &self,
        mut nobody_writes: Tx,
        there: &mut Conn,
        tables: &[Table],
        (mark, place): (&Mark, &str),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const VERIFIED: &str = "UPDATE transfer SET verified_at = $1 WHERE id = $2 AND role = 'leaves'";
        const HOME: &str = "UPDATE instance SET home = $1";
        let rows = on_tx!(&mut nobody_writes, c => sqlx::query(VERIFIED).bind(now.0).bind(&mark.id).execute(c).await
            .map(|done| done.rows_affected()))?;
        if rows != 1 {
            return Err(TransferError::Changed.into());
        }
        marks::close_to_writers(&mut nobody_writes, tables).await?;
        nobody_writes.commit().await?;
        there.run("BEGIN").await?;
        // It is the same installation, and nobody else can be it: the restore guard need not hold it.
        on_conn!(&mut *there, c => sqlx::query(HOME).bind(place).execute(c).await.map(drop))?;
        there.run("DELETE FROM transfer_tables").await?;
        there.run("DELETE FROM transfer").await?;
        there.run("COMMIT").await
    }
}

/// What of a place stays: a failover changes a PostgreSQL database's timeline, and it is the same database.
fn lasting(place: &str) -> &str {
    place
        .rsplit_once('/')
        .map_or(place, |(lasting, _timeline)| lasting)
}

fn same_tables(here: &[Table], there: &[Table]) -> Result<(), TransferError> {
    for (one, other, problem) in [
        (here, there, "it is only in the source"),
        (there, here, "it is only in the target"),
    ] {
        for table in one {
            let problem = match other.iter().find(|found| found.name == table.name) {
                Some(found) if found.columns == table.columns && found.key == table.key => continue,
                Some(_) => "its columns differ",
                None => problem,
            };
            return Err(TransferError::OtherTable {
                table: table.name.clone(),
                problem: problem.to_owned(),
            });
        }
    }
    Ok(())
}

/// How far a table has been written.
#[derive(Default, sqlx::FromRow)]
struct Progress {
    last_key: Option<String>,
    n: i64,
    complete: i64,
}

async fn progress(there: &mut Conn, table: &Table, progress: &Progress) -> Result<(), StoreError> {
    const KEEP: &str = "INSERT INTO transfer_tables (name, last_key, n, complete) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (name) DO UPDATE SET last_key = excluded.last_key, n = excluded.n, complete = excluded.complete";
    on_conn!(there, c => sqlx::query(KEEP).bind(&table.name).bind(&progress.last_key).bind(progress.n)
        .bind(progress.complete).execute(c).await.map(drop))?;
    Ok(())
}

/// Writes what is not there yet of a table.
async fn write(
    here: &mut Snapshot,
    (target, there): (&Store, &mut Conn),
    table: &Table,
    misfits: &mut Misfits,
    tell: &mut (dyn FnMut(Stage) + Send),
) -> Result<(), StoreError> {
    const HOW_FAR: &str = "SELECT last_key, n, complete FROM transfer_tables WHERE name = $1";
    let mut done: Progress = on_conn!(&mut *there, c => sqlx::query_as(HOW_FAR).bind(&table.name)
        .fetch_optional(c).await)?
    .unwrap_or_default();
    if done.complete != 0 {
        return Ok(());
    }
    let after = match &done.last_key {
        Some(key) => read_key(table, key).map_err(|problem| TransferError::OtherTable {
            table: table.name.clone(),
            problem,
        })?,
        None => Row::new(),
    };
    let mut rows = here.rows_after(table, &after);
    while done.complete == 0 {
        let mut batch: Vec<Row> = Vec::new();
        let (mut octets, mut last) = (0, None);
        while batch.len() < BATCH_ROWS && octets < BATCH_OCTETS {
            match rows.next().await {
                Some(row) => {
                    let row = row?;
                    // As it is in the source, where it is gone on with.
                    last = Some(table.key.iter().map(|at| row[*at].clone()).collect());
                    let row = misfits.fit(table, row)?;
                    octets += row.iter().map(size).sum::<usize>();
                    batch.push(row);
                }
                None => {
                    done.complete = 1;
                    break;
                }
            }
        }
        if let Some(last) = last {
            done.last_key = Some(write_key(last));
        }
        done.n += batch.len() as i64;
        there.run("BEGIN").await?;
        loading::make_room(target, table, &batch).await?;
        loading::load(there, table, &batch).await?;
        progress(there, table, &done).await?;
        there.run("COMMIT").await?;
        tell(Stage::Writing {
            table: table.name.clone(),
            rows: done.n.unsigned_abs(),
        });
    }
    Ok(())
}

/// A key of the source, to be kept until it is gone on with. Text that is not UTF-8 is written as its octets.
fn write_key(key: Row) -> String {
    let exact = key.into_iter().map(|value| match value {
        Value::NotUtf8(octets) => Value::Octets(octets),
        other => other,
    });
    let mut line = Vec::new();
    write_line(&exact.collect::<Row>(), &mut line);
    line.pop();
    String::from_utf8(line).expect("JSON is UTF-8")
}

/// What [`write_key`] wrote; else what is wrong with it.
fn read_key(table: &Table, text: &str) -> Result<Row, String> {
    let key = read_line(text.as_bytes())?;
    if key.len() != table.key.len() {
        return Err("the key where it was left has another number of columns".to_owned());
    }
    let exact = key.into_iter().zip(&table.key).map(|(value, at)| match value {
        Value::Octets(octets) if table.columns[*at].kind == Kind::Text => Value::NotUtf8(octets),
        other => other,
    });
    Ok(exact.collect())
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Integer(_) | Value::Float(_) => 8,
        Value::Text(text) => text.len(),
        Value::Octets(octets) | Value::NotUtf8(octets) => octets.len(),
    }
}

/// Reads both once more, and names every table that is not the same.
async fn compare(
    here: &mut Snapshot,
    there: &mut Conn,
    tables: &[Table],
    replace: bool,
    tell: &mut (dyn FnMut(Stage) + Send),
) -> Result<(u64, Misfits), StoreError> {
    let mut misfits = Misfits::new(replace, false);
    let mut differs = Vec::new();
    let mut rows = 0;
    for table in tables {
        tell(Stage::Comparing {
            table: table.name.clone(),
        });
        let mut none = Misfits::new(false, false);
        let (read, written) = tokio::try_join!(
            here.sum(table, &mut misfits),
            snapshot::sum(there, table, &mut none)
        )?;
        rows += read.rows;
        differs.extend(difference(&table.name, read, written));
    }
    match differs.is_empty() {
        true => Ok((rows, misfits)),
        false => Err(TransferError::Differs(differs).into()),
    }
}

/// In words what is not the same.
pub(super) fn difference(table: &str, read: Sum, written: Sum) -> Option<String> {
    match (read == written, read.rows == written.rows) {
        (true, _) => None,
        (false, true) => Some(format!("table {table} has {} rows, not all the same", read.rows)),
        (false, false) => Some(format!(
            "table {table} had {} rows and has {}",
            read.rows, written.rows
        )),
    }
}
