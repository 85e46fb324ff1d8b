//! A PostgreSQL server of the test's own, which it may stop, start, and let another take the place of. Gone afterwards, whatever
//! happens.

use crate::postgres;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tempfile::TempDir;

/// Keeps the server for as long as its standard input is open, and does what it reads there.
const KEEPER: &str = r#"
folder=$1; shift
begin() { "$@" >>"$folder/postgres.log" 2>&1 </dev/null & server=$!; }
begin "$@"
while read -r line; do
  case $line in
    stop) kill -s QUIT "$server"; wait "$server";;
    start) begin "$@";;
    keep) rm -rf "$folder/kept"; cp -a "$folder/data" "$folder/kept";;
    turn_back) rm -rf "$folder/data"; cp -a "$folder/kept" "$folder/data"; cd "$folder/data";;
  esac
  echo done
done
kill -s QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$folder"
"#;

/// A running server with an empty database.
pub struct Cluster {
    keeper: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    port: u16,
}

impl Cluster {
    /// Makes and starts one.
    pub fn start() -> Cluster {
        let folder = new_folder();
        let data = folder.path().join("data");
        postgres::run(&postgres::initdb(&data), &data);
        let cluster = Cluster::run(folder);
        cluster.execute("postgres", "CREATE DATABASE news");
        cluster
    }

    /// A standby, which follows this server. `synchronous`: each commit waits for it.
    pub fn standby(&self, synchronous: bool) -> Cluster {
        let folder = new_folder();
        let data = folder.path().join("data");
        let mut copy = postgres::program("pg_basebackup");
        let server = ["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "tidings"];
        copy.extend(server.map(str::to_owned));
        copy.extend(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-D"].map(str::to_owned));
        copy.push(data.display().to_string());
        postgres::run(&copy, &data);
        let standby = Cluster::run(folder);
        if synchronous {
            self.execute("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
            self.execute("postgres", "SELECT pg_reload_conf()");
            crate::wait_until("commits are synchronous", 20, || {
                let state = self.ask("SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync'");
                state == Some(1)
            });
        }
        standby
    }

    fn run(folder: TempDir) -> Cluster {
        let data = folder.path().join("data");
        let port = crate::free_port();
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(folder.path())
            .args(postgres::program("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c"])
            .arg(format!("unix_socket_directories={}", data.display()))
            // Processes are killed, not the machine.
            .args(["-c", "fsync=off", "-c", "full_page_writes=off"])
            .args(["-c", "dynamic_shared_memory_type=mmap"])
            .current_dir(&data)
            // Whoever ends the tests' process group leaves it the time to clean up.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        // From here on the keeper removes the folder.
        let _ = folder.keep();
        let cluster = Cluster {
            orders: keeper.stdin.take(),
            answers: BufReader::new(keeper.stdout.take().expect("it is piped")),
            keeper,
            port,
        };
        cluster.wait_until_ready();
        cluster
    }

    /// The database, as `--database` takes it.
    pub fn url(&self) -> String {
        format!("postgres://tidings@{}/news", self.address())
    }

    /// The same at either of two servers.
    pub fn url_with(&self, other: &Cluster) -> String {
        format!("postgres://tidings@{},{}/news", self.address(), other.address())
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Ends the server at once, as a crash does.
    pub fn stop(&mut self) {
        self.order("stop");
    }

    /// Starts it again, and waits until it takes connections.
    pub fn start_again(&mut self) {
        self.order("start");
        self.wait_until_ready();
    }

    /// Keeps the disk of the stopped server as it is, as a snapshot of a volume does.
    pub fn keep(&mut self) {
        self.order("keep");
    }

    /// Gives the stopped server the disk again that was kept.
    pub fn turn_back(&mut self) {
        self.order("turn_back");
    }

    /// From now on it answers a commit long before that is on its disk, to whoever does not ask for more.
    pub fn answer_before_writing(&self) {
        for setting in [
            "synchronous_commit = off",
            "wal_writer_delay = '10s'",
            "wal_writer_flush_after = '64MB'",
        ] {
            self.execute("postgres", &format!("ALTER SYSTEM SET {setting}"));
        }
        self.execute("postgres", "SELECT pg_reload_conf()");
    }

    /// Makes a standby the server.
    pub fn promote(&self) {
        self.execute("postgres", "SELECT pg_promote()");
    }

    fn order(&mut self, line: &str) {
        let orders = self.orders.as_mut().expect("it is closed only by drop");
        writeln!(orders, "{line}").expect("the keeper runs");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the keeper answers");
    }

    fn wait_until_ready(&self) {
        crate::wait_until("PostgreSQL takes connections", 60, || {
            self.ask("SELECT 1::BIGINT").is_some()
        });
    }

    fn ask(&self, query: &str) -> Option<i64> {
        self.ask_in("postgres", query)
    }

    /// The number that a query of the database gives; nothing while the server does not answer.
    pub fn number(&self, query: &str) -> Option<i64> {
        self.ask_in("news", query)
    }

    fn ask_in(&self, database: &str, query: &str) -> Option<i64> {
        let query = AssertSqlSafe(query.to_owned());
        runtime().block_on(async {
            let mut connection = PgConnection::connect(&self.url_of(database)).await.ok()?;
            sqlx::query_scalar(query).fetch_one(&mut connection).await.ok()
        })
    }

    /// Runs statements as its superuser.
    pub fn execute(&self, database: &str, statement: &str) {
        let url = self.url_of(database);
        runtime().block_on(crate::database::execute(crate::Engine::Postgres, &url, statement));
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://tidings@{}/{database}", self.address())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.keeper.wait();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs nothing but memory")
}

/// With an empty folder `data` in it that PostgreSQL may use.
fn new_folder() -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("tidings-cluster-")
        .tempdir()
        .expect("a temporary folder");
    crate::permit(folder.path(), 0o755);
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder in the test's folder");
    crate::permit(&data, 0o700);
    postgres::give_to_server(&data);
    folder
}
