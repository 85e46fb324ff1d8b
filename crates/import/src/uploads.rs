//! Files that people have uploaded and that are not imported yet. Each lies in the data folder beside a note that says whose it is
//! and what was said about it; after a day both go.

use crate::wishes::Wishes;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tempfile::NamedTempFile;
use tidings_campaign::csv_import::{Look, MapError, Refusal, Source};
use tidings_campaign::time::Timestamp;

/// After so long without anything said about it an upload goes.
const KEPT: Duration = Duration::from_secs(86_400);
/// Uploads that one person may have waiting or coming in, and as many lists of suppressions coming in.
const WAITING: usize = 10;
/// How the names of files begin that belong to an import.
pub(crate) const INCOMING: &str = "incoming-";

/// The folder of files that were uploaded and wait, in the data folder.
pub const UPLOADS: &str = "uploads";

/// What the name of a file ends with that is still coming in.
pub(crate) const COMING: &str = ".part";
/// Characters of a file's name that are kept.
const LONGEST_NAME: usize = 200;

/// The name of an upload, which nobody can guess.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct UploadId(String);

/// Not the name of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an upload has a name of 32 hexadecimal digits")]
pub struct NoUploadId;

impl std::str::FromStr for UploadId {
    type Err = NoUploadId;
    fn from_str(text: &str) -> Result<Self, NoUploadId> {
        let is_one = text.len() == 32 && text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        is_one.then(|| UploadId(text.to_owned())).ok_or(NoUploadId)
    }
}

impl std::fmt::Display for UploadId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of an upload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Upload {
    /// Its name.
    pub id: UploadId,
    /// Who uploaded it, as the audit log names them. Nobody else sees it.
    pub owner: String,
    /// What the file is called there.
    pub name: String,
    /// Its length.
    pub octets: u64,
    /// Its checksum, hexadecimal.
    pub sha256: String,
    /// When something was last said about it.
    pub at: Timestamp,
    /// The list that it is to be imported into.
    pub list: String,
    /// Where the recipients' consent comes from.
    pub consent: Option<String>,
    /// What was said about it.
    pub wishes: Wishes,
    /// What it was found to be; nothing if that cannot be said.
    pub look: Option<Look>,
    /// Why it cannot be imported like this.
    pub fault: Option<String>,
}

/// Why a file cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadFault {
    /// It is larger than allowed.
    #[error(
        "The file is larger than {} MiB, which is the most that may be uploaded here. Pack it as .gz or .zip, or import it on the \
         server: `tidings import FILE`", .0 >> 20
    )]
    TooLarge(u64),
    /// The disk is full.
    #[error(
        "The disk of the server is full: nothing was kept of the file. Make room there, and upload it again."
    )]
    DiskFull,
    /// Nothing was in it.
    #[error("The file is empty.")]
    Empty,
    /// It did not come to its end.
    #[error("The upload broke off. Upload the file again.")]
    BrokenOff,
    /// The person has too many.
    #[error(
        "{WAITING} of your files are waiting or coming in already: import or remove one of them first, or let them come."
    )]
    TooMany,
    /// It cannot be kept.
    #[error("The file cannot be kept in the data folder: {0}")]
    Disk(io::Error),
}

impl From<io::Error> for UploadFault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => UploadFault::DiskFull,
            _ => UploadFault::Disk(error),
        }
    }
}

/// What a file comes in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// It waits until somebody imports it.
    Import,
    /// It is read at once, and gone.
    Suppressions,
}

/// How many files are coming in, for each person and purpose.
type Coming = Arc<Mutex<HashMap<(String, Purpose), usize>>>;

/// One file of these, until it is dropped.
#[derive(Debug)]
struct Place {
    coming: Coming,
    whose: (String, Purpose),
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(n) = coming.get_mut(&self.whose) {
            *n -= 1;
            if *n == 0 {
                coming.remove(&self.whose);
            }
        }
    }
}

/// The folder of uploads.
#[derive(Clone, Debug)]
pub struct Uploads {
    folder: PathBuf,
    coming: Coming,
    /// Octets of a file at most.
    pub largest: u64,
}

/// A file that is coming in. What is dropped before it has come leaves nothing behind.
#[derive(Debug)]
pub struct Incoming {
    file: NamedTempFile,
    hasher: Sha256,
    octets: u64,
    largest: u64,
    /// Until it waits, or is read.
    _place: Place,
}

