//! Files that are not what they should be.

use super::*;
use crate::csv_import::tests::formats::{ods, ods_row, xlsx, xlsx_row};
use crate::csv_import::tests::packed::zip_of;

fn refused(octets: &[u8]) -> String {
    open_with(octets, &Options::default()).unwrap_err().to_string()
}

#[test]
fn a_file_of_another_kind_is_refused_with_what_to_do() {
    for (octets, words) in [
        (
            b"<!DOCTYPE html>\n<html><body>Log in".as_slice(),
            "this is a web page (HTML), not a CSV",
        ),
        (b"\xef\xbb\xbf\n <HTML>\n", "this is a web page"),
        (
            b"<?xml version=\"1.0\"?><Workbook/>",
            "this is an XML file, not a CSV",
        ),
        (
            b"%PDF-1.7\n",
            "this is a PDF, not a table: export the list as CSV or .xlsx",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "save it as .xlsx or CSV"),
        (b"{\\rtf1 email", "formatted text (RTF)"),
        (b"7z\xbc\xaf\x27\x1c\0\0", "pack it as .gz or .zip"),
        (
            b"PK\x03\x04nothing more",
            "is damaged: as an archive it does not read",
        ),
    ] {
        assert!(refused(octets).contains(words), "{}", refused(octets));
    }
    for (name, words) in [
        ("word/document.xml", "this is a Word document, not a table"),
        (
            "xl/workbook.bin",
            "this is a binary workbook (.xlsb): save it as .xlsx or CSV",
        ),
        ("ppt/presentation.xml", "this is a presentation, not a table"),
        (
            "content.xml",
            "this is an OpenDocument text or drawing, not a table",
        ),
        ("Index/Document.iwa", "this is a Numbers document"),
        ("encrypted-package", "is protected by a password"),
    ] {
        assert!(
            refused(&zip_of(&[("mimetype", b"x"), (name, b"x")])).contains(words),
            "{name}"
        );
    }
}

#[test]
fn a_workbook_that_is_protected_or_damaged_is_refused() {
    let rows = [xlsx_row(1, &["email"]), xlsx_row(2, &["ann@example.org"])].concat();
    let cut = format!("{rows}<row r=\"3\"><c r=\"A3\"");
    assert!(refused(&xlsx(&[("People", &cut)])).starts_with("is damaged: \"People\" in it does not read ("));
    let back = [xlsx_row(5, &["email"]), xlsx_row(2, &["ann@example.org"])].concat();
    assert_eq!(
        refused(&xlsx(&[("People", &back)])),
        "is damaged: row 2 comes after row 5; save or download it again"
    );
    let mut flipped = xlsx(&[("People", &rows)]);
    let middle = flipped.len() / 4;
    flipped[middle] ^= 0xff;
    assert!(
        refused(&flipped).starts_with("is damaged: "),
        "{}",
        refused(&flipped)
    );
    let content = b"<office:document-content><table:table table:name=\"A\"><table:table-row>";
    let mimetype = (
        "mimetype",
        b"application/vnd.oasis.opendocument.spreadsheet".as_slice(),
    );
    assert!(refused(&zip_of(&[mimetype, ("content.xml", content)])).starts_with("is damaged: "));
    let manifest = b"<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>";
    assert_eq!(
        refused(&zip_of(&[
            mimetype,
            ("META-INF/manifest.xml", manifest),
            ("content.xml", b"\x13\x37")
        ])),
        "is protected by a password: save it without one"
    );
}

#[test]
fn a_workbook_that_lies_about_its_size_is_refused() {
    let rows = xlsx_row(1, &["ann@example.org"]);
    let workbook = xlsx(&[("People", &rows)]);
    let replaced = |name: &str, text: &[u8]| {
        let mut zip = zip::ZipArchive::new(Cursor::new(workbook.clone())).unwrap();
        let mut files = Vec::new();
        for at in 0..zip.len() {
            let mut file = zip.by_index(at).unwrap();
            let mut octets = Vec::new();
            file.read_to_end(&mut octets).unwrap();
            files.push((file.name().unwrap().into_owned(), octets));
        }
        files.retain(|(other, _)| other != name);
        files.push((name.to_owned(), text.to_vec()));
        zip_of(
            &files
                .iter()
                .map(|(name, octets)| (name.as_str(), octets.as_slice()))
                .collect::<Vec<_>>(),
        )
    };
    let claim = replaced(
        "xl/sharedStrings.xml",
        b"<sst uniqueCount=\"99999999999999999999\"><si><t>a</t></si></sst>",
    );
    assert!(
        refused(&claim).contains("xl/sharedStrings.xml in it says that there are 18446744073709551615 texts")
    );
    let blank = replaced("xl/worksheets/sheet1.xml", &vec![b' '; 2 << 20]);
    assert!(
        refused(&blank).contains("xl/worksheets/sheet1.xml in it has a text of more than 1048576 octets")
    );
}

