//! Makes the text template from the HTML template, once per campaign: tags become line breaks, links become
//! `text: url`, and everything between `{{` and `}}` stays, so that blocks, partials and variables work as they do in
//! the HTML.

use crate::html::{Tag, attribute, is_void, read_tag};
use crate::template::MAX_TEMPLATE;
use crate::template::mustache::{self, Kind};
use std::borrow::Cow;

/// The greatest text that is made, in octets: more is refused, and writing stops soon after it.
pub(crate) const MAX_TEXT: usize = 2 * MAX_TEMPLATE;
/// Lists within lists are moved to the right so often at most.
const MAX_INDENT: usize = 10;

/// The text template that says what `html` shows. What is longer than [`MAX_TEXT`] is not whole.
pub fn text_from_html(html: &str) -> String {
    let mut walk = Walk {
        html,
        at: 0,
        page: Page::default(),
        anchors: Vec::new(),
        lists: Vec::new(),
    };
    walk.run();
    walk.page.finish()
}

/// White space that is owed before the next visible character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Space,
    Line,
    Blank,
}

/// The text as it grows.
#[derive(Debug)]
struct Page {
    out: String,
    gap: Gap,
    /// How many line ends the visible text ends with; blocks in braces do not count as visible.
    newlines: u8,
    /// Right after a list's bullet: white space is not wanted there.
    after_bullet: bool,
    /// Inside `<pre>`: white space stays as it is.
    preformatted: bool,
    /// A block of any kind was seen, so this is not a piece of a sentence.
    has_blocks: bool,
}

impl Default for Page {
    fn default() -> Self {
        Page {
            out: String::new(),
            gap: Gap::None,
            newlines: 2,
            after_bullet: false,
            preformatted: false,
            has_blocks: false,
        }
    }
}

impl Page {
    fn want(&mut self, gap: Gap) {
        if !self.after_bullet {
            self.gap = self.gap.max(gap);
        }
    }

    fn flush(&mut self) {
        let wanted = match self.gap {
            Gap::None => 0,
            Gap::Space => {
                if self.newlines == 0 {
                    self.out.push(' ');
                }
                0
            }
            Gap::Line => 1,
            Gap::Blank => 2,
        };
        while self.newlines < wanted {
            self.out.push('\n');
            self.newlines += 1;
        }
        self.gap = Gap::None;
    }

    fn visible(&mut self, text: &str) {
        self.flush();
        self.out.push_str(text);
        self.newlines = 0;
        self.after_bullet = false;
    }

    /// Text of the page: white space folded, characters without width dropped.
    fn words(&mut self, text: &str) {
        let decoded = html_escape::decode_html_entities(text);
        // An entity may hide braces, which are no template.
        let decoded = if decoded.contains("{{") {
            Cow::Owned(decoded.replace("{{", "\\{{"))
        } else {
            decoded
        };
        let mut word = [0; 4];
        for c in decoded.chars() {
            match c {
                '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => {}
                '\n' if self.preformatted => {
                    self.flush();
                    self.out.push('\n');
                    self.newlines = self.newlines.saturating_add(1);
                }
                '\r' if self.preformatted => {}
                c if c.is_whitespace() && !self.preformatted => self.want(Gap::Space),
                c => self.visible(c.encode_utf8(&mut word)),
            }
        }
    }

    fn finish(mut self) -> String {
        let length = self.out.trim_end().len();
        self.out.truncate(length);
        if self.has_blocks {
            self.out.push('\n');
        }
        self.out
    }
}

struct Walk<'a> {
    html: &'a str,
    at: usize,
    page: Page,
    /// Open links: their address, and where their text starts.
    anchors: Vec<(String, usize)>,
    /// Open lists: the next number of a numbered one.
    lists: Vec<Option<u32>>,
}

impl<'a> Walk<'a> {
    fn run(&mut self) {
        while self.at < self.html.len() && self.page.out.len() <= MAX_TEXT {
            let rest = &self.html[self.at..];
            if rest.starts_with("\\{{") {
                self.page.visible("\\{{");
                self.at += 3;
            } else if rest.starts_with("{{") {
                self.mustache();
            } else if rest.starts_with("<!--") {
                self.at += rest.find("-->").map_or(rest.len(), |end| end + 3);
            } else if rest.starts_with("<!") || rest.starts_with("<?") {
                self.at += rest.find('>').map_or(rest.len(), |end| end + 1);
            } else if let Some(tag) = read_tag(self.html, self.at) {
                self.at = tag.end;
                self.tag(&tag);
            } else {
                let first = rest.chars().next().map_or(1, char::len_utf8);
                let next = rest[first..]
                    .find(['<', '{', '\\'])
                    .map_or(rest.len(), |end| end + first);
                self.page.words(&rest[..next]);
                self.at += next;
            }
        }
    }

    fn mustache(&mut self) {
        let Some(found) = mustache::read(self.html, self.at) else {
            // An unclosed brace is an error of the HTML template and reported there.
            self.at = self.html.len();
            return;
        };
        let source = &self.html[self.at..found.end];
        self.at = found.end;
        if (found.kind, found.name) == (Kind::Open, "preheader") {
            // The preheader is for the inbox alone.
            self.at = mustache::end_of_block(self.html, found.end, "preheader");
            return;
        }
        let page = &mut self.page;
        match found.kind {
            Kind::Comment | Kind::Decorator => {}
            Kind::Expression | Kind::Raw => page.visible(source),
            Kind::Open | Kind::Else => {
                page.flush();
                page.out.push_str(source);
            }
            Kind::OpenPartial => {
                page.has_blocks = true;
                page.flush();
                page.out.push_str(source);
                page.newlines = 2;
            }
            Kind::Close => {
                page.flush();
                page.out.push_str(source);
            }
            Kind::Partial => {
                page.flush();
                let own_line = page.newlines > 0;
                page.out.push_str(source);
                page.newlines = 0;
                if own_line {
                    page.has_blocks = true;
                    page.gap = Gap::Blank;
                }
            }
        }
    }

