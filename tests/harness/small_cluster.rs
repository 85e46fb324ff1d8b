//! A PostgreSQL server whose disk is full when a test wants it to be.

use crate::jail::Jail;
use crate::ports::free_port;
use crate::postgres;
use crate::{Database, Engine};
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

/// A cluster of its own on a memory file system. As an operator's system does, it starts the server again whenever that has ended.
pub struct SmallCluster {
    filling: Option<Filling>,
    url: String,
    programs: PathBuf,
    port: u16,
    // Declared before the folder: the server ends before what it writes goes.
    jail: Jail,
    folder: TempDir,
}

/// Takes what room there is, and what becomes free: the server removes old parts of its log.
struct Filling {
    is_over: Arc<AtomicBool>,
    writer: JoinHandle<()>,
    ballast: PathBuf,
}

/// Parts of the log are as small as they can be, so that a campaign needs new ones; none is written anew. The disk lets the server
/// make its folder, whoever it runs as.
const SCRIPT: &str = r#"
mount -t tmpfs -o size=120m,mode=1777 tmpfs DISK
cd DISK
INITDB --wal-segsize=1
while :; do
    POSTGRES -D DISK/data -p PORT -c listen_addresses=127.0.0.1 -c unix_socket_directories=DISK/data -c fsync=off \
        -c dynamic_shared_memory_type=mmap -c shared_buffers=16MB -c max_connections=50 -c min_wal_size=2MB -c max_wal_size=2MB \
        -c wal_recycle=off || true
    sleep 0.2
done
"#;

impl SmallCluster {
    /// Makes and starts a cluster; returns when it takes connections.
    #[track_caller]
    pub fn start() -> SmallCluster {
        let folder = tempfile::Builder::new()
            .prefix("tidings-cluster-")
            .tempdir()
            .expect("a temporary folder");
        let disk = folder.path().join("disk");
        std::fs::create_dir(&disk).expect("a folder in the test's folder");
        let programs = PathBuf::from(crate::from_xtask("TIDINGS_TEST_POSTGRES_PROGRAMS"));
        let port = free_port();
        let script = SCRIPT
            .replace("PORT", &port.to_string())
            .replace("INITDB", &postgres::initdb(&disk.join("data")).join(" "))
            .replace("POSTGRES", &postgres::program("postgres").join(" "))
            .replace("DISK", &disk.display().to_string());
        let (file, log) = (folder.path().join("start.sh"), folder.path().join("server.log"));
        std::fs::write(&file, script).expect("a file of ours");
        let mut cluster = SmallCluster {
            filling: None,
            url: format!("postgres://tidings@127.0.0.1:{port}/postgres"),
            programs,
            port,
            jail: Jail::start(&file, &log),
            folder,
        };
        cluster.wait_until_it_answers();
        cluster
    }

    /// A database in it, for one test.
    pub fn database(&self) -> Database {
        Database::at(Engine::Postgres, self.url.clone())
    }

    /// Leaves no room from now on.
    pub fn fill(&mut self) {
        let ballast = self.jail.sees(&self.folder.path().join("disk/ballast"));
        let mut file = File::create(&ballast).expect("a file on the small disk");
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let writer = std::thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                if file.write_all(&[0; 4096]).is_err() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        });
        self.filling = Some(Filling {
            is_over,
            writer,
            ballast,
        });
    }

    /// Makes room again, and waits until the server takes connections.
    #[track_caller]
    pub fn free(&mut self) {
        self.filling = None;
        self.wait_until_it_answers();
    }

    /// What the server has said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    #[track_caller]
    fn wait_until_it_answers(&mut self) {
        let port = self.port.to_string();
        let mut ready = Command::new(self.programs.join("pg_isready"));
        ready.args(["-q", "-h", "127.0.0.1", "-d", "postgres", "-p", &port]);
        let log = self.folder.path().join("server.log");
        crate::wait_until("a PostgreSQL on a small disk", 60, || {
            assert!(
                !self.jail.has_ended(),
                "it takes a superuser to mount a small disk: {}",
                std::fs::read_to_string(&log).unwrap_or_default()
            );
            ready.status().is_ok_and(|status| status.success())
        });
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        while !self.writer.is_finished() {
            std::thread::sleep(Duration::from_millis(1));
        }
        // It fails only where the disk is gone already.
        let _ = std::fs::remove_file(&self.ballast);
    }
}
