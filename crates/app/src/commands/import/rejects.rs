//! The file of the rows that could not be taken: line, reason, original text.

use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use tidings_campaign::csv_import::Reject;
use tidings_campaign::ids::ImportId;

/// Where rejected rows go.
pub(super) struct Rejects {
    place: Place,
    open: Option<(PathBuf, csv::Writer<File>)>,
}

/// Where the file is made when the first row is rejected.
enum Place {
    Nowhere,
    /// The file that was asked for.
    At(PathBuf),
    /// In this folder, with the import's id in its name.
    Folder(PathBuf),
}

impl Rejects {
    /// They are counted only.
    pub(super) fn nowhere() -> Rejects {
        Rejects {
            place: Place::Nowhere,
            open: None,
        }
    }

    /// In the file that was asked for, which is made at once.
    pub(super) fn at(path: &Path) -> anyhow::Result<Rejects> {
        Ok(Rejects {
            place: Place::At(path.to_owned()),
            open: Some(create(path)?),
        })
    }

    /// In a file of this folder, which is made when it is needed. That it can be made is found out now, before anything
    /// is imported.
    pub(super) fn in_folder(folder: &Path) -> anyhow::Result<Rejects> {
        let problem = || {
            format!(
                "rejected rows could not be written to {}: name another place with --rejects FILE",
                folder.display()
            )
        };
        std::fs::create_dir_all(folder).with_context(problem)?;
        tempfile::tempfile_in(folder).map(drop).with_context(problem)?;
        Ok(Rejects {
            place: Place::Folder(folder.to_owned()),
            open: None,
        })
    }

    /// Goes on with the file of an import that came to `octets` of it. What was written after its last commit is
    /// written once more.
    pub(super) fn go_on(mut self, import: ImportId, octets: u64) -> anyhow::Result<Rejects> {
        let Some(path) = self.path(import).filter(|path| octets > 0 && path.exists()) else {
            return Ok(self);
        };
        let mut file = OpenOptions::new()
            .write(true)
            .open(&path)
            .with_context(|| problem(&path))?;
        let length = file.metadata().with_context(|| problem(&path))?.len();
        file.set_len(octets.min(length)).with_context(|| problem(&path))?;
        file.seek(SeekFrom::End(0)).with_context(|| problem(&path))?;
        self.open = Some((path, csv::Writer::from_writer(file)));
        Ok(self)
    }

    /// The same place, without making the file that was asked for: it may be gone on with.
    pub(super) fn of_job(rejects: Option<&Path>, folder: &Path) -> Rejects {
        Rejects {
            place: match rejects {
                Some(path) => Place::At(path.to_owned()),
                None => Place::Folder(folder.to_owned()),
            },
            open: None,
        }
    }

    fn path(&self, import: ImportId) -> Option<PathBuf> {
        match &self.place {
            Place::Nowhere => None,
            Place::At(path) => Some(path.clone()),
            Place::Folder(folder) => Some(folder.join(format!("rejects-{import}.csv"))),
        }
    }

    /// Writes rows of an import, and returns how long the file is with them, which is on the disk then.
    pub(super) fn write(&mut self, rejects: &[Reject], import: ImportId) -> anyhow::Result<u64> {
        if self.open.is_none() && !rejects.is_empty() {
            self.open = self.path(import).map(|path| create(&path)).transpose()?;
        }
        let Some((path, writer)) = &mut self.open else {
            return Ok(0);
        };
        for reject in rejects {
            let line = reject.line.to_string();
            writer
                .write_record([line.as_bytes(), reject.reason.as_bytes(), &reject.row])
                .with_context(|| problem(path))?;
        }
        writer.flush().with_context(|| problem(path))?;
        let file = writer.get_ref();
        if !rejects.is_empty() {
            file.sync_data().with_context(|| problem(path))?;
        }
        Ok(file.metadata().with_context(|| problem(path))?.len())
    }

    /// Where the rejected rows are, if they were written.
    pub(super) fn file(&self) -> Option<&Path> {
        self.open.as_ref().map(|(path, _)| path.as_path())
    }
}

fn create(path: &Path) -> anyhow::Result<(PathBuf, csv::Writer<File>)> {
    let mut writer = csv::Writer::from_path(path).with_context(|| problem(path))?;
    writer
        .write_record(["line", "reason", "row"])
        .with_context(|| problem(path))?;
    Ok((path.to_owned(), writer))
}

fn problem(path: &Path) -> String {
    format!("cannot write the rejected rows to {}", path.display())
}
