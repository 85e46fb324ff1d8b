//! An independent scripted relay, where there is one: a second opinion on what was accepted.

use crate::Running;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// A relay that is not ours, named by `TIDINGS_FAULTSINK` (a Python program that takes `--port` and `--log` and writes
/// one tab-separated line for every message whose final dot it read: time, session, verdict, recipient …).
pub struct Faultsink {
    address: SocketAddr,
    log: PathBuf,
    _process: Running,
    _folder: TempDir,
}

impl Faultsink {
    /// Starts it with further options. `None`, with a line on stderr, where `TIDINGS_FAULTSINK` is not set.
    pub fn start(options: &[&str]) -> Option<Self> {
        let Some(program) = std::env::var_os("TIDINGS_FAULTSINK") else {
            eprintln!("not run: TIDINGS_FAULTSINK names no independent relay");
            return None;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = folder.path().join("accepted.tsv");
        let address = free_address();
        let mut command = Command::new("python3");
        command
            .arg(program)
            .args(["--port", &address.port().to_string(), "--log"])
            .arg(&log)
            .args(options);
        let process = Running::start(command, folder.path().join("faultsink"));
        crate::wait_until("the independent relay listens", 20, || {
            std::net::TcpStream::connect(address).is_ok()
        });
        Some(Self {
            address,
            log,
            _process: process,
            _folder: folder,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often it took a message for each recipient, whether or not the sender could hear of it.
    pub fn accepted_by_recipient(&self) -> HashMap<String, usize> {
        let mut accepted = HashMap::new();
        for line in std::fs::read_to_string(&self.log).unwrap_or_default().lines() {
            if let [_, _, "ok" | "lost", recipient, ..] = line.split('\t').collect::<Vec<_>>()[..] {
                *accepted.entry(recipient.to_owned()).or_insert(0) += 1;
            }
        }
        accepted
    }
}

fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a bound socket has an address")
}
