//! Files that go because nobody has come back to them.

use super::{INCOMING, Uploads};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidings_campaign::time::Timestamp;

/// After so long without anything said about it an upload goes.
const KEPT: Duration = Duration::from_secs(86_400);

impl Uploads {
    /// Forgets what nobody has come back to for a day, and what never came to its end.
    pub fn expire(&self, now: Timestamp) {
        for path in self.files() {
            let is = |kind: &str| path.extension().is_some_and(|ending| ending == kind);
            let upload = is("json").then(|| self.read(&path)).flatten();
            // A file goes with its note.
            let has_note = is("data") && path.with_extension("json").exists();
            let at = match &upload {
                Some(upload) => Some(upload.at),
                None => changed(&path),
            };
            if has_note || at.is_none_or(|at| now.since(at) <= KEPT) {
                continue;
            }
            match upload {
                Some(upload) => self.remove(&upload.id),
                None => drop(std::fs::remove_file(&path)),
            }
        }
    }
}

/// Files that imports were to have, in the data folder, and that are older than a day: those that no import names are of a
/// process that was cut off before it was recorded.
pub(crate) fn long_there(data: &Path, now: Timestamp) -> Vec<PathBuf> {
    let is_of_import = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(INCOMING)) && path.is_file()
    };
    let is_old = |path: &PathBuf| changed(path).is_some_and(|at| now.since(at) > KEPT);
    let entries = std::fs::read_dir(data).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| is_of_import(path) && is_old(path))
        .collect()
}

fn changed(path: &Path) -> Option<Timestamp> {
    let modified = path.metadata().ok()?.modified().ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_imports_are_old_after_a_day() {
        let data = tempfile::tempdir().unwrap();
        for name in ["incoming-abc", "tidings.db"] {
            std::fs::write(data.path().join(name), "x").unwrap();
        }
        let now = changed(&data.path().join("incoming-abc")).unwrap();
        let later = |hours: i64| Timestamp(now.0 + hours * 3_600_000_000);
        assert!(long_there(data.path(), later(23)).is_empty());
        assert_eq!(
            long_there(data.path(), later(25)),
            [data.path().join("incoming-abc")]
        );
    }
}
