//! Taking an installation out of one database and into another: a move to PostgreSQL, a backup, a restore. All three read
//! the tables from one consistent [`Snapshot`], as the database's own catalogue names them, so that no table and no column
//! can be forgotten; and each compares in the end what was read with what is there.
//!
//! Where to look: which tables there are, in which order, and which are left out in `catalogue.rs`; what a row is and how rows
//! are summed in `row.rs`; values that another engine does not take in `fitting.rs`; reading in `snapshot.rs`; writing in
//! `loading.rs`; a restore in `restoring.rs`; a move in `moving.rs`, and who may open a database meanwhile in `marks.rs`.

mod catalogue;
mod connection;
mod fitting;
mod loading;
mod marks;
mod moving;
mod restoring;
mod row;
mod snapshot;

pub use catalogue::{Column, Kind, LEFT_OUT, Table};
pub use fitting::{Misfit, Misfits};
pub use marks::{GivingUp, Moved};
pub use moving::{Move, Stage};
pub use restoring::{Restored, Restoring};
pub use row::{Row, Sum, Value, read_line, write_line};
pub use snapshot::Snapshot;

pub(crate) use marks::refuse_if_moving;

use crate::engine::place_of;
use crate::error::StoreError;
use std::path::{Path, PathBuf};

/// Why an installation is not taken elsewhere.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// A moved installation is in another place, or on its way there.
    #[error(
        "this installation {} to {to}: use it there. To use it here again, if it is not used there: \
         tidings migrate --from {from} --release",
        if *verified { "has moved" } else { "is moving" }
    )]
    Left {
        /// Where to.
        to: String,
        /// The database that it left.
        from: String,
        /// Whether it has arrived.
        verified: bool,
    },
    /// A database that does not hold everything yet.
    #[error(
        "this database is being filled from {from} and does not hold everything yet: run the same `tidings migrate` again"
    )]
    Arriving {
        /// Where from.
        from: String,
    },
    /// A move to another place has begun.
    #[error(
        "this installation is moving to another database ({to}): finish that with the same command, or give it up with \
         tidings migrate --from {from} --release"
    )]
    OtherMove {
        /// Where to.
        to: String,
        /// Where from.
        from: String,
    },
    /// Somebody else has begun, ended or given up a move meanwhile.
    #[error(
        "what this database knows of its move has been changed by another process meanwhile: begin again"
    )]
    Changed,
    /// Nodes have the database open.
    #[error(
        "{} at work here: stop the server first. One that was killed counts as being at work for 15 seconds",
        match &.0[..] { [node] => format!("node {node} is"), nodes => format!("nodes {} are", nodes.join(", ")) }
    )]
    AtWork(Vec<String>),
    /// Another restore fills the same file.
    #[error("another restore is filling {0}: wait for it, or end it")]
    Restoring(PathBuf),
    /// Nothing to release.
    #[error("this installation has not moved: there is nothing to release")]
    NotMoved,
    /// A database with something in it.
    #[error("{what} is not empty ({found}): nothing is written into it. Name a new database")]
    NotEmpty {
        /// The database.
        what: String,
        /// What is in it.
        found: String,
    },
    /// There is no such SQLite file.
    #[error("there is no database at {0}")]
    NoDatabase(PathBuf),
    /// Only an up-to-date installation is moved.
    #[error(
        "the database to move has migration {found}, this program {known}: bring it up to date first, by any command, for \
         example `tidings campaign list`"
    )]
    OtherSchema {
        /// The newest migration in the database.
        found: i64,
        /// The newest of this program.
        known: i64,
    },
    /// The tables to be written are not those that were read.
    #[error("table {table} is not the same in both databases: {problem}")]
    OtherTable {
        /// Which.
        table: String,
        /// How.
        problem: String,
    },
    /// An import would go on in the old place.
    #[error("import {0} is running: let it end, or stop it, and begin again")]
    Importing(i64),
    /// The engine does not take this value.
    #[error(
        "{0}: correct it, or let it be replaced with --replace-unfit. What has been written stays for the next run"
    )]
    Unfit(Misfit),
    /// A type of column that nobody has taught this program.
    #[error("column {table}.{column} has the unknown type {found}")]
    UnknownType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// Octets where a number should be, and the like, which SQLite may hold.
    #[error(
        "column {table}.{column} holds a value of the type {found}, where {kind:?} should be: correct it"
    )]
    Misplaced {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What should be there.
        kind: Kind,
        /// What is there.
        found: String,
    },
    /// The database did not take rows.
    #[error("table {table}, rows from {key} on: {source}")]
    Refused {
        /// The table.
        table: String,
        /// The first row's primary key, as JSON.
        key: String,
        /// Why.
        source: Box<StoreError>,
    },
    /// A backup of an older version, and a database that is newer than that.
    #[error(
        "the database has migration {found} already, the backup is of {backup}: restore it into a database that holds nothing"
    )]
    NewerThanBackup {
        /// The newest migration in the database.
        found: i64,
        /// The newest in the backup.
        backup: i64,
    },
    /// Something is not as it was read.
    #[error("what was written is not what was read: {}", .0.join("; "))]
    Differs(Vec<String>),
    /// The file could not be put in its place.
    #[error("cannot write {file}: {source}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Rows that are written in one transaction, at most.
pub const BATCH_ROWS: usize = 5_000;
/// About so many octets of rows are written in one transaction.
pub const BATCH_OCTETS: usize = 4 << 20;

/// None is made where the SQLite file of an installation should be.
fn refuse_missing(url: &str) -> Result<(), TransferError> {
    match url.strip_prefix("sqlite://").map(Path::new) {
        Some(file) if !file.exists() => Err(TransferError::NoDatabase(file.to_owned())),
        _ => Ok(()),
    }
}

/// The database for people, as it is to be written on a command line again.
fn shown(url: &str) -> String {
    match url.strip_prefix("sqlite://") {
        Some(file) => format!("sqlite://{file}"),
        None => place_of(url),
    }
}
