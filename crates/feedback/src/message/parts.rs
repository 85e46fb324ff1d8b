//! The parts of a message that a report can be made of, whatever is wrapped around them.

use super::fields::{self, Block};
use mail_parser::decoders::html::html_to_text;
use mail_parser::{HeaderName, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Structured values are read by our own tolerant code; the parser would make objects of every address of a long list.
static PARSER: LazyLock<MessageParser> = LazyLock::new(|| {
    MessageParser::new()
        .with_mime_headers()
        .header_text(HeaderName::Subject)
        .default_header_raw()
});

/// How much of a text a person may have written or a server may have said; the rest is the returned message.
const LONGEST_TEXT: usize = 256 * 1024;

/// A message taken apart.
#[derive(Debug, Default)]
pub struct Mail<'m> {
    /// Its own header.
    pub header: Block,
    /// Its subject, decoded.
    pub subject: String,
    /// Texts for people, in their order, as plain text.
    pub texts: Vec<Cow<'m, str>>,
    /// Delivery statuses (RFC 3464).
    pub statuses: Vec<Cow<'m, str>>,
    /// The feedback report (RFC 5965).
    pub feedback: Option<Block>,
    /// Whether it is a receipt (RFC 8098).
    pub is_receipt: bool,
    /// The header of the message that is returned.
    pub original: Option<Block>,
    /// Messages in it.
    pub nested: Vec<&'m Message<'m>>,
}

/// Parses octets with line ends made plain.
pub fn parse(octets: &[u8]) -> Option<Message<'_>> {
    PARSER.parse(octets)
}

impl<'m> Mail<'m> {
    /// Takes a message apart.
    pub fn new(message: &'m Message<'m>) -> Mail<'m> {
        let mut mail = Mail {
            header: header_of(message),
            subject: message.subject().unwrap_or_default().to_owned(),
            ..Mail::default()
        };
        let mut pages = Vec::new();
        for part in &message.parts {
            mail.add(part, &mut pages);
        }
        if mail.texts.iter().all(|text| text.trim().is_empty()) {
            mail.texts = pages
                .into_iter()
                .map(|page| Cow::Owned(html_to_text(page)))
                .collect();
        }
        mail
    }

    fn add(&mut self, part: &'m MessagePart<'m>, pages: &mut Vec<&'m str>) {
        let kind = part.content_type();
        let subtype = kind
            .and_then(|kind| kind.subtype())
            .unwrap_or_default()
            .to_ascii_lowercase();
        match (&part.body, subtype.as_str()) {
            (PartType::Multipart(_), _) => {}
            (PartType::Message(message), _) => {
                if self.original.is_none() {
                    self.original = Some(header_of(message));
                }
                self.nested.push(message);
            }
            (_, "delivery-status" | "global-delivery-status") => self.statuses.push(text_of(part)),
            (_, "feedback-report") => {
                let fields = fields::blocks(&text_of(part))
                    .into_iter()
                    .flat_map(Block::into_fields);
                self.feedback = Some(Block::from_fields(fields.collect()));
            }
            (_, "disposition-notification" | "global-disposition-notification") => self.is_receipt = true,
            (_, "rfc822-headers" | "global-headers" | "rfc822" | "global") => {
                let header = fields::header(&text_of(part));
                if self.original.is_none() && header.len() > 0 {
                    self.original = Some(header);
                }
            }
            (PartType::Text(text), _) if self.original.is_none() => {
                self.texts
                    .push(Cow::Borrowed(crate::rules::cut(text, LONGEST_TEXT)));
            }
            (PartType::Html(text), _) if self.original.is_none() => {
                pages.push(crate::rules::cut(text, LONGEST_TEXT));
            }
            _ => {}
        }
    }
}

/// The header of a message.
pub fn header_of(message: &Message<'_>) -> Block {
    let Some(root) = message.parts.first() else {
        return Block::default();
    };
    let (from, to) = (root.offset_header as usize, root.offset_body as usize);
    let octets = message.raw_message.get(from..to).unwrap_or_default();
    fields::header(&String::from_utf8_lossy(octets))
}

fn text_of<'m>(part: &'m MessagePart<'m>) -> Cow<'m, str> {
    match &part.body {
        PartType::Text(text) | PartType::Html(text) => Cow::Borrowed(text),
        PartType::Binary(octets) | PartType::InlineBinary(octets) => String::from_utf8_lossy(octets),
        PartType::Message(_) | PartType::Multipart(_) => Cow::Borrowed(""),
    }
}

/// A field's value with its encoded words (RFC 2047) decoded.
pub fn decoded(value: &str) -> String {
    let header = format!("Subject: {value}\n\n");
    let parsed = PARSER.parse(header.as_bytes());
    parsed
        .and_then(|message| message.subject().map(str::to_owned))
        .unwrap_or_else(|| value.to_owned())
}

/// Whether a message holds a report that a program wrote for programs.
pub fn is_report(message: &Message<'_>) -> bool {
    message.parts.iter().any(|part| {
        let subtype = part
            .content_type()
            .and_then(|kind| kind.subtype())
            .unwrap_or_default();
        ["delivery-status", "global-delivery-status", "feedback-report"]
            .iter()
            .any(|kind| subtype.eq_ignore_ascii_case(kind))
    })
}
