//! A relay that shares no code with Tidings: a second opinion on what was accepted.

use crate::{Running, free_port};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;
use tidings_campaign::time::Timestamp;

/// The program, in Python.
const RECEIVER: &str = include_str!("receiver.py");

/// A relay in another language. `TIDINGS_FAULTSINK` names another one than `receiver.py`: a Python program that takes
/// its options and writes one tab-separated line for every message whose final dot it read: time, session, verdict,
/// recipient.
pub struct Faultsink {
    address: SocketAddr,
    domain: String,
    log: PathBuf,
    _process: Running,
    _folder: TempDir,
}

impl Faultsink {
    /// Starts it with further options.
    pub fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = match std::env::var_os("TIDINGS_FAULTSINK") {
            Some(other) => PathBuf::from(other),
            None => {
                let ours = folder.path().join("receiver.py");
                std::fs::write(&ours, RECEIVER).expect("a file in the test's folder");
                ours
            }
        };
        let log = folder.path().join("accepted.tsv");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut command = Command::new("python3");
        command
            .arg(program)
            .args(["--port", &address.port().to_string(), "--log"])
            .arg(&log)
            .args(options);
        let mut process = Running::start(command, folder.path().join("receiver"));
        crate::wait_until("the independent relay listens", 20, || {
            assert!(process.is_running(), "{}", process.stderr_so_far());
            std::net::TcpStream::connect(address).is_ok()
        });
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            address,
            domain: format!("run{}-{number}.example.org", std::process::id()),
            log,
            _process: process,
            _folder: folder,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its recipients are: at no other receiver, of this run or another.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// How many messages it took so far.
    pub fn accepted_count(&self) -> usize {
        self.accepted_by_recipient().values().sum()
    }

    /// How often it took a message for each recipient, whether or not the sender could hear of it.
    pub fn accepted_by_recipient(&self) -> HashMap<String, usize> {
        let mut accepted = HashMap::new();
        for (recipient, _) in self.accepted_at() {
            *accepted.entry(recipient).or_insert(0) += 1;
        }
        accepted
    }

    /// For whom it took a message and when, in order.
    pub fn accepted_at(&self) -> Vec<(String, Timestamp)> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let taken = |line: &str| match line.split('\t').collect::<Vec<_>>()[..] {
            [time, _, "ok" | "lost", recipient, ..] => {
                let seconds: f64 = time.parse().expect("a time in the receiver's log");
                Some((recipient.to_owned(), Timestamp((seconds * 1e6) as i64)))
            }
            _ => None,
        };
        log.lines().filter_map(taken).collect()
    }

    /// How many messages it took without the sender being able to hear of it.
    pub fn lost(&self) -> usize {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        log.lines()
            .filter(|line| line.split('\t').nth(2) == Some("lost"))
            .count()
    }

    /// Who got mail; panics if somebody got it twice, or somebody else's mail came here.
    #[track_caller]
    pub fn reached_once(&self) -> HashSet<String> {
        let by_recipient = self.accepted_by_recipient();
        let is_ours = |who: &str| who.rsplit_once('@').is_some_and(|(_, at)| at == self.domain);
        let foreign: Vec<_> = by_recipient.keys().filter(|who| !is_ours(who)).collect();
        assert!(foreign.is_empty(), "another sender's mail came here: {foreign:?}");
        let twice: Vec<_> = by_recipient.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "accepted more than once: {twice:?}");
        by_recipient.into_keys().collect()
    }
}
