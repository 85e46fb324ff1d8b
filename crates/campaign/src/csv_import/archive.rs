//! ZIP archives: what is in one, and which file of it is meant.

use super::refusal::quoted;
use super::unpacking::{Deflated, Packed};
use super::{Format, Refusal};
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

/// Endings of files with rows in them: they are taken before others, such as a readme.
const TABLES: [&str; 6] = [".csv", ".tsv", ".tab", ".xlsx", ".xlsm", ".ods"];

/// What a ZIP file is.
pub(super) enum Contents {
    /// A spreadsheet: its parts are its own business.
    Workbook(Format),
    /// Files.
    Files,
    /// Something else. Reads on after "this is".
    Foreign(&'static str),
    /// Something with a password, as a whole.
    Encrypted,
}

/// A file in an archive, and where its data stands.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    start: u64,
    packed: Packed,
}

/// Reads the list of files at the end of an archive. One with two files of one name is refused: programs differ in which they take,
/// and [`ZipArchive`] knows the last alone.
pub(super) fn read_directory(file: &File) -> Result<ZipArchive<&File>, Refusal> {
    let zip = ZipArchive::new(file).map_err(refusal)?;
    if zip.has_duplicate_names()
        && let Some(name) = name_given_twice(file, zip.central_directory_start())?
    {
        return Err(Refusal::TwoOfOneName(plain(&name)));
    }
    Ok(zip)
}

