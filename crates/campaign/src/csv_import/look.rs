//! A look at a file, for a person who may say otherwise: what it was found to be, and what stands in its first rows.

use super::container::{self, Opened};
use super::{MapError, Options, Refusal, Rows, Scratch, Source, names_of, open_rows};
use serde::{Deserialize, Serialize};

/// Values of a column that are shown.
const VALUES: usize = 3;
/// Letters of a value that are shown.
const LETTERS: usize = 60;

/// What a file was found to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// `csv`, `xlsx` or `ods`.
    pub format: String,
    /// The file of an archive, the sheet of a spreadsheet, or both.
    pub part: Option<String>,
    /// `comma`, `semicolon`, `tab` or `pipe`; none in a spreadsheet.
    pub delimiter: Option<String>,
    /// What the text is written in, as far as it has been read.
    pub encoding: String,
    /// Whether the first row is a header.
    pub has_header: bool,
    /// The tool whose export it is.
    pub tool: Option<String>,
    /// The columns in their order.
    pub columns: Vec<Column>,
}

/// A column of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// What it is called.
    pub header: String,
    /// What it means, as [`super::Rule`]s say it; nothing if that cannot be said of the columns as they are.
    pub field: Option<String>,
    /// Its first values that are not empty, each at most 60 letters long.
    pub values: Vec<String>,
}

impl Look {
    /// Looks at a file as [`super::CsvFile::open`] does. What is wrong with the columns comes beside what there is to be seen.
    pub fn at(
        source: Source,
        options: &Options,
        scratch: Scratch,
    ) -> Result<(Look, Option<MapError>), Refusal> {
        let Opened {
            content,
            format,
            part,
        } = container::open(source, options.part.as_deref(), scratch)?;
        let (rows, table) = open_rows(content, options)?;
        let (mapping, fault) = match table.mapping(options) {
            Ok(mapping) => {
                table.refuse_only_header()?;
                (Some(mapping), None)
            }
            Err(fault) => (None, Some(fault)),
        };
        let fields = mapping.as_ref().map(|mapping| mapping.fields());
        let names = names_of(table.columns.as_deref(), table.width).into_iter();
        let column = |(at, header): (usize, String)| Column {
            header,
            field: fields.as_ref().and_then(|fields| fields.get(at).cloned()),
            values: values(&table.sample, at),
        };
        let (delimiter, encoding) = match &rows {
            Rows::Text(records, delimiter) => (Some(delimiter.to_string()), records.encoding_name()),
            Rows::Sheet(..) => (None, "utf-8"),
        };
        let look = Look {
            format: format.to_string(),
            part,
            delimiter,
            encoding: encoding.to_owned(),
            has_header: table.columns.is_some(),
            tool: mapping.and_then(|mapping| mapping.tool()).map(str::to_owned),
            columns: names.enumerate().map(column).collect(),
        };
        Ok((look, fault))
    }
}

fn values(rows: &[Vec<String>], column: usize) -> Vec<String> {
    let filled = rows
        .iter()
        .filter_map(|row| row.get(column))
        .map(|value| value.trim())
        .filter(|value| !value.is_empty());
    filled.take(VALUES).map(shortened).collect()
}

fn shortened(value: &str) -> String {
    match value.char_indices().nth(LETTERS) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value.to_owned(),
    }
}
