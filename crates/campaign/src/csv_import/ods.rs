//! Sheets of OpenDocument spreadsheets, read as a stream. (The library that reads Excel's files reads these too, but
//! holds all cells in memory and writes out every repeated one, so that a small file becomes many gigabytes.)

use super::cell::{NOT_COMPUTED, clock_time, day_or_time, has_error, number};
use super::sheet::{CellText, SheetRows, SheetWriter};
use super::{Refusal, archive, workbook};
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

/// Columns and rows of the largest sheet.
const GREATEST_COLUMNS: u64 = 16_384;
const GREATEST_ROWS: u64 = 1_048_576;
/// Cells that are taken at most, repeated ones counted as often as they are.
const GREATEST_CELLS: u64 = 50_000_000;

/// Reads the sheet that is meant.
pub(super) fn read(file: &File, part: Option<&str>, mut writer: SheetWriter) -> Result<SheetRows, Refusal> {
    refuse_encrypted(file)?;
    let mut all: Vec<(String, bool)> = Vec::new();
    walk(file, &mut |sheet, row| {
        if all.last().is_none_or(|(last, _)| last != sheet) {
            all.push((sheet.to_owned(), false));
        }
        if let (Some((_, has_content)), Some(row)) = (all.last_mut(), row) {
            *has_content |= !row.cells.is_empty();
        }
        Ok(())
    })?;
    let chosen = workbook::choose(&all, part)?;
    let mut cells = 0;
    walk(file, &mut |sheet, row| match row {
        Some(row) if sheet == chosen => row.write(&mut writer, &mut cells),
        _ => Ok(()),
    })?;
    writer.finish(chosen)
}

fn refuse_encrypted(file: &File) -> Result<(), Refusal> {
    const GREATEST_MANIFEST: u64 = 1 << 20;
    let mut zip = archive::read_directory(file)?;
    let Ok(manifest) = zip.by_name("META-INF/manifest.xml") else {
        return Ok(());
    };
    let mut text = Vec::new();
    manifest.take(GREATEST_MANIFEST).read_to_end(&mut text)?;
    match memchr::memmem::find(&text, b"encryption-data") {
        Some(_) => Err(Refusal::Encrypted),
        None => Ok(()),
    }
}

/// A row as it stands in the file: once, however often it is repeated.
#[derive(Default)]
struct Row {
    /// From 1.
    line: u64,
    repeated: u64,
    /// First column from 0, how often, and what stands there. Empty cells are left out.
    cells: Vec<(u64, u64, CellText)>,
}

impl Row {
    fn write(&self, writer: &mut SheetWriter, cells: &mut u64) -> Result<(), Refusal> {
        let in_row: u64 = self.cells.iter().map(|(_, repeated, _)| repeated).sum();
        *cells += in_row * self.repeated;
        if *cells > GREATEST_CELLS {
            return Err(Refusal::TooLarge(format!(
                "its sheet has more than {GREATEST_CELLS} cells with something in them"
            )));
        }
        if self.cells.is_empty() {
            return Ok(());
        }
        for line in self.line..self.line + self.repeated {
            for (first, repeated, text) in &self.cells {
                for column in *first..*first + repeated {
                    let column = usize::try_from(column).expect("a sheet has few columns");
                    writer.cell(line, column, text.clone())?;
                }
            }
        }
        Ok(())
    }
}

/// What is called for each sheet once without a row, and then with each of its rows.
type Visit<'v> = dyn FnMut(&str, Option<&Row>) -> Result<(), Refusal> + 'v;

/// Goes through all sheets.
fn walk(file: &File, visit: &mut Visit<'_>) -> Result<(), Refusal> {
    let mut zip = archive::read_directory(file)?;
    let content = zip.by_name("content.xml").map_err(archive::refusal)?;
    let mut xml = Xml::new(BufReader::new(content));
    let mut sheet = String::new();
    let mut next_line = 1;
    loop {
        match xml.next()? {
            Node::Open(name, element) if name == "table:table" => {
                sheet = attribute(&element, "table:name")?.unwrap_or_default();
                next_line = 1;
                visit(&sheet, None)?;
            }
            Node::Open(name, element) if name == "table:table-row" => {
                let repeated = repeats(&element, "table:number-rows-repeated")?;
                let mut row = Row {
                    line: next_line,
                    repeated,
                    cells: Vec::new(),
                };
                next_line += repeated;
                read_row(&mut xml, &mut row)?;
                // Sheets end in a row that is repeated down to the last of all.
                if next_line > GREATEST_ROWS + 1 && !row.cells.is_empty() {
                    return Err(Refusal::TooLarge(format!(
                        "its sheet has more than {GREATEST_ROWS} rows"
                    )));
                }
                visit(&sheet, Some(&row))?;
            }
            Node::End => return Ok(()),
            _ => {}
        }
    }
}

fn read_row<R: BufRead>(xml: &mut Xml<R>, row: &mut Row) -> Result<(), Refusal> {
    let mut column = 0;
    loop {
        match xml.next()? {
            Node::Open(name, element) if name == "table:table-cell" || name == "table:covered-table-cell" => {
                let repeated = repeats(&element, "table:number-columns-repeated")?;
                let text = read_text(xml, &name)?;
                if name == "table:table-cell"
                    && let Some(text) = value(&element, text)?
                {
                    if column + repeated > GREATEST_COLUMNS {
                        return Err(Refusal::Damaged(format!(
                            "row {} has more than {GREATEST_COLUMNS} columns",
                            row.line
                        )));
                    }
                    row.cells.push((column, repeated, text));
                }
                column = (column + repeated).min(GREATEST_COLUMNS);
            }
            Node::Close(name) if name == "table:table-row" => return Ok(()),
            Node::End => return Err(cut_off()),
            _ => {}
        }
    }
}

