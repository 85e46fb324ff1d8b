//! A Maildir: what lies in its folder `new` is read and kept for good, and only then moved into `cur`.

use crate::{Intake, IntakeError, Mail};
use futures_util::future::try_join_all;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidings_feedback::message::LOOKED_AT;
use tidings_store::feedback::Way;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// So many messages are read at once at most, and so many octets of them and one more message.
const MOST_AT_ONCE: usize = 64;
const MOST_OCTETS: usize = LOOKED_AT;
/// What is under way when the process is to end may be done within this time.
const GRACE: Duration = Duration::from_millis(700);

/// One Maildir.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaildirSettings {
    /// The folder that has `new` and `cur`.
    pub path: PathBuf,
    /// So long passes from one look to the next.
    pub poll: Duration,
}

impl MaildirSettings {
    /// So long passes from one look to the next if nothing else is said.
    pub const POLL: Duration = Duration::from_secs(5);
}

/// Why a Maildir cannot be read just now.
#[derive(Debug, thiserror::Error)]
pub enum MaildirFault {
    /// A folder is not there, or this user may not read it.
    #[error("cannot read {}: {error}", .folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// What was kept cannot be moved. It is read again, and known then.
    #[error("cannot move {} into cur: {error}", .file.display())]
    Move {
        /// Which.
        file: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// What was read could not be kept. It stays where it is.
    #[error("what was read stays in the Maildir, for it could not be kept: {0}")]
    NotKept(#[from] IntakeError),
}

/// A file that could not be read.
#[derive(Debug)]
pub struct Unreadable {
    /// Which.
    pub file: PathBuf,
    /// Why.
    pub why: String,
}

/// What one look brought.
#[derive(Debug, Default)]
pub struct Brought {
    /// Messages that are kept and moved.
    pub messages: u64,
    /// Files that were passed over.
    pub unreadable: Vec<Unreadable>,
}

/// Whether this is a Maildir that can be read and changed; the fault if it is not.
pub fn look(path: &Path) -> Result<(), MaildirFault> {
    for name in ["new", "cur"] {
        let folder = path.join(name);
        std::fs::read_dir(&folder).map_err(|error| MaildirFault::Folder { folder, error })?;
    }
    Ok(())
}

/// Reads a Maildir until `stop`, whatever happens to it meanwhile.
pub async fn run(intake: Intake, settings: MaildirSettings, stop: CancellationToken) {
    let mut told = HashSet::new();
    let mut told_fault = String::new();
    while !stop.is_cancelled() {
        let passed = tokio::select! {
            passed = pass(&intake, &settings.path, &stop) => passed,
            () = async { stop.cancelled().await; sleep(GRACE).await } => return,
        };
        match passed {
            Ok(brought) => {
                told_fault.clear();
                warn_once(&mut told, brought.unreadable);
            }
            Err(MaildirFault::NotKept(IntakeError::Stopped)) => return,
            Err(fault) => {
                let fault = fault.to_string();
                if fault != told_fault {
                    let seconds = settings.poll.as_secs_f64();
                    tracing::warn!(
                        "Maildir {}: {fault}; it is tried again every {seconds:.0} s",
                        settings.path.display()
                    );
                    told_fault = fault;
                }
            }
        }
        stop.run_until_cancelled(sleep(settings.poll)).await;
    }
}

/// A file is named once, not at every look.
fn warn_once(told: &mut HashSet<PathBuf>, unreadable: Vec<Unreadable>) {
    for Unreadable { file, why } in &unreadable {
        if !told.contains(file) {
            tracing::warn!("{} is passed over: {why}", file.display());
        }
    }
    *told = unreadable.into_iter().map(|one| one.file).collect();
}

/// Looks once: everything in `new` is kept and moved into `cur`, marked as read if it was understood. Ends between two
/// batches when `stop` says so.
pub async fn pass(intake: &Intake, path: &Path, stop: &CancellationToken) -> Result<Brought, MaildirFault> {
    let mut brought = Brought::default();
    let new = path.join("new");
    let names = blocking(move || names(&new)).await?;
    let mut names = names.into_iter();
    while !names.as_slice().is_empty() && !stop.is_cancelled() {
        let folder = path.join("new");
        let (batch, rest) = blocking(move || read_some(&folder, names)).await;
        names = rest;
        brought.unreadable.extend(batch.unreadable);
        let keeping = batch.messages.into_iter().map(|(name, octets)| async move {
            let mail = Mail {
                way: Way::Maildir,
                recipients: Vec::new(),
                octets,
            };
            Ok::<_, IntakeError>((name, intake.take_mail(mail).await?))
        });
        let kept = try_join_all(keeping).await?;
        brought.messages += kept.len() as u64;
        let path = path.to_owned();
        blocking(move || {
            kept.iter()
                .try_for_each(|(name, is_understood)| file(&path, name, *is_understood))
        })
        .await?;
    }
    Ok(brought)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .expect("reading files does not panic")
}

/// The names in a folder, in their order, which is that of arrival. What begins with a dot is no message.
fn names(folder: &Path) -> Result<Vec<OsString>, MaildirFault> {
    let fault = |error| MaildirFault::Folder {
        folder: folder.to_owned(),
        error,
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        let name = entry.map_err(fault)?.file_name();
        if !name.as_bytes().starts_with(b".") {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Messages that are kept together.
#[derive(Default)]
struct Batch {
    messages: Vec<(OsString, Vec<u8>)>,
    unreadable: Vec<Unreadable>,
}

/// Reads the next messages; the rest of the names comes back.
fn read_some(
    folder: &Path,
    mut names: std::vec::IntoIter<OsString>,
) -> (Batch, std::vec::IntoIter<OsString>) {
    let mut batch = Batch::default();
    let mut octets = 0;
    while batch.messages.len() < MOST_AT_ONCE && octets < MOST_OCTETS {
        let Some(name) = names.next() else { break };
        let file = folder.join(&name);
        match read(&file) {
            Ok(message) => {
                octets += message.len();
                batch.messages.push((name, message));
            }
            // Somebody else has taken it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let why = error.to_string();
                batch.unreadable.push(Unreadable { file, why });
            }
        }
    }
    (batch, names)
}

/// The beginning of a file. Nothing else than a file is opened, and no link is followed.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let not_a_file = || io::Error::other("it is not a file");
    let seen = std::fs::symlink_metadata(file)?;
    if !seen.is_file() {
        return Err(not_a_file());
    }
    let opened = File::open(file)?;
    let found = opened.metadata()?;
    // Somebody could have put a link in its place meanwhile.
    if (found.dev(), found.ino()) != (seen.dev(), seen.ino()) {
        return Err(not_a_file());
    }
    let mut octets = Vec::new();
    opened.take(LOOKED_AT as u64).read_to_end(&mut octets)?;
    Ok(octets)
}

/// Moves a message into `cur`, over nobody else's.
fn file(path: &Path, name: &OsStr, is_understood: bool) -> Result<(), MaildirFault> {
    let from = path.join("new").join(name);
    let name = name.as_bytes();
    let unique = name.split(|octet| *octet == b':').next().unwrap_or(name);
    let place = |number: u32| {
        let mut name = OsStr::from_bytes(unique).to_owned();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        name.push(if is_understood { ":2,S" } else { ":2," });
        path.join("cur").join(name)
    };
    let mut number = 0;
    while place(number).symlink_metadata().is_ok() {
        number += 1;
    }
    match std::fs::rename(&from, place(number)) {
        // Somebody else has taken it.
        Err(error) if error.kind() == io::ErrorKind::NotFound && !from.exists() => Ok(()),
        other => other.map_err(|error| MaildirFault::Move { file: from, error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maildir() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["new", "cur", "tmp"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        folder
    }

    #[test]
    fn only_files_are_read_and_no_link_is_followed() {
        let folder = maildir();
        let new = folder.path().join("new");
        std::fs::write(new.join("2.b.host"), "second").unwrap();
        std::fs::write(new.join("1.a.host"), "first").unwrap();
        std::fs::write(new.join(".hidden"), "no message").unwrap();
        std::fs::create_dir(new.join("3.folder")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", new.join("4.link")).unwrap();
        let (batch, rest) = read_some(&new, names(&new).unwrap().into_iter());
        let read: Vec<_> = batch.messages.iter().map(|(_, octets)| &octets[..]).collect();
        assert_eq!(read, [&b"first"[..], b"second"]);
        let passed: Vec<_> = batch
            .unreadable
            .iter()
            .map(|one| one.file.file_name().unwrap())
            .collect();
        assert_eq!(passed, ["3.folder", "4.link"]);
        assert!(rest.as_slice().is_empty());
    }

    #[test]
    fn of_a_long_message_only_the_beginning_is_read_and_it_ends_the_batch() {
        let folder = maildir();
        let new = folder.path().join("new");
        File::create(new.join("1.long"))
            .unwrap()
            .set_len(50 << 20)
            .unwrap();
        std::fs::write(new.join("2.short"), "short").unwrap();
        let (batch, rest) = read_some(&new, names(&new).unwrap().into_iter());
        assert_eq!(batch.messages.len(), 1);
        assert_eq!(batch.messages[0].1.len(), LOOKED_AT);
        assert_eq!(rest.as_slice(), ["2.short"]);
    }

    #[test]
    fn what_is_done_is_moved_with_its_mark_and_over_nobody_elses() {
        let folder = maildir();
        let write = |name: &str| std::fs::write(folder.path().join(name), name).unwrap();
        for name in ["new/1.a", "new/2.b:2,", "new/3.c", "cur/3.c:2,S"] {
            write(name);
        }
        file(folder.path(), OsStr::new("1.a"), true).unwrap();
        file(folder.path(), OsStr::new("2.b:2,"), false).unwrap();
        file(folder.path(), OsStr::new("3.c"), true).unwrap();
        file(folder.path(), OsStr::new("4.gone"), true).unwrap();
        assert_eq!(
            names(&folder.path().join("cur")).unwrap(),
            ["1.a:2,S", "2.b:2,", "3.c.1:2,S", "3.c:2,S"]
        );
        assert!(names(&folder.path().join("new")).unwrap().is_empty());
    }
}
