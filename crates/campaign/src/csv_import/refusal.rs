//! Why a whole file is refused.

use super::rule::MapError;

/// Why a whole file is refused. Nothing has been taken from it then. Reads on after the file's name and a colon.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It does not read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// Not one character.
    #[error("is empty")]
    Empty,
    /// It is something else than it should be.
    #[error("this is {0}")]
    Foreign(&'static str),
    /// An archive or workbook that is broken.
    #[error("is damaged: {0}; save or download it again")]
    Damaged(String),
    /// An archive of a method that is not read here.
    #[error("is compressed by {0}, which only few programs can read: pack it as an ordinary .zip")]
    Compressed(String),
    /// A password is needed for it.
    #[error("is protected by a password: save it without one")]
    Encrypted,
    /// It would become larger than anybody's list of recipients.
    #[error("is refused because {0}")]
    TooLarge(String),
    /// An archive in an archive.
    #[error("there is an archive in the archive: unpack it, and import what is in it")]
    PackedTwice,
    /// Which of them is meant cannot be said.
    #[error("there are two files called \"{0}\" in it: pack it again with one of them, or with another name")]
    TwoOfOneName(String),
    /// An archive or workbook of which nothing can be taken.
    #[error("there is {what} in it, only {names}")]
    NothingInIt {
        /// `no CSV file or spreadsheet`.
        what: &'static str,
        /// What is there instead.
        names: String,
    },
    /// More than one file or sheet that could be meant.
    #[error("there are several {what} in it: {names}; say which one with --part \"{example}\"")]
    SeveralParts {
        /// `files` or `sheets`.
        what: &'static str,
        /// All of them.
        names: String,
        /// One of them.
        example: String,
    },
    /// A part was named that is not there.
    #[error("there is no part \"{part}\" in it; there are: {names}")]
    NoSuchPart {
        /// As written.
        part: String,
        /// Those that are there.
        names: String,
    },
    /// A part was named, and there are no parts.
    #[error(
        "--part \"{0}\" names a file in an archive or a sheet of a spreadsheet; this is a text without parts"
    )]
    NoParts(String),
    /// The header does not parse.
    #[error("{place}: the header {reason}")]
    Header {
        /// Where it starts: `line 1`.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A header, and nobody after it.
    #[error(
        "{place} is the header, and no row comes after it: there is nobody in the file; export or save it again with its rows, \
         or say --header false if {place} is somebody's row"
    )]
    OnlyHeader {
        /// Where it stands: `line 1`, or `sheet "People", row 1`.
        place: String,
    },
    /// A column that is mapped wrongly, or no column for the address.
    #[error("{}{error}", place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default())]
    Map {
        /// Where the header stands, if there is one: `line 1`, or `sheet "People", row 1`.
        place: Option<String>,
        /// What is wrong.
        error: MapError,
    },
}

/// Names in quotes, as many as a person wants to read.
pub(super) fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 20;
    let names: Vec<_> = names.into_iter().map(|name| format!("\"{name}\"")).collect();
    let more = names.len().saturating_sub(SHOWN);
    let shown = names[..names.len() - more].join(", ");
    match more {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
