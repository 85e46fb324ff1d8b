//! Files in gzip files and archives.

use super::*;
use crate::csv_import::tests::formats::{xlsx, xlsx_row};
use flate2::write::GzEncoder;
use std::io::{Seek, Write};
use zip::write::SimpleFileOptions;

const PEOPLE: &[u8] = b"email,name\nann@example.org,Ann\nbob@example.org,Bob\n";

pub(super) fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, octets) in files {
        zip.start_file(
            *name,
            SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated),
        )
        .unwrap();
        zip.write_all(octets).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// From a stream, as standard input is one, and from a file: both must read the same.
fn open_both(octets: &[u8], part: Option<&str>) -> [Result<CsvFile, Refusal>; 2] {
    let options = Options {
        part: part.map(str::to_owned),
        ..Options::default()
    };
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(octets).unwrap();
    file.rewind().unwrap();
    [
        open_with(octets, &options),
        CsvFile::open(Source::File(file), &options, tempfile::tempfile),
    ]
}

fn refused(octets: &[u8], part: Option<&str>) -> String {
    let [stream, file] = open_both(octets, part).map(|opened| opened.unwrap_err().to_string());
    assert_eq!(stream, file);
    file
}

fn read(octets: &[u8], part: Option<&str>) -> (Option<String>, Vec<String>) {
    let [stream, file] = open_both(octets, part).map(|opened| {
        let mut opened = opened.unwrap();
        (opened.part().map(str::to_owned), shown_items(items(&mut opened)))
    });
    assert_eq!(stream, file);
    file
}

#[test]
fn a_name_in_an_archive_writes_nothing_on_a_terminal() {
    let archive = zip_of(&[("red\u{1b}[31m\n.csv", PEOPLE)]);
    let shown = "red\u{fffd}[31m\u{fffd}.csv";
    assert_eq!(read(&archive, None).0.as_deref(), Some(shown));
    assert_eq!(read(&archive, Some(shown)).0.as_deref(), Some(shown));
    let several = zip_of(&[("\u{1b}a.csv", PEOPLE), ("b.csv", PEOPLE)]);
    assert!(!refused(&several, None).contains('\u{1b}'));
}

#[test]
fn a_packed_file_reads_as_what_is_in_it() {
    let rows = shown(PEOPLE, &[]);
    let (first, second) = PEOPLE.split_at(20);
    let workbook = xlsx(&[(
        "People",
        &[
            xlsx_row(1, &["email", "name"]),
            xlsx_row(2, &["ann@example.org", "Ann"]),
        ]
        .concat(),
    )]);
    assert_eq!(read(&gzip(PEOPLE), None), (None, rows.clone()));
    assert_eq!(read(&[gzip(first), gzip(second)].concat(), None).1, rows);
    assert_eq!(
        read(&zip_of(&[("people.csv", PEOPLE)]), None),
        (Some("people.csv".to_owned()), rows.clone())
    );
    assert_eq!(
        read(&gzip(&workbook), None),
        (Some("People".to_owned()), rows[..1].to_vec())
    );
    assert_eq!(
        read(&zip_of(&[("lists/book.xlsx", &workbook)]), None),
        (Some("lists/book.xlsx/People".to_owned()), rows[..1].to_vec())
    );
}

#[test]
fn of_several_files_in_an_archive_one_must_be_named() {
    let other = b"email\ncarl@example.org\n";
    let workbook = xlsx(&[
        ("A", &xlsx_row(1, &["ann@example.org"])),
        ("B", &xlsx_row(1, &["bob@example.org"])),
    ]);
    let archive = zip_of(&[
        ("__MACOSX/._people.csv", b"junk"),
        (".DS_Store", b"junk"),
        ("people.csv", PEOPLE),
        ("more/other.csv", other),
        ("book.xlsx", &workbook),
        ("readme.txt", b"hello"),
    ]);
    assert_eq!(
        refused(&archive, None),
        "there are several files in it: \"people.csv\", \"more/other.csv\", \"book.xlsx\"; say which one with --part \"people.csv\""
    );
    assert_eq!(read(&archive, Some("more/other.csv")).1, ["carl@example.org||{}"]);
    assert_eq!(read(&archive, Some("book.xlsx/B")).1, ["bob@example.org||{}"]);
    assert!(refused(&archive, Some("book.xlsx")).contains("several sheets"));
    assert!(
        refused(&archive, Some("else.csv"))
            .starts_with("there is no part \"else.csv\" in it; there are: \"people.csv\"")
    );
    let one = zip_of(&[
        ("__MACOSX/._people.csv", b"junk"),
        ("people.csv", PEOPLE),
        ("readme.txt", b"hello"),
    ]);
    assert_eq!(read(&one, None).1.len(), 2);
    assert!(refused(PEOPLE, Some("people.csv")).contains("a text without parts"));
}