/// The first name that two files have, by the list of files that begins there (APPNOTE.TXT section 4.3.12). Folders may be listed twice.
fn name_given_twice(mut file: &File, start: u64) -> std::io::Result<Option<String>> {
    const SIGN: &[u8] = b"PK\x01\x02";
    file.seek(SeekFrom::Start(start))?;
    let mut list = BufReader::new(file);
    let mut names = HashSet::new();
    let mut head = [0; 46];
    while list.read_exact(&mut head).is_ok() && head.starts_with(SIGN) {
        let length = |at: usize| usize::from(u16::from_le_bytes([head[at], head[at + 1]]));
        let mut name = vec![0; length(28)];
        list.read_exact(&mut name)?;
        let rest = length(30) + length(32);
        list.seek_relative(i64::try_from(rest).expect("two lengths of 16 bits"))?;
        let name = String::from_utf8_lossy(&name).into_owned();
        if is_meant(&name) && !names.insert(name.clone()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// No folder, and none of the files that a Mac adds by itself, or hidden ones.
fn is_meant(name: &str) -> bool {
    let is_hidden = name.starts_with("__MACOSX/") || name.split('/').any(|step| step.starts_with('.'));
    !name.ends_with('/') && !is_hidden
}

pub(super) fn refusal(error: ZipError) -> Refusal {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => Refusal::Encrypted,
        error => Refusal::Damaged(format!("as an archive it does not read ({error})")),
    }
}

/// Finds out by the names in it what a ZIP file is.
pub(super) fn contents(zip: &mut ZipArchive<&File>) -> Contents {
    let is_sheet = open_document(zip).map(|kind| kind.contains("spreadsheet"));
    let has = |name: &str| zip.index_for_name(name).is_some();
    if has("xl/workbook.xml") {
        Contents::Workbook(Format::Xlsx)
    } else if has("content.xml") && is_sheet == Some(true) {
        Contents::Workbook(Format::Ods)
    } else if has("content.xml") && is_sheet == Some(false) {
        Contents::Foreign("an OpenDocument text or drawing, not a table: save the list as CSV or .ods")
    } else if has("encrypted-package") && has("mimetype") {
        Contents::Encrypted
    } else if has("xl/workbook.bin") {
        Contents::Foreign("a binary workbook (.xlsb): save it as .xlsx or CSV")
    } else if has("word/document.xml") {
        Contents::Foreign("a Word document, not a table: save the list as CSV or .xlsx")
    } else if has("ppt/presentation.xml") {
        Contents::Foreign("a presentation, not a table: save the list as CSV or .xlsx")
    } else if has("Index/Document.iwa") {
        Contents::Foreign("a Numbers document: export it as CSV or .xlsx")
    } else {
        Contents::Files
    }
}

/// What an OpenDocument file says that it is.
fn open_document(zip: &mut ZipArchive<&File>) -> Option<String> {
    const GREATEST_KIND: u64 = 256;
    let mut kind = String::new();
    let mut said = zip.by_name("mimetype").ok()?.take(GREATEST_KIND);
    said.read_to_string(&mut kind).ok()?;
    Some(kind)
}

/// The file that is meant, and what is left of `part` for the sheet in it: `book.xlsx/Sheet1` names both.
pub(super) fn choose<'p>(
    zip: &mut ZipArchive<&File>,
    part: Option<&'p str>,
) -> Result<(Entry, Option<&'p str>), Refusal> {
    let names = candidates(zip)?;
    if let Some(part) = part {
        for (index, name) in &names {
            if let Some(rest) = part.strip_prefix(name.as_str()) {
                match rest.strip_prefix('/') {
                    Some(sheet) => return Ok((entry(zip, *index)?, Some(sheet))),
                    None if rest.is_empty() => return Ok((entry(zip, *index)?, None)),
                    None => {}
                }
            }
        }
    }
    let is_table = |name: &str| TABLES.iter().any(|ending| name.to_lowercase().ends_with(ending));
    let tables: Vec<_> = names.iter().filter(|(_, name)| is_table(name)).collect();
    let meant = if tables.is_empty() {
        names.iter().collect()
    } else {
        tables
    };
    match meant.as_slice() {
        [] => Err(Refusal::NothingInIt {
            what: "no CSV file or spreadsheet",
            names: "folders and hidden files".to_owned(),
        }),
        [(index, _)] => Ok((entry(zip, *index)?, part)),
        several => {
            let shown = quoted(several.iter().map(|(_, name)| name.as_str()));
            Err(match part {
                Some(part) => Refusal::NoSuchPart {
                    part: part.to_owned(),
                    names: shown,
                },
                None => Refusal::SeveralParts {
                    what: "files",
                    names: shown,
                    example: several[0].1.clone(),
                },
            })
        }
    }
}

/// A name as it may be shown and asked for: whoever packed the archive must not write on somebody's terminal.
fn plain(name: &str) -> String {
    name.replace(char::is_control, "\u{FFFD}")
}

/// All files that may be meant.
fn candidates(zip: &ZipArchive<&File>) -> Result<Vec<(usize, String)>, Refusal> {
    let mut found = Vec::new();
    for index in 0..zip.len() {
        let Some(name) = zip.name_for_index(index) else {
            continue;
        };
        let name = plain(&name.map_err(refusal)?);
        if is_meant(&name) {
            found.push((index, name));
        }
    }
    Ok(found)
}

fn entry(zip: &mut ZipArchive<&File>, index: usize) -> Result<Entry, Refusal> {
    let file = zip.by_index_raw(index).map_err(refusal)?;
    if file.encrypted() {
        return Err(Refusal::Encrypted);
    }
    let is_deflated = match file.compression() {
        CompressionMethod::Stored => false,
        CompressionMethod::Deflated => true,
        other => {
            return Err(Refusal::Compressed(other.to_string()));
        }
    };
    Ok(Entry {
        name: plain(&file.name().map_err(refusal)?),
        start: file
            .data_start()
            .ok_or_else(|| Refusal::Damaged("a file of the archive has no place in it".to_owned()))?,
        packed: Packed {
            octets: file.compressed_size(),
            is_deflated,
            crc: file.crc32(),
        },
    })
}

/// Reads a file of the archive to its end, for damage.
pub(super) fn verify(file: &File, entry: &Entry) -> std::io::Result<()> {
    let mut unpacked = unpack(file.try_clone()?, entry)?;
    std::io::copy(&mut unpacked, &mut std::io::sink()).map(drop)
}

/// The octets of a file of the archive.
pub(super) fn unpack(mut file: File, entry: &Entry) -> std::io::Result<Deflated> {
    file.seek(SeekFrom::Start(entry.start))?;
    Ok(Deflated::new(file, entry.packed))
}
