//! The right to send from a database.

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use tidings_store::Store;

/// Held as long as this process sends. On SQLite one process sends, and that the lock was free proves that a former
/// sender is dead, so that its leases need not be waited for. On PostgreSQL any number may send, by their leases.
#[derive(Debug)]
pub struct SenderLock {
    // Held for its lock, which ends with the file.
    file: Option<File>,
}

/// Why a process may not send.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process sends from the same SQLite file.
    #[error("another tidings process is already sending from this database (it holds {0})")]
    AlreadySending(PathBuf),
    /// The lock file.
    #[error("cannot lock {file}: {source}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl SenderLock {
    /// Takes the lock, before anything is changed for the sake of sending.
    pub fn take(store: &Store) -> Result<SenderLock, LockError> {
        let Some(database) = store.sqlite_file() else {
            return Ok(SenderLock { file: None });
        };
        let mut name = database.as_os_str().to_owned();
        name.push(".sender-lock");
        let file = PathBuf::from(name);
        let failed = |source| LockError::File {
            file: file.clone(),
            source,
        };
        let lock = File::create(&file).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(SenderLock { file: Some(lock) }),
            Err(TryLockError::WouldBlock) => Err(LockError::AlreadySending(file)),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// Whether nobody else can be sending.
    pub(crate) fn is_exclusive(&self) -> bool {
        self.file.is_some()
    }
}