#[test]
fn an_archive_in_an_archive_is_refused() {
    for octets in [
        gzip(&gzip(PEOPLE)),
        gzip(&zip_of(&[("people.csv", PEOPLE)])),
        zip_of(&[("people.csv.gz", &gzip(PEOPLE))]),
    ] {
        assert!(refused(&octets, None).contains("archive in the archive"));
    }
    assert_eq!(
        refused(&zip_of(&[("__MACOSX/x", b"")]), None),
        "there is no CSV file or spreadsheet in it, only folders and hidden files"
    );
}

#[test]
fn what_is_cut_off_or_damaged_is_refused_before_a_row_is_read() {
    let long = [
        PEOPLE,
        &b"carl@example.org,Carl Carlson the Third\n".repeat(40_000),
    ]
    .concat();
    let whole = gzip(&long);
    let mut broken = whole.clone();
    let middle = broken.len() / 2;
    broken[middle] ^= 0x55;
    let archive = zip_of(&[("people.csv", &long)]);
    let mut broken_archive = archive.clone();
    broken_archive[200] ^= 0x55;
    for (octets, words) in [
        (
            &whole[..whole.len() - 100],
            "ends in the middle: the file was cut off",
        ),
        (&broken, "the compressed data is damaged"),
        (&broken_archive, "the compressed data is damaged"),
        (&archive[..archive.len() - 30], "as an archive it does not read"),
    ] {
        let [_, file] = open_both(octets, None);
        let error = file.unwrap_err().to_string();
        assert!(
            error.starts_with("is damaged: ") && error.contains(words),
            "{error}"
        );
    }
}

#[test]
fn a_stream_that_is_cut_off_ends_in_an_error() {
    let long: String = (0..100_000)
        .map(|n| format!("reader{n}@example.org,{}\n", n * 7919))
        .collect();
    let whole = gzip(format!("email,number\n{long}").as_bytes());
    let mut file = open_with(&whole[..whole.len() / 2], &Options::default()).unwrap();
    let error = loop {
        match file.next_row() {
            Ok(Some(Item::Row(_))) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("the file was cut off"), "{error}");
}

/// A row, again and again, up to so many octets.
struct Endless {
    row: &'static [u8],
    left: usize,
    at: usize,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.row[self.at..];
        let n = rest.len().min(out.len()).min(self.left);
        out[..n].copy_from_slice(&rest[..n]);
        self.at = (self.at + n) % self.row.len();
        self.left -= n;
        Ok(n)
    }
}

#[test]
fn what_unpacks_out_of_all_proportion_is_refused() {
    let bomb =
        || Cursor::new(b"email,name\nann@example.org,Ann\n").chain(std::io::repeat(b'x').take(66 << 20));
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::copy(&mut bomb(), &mut encoder).unwrap();
    let gz = encoder.finish().unwrap();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("people.csv", SimpleFileOptions::default())
        .unwrap();
    std::io::copy(&mut bomb(), &mut zip).unwrap();
    let zip = zip.finish().unwrap().into_inner();
    for octets in [&gz, &zip] {
        let [stream, file] = open_both(octets, None);
        let error = file.unwrap_err().to_string();
        assert!(
            error.starts_with("is refused because it unpacks to more than 100 times its size"),
            "{error}"
        );
        // From a stream, a gzip file is read as it comes.
        let error = match stream {
            Err(refusal) => refusal.to_string(),
            Ok(mut file) => loop {
                match file.next_row() {
                    Ok(item) => assert!(item.is_some()),
                    Err(error) => break error.to_string(),
                }
            },
        };
        assert!(error.contains("more than 100 times its size"), "{error}");
    }
}

#[test]
fn a_long_file_in_proportion_is_taken() {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(b"email,name\n").unwrap();
    let mut long = Endless {
        row: b"ann@example.org,Ann\n",
        left: 70 << 20,
        at: 0,
    };
    std::io::copy(&mut long, &mut encoder).unwrap();
    let [stream, file] = open_both(&encoder.finish().unwrap(), None);
    assert!(stream.is_ok() && file.is_ok());
}

/// With the name of the second file written over: no program that packs does so by itself.
fn two_of_one_name(name: &str, other: &str) -> Vec<u8> {
    assert_eq!(name.len(), other.len());
    let mut archive = zip_of(&[(name, PEOPLE), (other, b"email\ncarl@example.org\n")]);
    while let Some(at) = memchr::memmem::find(&archive, other.as_bytes()) {
        archive[at..at + name.len()].copy_from_slice(name.as_bytes());
    }
    archive
}

#[test]
fn an_archive_with_two_files_of_one_name_is_refused() {
    let archive = two_of_one_name("lists/a.csv", "lists/b.csv");
    let sentence = "there are two files called \"lists/a.csv\" in it: pack it again with one of them, or with another name";
    for part in [None, Some("lists/a.csv")] {
        assert_eq!(refused(&archive, part), sentence);
    }
    // What is never meant may be there as often as it likes.
    let hidden = two_of_one_name(".a.csv", ".b.csv");
    assert!(refused(&hidden, None).contains("no CSV file or spreadsheet"));
}