#[test]
fn cells_that_are_repeated_without_end_are_refused() {
    let cell = "<table:table-cell office:value-type=\"string\" table:number-columns-repeated=\"16384\"><text:p>x</text:p></table:table-cell>";
    let rows = format!(
        "{}<table:table-row table:number-rows-repeated=\"1000000\">{cell}</table:table-row>",
        ods_row(&["a@example.org"])
    );
    let error = refused(&ods(&[("A", &rows)]));
    assert_eq!(
        error,
        "is refused because its sheet has more than 50000000 cells with something in them"
    );
    let rows = format!(
        "<table:table-row table:number-rows-repeated=\"1048577\">{}</table:table-row>",
        cell.replace("16384", "1")
    );
    let rows = format!("{rows}{rows}");
    assert!(refused(&ods(&[("A", &rows)])).contains("more than 1048576 rows"));
    let rows = format!("<table:table-row>{cell}{cell}</table:table-row>");
    assert!(refused(&ods(&[("A", &rows)])).contains("row 1 has more than 16384 columns"));
}

#[test]
fn a_field_of_a_hundred_megabytes_costs_its_row_and_little_memory() {
    let field = std::io::repeat(b'x').take(100 << 20);
    let source = Cursor::new(b"email,note\nann@example.org,\"".to_vec())
        .chain(field)
        .chain(Cursor::new(b"\"\nbob@example.org,ok\n".to_vec()));
    let mut file = CsvFile::open(
        Source::Stream(Box::new(source)),
        &Options::default(),
        tempfile::tempfile,
    )
    .unwrap();
    let items = items(&mut file);
    let [Item::Reject(reject), Item::Row(row)] = items.as_slice() else {
        panic!("{} rows", items.len())
    };
    assert_eq!((reject.line, reject.row.len(), row.line), (2, 65_536, 3));
    assert!(
        reject
            .reason
            .starts_with("column `note`: makes the row longer than 65536 octets"),
        "{}",
        reject.reason
    );
}

#[test]
fn quotes_in_the_middle_are_kept_as_they_stand() {
    assert_eq!(
        shown(
            b"email,name\nann@example.org,Ann \"the\" Lee\nbob@example.org,5\" Bob\n",
            &[]
        ),
        ["ann@example.org|Ann \"the\" Lee|{}", "bob@example.org|5\" Bob|{}"]
    );
}

#[test]
fn a_quote_in_the_middle_of_a_quoted_field_rejects_its_row_alone() {
    let why = "has text after a closing quote: a quote inside a quoted field is written twice (\"\")";
    assert_eq!(
        shown(
            b"email,name,city\nann@example.org,\"Bo\"b\",Bern\nbob@example.org,x,\"Ju\"rg\"en\"\n\"carl@example.org\",\"Ca\"\"rl\",\"\"\n\
              dora@example.org,\"Dora\" ,\"a,\"\"b\"\n",
            &[]
        ),
        [
            &*format!("2: column `name`: {why} [ann@example.org,\"Bo\"b\",Bern]"),
            &*format!("3: column `city`: {why} [bob@example.org,x,\"Ju\"rg\"en\"]"),
            r#"carl@example.org|Ca"rl|{"city":""}"#,
            r#"dora@example.org|Dora|{"city":"a,\"b"}"#,
        ]
    );
}

