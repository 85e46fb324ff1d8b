//! A disk that is full when a test wants it to be.

use crate::Running;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A folder on a file system of its own where this user may mount one (superusers may), else on the common one with a
/// limit on the size of files: writing fails in both.
pub struct SmallDisk {
    folder: PathBuf,
    holder: Option<Child>,
}

/// Mounts a memory file system in a namespace of its own and holds it until standard input is closed: nothing is left
/// behind, however the test ends.
const HOLD: &str = r#"mount -t tmpfs -o size=24m tmpfs "$1" && touch "$1/mounted" && exec cat"#;

impl SmallDisk {
    /// Puts an existing, empty folder on a small disk.
    pub(crate) fn at(folder: PathBuf) -> Self {
        let mut hold = Command::new("unshare");
        hold.args(["--mount", "--propagation", "private", "sh", "-c", HOLD, "hold"])
            .arg(&folder);
        let hold = hold
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut disk = Self {
            folder,
            holder: hold.ok(),
        };
        while let Some(holder) = &mut disk.holder {
            if holder.try_wait().expect("asking for a child of ours").is_some() {
                disk.holder = None;
            } else if disk.as_the_holder_sees_it().join("mounted").exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        disk
    }

    /// The words before a command that is to see the disk.
    pub(crate) fn prefix(&self) -> Vec<String> {
        let words: &[&str] = match &self.holder {
            Some(holder) => &["nsenter", &format!("--mount=/proc/{}/ns/mnt", holder.id()), "--"],
            // Without this a process that writes beyond the limit is killed instead of told.
            None => &["sh", "-c", r#"trap "" XFSZ; exec "$@""#, "limited"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// Leaves no room, for this process at least.
    pub fn fill(&self, writer: &Running) {
        if self.holder.is_some() {
            let mut ballast = std::fs::File::create(self.ballast()).expect("a file on the small disk");
            while ballast.write_all(&[0; 4096]).is_ok() {}
            return;
        }
        // No file may grow beyond what the largest, the write-ahead log, may have now.
        let limit = format!("--fsize={}", 64 * 1024);
        let status = Command::new("prlimit")
            .args(["--pid", &writer.id().to_string(), &limit])
            .status();
        assert!(status.expect("prlimit").success(), "the limit cannot be set");
    }

    /// Makes room again.
    pub fn free(&self) {
        if self.holder.is_some() {
            std::fs::remove_file(self.ballast()).expect("the file that filled the disk");
        }
    }

    fn ballast(&self) -> PathBuf {
        self.as_the_holder_sees_it().join("ballast")
    }

    fn as_the_holder_sees_it(&self) -> PathBuf {
        let inside = self
            .folder
            .strip_prefix("/")
            .expect("temporary folders have absolute paths");
        match &self.holder {
            Some(holder) => Path::new(&format!("/proc/{}/root", holder.id())).join(inside),
            None => self.folder.clone(),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Some(mut holder) = self.holder.take() {
            drop(holder.stdin.take());
            // It fails only for a process that is gone already.
            let _ = holder.wait();
        }
    }
}
