//! Rows of fields. A row that does not parse ends where its first line ends, so that it cannot swallow others.

use super::delimiter::Delimiter;
use super::encoding::{State, is_beyond_ascii_utf8};
use super::lines::{GREATEST_ROW, LineEnd, Lines};
use super::mapping::Fault;
use csv_core::ReadRecordResult;
use encoding_rs::WINDOWS_1252;

/// Lines that one row may span.
const GREATEST_LINES: u64 = 200;
/// Fields of one row at most.
pub(super) const GREATEST_WIDTH: usize = 4096;

/// Why a row has no fields. Reads on after "the row …" or after the name of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RowError {
    #[error("has a quote that is opened and never closed")]
    OpenQuote,
    #[error(
        "has a quote that is opened and not closed within {GREATEST_LINES} lines and {GREATEST_ROW} octets"
    )]
    LongQuote,
    #[error("has text after a closing quote: a quote inside a quoted field is written twice (\"\")")]
    TextAfterQuote,
    #[error("makes the row longer than {GREATEST_ROW} octets (only its beginning is shown)")]
    TooLong,
    #[error("has more than {GREATEST_WIDTH} fields")]
    TooWide,
    #[error("is not valid {0}: save the whole file in one encoding")]
    BadText(&'static str),
    #[error(
        "is no utf-8, and has an octet that windows-1252 does not have: say with --encoding what the file is written in"
    )]
    NoWindows1252,
    #[error("is not valid {0} (what is not is shown as U+FFFD)")]
    Garbled(&'static str),
    #[error(
        "is utf-8, and rows before it are windows-1252: save the whole file in one of the two, or say --encoding \
         windows-1252 if it is meant as it stands"
    )]
    Mixed,
    #[error("has a NUL character in it")]
    Nul,
}

/// What was found at the place that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Record,
    /// In this column, from 0, if it is one.
    Broken(Option<usize>, RowError),
    End,
}

/// Reads rows one after the other; each stays available until the next is read.
pub(super) struct Records {
    lines: Lines,
    core: csv_core::Reader,
    delimiter: Delimiter,
    state: State,
    /// The number of the line where the row starts.
    line: u64,
    /// Lines and octets to pass before the next row.
    lines_taken: u64,
    octets_taken: usize,
    /// Octets of the row as it stands in the file.
    original: usize,
    output: Vec<u8>,
    ends: Vec<usize>,
    width: usize,
    decoded: String,
    is_decoded: bool,
    /// The column whose text is in another encoding than the rows before.
    mixed: Option<usize>,
    skip_rest_of_line: bool,
}

/// The fields of a row.
pub(super) struct Fields<'a> {
    text: &'a str,
    ends: &'a [usize],
}

impl<'a> Fields<'a> {
    /// `ends`: where each field ends in the text of all of them.
    pub(super) fn new(text: &'a str, ends: &'a [usize]) -> Self {
        Fields { text, ends }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, column: usize) -> Option<&'a str> {
        let end = *self.ends.get(column)?;
        let start = if column == 0 { 0 } else { self.ends[column - 1] };
        self.text.get(start..end)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a str> {
        (0..self.len()).map(|column| self.get(column).unwrap_or_default())
    }
}

impl Records {
    pub(super) fn new(lines: Lines, delimiter: Delimiter, state: State) -> Self {
        Records {
            lines,
            core: csv_core::ReaderBuilder::new()
                .delimiter(delimiter.octet())
                .build(),
            delimiter,
            state,
            line: 1,
            lines_taken: 0,
            octets_taken: 0,
            original: 0,
            output: vec![0; GREATEST_ROW + 16],
            ends: vec![0; GREATEST_WIDTH + 1],
            width: 0,
            decoded: String::new(),
            is_decoded: false,
            mixed: None,
            skip_rest_of_line: false,
        }
    }

    /// Passes the first line, `octets` long, without reading it as a row.
    pub(super) fn skip_line(&mut self, octets: usize) {
        (self.octets_taken, self.lines_taken) = (octets, 1);
    }

