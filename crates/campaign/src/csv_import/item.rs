//! What a row of a file is.

use super::tools::SuppressionReason;
use crate::address::EmailAddress;

/// A row that is a recipient.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The line of the file where it starts, from 1; in a spreadsheet the number of the row.
    pub line: u64,
    /// Whom it is about.
    pub address: EmailAddress,
    /// The name; none if the file has no column for it.
    pub name: Option<String>,
    /// The attributes as the text of a JSON object, its keys sorted, without white space.
    pub attributes: String,
}

/// A row that is no recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The line of the file where it starts, from 1; in a spreadsheet the number of the row.
    pub line: u64,
    /// Why, in plain words. In a spreadsheet with the sheet, the row and the column's letters.
    pub reason: String,
    /// The row as it stands in the file, without its last line break: in UTF-8 if the file's encoding is another one,
    /// else octet by octet, also where they are no text. Of a spreadsheet, its cells with commas between them.
    pub row: Vec<u8>,
}

/// A row of another tool's export about somebody who must not be mailed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// The line of the file where it starts, from 1; in a spreadsheet the number of the row.
    pub line: u64,
    /// Whom it is about.
    pub address: EmailAddress,
    /// Why not.
    pub reason: SuppressionReason,
    /// The tool, the column and what stands in it.
    pub evidence: String,
}

/// What one row of a file is.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A recipient.
    Row(Row),
    /// Somebody who must not be mailed.
    Suppression(Suppression),
    /// None.
    Reject(Reject),
}
