//! A backup's rows into a new database of either engine: all of them, or nothing is there afterwards.
//!
//! SQLite is filled beside its place and renamed into it; PostgreSQL is filled in one transaction.

use super::TransferError;
use super::catalogue::{self, Table};
use super::connection::{Conn, on_conn};
use super::fitting::Misfits;
use super::loading;
use super::moving::difference;
use super::row::{Row, Sum, write_line};
use super::shown;
use super::snapshot;
use crate::engine::{Engine, Store, lock_folder};
use crate::error::StoreError;
use crate::file_lock::FileLock;
use crate::parts;
use crate::schema;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a restored database says that it sent from last. No database is there, so the restore guard holds what would send.
const HOME: &str = "restored from a backup";

/// What a SQLite database consists of.
const SQLITE_PARTS: [&str; 3] = ["", "-wal", "-shm"];

/// A database that is being filled from a backup.
#[derive(Debug)]
pub struct Restoring {
    store: Store,
    conn: Conn,
    /// Of SQLite, where it is to be.
    place: Option<Place>,
    tables: Vec<Table>,
    sums: BTreeMap<String, Sum>,
    misfits: Misfits,
}

/// Where a SQLite database is to be, which no other restore fills meanwhile.
#[derive(Debug)]
struct Place {
    file: PathBuf,
    _lock: FileLock,
}

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// All rows.
    pub rows: u64,
    /// What the engine does not take, and was replaced.
    pub misfits: Misfits,
}

impl Restoring {
    /// Makes the schema that the backup is of in the database at `url`, which must not have anything in it.
    pub async fn begin(url: &str, node: &str, backup: i64, replace: bool) -> Result<Restoring, StoreError> {
        let known = schema::newest();
        if backup > known {
            return Err(StoreError::Newer { found: backup, known });
        }
        let place = url.strip_prefix("sqlite://").map(PathBuf::from);
        let place = place.map(Place::take).transpose()?;
        let beside = place.as_ref().map(Place::beside);
        let begun = match &beside {
            Some(beside) => Self::begin_in(&format!("sqlite://{}", beside.display()), node, backup).await,
            None => Self::begin_in(url, node, backup).await,
        };
        let (store, conn, tables) = match (begun, beside) {
            (Ok(begun), _) => begun,
            (Err(error), beside) => {
                beside.as_deref().map(remove);
                return Err(error);
            }
        };
        Ok(Restoring {
            misfits: Misfits::new(replace, conn.is_sqlite()),
            store,
            conn,
            place,
            tables,
            sums: BTreeMap::new(),
        })
    }

    async fn begin_in(url: &str, node: &str, backup: i64) -> Result<(Store, Conn, Vec<Table>), StoreError> {
        let not_empty = |found: &str| TransferError::NotEmpty {
            what: shown(url),
            found: found.to_owned(),
        };
        let (mut store, opening) = Store::connect(url, node).await?;
        let mut conn = Conn::to(&store).await?;
        if let Some(found) = loading::what_is_in(&mut conn).await? {
            return Err(not_empty(&found).into());
        }
        if let Some(found) = conn.schema().await?.filter(|found| *found > backup) {
            return Err(TransferError::NewerThanBackup { found, backup }.into());
        }
        schema::migrate_to(&store, backup).await?;
        store.parts = parts::read(&store.engine).await?;
        drop(opening);
        let tables = catalogue::read(&mut conn).await?;
        match conn {
            // Nothing is lost if the power fails now: what is there has no name yet.
            Conn::Sqlite(_) => {
                conn.run("PRAGMA synchronous = OFF; PRAGMA cache_size = -65536")
                    .await?
            }
            // Whoever opens it meanwhile waits, and finds a database that is not new: everybody reads `transfer` then, and who
            // restores into it too, `instance`. A backup of a version without the one has the other.
            Conn::Postgres(_) => {
                const MARKED: &str = "SELECT COUNT(to_regclass('transfer'))";
                let has_marks = conn.number(MARKED.to_owned()).await? != Some(0);
                let read_by_all = if has_marks {
                    "instance, transfer"
                } else {
                    "instance"
                };
                conn.run(&format!(
                    "BEGIN; LOCK TABLE {read_by_all} IN ACCESS EXCLUSIVE MODE"
                ))
                .await?
            }
        }
        if let Some(found) = loading::first_filled(&mut conn, &tables).await? {
            return Err(not_empty(&found).into());
        }
        loading::clear(&mut conn).await?;
        Ok((store, conn, tables))
    }

