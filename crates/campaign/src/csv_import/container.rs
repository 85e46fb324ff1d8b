//! Opening what a file is, which its name does not say: a text, or something that has texts or sheets in it.

use super::archive;
use super::sheet::SheetRows;
use super::signs::{Kind, kind};
use super::source::{Scratch, Source};
use super::unpacking::{Gzip, is_damage};
use super::workbook;
use super::{Format, Refusal};
use std::fs::File;
use std::io::{Read, Seek};

/// What was found, ready to be read.
pub(super) struct Opened {
    pub(super) content: Content,
    pub(super) format: Format,
    /// The file of the archive, the sheet of the workbook, or both.
    pub(super) part: Option<String>,
}

pub(super) enum Content {
    Text(Box<dyn Read + Send>),
    Sheet(SheetRows),
}

/// Opens whatever it is. `part` is what the user named.
pub(super) fn open(source: Source, part: Option<&str>, scratch: Scratch) -> Result<Opened, Refusal> {
    look(source, part, scratch, false)
}

/// `is_unpacked`: it comes out of an archive, so it must not be one itself.
fn look(source: Source, part: Option<&str>, scratch: Scratch, is_unpacked: bool) -> Result<Opened, Refusal> {
    let (head, source) = source.peek().map_err(damaged)?;
    match kind(&head) {
        Kind::Foreign(what) => Err(Refusal::Foreign(what)),
        Kind::Text => match part {
            Some(part) => Err(Refusal::NoParts(part.to_owned())),
            None => Ok(Opened {
                content: Content::Text(source.into_stream()),
                format: Format::Csv,
                part: None,
            }),
        },
        Kind::Gzip if is_unpacked => Err(Refusal::PackedTwice),
        Kind::Gzip => look(gunzip(source)?, part, scratch, true),
        Kind::Zip => {
            let file = source.into_file(scratch).map_err(|refusal| match refusal {
                Refusal::Unreadable(error) => damaged(error),
                other => other,
            })?;
            open_zip(file, part, scratch, is_unpacked)
        }
    }
}

fn open_zip(file: File, part: Option<&str>, scratch: Scratch, is_unpacked: bool) -> Result<Opened, Refusal> {
    let mut zip = archive::read_directory(&file)?;
    match archive::contents(&mut zip) {
        archive::Contents::Foreign(what) => Err(Refusal::Foreign(what)),
        archive::Contents::Encrypted => Err(Refusal::Encrypted),
        archive::Contents::Workbook(format) => {
            drop(zip);
            let rows = workbook::open(file, format, part, scratch)?;
            Ok(Opened {
                part: Some(rows.sheet().to_owned()),
                content: Content::Sheet(rows),
                format,
            })
        }
        archive::Contents::Files if is_unpacked => Err(Refusal::PackedTwice),
        archive::Contents::Files => {
            let (chosen, rest) = archive::choose(&mut zip, part)?;
            archive::verify(&file, &chosen).map_err(damaged)?;
            let unpacked = archive::unpack(file, &chosen)?;
            let mut opened = look(Source::Stream(Box::new(unpacked)), rest, scratch, true)?;
            opened.part = Some(match opened.part {
                Some(sheet) => format!("{}/{sheet}", chosen.name),
                None => chosen.name,
            });
            Ok(opened)
        }
    }
}

/// What is in a gzip file. A file is read to its end first: one that is cut off or damaged is refused before a row of
/// it has been imported.
fn gunzip(source: Source) -> Result<Source, Refusal> {
    if let Source::File(mut file) = source {
        std::io::copy(&mut Gzip::new(&file), &mut std::io::sink()).map_err(damaged)?;
        file.rewind()?;
        return Ok(Source::Stream(Box::new(Gzip::new(file))));
    }
    Ok(Source::Stream(Box::new(Gzip::new(source.into_stream()))))
}

fn damaged(error: std::io::Error) -> Refusal {
    if error.kind() == std::io::ErrorKind::FileTooLarge {
        Refusal::TooLarge(error.to_string())
    } else if is_damage(&error) {
        Refusal::Damaged(error.to_string())
    } else {
        Refusal::Unreadable(error)
    }
}
