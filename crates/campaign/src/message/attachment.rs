//! Files that go with a message (RFC 2183): attachments, and images that the HTML shows. A file is encoded once for all
//! messages that carry it.

use data_encoding::{Encoding, Specification};
use std::sync::{Arc, LazyLock};

/// The greatest file, in octets: encoded, a greater one would not fit into the greatest message.
pub const MAX_ATTACHMENT: usize = 7_000_000;
/// The greatest number of files of a campaign.
pub const MAX_ATTACHMENTS: usize = 100;
/// The longest file name, in octets.
const MAX_FILE_NAME: usize = 255;
/// The longest name in a header field that is written in one piece.
const MAX_PIECE: usize = 60;

/// A file that goes with messages.
#[derive(Clone, PartialEq)]
pub struct Attachment {
    file_name: String,
    content_id: Option<ContentId>,
    octets: Vec<u8>,
}

impl std::fmt::Debug for Attachment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Attachment {
            file_name,
            content_id,
            octets,
        } = self;
        write!(f, "{file_name} ({} octets, {content_id:?})", octets.len())
    }
}

/// Why a file cannot go with a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachmentError {
    /// Not a name.
    #[error(
        "a file name has 1 to {MAX_FILE_NAME} octets, without slashes, backslashes and control characters: rename it"
    )]
    FileName,
    /// No octets.
    #[error("the file is empty")]
    Empty,
    /// More than [`MAX_ATTACHMENT`].
    #[error("the file has {0} octets, at most {MAX_ATTACHMENT} are allowed")]
    TooLarge(usize),
    /// An inline image of another type.
    #[error("{0} is not an image by its name: attach it with --attach")]
    NotAnImage(String),
    /// Not an identifier.
    #[error(
        "`{0}` cannot stand behind cid: write letters, digits, dots, hyphens and underscores, for example --inline \
         FILE=logo.png"
    )]
    ContentId(String),
}

/// The name behind `cid:` by which the HTML refers to an image (RFC 2392).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(String);

impl ContentId {
    /// Takes 1 to 100 characters, which may stand in a URL and in a header field as they are; it may have a domain.
    pub fn parse(text: &str) -> Result<ContentId, AttachmentError> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._+-".contains(&c);
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(allowed);
        let good = match text.split_once('@') {
            Some((local, domain)) => is_word(local) && is_word(domain),
            None => is_word(text),
        };
        if !good || text.len() > 100 {
            return Err(AttachmentError::ContentId(text.chars().take(100).collect()));
        }
        Ok(ContentId(text.to_owned()))
    }

    /// As the HTML writes it behind `cid:`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Attachment {
    /// An attachment. Its media type is told by its name.
    pub fn new(file_name: &str, octets: Vec<u8>) -> Result<Attachment, AttachmentError> {
        let forbidden = |c: char| c.is_control() || matches!(c, '/' | '\\');
        if file_name.trim().is_empty() || file_name.len() > MAX_FILE_NAME || file_name.contains(forbidden) {
            return Err(AttachmentError::FileName);
        }
        match octets.len() {
            0 => Err(AttachmentError::Empty),
            size if size > MAX_ATTACHMENT => Err(AttachmentError::TooLarge(size)),
            _ => Ok(Attachment {
                file_name: file_name.to_owned(),
                content_id: None,
                octets,
            }),
        }
    }

    /// Makes it an image that the HTML shows.
    pub fn shown_as(self, content_id: ContentId) -> Result<Attachment, AttachmentError> {
        let media_type = media_type(&self.file_name);
        if !media_type.starts_with("image/") {
            return Err(AttachmentError::NotAnImage(self.file_name));
        }
        Ok(Attachment {
            content_id: Some(content_id),
            ..self
        })
    }

    /// As the reader sees it.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// By what the HTML refers to it, if it is an image that the HTML shows.
    pub fn content_id(&self) -> Option<&ContentId> {
        self.content_id.as_ref()
    }

    /// The file itself.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The part of a message, to be made once.
    pub fn encode(&self) -> EncodedFile {
        let media_type = media_type(&self.file_name);
        let mut part = format!("Content-Type: {media_type}");
        // Without a word about it text would be ASCII (RFC 2046 section 4.1.2).
        if media_type.starts_with("text/") && std::str::from_utf8(&self.octets).is_ok() {
            part.push_str("; charset=utf-8");
        }
        part.push_str("\r\nContent-Transfer-Encoding: base64\r\n");
        if let Some(ContentId(id)) = &self.content_id {
            part.push_str(&format!("Content-ID: <{id}>\r\n"));
        }
        part.push_str("Content-Disposition: ");
        part.push_str(match self.content_id {
            Some(_) => "inline",
            None => "attachment",
        });
        push_file_name(&self.file_name, &mut part);
        part.push_str("\r\n\r\n");
        BASE64_LINES.encode_append(&self.octets, &mut part);
        EncodedFile(part.into_bytes().into())
    }
}

