//! Files of the recipients' own: an attribute names the file, and it lies in a folder that the operator gave, never
//! outside it.

use crate::run::CannotRun;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidings_campaign::message::attachment::{Attachment, AttachmentError, EncodedFile, MAX_ATTACHMENT};
use tidings_campaign::recipient::Recipient;
use tokio::task::spawn_blocking;

/// So long a file is taken from memory, where many recipients share it.
const FRESH: Duration = Duration::from_secs(60);
/// What is kept in memory for each campaign, in octets.
const KEPT: usize = 32_000_000;
/// The longest name of a file with its folders, in octets.
const MAX_NAME: usize = 1000;

/// Where a campaign finds its recipients' own files.
#[derive(Debug)]
pub struct OwnFiles {
    attribute: String,
    folder: PathBuf,
    kept: Mutex<Kept>,
}

/// Why there is no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoFile {
    /// It is about this recipient.
    Recipient(String),
    /// It is about the folder or the disk: all recipients wait for a person.
    Folder(String),
}

impl OwnFiles {
    /// Opens the folder.
    pub async fn open(attribute: &str, folder: Option<&Path>) -> Result<OwnFiles, CannotRun> {
        let Some(path) = folder.map(Path::to_owned) else {
            return Err(CannotRun::Content(format!(
                "the attribute {attribute} names recipients' files, and no folder is configured for them: write \
                 attachments_folder = \"/srv/attachments\" into section [mail] of tidings.toml"
            )));
        };
        let opening = path.clone();
        let opened = spawn_blocking(move || open_folder(&opening).map(drop)).await;
        match opened {
            Ok(Ok(())) => Ok(OwnFiles {
                attribute: attribute.to_owned(),
                folder: path,
                kept: Mutex::default(),
            }),
            Ok(Err(NoFile::Recipient(why) | NoFile::Folder(why))) => Err(CannotRun::Content(why)),
            Err(panic) => Err(CannotRun::Content(panic.to_string())),
        }
    }

    /// The recipient's file; none if the attribute is empty. Disks may be slow, hence it is read on a thread of its own.
    pub async fn of(&self, recipient: &Recipient) -> Result<Option<EncodedFile>, NoFile> {
        let attribute = &self.attribute;
        let name = match recipient.attributes.get(attribute) {
            Some(Value::String(name)) => name.trim(),
            Some(Value::Null) => "",
            Some(_) => {
                return Err(NoFile::Recipient(format!(
                    "the attribute {attribute} is not the name of a file"
                )));
            }
            None => {
                return Err(NoFile::Recipient(format!(
                    "the attribute {attribute} is missing for this recipient"
                )));
            }
        };
        if name.is_empty() {
            return Ok(None);
        }
        if let Some(file) = self.kept().find(name) {
            return Ok(Some(file));
        }
        let (folder, wanted) = (self.folder.clone(), name.to_owned());
        let read = spawn_blocking(move || read(&folder, &wanted)).await;
        let read = read.map_err(|error| NoFile::Folder(error.to_string()))?;
        let file = read.map_err(|fault| fault.named(name, attribute))?;
        self.kept().keep(name, &file);
        Ok(Some(file))
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NoFile {
    fn named(self, name: &str, attribute: &str) -> NoFile {
        let shown: String = name
            .chars()
            .take(200)
            .map(|c| if c.is_control() { '?' } else { c })
            .collect();
        let words = |what| format!("the file `{shown}` (attribute {attribute}): {what}");
        match self {
            NoFile::Recipient(what) => NoFile::Recipient(words(what)),
            NoFile::Folder(what) => NoFile::Folder(words(what)),
        }
    }
}

/// Whatever is opened through this handle stays inside. It is opened for every file, so that a folder may be mounted again
/// or exchanged for another while a campaign is sent.
fn open_folder(path: &Path) -> Result<Dir, NoFile> {
    Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| {
        NoFile::Folder(format!(
            "the attachments folder {} cannot be opened: {error}",
            path.display()
        ))
    })
}

/// Reads a file, slowly perhaps.
fn read(folder: &Path, name: &str) -> Result<EncodedFile, NoFile> {
    let of_recipient = |what: &str| NoFile::Recipient(what.to_owned());
    check_name(name).map_err(of_recipient)?;
    let folder = open_folder(folder)?;
    // Before it is opened: opening a pipe could wait for ever.
    let size = match folder.metadata(name) {
        Ok(found) if found.is_file() => found.len(),
        Ok(_) => return Err(of_recipient("it is not a file")),
        Err(error) => return Err(fault(&error)),
    };
    if size > MAX_ATTACHMENT as u64 {
        let error = AttachmentError::TooLarge(usize::try_from(size).unwrap_or(usize::MAX));
        return Err(NoFile::Recipient(error.to_string()));
    }
    let mut octets = Vec::new();
    // A file that grows meanwhile is not read without end.
    let read = |file: cap_std::fs::File| file.take(MAX_ATTACHMENT as u64 + 1).read_to_end(&mut octets);
    folder.open(name).and_then(read).map_err(|error| fault(&error))?;
    let file_name = name.rsplit('/').next().unwrap_or(name);
    match Attachment::new(file_name, octets) {
        Ok(file) => Ok(file.encode()),
        Err(error) => Err(NoFile::Recipient(error.to_string())),
    }
}

/// Whether it is about one file or about the disk.
fn fault(error: &io::Error) -> NoFile {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            NoFile::Recipient("there is no such file in the attachments folder".to_owned())
        }
        // The sandbox's own error, not the system's.
        ErrorKind::PermissionDenied if error.raw_os_error().is_none() => {
            NoFile::Recipient("it leads outside the attachments folder".to_owned())
        }
        ErrorKind::InvalidFilename => NoFile::Recipient("its name is too long".to_owned()),
        _ => NoFile::Folder(format!("it cannot be read: {error}")),
    }
}

