//! PostgreSQL's programs, for servers of a test's own. They refuse to run as root, and so run as somebody else then.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// A program of PostgreSQL as words of a command line. It replaces the process that starts it, so its id is the program's.
pub(crate) fn program(name: &str) -> Vec<String> {
    let program = Path::new(&crate::from_xtask("TIDINGS_TEST_POSTGRES_PROGRAMS")).join(name);
    let mut line = match server_user() {
        None => Vec::new(),
        Some((user, group)) => vec![
            "setpriv".to_owned(),
            format!("--reuid={user}"),
            format!("--regid={group}"),
            "--clear-groups".to_owned(),
        ],
    };
    line.push(program.display().to_string());
    line
}

/// What makes a server's files in `data`, which is an empty folder of the server's or not there yet.
pub(crate) fn initdb(data: &Path) -> Vec<String> {
    const OPTIONS: [&str; 5] = [
        "--username=tidings",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
    ];
    let mut line = program("initdb");
    line.extend(OPTIONS.map(str::to_owned));
    line.push(format!("--pgdata={}", data.display()));
    line
}

/// Runs a command line in `folder` to its end; panics with what it said if it fails.
#[track_caller]
pub(crate) fn run(line: &[String], folder: &Path) {
    let output = Command::new(&line[0])
        .args(&line[1..])
        .current_dir(folder)
        .output();
    let output = output.unwrap_or_else(|error| panic!("{line:?} does not start: {error}"));
    assert!(
        output.status.success(),
        "{line:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Gives a folder to whom the server runs as.
pub(crate) fn give_to_server(folder: &Path) {
    if let Some((user, group)) = server_user() {
        std::os::unix::fs::chown(folder, Some(user), Some(group)).expect("root may give a folder away");
    }
}

/// Whom PostgreSQL runs as if we are root: user and group.
fn server_user() -> Option<(u32, u32)> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !is_root {
        return None;
    }
    let passwd = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let of = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map(str::parse);
        Some((ids.next()?.ok()?, ids.next()?.ok()?))
    };
    let user = of("postgres").or_else(|| of("nobody"));
    Some(user.expect("a user `postgres` or `nobody` to run PostgreSQL as"))
}
