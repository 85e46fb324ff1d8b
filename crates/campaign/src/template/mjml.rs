//! MJML becomes HTML, once per campaign.
//!
//! The renderer knows nothing of template braces. It gets words in their places, and in the place of every text that
//! MJML takes as it is (`mj-text`, `mj-button`, `mj-raw` …); afterwards everything stands where it belongs, unchanged.
//! Braces between elements, such as an `{{#if}}` around a section, are put into `mj-raw` for their author.

use super::TemplateError;
use super::braces::Braces;
use super::flat::{Flat, Named};
use super::mustache::{self, Kind};
use super::ready::Made;
use crate::html::{Attributes, Tag, attribute, content_end, is_void, read_tag};
use mrml::prelude::parser::Error;
use mrml::prelude::render::RenderOptions;
use std::collections::HashMap;

/// How deep elements may be nested; the renderer recurses.
const MAX_DEPTH: usize = 50;

/// Elements whose content is taken as it is.
const WITH_TEXT: [&str; 11] = [
    "mj-text",
    "mj-button",
    "mj-raw",
    "mj-table",
    "mj-style",
    "mj-title",
    "mj-preview",
    "mj-navbar-link",
    "mj-social-element",
    "mj-accordion-title",
    "mj-accordion-text",
];

/// The others. The renderer would pass on what it does not know, and readers would see it.
const WITHOUT_TEXT: [&str; 23] = [
    "mjml",
    "mj-head",
    "mj-body",
    "mj-attributes",
    "mj-all",
    "mj-class",
    "mj-breakpoint",
    "mj-font",
    "mj-section",
    "mj-wrapper",
    "mj-group",
    "mj-column",
    "mj-hero",
    "mj-image",
    "mj-divider",
    "mj-spacer",
    "mj-social",
    "mj-navbar",
    "mj-accordion",
    "mj-accordion-element",
    "mj-carousel",
    "mj-carousel-image",
    "mj-include",
];

/// Elements between whose children braces may stand.
const WITH_BRACES: [&str; 7] = [
    "mj-head",
    "mj-body",
    "mj-wrapper",
    "mj-section",
    "mj-group",
    "mj-column",
    "mj-hero",
];

/// HTML made of MJML.
#[derive(Debug)]
pub(super) struct FromMjml {
    pub(super) made: Made,
    /// What stood in `<mj-style inline="inline">`.
    pub(super) inline_css: String,
}

/// Whether a template is a whole newsletter in MJML.
fn is_mjml(source: &str) -> bool {
    begins_with(source, "<mjml")
}

/// The HTML of the first of `sources`, which are checked; `None` if it is not MJML. Partials and layouts in MJML are
/// put in their places first; others stay calls.
pub(super) fn to_html(sources: &[Named]) -> Result<Option<FromMjml>, TemplateError> {
    let in_mjml = |named: &Named| is_mjml(&named.html) || begins_with(&named.html, "<mj-");
    let flat = Flat::of(sources, &in_mjml)?;
    if !is_mjml(&flat.text) {
        return Ok(None);
    }
    Conversion::new(&flat, sources).run().map(Some)
}

/// After white space, comments and declarations.
fn begins_with(source: &str, tag: &str) -> bool {
    let mut rest = source.trim_start_matches('\u{feff}').trim_start();
    loop {
        let end = if rest.starts_with("<!--") {
            rest.find("-->").map(|end| end + 3)
        } else if rest.starts_with("<?") || rest.starts_with("<!") {
            rest.find('>').map(|end| end + 1)
        } else if rest.starts_with("{{") {
            let comment = mustache::read(rest, 0).filter(|found| found.kind == Kind::Comment);
            comment.map(|found| found.end)
        } else {
            let name = rest
                .get(..tag.len())
                .is_some_and(|name| name.eq_ignore_ascii_case(tag));
            let next = rest.as_bytes().get(tag.len());
            return name
                && (tag.ends_with('-') || next.is_none_or(|c| !c.is_ascii_alphanumeric() && *c != b'-'));
        };
        let Some(end) = end else {
            return false;
        };
        rest = rest[end..].trim_start();
    }
}

struct Conversion<'a> {
    flat: &'a Flat,
    sources: &'a [Named],
    /// What the renderer gets.
    copy: String,
    /// Where pieces begin in the copy and in the flat text, ascending.
    pieces: Vec<(usize, usize)>,
    braces: Braces,
    /// Where what each word stands for begins in the flat text, and ends.
    hidden: Vec<(usize, usize)>,
    /// Open elements and where they were opened.
    open: Vec<(String, usize)>,
    inline_css: String,
}

impl<'a> Conversion<'a> {
    fn new(flat: &'a Flat, sources: &'a [Named]) -> Self {
        Conversion {
            flat,
            sources,
            copy: String::new(),
            pieces: Vec::new(),
            braces: Braces::for_text(&flat.text),
            hidden: Vec::new(),
            open: Vec::new(),
            inline_css: String::new(),
        }
    }

