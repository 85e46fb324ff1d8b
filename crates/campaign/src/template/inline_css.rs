//! Styles become `style` attributes, for the mail programs that know nothing else.
//!
//! Nothing of the source is taken apart and put together again. The inliner gets a copy that holds the tags alone, and
//! is asked which declarations each element gets; those are inserted into the tags of the source. So template blocks
//! around table rows, conditional comments, white space and everything else stay as they are. The `<style>` elements
//! stay too: for what cannot be inlined, and for what is not in the source (values, what mail programs add).

use super::braces::Braces;
use super::flat::{At, Flat, Named};
use super::mustache::{self, Kind};
use super::ready::Made;
use super::{TemplateError, stylesheet};
use crate::html::{Attributes, Tag, attribute, content_end, is_void, read_tag};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::ops::Range;

/// The attribute by which the elements of the copy are told apart.
const MARK: &str = "data-tidings-tag";
/// How many elements are given styles. A message of the size that providers show whole has a few thousand.
const MAX_ELEMENTS: usize = 20_000;
/// How deep elements may be nested to be given styles; the inliner recurses.
const MAX_DEPTH: usize = 200;
/// The greatest stylesheet, in octets. Gmail ignores those beyond 8 KB.
const MAX_CSS: usize = 200_000;

/// Inlines into all templates that are `made` of those `written`. `mjml`: the first was made of MJML, which has its
/// own rules: these styles are inlined, and those in its `<style>` elements are not.
pub(super) fn inline(written: &[Named], made: &mut [Made], mjml: Option<&str>) -> Result<(), TemplateError> {
    let has_style = |made: &Made| made.html.to_ascii_lowercase().contains("<style");
    let own = usize::from(mjml.is_some());
    if mjml.is_none_or(|css| css.trim().is_empty()) && !made[own..].iter().any(has_style) {
        return Ok(());
    }
    let sources: Vec<Named> = written
        .iter()
        .zip(&*made)
        .map(|(named, made)| Named {
            name: named.name.clone(),
            html: made.html.clone(),
        })
        .collect();
    let flat = Flat::of(&sources, &|_| true)?;
    let mut page = Page::new(&flat, mjml.is_some());
    page.css.extend(mjml.and_then(|css| page.braces.hide_in_css(css)));
    page.read();
    if page.css.len() > MAX_CSS {
        let message = format!(
            "the styles have {} octets, at most {MAX_CSS} can be inlined",
            page.css.len()
        );
        return Err(At { source: 0, offset: 0 }.error(written, message));
    }
    page.inline();
    let insertions = page.insertions;
    for (source, made) in made.iter_mut().enumerate() {
        let own: Vec<(Range<usize>, &str)> = insertions
            .range(
                At { source, offset: 0 }..At {
                    source: source + 1,
                    offset: 0,
                },
            )
            .map(|(at, text)| (at.offset..at.offset, text.as_str()))
            .collect();
        made.splice(&own);
    }
    Ok(())
}

/// A newsletter on its way through the inliner.
struct Page<'a> {
    flat: &'a Flat,
    /// Whether the first source was made of MJML.
    is_mjml: bool,
    /// The tags alone, for the inliner.
    copy: String,
    /// How many elements are open in it.
    depth: usize,
    /// Where each marked tag stands in the flat text.
    tags: Vec<usize>,
    css: String,
    braces: Braces,
    insertions: BTreeMap<At, String>,
}

/// Properties and values.
type Declarations = Vec<(String, String)>;

impl<'a> Page<'a> {
    fn new(flat: &'a Flat, is_mjml: bool) -> Self {
        Page {
            flat,
            is_mjml,
            copy: String::new(),
            depth: 0,
            tags: Vec::new(),
            css: String::new(),
            braces: Braces::for_text(&flat.text),
            insertions: BTreeMap::new(),
        }
    }

    /// Gathers the tags and the styles.
    fn read(&mut self) {
        let text = self.flat.text.as_str();
        let mut at = 0;
        // Inside `<!--[if !mso]><!-->`: shown by all but Outlook.
        let mut not_for_all = false;
        while let Some(next) = text[at..].find(['<', '{']).map(|next| at + next) {
            let rest = &text[next..];
            at = next + 1;
            if rest.starts_with("{{") {
                at = mustache::read(text, next).map_or(text.len(), |found| found.end);
            } else if rest.starts_with("<!") {
                let close = if rest.starts_with("<!--") { "-->" } else { ">" };
                at = next + rest.find(close).map_or(rest.len(), |end| end + close.len());
                let comment = &text[next..at];
                match (comment.contains("[if"), comment.contains("[endif]")) {
                    (true, false) => not_for_all = true,
                    (_, true) => not_for_all = false,
                    _ => {}
                }
            } else if let Some(tag) = read_tag(text, next) {
                at = tag.end;
                self.tag(next, &tag);
                if !tag.closing && matches!(tag.name.as_str(), "style" | "script" | "title" | "textarea") {
                    at = content_end(text, tag.end, &tag.name);
                    if tag.name == "style" {
                        self.style(&tag, at, not_for_all);
                    }
                }
            }
        }
    }

