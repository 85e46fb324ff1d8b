//! What can separate the fields of a row.

use std::fmt;
use std::str::FromStr;

/// What separates the fields of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delimiter {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// A tab.
    Tab,
    /// `|`
    Pipe,
}

/// Not one of the delimiters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a delimiter: use comma, semicolon, tab or pipe (or the character itself)")]
pub struct UnknownDelimiter(String);

impl Delimiter {
    pub(super) const ALL: [Delimiter; 4] = [
        Delimiter::Comma,
        Delimiter::Semicolon,
        Delimiter::Tab,
        Delimiter::Pipe,
    ];

    /// The octet itself.
    pub const fn octet(self) -> u8 {
        match self {
            Delimiter::Comma => b',',
            Delimiter::Semicolon => b';',
            Delimiter::Tab => b'\t',
            Delimiter::Pipe => b'|',
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Delimiter::Comma => "comma",
            Delimiter::Semicolon => "semicolon",
            Delimiter::Tab => "tab",
            Delimiter::Pipe => "pipe",
        }
    }
}

/// Shown as a word: `comma`, `semicolon`, `tab`, `pipe`.
impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Delimiter {
    type Err = UnknownDelimiter;
    fn from_str(text: &str) -> Result<Self, UnknownDelimiter> {
        let named = |d: &Delimiter| {
            text.as_bytes() == [d.octet()]
                || text.eq_ignore_ascii_case(d.word())
                || (text == "\\t" && *d == Delimiter::Tab)
        };
        Delimiter::ALL
            .into_iter()
            .find(named)
            .ok_or_else(|| UnknownDelimiter(text.to_owned()))
    }
}
