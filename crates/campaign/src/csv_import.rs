//! Recipients from files: what a file is and what it is written in, which column means what, and each row as a
//! recipient or as a reason why it is none. A file is read as a stream; memory does not grow with its size.

mod archive;
mod cell;
mod change;
mod container;
mod delimiter;
mod dialect;
mod email_column;
mod encoding;
mod item;
mod lines;
mod look;
mod mapping;
mod ods;
mod outcome;
mod records;
mod refusal;
mod remarks;
mod rule;
mod sheet;
mod signs;
mod source;
mod tools;
mod unpacking;
mod value;
mod workbook;
mod xlsx;

pub use change::{Change, Joined, TakenBack};
pub use delimiter::{Delimiter, UnknownDelimiter};
pub use encoding::{TextEncoding, UnknownEncoding};
pub use item::{Item, Reject, Row, Suppression};
pub use look::{Column, Look};
pub use outcome::{Counts, Known, Outcome, decide};
pub use refusal::Refusal;
pub use remarks::{Remark, Remarks};
pub use rule::{Kind, MapError, Rule};
pub use source::{Scratch, Source};
pub use tools::SuppressionReason;

use container::{Content, Opened};
use lines::Lines;
use mapping::{Columns, Fault, Mapping, names_of};
use records::{Fields, Records, Step};
use sheet::{SheetRow, SheetRows, column_letters};
use std::fmt;
use std::io::Read;

/// What the user says about a file, where detection is not wanted.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What separates the fields.
    pub delimiter: Option<Delimiter>,
    /// What the text is written in.
    pub encoding: Option<TextEncoding>,
    /// Whether the first row is a header.
    pub header: Option<bool>,
    /// What single columns mean.
    pub rules: Vec<Rule>,
    /// Which file of an archive or sheet of a spreadsheet is meant: `people.csv`, `Sheet1`, `book.xlsx/Sheet1`.
    pub part: Option<String>,
}

/// How the rows of a file are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text with delimiters.
    Csv,
    /// A workbook of Excel 2007 or later.
    Xlsx,
    /// An OpenDocument spreadsheet.
    Ods,
}

/// Shown as a word: `csv`, `xlsx`, `ods`.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Csv => "csv",
            Format::Xlsx => "xlsx",
            Format::Ods => "ods",
        })
    }
}

/// A file that is being read.
pub struct CsvFile {
    rows: Rows,
    mapping: Mapping,
    format: Format,
    part: Option<String>,
}

/// Where rows come from.
enum Rows {
    Text(Box<Records>, Delimiter),
    /// The sheet's rows, and the one that was read last.
    Sheet(SheetRows, SheetRow),
}

/// Rows of a sheet that are looked at before anything is decided about it.
const SAMPLE_ROWS: usize = 200;

impl CsvFile {
    /// Looks at a file: what it is, its encoding, delimiter and header, the meaning of the columns. What can be read
    /// twice is looked through for damage, so that a refusal comes before anything is written. `scratch` makes files
    /// for what cannot be held in memory.
    pub fn open(source: Source, options: &Options, scratch: Scratch) -> Result<Self, Refusal> {
        let Opened {
            content,
            format,
            part,
        } = container::open(source, options.part.as_deref(), scratch)?;
        let (rows, table) = open_rows(content, options)?;
        let mapping = match table.mapping(options) {
            Ok(mapping) => mapping,
            Err(error) => {
                let place = table.header_at;
                return Err(Refusal::Map { place, error });
            }
        };
        table.refuse_only_header()?;
        Ok(CsvFile {
            rows,
            mapping,
            format,
            part,
        })
    }

    /// The next row; none at the end of the file.
    pub fn next_row(&mut self) -> std::io::Result<Option<Item>> {
        let refused = match self.read()? {
            None => return Ok(None),
            Some(Ok(item)) => return Ok(Some(item)),
            Some(Err(fault)) => fault,
        };
        Ok(Some(Item::Reject(Reject {
            line: self.line(),
            reason: self.located(&refused),
            row: self.original(),
        })))
    }

