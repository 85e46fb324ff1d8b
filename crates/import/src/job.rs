//! What an import is, so that it can be gone on with: its files by their checksums, its options, where rejected rows go.

use crate::checks::Check;
use crate::reading::{Input, Source};
use crate::uploads::INCOMING;
use crate::wishes::Wishes;
use anyhow::{Context as _, anyhow};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use tidings_campaign::csv_import::Options;

/// An import as the database remembers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// In the order in which they are read.
    pub files: Vec<JobFile>,
    /// What the person said about them.
    #[serde(flatten)]
    pub wishes: Wishes,
    /// The files that were asked for, or the folder in which one is made when it is needed.
    pub rejects: Option<PathBuf>,
    #[serde(default)]
    /// The same for remarks.
    pub remarks: Option<PathBuf>,
    /// Where files are made for what nothing was asked for.
    pub folder: PathBuf,
}

/// One file of an import.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobFile {
    /// As the person named it.
    pub name: String,
    /// Where it is, absolute.
    pub path: PathBuf,
    /// Whether it is our copy of what came by standard input.
    #[serde(default)]
    pub copied: bool,
    /// Of the whole file, hexadecimal.
    pub sha256: String,
    /// Its length.
    pub octets: u64,
    /// What each column means: `Column=field`.
    #[serde(default)]
    pub mapping: Vec<String>,
}

impl Job {
    /// `sources`: the files, opened. Rows that are rejected or remarked on are kept in the folder; [`Job::keep_in`]
    /// names other places.
    pub fn new(
        mut files: Vec<JobFile>,
        sources: &[Source],
        options: &Options,
        checks: &[Check],
        folder: &Path,
    ) -> anyhow::Result<Job> {
        for (file, source) in files.iter_mut().zip(sources) {
            file.mapping = source.file.mapping();
        }
        Ok(Job {
            files,
            wishes: Wishes::of(options, checks),
            rejects: None,
            remarks: None,
            folder: std::path::absolute(folder)?,
        })
    }

    /// The same, with rejected rows and remarks in the files that were asked for.
    pub fn keep_in(mut self, rejects: Option<&Path>, remarks: Option<&Path>) -> anyhow::Result<Job> {
        self.rejects = rejects.map(std::path::absolute).transpose()?;
        self.remarks = remarks.map(std::path::absolute).transpose()?;
        Ok(self)
    }

    /// What the person said about the files.
    pub fn options(&self) -> anyhow::Result<Options> {
        self.wishes.options()
    }

    /// The same for the same list, files and options, whatever the files are called.
    pub fn fingerprint(&self, list: &str) -> String {
        let sums: Vec<&str> = self.files.iter().map(|file| file.sha256.as_str()).collect();
        let Wishes {
            rules,
            delimiter,
            encoding,
            part,
            header,
            checks,
        } = &self.wishes;
        let mut all = serde_json::json!([list, sums, rules, delimiter, encoding, part, checks]);
        if let (Some(header), Some(all)) = (header, all.as_array_mut()) {
            all.push((*header).into());
        }
        HEXLOWER.encode(&Sha256::digest(all.to_string()))
    }

    /// The files, to be opened.
    pub fn inputs(&self) -> Vec<Input> {
        let input = |file: &JobFile| Input {
            shown: file.name.clone(),
            path: Some(file.path.clone()),
        };
        self.files.iter().map(input).collect()
    }

    /// Whether the files are still what they were.
    pub fn check_files(&self) -> anyhow::Result<()> {
        for file in &self.files {
            let (sha256, _) = checksum(&file.path).with_context(|| file.path.display().to_string())?;
            if sha256 != file.sha256 {
                return Err(anyhow!("{} is not the file that it was", file.path.display()));
            }
        }
        Ok(())
    }

    /// Removes our copies. What cannot be removed is left to the operator.
    pub fn remove_copies(&self) {
        for file in self.files.iter().filter(|file| file.copied) {
            if let Err(error) = std::fs::remove_file(&file.path)
                && error.kind() != ErrorKind::NotFound
            {
                tracing::warn!("cannot remove {}: {error}", file.path.display());
            }
        }
    }
}

/// Looks at the files as they are now. What can be read once only is copied into the folder, so that the import can be gone on
/// with.
pub fn take_stock(inputs: &[Input], folder: &Path) -> anyhow::Result<Vec<JobFile>> {
    inputs
        .iter()
        .map(|input| {
            let looked_at = match &input.path {
                Some(path) if !input.is_pipe() => at(&input.shown, path),
                Some(pipe) => File::open(pipe)
                    .context("cannot be read")
                    .and_then(|pipe| copy(&input.shown, pipe, folder)),
                None => copy(&input.shown, std::io::stdin().lock(), folder),
            };
            looked_at.with_context(|| input.shown.clone())
        })
        .collect()
}

fn at(shown: &str, path: &Path) -> anyhow::Result<JobFile> {
    let (sha256, octets) = checksum(path)?;
    Ok(JobFile {
        name: shown.to_owned(),
        path: std::path::absolute(path)?,
        copied: false,
        sha256,
        octets,
        mapping: Vec::new(),
    })
}

fn copy(shown: &str, source: impl Read, folder: &Path) -> anyhow::Result<JobFile> {
    let problem = || format!("cannot be copied into {}", folder.display());
    std::fs::create_dir_all(folder).with_context(problem)?;
    let mut copy = tempfile::Builder::new()
        .prefix(INCOMING)
        .tempfile_in(folder)
        .with_context(problem)?;
    let (sha256, octets) = digest(source, Some(copy.as_file_mut()))?;
    copy.as_file().sync_all().with_context(problem)?;
    let (_, path) = copy.keep().with_context(problem)?;
    Ok(JobFile {
        name: shown.to_owned(),
        path: std::path::absolute(path)?,
        copied: true,
        sha256,
        octets,
        mapping: Vec::new(),
    })
}

fn checksum(path: &Path) -> anyhow::Result<(String, u64)> {
    let file = File::open(path).context("cannot be read")?;
    anyhow::ensure!(!file.metadata()?.is_dir(), "is a folder, not a file");
    digest(file, None)
}

/// SHA-256 and length of what is read, which is copied on the way.
fn digest(mut source: impl Read, mut copy: Option<&mut File>) -> anyhow::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let mut octets = 0;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = source.read(&mut buffer).context("cannot be read")?;
        if n == 0 {
            return Ok((HEXLOWER.encode(&hasher.finalize()), octets));
        }
        hasher.update(&buffer[..n]);
        if let Some(copy) = &mut copy {
            copy.write_all(&buffer[..n]).context("cannot be copied")?;
        }
        octets += n as u64;
    }
}
