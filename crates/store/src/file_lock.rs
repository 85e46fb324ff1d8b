//! A file that one process at a time holds, and that is free as soon as that process is gone.

use crate::error::StoreError;
use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Held as long as this lives; then the file is gone.
#[derive(Debug)]
pub(crate) struct FileLock {
    // Held for its lock, which ends with the file.
    _file: File,
    path: PathBuf,
}

impl FileLock {
    /// Takes it; none if another process holds it.
    pub(crate) fn take(path: PathBuf) -> Result<Option<FileLock>, StoreError> {
        let failed = |source| StoreError::LockFile {
            file: path.clone(),
            source,
        };
        loop {
            let file = File::create(&path).map_err(failed)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
                // Whoever held it may have removed the file between the two steps: then it is not the one others see.
                Ok(()) if is_at(&file, &path).map_err(failed)? => {
                    return Ok(Some(FileLock { _file: file, path }));
                }
                Ok(()) => {}
            }
        }
    }
}

fn is_at(file: &File, path: &Path) -> std::io::Result<bool> {
    match std::fs::metadata(path) {
        Ok(there) => Ok(there.ino() == file.metadata()?.ino()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Gone while still locked, so that nobody's newer lock is taken away. If it cannot be, an empty file stays.
        let _ = std::fs::remove_file(&self.path);
    }
}