#[test]
fn a_row_in_utf8_among_rows_in_windows_1252_is_no_recipient() {
    let mut octets = b"email,name,city\n".to_vec();
    for i in 0..5_000 {
        octets.extend(format!("reader{i}@example.org,Reader,Bern\n").bytes());
    }
    octets.extend(b"zoe@example.org,Zoe,Z\xfcrich\n");
    octets.extend("jan@example.org,Jürgen,Köln\n".bytes());
    octets.extend(b"kim@example.org,Kim,K\xf6ln\n");
    let rows = shown(&octets, &[]);
    assert_eq!(rows[5_000], r#"zoe@example.org|Zoe|{"city":"Zürich"}"#);
    let refused = &rows[5_001];
    assert!(
        refused.starts_with("5003: column `name`: is utf-8, and rows before it are windows-1252: save"),
        "{refused}"
    );
    assert!(refused.contains("--encoding windows-1252"), "{refused}");
    assert!(refused.ends_with("[jan@example.org,Jürgen,Köln]"), "{refused}");
    assert_eq!(rows[5_002], r#"kim@example.org|Kim|{"city":"Köln"}"#);

    let named = Options {
        encoding: Some("windows-1252".parse().unwrap()),
        ..Options::default()
    };
    let rows = shown_items(items(&mut open_with(&octets, &named).unwrap()));
    assert_eq!(rows[5_001], "jan@example.org|JÃ¼rgen|{\"city\":\"KÃ¶ln\"}");
}

#[test]
fn a_refusal_says_where_the_header_and_the_column_are() {
    let refused_text = |text: &str, rules: &[&str]| {
        open_with(text.as_bytes(), &options(rules))
            .unwrap_err()
            .to_string()
    };
    let same = refused_text("\nemail,city,city\nann@example.org,Bern,Rome\n", &[]);
    assert!(
        same.starts_with("line 2: the columns #2 `city` and #3 `city` both become `city`"),
        "{same}"
    );
    let hidden = refused_text("email,name,name\nann@example.org,Ann,Lee\n", &[]);
    assert!(
        hidden.starts_with("line 1: the columns #2 `name` and #3 `name` both become `name`"),
        "{hidden}"
    );
    assert!(hidden.contains("--map #3=ignore"), "{hidden}");
    let wanted = "email,name,name\nann@example.org,Ann,Lee\n";
    assert_eq!(
        shown(wanted.as_bytes(), &["#3=nick"]),
        [r#"ann@example.org|Ann|{"nick":"Lee"}"#]
    );
    let none = refused_text("email,city\nann@example.org,Bern\n", &["Town=city"]);
    assert!(none.starts_with("line 1: there is no column `Town`"), "{none}");

    let rows = format!(
        "{}{}",
        xlsx_row(1, &["email", "city", "city"]),
        xlsx_row(2, &["ann@example.org", "Bern", "Rome"])
    );
    let error = refused(&xlsx(&[("People", &rows)]));
    assert!(
        error.starts_with(
            "sheet \"People\", row 1: the columns #2 (column B) `city` and #3 (column C) `city` both become"
        ),
        "{error}"
    );
}

#[test]
fn a_sheet_whose_header_is_no_text_is_refused() {
    let rows = format!(
        "<row r=\"1\"><c r=\"A1\"><f>1</f></c></row>{}",
        xlsx_row(2, &["ann@example.org"])
    );
    let error = refused(&xlsx(&[("People", &rows)]));
    assert!(
        error.starts_with(
            "sheet \"People\", row 1, column A: the header has a formula that was never computed"
        ),
        "{error}"
    );
    assert_eq!(refused(&xlsx(&[("People", "")])), "is empty");
    assert_eq!(refused(&ods(&[("People", "")])), "is empty");
    let rows = xlsx_row(1, &["email", "name"]);
    let only = refused(&xlsx(&[("People", &rows)]));
    assert!(
        only.starts_with("sheet \"People\", row 1 is the header, and no row comes after it"),
        "{only}"
    );
    assert!(
        refused(&xlsx(&[("People", &xlsx_row(1, &["a", "b"]))]))
            .contains("no column looks like e-mail addresses")
    );
}

#[test]
fn a_header_that_does_not_parse_is_refused_and_not_passed_over() {
    let wide = format!("email{}\nann@example.org\n", ",x".repeat(5_000));
    for (text, words) in [
        (wide.as_str(), "line 1: the header has more than 4096 fields"),
        (
            "email,\"name\nann@example.org,Ann\n",
            "line 1, column #2: the header has a quote that is opened and never closed",
        ),
        (
            "email,na\0me\nann@example.org,Ann\n",
            "line 1, column #2: the header has a NUL character in it",
        ),
    ] {
        assert_eq!(refused(text.as_bytes()), words);
    }
    let rows = shown(b"ann@example.org,\"Ann\nbob@example.org,Bob\n", &[]);
    assert!(
        rows[0].starts_with("1: column `column_2`: has a quote"),
        "{rows:?}"
    );
    assert_eq!(rows[1], r#"bob@example.org||{"column_2":"Bob"}"#);
}

#[test]
fn a_field_of_many_lines_is_told_from_a_quote_that_is_never_closed() {
    let text = format!(
        "email,note\nann@example.org,\"{}\"\nbob@example.org,ok\n",
        "a line\n".repeat(300)
    );
    let rows = shown(text.as_bytes(), &[]);
    assert!(
        rows[0].starts_with(
            "2: column `note`: has a quote that is opened and not closed within 200 lines and 65536 octets"
        ),
        "{}",
        rows[0]
    );
    assert_eq!(rows.last().unwrap(), r#"bob@example.org||{"note":"ok"}"#);
}

#[test]
fn what_windows_1252_cannot_say_is_not_taken_for_it() {
    let octets = b"email,name\nann@example.org,Z\xfcrich\nyuki@example.org,\x93\x8c\x8b\x9e\x81\n";
    let rows = shown(octets, &[]);
    assert_eq!(rows[0], "ann@example.org|Zürich|{}");
    assert!(
        rows[1]
            .starts_with("3: column `name`: is no utf-8, and has an octet that windows-1252 does not have"),
        "{}",
        rows[1]
    );
    let named = Options {
        encoding: Some("windows-1252".parse().unwrap()),
        ..Options::default()
    };
    assert_eq!(items(&mut open_with(octets, &named).unwrap()).len(), 2);
    assert!(shown_items(items(&mut open_with(octets, &named).unwrap()))[1].starts_with("yuki@example.org|"));
}
