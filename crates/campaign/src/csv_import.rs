//! Recipients from CSV files: what a file is written in, which column means what, and each row as a recipient or
//! as a reason why it is none. A file is read as a stream; memory does not grow with its size.

mod change;
mod delimiter;
mod dialect;
mod email_column;
mod encoding;
mod lines;
mod mapping;
mod outcome;
mod records;

pub use change::{Change, Joined, TakenBack};
pub use delimiter::{Delimiter, UnknownDelimiter};
pub use encoding::{TextEncoding, UnknownEncoding};
pub use mapping::{Kind, MapError, Rule};
pub use outcome::{Counts, Known, Outcome, decide};

use crate::address::EmailAddress;
use lines::Lines;
use mapping::Mapping;
use records::{Records, Step};
use std::io::Read;

/// What the user says about a file, where detection is not wanted.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What separates the fields.
    pub delimiter: Option<Delimiter>,
    /// What the text is written in.
    pub encoding: Option<TextEncoding>,
    /// What single columns mean.
    pub rules: Vec<Rule>,
}

/// Why a whole file is refused. Nothing has been taken from it then.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It does not read.
    #[error("cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// Not one character.
    #[error("is empty")]
    Empty,
    /// The header does not parse.
    #[error("line {line}: the header {reason}")]
    Header {
        /// Where it starts.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A column that is mapped wrongly, or no column for the address.
    #[error(transparent)]
    Map(#[from] MapError),
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Refusal::Unreadable(error)
    }
}

/// A row that is a recipient.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The line of the file where it starts, from 1.
    pub line: u64,
    /// Whom it is about.
    pub address: EmailAddress,
    /// The name; none if the file has no column for it.
    pub name: Option<String>,
    /// The attributes as the text of a JSON object, its keys sorted, without white space.
    pub attributes: String,
}

/// A row that is no recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The line of the file where it starts, from 1.
    pub line: u64,
    /// Why, in plain words.
    pub reason: String,
    /// The row as it stands in the file, without its last line break: in UTF-8 if the file's encoding is another one,
    /// else octet by octet, also where they are no text.
    pub row: Vec<u8>,
}

/// What one row of a file is.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// A recipient.
    Row(Row),
    /// None.
    Reject(Reject),
}

/// A CSV file that is being read.
pub struct CsvFile {
    records: Records,
    mapping: Mapping,
    delimiter: Delimiter,
}

impl CsvFile {
    /// Looks at the beginning of a file: encoding, delimiter, header, the meaning of the columns. Reads no more than
    /// that, so that a refusal comes before anything is written.
    pub fn open(source: Box<dyn Read + Send>, options: &Options) -> Result<Self, Refusal> {
        let (source, state) = encoding::open(source, options.encoding)?;
        let mut lines = Lines::new(source);
        lines.fill_sample()?;
        if lines.window().iter().all(u8::is_ascii_whitespace) {
            return Err(Refusal::Empty);
        }
        let announced = dialect::announced_delimiter(lines.window());
        let announcement = announced.map_or(0, |(_, length)| length);
        let sample = lines.sample().get(announcement..).unwrap_or_default().to_vec();
        let delimiter = options
            .delimiter
            .or(announced.map(|(delimiter, _)| delimiter))
            .unwrap_or_else(|| dialect::detect_delimiter(&sample, &state));
        let sample = dialect::sample_records(&sample, delimiter, &state);

        let mut records = Records::new(lines, delimiter, state);
        if announcement > 0 {
            records.skip_line(announcement);
        }
        let (columns, rows) = if dialect::has_header(&sample) {
            (
                Some(read_header(&mut records)?),
                sample.get(1..).unwrap_or_default(),
            )
        } else {
            (None, sample.as_slice())
        };
        let width = sample.first().map_or(1, Vec::len);
        let mapping = Mapping::new(columns, width, &options.rules, rows)?;
        Ok(CsvFile {
            records,
            mapping,
            delimiter,
        })
    }

    /// The next row; none at the end of the file.
    pub fn next_row(&mut self) -> std::io::Result<Option<Item>> {
        let step = self.records.step()?;
        let refused = match step {
            Step::End => return Ok(None),
            Step::Broken(reason) => reason.to_string(),
            Step::Record => match self.records.fields() {
                Err(reason) => reason.to_string(),
                Ok(fields) => match self.mapping.row(self.records.line(), &fields) {
                    Ok(row) => return Ok(Some(Item::Row(row))),
                    Err(reason) => reason,
                },
            },
        };
        let reject = Reject {
            line: self.records.line(),
            reason: refused,
            row: self.records.original(),
        };
        Ok(Some(Item::Reject(reject)))
    }

    /// What separates the fields.
    pub fn delimiter(&self) -> Delimiter {
        self.delimiter
    }

    /// What the text is written in, as far as it has been read.
    pub fn encoding(&self) -> &'static str {
        self.records.encoding_name()
    }

    /// What each column means, as [`Rule`]s say it.
    pub fn mapping(&self) -> Vec<String> {
        self.mapping.rules()
    }

    /// The header of the column with the addresses.
    pub fn email_column(&self) -> &str {
        self.mapping.email_column()
    }
}

impl std::fmt::Debug for CsvFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CsvFile")
            .field("delimiter", &self.delimiter)
            .finish_non_exhaustive()
    }
}

fn read_header(records: &mut Records) -> Result<Vec<String>, Refusal> {
    let refused = match records.step()? {
        Step::Record => match records.fields() {
            Ok(fields) => return Ok(fields.iter().map(str::to_owned).collect()),
            Err(reason) => reason.to_string(),
        },
        Step::Broken(reason) => reason.to_string(),
        Step::End => return Err(Refusal::Empty),
    };
    Err(Refusal::Header {
        line: records.line(),
        reason: refused,
    })
}

#[cfg(test)]
mod tests;
