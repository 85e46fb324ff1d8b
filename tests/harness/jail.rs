//! A server that is not ours, where it can change nothing on this machine and nothing of it remains.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server in namespaces of its own. What it mounts nobody else sees; when it is dropped, or the test is killed, the
/// kernel ends every process in it.
pub(crate) struct Jail {
    holder: Child,
}

/// The first process of the namespaces lives until standard input is closed, and all others end with it.
const HOLD: &str = r#"sh -e "$1" >"$2" 2>&1 </dev/null & exec cat"#;

impl Jail {
    /// Runs a shell script, which ends in a server that stays in the foreground. What it says goes into `log`.
    pub(crate) fn start(script: &Path, log: &Path) -> Self {
        let holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--pid", "--fork"])
            .args(["--kill-child", "sh", "-c", HOLD, "hold"])
            .args([script, log])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("unshare of util-linux");
        Self { holder }
    }

    /// Where a file that is seen in its namespaces is seen from outside.
    pub(crate) fn sees(&self, path: &Path) -> PathBuf {
        let inside = path
            .strip_prefix("/")
            .expect("temporary folders have absolute paths");
        Path::new(&format!("/proc/{}/root", self.holder.id())).join(inside)
    }

    /// Whether its namespaces are gone, most likely because this user may not make any.
    pub(crate) fn has_ended(&mut self) -> bool {
        let status = self.holder.try_wait();
        status.expect("asking for a child of ours").is_some()
    }
}

impl Drop for Jail {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(5);
        while !self.has_ended() {
            if Instant::now() > deadline {
                // It fails only for a process that is gone already. The namespaces' first process dies with it.
                let _ = self.holder.kill();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
