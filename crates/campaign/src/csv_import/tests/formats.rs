//! Spreadsheets, written here as the programs write them.

use super::*;
use crate::csv_import::tests::packed::zip_of;

/// An Excel workbook. Each sheet: its name, and the XML of its rows.
pub(super) fn xlsx(sheets: &[(&str, &str)]) -> Vec<u8> {
    let all = |each: &dyn Fn(usize, &str) -> String| -> String {
        sheets
            .iter()
            .enumerate()
            .map(|(at, (name, _))| each(at + 1, name))
            .collect()
    };
    let workbook = format!(
        "<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
         xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets>{}</sheets></workbook>",
        all(&|n, name| format!("<sheet name=\"{name}\" sheetId=\"{n}\" r:id=\"rId{n}\"/>"))
    );
    let relationships = format!(
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">{}</Relationships>",
        all(&|n, _| format!(
            "<Relationship Id=\"rId{n}\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" \
             Target=\"worksheets/sheet{n}.xml\"/>"
        ))
    );
    let styles = "<styleSheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\">\
        <cellXfs count=\"3\"><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"22\"/></cellXfs></styleSheet>";
    let shared = "<sst xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" uniqueCount=\"2\">\
        <si><t>ann@example.org</t></si><si><r><t>An</t></r><r><t>n</t></r></si></sst>";
    let mut files = vec![
        ("[Content_Types].xml".to_owned(), "<Types/>".to_owned()),
        (
            "_rels/.rels".to_owned(),
            "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" \
             Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"xl/workbook.xml\"/>\
             </Relationships>"
                .to_owned(),
        ),
        ("xl/workbook.xml".to_owned(), workbook),
        ("xl/_rels/workbook.xml.rels".to_owned(), relationships),
        ("xl/styles.xml".to_owned(), styles.to_owned()),
        ("xl/sharedStrings.xml".to_owned(), shared.to_owned()),
    ];
    for (at, (_, rows)) in sheets.iter().enumerate() {
        files.push((
            format!("xl/worksheets/sheet{}.xml", at + 1),
            format!(
                "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>{rows}</sheetData></worksheet>"
            ),
        ));
    }
    zip_of(
        &files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_bytes()))
            .collect::<Vec<_>>(),
    )
}

/// An OpenDocument spreadsheet. Each sheet: its name, and the XML of its rows.
pub(super) fn ods(sheets: &[(&str, &str)]) -> Vec<u8> {
    let tables: String = sheets
        .iter()
        .map(|(name, rows)| format!("<table:table table:name=\"{name}\">{rows}</table:table>"))
        .collect();
    let content = format!(
        "<?xml version=\"1.0\"?><office:document-content xmlns:office=\"o\" xmlns:table=\"t\" xmlns:text=\"x\" xmlns:calcext=\"c\">\
         <office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body></office:document-content>"
    );
    zip_of(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", b"<manifest:manifest/>"),
        ("content.xml", content.as_bytes()),
    ])
}

pub(super) fn text_cell(place: &str, text: &str) -> String {
    format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{text}</t></is></c>")
}

/// A row of texts for Excel.
pub(super) fn xlsx_row(line: usize, texts: &[&str]) -> String {
    let cells: String = texts
        .iter()
        .enumerate()
        .map(|(column, text)| text_cell(&format!("{}{line}", column_letters(column)), text))
        .collect();
    format!("<row r=\"{line}\">{cells}</row>")
}

/// A row of texts for OpenDocument.
pub(super) fn ods_row(texts: &[&str]) -> String {
    let cells: String = texts
        .iter()
        .map(|text| {
            format!(
                "<table:table-cell office:value-type=\"string\"><text:p>{text}</text:p></table:table-cell>"
            )
        })
        .collect();
    format!("<table:table-row>{cells}</table:table-row>")
}

fn with_part(octets: &[u8], part: Option<&str>) -> Result<CsvFile, Refusal> {
    let options = Options {
        part: part.map(str::to_owned),
        ..Options::default()
    };
    open_with(octets, &options)
}