    /// Writes rows of a table, whose columns are in this order.
    pub async fn load(&mut self, table: &str, columns: &[String], rows: Vec<Row>) -> Result<(), StoreError> {
        let other = |problem: &str| TransferError::OtherTable {
            table: table.to_owned(),
            problem: problem.to_owned(),
        };
        let known = self.tables.iter().find(|known| known.name == table);
        let known = known.ok_or_else(|| other("this version has no such table"))?;
        if !known.columns.iter().map(|column| &column.name).eq(columns) {
            return Err(other("this version has other columns in it").into());
        }
        let sum = self.sums.entry(table.to_owned()).or_default();
        let mut fitting = Vec::with_capacity(rows.len());
        let mut line = Vec::new();
        for row in rows {
            if row.len() != columns.len() {
                return Err(other("a row has more or fewer values than there are columns").into());
            }
            let row = self.misfits.fit(known, row)?;
            line.clear();
            write_line(&row, &mut line);
            sum.add(&line);
            fitting.push(row);
        }
        let apart = self.conn.is_sqlite();
        if apart {
            self.conn.run("BEGIN").await?;
        }
        loading::make_room(&self.store, known, &fitting).await?;
        loading::load(&mut self.conn, known, &fitting).await?;
        if apart {
            self.conn.run("COMMIT").await?;
        }
        Ok(())
    }

    /// Compares everything with what was read. Then it is complete, and [`Restoring::finish`] makes it the database.
    pub async fn complete(&mut self, next_ids: &BTreeMap<String, i64>) -> Result<Restored, StoreError> {
        const SET_HOME: &str = "UPDATE instance SET home = $1";
        let mut differs = Vec::new();
        for table in &self.tables {
            let mut none = Misfits::new(false, true);
            let written = snapshot::sum(&mut self.conn, table, &mut none).await?;
            let read = self.sums.get(&table.name).copied().unwrap_or_default();
            differs.extend(difference(&table.name, read, written));
        }
        if !differs.is_empty() {
            return Err(TransferError::Differs(differs).into());
        }
        loading::set_next_ids(&mut self.conn, next_ids).await?;
        on_conn!(&mut self.conn, c => sqlx::query(SET_HOME).bind(HOME).execute(c).await.map(drop))?;
        Ok(Restored {
            rows: self.sums.values().map(|sum| sum.rows).sum(),
            misfits: self.misfits.clone(),
        })
    }

    /// Makes it the database.
    pub async fn finish(mut self) -> Result<(), StoreError> {
        let Some(place) = self.place else {
            self.conn.run("COMMIT").await?;
            // The planner of PostgreSQL knows nothing of the tables yet.
            self.conn.run("ANALYZE").await?;
            return self.conn.close().await;
        };
        let file = &place.file;
        self.conn.run("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        self.conn.close().await?;
        let from = self.store.sqlite_file().map(Path::to_owned);
        let from = from.expect("the database beside a SQLite file is one");
        close(self.store).await?;
        let failed = |source| {
            StoreError::from(TransferError::File {
                file: file.clone(),
                source,
            })
        };
        File::open(&from).and_then(|new| new.sync_all()).map_err(failed)?;
        // Until it has its name, nobody makes another one there.
        let _nobody_opens = lock_folder(file).await?;
        if let Err(somebody_made_one) = refuse_there(file) {
            remove(&from);
            return Err(somebody_made_one.into());
        }
        std::fs::rename(&from, file).map_err(failed)?;
        remove(&from);
        File::open(folder_of(file))
            .and_then(|folder| folder.sync_all())
            .map_err(failed)
    }

    /// Leaves nothing behind.
    pub async fn abandon(self) {
        let beside = self.store.sqlite_file().map(Path::to_owned);
        // The transaction ends with its connection.
        if let Err(error) = self.conn.close().await {
            tracing::debug!("the connection of a restore does not close: {error}");
        }
        if let Err(error) = close(self.store).await {
            tracing::debug!("the database of a restore does not close: {error}");
        }
        if let Some(beside) = beside {
            remove(&beside);
        }
    }
}

impl Place {
    /// Takes it, if nothing is there and no other restore has begun.
    fn take(file: PathBuf) -> Result<Place, StoreError> {
        refuse_there(&file)?;
        let folder = folder_of(&file);
        std::fs::create_dir_all(folder).map_err(|source| StoreError::Folder {
            folder: folder.to_owned(),
            source,
        })?;
        let lock = FileLock::take(with_end(&file, ".restoring-lock"))?;
        let lock = lock.ok_or_else(|| TransferError::Restoring(file.clone()))?;
        let place = Place { file, _lock: lock };
        // What a restore left that was killed.
        remove(&place.beside());
        Ok(place)
    }

    /// The file that is filled instead.
    fn beside(&self) -> PathBuf {
        with_end(&self.file, ".restoring")
    }
}

/// Nothing takes the place of a database.
fn refuse_there(file: &Path) -> Result<(), TransferError> {
    for part in SQLITE_PARTS {
        let part = with_end(file, part);
        if part.exists() {
            return Err(TransferError::NotEmpty {
                what: file.display().to_string(),
                found: format!("{} is there", part.display()),
            });
        }
    }
    Ok(())
}

fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn with_end(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn remove(file: &Path) {
    for part in SQLITE_PARTS {
        let part = with_end(file, part);
        match std::fs::remove_file(&part) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!("cannot remove {}: {error}", part.display());
            }
            _ => {}
        }
    }
}

/// Closes everything, the writer too.
async fn close(store: Store) -> Result<(), StoreError> {
    store.close().await;
    if let Engine::Sqlite { write, .. } = store.engine
        && let Some(writer) = Arc::into_inner(write)
    {
        writer.into_inner().close().await?;
    }
    Ok(())
}
