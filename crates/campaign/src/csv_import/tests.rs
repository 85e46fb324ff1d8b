use super::*;
use std::io::Cursor;

mod bad_files;
mod formats;
mod packed;
mod tool_exports;

fn options(rules: &[&str]) -> Options {
    Options {
        rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        ..Options::default()
    }
}

fn open_with(octets: &[u8], options: &Options) -> Result<CsvFile, Refusal> {
    let source = Source::Stream(Box::new(Cursor::new(octets.to_vec())));
    CsvFile::open(source, options, tempfile::tempfile)
}

fn items(file: &mut CsvFile) -> Vec<Item> {
    std::iter::from_fn(|| file.next_row().unwrap()).collect()
}

fn read_with(octets: &[u8], rules: &[&str]) -> Vec<Item> {
    items(&mut open_with(octets, &options(rules)).unwrap())
}

/// Rows as `address|name|attributes`, suppressions as `address: reason (evidence)`, rejects as `line: reason [row]`.
fn shown(octets: &[u8], rules: &[&str]) -> Vec<String> {
    shown_items(read_with(octets, rules))
}

fn shown_items(items: Vec<Item>) -> Vec<String> {
    items
        .into_iter()
        .map(|item| match item {
            Item::Suppression(known) => {
                format!("{}: {} ({})", known.address, known.reason.word(), known.evidence)
            }
            Item::Row(row) => format!(
                "{}|{}|{}",
                row.address,
                row.name.unwrap_or_default(),
                row.attributes
            ),
            Item::Reject(reject) => format!(
                "{}: {} [{}]",
                reject.line,
                reject.reason,
                String::from_utf8_lossy(&reject.row)
            ),
        })
        .collect()
}

fn utf16(text: &str, big_endian: bool, mark: bool) -> Vec<u8> {
    let mark = if mark { "\u{feff}" } else { "" };
    let units: Vec<u16> = mark.encode_utf16().chain(text.encode_utf16()).collect();
    units
        .into_iter()
        .flat_map(|u| {
            if big_endian {
                u.to_be_bytes()
            } else {
                u.to_le_bytes()
            }
        })
        .collect()
}