    /// The line where the row starts, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    pub(super) fn encoding_name(&self) -> &'static str {
        self.state.name()
    }

    /// Reads the next row. Lines of nothing but white space are passed over.
    pub(super) fn step(&mut self) -> std::io::Result<Step> {
        let step = match self.next_line()? {
            LineEnd::EndOfFile => return Ok(Step::End),
            LineEnd::TooFar => {
                let column = self.column_at_limit();
                self.skip_rest_of_line = true;
                self.take(GREATEST_ROW, 1);
                let error = if column.is_some() {
                    RowError::TooLong
                } else {
                    RowError::TooWide
                };
                Step::Broken(column, error)
            }
            LineEnd::At(end) => self.parse(end)?,
        };
        self.decode_row();
        Ok(step)
    }

    /// In which column a row stands when it becomes too long; none if it has too many before.
    fn column_at_limit(&mut self) -> Option<usize> {
        self.core.reset();
        let row = &self.lines.window()[..GREATEST_ROW];
        let (result, _, _, column) = self.core.read_record(row, &mut self.output, &mut self.ends);
        self.width = 0;
        (result == ReadRecordResult::InputEmpty).then_some(column)
    }

    /// Whether no row comes any more.
    pub(super) fn is_at_end(&mut self) -> std::io::Result<bool> {
        Ok(self.next_line()? == LineEnd::EndOfFile)
    }

    /// Passes the row just read and blank lines. Where the line ends that stands then at the start of the window.
    fn next_line(&mut self) -> std::io::Result<LineEnd> {
        loop {
            self.pass()?;
            match self.lines.line_end(0)? {
                LineEnd::At(end) if is_blank(&self.lines.window()[..end], self.delimiter) => {
                    self.take(end, 1);
                }
                found => return Ok(found),
            }
        }
    }

    /// The fields of the row just read.
    pub(super) fn fields(&self) -> Result<Fields<'_>, Fault> {
        let ends = &self.ends[..self.width];
        let at_column = |column: usize, error: RowError| Fault {
            column: Some(column),
            reason: error.to_string(),
        };
        if let Some(column) = self.mixed {
            return Err(at_column(column, RowError::Mixed));
        }
        // `octet`: where it is in the text of all fields.
        let at_octet = |octet: usize, error| at_column(ends.partition_point(|&end| end <= octet), error);
        if let Some(column) = self.no_windows_1252() {
            return Err(at_column(column, RowError::NoWindows1252));
        }
        let bad = RowError::BadText(self.state.name());
        let octets = &self.output[..ends.last().copied().unwrap_or(0)];
        let text = if self.is_decoded {
            self.decoded.as_str()
        } else {
            std::str::from_utf8(octets).map_err(|error| at_octet(error.valid_up_to(), bad))?
        };
        if let Some(nul) = memchr::memchr(0, text.as_bytes()) {
            return Err(at_octet(nul, RowError::Nul));
        }
        if matches!(self.state, State::Transcoded(_))
            && let Some(replaced) = text.find('\u{FFFD}')
        {
            return Err(at_octet(replaced, RowError::Garbled(self.state.name())));
        }
        let fields = Fields::new(text, ends);
        // A character of several octets cannot be cut in two by a delimiter, except in text that is not valid.
        if text.is_ascii() {
            return Ok(fields);
        }
        match (0..fields.len()).find(|&column| fields.get(column).is_none()) {
            Some(column) => Err(at_column(column, bad)),
            None => Ok(fields),
        }
    }

    /// The column with an octet that no text in Windows-1252 has: where nobody has named it, the file is something else.
    fn no_windows_1252(&self) -> Option<usize> {
        if !self.is_decoded || self.state != (State::Windows1252 { named: false }) {
            return None;
        }
        let is_unassigned = |c: char| matches!(c, '\u{81}' | '\u{8d}' | '\u{8f}' | '\u{90}' | '\u{9d}');
        let at = self.decoded.find(is_unassigned)?;
        Some(self.ends[..self.width].partition_point(|&end| end <= at))
    }

    /// The row just read as it stands in the file, without its last line break.
    pub(super) fn original(&self) -> Vec<u8> {
        let mut octets = &self.lines.window()[..self.original];
        if let Some(rest) = octets.strip_suffix(b"\n") {
            octets = rest;
        }
        if let Some(rest) = octets.strip_suffix(b"\r") {
            octets = rest;
        }
        match self.state {
            // So that it can be imported once its encoding is clear.
            State::Windows1252 { named: false } if std::str::from_utf8(octets).is_ok() => octets.to_vec(),
            State::Windows1252 { .. } => WINDOWS_1252
                .decode_without_bom_handling(octets)
                .0
                .into_owned()
                .into_bytes(),
            _ => octets.to_vec(),
        }
    }

    fn take(&mut self, octets: usize, lines: u64) {
        (self.original, self.octets_taken, self.lines_taken) = (octets, octets, lines);
    }

    fn pass(&mut self) -> std::io::Result<()> {
        self.lines.advance(std::mem::take(&mut self.octets_taken));
        self.line += std::mem::take(&mut self.lines_taken);
        if std::mem::take(&mut self.skip_rest_of_line) {
            self.lines.skip_line()?;
        }
        Ok(())
    }

    /// Reads a row whose first line ends at `first`.
    fn parse(&mut self, first: usize) -> std::io::Result<Step> {
        self.core.reset();
        self.width = 0;
        let (mut from, mut end, mut lines, mut written) = (0, first, 1, 0);
        let mut opened_in = None;
        loop {
            match self.feed(from, end, &mut written) {
                ReadRecordResult::Record => break,
                ReadRecordResult::InputEmpty => {}
                _ => {
                    self.take(first, 1);
                    return Ok(Step::Broken(None, RowError::TooWide));
                }
            }
            // The line ended inside quotes.
            opened_in.get_or_insert(self.width);
            from = end;
            match self.lines.line_end(from)? {
                LineEnd::At(next) if lines < GREATEST_LINES => (end, lines) = (next, lines + 1),
                found => {
                    self.take(first, 1);
                    let is_at_end = found == LineEnd::EndOfFile;
                    let error = if is_at_end {
                        RowError::OpenQuote
                    } else {
                        RowError::LongQuote
                    };
                    return Ok(Step::Broken(opened_in, error));
                }
            }
        }
        let row = &self.lines.window()[..end];
        if let Some(column) = text_after_quote(row, self.delimiter, lines) {
            self.take(first, 1);
            return Ok(match opened_in {
                // The quote was closed by another row's opening quote.
                Some(opened) => Step::Broken(Some(opened), RowError::OpenQuote),
                None => Step::Broken(Some(column), RowError::TextAfterQuote),
            });
        }
        self.take(end, lines);
        Ok(Step::Record)
    }

    fn feed(&mut self, from: usize, end: usize, written: &mut usize) -> ReadRecordResult {
        let line = &self.lines.window()[from..end];
        let (mut result, _, octets, fields) =
            self.core
                .read_record(line, &mut self.output[*written..], &mut self.ends[self.width..]);
        *written += octets;
        self.width += fields;
        if result == ReadRecordResult::InputEmpty && !line.ends_with(b"\n") && !line.ends_with(b"\r") {
            // The last line of a file may have no line break.
            let (last, _, octets, fields) =
                self.core
                    .read_record(b"\n", &mut self.output[*written..], &mut self.ends[self.width..]);
            *written += octets;
            self.width += fields;
            result = last;
        }
        result
    }

    /// Settles the encoding, and turns the fields into UTF-8 if they are something else.
    fn decode_row(&mut self) {
        (self.is_decoded, self.mixed) = (false, None);
        if self.state == State::Undecided && !self.lines.window()[..self.original].is_ascii() {
            let window = self.lines.window();
            self.state.decide(&window[..self.original], window);
        }
        let length = self.ends[..self.width].last().copied().unwrap_or(0);
        let State::Windows1252 { named } = self.state else {
            return;
        };
        if self.output[..length].is_ascii() {
            return;
        }
        self.decoded.clear();
        let mut start = 0;
        for (column, end) in self.ends[..self.width].iter_mut().enumerate() {
            let octets = &self.output[start..*end];
            if !named && self.mixed.is_none() && is_beyond_ascii_utf8(octets) {
                self.mixed = Some(column);
            }
            let field = WINDOWS_1252.decode_without_bom_handling(octets).0;
            self.decoded.push_str(&field);
            start = *end;
            *end = self.decoded.len();
        }
        self.is_decoded = true;
    }
}