impl Incoming {
    /// Takes some octets more.
    pub fn write(&mut self, octets: &[u8]) -> Result<(), UploadFault> {
        self.octets += octets.len() as u64;
        if self.octets > self.largest {
            return Err(UploadFault::TooLarge(self.largest));
        }
        self.hasher.update(octets);
        Ok(self.file.write_all(octets)?)
    }

    /// The file, to be read from its beginning; gone when it is closed.
    pub fn into_file(self) -> Result<File, UploadFault> {
        if self.octets == 0 {
            return Err(UploadFault::Empty);
        }
        Ok(self.file.reopen()?)
    }
}

impl Uploads {
    /// In this data folder.
    pub fn in_folder(data: &Path, largest: u64) -> Uploads {
        Uploads {
            folder: data.join(UPLOADS),
            coming: Coming::default(),
            largest,
        }
    }

    /// Makes room for a file of this person's. Touches the disk, as everything below.
    pub fn begin(&self, owner: &str, purpose: Purpose) -> Result<Incoming, UploadFault> {
        let place = self.place(owner, purpose)?;
        std::fs::create_dir_all(&self.folder)?;
        let file = tempfile::Builder::new()
            .suffix(COMING)
            .tempfile_in(&self.folder)?;
        Ok(Incoming {
            file,
            hasher: Sha256::new(),
            octets: 0,
            largest: self.largest,
            _place: place,
        })
    }

    fn place(&self, owner: &str, purpose: Purpose) -> Result<Place, UploadFault> {
        let whose = (owner.to_owned(), purpose);
        // Held while it is counted, so that several that begin at once see each other.
        let mut coming = self.coming.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = match purpose {
            Purpose::Import => self.of(owner).len(),
            Purpose::Suppressions => 0,
        };
        if waiting + coming.get(&whose).copied().unwrap_or_default() >= WAITING {
            return Err(UploadFault::TooMany);
        }
        *coming.entry(whose.clone()).or_default() += 1;
        Ok(Place {
            coming: Arc::clone(&self.coming),
            whose,
        })
    }

    /// Keeps a file that has come. `name`: as its owner calls it.
    pub fn finish(
        &self,
        incoming: Incoming,
        (owner, name): (&str, &str),
        (list, consent): (&str, Option<&str>),
        now: Timestamp,
    ) -> Result<Upload, UploadFault> {
        if incoming.octets == 0 {
            return Err(UploadFault::Empty);
        }
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| UploadFault::Disk(error.into()))?;
        let mut upload = Upload {
            id: UploadId(HEXLOWER.encode(&random)),
            owner: owner.to_owned(),
            name: plain_name(name),
            octets: incoming.octets,
            sha256: HEXLOWER.encode(&incoming.hasher.finalize()),
            at: now,
            list: list.to_owned(),
            consent: consent.map(str::to_owned),
            wishes: Wishes::default(),
            look: None,
            fault: None,
        };
        incoming.file.as_file().sync_all()?;
        let kept = incoming.file.persist(self.path(&upload.id));
        kept.map_err(|error| UploadFault::from(error.error))?;
        self.look(&mut upload, now)?;
        Ok(upload)
    }

    /// Looks at the file with what was said about it, and keeps what is seen.
    pub fn look(&self, upload: &mut Upload, now: Timestamp) -> Result<(), UploadFault> {
        upload.at = now;
        let seen = upload.wishes.options().map(|options| {
            let file = File::open(self.path(&upload.id)).map_err(Refusal::Unreadable)?;
            Look::at(Source::File(file), &options, tempfile::tempfile)
        });
        (upload.look, upload.fault) = match seen {
            Err(unclear) => (None, Some(format!("{unclear:#}."))),
            Ok(Err(refusal)) => (None, Some(of_file(&refusal))),
            Ok(Ok((look, fault))) => (Some(look), fault.as_ref().map(of_columns)),
        };
        self.keep(upload)
    }

    fn keep(&self, upload: &Upload) -> Result<(), UploadFault> {
        let mut note = NamedTempFile::new_in(&self.folder)?;
        note.write_all(&serde_json::to_vec(upload).expect("texts and numbers can be written as JSON"))?;
        let kept = note.persist(self.note(&upload.id));
        kept.map_err(|error| UploadFault::from(error.error))?;
        Ok(())
    }

    /// The upload of this name, if it is this person's.
    pub fn find(&self, id: &UploadId, owner: &str) -> Option<Upload> {
        let upload = self.read(&self.note(id))?;
        (upload.owner == owner && self.path(id).is_file()).then_some(upload)
    }

    fn read(&self, note: &Path) -> Option<Upload> {
        serde_json::from_slice(&std::fs::read(note).ok()?).ok()
    }

    /// All uploads of a person, the newest first.
    pub fn of(&self, owner: &str) -> Vec<Upload> {
        let mut found: Vec<Upload> = self
            .files()
            .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
            .filter_map(|note| self.read(&note))
            .filter(|upload| upload.owner == owner && self.path(&upload.id).is_file())
            .collect();
        found.sort_by_key(|upload| std::cmp::Reverse(upload.at));
        found
    }

    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        entries.flatten().map(|entry| entry.path())
    }

    /// Where the file is.
    pub(crate) fn path(&self, id: &UploadId) -> PathBuf {
        self.folder.join(format!("{id}.data"))
    }

    fn note(&self, id: &UploadId) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }

    /// Forgets an upload. The file may be elsewhere by now.
    pub fn remove(&self, id: &UploadId) {
        for path in [self.note(id), self.path(id)] {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::warn!("cannot remove {}: {error}", path.display());
                }
                _ => {}
            }
        }
    }

    /// Forgets what nobody has come back to for a day, and what never came to its end.
    pub fn expire(&self, now: Timestamp) {
        for path in self.files() {
            let is = |kind: &str| path.extension().is_some_and(|ending| ending == kind);
            let upload = is("json").then(|| self.read(&path)).flatten();
            // A file goes with its note.
            let has_note = is("data") && path.with_extension("json").exists();
            let at = match &upload {
                Some(upload) => Some(upload.at),
                None => changed(&path),
            };
            if has_note || at.is_none_or(|at| now.since(at) <= KEPT) {
                continue;
            }
            match upload {
                Some(upload) => self.remove(&upload.id),
                None => drop(std::fs::remove_file(&path)),
            }
        }
    }
}

