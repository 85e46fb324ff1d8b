//! Why a file is not taken, in words for people who have a page before them.

use super::incoming::WAITING;
use std::io::{self, ErrorKind};
use tidings_campaign::csv_import::{MapError, Refusal};

/// Why a file cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadFault {
    /// It is larger than allowed.
    #[error(
        "The file is larger than {} MiB, which is the most that may be uploaded here. Pack it as .gz or .zip, or import it on the \
         server: `tidings import FILE`", .0 >> 20
    )]
    TooLarge(u64),
    /// The disk is full.
    #[error(
        "The disk of the server is full: nothing was kept of the file. Make room there, and upload it again."
    )]
    DiskFull,
    /// Nothing was in it.
    #[error("The file is empty.")]
    Empty,
    /// It did not come to its end.
    #[error("The upload broke off. Upload the file again.")]
    BrokenOff,
    /// The person has too many.
    #[error(
        "{WAITING} of your files are waiting or coming in already: import or remove one of them first, or let them come."
    )]
    TooMany,
    /// It cannot be kept.
    #[error("The file cannot be kept in the data folder: {0}")]
    Disk(io::Error),
}

impl From<io::Error> for UploadFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => UploadFault::DiskFull,
            _ => UploadFault::Disk(error),
        }
    }
}

/// Why a file is refused, for people who have no options but fields.
pub(super) fn of_file(refusal: &Refusal) -> String {
    match refusal {
        Refusal::SeveralParts { what, names, .. } => {
            format!("There are several {what} in it: {names}. Say below which one is meant.")
        }
        Refusal::NoParts(_) => "There are no parts in this file: leave that field empty.".to_owned(),
        Refusal::OnlyHeader { place } => format!(
            "In this file {place} is the header, and no row comes after it: there is nobody in it. Export or save it again with \
             its rows, or say below that the first row is a recipient."
        ),
        Refusal::Map { error, .. } => of_columns(error),
        other => format!("The file {other}."),
    }
}

/// The same of its columns.
pub(super) fn of_columns(fault: &MapError) -> String {
    match fault {
        MapError::NoEmail(_) => {
            "No column looks like e-mail addresses. Say below which one it is.".to_owned()
        }
        MapError::SeveralEmails { candidates, .. } => {
            format!("Several columns could be the e-mail address: {candidates}. Say below which one it is.")
        }
        MapError::SameField {
            first, second, field, ..
        } => format!(
            "The columns {first} and {second} both become `{field}`: give one of them another name, or leave it out."
        ),
        other => format!("{other}."),
    }
}