#[test]
fn cells_of_an_excel_sheet_read_as_they_would_in_a_csv() {
    let header = xlsx_row(
        2,
        &["E-Mail", "Name", "zip", "age", "since", "seen", "vip", "sum"],
    );
    let rows = format!(
        "{header}<row r=\"3\"><c r=\"A3\" t=\"s\"><v>0</v></c><c r=\"B3\" t=\"s\"><v>1</v></c>{}\
         <c r=\"D3\"><v>41</v></c><c r=\"E3\" s=\"1\"><v>46053</v></c><c r=\"F3\" s=\"2\"><v>46053.395833333336</v></c>\
         <c r=\"G3\" t=\"b\"><v>1</v></c><c r=\"H3\"><f>1+0.1</f><v>1.1</v></c></row>\
         <row r=\"4\"/><row r=\"9\">{}</row><row r=\"10\"><c r=\"A10\" s=\"1\"/></row>",
        text_cell("C3", "01067"),
        text_cell("A9", "bob@example.org"),
    );
    let file = xlsx(&[("People", &rows), ("Empty", "<row r=\"1\"/>")]);
    let mut opened = open_with(&file, &Options::default()).unwrap();
    assert_eq!(opened.format(), Format::Xlsx);
    assert_eq!((opened.part(), opened.delimiter()), (Some("People"), None));
    let items = items(&mut opened);
    let lines: Vec<_> = items
        .iter()
        .map(|item| if let Item::Row(row) = item { row.line } else { 0 })
        .collect();
    assert_eq!(lines, [3, 9]);
    assert_eq!(
        shown_items(items),
        [
            r#"ann@example.org|Ann|{"age":"41","seen":"2026-01-31T09:30:00","since":"2026-01-31","sum":"1.1","vip":"true","zip":"01067"}"#,
            r#"bob@example.org||{"age":"","seen":"","since":"","sum":"","vip":"","zip":""}"#,
        ]
    );
}

#[test]
fn cells_of_an_opendocument_sheet_read_as_they_would_in_a_csv() {
    let rows = format!(
        "<table:table-row table:number-rows-repeated=\"2\"><table:table-cell table:number-columns-repeated=\"1024\"/></table:table-row>{}\
         <table:table-row>\
         <table:table-cell office:value-type=\"string\"><office:annotation><text:p>a note</text:p></office:annotation>\
         <text:p>ann@<text:span>example.org</text:span></text:p></table:table-cell>\
         <table:table-cell office:value-type=\"string\"><text:p>Ann &amp;<text:s/>&#xC4;</text:p><text:p>Lee</text:p></table:table-cell>\
         <table:table-cell office:value-type=\"string\"><text:p>01067</text:p></table:table-cell>\
         <table:table-cell office:value-type=\"float\" office:value=\"41\"><text:p>41,00</text:p></table:table-cell>\
         <table:table-cell office:value-type=\"date\" office:date-value=\"2026-01-31\"><text:p>31.01.26</text:p></table:table-cell>\
         <table:table-cell office:value-type=\"time\" office:time-value=\"PT09H30M00S\"><text:p>9:30</text:p></table:table-cell>\
         <table:table-cell office:value-type=\"boolean\" office:boolean-value=\"true\"><text:p>WAHR</text:p></table:table-cell>\
         <table:table-cell table:number-columns-repeated=\"16377\"/></table:table-row>\
         <table:table-row table:number-rows-repeated=\"2\"><table:table-cell office:value-type=\"string\"><text:p>bob@example.org</text:p>\
         </table:table-cell><table:covered-table-cell/><table:table-cell office:value-type=\"string\" table:number-columns-repeated=\"2\">\
         <text:p>x</text:p></table:table-cell></table:table-row>\
         <table:table-row table:number-rows-repeated=\"1048570\"><table:table-cell table:number-columns-repeated=\"16384\"/></table:table-row>",
        ods_row(&["E-Mail", "Name", "zip", "age", "since", "at", "vip"])
    );
    let mut opened = open_with(&ods(&[("People", &rows), ("Empty", "")]), &Options::default()).unwrap();
    assert_eq!((opened.format(), opened.part()), (Format::Ods, Some("People")));
    let items = items(&mut opened);
    let lines: Vec<_> = items
        .iter()
        .map(|item| if let Item::Row(row) = item { row.line } else { 0 })
        .collect();
    assert_eq!(lines, [4, 5, 6]);
    let shown = shown_items(items);
    assert_eq!(
        shown[0],
        "ann@example.org|Ann & Ä\nLee|{\"age\":\"41\",\"at\":\"09:30:00\",\"since\":\"2026-01-31\",\"vip\":\"true\",\"zip\":\"01067\"}"
    );
    assert_eq!(
        shown[1],
        r#"bob@example.org||{"age":"x","at":"","since":"","vip":"","zip":"x"}"#
    );
    assert_eq!(shown[1], shown[2]);
}