/// Files that imports were to have, in the data folder, and that are older than a day: those that no import names are of a
/// process that was cut off before it was recorded.
pub(crate) fn long_there(data: &Path, now: Timestamp) -> Vec<PathBuf> {
    let is_of_import = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(INCOMING)) && path.is_file()
    };
    let is_old = |path: &PathBuf| changed(path).is_some_and(|at| now.since(at) > KEPT);
    let entries = std::fs::read_dir(data).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| is_of_import(path) && is_old(path))
        .collect()
}

fn changed(path: &Path) -> Option<Timestamp> {
    let modified = path.metadata().ok()?.modified().ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_micros()).ok().map(Timestamp)
}

/// The last part of a name, as one line. Some browsers tell whole paths.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_NAME)
        .collect();
    match plain.trim() {
        "" => "upload".to_owned(),
        plain => plain.to_owned(),
    }
}

/// Why a file is refused, for people who have no options but fields.
fn of_file(refusal: &Refusal) -> String {
    match refusal {
        Refusal::SeveralParts { what, names, .. } => {
            format!("There are several {what} in it: {names}. Say below which one is meant.")
        }
        Refusal::NoParts(_) => "There are no parts in this file: leave that field empty.".to_owned(),
        Refusal::OnlyHeader { place } => format!(
            "In this file {place} is the header, and no row comes after it: there is nobody in it. Export or save it again with \
             its rows, or say below that the first row is a recipient."
        ),
        Refusal::Map { error, .. } => of_columns(error),
        other => format!("The file {other}."),
    }
}

