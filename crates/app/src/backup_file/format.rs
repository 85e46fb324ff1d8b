//! The lines of a backup that are not rows.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the format.
pub const VERSION: u32 = 1;

/// The longest line that is read: a row with all its values. It bounds the memory of a restore.
pub const LONGEST_LINE: u64 = 512 << 20;

/// The first line: of what this is a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format.
    pub tidings_backup: u32,
    /// The version of the program.
    pub version: String,
    /// The newest migration of the database.
    pub schema: i64,
    /// Which installation.
    pub instance: String,
    /// `sqlite` or `postgres`; it may be restored into either.
    pub engine: String,
    /// When, UTC.
    pub made_at: String,
}

/// The last line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct End {
    /// How many tables.
    pub tables: u64,
    /// How many rows of all tables.
    pub rows: u64,
    /// How many files of the data folder.
    pub files: u64,
    /// Of all lines before this one, with their ends, in hexadecimal.
    pub sha256: String,
}

/// A line that is an object. Lines that are arrays are rows; in a file they have one value, its octets.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// The first.
    Backup(Header),
    /// Rows follow.
    Table {
        /// Of which table.
        name: String,
        /// What their values are.
        columns: Vec<String>,
    },
    /// They were so many.
    EndOfTable {
        /// How many.
        rows: u64,
        /// The sum of the first 128 bits of each line's SHA-256, in hexadecimal.
        sum: String,
    },
    /// Which identities are given out next.
    NextIds(BTreeMap<String, i64>),
    /// Octets follow.
    File {
        /// Where, below the data folder.
        name: String,
        /// Who may read and write it, as Unix has it.
        mode: u32,
    },
    /// They were so many.
    EndOfFile {
        /// How many.
        octets: u64,
        /// Of all of them, in hexadecimal.
        sha256: String,
    },
    /// The last.
    End(End),
}