    fn tag(&mut self, tag: &Tag<'_>) {
        match tag.name.as_str() {
            "script" | "style" | "head" | "title" | "template" | "noscript" if !tag.closing => {
                self.skip(&tag.name)
            }
            _ if !tag.closing && is_hidden(tag.attributes) && !is_void(&tag.name) => self.skip(&tag.name),
            "a" => self.anchor(tag),
            "img" => {
                if let Some(alt) = attribute(tag.attributes, "alt").filter(|alt| !alt.trim().is_empty()) {
                    self.put_template(alt);
                }
            }
            "br" => {
                self.page.has_blocks = true;
                self.page.want(if self.page.gap >= Gap::Line {
                    Gap::Blank
                } else {
                    Gap::Line
                });
            }
            "hr" => {
                self.block(Gap::Blank);
                self.page.visible("----");
                self.block(Gap::Blank);
            }
            "ul" | "ol" => self.list(tag),
            "li" => self.item(tag),
            "td" | "th" => self.page.want(Gap::Space),
            "pre" => self.preformatted(tag),
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote" | "table" | "dl" | "section"
            | "article" => self.block(Gap::Blank),
            "div" | "tr" | "center" | "header" | "footer" | "main" | "dt" | "dd" | "body" | "html"
            | "tbody" | "thead" | "nav" | "aside" | "figure" | "figcaption" | "form" => self.block(Gap::Line),
            _ => {}
        }
    }

    fn block(&mut self, gap: Gap) {
        self.page.has_blocks = true;
        self.page.want(gap);
    }

    fn preformatted(&mut self, tag: &Tag<'_>) {
        self.block(Gap::Blank);
        self.page.preformatted = !tag.closing;
        if !tag.closing {
            // A line break right after the tag is not shown.
            let rest = &self.html[self.at..];
            self.at += rest.len() - rest.trim_start_matches('\r').len();
            self.at += usize::from(self.html[self.at..].starts_with('\n'));
        }
    }

    /// Text from an attribute, with the template's braces in it.
    fn put_template(&mut self, text: &str) {
        let mut from = 0;
        while let Some(at) = mustache::next(text, from) {
            self.page.words(&text[from..at]);
            let Some(found) = mustache::read(text, at) else {
                return;
            };
            self.page.visible(&text[at..found.end]);
            from = found.end;
        }
        self.page.words(&text[from..]);
    }

    fn anchor(&mut self, tag: &Tag<'_>) {
        if !tag.closing {
            let href = attribute(tag.attributes, "href").unwrap_or("").trim();
            self.anchors.push((
                html_escape::decode_html_entities(href).into_owned(),
                self.page.out.len(),
            ));
            return;
        }
        let Some((href, start)) = self.anchors.pop() else {
            return;
        };
        let text = self.page.out[start..].trim();
        let shown = href
            .strip_prefix("mailto:")
            .or(href.strip_prefix("tel:"))
            .unwrap_or(&href);
        let bare = shown
            .trim_start_matches("https://")
            .trim_start_matches("http://")
            .trim_end_matches('/');
        if href.is_empty() || href.starts_with('#') || text == shown || text.trim_end_matches('/') == bare {
            return;
        }
        let has_text = !text.is_empty();
        let gap = std::mem::take(&mut self.page.gap);
        if has_text {
            self.page.visible(": ");
        } else {
            self.page.gap = gap;
        }
        self.page.visible(shown);
        if has_text {
            self.page.gap = gap;
        }
    }

    fn list(&mut self, tag: &Tag<'_>) {
        if tag.closing {
            self.lists.pop();
        }
        self.block(if self.lists.is_empty() {
            Gap::Blank
        } else {
            Gap::Line
        });
        if !tag.closing {
            self.lists.push((tag.name == "ol").then_some(1));
        }
    }

    fn item(&mut self, tag: &Tag<'_>) {
        self.block(Gap::Line);
        if tag.closing {
            return;
        }
        let indent = "  ".repeat(self.lists.len().saturating_sub(1).min(MAX_INDENT));
        let bullet = match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{indent}{}. ", *number - 1)
            }
            _ => format!("{indent}- "),
        };
        self.page.visible(&bullet);
        self.page.after_bullet = true;
    }

    /// Jumps over everything up to the end of the element that has just been opened.
    fn skip(&mut self, name: &str) {
        let text_only = matches!(name, "script" | "style" | "title");
        let mut depth = 1;
        while let Some(at) = self.html[self.at..].find('<').map(|at| self.at + at) {
            let Some(tag) = read_tag(self.html, at) else {
                self.at = at + 1;
                continue;
            };
            self.at = if text_only && !tag.closing {
                at + 1
            } else {
                tag.end
            };
            if tag.name == name && tag.closing {
                depth -= 1;
            } else if tag.name == name && !text_only {
                depth += 1;
            }
            if depth == 0 {
                return;
            }
        }
        self.at = self.html.len();
    }
}

/// Preheaders and their like: in the HTML for the inbox's preview line only.
fn is_hidden(attributes: &str) -> bool {
    if attributes.is_empty() {
        return false;
    }
    let style: String = attribute(attributes, "style")
        .unwrap_or("")
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_ascii_lowercase())
        .collect();
    style.contains("display:none")
        || style.contains("mso-hide:all")
        || attribute(attributes, "hidden").is_some()
}

#[cfg(test)]
mod tests;