/// The same of its columns.
fn of_columns(fault: &MapError) -> String {
    match fault {
        MapError::NoEmail(_) => {
            "No column looks like e-mail addresses. Say below which one it is.".to_owned()
        }
        MapError::SeveralEmails { candidates, .. } => {
            format!("Several columns could be the e-mail address: {candidates}. Say below which one it is.")
        }
        MapError::SameField {
            first, second, field, ..
        } => format!(
            "The columns {first} and {second} both become `{field}`: give one of them another name, or leave it out."
        ),
        other => format!("{other}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000_000);

    fn uploads(largest: u64) -> (tempfile::TempDir, Uploads) {
        let data = tempfile::tempdir().unwrap();
        let uploads = Uploads::in_folder(data.path(), largest);
        (data, uploads)
    }

    fn upload(uploads: &Uploads, content: &str) -> Upload {
        let mut incoming = uploads.begin("ada", Purpose::Import).unwrap();
        incoming.write(content.as_bytes()).unwrap();
        let names = ("ada", "C:\\lists\\people.csv");
        uploads.finish(incoming, names, ("readers", None), NOW).unwrap()
    }

    #[test]
    fn an_upload_is_its_owners_alone_and_goes_after_a_day() {
        let (_data, uploads) = uploads(1 << 20);
        let one = upload(&uploads, "email,city\na@example.com,Bern\n");
        assert_eq!(one.name, "people.csv");
        assert!(uploads.find(&one.id, "ada").is_some() && uploads.find(&one.id, "bob").is_none());
        let day = |days: i64| Timestamp(NOW.0 + days * 86_400_000_000);
        uploads.expire(day(1));
        assert_eq!(uploads.of("ada").len(), 1);
        uploads.expire(day(2));
        assert!(uploads.of("ada").is_empty() && uploads.files().next().is_none());
    }

    #[test]
    fn what_is_too_large_or_empty_leaves_nothing_behind() {
        let (_data, uploads) = uploads(10);
        let mut incoming = uploads.begin("ada", Purpose::Import).unwrap();
        incoming.write(b"0123456789").unwrap();
        assert!(matches!(incoming.write(b"x"), Err(UploadFault::TooLarge(10))));
        drop(incoming);
        let incoming = uploads.begin("ada", Purpose::Import).unwrap();
        let kept = uploads.finish(incoming, ("ada", "x"), ("readers", None), NOW);
        assert!(matches!(kept, Err(UploadFault::Empty)));
        assert!(uploads.files().next().is_none());
    }

    #[test]
    fn a_full_disk_is_said_in_a_sentence() {
        let fault = UploadFault::from(io::Error::from(ErrorKind::StorageFull));
        assert!(fault.to_string().starts_with("The disk of the server is full"));
    }

    #[test]
    fn what_was_said_about_a_file_is_looked_at_again() {
        let (_data, uploads) = uploads(1 << 20);
        let mut one = upload(&uploads, "who;where\nx;a@example.com\ny;b@example.com\n");
        let look = one.look.clone().unwrap();
        assert_eq!(look.delimiter.as_deref(), Some("semicolon"));
        assert_eq!(look.columns[1].field.as_deref(), Some("email"));
        one.wishes.header = Some(false);
        uploads.look(&mut one, NOW).unwrap();
        assert_eq!(one.look.unwrap().columns[0].values, ["who", "x", "y"]);
        let two = upload(&uploads, "a,b\n1,2\n");
        assert!(two.fault.unwrap().starts_with("No column looks like"));
        assert_eq!(two.look.unwrap().columns.len(), 2);
    }

    #[test]
    fn files_that_come_in_are_counted_and_suppressions_have_places_of_their_own() {
        let (_data, uploads) = uploads(1 << 20);
        for _ in 0..WAITING - 1 {
            upload(&uploads, "email\na@example.com\n");
        }
        let coming = uploads.begin("ada", Purpose::Import).unwrap();
        let one_more = |purpose| uploads.clone().begin("ada", purpose).map(drop);
        assert!(matches!(one_more(Purpose::Import), Err(UploadFault::TooMany)));
        assert!(uploads.begin("bob", Purpose::Import).is_ok());
        let suppressions: Vec<_> = (0..WAITING)
            .map(|_| uploads.begin("ada", Purpose::Suppressions).unwrap())
            .collect();
        assert!(matches!(
            one_more(Purpose::Suppressions),
            Err(UploadFault::TooMany)
        ));
        drop((coming, suppressions));
        assert!(one_more(Purpose::Import).is_ok() && one_more(Purpose::Suppressions).is_ok());
    }

    #[test]
    fn files_of_imports_are_old_after_a_day() {
        let data = tempfile::tempdir().unwrap();
        for name in ["incoming-abc", "tidings.db"] {
            std::fs::write(data.path().join(name), "x").unwrap();
        }
        let now = changed(&data.path().join("incoming-abc")).unwrap();
        let later = |hours: i64| Timestamp(now.0 + hours * 3_600_000_000);
        assert!(long_there(data.path(), later(23)).is_empty());
        assert_eq!(
            long_there(data.path(), later(25)),
            [data.path().join("incoming-abc")]
        );
    }

    #[test]
    fn names_of_uploads_are_no_paths() {
        assert!("../../../../etc/passwd".parse::<UploadId>().is_err());
        assert!("0123456789abcdef0123456789abcdef".parse::<UploadId>().is_ok());
    }
}
