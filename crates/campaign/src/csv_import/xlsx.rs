//! Sheets of Excel workbooks.

use super::Refusal;
use super::cell::{NOT_COMPUTED, text};
use super::sheet::{SheetRows, SheetWriter};
use super::workbook;
use calamine::{DataRef, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use std::fs::File;
use std::io::BufReader;

type Workbook = Xlsx<BufReader<File>>;

/// Reads the sheet that is meant. Hidden ones count only if they are named.
pub(super) fn read(file: File, part: Option<&str>, mut writer: SheetWriter) -> Result<SheetRows, Refusal> {
    let mut workbook =
        Workbook::new(BufReader::new(file)).map_err(|error| damaged("the workbook", &error))?;
    let sheets: Vec<_> = workbook
        .sheets_metadata()
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet)
        .map(|sheet| (sheet.name.clone(), sheet.visible == SheetVisible::Visible))
        .collect();
    let mut all = Vec::with_capacity(sheets.len());
    for (name, is_visible) in sheets {
        let counts = is_visible && part.is_none();
        let has_content =
            counts && has_content(&mut workbook, &name).map_err(|error| damaged(&name, &error))?;
        all.push((name, has_content));
    }
    let sheet = workbook::choose(&all, part)?;
    let mut cells = workbook
        .worksheet_cells_reader(&sheet)
        .map_err(|error| damaged(&sheet, &error))?;
    loop {
        let next = cells.next_cell_with_formula_metadata();
        let Some(cell) = next.map_err(|error| damaged(&sheet, &error))? else {
            break;
        };
        let text = match text(&cell.value) {
            None if cell.formula.is_some() => Some(Err(NOT_COMPUTED.to_owned())),
            text => text,
        };
        if let Some(text) = text {
            let (row, column) = cell.pos;
            writer.cell(u64::from(row) + 1, column as usize, text)?;
        }
    }
    writer.finish(sheet)
}

fn has_content(workbook: &mut Workbook, sheet: &str) -> Result<bool, XlsxError> {
    let mut cells = workbook.worksheet_cells_reader(sheet)?;
    while let Some(cell) = cells.next_cell_with_formula_metadata()? {
        if cell.value != DataRef::Empty || cell.formula.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn damaged(what: &str, error: &XlsxError) -> Refusal {
    match error {
        XlsxError::Password => Refusal::Encrypted,
        error => Refusal::Damaged(format!("\"{what}\" in it does not read ({error})")),
    }
}
