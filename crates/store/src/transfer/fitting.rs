//! Values that one engine holds and another does not take: text with NUL in it, and text that is not UTF-8.

use super::TransferError;
use super::catalogue::Table;
use super::row::{Row, Value, write_line};
use std::fmt;

/// A value that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The table.
    pub table: String,
    /// The column.
    pub column: String,
    /// The row's primary key, as JSON.
    pub key: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Misfit {
            table,
            column,
            key,
            problem,
        } = self;
        write!(f, "table {table}, row {key}, column {column}: the text {problem}")
    }
}

/// How many are named.
const NAMED: usize = 20;

/// What is done with values that do not fit, and what was.
#[derive(Clone, Debug)]
pub struct Misfits {
    /// Whether they are replaced, by U+FFFD for each octet or character, rather than refused.
    replace: bool,
    /// Whether NUL fits.
    nul_fits: bool,
    /// The first that were replaced.
    pub named: Vec<Misfit>,
    /// How many were replaced.
    pub replaced: u64,
}

impl Misfits {
    pub(super) fn new(replace: bool, nul_fits: bool) -> Misfits {
        Misfits {
            replace,
            nul_fits,
            named: Vec::new(),
            replaced: 0,
        }
    }

    /// The row as it fits.
    pub(super) fn fit(&mut self, table: &Table, mut row: Row) -> Result<Row, TransferError> {
        for at in 0..row.len() {
            let (text, problem) = match &row[at] {
                Value::NotUtf8(octets) => (String::from_utf8_lossy(octets).into_owned(), "is not UTF-8"),
                Value::Text(text) if !self.nul_fits && text.contains('\0') => {
                    (text.clone(), "has a NUL in it, which PostgreSQL does not take")
                }
                _ => continue,
            };
            let misfit = Misfit {
                table: table.name.clone(),
                column: table.columns[at].name.clone(),
                key: key_of(table, &row),
                problem,
            };
            if !self.replace {
                return Err(TransferError::Unfit(misfit));
            }
            self.replaced += 1;
            if self.named.len() < NAMED {
                self.named.push(misfit);
            }
            row[at] = Value::Text(match self.nul_fits {
                true => text,
                false => text.replace('\0', "\u{FFFD}"),
            });
        }
        Ok(row)
    }
}

/// A row's primary key as JSON.
pub(super) fn key_of(table: &Table, row: &[Value]) -> String {
    let key: Row = table.key.iter().map(|at| row[*at].clone()).collect();
    let mut line = Vec::new();
    write_line(&key, &mut line);
    line.pop();
    String::from_utf8(line).expect("JSON is UTF-8")
}