    fn tag(&mut self, at: usize, tag: &Tag<'_>) {
        if self.tags.len() >= MAX_ELEMENTS {
            return;
        }
        let counts = !is_void(&tag.name) && !may_stay_open(&tag.name);
        if tag.closing {
            if self.depth <= MAX_DEPTH {
                let _ = write!(self.copy, "</{}>", tag.name);
            }
            self.depth = self.depth.saturating_sub(usize::from(counts));
            return;
        }
        self.depth += usize::from(counts);
        if self.depth > MAX_DEPTH {
            return;
        }
        let _ = write!(self.copy, "<{} {MARK}=\"{}\"", tag.name, self.tags.len());
        self.tags.push(at);
        for attribute in Attributes::of(tag.attributes) {
            if attribute.name.eq_ignore_ascii_case("style") {
                continue;
            }
            let value = without_braces(attribute.value).replace('"', "&quot;");
            let _ = write!(self.copy, " {}=\"{value}\"", attribute.name);
        }
        self.copy.push('>');
    }

    fn style(&mut self, tag: &Tag<'_>, end: usize, not_for_all: bool) {
        let origin = self.flat.origin(tag.attributes_at);
        let ignored = attribute(tag.attributes, "data-css-inline") == Some("ignore");
        if ignored || not_for_all || (self.is_mjml && origin.source == 0) {
            return;
        }
        let text = &self.flat.text[tag.end..end];
        let media = attribute(tag.attributes, "media").unwrap_or("all").trim();
        let for_all = media.is_empty() || ["all", "screen"].contains(&media);
        if for_all {
            let Some(css) = self.braces.hide_in_css(text) else {
                return;
            };
            self.css.push_str(&css.replace("<!--", "").replace("-->", ""));
            self.css.push('\n');
        }
        for place in stylesheet::places_for_important(text, !for_all) {
            // After the last octet of a value, which is where it was written.
            let last = self.flat.origin(tag.end + place - 1);
            let after = At {
                offset: last.offset + 1,
                ..last
            };
            self.insertions.insert(after, " !important".to_owned());
        }
    }

    /// Asks the inliner what each element gets, and notes what is to be inserted where.
    fn inline(&mut self) {
        if self.css.trim().is_empty() {
            return;
        }
        let inliner = css_inline::CSSInliner::options()
            .inline_style_tags(false)
            .load_remote_stylesheets(false)
            .resolve_css_variables(true)
            .extra_css(Some(Cow::Borrowed(self.css.as_str())))
            .build();
        // It fails where stylesheets are to be fetched, and we let it fetch none. What it cannot inline stays as it is.
        let Ok(answer) = inliner.inline(&self.copy) else {
            return;
        };
        for (tag_at, declarations) in self.by_origin(&answer) {
            let Some(tag) = read_tag(&self.flat.text, tag_at) else {
                continue;
            };
            self.insert_into(&tag, &declarations);
        }
    }

    /// The declarations for each tag of the sources. A partial may stand in several places: then those that are the
    /// same everywhere.
    fn by_origin(&self, answer: &str) -> Vec<(usize, Declarations)> {
        let mut found: HashMap<At, (usize, Declarations)> = HashMap::new();
        let styled = styles_by_number(answer);
        for (number, &tag_at) in self.tags.iter().enumerate() {
            let own = styled.get(&number).cloned().unwrap_or_default();
            found
                .entry(self.flat.origin(tag_at))
                .and_modify(|(_, all)| all.retain(|declaration| own.contains(declaration)))
                .or_insert((tag_at, own));
        }
        found
            .into_values()
            .filter(|(_, declarations)| !declarations.is_empty())
            .collect()
    }

