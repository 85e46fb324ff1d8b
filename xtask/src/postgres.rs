//! A PostgreSQL cluster of our own: free port, temporary folder, gone afterwards whatever happens.

use crate::components::{find, is_root};
use anyhow::{Context, bail};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Keeps the cluster for as long as its standard input is open, so that it cleans up however its parent ends: by a
/// return, a panic, Ctrl-C or kill -9. The last line that it reads is a process group to end first, or empty.
const KEEPER: &str = r#"
folder=$1; shift
"$@" >"$folder/postgres.log" 2>&1 </dev/null &
server=$!
group=
while read -r line; do group=$line; done
[ -z "$group" ] || kill -s KILL -- "-$group" 2>/dev/null
kill -s INT "$server" 2>/dev/null
wait "$server"
rm -rf "$folder"
"#;

/// A running cluster with a folder for temporary files beside it. Dropping it removes both.
pub struct Cluster {
    keeper: Child,
    lifeline: Option<ChildStdin>,
    folder: PathBuf,
    port: u16,
}

/// What a server need not survive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// A power cut: only our own processes are killed, never the server.
    NotNeeded,
    /// Nothing: as PostgreSQL is by default, and it counts how long each statement takes.
    AsByDefault,
}

impl Cluster {
    /// Makes and starts a cluster for tests; returns when it takes connections.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_as(Durability::NotNeeded)
    }

    /// The same for measuring: what it has committed is on the disk, and it has `pg_stat_statements`.
    pub fn start_durable() -> anyhow::Result<Self> {
        Self::start_as(Durability::AsByDefault)
    }

    fn start_as(durability: Durability) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("tidings-test-")
            .tempdir()
            .context("a temporary folder")?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        std::fs::create_dir(folder.path().join("tmp"))?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data)?;
        let user = server_user()?;
        if let Some(user) = user {
            std::os::unix::fs::chown(&data, Some(user.uid), Some(user.gid))
                .context("giving the folder to PostgreSQL")?;
        }
        initdb(&data, user)?;
        let port = free_port()?;
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(folder.path())
            .args(server(&data, port, user, durability)?)
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .context("sh")?;
        let lifeline = keeper.stdin.take();
        // From here on the keeper removes the folder.
        let mut cluster = Self {
            keeper,
            lifeline,
            folder: folder.keep(),
            port,
        };
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    /// The URL of the maintenance database, for a user who may create databases.
    pub fn url(&self) -> String {
        format!("postgres://tidings@127.0.0.1:{}/postgres", self.port)
    }

    /// A folder for temporary files that is removed with the cluster.
    pub fn temporary_folder(&self) -> PathBuf {
        self.folder.join("tmp")
    }

    /// Should we be killed while this process runs, its process group is ended as well.
    pub fn wait_for(&mut self, child: &mut Child) -> anyhow::Result<ExitStatus> {
        self.tell_keeper(&child.id().to_string())?;
        let status = child.wait()?;
        self.tell_keeper("")?;
        Ok(status)
    }

    fn tell_keeper(&mut self, line: &str) -> anyhow::Result<()> {
        let lifeline = self
            .lifeline
            .as_mut()
            .expect("the lifeline is closed only by drop");
        writeln!(lifeline, "{line}").context("the cluster's keeper is gone")
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let pg_isready = find("pg_isready").context("pg_isready not found beside initdb")?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            // By the socket in its own folder: at the port another run's server might answer, which was faster.
            let status = Command::new(&pg_isready)
                .arg("-q")
                .arg("-h")
                .arg(self.folder.join("data"))
                .args(["-p", &self.port.to_string(), "-d", "postgres"])
                .status()
                .context("pg_isready")?;
            if status.success() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = std::fs::read_to_string(self.folder.join("postgres.log")).unwrap_or_default();
        bail!("PostgreSQL did not start within a minute:\n{log}")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        if let Err(error) = self.keeper.wait() {
            eprintln!("xtask: {} may be left behind: {error}", self.folder.display());
        }
    }
}

/// Whom the server runs as: PostgreSQL refuses to run as root.
#[derive(Clone, Copy)]
struct ServerUser {
    uid: u32,
    gid: u32,
}

fn server_user() -> anyhow::Result<Option<ServerUser>> {
    if !is_root() {
        return Ok(None);
    }
    let passwd = std::fs::read_to_string("/etc/passwd").context("/etc/passwd")?;
    let of = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map(str::parse);
        Some(ServerUser {
            uid: ids.next()?.ok()?,
            gid: ids.next()?.ok()?,
        })
    };
    let user = of("postgres").or_else(|| of("nobody"));
    Ok(Some(user.context(
        "neither a user `postgres` nor `nobody` to run PostgreSQL as",
    )?))
}

/// `program` as the server's user. It replaces the process that starts it, so its id is the server's.
fn command_line(program: &str, user: Option<ServerUser>) -> anyhow::Result<Vec<String>> {
    let program = find(program)
        .with_context(|| format!("{program} not found"))?
        .display()
        .to_string();
    Ok(match user {
        None => vec![program],
        Some(ServerUser { uid, gid }) => vec![
            "setpriv".into(),
            format!("--reuid={uid}"),
            format!("--regid={gid}"),
            "--clear-groups".into(),
            program,
        ],
    })
}

fn initdb(data: &Path, user: Option<ServerUser>) -> anyhow::Result<()> {
    let line = command_line("initdb", user)?;
    let output = Command::new(&line[0])
        .args(&line[1..])
        .args([
            "--username=tidings",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ])
        .arg("--pgdata")
        .arg(data)
        .current_dir(data)
        .output()
        .context("initdb")?;
    if !output.status.success() {
        bail!("initdb failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn server(
    data: &Path,
    port: u16,
    user: Option<ServerUser>,
    durability: Durability,
) -> anyhow::Result<Vec<String>> {
    let mut line = command_line("postgres", user)?;
    let data = data.display();
    line.extend(["-D".into(), data.to_string(), "-p".into(), port.to_string()]);
    let mut set = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={data}"),
        "max_connections=200".to_owned(),
        "dynamic_shared_memory_type=mmap".to_owned(),
    ];
    match durability {
        Durability::NotNeeded => set.extend(["fsync=off".to_owned(), "full_page_writes=off".to_owned()]),
        Durability::AsByDefault => set.push("shared_preload_libraries=pg_stat_statements".to_owned()),
    }
    line.extend(set.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
    Ok(line)
}

fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("a free port")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_takes_connections_and_leaves_nothing_behind() {
        let cluster = Cluster::start().unwrap();
        let (folder, port) = (cluster.folder.clone(), cluster.port);
        assert!(folder.join("data").exists());
        drop(cluster);
        assert!(!folder.exists());
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }

    #[test]
    fn should_we_be_killed_the_tests_are_ended_and_the_folder_removed() {
        let mut cluster = Cluster::start().unwrap();
        let folder = cluster.folder.clone();
        let mut child = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();
        cluster.tell_keeper(&child.id().to_string()).unwrap();
        // What the kernel does when a process dies.
        drop(cluster.lifeline.take());
        assert!(!child.wait().unwrap().success());
        cluster.keeper.wait().unwrap();
        assert!(!folder.exists());
    }
}
