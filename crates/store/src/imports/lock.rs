//! The right to work on one import: one process at a time, and free as soon as that process is gone.

use crate::engine::{Engine, Store};
use crate::error::StoreError;
use sqlx::PgConnection;
use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tidings_campaign::ids::ImportId;

/// The upper half of the keys of PostgreSQL's advisory locks; the lower half is the import's id.
const LOCK_SPACE: i64 = 0x7469_6469 << 32;

/// Held while a process works on an import or takes it back.
#[derive(Debug)]
pub struct ImportLock {
    // Held for its lock, which ends with it: a locked file beside the database, or a connection of its own.
    _held: Held,
}

#[derive(Debug)]
enum Held {
    File { _file: File, path: PathBuf },
    Connection(#[expect(dead_code, reason = "held for its advisory lock")] Box<PgConnection>),
}

impl ImportLock {
    /// Takes the lock; none if another process holds it.
    pub async fn take(store: &Store, import: ImportId) -> Result<Option<ImportLock>, StoreError> {
        match &store.engine {
            Engine::Sqlite { file, .. } => {
                let mut name = file.as_os_str().to_owned();
                name.push(format!(".import-{import}-lock"));
                take_file(PathBuf::from(name))
            }
            Engine::Postgres(pool) => {
                let mut connection = pool.acquire().await?.detach();
                let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                    .bind(LOCK_SPACE | import.0)
                    .fetch_one(&mut connection)
                    .await?;
                let lock = ImportLock {
                    _held: Held::Connection(Box::new(connection)),
                };
                Ok(taken.then_some(lock))
            }
        }
    }
}

fn take_file(path: PathBuf) -> Result<Option<ImportLock>, StoreError> {
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
                return Ok(Some(ImportLock {
                    _held: Held::File { _file: file, path },
                }));
            }
            Ok(()) => {}
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

impl Drop for ImportLock {
    fn drop(&mut self) {
        if let Held::File { path, .. } = &self._held {
            // Gone while still locked, so that nobody's newer lock is taken away. If it cannot be, an empty file stays.
            let _ = std::fs::remove_file(path);
        }
    }
}
