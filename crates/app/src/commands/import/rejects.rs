//! The file of the rows that could not be taken: line, reason, original text.

use anyhow::Context;
use std::fs::File;
use std::path::{Path, PathBuf};
use tidings_campaign::csv_import::Reject;
use tidings_campaign::ids::ImportId;

/// Where rejected rows go.
pub(super) struct Rejects {
    /// Where the file is to be made when the first row is rejected, with the import's id in its name.
    folder: Option<PathBuf>,
    open: Option<(PathBuf, csv::Writer<File>)>,
}

impl Rejects {
    /// They are counted only.
    pub(super) fn nowhere() -> Rejects {
        Rejects {
            folder: None,
            open: None,
        }
    }

    /// In the file that was asked for, which is made at once.
    pub(super) fn at(path: &Path) -> anyhow::Result<Rejects> {
        Ok(Rejects {
            folder: None,
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
            folder: Some(folder.to_owned()),
            open: None,
        })
    }

    pub(super) fn write(&mut self, reject: &Reject, import: Option<ImportId>) -> anyhow::Result<()> {
        if let (Some(folder), None, Some(import)) = (&self.folder, &self.open, import) {
            self.open = Some(create(&folder.join(format!("rejects-{import}.csv")))?);
        }
        if let Some((path, writer)) = &mut self.open {
            let line = reject.line.to_string();
            writer
                .write_record([line.as_bytes(), reject.reason.as_bytes(), &reject.row])
                .with_context(|| problem(path))?;
        }
        Ok(())
    }

    /// Where the rejected rows are, if they were written.
    pub(super) fn close(self) -> anyhow::Result<Option<PathBuf>> {
        let Some((path, mut writer)) = self.open else {
            return Ok(None);
        };
        writer.flush().with_context(|| problem(&path))?;
        Ok(Some(path))
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