    fn read(&mut self) -> std::io::Result<Option<Result<Item, Fault>>> {
        Ok(Some(match &mut self.rows {
            Rows::Text(records, _) => match records.step()? {
                Step::End => return Ok(None),
                Step::Broken(column, reason) => Err(Fault {
                    column,
                    reason: reason.to_string(),
                }),
                Step::Record => match records.fields() {
                    Err(fault) => Err(fault),
                    Ok(fields) => self.mapping.row(records.line(), &fields),
                },
            },
            Rows::Sheet(rows, last) => {
                let Some(row) = rows.next()? else { return Ok(None) };
                *last = row;
                sheet_row(&self.mapping, last)
            }
        }))
    }

    /// The row that was read last as it stands in the file, as in [`Reject::row`].
    pub fn original(&self) -> Vec<u8> {
        match &self.rows {
            Rows::Text(records, _) => records.original(),
            Rows::Sheet(_, last) => last.as_csv().into_bytes(),
        }
    }

    /// The line where the row starts that was read last.
    fn line(&self) -> u64 {
        match &self.rows {
            Rows::Text(records, _) => records.line(),
            Rows::Sheet(_, last) => last.line,
        }
    }

    /// A reason, with the place.
    fn located(&self, Fault { column, reason }: &Fault) -> String {
        let header = column.and_then(|column| self.mapping.header(column));
        match (&self.rows, column) {
            (Rows::Text(..), _) => match header {
                Some(header) => format!("column `{header}`: {reason}"),
                None => reason.clone(),
            },
            (Rows::Sheet(rows, last), Some(column)) => {
                let letters = column_letters(*column);
                let header = header.map(|header| format!(" (`{header}`)")).unwrap_or_default();
                format!(
                    "sheet \"{}\", row {}, column {letters}{header}: {reason}",
                    rows.sheet(),
                    last.line
                )
            }
            (Rows::Sheet(rows, last), None) => {
                format!("sheet \"{}\", row {}: {reason}", rows.sheet(), last.line)
            }
        }
    }

    /// What separates the fields; none in a spreadsheet.
    pub fn delimiter(&self) -> Option<Delimiter> {
        match &self.rows {
            Rows::Text(_, delimiter) => Some(*delimiter),
            Rows::Sheet(..) => None,
        }
    }

    /// What the text is written in, as far as it has been read.
    pub fn encoding(&self) -> &'static str {
        match &self.rows {
            Rows::Text(records, _) => records.encoding_name(),
            Rows::Sheet(..) => "utf-8",
        }
    }

    /// How the rows are written down.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The file of an archive, the sheet of a spreadsheet, or both.
    pub fn part(&self) -> Option<&str> {
        self.part.as_deref()
    }

    /// The tool whose export it is: `Mailchimp`.
    pub fn tool(&self) -> Option<&'static str> {
        self.mapping.tool()
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

impl fmt::Debug for CsvFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvFile")
            .field("format", &self.format)
            .field("part", &self.part)
            .finish_non_exhaustive()
    }
}

/// What stands at the beginning of a file, before anything is said about what it means.
struct Table {
    /// The header, if there is one.
    columns: Option<Vec<String>>,
    /// Where it stands: `line 1`, or `sheet "People", row 1`.
    header_at: Option<String>,
    /// Whether columns have letters.
    in_sheet: bool,
    width: usize,
    /// The first rows, without the header.
    sample: Vec<Vec<String>>,
    /// Whether there is a header, and nothing after it.
    is_only_header: bool,
}

impl Table {
    fn mapping(&self, options: &Options) -> Result<Mapping, MapError> {
        let columns = Columns {
            names: names_of(self.columns.as_deref(), self.width),
            in_sheet: self.in_sheet,
        };
        Mapping::new(columns, &options.rules, &self.sample)
    }

    /// A file without rows is a mistake of whoever exported it, not an import of nobody.
    fn refuse_only_header(&self) -> Result<(), Refusal> {
        match &self.header_at {
            Some(place) if self.is_only_header => Err(Refusal::OnlyHeader { place: place.clone() }),
            _ => Ok(()),
        }
    }
}