#[test]
fn a_row_of_a_sheet_that_cannot_be_taken_is_told_with_sheet_row_and_column() {
    let rows = format!(
        "{}<row r=\"2\">{}<c r=\"B2\" t=\"e\"><v>#REF!</v></c></row><row r=\"3\">{}<c r=\"B3\"><f>SUM(A1)</f></c></row>{}{}{}",
        xlsx_row(1, &["email", "age"]),
        text_cell("A2", "ann@example.org"),
        text_cell("A3", "bob@example.org"),
        xlsx_row(4, &["carl", "1"]),
        xlsx_row(5, &["dora@example.org", "2", "", "extra"]),
        xlsx_row(6, &["emil@example.org", "four, perhaps"]),
    );
    let mut opened = open_with(&xlsx(&[("People", &rows)]), &options(&["age=age:number"])).unwrap();
    assert_eq!(
        shown_items(items(&mut opened)),
        [
            "2: sheet \"People\", row 2, column B (`age`): has the error #REF! in place of a value: correct it in the spreadsheet \
             [ann@example.org]",
            "3: sheet \"People\", row 3, column B (`age`): has a formula that was never computed: open the file in a spreadsheet \
             program, which computes it, and save it again [bob@example.org]",
            "4: sheet \"People\", row 4, column A (`email`): the address has no @ sign [carl,1]",
            "5: sheet \"People\", row 5, column D: has a value, but the column has no header [dora@example.org,2,,extra]",
            "6: sheet \"People\", row 6, column B (`age`): `four, perhaps` is not a number: write it with a decimal point, for \
             example 19.90 [emil@example.org,\"four, perhaps\"]",
        ]
    );
    let rows = format!(
        "{}<table:table-row>{}<table:table-cell table:formula=\"of:=1/0\" office:value-type=\"string\" office:string-value=\"\" \
         calcext:value-type=\"error\"><text:p>#DIV/0!</text:p></table:table-cell></table:table-row><table:table-row>{}\
         <table:table-cell table:formula=\"of:=1\"/></table:table-row>",
        ods_row(&["email", "age"]),
        "<table:table-cell office:value-type=\"string\"><text:p>ann@example.org</text:p></table:table-cell>",
        "<table:table-cell office:value-type=\"string\"><text:p>bob@example.org</text:p></table:table-cell>",
    );
    let shown = shown(&ods(&[("Leute", &rows)]), &[]);
    assert!(
        shown[0].starts_with("2: sheet \"Leute\", row 2, column B (`age`): has the error #DIV/0!"),
        "{shown:?}"
    );
    assert!(
        shown[1].starts_with(
            "3: sheet \"Leute\", row 3, column B (`age`): has a formula that was never computed"
        ),
        "{shown:?}"
    );
}

#[test]
fn of_several_sheets_one_must_be_named() {
    let people = [xlsx_row(1, &["email"]), xlsx_row(2, &["ann@example.org"])].concat();
    let others = [xlsx_row(1, &["email"]), xlsx_row(2, &["bob@example.org"])].concat();
    let ods_people = [ods_row(&["email"]), ods_row(&["ann@example.org"])].concat();
    let ods_others = [ods_row(&["email"]), ods_row(&["bob@example.org"])].concat();
    for file in [
        xlsx(&[("People", &people), ("Others", &others), ("Notes", "")]),
        ods(&[("People", &ods_people), ("Others", &ods_others), ("Notes", "")]),
    ] {
        assert_eq!(
            with_part(&file, None).unwrap_err().to_string(),
            "there are several sheets in it: \"People\", \"Others\"; say which one with --part \"People\""
        );
        let mut opened = with_part(&file, Some("Others")).unwrap();
        assert_eq!(shown_items(items(&mut opened)), ["bob@example.org||{}"]);
        assert_eq!(
            with_part(&file, Some("others?")).unwrap_err().to_string(),
            "there is no part \"others?\" in it; there are: \"People\", \"Others\", \"Notes\""
        );
        assert_eq!(
            with_part(&file, Some("Notes")).unwrap_err().to_string(),
            "is empty"
        );
    }
}

#[test]
fn a_hidden_sheet_is_taken_only_if_it_is_named() {
    let rows = [xlsx_row(1, &["email"]), xlsx_row(2, &["ann@example.org"])].concat();
    let file = xlsx(&[("People", &rows), ("Old\" state=\"hidden", &rows)]);
    assert_eq!(with_part(&file, None).unwrap().part(), Some("People"));
    assert_eq!(with_part(&file, Some("Old")).unwrap().part(), Some("Old"));
}