    fn insert_into(&mut self, tag: &Tag<'_>, declarations: &Declarations) {
        let own = Attributes::of(tag.attributes).find(|own| own.name.eq_ignore_ascii_case("style"));
        let quote = own.as_ref().and_then(|own| own.quote).unwrap_or(b'"');
        let (mut normal, mut important) = (String::new(), String::new());
        let own_properties = own.as_ref().map(|own| properties(own.value)).unwrap_or_default();
        for (property, value) in declarations {
            // What is important still is so in the <style> element, which media queries must be able to outdo.
            match value.strip_suffix("!important") {
                Some(value) => push(&mut important, property, value.trim_end(), quote),
                None if own_properties.contains(property) => {}
                None => push(&mut normal, property, value, quote),
            }
        }
        let (normal, important) = (self.braces.show(&normal), self.braces.show(&important));
        let Some(own) = own else {
            let end = tag
                .attributes
                .trim_end_matches(|c: char| c == '/' || c.is_whitespace())
                .len();
            let style = format!(
                " style=\"{}\"",
                format!("{normal}{important}").trim_end_matches(';')
            );
            return self.insert_at(tag, tag.attributes_at + end, style);
        };
        let Some(value) = own
            .value_at
            .filter(|_| !stands_in_block(tag.attributes, own.whole.start))
        else {
            return;
        };
        let quotes = if own.quote.is_none() { "\"" } else { "" };
        let separator = if important.is_empty() || own.value.trim_end().ends_with(';') {
            ""
        } else {
            ";"
        };
        let (start, end) = (tag.attributes_at + value.start, tag.attributes_at + value.end);
        self.insert_at(tag, start, format!("{quotes}{normal}"));
        self.insert_at(tag, end, format!("{separator}{important}{quotes}"));
    }

    /// Inserts where the tag was written. What a partial brings into the middle of a tag is not touched.
    fn insert_at(&mut self, tag: &Tag<'_>, at: usize, text: String) {
        let origin = self.flat.origin(at);
        if !text.is_empty() && origin.source == self.flat.origin(tag.attributes_at).source {
            self.insertions.entry(origin).or_default().push_str(&text);
        }
    }
}

/// Elements that end where the next one begins.
fn may_stay_open(name: &str) -> bool {
    matches!(
        name,
        "p" | "li" | "dt" | "dd" | "tr" | "td" | "th" | "thead" | "tbody" | "tfoot" | "option" | "colgroup"
    )
}

fn push(style: &mut String, property: &str, value: &str, quote: u8) {
    // Quotes around names of fonts may be of either kind.
    let value = if value.contains('\'') {
        value.to_owned()
    } else {
        value.replace('"', "'")
    };
    let value = value.replace('&', "&amp;").replace('<', "&lt;");
    let value = match quote {
        b'\'' => value.replace('\'', "&#39;"),
        _ => value.replace('"', "&quot;"),
    };
    let _ = write!(style, "{property}:{value};");
}

/// The styles in the inliner's answer, by the numbers of the tags.
fn styles_by_number(answer: &str) -> HashMap<usize, Declarations> {
    let mut found = HashMap::new();
    let mut at = 0;
    while let Some(next) = answer[at..].find('<').map(|next| at + next) {
        let Some(tag) = read_tag(answer, next) else {
            at = next + 1;
            continue;
        };
        at = tag.end;
        let number = attribute(tag.attributes, MARK).and_then(|number| number.parse::<usize>().ok());
        if let (Some(number), Some(style)) = (number, attribute(tag.attributes, "style")) {
            found.insert(number, declarations(&html_escape::decode_html_entities(style)));
        }
    }
    found
}

/// The declarations of a style attribute; of the same property the last.
fn declarations(style: &str) -> Declarations {
    let mut found: Declarations = Vec::new();
    for declaration in stylesheet::split_declarations(style) {
        let Some((property, value)) = declaration.split_once(':') else {
            continue;
        };
        found.push((property.trim().to_owned(), value.trim().to_owned()));
    }
    found
}

/// The properties that a style attribute sets, whatever its braces become; none if there are blocks in it.
fn properties(style: &str) -> BTreeSet<String> {
    match Braces::for_text(style).hide_in_css(style) {
        Some(style) => declarations(&style)
            .into_iter()
            .map(|(property, _)| property.to_ascii_lowercase())
            .collect(),
        None => BTreeSet::new(),
    }
}

/// Whether an octet between attributes stands inside a template block.
fn stands_in_block(attributes: &str, at: usize) -> bool {
    let mut depth = 0_usize;
    let mut from = 0;
    while let Some(start) = mustache::next(attributes, from).filter(|start| *start < at) {
        let Some(found) = mustache::read(attributes, start) else {
            break;
        };
        match found.kind {
            Kind::Open | Kind::OpenPartial => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        from = found.end;
    }
    depth > 0
}

fn without_braces(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    while let Some(at) = mustache::next(text, copied) {
        out.push_str(&text[copied..at]);
        copied = mustache::read(text, at).map_or(text.len(), |found| found.end);
    }
    out.push_str(&text[copied..]);
    out
}

#[cfg(test)]
mod tests;