fn is_blank(line: &[u8], delimiter: Delimiter) -> bool {
    line.iter()
        .all(|&octet| octet.is_ascii_whitespace() && octet != delimiter.octet())
}

/// The column, from 0, in which a closing quote is followed by text. Blanks are no text, except in a row of several lines:
/// there they may be what stands between the quotes of different rows.
fn text_after_quote(row: &[u8], delimiter: Delimiter, lines: u64) -> Option<usize> {
    let is_blank = |octet: u8| lines == 1 && octet == b' ';
    let (mut at, mut column) = (0, 0);
    // From quote to quote: a row without any costs one look.
    while let Some(quote) = memchr::memchr(b'"', &row[at..]).map(|found| at + found) {
        let plain = &row[at..quote];
        column += plain.iter().filter(|&&octet| octet == delimiter.octet()).count();
        at = quote + 1;
        if quote > 0 && row[quote - 1] != delimiter.octet() {
            continue;
        }
        at = closing_quote(row, at)? + 1;
        let after = row[at..].iter().find(|&&octet| !is_blank(octet));
        if after.is_some_and(|&octet| octet != delimiter.octet() && octet != b'\r' && octet != b'\n') {
            return Some(column);
        }
    }
    None
}

/// The quote that closes a field whose text begins at `from`. Two quotes are one of the text.
fn closing_quote(row: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let quote = from + memchr::memchr(b'"', row.get(from..)?)?;
        if row.get(quote + 1) != Some(&b'"') {
            return Some(quote);
        }
        from = quote + 2;
    }
}