    fn run(mut self) -> Result<FromMjml, TemplateError> {
        self.hide()?;
        let parsed = mrml::parse(&self.copy).map_err(|error| self.explain(&error))?;
        // No font is loaded that the author does not name by mj-font: it would tell its server who reads.
        let options = RenderOptions {
            fonts: HashMap::new(),
            ..RenderOptions::default()
        };
        let html = parsed
            .element
            .render(&options)
            .map_err(|error| self.error(0, format!("this MJML cannot be rendered: {error}")))?;
        let made = self.show(&html);
        mustache::check(&made.html).map_err(|_| {
            self.error(
                0,
                "MJML drops a part of the template blocks: let them stand around whole elements".to_owned(),
            )
        })?;
        Ok(FromMjml {
            made,
            inline_css: self.inline_css,
        })
    }

    /// Writes the copy.
    fn hide(&mut self) -> Result<(), TemplateError> {
        let flat = self.flat;
        let text = flat.text.as_str();
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            if rest.starts_with("{{") {
                at = self.brace(at)?;
            } else if rest.starts_with("<!--") {
                let end = at + rest.find("-->").map_or(rest.len(), |end| end + 3);
                self.copy_with_words(at, end);
                at = end;
            } else if let Some(tag) = read_tag(text, at) {
                at = self.tag(at, &tag)?;
            } else {
                let first = rest.chars().next().map_or(1, char::len_utf8);
                let next = rest[first..]
                    .find(['<', '{'])
                    .map_or(rest.len(), |next| next + first);
                self.copy(at, at + next);
                at += next;
            }
        }
        match self.open.pop() {
            Some((name, at)) => {
                Err(self.error(at, format!("<{name}> is never closed: </{name}> is missing")))
            }
            None => Ok(()),
        }
    }

    /// Braces between elements.
    fn brace(&mut self, at: usize) -> Result<usize, TemplateError> {
        let Some(found) = mustache::read(&self.flat.text, at) else {
            return Ok(self.flat.text.len());
        };
        if found.kind == Kind::Comment {
            return Ok(found.end);
        }
        match self.open.last() {
            Some((parent, _)) if WITH_BRACES.contains(&parent.as_str()) => {
                self.copy.push_str("<mj-raw>");
                self.hide_as_word(at, found.end);
                self.copy.push_str("</mj-raw>");
                Ok(found.end)
            }
            Some((parent, _)) if !parent.starts_with("mj") => {
                self.hide_as_word(at, found.end);
                Ok(found.end)
            }
            Some((parent, _)) => Err(self.error(
                at,
                format!("braces cannot stand between the elements of <{parent}>, only inside their texts and attributes"),
            )),
            None => Err(self.error(at, "braces cannot stand outside <mjml>".to_owned())),
        }
    }

    fn tag(&mut self, at: usize, tag: &Tag<'_>) -> Result<usize, TemplateError> {
        let name = tag.name.as_str();
        if tag.closing {
            match self.open.pop() {
                Some((open, _)) if open == name => {}
                Some((open, _)) => {
                    return Err(self.error(at, format!("</{name}> stands where </{open}> is expected")));
                }
                None => return Err(self.error(at, format!("</{name}> closes nothing"))),
            }
            self.copy(at, tag.end);
            return Ok(tag.end);
        }
        if name == "mj-include" {
            let message = "mj-include reads files, which newsletters may not: add the part as a template of its own and \
                           call it, {{> part}}";
            return Err(self.error(at, message.to_owned()));
        }
        let in_attributes = self
            .open
            .last()
            .is_some_and(|(parent, _)| parent == "mj-attributes");
        if name.starts_with("mj") && !WITH_TEXT.contains(&name) && !WITHOUT_TEXT.contains(&name) {
            return Err(self.error(at, format!("MJML knows no element <{name}>")));
        }
        self.check_attributes(tag)?;
        if WITH_TEXT.contains(&name) && !tag.closes_itself() && !in_attributes {
            return self.tag_with_text(at, tag);
        }
        self.copy_with_words(at, tag.end);
        if !tag.closes_itself() && !is_void(name) {
            if self.open.len() == MAX_DEPTH {
                return Err(self.error(at, format!("elements are nested deeper than {MAX_DEPTH}")));
            }
            self.open.push((name.to_owned(), at));
        }
        Ok(tag.end)
    }

    fn tag_with_text(&mut self, at: usize, tag: &Tag<'_>) -> Result<usize, TemplateError> {
        let name = tag.name.as_str();
        let end = content_end(&self.flat.text, tag.end, name);
        let Some(closing) = read_tag(&self.flat.text, end) else {
            return Err(self.error(at, format!("<{name}> is never closed: </{name}> is missing")));
        };
        if name == "mj-style" && attribute(tag.attributes, "inline") == Some("inline") {
            self.inline_css.push_str(&self.flat.text[tag.end..end]);
            self.inline_css.push('\n');
            return Ok(closing.end);
        }
        self.copy_with_words(at, tag.end);
        if self.flat.text[tag.end..end].trim().is_empty() {
            self.copy(tag.end, end);
        } else {
            self.hide_as_word(tag.end, end);
        }
        self.copy(end, closing.end);
        Ok(closing.end)
    }

    /// Braces may stand in values only, for MJML makes several elements of one; and not where it calculates.
    fn check_attributes(&self, tag: &Tag<'_>) -> Result<(), TemplateError> {
        let attributes: Vec<_> = Attributes::of(tag.attributes).collect();
        let mut from = 0;
        while let Some(start) = mustache::next(tag.attributes, from) {
            let around = attributes.iter().find(|attribute| {
                attribute
                    .value_at
                    .as_ref()
                    .is_some_and(|value| value.contains(&start))
            });
            let message = match around {
                None => format!(
                    "in the tag <{}> braces can stand only inside the values of attributes",
                    tag.name
                ),
                Some(attribute)
                    if tag.name.starts_with("mj")
                        && (attribute.name == "width" || attribute.name.contains("padding")) =>
                {
                    format!(
                        "MJML calculates with {}: it needs a number here, not braces",
                        attribute.name
                    )
                }
                Some(_) => {
                    from =
                        mustache::read(tag.attributes, start).map_or(tag.attributes.len(), |found| found.end);
                    continue;
                }
            };
            return Err(self.error(tag.attributes_at + start, message));
        }
        Ok(())
    }

    fn copy(&mut self, from: usize, end: usize) {
        self.pieces.push((self.copy.len(), from));
        self.copy.push_str(&self.flat.text[from..end]);
    }

    fn copy_with_words(&mut self, from: usize, end: usize) {
        let text = &self.flat.text[..end];
        let mut copied = from;
        while let Some(start) = mustache::next(text, copied) {
            let Some(found) = mustache::read(text, start) else {
                break;
            };
            self.copy(copied, start);
            if found.kind != Kind::Comment {
                self.hide_as_word(start, found.end);
            }
            copied = found.end;
        }
        self.copy(copied, end);
    }

    fn hide_as_word(&mut self, from: usize, end: usize) {
        let word = self.braces.word(&self.flat.text[from..end]);
        self.hidden.push((from, end));
        self.pieces.push((self.copy.len(), from));
        self.copy.push_str(&word);
    }

    /// Puts everything back.
    fn show(&self, html: &str) -> Made {
        let mut made = Made {
            html: String::with_capacity(html.len() * 2),
            braces: Vec::new(),
        };
        let mut copied = 0;
        while let Some((at, number, end)) = self.braces.find(html, copied) {
            made.html.push_str(&html[copied..at]);
            copied = end;
            let Some(&(from, until)) = self.hidden.get(number) else {
                continue;
            };
            let text = &self.flat.text[..until];
            let mut brace = from;
            while let Some(start) = mustache::next(text, brace) {
                made.braces
                    .push((made.html.len() + start - from, self.flat.origin(start)));
                brace = mustache::read(text, start).map_or(until, |found| found.end);
            }
            made.html.push_str(&text[from..]);
        }
        made.html.push_str(&html[copied..]);
        made
    }

    fn error(&self, at: usize, message: String) -> TemplateError {
        self.flat.origin(at).error(self.sources, message)
    }

    fn explain(&self, error: &Error) -> TemplateError {
        let (at, message) = match error {
            Error::UnexpectedElement { position, .. } => {
                let element = self.copy.get(position.start..position.end).unwrap_or_default();
                let element = element.trim_start_matches(['<', '/']).trim_end_matches('>');
                (position.start, format!("MJML knows no element `{element}` here"))
            }
            Error::UnexpectedToken { position, .. } => {
                (position.start, "MJML expects something else here".to_owned())
            }
            Error::MissingAttribute { name, position, .. } => {
                (position.start, format!("the attribute `{name}` is missing here"))
            }
            Error::InvalidAttribute { position, .. } => (
                position.start,
                "MJML does not understand this attribute".to_owned(),
            ),
            Error::InvalidFormat { position, .. } => (position.start, "this is not valid MJML".to_owned()),
            Error::ParserError { source, .. } => {
                let place = source.pos();
                let at = super::ready::offset_of(&self.copy, place.row as usize, place.col as usize);
                (at, "this is not a well-formed tag".to_owned())
            }
            Error::EndOfStream { .. } => (self.copy.len(), "the MJML ends too early".to_owned()),
            other => (0, other.to_string()),
        };
        self.error(self.in_flat(at), message)
    }

    fn in_flat(&self, at: usize) -> usize {
        let after = self.pieces.partition_point(|(start, _)| *start <= at);
        let Some((start, from)) = after.checked_sub(1).map(|before| self.pieces[before]) else {
            return 0;
        };
        (from + (at - start)).min(self.flat.text.len())
    }
}

#[cfg(test)]
mod tests;
