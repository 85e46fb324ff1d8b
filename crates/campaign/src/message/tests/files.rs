//! Messages with attachments and inline images.

use super::*;
use crate::message::attachment::{Attachment, ContentId, EncodedFile};

fn attachment(name: &str, octets: &[u8]) -> Attachment {
    Attachment::new(name, octets.to_vec()).unwrap()
}

fn image(id: &str, octets: &[u8]) -> Attachment {
    let image = attachment("logo.png", octets);
    image.shown_as(ContentId::parse(id).unwrap()).unwrap()
}

fn with(html: &str, files: &[Attachment]) -> MessageFactory {
    factory("Hello", html).with_files(files).unwrap()
}

fn message(factory: &MessageFactory, own: Option<&EncodedFile>, encoding: BodyEncoding) -> String {
    let mut out = Vec::new();
    let to = mailable("Ann", json!({"city": "Köln"}));
    let built = factory
        .build_attaching(&to, own, DATE, encoding, &mut out)
        .unwrap();
    assert_eq!(built.eight_bit, !out.is_ascii());
    let message = String::from_utf8(out).unwrap();
    check_lines(&message);
    message
}

/// The types of all parts, each with how deep it is.
fn structure(message: &str) -> Vec<(usize, String)> {
    fn walk(parsed: &mail_parser::Message<'_>, at: u32, depth: usize, found: &mut Vec<(usize, String)>) {
        let part = parsed.part(at).unwrap();
        let kind = part.content_type().unwrap();
        found.push((depth, format!("{}/{}", kind.ctype(), kind.subtype().unwrap())));
        for &child in part.sub_parts().unwrap_or_default() {
            walk(parsed, child, depth + 1, found);
        }
    }
    let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
    let mut found = Vec::new();
    walk(&parsed, 0, 0, &mut found);
    found
}

fn types(expected: &[(usize, &str)]) -> Vec<(usize, String)> {
    expected
        .iter()
        .map(|&(depth, kind)| (depth, kind.to_owned()))
        .collect()
}

#[test]
fn without_files_nothing_is_different() {
    let plain = factory("Hello", "<p>{{city}}</p>");
    let empty = with("<p>{{city}}</p>", &[]);
    for encoding in [BodyEncoding::SevenBit, BodyEncoding::EightBit] {
        let message = message(&plain, None, encoding);
        assert_eq!(message, self::message(&empty, None, encoding));
        let expected = [(0, "multipart/alternative"), (1, "text/plain"), (1, "text/html")];
        assert_eq!(structure(&message), types(&expected));
    }
}

#[test]
fn each_part_stands_in_its_place() {
    let letter = attachment("letter.pdf", b"%PDF-1.7\r\n.\r\n--=_\0\xff");
    let logo = image("logo.png", b"\x89PNG");
    let own = attachment("invoice.pdf", b"%PDF of Ann").encode();
    let html = "<p>{{city}} <img src=\"cid:logo.png\"></p>";
    let alternative = |depth| [(depth, "multipart/alternative"), (depth + 1, "text/plain")];
    let related = |depth| {
        [
            (depth, "multipart/related"),
            (depth + 1, "text/html"),
            (depth + 1, "image/png"),
        ]
    };
    let pdf = (1, "application/pdf");
    let mixed = (0, "multipart/mixed");
    for (factory, own, expected) in [
        (
            with("<p>{{city}}</p>", std::slice::from_ref(&letter)),
            None,
            [&[mixed], &alternative(1)[..], &[(2, "text/html")], &[pdf]].concat(),
        ),
        (
            with("<p>{{city}}</p>", &[]),
            Some(&own),
            [&[mixed], &alternative(1)[..], &[(2, "text/html")], &[pdf]].concat(),
        ),
        (
            with(html, std::slice::from_ref(&logo)),
            None,
            [&alternative(0)[..], &related(1)].concat(),
        ),
        (
            with(html, &[letter.clone(), logo.clone()]),
            Some(&own),
            [&[mixed], &alternative(1)[..], &related(2), &[pdf, pdf]].concat(),
        ),
    ] {
        for encoding in [BodyEncoding::SevenBit, BodyEncoding::EightBit] {
            let message = message(&factory, own, encoding);
            assert_eq!(structure(&message), types(&expected), "{message}");
            assert!(encoding == BodyEncoding::EightBit || message.is_ascii());
        }
    }
}

#[test]
fn another_parser_reads_the_same_files() {
    let letter = attachment("letter.pdf", b"%PDF-1.7\r\n.\r\n--=_\0\xff");
    let logo = image("logo@example.com", b"\x89PNG");
    let factory = with(
        "<img src=\"cid:logo@example.com\">",
        &[letter.clone(), logo.clone()],
    );
    let message = message(&factory, None, BodyEncoding::EightBit);
    let parsed = MessageParser::default().parse(message.as_bytes()).unwrap();
    let find = |name: &str| {
        let mut named = parsed
            .parts
            .iter()
            .filter(|part| part.attachment_name() == Some(name));
        (named.next().unwrap(), named.next().is_none())
    };
    let (part, once) = find("letter.pdf");
    assert!(once && part.contents() == letter.octets());
    assert!(part.content_disposition().unwrap().is_attachment());
    let (part, once) = find("logo.png");
    assert!(once && part.contents() == logo.octets());
    assert!(part.content_disposition().unwrap().is_inline());
    assert_eq!(part.content_id(), Some("logo@example.com"));
}

#[test]
fn no_boundary_occurs_in_a_part_or_begins_another() {
    let files = [attachment("a.pdf", b"x"), image("logo", b"y")];
    let factory = factory("x", "<img src=\"cid:logo\"><p>{{{evil}}}</p>")
        .with_files(&files)
        .unwrap();
    let id = factory.message_id(RecipientId(70_001));
    let id = &id[1..id.find('@').unwrap()];
    let evil: String = ["", "mixed_", "related_"]
        .map(|level| {
            format!("\r\n--=_{level}{id}\r\n\r\nforged\r\n--=_{level}{id}--\r\n--=_{level}{id}_\r\n")
        })
        .concat();
    let (message, _) = build(
        &factory,
        &mailable("Ann", json!({"evil": evil})),
        BodyEncoding::EightBit,
    );
    let expected = [
        (0, "multipart/mixed"),
        (1, "multipart/alternative"),
        (2, "text/plain"),
        (2, "multipart/related"),
        (3, "text/html"),
        (3, "image/png"),
        (1, "application/pdf"),
    ];
    assert_eq!(structure(&message), types(&expected), "{message}");
    let boundaries: Vec<&str> = message
        .split("boundary=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(boundaries.len(), 3);
    for one in &boundaries {
        assert!(one.len() <= 70, "{one}");
        assert_eq!(
            boundaries.iter().filter(|other| other.starts_with(*one)).count(),
            1,
            "{boundaries:?}"
        );
    }
}

#[test]
fn a_message_that_grows_too_large_by_a_file_is_an_error() {
    let half = attachment("a.bin", &vec![1; 4_000_000]);
    let factory = with("<p>x</p>", std::slice::from_ref(&half));
    let mut out = Vec::new();
    let own = half.encode();
    let to = mailable("Ann", json!({}));
    let built = factory.build_attaching(&to, Some(&own), DATE, BodyEncoding::EightBit, &mut out);
    assert_eq!(built.unwrap_err(), RenderError::TooLarge);
    assert!(factory.build(&to, DATE, BodyEncoding::EightBit, &mut out).is_ok());
}
