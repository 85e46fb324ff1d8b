//! A PostgreSQL server whose disk is full when a test wants it to be.

use crate::jail::Jail;
use crate::{App, free_port};
use tempfile::TempDir;

/// A server of its own. Its log is on the common disk; the tables of its databases are on a memory file system that
/// nobody else sees.
pub struct SmallServer {
    port: u16,
    // Declared before the folder: the server ends before its files go.
    _jail: Jail,
    _folder: TempDir,
}

/// Debian keeps the server's programs beside PATH. The server refuses to run as the superuser.
const START: &str = r#"
PATH="$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)"
user=nobody
if id postgres >/dev/null 2>&1; then user=postgres; fi
as="setpriv --reuid=$(id -u $user) --regid=$(id -g $user) --clear-groups"
mkdir data small
chown "$user" data
mount -t tmpfs -o "size=48m,mode=0700,uid=$(id -u $user)" tmpfs small
$as initdb --username=tidings --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync --pgdata=data
exec $as postgres -D data -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c fsync=off -c full_page_writes=off -c dynamic_shared_memory_type=mmap
"#;

impl SmallServer {
    /// Makes and starts one; returns when it takes connections. Only the superuser may mount something.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("tidings-small-")
            .tempdir()
            .expect("a temporary folder");
        crate::permit(folder.path(), 0o755);
        let port = free_port();
        let script = folder.path().join("start.sh");
        let begin = format!("cd '{}'\nport={port}\n", folder.path().display());
        std::fs::write(&script, begin + START).expect("a file in the test's folder");
        let log = folder.path().join("postgres.log");
        let mut jail = Jail::start(&script, &log);
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        crate::wait_until("PostgreSQL takes connections", 60, || {
            assert!(
                !jail.has_ended(),
                "no small server; run the tests as the superuser, who may mount one a disk: {}",
                said()
            );
            said().contains("ready to accept connections")
        });
        let server = Self {
            port,
            _jail: jail,
            _folder: folder,
        };
        let tablespace = server._folder.path().join("small");
        server.execute(&format!(
            "CREATE TABLESPACE small LOCATION '{}'",
            tablespace.display()
        ));
        server
    }

    /// The URL of the maintenance database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://tidings@127.0.0.1:{}/postgres", self.port)
    }

    /// Leaves no room for the tables of an installation on this server: a file beside them takes it all.
    pub fn fill(&self, app: &App) {
        let refused = app.database.refuses(&format!(
            "COPY (SELECT repeat('x', 8000) FROM generate_series(1, 1000000)) TO '{}'",
            self.ballast()
        ));
        assert!(refused.contains("No space left on device"), "{refused}");
    }

    /// Makes room again.
    pub fn free(&self, app: &App) {
        app.database
            .execute(&format!("COPY (SELECT 1 WHERE FALSE) TO '{}'", self.ballast()));
    }

    fn ballast(&self) -> String {
        self._folder.path().join("small/ballast").display().to_string()
    }

    fn execute(&self, statement: &str) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(crate::database::execute(
            crate::Engine::Postgres,
            &self.url(),
            statement,
        ));
    }
}
