//! Why a file that is coming in is not taken.

use super::incoming::WAITING;
use std::io::{self, ErrorKind};

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
