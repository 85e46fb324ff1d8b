//! Files that are in their place whole, or not at all, also after the power has failed.

use std::fs::File;
use std::io;
use std::path::Path;
use tempfile::NamedTempFile;

/// Whether a file may take the place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Of whatever is there.
    MayBeTaken,
    /// Where something is, it stays.
    MustBeFree,
}

/// Puts a file in its place when all of it is on the disk.
pub fn put(new: NamedTempFile, file: &Path, place: Place) -> io::Result<()> {
    new.as_file().sync_all()?;
    let put = match place {
        Place::MayBeTaken => new.persist(file),
        Place::MustBeFree => new.persist_noclobber(file),
    };
    put.map_err(|error| error.error)?;
    sync_folder(folder_of(file))
}

/// The folder that a file is in.
pub fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// A name is only safe when its folder is.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
