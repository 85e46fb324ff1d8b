//! Which files of the data folder belong to a backup, and how they come back.

use crate::durable::{folder_of, sync_folder};
use anyhow::Context;
use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tidings_import::{UPLOADS, belongs_to_imports};

/// The configuration.
pub const CONFIGURATION: &str = "tidings.toml";
/// Where files are until they are all there, in the data folder.
const BESIDE: &str = ".restoring";

/// Whether a file of this name, below the data folder, belongs to a backup: the configuration, and the files of imports. Not the
/// database, whose rows are there; nor the folder of passwords.
fn belongs(name: &Path) -> bool {
    name == Path::new(CONFIGURATION) || belongs_to_imports(name)
}

/// The files of this data folder that belong to a backup, by their names below it.
pub fn files_of(data: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for below in [Path::new(""), Path::new(UPLOADS)] {
        let folder = data.join(below);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| folder.display().to_string()),
        };
        for entry in entries {
            let entry = entry.with_context(|| folder.display().to_string())?;
            let name = below.join(entry.file_name());
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            if is_file && belongs(&name) {
                files.push(name);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Files that come back: beside the data folder's until all are there, then in their places.
#[derive(Debug)]
pub struct PutBack {
    data: PathBuf,
    beside: PathBuf,
    // No other restore writes there as long as this is open.
    _lock: File,
    names: Vec<PathBuf>,
    open: Option<File>,
}

impl PutBack {
    /// Makes the data folder if it is not there. What a restore left in it that was killed goes.
    pub fn into_folder(data: &Path) -> anyhow::Result<PutBack> {
        let cannot = || format!("cannot write into {}", data.display());
        fs::create_dir_all(data).with_context(cannot)?;
        let beside = data.join(BESIDE);
        fs::create_dir_all(&beside).with_context(cannot)?;
        let lock = File::open(&beside).with_context(cannot)?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => anyhow::bail!("another restore writes into {}", data.display()),
            tried => tried.map_err(io::Error::from).with_context(cannot)?,
        }
        clear(&beside).with_context(cannot)?;
        Ok(PutBack {
            data: data.to_owned(),
            beside,
            _lock: lock,
            names: Vec::new(),
            open: None,
        })
    }

    /// Begins a file. One that no backup has is refused: nothing is written elsewhere.
    pub fn begin(&mut self, name: &str, mode: u32) -> anyhow::Result<()> {
        let name = PathBuf::from(name);
        anyhow::ensure!(
            belongs(&name),
            "the backup has a file {}, which belongs to no backup",
            name.display()
        );
        let place = self.beside.join(&name);
        let cannot = || format!("cannot write {}", place.display());
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).with_context(cannot)?;
        }
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&place)
            .with_context(cannot)?;
        file.set_permissions(fs::Permissions::from_mode(mode & 0o777))
            .with_context(cannot)?;
        self.open = Some(file);
        self.names.push(name);
        Ok(())
    }

    /// Octets of the file that was begun.
    pub fn write(&mut self, octets: &[u8]) -> anyhow::Result<()> {
        let file = self.open.as_mut().context("octets of no file")?;
        file.write_all(octets).context("a file of the data folder")
    }

    /// Puts all of them in their places.
    pub fn done(mut self) -> anyhow::Result<Placed> {
        let (mut put, mut kept) = (Vec::new(), Vec::new());
        let mut folders = BTreeSet::from([self.data.clone()]);
        for name in std::mem::take(&mut self.names) {
            let (from, to) = (self.beside.join(&name), self.data.join(&name));
            let cannot = || format!("cannot write {}", to.display());
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder).with_context(cannot)?;
            }
            File::open(&from)
                .and_then(|file| file.sync_all())
                .with_context(cannot)?;
            if to.exists() {
                kept.push(name);
                continue;
            }
            fs::rename(&from, &to).with_context(cannot)?;
            folders.insert(folder_of(&to).to_owned());
            put.push(name);
        }
        for folder in folders {
            sync_folder(&folder).with_context(|| format!("cannot write into {}", folder.display()))?;
        }
        Ok(Placed { put, kept })
    }
}

impl Drop for PutBack {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.beside) {
            tracing::warn!("cannot remove {}: {error}", self.beside.display());
        }
    }
}

fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// What became of the files of a backup.
#[derive(Debug)]
pub struct Placed {
    /// They are there now.
    pub put: Vec<PathBuf>,
    /// They were there before, and stay as they are.
    pub kept: Vec<PathBuf>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
mod tests {
    use super::*;

    #[test]
    fn passwords_databases_and_places_elsewhere_belong_to_no_backup() {
        for name in ["tidings.toml", "kept-3.csv", "uploads/a.data"] {
            assert!(belongs(Path::new(name)), "{name}");
        }
        for name in [
            "secrets/relay-a.password",
            "tidings.db",
            "witness.json",
            "../tidings.toml",
            "/tidings.toml",
            "uploads/../tidings.toml",
            "uploads/x/y",
            "uploads/a.part",
            "",
        ] {
            assert!(!belongs(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn what_is_there_is_not_written_over() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join("tidings.toml"), "mine").unwrap();
        // A restore that was killed.
        fs::create_dir_all(data.path().join(".restoring/uploads")).unwrap();
        fs::write(data.path().join(".restoring/uploads/a.data"), "half").unwrap();
        let mut back = PutBack::into_folder(data.path()).unwrap();
        assert!(PutBack::into_folder(data.path()).is_err(), "another one is at it");
        for name in ["tidings.toml", "uploads/a.data"] {
            back.begin(name, 0o600).unwrap();
            back.write(b"of the backup").unwrap();
        }
        assert!(back.begin("../elsewhere", 0o600).is_err());
        let Placed { put, kept } = back.done().unwrap();
        assert_eq!(put, [PathBuf::from("uploads/a.data")]);
        assert_eq!(kept, [PathBuf::from("tidings.toml")]);
        assert_eq!(fs::read(data.path().join("tidings.toml")).unwrap(), b"mine");
        assert_eq!(
            files_of(data.path()).unwrap(),
            [PathBuf::from("tidings.toml"), PathBuf::from("uploads/a.data")]
        );
        assert_eq!(
            fs::read_dir(data.path()).unwrap().count(),
            2,
            "nothing else is left"
        );
    }
}
