//! The file of a backup: gzip, and in it one line of JSON after another. `docs/backup.md` has the format.
//!
//! Where to look: what lines there are in `format.rs`; writing them in `writing.rs`; reading, and all that can be wrong with a
//! file, in `reading.rs`; which files of the data folder belong to a backup in `folder.rs`.

mod folder;
mod format;
mod reading;
mod writing;

pub use folder::{CONFIGURATION, Placed, PutBack, files_of};
pub use format::{End, Header, Record, VERSION};
pub use reading::{Piece, read};
pub use writing::{Destination, Writer};