/// A file as a part of a message, header fields and all. Its last line has its end.
#[derive(Clone)]
pub struct EncodedFile(Arc<[u8]>);

impl EncodedFile {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// What it adds to a message, in octets, with a little more for its boundary.
    pub fn size(&self) -> usize {
        self.0.len() + 80
    }
}

impl std::fmt::Debug for EncodedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EncodedFile({} octets)", self.0.len())
    }
}

/// The media type by a file's name.
pub fn media_type(file_name: &str) -> String {
    let guessed = mime_guess::from_path(file_name).first_or_octet_stream();
    // RFC 2045 section 6.4: messages and multiparts must not be encoded, and attached files are.
    match guessed.type_().as_str() {
        "message" | "multipart" => "application/octet-stream".to_owned(),
        _ => guessed.essence_str().to_owned(),
    }
}

/// Base64 in lines of 76 characters (RFC 2045 section 6.8), the last one ended too.
static BASE64_LINES: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification
        .symbols
        .push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    specification.padding = Some('=');
    specification.wrap.width = 76;
    specification.wrap.separator.push_str("\r\n");
    specification.encoding().expect("the alphabet of RFC 2045")
});

/// Appends the parameter `filename`: as it is, where it is short and plain, else by RFC 2231, in several pieces if
/// it is long. Never both ways, which RFC 2231 does not know and strict readers take for a fault.
fn push_file_name(name: &str, out: &mut String) {
    let plain = |c: u8| matches!(c, b' '..=b'~') && !matches!(c, b'"' | b'\\' | b'%');
    if name.len() <= MAX_PIECE && name.bytes().all(plain) && !name.contains("=?") {
        out.push_str(&format!(";\r\n filename=\"{name}\""));
        return;
    }
    let mut pieces = vec![String::from("utf-8''")];
    for c in name.chars() {
        let mut utf_8 = [0; 4];
        let mut escaped = String::new();
        for &octet in c.encode_utf8(&mut utf_8).as_bytes() {
            match octet {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => {
                    escaped.push(char::from(octet))
                }
                _ => escaped.push_str(&format!("%{octet:02X}")),
            }
        }
        match pieces.last_mut() {
            Some(piece) if piece.len() + escaped.len() <= MAX_PIECE => piece.push_str(&escaped),
            _ => pieces.push(escaped),
        }
    }
    match pieces.as_slice() {
        [only] => out.push_str(&format!(";\r\n filename*={only}")),
        several => {
            for (at, piece) in several.iter().enumerate() {
                out.push_str(&format!(";\r\n filename*{at}*={piece}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail_parser::{MessageParser, MimeHeaders};

    fn encoded(file_name: &str, octets: &[u8]) -> String {
        let part = Attachment::new(file_name, octets.to_vec()).unwrap().encode();
        String::from_utf8(part.bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_file_is_read_back_by_another_parser_with_its_name_and_type() {
        let every_octet: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let long = format!("{}.pdf", "a".repeat(200));
        for (name, kind) in [
            ("invoice.pdf", "application/pdf"),
            ("Rechnung für März 🎉.pdf", "application/pdf"),
            ("price \"list\".csv", "text/csv"),
            ("a;b=c, (d).png", "image/png"),
            ("100%25.txt", "text/plain"),
            ("=?utf-8?q?x?=.jpg", "image/jpeg"),
            (&long, "application/pdf"),
            (
                "übergrößenträger-übergrößenträger-übergrößenträger.docx",
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            ),
            ("nobody-knows.xyzzy", "application/octet-stream"),
            ("no-ending", "application/octet-stream"),
            ("kept.eml", "application/octet-stream"),
        ] {
            // Text is not given back as octets by the parser, but as text.
            let octets = &every_octet[..if kind.starts_with("text/") { 128 } else { 1000 }];
            let part = encoded(name, octets);
            assert!(part.is_ascii() && part.ends_with("\r\n"), "{part}");
            let longest = part.split("\r\n").map(str::len).max().unwrap();
            assert!(longest <= 90, "{longest} in {part}");
            let parsed = MessageParser::default().parse(part.as_bytes()).unwrap();
            assert_eq!(parsed.attachment_name(), Some(name), "{part}");
            let found = parsed.content_type().unwrap();
            assert_eq!(format!("{}/{}", found.ctype(), found.subtype().unwrap()), kind);
            assert!(parsed.part(0).unwrap().contents() == octets, "{part}");
        }
    }

    #[test]
    fn text_is_said_to_be_utf_8_where_it_is() {
        assert!(
            encoded("a.csv", "Größe\n".as_bytes()).starts_with("Content-Type: text/csv; charset=utf-8\r\n")
        );
        assert!(encoded("a.csv", b"Gr\xf6\xdfe\n").starts_with("Content-Type: text/csv\r\n"));
        assert!(encoded("a.pdf", b"%PDF").starts_with("Content-Type: application/pdf\r\n"));
    }

    #[test]
    fn what_cannot_be_attached_is_refused() {
        for name in [
            "",
            " ",
            "a/b.pdf",
            "a\\b.pdf",
            "a\r\nBcc: x.pdf",
            "a\0.pdf",
            &"x".repeat(256),
        ] {
            assert_eq!(
                Attachment::new(name, vec![1]),
                Err(AttachmentError::FileName),
                "{name:?}"
            );
        }
        assert_eq!(Attachment::new("a.pdf", Vec::new()), Err(AttachmentError::Empty));
        let large = vec![0; MAX_ATTACHMENT + 1];
        assert_eq!(
            Attachment::new("a.pdf", large),
            Err(AttachmentError::TooLarge(MAX_ATTACHMENT + 1))
        );
    }

    #[test]
    fn an_inline_image_has_an_identifier_and_is_an_image() {
        let logo = Attachment::new("logo.png", vec![1]).unwrap();
        let id = ContentId::parse("logo.png").unwrap();
        let part = logo.shown_as(id.clone()).unwrap().encode();
        let part = String::from_utf8(part.bytes().to_vec()).unwrap();
        assert!(part.contains("\r\nContent-ID: <logo.png>\r\n"), "{part}");
        assert!(
            part.contains("\r\nContent-Disposition: inline;\r\n filename=\"logo.png\"\r\n"),
            "{part}"
        );
        let letter = Attachment::new("letter.pdf", vec![1]).unwrap();
        assert!(matches!(letter.shown_as(id), Err(AttachmentError::NotAnImage(_))));
        for good in ["a", "logo.png", "logo_2+x-y", "logo@news.example.com"] {
            assert!(ContentId::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "@",
            "a@",
            "@b",
            "a@b@c",
            "a b",
            "a>",
            "ü",
            "a\r\nb",
            &"x".repeat(101),
        ] {
            assert!(ContentId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_greatest_file_fits_into_the_greatest_message() {
        let file = Attachment::new("a.bin", vec![0xa5; MAX_ATTACHMENT]).unwrap();
        assert!(file.encode().size() < crate::message::MAX_MESSAGE - 200_000);
    }
}
