//! What a file is, by its first octets and never by its name.

use encoding_rs::Encoding;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Gzip,
    Zip,
    /// No list of recipients. Reads on after "this is".
    Foreign(&'static str),
}

/// How files of a kind begin, whatever is in them.
const SIGNS: [(&[u8], Kind); 17] = [
    (b"\x1f\x8b", Kind::Gzip),
    (b"PK\x03\x04", Kind::Zip),
    (b"PK\x05\x06", Kind::Zip),
    (
        b"%PDF-",
        Kind::Foreign("a PDF, not a table: export the list as CSV or .xlsx"),
    ),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        Kind::Foreign(
            "an old binary Excel or Word file, or one with a password: open it and save it as .xlsx or CSV, without a password",
        ),
    ),
    (
        b"{\\rtf",
        Kind::Foreign("a formatted text (RTF), not a table: save the list as CSV or .xlsx"),
    ),
    (
        b"BZh",
        Kind::Foreign("a bzip2 archive: unpack it, or pack it as .gz or .zip"),
    ),
    (
        b"\xfd7zXZ",
        Kind::Foreign("an xz archive: unpack it, or pack it as .gz or .zip"),
    ),
    (
        b"(\xb5/\xfd",
        Kind::Foreign("a Zstandard archive: unpack it, or pack it as .gz or .zip"),
    ),
    (
        b"7z\xbc\xaf\x27\x1c",
        Kind::Foreign("a 7-Zip archive: unpack it, or pack it as .gz or .zip"),
    ),
    (
        b"Rar!\x1a\x07",
        Kind::Foreign("a RAR archive: unpack it, or pack it as .gz or .zip"),
    ),
    (
        b"SQLite format 3\0",
        Kind::Foreign("an SQLite database: export the table with the recipients as CSV"),
    ),
    (b"\x89PNG", IMAGE),
    (b"\xff\xd8\xff", IMAGE),
    (b"GIF8", IMAGE),
    (b"\xff\xfe\0\0", UTF_32),
    (b"\0\0\xfe\xff", UTF_32),
];

const IMAGE: Kind = Kind::Foreign("an image, not a table: export the list as CSV or .xlsx");
const UTF_32: Kind = Kind::Foreign("a text in UTF-32: save it as UTF-8");
const WEB_PAGE: Kind = Kind::Foreign(
    "a web page (HTML), not a CSV: often a page for logging in was saved in place of the file; download it again",
);
const XML: Kind =
    Kind::Foreign("an XML file, not a CSV: open it in a spreadsheet program and save it as .xlsx or CSV");
const JSON: Kind = Kind::Foreign("JSON, not a table: export the list as CSV or .xlsx");
const CARDS: Kind = Kind::Foreign(
    "a file of address cards (vCard), not a table: import it into an address book and export that as CSV",
);
const TAR: Kind = Kind::Foreign("a tar archive: unpack it, or pack what is in it as .gz or .zip");

/// What the file is that begins with `head`.
pub(super) fn kind(head: &[u8]) -> Kind {
    if let Some((_, kind)) = SIGNS.into_iter().find(|(sign, _)| head.starts_with(sign)) {
        return kind;
    }
    if head.get(257..262) == Some(b"ustar") {
        return TAR;
    }
    of_text(&first_words(head))
}

/// The beginning of a text in lower case, without comments of HTML and white space before it.
fn first_words(head: &[u8]) -> String {
    const ENOUGH: usize = 1024;
    let text = match Encoding::for_bom(head) {
        Some((encoding, _)) => encoding.decode(head).0,
        None => String::from_utf8_lossy(head),
    };
    let mut rest = text.trim_start();
    while let Some(comment) = rest.strip_prefix("<!--") {
        rest = comment
            .find("-->")
            .map_or("", |end| comment[end + 3..].trim_start());
    }
    rest.chars().take(ENOUGH).collect::<String>().to_lowercase()
}

fn of_text(text: &str) -> Kind {
    const PAGES: [&str; 9] = [
        "<!doctype html",
        "<html",
        "<head",
        "<body",
        "<table",
        "<meta",
        "<title",
        "<script",
        "<div",
    ];
    if PAGES.iter().any(|start| text.starts_with(start)) {
        return WEB_PAGE;
    }
    if text.starts_with("<?xml") {
        return if text.contains("<html") { WEB_PAGE } else { XML };
    }
    if text.starts_with("begin:vcard") {
        return CARDS;
    }
    if is_json(text) { JSON } else { Kind::Text }
}

/// A list of objects, lists or texts, or an object: `[{`, `{"email":`.
fn is_json(text: &str) -> bool {
    if let Some(list) = text.strip_prefix('[') {
        return list.trim_start().starts_with(['{', '[', '"']);
    }
    let object = || {
        let name = text.strip_prefix('{')?.trim_start().strip_prefix('"')?;
        let (_, value) = name.split_once('"')?;
        Some(value.trim_start().starts_with(':'))
    };
    object().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_table_is_told_however_it_is_written() {
        let utf16 = |text: &str| -> Vec<u8> {
            std::iter::once(0xfeff)
                .chain(text.encode_utf16())
                .flat_map(u16::to_le_bytes)
                .collect()
        };
        let tar = [b"people.csv".as_slice(), &[0; 247], b"ustar\0"].concat();
        for (head, wanted) in [
            (b"\n<!-- saved from -->\n<!-- b --> <HTML>".to_vec(), WEB_PAGE),
            (utf16("<!DOCTYPE html>"), WEB_PAGE),
            (b"<meta charset=utf-8>".to_vec(), WEB_PAGE),
            (b"<?xml version=\"1.0\"?><html>".to_vec(), WEB_PAGE),
            (b"\xef\xbb\xbf<?xml version=\"1.0\"?><Workbook/>".to_vec(), XML),
            (b"[\n {\"email\": \"ann@example.org\"}]".to_vec(), JSON),
            (b"{\"email\":\"ann@example.org\"}\n".to_vec(), JSON),
            (b"BEGIN:VCARD\r\nVERSION:3.0\r\n".to_vec(), CARDS),
            (b"\xff\xfe\0\0e\0\0\0".to_vec(), UTF_32),
            (b"\x89PNG\r\n".to_vec(), IMAGE),
            (tar, TAR),
        ] {
            assert_eq!(kind(&head), wanted, "{}", String::from_utf8_lossy(&head));
        }
        for head in [
            b"email,name\n".to_vec(),
            b"[email],[name]\n".to_vec(),
            b"{email},name\n".to_vec(),
            b"<email>,name\n".to_vec(),
            b"<!-- never closed".to_vec(),
            utf16("email,name\n"),
            Vec::new(),
        ] {
            assert_eq!(kind(&head), Kind::Text, "{}", String::from_utf8_lossy(&head));
        }
    }
}