#[test]
fn the_same_text_reads_the_same_in_every_encoding() {
    let text = "email,name,city\nann@example.org,Ann Müller,Köln\n";
    let windows = text.replace('ü', "\u{1}").replace('ö', "\u{2}");
    let windows: Vec<u8> = windows
        .bytes()
        .map(|b| {
            if b == 1 {
                0xfc
            } else if b == 2 {
                0xf6
            } else {
                b
            }
        })
        .collect();
    for (name, octets) in [
        ("utf-8", text.as_bytes().to_vec()),
        ("utf-8", format!("\u{feff}{text}").into_bytes()),
        ("utf-16le", utf16(text, false, true)),
        ("utf-16be", utf16(text, true, true)),
        ("utf-16le", utf16(text, false, false)),
        ("utf-16be", utf16(text, true, false)),
        ("windows-1252", windows),
    ] {
        let mut file = open_with(&octets, &Options::default()).unwrap();
        let rows = items(&mut file);
        let [Item::Row(row)] = rows.as_slice() else {
            panic!("{name}: {rows:?}")
        };
        assert_eq!(row.name.as_deref(), Some("Ann Müller"), "{name}");
        assert_eq!(row.attributes, r#"{"city":"Köln"}"#, "{name}");
        assert_eq!(file.encoding(), name);
    }
}

#[test]
fn an_encoding_that_shows_late_is_found() {
    let mut octets = b"email,city\n".to_vec();
    for i in 0..20_000 {
        octets.extend(format!("reader{i}@example.org,Bern\n").bytes());
    }
    octets.extend(b"zoe@example.org,Z\xfcrich\n");
    let rows = read_with(&octets, &[]);
    let Some(Item::Row(last)) = rows.last() else {
        panic!("{:?}", rows.last())
    };
    assert_eq!(last.attributes, r#"{"city":"Zürich"}"#);
}

#[test]
fn a_bad_sequence_in_a_utf8_file_hurts_its_row_alone() {
    for octets in [
        b"email,city\nann@example.org,K\xc3\xb6ln\nbob@example.org,K\xf6ln\ncarl@example.org,M\xc3\xbcnster\n".as_slice(),
        b"email,city\nbob@example.org,K\xf6ln\nann@example.org,K\xc3\xb6ln\ncarl@example.org,M\xc3\xbcnster\n",
    ] {
        let rows = shown(octets, &[]);
        assert_eq!(rows.len(), 3);
        assert_eq!(rows.iter().filter(|row| row.contains("the row is not valid utf-8")).count(), 0);
        assert_eq!(rows.iter().filter(|row| row.contains("column `city`: is not valid utf-8: save the whole file in one encoding [bob@example.org,K\u{fffd}ln]")).count(), 1);
    }
    let split = shown(
        b"email,a,b\nz\xc3\xb6e@example.org,x,y\nann@example.org,\xc3,\xb6\n",
        &[],
    );
    assert!(split[1].contains("column `a`: is not valid utf-8"), "{split:?}");
}

#[test]
fn an_encoding_can_be_named() {
    let options = Options {
        encoding: Some("iso-8859-2".parse().unwrap()),
        ..Options::default()
    };
    let rows = items(&mut open_with(b"email,city\nann@example.org,\xa3\xf3d\xbc\n", &options).unwrap());
    let [Item::Row(row)] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    assert_eq!(row.attributes, r#"{"city":"Łódź"}"#);
    assert!(
        "klingon"
            .parse::<TextEncoding>()
            .unwrap_err()
            .to_string()
            .contains("`klingon` is not an encoding")
    );
}

#[test]
fn delimiters_are_found() {
    for (text, delimiter) in [
        ("email,city\nann@example.org,Bern\n", Delimiter::Comma),
        ("email;city\nann@example.org;Bern\n", Delimiter::Semicolon),
        ("email\tcity\nann@example.org\tBern\n", Delimiter::Tab),
        ("email|city\nann@example.org|Bern\n", Delimiter::Pipe),
        (
            "email;note\nann@example.org;\"a,b,c\"\nbob@example.org;a, b\n",
            Delimiter::Semicolon,
        ),
        (
            "name;email\nLee, Ann;ann@example.org\nRay, Bob;bob@example.org\n",
            Delimiter::Semicolon,
        ),
        (
            "email,note\nann@example.org,\"a;b\"\nbob@example.org,\"a;b\"\n",
            Delimiter::Comma,
        ),
        ("email\nann@example.org\n", Delimiter::Comma),
        ("ann@example.org\n", Delimiter::Comma),
        ("email;city\nnobody;Bern\n", Delimiter::Semicolon),
        ("sep=;\nemail;city\nann@example.org;Bern\n", Delimiter::Semicolon),
        (
            "sep=;\r\nemail;city\r\nann@example.org;Bern\r\n",
            Delimiter::Semicolon,
        ),
    ] {
        let file = open_with(text.as_bytes(), &Options::default()).unwrap();
        assert_eq!(file.delimiter(), Some(delimiter), "{text}");
    }
    let forced = Options {
        delimiter: Some("pipe".parse().unwrap()),
        ..Options::default()
    };
    assert_eq!(
        open_with(b"email|x,y\nann@example.org|1,2\n", &forced)
            .unwrap()
            .delimiter(),
        Some(Delimiter::Pipe)
    );
    assert_eq!("\\t".parse(), Ok(Delimiter::Tab));
    assert!("colon".parse::<Delimiter>().is_err());
}

#[test]
fn fields_are_kept_as_they_stand() {
    let text = "email,zip,note,\"the \"\"best\"\" city\"\r\n\
                ann@example.org,01067,\"two\r\nlines, and a \"\"quote\"\"\",Dresden\r\n\
                \r\n   \r\n\
                bob@example.org,00501, spaces ,5\" pipe";
    assert_eq!(
        shown(text.as_bytes(), &[]),
        [
            r#"ann@example.org||{"note":"two\r\nlines, and a \"quote\"","the \"best\" city":"Dresden","zip":"01067"}"#,
            r#"bob@example.org||{"note":" spaces ","the \"best\" city":"5\" pipe","zip":"00501"}"#,
        ]
    );
}

#[test]
fn addresses_are_cleaned() {
    let text = "E-Mail\n\u{a0}Ann@EXAMPLE.org \nbob\u{200b}@example.org\ncarl@bücher.example.org\n";
    assert_eq!(
        shown(text.as_bytes(), &[]),
        [
            "Ann@example.org||{}",
            "bob@example.org||{}",
            "carl@xn--bcher-kva.example.org||{}"
        ]
    );
}

#[test]
fn what_an_export_made_safe_for_spreadsheets_is_read_as_it_was() {
    let rows = shown(
        b"email,name,'@phone\n'+ann@example.org,'=1+1,'+41 79 000 00 00\nbob@example.org,'s-Gravenhage,-3\n",
        &[],
    );
    assert_eq!(
        rows,
        [
            "+ann@example.org|=1+1|{\"@phone\":\"+41 79 000 00 00\"}",
            "bob@example.org|'s-Gravenhage|{\"@phone\":\"-3\"}",
        ]
    );
}

#[test]
fn a_bad_row_is_shown_exactly_and_hurts_no_other() {
    let text = "email,name,age\n\
                ann,Ann,1\n\
                bob@example.org,\"Bob\n\
                carl@example.org,\"Carl\",3\n\
                dora@example.org,Dora\n\
                emil@example.org,Emil,5,6\n\
                fay@example.org,Fay,7,\n\
                gus@example.org,G\0us,8\n\
                hal@example.org,\"Hal\n";
    assert_eq!(
        shown(text.as_bytes(), &["age=age:number"]),
        [
            "2: column `email`: the address has no @ sign [ann,Ann,1]",
            "3: column `name`: has a quote that is opened and never closed [bob@example.org,\"Bob]",
            "carl@example.org|Carl|{\"age\":3}",
            "5: has 2 fields, expected 3: it ends before column `age` [dora@example.org,Dora]",
            "6: has 4 fields, expected 3: field 4 has no column; a field with a delimiter in it stands in quotes \
             [emil@example.org,Emil,5,6]",
            "fay@example.org|Fay|{\"age\":7}",
            "8: column `name`: has a NUL character in it [gus@example.org,G\0us,8]",
            "9: column `name`: has a quote that is opened and never closed [hal@example.org,\"Hal]",
        ]
    );
}

#[test]
fn a_quote_that_is_never_closed_does_not_swallow_the_file() {
    let mut text = "email,name\nann@example.org,\"Ann\n".to_owned();
    for i in 0..1000 {
        text.push_str(&format!("reader{i}@example.org,Reader\n"));
    }
    let rows = shown(text.as_bytes(), &[]);
    assert_eq!(rows.len(), 1001);
    assert!(
        rows[0].starts_with("2: column `name`: has a quote"),
        "{}",
        rows[0]
    );
    assert_eq!(rows[1], "reader0@example.org|Reader|{}");
}

#[test]
fn a_row_that_is_too_long_is_cut_and_rejected() {
    let long = "x".repeat(300_000);
    for line_break in ["\n", "\r\n", "\r"] {
        let text = [
            "email,note",
            &format!("ann@example.org,{long}"),
            "bob@example.org,ok",
            "",
        ]
        .join(line_break);
        let rows = read_with(text.as_bytes(), &[]);
        let [Item::Reject(reject), Item::Row(row)] = rows.as_slice() else {
            panic!("{} rows", rows.len())
        };
        assert_eq!((reject.line, row.line), (2, 3));
        assert!(
            reject
                .reason
                .starts_with("column `note`: makes the row longer than 65536 octets"),
            "{}",
            reject.reason
        );
        assert_eq!(reject.row, text.as_bytes()[11 + line_break.len() - 1..][..65536]);
    }
}

#[test]
fn line_numbers_count_the_lines_of_the_file() {
    for line_break in ["\n", "\r\n", "\r"] {
        let text = ["email,name", "", "ann@example.org,\"Ann", "Lee\"", "bob,Bob", ""].join(line_break);
        let rows = read_with(text.as_bytes(), &[]);
        let [Item::Row(row), Item::Reject(reject)] = rows.as_slice() else {
            panic!("{rows:?}")
        };
        assert_eq!(
            (row.line, reject.line, reject.row.as_slice()),
            (3, 5, b"bob,Bob".as_slice()),
            "{line_break:?}"
        );
    }
}

#[test]
fn a_first_row_with_an_address_is_not_a_header() {
    assert_eq!(
        shown(b"Ann,ann@example.org\nBob,bob@example.org\n", &["#1=name"]),
        ["ann@example.org|Ann|{}", "bob@example.org|Bob|{}"]
    );
    assert_eq!(
        shown(b"Ann,ann@example.org\n", &[]),
        [r#"ann@example.org||{"column_1":"Ann"}"#]
    );
}

#[test]
fn the_column_of_the_address_is_found() {
    for (header, row, column) in [
        ("Id,E-Mail-Adresse", "1,ann@example.org", "E-Mail-Adresse"),
        ("Adresse e-mail;Nom", "ann@example.org;Ann", "Adresse e-mail"),
        (
            "Nombre,Correo electrónico",
            "Ann,ann@example.org",
            "Correo electrónico",
        ),
        ("Person,Contact", "Ann,ann@example.org", "Contact"),
        ("Mail,Contact", "yes,ann@example.org", "Contact"),
        ("Email,E-mail", ",ann@example.org", "E-mail"),
        (
            "Work email,Referred by",
            "ann@example.org,bob@example.org",
            "Work email",
        ),
        ("email,Referred by", "ann@example.org,bob@example.org", "email"),
        ("email,x", "not an address,1", "email"),
    ] {
        let file = open_with(format!("{header}\n{row}\n").as_bytes(), &Options::default()).unwrap();
        assert_eq!(file.email_column(), column, "{header}");
    }
}

#[test]
fn an_unclear_column_of_the_address_is_refused_with_the_columns() {
    for (text, reason) in [
        ("a,b\n1,2\n", "no column looks like e-mail addresses"),
        (
            "email,e-mail\nann@example.org,bob@example.org\n",
            "several columns could be the e-mail address (#1 `email`, #2 `e-mail`)",
        ),
        (
            "a,b\nann@example.org,bob@example.org\n",
            "several columns could be the e-mail address (#1 `a`, #2 `b`)",
        ),
    ] {
        let error = open_with(text.as_bytes(), &Options::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(reason) && error.contains("--map \"Column=email\"") && error.contains("#2"),
            "{error}"
        );
    }
    assert_eq!(
        shown(
            b"email,e-mail\nann@example.org,bob@example.org\n",
            &["E-MAIL=email"]
        ),
        [r#"bob@example.org||{"email":"ann@example.org"}"#]
    );
}

#[test]
fn columns_are_typed_as_mapped() {
    let text = "email,Full Name,age,vip,since,price,skip\n\
                ann@example.org,Ann Lee,041,Yes,2026-01-31,19.90,x\n\
                bob@example.org,,,,,,\n\
                carl@example.org,Carl,forty,no,2026-01-31,1,x\n\
                dora@example.org,Dora,4,maybe,2026-01-31,1,x\n\
                emil@example.org,Emil,4,0,31.01.2026,1,x\n\
                fay@example.org,Fay,4,0,2026-02-30,nan,x\n";
    let rules = [
        "age=age:number",
        "vip=vip:boolean",
        "Since=since:date",
        "#6=price:number",
        "skip=ignore",
    ];
    assert_eq!(
        shown(text.as_bytes(), &rules),
        [
            r#"ann@example.org|Ann Lee|{"age":41,"price":19.9,"since":"2026-01-31","vip":true}"#,
            r#"bob@example.org||{"age":null,"price":null,"since":null,"vip":null}"#,
            "4: column `age`: `forty` is not a number: write it with a decimal point, for example 19.90 \
             [carl@example.org,Carl,forty,no,2026-01-31,1,x]",
            "5: column `vip`: `maybe` is neither yes nor no: write yes, no, true, false, 1 or 0 \
             [dora@example.org,Dora,4,maybe,2026-01-31,1,x]",
            "6: column `since`: `31.01.2026` is not a date: write it as year-month-day, for example 2026-01-31 \
             [emil@example.org,Emil,4,0,31.01.2026,1,x]",
            "7: column `price`: `nan` is not a number: write it with a decimal point, for example 19.90 \
             [fay@example.org,Fay,4,0,2026-02-30,nan,x]",
        ]
    );
}

#[test]
fn a_map_that_does_not_fit_is_refused() {
    for (rule, reason) in [
        ("email", "does not say what a column means"),
        ("=email", "does not say what a column means"),
        ("age=age:integer", "`integer` in `age=age:integer` is not a type"),
    ] {
        let error = rule.parse::<Rule>().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    let text = b"email,City,city,City\nann@example.org,a,b,c\n";
    for (rules, reason) in [
        (
            ["Town=city", "#2=ignore"],
            "there is no column `Town`; the columns are #1 `email`, #2 `City`",
        ),
        (["#9=city", "#2=ignore"], "there is no column `#9`"),
        (
            ["City=town", "#3=ignore"],
            "several columns are called `City` (#2, #3, #4)",
        ),
        (["#2=town", "#2=place"], "the column `City` is mapped twice"),
        (
            ["#2=town", "#3=town"],
            "the columns #2 `City` and #3 `city` both become `town`",
        ),
        (
            ["#3=place", "email=email"],
            "the columns #2 `City` and #4 `City` both become `City`",
        ),
    ] {
        let error = open_with(text, &options(&rules)).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn a_file_without_anything_in_it_is_refused() {
    for octets in [b"".as_slice(), b"\n \n", b"\xef\xbb\xbf", b"\xff\xfe"] {
        assert_eq!(
            open_with(octets, &Options::default()).unwrap_err().to_string(),
            "is empty"
        );
    }
}

#[test]
fn a_file_of_nothing_but_a_header_is_refused_with_its_place() {
    for (octets, place) in [
        (b"email,name\n".as_slice(), "line 1"),
        (b"email,name", "line 1"),
        (b"\r\nemail,name\r\n \r\n\r\n", "line 2"),
        (b"sep=;\nemail;name\n", "line 2"),
        (b"\xff\xfee\0m\0a\0i\0l\0\n\0", "line 1"),
    ] {
        let refused = open_with(octets, &Options::default()).unwrap_err().to_string();
        let words = format!("{place} is the header, and no row comes after it");
        assert!(refused.starts_with(&words), "{refused}");
    }
    // A row that is none is one that is told by itself.
    for octets in [b"email,name\n,\n".as_slice(), b"email,name\n\"open\n"] {
        let mut file = open_with(octets, &Options::default()).unwrap();
        assert!(matches!(items(&mut file).as_slice(), [Item::Reject(_)]));
    }
}

#[test]
fn a_rejected_row_keeps_its_octets_even_where_they_are_no_text() {
    let octets = "email,name\nann@example.org,Änn\nbob@example.org,K\u{f6}ln\nx,".as_bytes();
    let octets = [octets, b"\xff\xfe\n"].concat();
    let rows = read_with(&octets, &[]);
    let Some(Item::Reject(reject)) = rows.last() else {
        panic!("{rows:?}")
    };
    assert_eq!(reject.row, b"x,\xff\xfe");
}
