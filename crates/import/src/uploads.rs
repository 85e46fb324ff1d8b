//! Files that people have uploaded and that are not imported yet. Each lies in the data folder beside a note that says whose it is
//! and what was said about it; after a day both go.
//!
//! How a file comes in is in `uploads/incoming.rs`, why one is not taken in `uploads/fault.rs`, and when files go in
//! `uploads/old.rs`.

mod fault;
mod id;
mod incoming;
mod old;

pub use fault::UploadFault;
pub use id::{NoUploadId, UploadId};
pub use incoming::{Incoming, Purpose};
pub(crate) use old::long_there;

use crate::page_words::{of_columns, of_file};
use crate::wishes::Wishes;
use data_encoding::HEXLOWER;
use incoming::Coming;
use serde::{Deserialize, Serialize};
use sha2::Digest;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use tidings_campaign::csv_import::{Look, Refusal, Source};
use tidings_campaign::time::Timestamp;

/// How the names of files begin that belong to an import.
pub(crate) const INCOMING: &str = "incoming-";

/// The folder of files that were uploaded and wait, in the data folder.
pub const UPLOADS: &str = "uploads";

/// What the name of a file ends with that is still coming in.
pub(crate) const COMING: &str = ".part";
/// Characters of a file's name that are kept.
const LONGEST_NAME: usize = 200;

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

/// The folder of uploads. What it does touches the disk.
#[derive(Clone, Debug)]
pub struct Uploads {
    folder: PathBuf,
    coming: Coming,
    /// Octets of a file at most.
    pub largest: u64,
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
        let mut upload = Upload {
            id: UploadId::random().map_err(UploadFault::Disk)?,
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

#[cfg(test)]
mod tests;
