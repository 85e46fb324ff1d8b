//! The real binary as a child process, never left running and never waited for without end.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// What a finished run of the binary left.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    command: String,
}

impl Output {
    /// Its standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not one JSON document: {error}\n{self}"))
    }

    /// Its standard output as one JSON document in each line.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<serde_json::Value> {
        let read = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|e| panic!("`{line}` is not JSON: {e}\n{self}"))
        };
        self.stdout.lines().map(read).collect()
    }

    /// Itself, if the exit status is 0; panics with everything it wrote otherwise.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert!(self.status.success(), "it failed\n{self}");
        self
    }

    /// Itself, if the exit status is `code`; panics with everything it wrote otherwise.
    #[track_caller]
    pub fn failed_with(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "exit status\n{self}");
        self
    }

    /// Itself, if standard output contains every one of these words.
    #[track_caller]
    pub fn prints(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stdout.contains(word), "stdout does not say `{word}`\n{self}");
        }
        self
    }

    /// Itself, if standard error contains every one of these words.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "stderr does not say `{word}`\n{self}");
        }
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Output {
            status,
            stdout,
            stderr,
            command,
        } = self;
        write!(
            f,
            "--- {command}\n{status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}"
        )
    }
}

/// A process that runs beside the test. Dropping it kills it.
pub struct Running {
    child: Child,
    command: String,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// Starts `command` with its output in two files named after `files`.
    pub(crate) fn start(mut command: Command, files: PathBuf) -> Self {
        let (stdout, stderr) = (files.with_extension("stdout"), files.with_extension("stderr"));
        let create = |path| std::fs::File::create(path).expect("a file in the test's folder");
        command
            .stdin(std::process::Stdio::null())
            .stdout(create(&stdout))
            .stderr(create(&stderr));
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self {
            child,
            command: format!("{command:?}"),
            stdout,
            stderr,
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it without a chance to react, and waits until it is gone.
    pub fn kill_9(mut self) -> Output {
        self.child.kill().expect("killing a child of ours");
        self.gone()
    }

    /// Asks it to stop, as an operating system does that shuts down.
    pub fn sigterm(&self) {
        self.signal("TERM");
    }

    /// Asks it to read its configuration again.
    pub fn sighup(&self) {
        self.signal("HUP");
    }

    /// Stops it where it is, as a debugger or a frozen machine does. Dropping it kills it all the same.
    pub fn stop(&self) {
        self.signal("STOP");
    }

    /// Lets it go on after [`Running::stop`].
    pub fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        // A shell's `kill`, because the standard library sends no other signal than SIGKILL.
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.id())])
            .status();
        assert!(
            status.expect("sh").success(),
            "{} is gone before it got SIG{name}",
            self.command
        );
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("asking for a child of ours")
            .is_none()
    }

    /// What it has written to standard error until now.
    pub fn stderr_so_far(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// What it has written to standard output until now.
    pub fn stdout_so_far(&self) -> String {
        std::fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// Waits until it ends. Kills it and panics with its output if it does not within `timeout`.
    #[track_caller]
    pub fn wait(mut self, timeout: Duration) -> Output {
        let deadline = Instant::now() + timeout;
        while self.is_running() {
            if Instant::now() > deadline {
                panic!("not ended after {timeout:?}\n{}", self.kill_9());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.gone()
    }

    fn gone(&mut self) -> Output {
        let status = self.child.wait().expect("waiting for a child of ours");
        let read = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
        Output {
            status,
            stdout: read(&self.stdout),
            stderr: read(&self.stderr),
            command: self.command.clone(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for a process that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
