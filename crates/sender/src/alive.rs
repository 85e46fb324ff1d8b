//! That a sender of this machine has died. The system has closed its connections then, so that its part of them need not be waited
//! for until it runs out. Each sender keeps a file of its own in the data folder locked for as long as it lives: a lock that can be
//! had is a proof, whatever the clock says.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// In the data folder.
const FOLDER: &str = "senders";

/// A living sender's file; it is gone when the sender ends by itself.
#[derive(Debug)]
pub(crate) struct Alive {
    path: PathBuf,
    // Held for its lock.
    _file: File,
}

impl Alive {
    /// From now on, until what is returned is dropped, others can tell that the sender of this name lives.
    pub(crate) fn begin(data: &Path, owner: &str) -> io::Result<Alive> {
        let folder = data.join(FOLDER);
        fs::create_dir_all(&folder)?;
        let path = folder.join(owner.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
        let mut file = File::create(&path)?;
        // Somebody may look at it just now.
        file.lock()?;
        file.write_all(owner.as_bytes())?;
        Ok(Alive { path, _file: file })
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        // One that stays is found unlocked by the next sender.
        let _ = fs::remove_file(&self.path);
    }
}

/// One that is dead.
#[derive(Debug)]
pub(crate) struct Dead {
    /// Its name.
    pub owner: String,
    path: PathBuf,
}

impl Dead {
    /// Everything is done that its death asked for.
    pub(crate) fn forget(self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The senders of this data folder that did not end by themselves.
pub(crate) fn dead(data: &Path) -> io::Result<Vec<Dead>> {
    let mut dead = Vec::new();
    let entries = match fs::read_dir(data.join(FOLDER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(dead),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        // It may have ended by itself meanwhile.
        let Ok(mut file) = File::open(&path) else {
            continue;
        };
        let mut owner = String::new();
        if file.try_lock().is_ok() && file.read_to_string(&mut owner).is_ok() && !owner.is_empty() {
            dead.push(Dead { owner, path });
        }
    }
    Ok(dead)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(data: &Path) -> Vec<String> {
        let dead = dead(data).unwrap().into_iter();
        dead.map(|dead| dead.owner).collect()
    }

    #[test]
    fn the_dead_are_told_from_the_living_and_from_those_that_ended_by_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        assert!(owners(data).is_empty(), "nobody was there");
        let living = Alive::begin(data, "main-1/a").unwrap();
        let ended = Alive::begin(data, "main-2").unwrap();
        drop(ended);
        // The system drops the lock of a process that dies, and leaves the file.
        fs::write(data.join(FOLDER).join("main-3"), "main-3").unwrap();
        assert_eq!(owners(data), ["main-3"]);
        dead(data).unwrap().into_iter().for_each(Dead::forget);
        assert!(owners(data).is_empty());
        drop(living);
        assert_eq!(fs::read_dir(data.join(FOLDER)).unwrap().count(), 0);
    }
}
