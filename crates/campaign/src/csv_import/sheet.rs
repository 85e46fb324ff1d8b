//! The rows of a spreadsheet's sheet. All of them are read before the first is used, into a scratch file: what is
//! damaged is found before anything is imported, and memory does not grow with the sheet.

use super::Refusal;
use super::lines::GREATEST_ROW;
use super::records::GREATEST_WIDTH;
use super::source::Scratch;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};

/// Octets of the scratch file at most.
const GREATEST_SCRATCH: u64 = 2 << 30;

/// What stands in a cell: its text, or why it cannot be taken.
pub(super) type CellText = Result<String, String>;

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SheetRow {
    /// Its number in the sheet, from 1.
    pub(super) line: u64,
    /// From column A to the last that has something in it.
    pub(super) cells: Vec<String>,
    /// Why the row cannot be taken, and the column that is at fault, from 0.
    pub(super) fault: Option<(Option<usize>, String)>,
}

/// Puts the cells of a sheet together to rows.
pub(super) struct SheetWriter {
    out: BufWriter<File>,
    row: SheetRow,
    /// Of the row.
    octets: usize,
    /// Of all rows.
    written: u64,
}

impl SheetWriter {
    pub(super) fn new(scratch: Scratch) -> Result<Self, Refusal> {
        Ok(SheetWriter {
            out: BufWriter::new(scratch()?),
            row: SheetRow::default(),
            octets: 0,
            written: 0,
        })
    }

    /// Takes a cell that is not empty. Cells come row by row. `line` from 1, `column` from 0.
    pub(super) fn cell(&mut self, line: u64, column: usize, text: CellText) -> Result<(), Refusal> {
        if line != self.row.line {
            self.end_row()?;
            if line < self.row.line {
                return Err(Refusal::Damaged(format!(
                    "row {line} comes after row {}",
                    self.row.line
                )));
            }
            self.row.line = line;
        }
        let fault = match text {
            Err(reason) => (Some(column), reason),
            Ok(_) if column >= GREATEST_WIDTH => {
                (Some(column), format!("is beyond the {GREATEST_WIDTH}th column"))
            }
            Ok(text) if self.octets + text.len() > GREATEST_ROW => (
                Some(column),
                format!("makes the row longer than {GREATEST_ROW} octets"),
            ),
            Ok(text) => {
                self.octets += text.len();
                if self.row.cells.len() <= column {
                    self.row.cells.resize(column + 1, String::new());
                }
                self.row.cells[column] = text;
                return Ok(());
            }
        };
        // The first is told; the other cells are kept all the same, so that the row can be shown.
        self.row.fault.get_or_insert(fault);
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), Refusal> {
        let is_blank = self.row.cells.iter().all(|cell| cell.trim().is_empty());
        if !is_blank || self.row.fault.is_some() {
            let text = serde_json::to_string(&self.row).expect("a row can always be written as JSON");
            writeln!(self.out, "{text}")?;
            self.written += text.len() as u64 + 1;
            if self.written > GREATEST_SCRATCH {
                return Err(Refusal::TooLarge(format!(
                    "its sheet has more than {} GiB of text: export it as CSV",
                    GREATEST_SCRATCH >> 30
                )));
            }
        }
        self.row.cells.clear();
        self.row.fault = None;
        self.octets = 0;
        Ok(())
    }

    /// All rows have come.
    pub(super) fn finish(mut self, sheet: String) -> Result<SheetRows, Refusal> {
        self.end_row()?;
        let mut file = self.out.into_inner().map_err(|error| error.into_error())?;
        file.rewind()?;
        Ok(SheetRows {
            sheet,
            file: BufReader::new(file),
            ahead: VecDeque::new(),
            line: String::new(),
        })
    }
}

/// The rows of a sheet, one after the other. Blank ones are left out.
pub(super) struct SheetRows {
    sheet: String,
    file: BufReader<File>,
    ahead: VecDeque<SheetRow>,
    line: String,
}

impl SheetRows {
    pub(super) fn sheet(&self) -> &str {
        &self.sheet
    }

    /// The first rows, which stay to be read.
    pub(super) fn sample(&mut self, rows: usize) -> std::io::Result<&VecDeque<SheetRow>> {
        while self.ahead.len() < rows {
            match self.read()? {
                Some(row) => self.ahead.push_back(row),
                None => break,
            }
        }
        Ok(&self.ahead)
    }

    pub(super) fn next(&mut self) -> std::io::Result<Option<SheetRow>> {
        match self.ahead.pop_front() {
            Some(row) => Ok(Some(row)),
            None => self.read(),
        }
    }

    fn read(&mut self) -> std::io::Result<Option<SheetRow>> {
        self.line.clear();
        if self.file.read_line(&mut self.line)? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&self.line)?))
    }
}

impl SheetRow {
    /// The row as a line of CSV.
    pub(super) fn as_csv(&self) -> String {
        let quoted = |cell: &String| {
            if cell.contains(['"', ',', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.clone()
            }
        };
        self.cells.iter().map(quoted).collect::<Vec<_>>().join(",")
    }
}

/// How a spreadsheet calls a column, counted from 0: `A`, `Z`, `AA`.
pub(super) fn column_letters(column: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + u8::try_from(rest % 26).expect("less than 26")));
        rest /= 26;
    }
    letters.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_called_as_spreadsheets_call_them() {
        for (column, letters) in [
            (0, "A"),
            (25, "Z"),
            (26, "AA"),
            (701, "ZZ"),
            (702, "AAA"),
            (16_383, "XFD"),
        ] {
            assert_eq!(column_letters(column), letters);
        }
    }

    #[test]
    fn rows_come_back_as_they_were_put_together() {
        let mut writer = SheetWriter::new(tempfile::tempfile).unwrap();
        for (line, column, text) in [(2, 1, "b"), (2, 0, "a"), (3, 0, " "), (7, 2, "c")] {
            writer.cell(line, column, Ok(text.to_owned())).unwrap();
        }
        writer.cell(8, 3, Err("is no good".to_owned())).unwrap();
        let mut rows = writer.finish("People".to_owned()).unwrap();
        assert_eq!(rows.sample(2).unwrap().len(), 2);
        let read: Vec<_> = std::iter::from_fn(|| rows.next().unwrap()).collect();
        let lines: Vec<_> = read.iter().map(|row| (row.line, row.as_csv())).collect();
        assert_eq!(
            lines,
            [(2, "a,b".to_owned()), (7, ",,c".to_owned()), (8, String::new())]
        );
        assert_eq!(read[2].fault, Some((Some(3), "is no good".to_owned())));
    }

    #[test]
    fn a_row_that_is_too_long_or_too_wide_is_no_row() {
        let mut writer = SheetWriter::new(tempfile::tempfile).unwrap();
        writer.cell(1, 0, Ok("x".repeat(GREATEST_ROW + 1))).unwrap();
        writer.cell(2, GREATEST_WIDTH, Ok("x".to_owned())).unwrap();
        let mut rows = writer.finish("People".to_owned()).unwrap();
        for reason in [
            "makes the row longer than 65536 octets",
            "is beyond the 4096th column",
        ] {
            let fault = rows.next().unwrap().unwrap().fault.unwrap();
            assert_eq!(fault.1, reason);
        }
    }
}
