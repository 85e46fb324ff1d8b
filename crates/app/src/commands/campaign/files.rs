//! The files that `campaign create` is given: read once, and kept with the campaign.

use anyhow::{Context as _, anyhow, ensure};
use clap::Args;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tidings_campaign::message::attachment::{Attachment, ContentId, MAX_ATTACHMENT, MAX_ATTACHMENTS};

/// What goes with a campaign's messages.
#[derive(Args, Clone, Debug)]
pub struct FileArgs {
    /// A file that goes with every message; may be given several times.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    attach: Vec<PathBuf>,
    /// An image that the HTML shows as src="cid:CID"; without CID that is the file's name.
    #[arg(long, value_name = "FILE[=CID]", num_args = 1..)]
    inline: Vec<Inline>,
    /// The attribute that names a recipient's own file, in the folder `[mail] attachments_folder`.
    #[arg(long, value_name = "ATTRIBUTE")]
    pub attach_from: Option<String>,
}

/// `FILE` or `FILE=CID`.
#[derive(Clone, Debug)]
struct Inline {
    file: PathBuf,
    id: Option<ContentId>,
}

impl FromStr for Inline {
    type Err = String;

    fn from_str(text: &str) -> Result<Inline, String> {
        // A file may have an equals sign in its name.
        let (file, id) = match text.rsplit_once('=') {
            Some((file, id)) if !Path::new(text).exists() => (file, Some(id)),
            _ => (text, None),
        };
        let id = id
            .map(ContentId::parse)
            .transpose()
            .map_err(|error| error.to_string())?;
        Ok(Inline {
            file: file.into(),
            id,
        })
    }
}

impl FileArgs {
    /// Reads all files.
    pub fn read(&self) -> anyhow::Result<Vec<Attachment>> {
        if let Some(attribute) = &self.attach_from {
            ensure!(
                !attribute.trim().is_empty(),
                "--attach-from: it is empty, name an attribute"
            );
        }
        // Before anything is read: nobody's memory is filled.
        let n = self.attach.len() + self.inline.len();
        ensure!(
            n <= MAX_ATTACHMENTS,
            "{n} files are too many, at most {MAX_ATTACHMENTS} are allowed"
        );
        let mut files = Vec::new();
        for file in &self.attach {
            files.push(read(file)?);
        }
        for Inline { file, id } in &self.inline {
            let image = read(file)?;
            let id = match id {
                Some(id) => id.clone(),
                None => ContentId::parse(image.file_name()).with_context(|| in_words(file))?,
            };
            files.push(image.shown_as(id).with_context(|| in_words(file))?);
        }
        Ok(files)
    }
}

fn in_words(file: &Path) -> String {
    file.display().to_string()
}

fn read(path: &Path) -> anyhow::Result<Attachment> {
    let shown = path.display();
    let name = path
        .file_name()
        .with_context(|| format!("{shown} is not a file"))?;
    let name = name
        .to_str()
        .with_context(|| format!("{shown}: the name is not UTF-8: rename the file"))?;
    // Before it is opened: a pipe would be waited for.
    let found = std::fs::metadata(path).with_context(|| format!("cannot read {shown}"))?;
    ensure!(found.is_file(), "{shown} is not a file");
    let mut octets = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_ATTACHMENT as u64 + 1).read_to_end(&mut octets))
        .with_context(|| format!("cannot read {shown}"))?;
    if octets.len() > MAX_ATTACHMENT {
        return Err(anyhow!(
            "{shown}: {} octets are too many, at most {MAX_ATTACHMENT} are allowed",
            found.len()
        ));
    }
    Attachment::new(name, octets).with_context(|| format!("{shown}"))
}
