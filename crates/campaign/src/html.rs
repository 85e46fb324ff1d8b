//! Reads the tags of HTML that is a Handlebars template: what stands between `{{` and `}}` never ends a tag or a value.
//! Nothing is repaired or built, so that the source can be told from what was found in it.

use crate::template::mustache;
use std::ops::Range;

/// A tag as it stands in the source.
#[derive(Debug)]
pub(crate) struct Tag<'a> {
    /// In lower case.
    pub(crate) name: String,
    pub(crate) closing: bool,
    /// Between the name and the `>`.
    pub(crate) attributes: &'a str,
    /// Where [`attributes`](Self::attributes) begins.
    pub(crate) attributes_at: usize,
    /// After its `>`.
    pub(crate) end: usize,
}

impl Tag<'_> {
    /// Whether it ends with `/>`.
    pub(crate) fn closes_itself(&self) -> bool {
        self.attributes.ends_with('/')
    }
}

/// The tag that starts at `at`; `None` where a `<` is just a character.
pub(crate) fn read_tag(html: &str, at: usize) -> Option<Tag<'_>> {
    let rest = html[at..].strip_prefix('<')?;
    let (closing, rest) = rest.strip_prefix('/').map_or((false, rest), |rest| (true, rest));
    if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let name_end = name_end(rest);
    let start = html.len() - rest.len() + name_end;
    let end = tag_end(html, start);
    let attributes = html[start..end].trim_end_matches('>');
    Some(Tag {
        name: rest[..name_end].to_ascii_lowercase(),
        closing,
        attributes,
        attributes_at: start,
        end,
    })
}

fn name_end(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != ':')
        .unwrap_or(text.len())
}

/// After the tag's `>`: one inside quotes or braces does not end it.
fn tag_end(html: &str, start: usize) -> usize {
    let bytes = html.as_bytes();
    let mut quote = None;
    let mut at = start;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (_, b'{') if bytes[at..].starts_with(b"{{") => {
                at = mustache::read(html, at).map_or(html.len(), |found| found.end);
                continue;
            }
            (Some(open), c) if c == open => quote = None,
            (None, c @ (b'"' | b'\'')) => quote = Some(c),
            (None, b'>') => return at + 1,
            _ => {}
        }
        at += 1;
    }
    html.len()
}

/// An attribute of a tag. Ranges count from the start of the tag's [`attributes`](Tag::attributes).
#[derive(Debug)]
pub(crate) struct Attribute<'a> {
    pub(crate) name: &'a str,
    /// Entities and braces as they are; empty where there is no value.
    pub(crate) value: &'a str,
    /// Where the value stands, without its quotes; `None` where there is no value.
    pub(crate) value_at: Option<Range<usize>>,
    /// `"` or `'`, if there are quotes.
    pub(crate) quote: Option<u8>,
    /// With the value and its quotes.
    pub(crate) whole: Range<usize>,
}

/// The attributes in the order of the source. Braces between them are passed over.
#[derive(Debug)]
pub(crate) struct Attributes<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Attributes<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Attributes { text, at: 0 }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let text = self.text;
        let start = loop {
            let start = self.at + text[self.at..].find(|c: char| c.is_ascii_alphabetic() || c == '{')?;
            if !text[start..].starts_with('{') {
                break start;
            }
            let braces = text[start..]
                .starts_with("{{")
                .then(|| mustache::read(text, start));
            self.at = braces.flatten().map_or(start + 1, |found| found.end);
        };
        let name = &text[start..start + name_end(&text[start..])];
        let named = start + name.len();
        let Some(value) = text[named..].trim_start().strip_prefix('=') else {
            self.at = named;
            return Some(Attribute {
                name,
                value: "",
                value_at: None,
                quote: None,
                whole: start..named,
            });
        };
        let value = value.trim_start();
        let from = text.len() - value.len();
        let quote = value.bytes().next().filter(|c| matches!(c, b'"' | b'\''));
        let value_at = match quote {
            Some(quote) => from + 1..value_end(text, from + 1, |c| c == quote),
            None => from..value_end(text, from, |c| c.is_ascii_whitespace()),
        };
        self.at = (value_at.end + usize::from(quote.is_some())).min(text.len());
        Some(Attribute {
            name,
            value: &text[value_at.clone()],
            value_at: Some(value_at),
            quote,
            whole: start..self.at,
        })
    }
}

/// The value of an attribute, entities and braces as they are; empty where it has none.
pub(crate) fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    Attributes::of(attributes)
        .find(|attribute| attribute.name.eq_ignore_ascii_case(name))
        .map(|attribute| attribute.value)
}

fn value_end(attributes: &str, from: usize, ends: impl Fn(u8) -> bool) -> usize {
    let bytes = attributes.as_bytes();
    let mut at = from;
    while at < bytes.len() && !ends(bytes[at]) {
        let braces = bytes[at..]
            .starts_with(b"{{")
            .then(|| mustache::read(attributes, at))
            .flatten();
        at = braces.map_or(at + 1, |found| found.end);
    }
    at.min(bytes.len())
}

/// Elements without content or closing tag.
pub(crate) fn is_void(name: &str) -> bool {
    matches!(
        name,
        "br" | "hr" | "img" | "input" | "meta" | "link" | "wbr" | "area" | "base" | "col" | "source"
    )
}

/// Where the content of the element ends that was opened before `from`: at its closing tag, or at the end of everything.
/// For elements whose content is no markup, such as `style`: the first closing tag of that name counts.
pub(crate) fn content_end(html: &str, from: usize, name: &str) -> usize {
    let mut at = from;
    while let Some(found) = html[at..].find("</") {
        at += found;
        if read_tag(html, at).is_some_and(|tag| tag.closing && tag.name == name) {
            return at;
        }
        at += 2;
    }
    html.len()
}