/// A name inside the folder, as it must be written.
fn check_name(name: &str) -> Result<(), &'static str> {
    let hidden_or_empty = |part: &str| part.is_empty() || part.starts_with('.');
    if name.len() > MAX_NAME || name.contains(|c: char| c.is_control() || c == '\\') {
        Err("its name is too long, or has control characters or backslashes")
    } else if name.split('/').any(hidden_or_empty) {
        Err(
            "its name must lead down from the attachments folder, without `..`, without a slash at its beginning, and to \
             no hidden file",
        )
    } else {
        Ok(())
    }
}

/// What was read lately, the oldest first.
#[derive(Debug, Default)]
struct Kept {
    files: HashMap<String, (Instant, EncodedFile)>,
    order: VecDeque<String>,
    octets: usize,
}

impl Kept {
    fn find(&mut self, name: &str) -> Option<EncodedFile> {
        let (read_at, file) = self.files.get(name)?;
        (read_at.elapsed() < FRESH).then(|| file.clone())
    }

    fn keep(&mut self, name: &str, file: &EncodedFile) {
        if let Some((_, old)) = self.files.insert(name.to_owned(), (Instant::now(), file.clone())) {
            self.octets -= old.size();
        } else {
            self.order.push_back(name.to_owned());
        }
        self.octets += file.size();
        while self.octets > KEPT {
            let Some((_, oldest)) = self
                .order
                .pop_front()
                .and_then(|oldest| self.files.remove(&oldest))
            else {
                return;
            };
            self.octets -= oldest.size();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use tidings_campaign::address::EmailAddress;
    use tidings_campaign::ids::RecipientId;

    /// A folder `attachments` beside a file that must not be read.
    fn folder() -> (tempfile::TempDir, PathBuf) {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("attachments");
        std::fs::create_dir_all(folder.join("invoices")).unwrap();
        std::fs::write(folder.join("invoices/42.pdf"), "%PDF of Ann").unwrap();
        std::fs::write(folder.join(".hidden.pdf"), "hidden").unwrap();
        std::fs::write(outside.path().join("secret.pdf"), "secret").unwrap();
        (outside, folder)
    }

    fn recipient(value: Value) -> Recipient {
        Recipient {
            id: RecipientId(1),
            address: EmailAddress::parse("ann@example.org").unwrap(),
            name: "Ann".to_owned(),
            attributes: [("invoice".to_owned(), value)].into_iter().collect(),
        }
    }

    async fn read(files: &OwnFiles, name: &str) -> Result<String, NoFile> {
        let file = files.of(&recipient(name.into())).await?;
        Ok(format!("{:?}", file.unwrap()))
    }

    #[track_caller]
    fn assert_refused(answer: &Result<String, NoFile>, words: &str) {
        match answer {
            Err(NoFile::Recipient(why)) => assert!(why.contains(words), "{why}"),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_file_is_found_by_its_name_in_the_folder() {
        let (_outside, folder) = folder();
        let files = OwnFiles::open("invoice", Some(&folder)).await.unwrap();
        symlink("invoices/42.pdf", folder.join("inside.pdf")).unwrap();
        for name in ["invoices/42.pdf", " invoices/42.pdf ", "inside.pdf"] {
            assert!(read(&files, name).await.is_ok(), "{name}");
        }
        for nothing in [Value::from(""), Value::from("  "), Value::Null] {
            assert!(files.of(&recipient(nothing)).await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn nothing_outside_the_folder_is_ever_read() {
        let (outside, folder) = folder();
        let files = OwnFiles::open("invoice", Some(&folder)).await.unwrap();
        symlink("../secret.pdf", folder.join("up.pdf")).unwrap();
        symlink(outside.path().join("secret.pdf"), folder.join("absolute.pdf")).unwrap();
        symlink("..", folder.join("up")).unwrap();
        symlink(outside.path(), folder.join("away")).unwrap();
        let absolute = outside.path().join("secret.pdf");
        let inside_by_absolute = folder.join("invoices/42.pdf");
        for name in [
            "../secret.pdf",
            "invoices/../../secret.pdf",
            "invoices/../invoices/42.pdf",
            "./invoices/42.pdf",
            "invoices//42.pdf",
            ".hidden.pdf",
            "invoices/",
            absolute.to_str().unwrap(),
            inside_by_absolute.to_str().unwrap(),
        ] {
            assert_refused(&read(&files, name).await, "must lead down");
        }
        for name in [
            "up.pdf",
            "absolute.pdf",
            "up/secret.pdf",
            "away/secret.pdf",
            "up/attachments/invoices/42.pdf",
        ] {
            assert_refused(&read(&files, name).await, "leads outside");
        }
        for name in ["invoices/42.pdf\0", "invoices\\42.pdf", "a\nb", &"x".repeat(1001)] {
            assert_refused(&read(&files, name).await, "too long, or has control characters");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_attached_says_why() {
        let (_outside, folder) = folder();
        let files = OwnFiles::open("invoice", Some(&folder)).await.unwrap();
        std::fs::write(folder.join("empty.pdf"), "").unwrap();
        let large = std::fs::File::create(folder.join("large.pdf")).unwrap();
        large.set_len(MAX_ATTACHMENT as u64 + 1).unwrap();
        for (name, words) in [
            ("invoices/43.pdf", "no such file"),
            ("invoices/42.pdf/x", "no such file"),
            ("invoices", "not a file"),
            ("empty.pdf", "empty"),
            ("large.pdf", "at most"),
            (&format!("{}.pdf", "x".repeat(300)), "too long"),
        ] {
            assert_refused(&read(&files, name).await, words);
        }
        let number = files.of(&recipient(42.into())).await;
        assert!(matches!(number, Err(NoFile::Recipient(_))), "{number:?}");
        let mut nameless = recipient("".into());
        nameless.attributes.clear();
        let missing = files.of(&nameless).await;
        assert!(matches!(missing, Err(NoFile::Recipient(_))), "{missing:?}");
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_is_not_charged_to_recipients() {
        let (outside, folder) = folder();
        let files = OwnFiles::open("invoice", Some(&folder)).await.unwrap();
        let elsewhere = outside.path().join("elsewhere");
        std::fs::rename(&folder, &elsewhere).unwrap();
        let gone = read(&files, "invoices/42.pdf").await;
        assert!(matches!(gone, Err(NoFile::Folder(_))), "{gone:?}");
        symlink(&elsewhere, &folder).unwrap();
        assert!(
            read(&files, "invoices/42.pdf").await.is_ok(),
            "another folder in its place"
        );
        std::fs::remove_file(&folder).unwrap();
        for unusable in [None, Some(folder.as_path())] {
            assert!(matches!(
                OwnFiles::open("invoice", unusable).await,
                Err(CannotRun::Content(_))
            ));
        }
    }

    #[test]
    fn memory_has_an_end() {
        let mut kept = Kept::default();
        let file = |size: usize| Attachment::new("a.bin", vec![1; size]).unwrap().encode();
        let (large, small) = (file(6_000_000), file(100));
        kept.keep("shared", &small);
        assert!(kept.find("shared").is_some());
        for n in 0..10 {
            kept.keep(&n.to_string(), &large);
            kept.keep(&n.to_string(), &large);
            assert!(kept.octets <= KEPT);
        }
        assert!(kept.find("shared").is_none() && kept.find("9").is_some());
        assert_eq!(kept.files.len(), kept.order.len());
        let octets: usize = kept.files.values().map(|(_, file)| file.size()).sum();
        assert_eq!(octets, kept.octets);
    }
}
