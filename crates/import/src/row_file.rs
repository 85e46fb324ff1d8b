//! Files beside an import: the rows that could not be taken, and remarks about those that were.

use anyhow::Context;
use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};
use tidings_campaign::csv_import::Reject;
use tidings_campaign::ids::ImportId;
use tidings_campaign::spreadsheet_safe::{spreadsheet_safe, spreadsheet_safe_octets};

/// What a file is for.
#[derive(Debug)]
pub struct RowFileKind {
    /// What its name begins with in the data folder.
    stem: &'static str,
    header: [&'static str; 3],
    /// What is in it, in words.
    what: &'static str,
    option: &'static str,
}

/// Rejected rows: line, reason, original text.
pub const REJECTS: RowFileKind = RowFileKind {
    stem: "rejects",
    header: ["line", "reason", "row"],
    what: "rejected rows",
    option: "--rejects",
};

/// Remarks: line, address, remark.
pub const REMARKS: RowFileKind = RowFileKind {
    stem: "remarks",
    header: ["line", "address", "remark"],
    what: "remarks",
    option: "--remarks",
};

impl RowFileKind {
    /// What its name begins with in the data folder.
    pub(crate) fn stem(&self) -> &'static str {
        self.stem
    }
}

/// A line of such a file.
pub(crate) type Line<'a> = [Cow<'a, [u8]>; 3];

/// A line about a rejected row. What a spreadsheet would take for a formula gets an apostrophe before it, the original
/// text too: such rows are rare, and somebody opens the file.
pub(crate) fn rejected(reject: &Reject) -> Line<'_> {
    [
        Cow::Owned(reject.line.to_string().into_bytes()),
        octets(spreadsheet_safe(&reject.reason)),
        spreadsheet_safe_octets(&reject.row),
    ]
}

/// A line about an address that was taken.
pub(crate) fn remarked<'a>(line: u64, address: &'a str, remark: &'a str) -> Line<'a> {
    [
        Cow::Owned(line.to_string().into_bytes()),
        octets(spreadsheet_safe(address)),
        octets(spreadsheet_safe(remark)),
    ]
}

fn octets(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Where lines go.
pub struct RowFile {
    kind: &'static RowFileKind,
    place: Place,
    open: Option<(PathBuf, csv::Writer<File>)>,
}

/// Where the file is made when the first line is written.
enum Place {
    Nowhere,
    /// The file that was asked for.
    At(PathBuf),
    /// In this folder, with the import's id in its name.
    Folder(PathBuf),
}

impl RowFile {
    /// They are counted only.
    pub fn nowhere(kind: &'static RowFileKind) -> RowFile {
        RowFile {
            kind,
            place: Place::Nowhere,
            open: None,
        }
    }

    /// In the file that was asked for, which is made at once.
    pub fn at(kind: &'static RowFileKind, path: &Path) -> anyhow::Result<RowFile> {
        Ok(RowFile {
            kind,
            place: Place::At(path.to_owned()),
            open: Some(create(kind, path)?),
        })
    }

    /// In a file of this folder, which is made when it is needed. That it can be made is found out now, before anything
    /// is imported.
    pub fn in_folder(kind: &'static RowFileKind, folder: &Path) -> anyhow::Result<RowFile> {
        let problem = || {
            format!(
                "{} could not be written to {}: name another place with {} FILE",
                kind.what,
                folder.display(),
                kind.option
            )
        };
        std::fs::create_dir_all(folder).with_context(problem)?;
        tempfile::tempfile_in(folder).map(drop).with_context(problem)?;
        Ok(RowFile {
            kind,
            place: Place::Folder(folder.to_owned()),
            open: None,
        })
    }

    /// Goes on with the file of an import that came to `octets` of it. What was written after its last commit is
    /// written once more.
    pub(crate) fn go_on(mut self, import: ImportId, octets: u64) -> anyhow::Result<RowFile> {
        let Some(path) = self.path(import).filter(|path| octets > 0 && path.exists()) else {
            return Ok(self);
        };
        let mut file = OpenOptions::new()
            .write(true)
            .open(&path)
            .with_context(|| problem(self.kind, &path))?;
        let length = file.metadata().with_context(|| problem(self.kind, &path))?.len();
        file.set_len(octets.min(length))
            .with_context(|| problem(self.kind, &path))?;
        file.seek(SeekFrom::End(0))
            .with_context(|| problem(self.kind, &path))?;
        self.open = Some((path, csv::Writer::from_writer(file)));
        Ok(self)
    }

    /// The same place, without making the file that was asked for: it may be gone on with.
    pub fn of_job(kind: &'static RowFileKind, asked: Option<&Path>, folder: &Path) -> RowFile {
        RowFile {
            kind,
            place: match asked {
                Some(path) => Place::At(path.to_owned()),
                None => Place::Folder(folder.to_owned()),
            },
            open: None,
        }
    }

    /// Where the lines of an import are, if it had come to some.
    pub fn kept(&self, import: ImportId, octets: u64) -> Option<PathBuf> {
        self.path(import).filter(|_| octets > 0)
    }

    fn path(&self, import: ImportId) -> Option<PathBuf> {
        match &self.place {
            Place::Nowhere => None,
            Place::At(path) => Some(path.clone()),
            Place::Folder(folder) => Some(folder.join(format!("{}-{import}.csv", self.kind.stem))),
        }
    }

    /// Writes lines of an import, and returns how long the file is with them, which is on the disk then.
    pub(crate) fn write<'l>(
        &mut self,
        lines: impl IntoIterator<Item = Line<'l>>,
        import: ImportId,
    ) -> anyhow::Result<u64> {
        let mut lines = lines.into_iter().peekable();
        let is_written = lines.peek().is_some();
        if self.open.is_none() && is_written {
            self.open = self
                .path(import)
                .map(|path| create(self.kind, &path))
                .transpose()?;
        }
        let kind = self.kind;
        let Some((path, writer)) = &mut self.open else {
            return Ok(0);
        };
        for line in lines {
            writer.write_record(&line).with_context(|| problem(kind, path))?;
        }
        writer.flush().with_context(|| problem(kind, path))?;
        let file = writer.get_ref();
        if is_written {
            file.sync_data().with_context(|| problem(kind, path))?;
        }
        Ok(file.metadata().with_context(|| problem(kind, path))?.len())
    }

    /// Where the lines are, if they were written.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.open.as_ref().map(|(path, _)| path.as_path())
    }
}

fn create(kind: &RowFileKind, path: &Path) -> anyhow::Result<(PathBuf, csv::Writer<File>)> {
    let mut writer = csv::Writer::from_path(path).with_context(|| problem(kind, path))?;
    writer
        .write_record(kind.header)
        .with_context(|| problem(kind, path))?;
    Ok((path.to_owned(), writer))
}

fn problem(kind: &RowFileKind, path: &Path) -> String {
    format!("cannot write the {} to {}", kind.what, path.display())
}