/// The paragraphs up to the end of the cell, each a line.
fn read_text<R: BufRead>(xml: &mut Xml<R>, cell: &str) -> Result<String, Refusal> {
    let mut text = String::new();
    let (mut paragraphs, mut within) = (0, 0);
    loop {
        match xml.next()? {
            Node::Open(name, element) => match name.as_str() {
                // A note that somebody put beside the cell.
                "office:annotation" => xml.skip(&name)?,
                "text:p" => {
                    if paragraphs > 0 {
                        text.push('\n');
                    }
                    (paragraphs, within) = (paragraphs + 1, within + 1);
                }
                "text:s" => {
                    let spaces = repeats(&element, "text:c")?.min(1000);
                    text.extend((0..spaces).map(|_| ' '));
                }
                "text:tab" => text.push('\t'),
                "text:line-break" => text.push('\n'),
                _ => {}
            },
            Node::Text(part) if within > 0 => text.push_str(&part),
            Node::Close(name) if name == "text:p" => within -= 1,
            Node::Close(name) if name == cell => return Ok(text),
            Node::End => return Err(cut_off()),
            _ => {}
        }
    }
}

/// What a cell says, by its attributes and its text.
fn value(element: &BytesStart<'static>, text: String) -> Result<Option<CellText>, Refusal> {
    let get = |name| attribute(element, name);
    if get("calcext:value-type")?.as_deref() == Some("error") {
        return Ok(Some(Err(has_error(&text))));
    }
    let has_formula = get("table:formula")?.is_some();
    let kind = get("office:value-type")?;
    let value = match kind.as_deref() {
        Some("float" | "percentage" | "currency") => get("office:value")?.and_then(|value| {
            let value: f64 = value.parse().ok()?;
            Some(number(value))
        }),
        Some("date") => get("office:date-value")?.map(|date| day_or_time(&date)),
        Some("time") => get("office:time-value")?.map(|time| clock_time(&time)),
        Some("boolean") => get("office:boolean-value")?.map(|yes| yes.to_lowercase()),
        Some("string") => Some(get("office:string-value")?.unwrap_or(text)),
        Some(_) | None => Some(text).filter(|text| !text.is_empty()),
    };
    Ok(match value {
        None if has_formula => Some(Err(NOT_COMPUTED.to_owned())),
        None if kind.is_some() => Some(Err("has no value that can be read".to_owned())),
        value => value.filter(|text| !text.is_empty()).map(Ok),
    })
}

fn attribute(element: &BytesStart<'static>, name: &str) -> Result<Option<String>, Refusal> {
    let found = element.try_get_attribute(name).map_err(damaged)?;
    found
        .map(|attribute| {
            Ok(attribute
                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                .map_err(damaged)?
                .into_owned())
        })
        .transpose()
}

/// How often something is repeated: a number that a file may lie about.
fn repeats(element: &BytesStart<'static>, name: &str) -> Result<u64, Refusal> {
    let Some(text) = attribute(element, name)? else {
        return Ok(1);
    };
    let number: u64 = text
        .parse()
        .map_err(|_| Refusal::Damaged(format!("{name} is `{text}`, and not a number")))?;
    Ok(number.clamp(1, GREATEST_ROWS))
}

fn damaged(error: impl std::fmt::Display) -> Refusal {
    Refusal::Damaged(format!("its content does not read ({error})"))
}

fn cut_off() -> Refusal {
    damaged("it ends in the middle")
}

/// A part of an XML file.
enum Node {
    /// A tag that opens; one that closes itself is both.
    Open(String, BytesStart<'static>),
    Close(String),
    Text(String),
    Other,
    End,
}

struct Xml<R> {
    reader: quick_xml::Reader<R>,
    buffer: Vec<u8>,
}

impl<R: BufRead> Xml<R> {
    fn new(source: R) -> Self {
        let mut reader = quick_xml::Reader::from_reader(source);
        reader.config_mut().expand_empty_elements = true;
        Xml {
            reader,
            buffer: Vec::new(),
        }
    }

    fn next(&mut self) -> Result<Node, Refusal> {
        self.buffer.clear();
        let event = self.reader.read_event_into(&mut self.buffer).map_err(damaged)?;
        Ok(match event {
            Event::Start(element) => Node::Open(element.name().0.to_owned(), element.into_owned()),
            Event::End(element) => Node::Close(element.name().0.to_owned()),
            Event::Text(text) => Node::Text(text.xml10_content().into_owned()),
            Event::CData(text) => Node::Text(text.xml10_content().into_owned()),
            Event::GeneralRef(entity) => match resolve_xml_entity(&entity) {
                Some(text) => Node::Text(text.to_owned()),
                None => match entity.resolve_char_ref().map_err(damaged)? {
                    Some(character) => Node::Text(character.to_string()),
                    None => return Err(damaged("it has a name in it that stands for nothing")),
                },
            },
            Event::Eof => Node::End,
            _ => Node::Other,
        })
    }

    /// Passes everything up to the end of an element that was opened.
    fn skip(&mut self, name: &str) -> Result<(), Refusal> {
        loop {
            match self.next()? {
                Node::Close(closed) if closed == name => return Ok(()),
                Node::End => return Err(cut_off()),
                _ => {}
            }
        }
    }
}
