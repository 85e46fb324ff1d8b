//! Imports: the record of each, its rows written batch by batch, and how it is taken back.

mod batch;
mod dry_run;
mod hashed;
mod lock;
mod made;
mod run;
mod suppress;
mod undo;

pub(crate) use batch::{lock_addresses, lock_recipients};
pub use dry_run::DryRun;
pub use lock::ImportLock;
pub use run::{Import, ImportBatch, NewImport};
pub use undo::{Kept, KeptWhy, Undo, UndoCounts};

use crate::engine::{Store, on_pool};
use crate::error::{StoreError, bad_row};
use tidings_campaign::csv_import::Counts;
use tidings_campaign::ids::ImportId;
use tidings_campaign::time::Timestamp;

/// Where an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportState {
    /// A process works on it; if none does, the next one goes on.
    Running,
    /// Ended before its end: it goes on only when a person says so.
    Stopped,
    /// At its end.
    Finished,
    /// Being taken back; if no process does, it goes on when a person says so.
    Undoing,
    /// Taken back.
    Undone,
}

impl ImportState {
    const ALL: [ImportState; 5] = [
        ImportState::Running,
        ImportState::Stopped,
        ImportState::Finished,
        ImportState::Undoing,
        ImportState::Undone,
    ];

    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            ImportState::Running => "running",
            ImportState::Stopped => "stopped",
            ImportState::Finished => "finished",
            ImportState::Undoing => "undoing",
            ImportState::Undone => "undone",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        ImportState::ALL.into_iter().find(|state| state.as_str() == word)
    }
}

impl std::fmt::Display for ImportState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The record of an import.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportRecord {
    /// Its identity.
    pub id: ImportId,
    /// The list's name.
    pub list: String,
    /// The files as they were named.
    pub files: String,
    /// Where it is.
    pub state: ImportState,
    /// Why it is stopped.
    pub reason: Option<String>,
    /// Who began it.
    pub started_by: String,
    /// Where the recipients' consent comes from, as that person said.
    pub consent: Option<String>,
    /// Files with checksums, options, mapping; JSON that the caller knows.
    pub details: Option<String>,
    /// What became of its rows so far.
    pub counts: Counts,
    /// How long the file of rejected rows was at the last commit, in octets.
    pub rejects_octets: u64,
    /// The same of the remarks.
    pub remarks_octets: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it last committed something.
    pub updated_at: Timestamp,
    /// When it came to its end.
    pub finished_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct ImportRow {
    id: i64,
    list: String,
    file_name: String,
    state: String,
    reason: Option<String>,
    started_by: String,
    consent: Option<String>,
    details: Option<String>,
    counts: Option<String>,
    rejects_octets: i64,
    remarks_octets: i64,
    started_at: i64,
    updated_at: i64,
    finished_at: Option<i64>,
}

macro_rules! select_imports {
    ($rest:literal) => {
        concat!(
            "SELECT i.id, l.name AS list, i.file_name, i.state, i.reason, i.started_by, i.consent, i.details, i.counts, \
             i.rejects_octets, i.remarks_octets, i.started_at, i.updated_at, i.finished_at \
             FROM imports i JOIN lists l ON l.id = i.list_id ",
            $rest
        )
    };
}

impl Store {
    /// The newest imports, newest first.
    pub async fn imports(&self, at_most: u32) -> Result<Vec<ImportRecord>, StoreError> {
        const NEWEST: &str = select_imports!("ORDER BY i.id DESC LIMIT $1");
        let rows: Vec<ImportRow> = on_pool!(self, pool => sqlx::query_as(NEWEST)
            .bind(i64::from(at_most)).fetch_all(pool).await)?;
        rows.into_iter().map(record).collect()
    }

    /// One import; none if there is none of this id.
    pub async fn find_import(&self, id: ImportId) -> Result<Option<ImportRecord>, StoreError> {
        const FIND: &str = select_imports!("WHERE i.id = $1");
        let row: Option<ImportRow> =
            on_pool!(self, pool => sqlx::query_as(FIND).bind(id.0).fetch_optional(pool).await)?;
        row.map(record).transpose()
    }

    /// The newest import of the same files with the same options that has not come to its end.
    pub async fn find_unfinished_import(
        &self,
        fingerprint: &str,
    ) -> Result<Option<ImportRecord>, StoreError> {
        const FIND: &str = select_imports!(
            "WHERE i.fingerprint = $1 AND i.state IN ('running', 'stopped') ORDER BY i.id DESC LIMIT 1"
        );
        let row: Option<ImportRow> =
            on_pool!(self, pool => sqlx::query_as(FIND).bind(fingerprint).fetch_optional(pool).await)?;
        row.map(record).transpose()
    }

    /// Whether any import, whatever became of it, names a file in the data folder that is called so.
    pub async fn has_import_of(&self, file_name: &str) -> Result<bool, StoreError> {
        const NAMES: &str = "SELECT id FROM imports WHERE details LIKE '%' || $1 || '%' LIMIT 1";
        let found: Option<i64> = on_pool!(self, pool => sqlx::query_scalar(NAMES).bind(file_name)
            .fetch_optional(pool).await)?;
        Ok(found.is_some())
    }

    /// Imports that ended before their end and wait for a person, the newest first; at most twenty.
    pub async fn stopped_imports(&self) -> Result<Vec<ImportRecord>, StoreError> {
        const STOPPED: &str = select_imports!("WHERE i.state = 'stopped' ORDER BY i.id DESC LIMIT 20");
        let rows: Vec<ImportRow> = on_pool!(self, pool => sqlx::query_as(STOPPED).fetch_all(pool).await)?;
        rows.into_iter().map(record).collect()
    }

    /// Imports that should be running and have committed nothing since `before`, oldest first: perhaps their process is
    /// gone. Whether it is, [`ImportLock::take`] says.
    pub async fn quiet_imports(&self, before: Timestamp) -> Result<Vec<ImportRecord>, StoreError> {
        const QUIET: &str =
            select_imports!("WHERE i.state = 'running' AND i.updated_at < $1 ORDER BY i.id LIMIT 100");
        let rows: Vec<ImportRow> =
            on_pool!(self, pool => sqlx::query_as(QUIET).bind(before.0).fetch_all(pool).await)?;
        rows.into_iter().map(record).collect()
    }
}

fn record(row: ImportRow) -> Result<ImportRecord, StoreError> {
    let bad = |problem: String| bad_row("imports", row.id, problem);
    let octets = |n: i64| u64::try_from(n).map_err(|_| bad(format!("{n} octets")));
    Ok(ImportRecord {
        id: ImportId(row.id),
        state: ImportState::parse(&row.state).ok_or_else(|| bad(format!("unknown state `{}`", row.state)))?,
        counts: match &row.counts {
            Some(counts) => {
                serde_json::from_str(counts).map_err(|error| bad(format!("the counts: {error}")))?
            }
            None => Counts::default(),
        },
        rejects_octets: octets(row.rejects_octets)?,
        remarks_octets: octets(row.remarks_octets)?,
        list: row.list,
        files: row.file_name,
        reason: row.reason,
        started_by: row.started_by,
        consent: row.consent,
        details: row.details,
        started_at: Timestamp(row.started_at),
        updated_at: Timestamp(row.updated_at),
        finished_at: row.finished_at.map(Timestamp),
    })
}
