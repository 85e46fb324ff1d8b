//! Writing the configuration and passwords so that a crash leaves the one or the other, whole.

use crate::durable;
use anyhow::Context;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::Builder;

/// The folder of passwords, in the data folder.
const SECRETS: &str = "secrets";
/// The end of the former file's name.
const BACKUP: &str = "backup";

/// Puts `text` in the file's place; what was there before is beside it, with `.backup` behind its name. A link stays one.
pub fn write(file: &Path, former: Option<&str>, text: &str) -> anyhow::Result<()> {
    let file = match former {
        Some(_) => file.canonicalize().context("the file is gone")?,
        None => std::path::absolute(file)?,
    };
    let folder = file.parent().context("the file has no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Passwords may be in it.
    let mode = match former {
        Some(_) => fs::metadata(&file)?.permissions(),
        None => Permissions::from_mode(0o600),
    };
    if let Some(former) = former {
        let mut backup = file.clone().into_os_string();
        backup.push(".");
        backup.push(BACKUP);
        replace(Path::new(&backup), folder, former, mode.clone())?;
    }
    replace(&file, folder, text, mode)
}

fn replace(file: &Path, folder: &Path, text: &str, mode: Permissions) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", file.display());
    let mut new = Builder::new()
        .prefix(".tidings-")
        .tempfile_in(folder)
        .with_context(cannot)?;
    new.write_all(text.as_bytes()).with_context(cannot)?;
    new.as_file().set_permissions(mode).with_context(cannot)?;
    durable::put(new, file, durable::Place::MayBeTaken).with_context(cannot)
}

/// Keeps a password in a file of its own that nobody else may read; where it is.
pub fn keep_secret(data: &Path, secret: &str) -> anyhow::Result<PathBuf> {
    let folder = secrets(data)?;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let cannot = || format!("cannot write into {}", folder.display());
    // Made with mode 0600, under a name that is not taken.
    let mut file = Builder::new()
        .prefix("relay-")
        .suffix(".password")
        .rand_bytes(12)
        .tempfile_in(&folder)
        .with_context(cannot)?;
    file.write_all(secret.as_bytes()).with_context(cannot)?;
    file.as_file().sync_all().with_context(cannot)?;
    let (_, path) = file.keep().map_err(|error| error.error).with_context(cannot)?;
    Ok(path)
}

/// Whether the dashboard made this file.
pub fn is_our_secret(data: &Path, file: &str) -> bool {
    secrets(data).is_ok_and(|folder| Path::new(file).parent() == Some(&folder))
}

/// Forgets a password that the dashboard kept.
pub fn forget_secret(file: &Path) {
    if let Err(error) = fs::remove_file(file)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(
            "the former password in {} cannot be removed: {error}",
            file.display()
        );
    }
}

fn secrets(data: &Path) -> io::Result<PathBuf> {
    Ok(std::path::absolute(data)?.join(SECRETS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_former_file_is_kept_and_its_mode_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/tidings.toml");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        write(&file, None, "one").unwrap();
        assert_eq!(mode(&file), 0o600);
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        write(&file, Some("one"), "two").unwrap();
        let backup = folder.path().join("deep/tidings.toml.backup");
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(fs::read_to_string(&backup).unwrap(), "one");
        assert_eq!((mode(&file), mode(&backup)), (0o640, 0o640));
    }

    #[test]
    fn a_password_is_for_the_server_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = keep_secret(folder.path(), "hunter2").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "hunter2");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(is_our_secret(folder.path(), &file.to_string_lossy()));
        assert!(!is_our_secret(folder.path(), "/etc/passwd"));
        forget_secret(&file);
        assert!(!file.exists());
    }
}