fn open_rows(content: Content, options: &Options) -> Result<(Rows, Table), Refusal> {
    match content {
        Content::Text(text) => open_text(text, options),
        Content::Sheet(rows) => open_sheet(rows, options),
    }
}

fn open_text(source: Box<dyn Read + Send>, options: &Options) -> Result<(Rows, Table), Refusal> {
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
    let is_broken = dialect::is_broken_header(&sample, delimiter, &state);
    let mut sample = dialect::sample_records(&sample, delimiter, &state);
    let has_header = is_broken || dialect::has_header(&sample);

    let mut records = Records::new(lines, delimiter, state);
    if announcement > 0 {
        records.skip_line(announcement);
    }
    let width = sample.first().map_or(1, Vec::len);
    let (mut columns, mut header_at) = (None, None);
    if options.header.unwrap_or(has_header) {
        columns = Some(read_header(&mut records)?);
        header_at = Some(format!("line {}", records.line()));
        sample.drain(..sample.len().min(1));
    }
    let table = Table {
        is_only_header: columns.is_some() && records.is_at_end()?,
        columns,
        header_at,
        in_sheet: false,
        width,
        sample,
    };
    Ok((Rows::Text(Box::new(records), delimiter), table))
}

fn read_header(records: &mut Records) -> Result<Vec<String>, Refusal> {
    let Fault { column, reason } = match records.step()? {
        Step::Record => match records.fields() {
            Ok(fields) => return Ok(fields.iter().map(str::to_owned).collect()),
            Err(fault) => fault,
        },
        Step::Broken(column, reason) => Fault {
            column,
            reason: reason.to_string(),
        },
        Step::End => return Err(Refusal::Empty),
    };
    let place = match column {
        Some(column) => format!("line {}, column #{}", records.line(), column + 1),
        None => format!("line {}", records.line()),
    };
    Err(Refusal::Header { place, reason })
}

fn open_sheet(mut rows: SheetRows, options: &Options) -> Result<(Rows, Table), Refusal> {
    let sample = rows.sample(SAMPLE_ROWS)?;
    let Some(first) = sample.front().cloned() else {
        return Err(Refusal::Empty);
    };
    if let Some((column, reason)) = first.fault {
        let place = match column {
            Some(column) => format!("row {}, column {}", first.line, column_letters(column)),
            None => format!("row {}", first.line),
        };
        return Err(Refusal::Header {
            place: format!("sheet \"{}\", {place}", rows.sheet()),
            reason,
        });
    }
    let mut sample: Vec<_> = sample.iter().map(|row| row.cells.clone()).collect();
    let width = sample.iter().map(Vec::len).max().unwrap_or(1);
    let (mut columns, mut header_at) = (None, None);
    if options.header.unwrap_or_else(|| dialect::has_header(&sample)) {
        rows.next()?;
        header_at = Some(format!("sheet \"{}\", row {}", rows.sheet(), first.line));
        columns = Some(first.cells);
        sample.remove(0);
    }
    let table = Table {
        columns,
        header_at,
        in_sheet: true,
        is_only_header: sample.is_empty(),
        width,
        sample,
    };
    Ok((Rows::Sheet(rows, SheetRow::default()), table))
}

/// A row of a sheet has no width of its own: cells that are not there are empty.
fn sheet_row(mapping: &Mapping, row: &SheetRow) -> Result<Item, Fault> {
    if let Some((column, reason)) = &row.fault {
        return Err(Fault {
            column: *column,
            reason: reason.clone(),
        });
    }
    let width = mapping.width();
    if row.cells.len() > width {
        return Err(Fault {
            column: Some(row.cells.len() - 1),
            reason: "has a value, but the column has no header".to_owned(),
        });
    }
    let text = row.cells.concat();
    let mut end = 0;
    let mut ends: Vec<usize> = row
        .cells
        .iter()
        .map(|cell| {
            end += cell.len();
            end
        })
        .collect();
    ends.resize(width, end);
    mapping.row(row.line, &Fields::new(&text, &ends))
}

#[cfg(test)]
mod tests;
