//! The body of a message: text and HTML as alternatives; around them, only where there are any, the images that the HTML
//! shows (RFC 2387) and the attachments: `mixed(alternative(text, related(html, images)), attachments)`.

use super::BodyEncoding;
use super::attachment::EncodedFile;
use super::canonical::Canonical;
use super::{put, quoted_printable};
use memchr::memmem;

/// What a body is made of.
pub(super) struct Body<'a> {
    /// Makes the boundaries; nobody can know it before the message is sent.
    pub id: &'a str,
    pub text: &'a Canonical,
    pub html: &'a Canonical,
    /// What the HTML shows.
    pub images: &'a [EncodedFile],
    /// What every message of the campaign carries.
    pub attachments: &'a [EncodedFile],
    /// What this recipient's message carries besides.
    pub own: Option<&'a EncodedFile>,
}

/// A part of text in the encoding that it needs.
#[derive(Clone, Copy)]
struct TextPart<'a> {
    kind: &'static str,
    content: &'a Canonical,
    encoding: &'static str,
}

impl Body<'_> {
    /// Appends the body's header fields and all parts. Returns whether there are octets above 127.
    pub(super) fn push(&self, allowed: BodyEncoding, out: &mut Vec<u8>) -> bool {
        let part = |kind, content| TextPart {
            kind,
            content,
            encoding: transfer_encoding(content, allowed),
        };
        let (text, html) = (part("plain", self.text), part("html", self.html));
        let eight_bit = text.is_eight_bit() || html.is_eight_bit();
        let attached = || self.attachments.iter().chain(self.own);
        if attached().next().is_none() {
            self.push_alternatives(text, html, out);
            return eight_bit;
        }
        let octets: usize = self.images.iter().chain(attached()).map(EncodedFile::size).sum();
        out.reserve(octets + 2 * (self.text.bytes().len() + self.html.bytes().len()));
        let boundary = self.boundary("mixed_");
        begin_multipart("mixed", &boundary, eight_bit, out);
        put(out, &["--", &boundary, "\r\n"]);
        self.push_alternatives(text, html, out);
        push_files(attached(), &boundary, out);
        put(out, &["--", &boundary, "--\r\n"]);
        eight_bit
    }

    /// Text first, which the least able readers show.
    fn push_alternatives(&self, text: TextPart<'_>, html: TextPart<'_>, out: &mut Vec<u8>) {
        let boundary = self.boundary("");
        begin_multipart(
            "alternative",
            &boundary,
            text.is_eight_bit() || html.is_eight_bit(),
            out,
        );
        put(out, &["--", &boundary, "\r\n"]);
        text.push(out);
        put(out, &["--", &boundary, "\r\n"]);
        if self.images.is_empty() {
            html.push(out);
        } else {
            self.push_related(html, out);
        }
        put(out, &["--", &boundary, "--\r\n"]);
    }

    fn push_related(&self, html: TextPart<'_>, out: &mut Vec<u8>) {
        let boundary = self.boundary("related_");
        begin_multipart("related; type=\"text/html\"", &boundary, html.is_eight_bit(), out);
        put(out, &["--", &boundary, "\r\n"]);
        html.push(out);
        push_files(self.images.iter(), &boundary, out);
        put(out, &["--", &boundary, "--\r\n"]);
    }

    /// No value holds it, since nobody knows the identifier; the look makes sure. Quoted-printable and base64 cannot hold
    /// `=_` at all. The identifier has neither an `x` nor an underscore, so that none is the beginning of another.
    fn boundary(&self, level: &str) -> String {
        let mut boundary = format!("=_{level}{}", self.id);
        while [self.text, self.html]
            .iter()
            .any(|part| memmem::find(part.bytes(), boundary.as_bytes()).is_some())
        {
            boundary.push('_');
        }
        boundary
    }
}

impl TextPart<'_> {
    fn is_eight_bit(self) -> bool {
        self.encoding == "8bit"
    }

    fn push(self, out: &mut Vec<u8>) {
        let TextPart {
            kind,
            content,
            encoding,
        } = self;
        put(out, &["Content-Type: text/", kind, "; charset=utf-8\r\n"]);
        put(out, &["Content-Transfer-Encoding: ", encoding, "\r\n\r\n"]);
        if encoding == "quoted-printable" {
            quoted_printable::encode(content.bytes(), out);
        } else {
            out.extend_from_slice(content.bytes());
        }
    }
}

fn begin_multipart(kind: &str, boundary: &str, eight_bit: bool, out: &mut Vec<u8>) {
    put(
        out,
        &[
            "Content-Type: multipart/",
            kind,
            ";\r\n boundary=\"",
            boundary,
            "\"\r\n",
        ],
    );
    if eight_bit {
        put(out, &["Content-Transfer-Encoding: 8bit\r\n"]);
    }
    put(out, &["\r\n"]);
}

fn push_files<'a>(files: impl Iterator<Item = &'a EncodedFile>, boundary: &str, out: &mut Vec<u8>) {
    for file in files {
        put(out, &["--", boundary, "\r\n"]);
        out.extend_from_slice(file.bytes());
    }
}

fn transfer_encoding(part: &Canonical, allowed: BodyEncoding) -> &'static str {
    match (part.is_eight_bit(), allowed) {
        _ if !part.lines_fit() => "quoted-printable",
        (false, _) => "7bit",
        (true, BodyEncoding::EightBit) => "8bit",
        (true, BodyEncoding::SevenBit) => "quoted-printable",
    }
}
