//! HTML as a reader sees it: its words, links and images. Read tag by tag, like a mail program that repairs nothing.

use crate::html::{Tag, attribute, content_end, is_void, read_tag};
use std::collections::HashSet;

/// A link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it leads, entities decoded.
    pub href: String,
    /// What is clicked: words, or what stands for images.
    pub label: String,
    /// It is not inside of something hidden.
    pub is_visible: bool,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Where it is, entities decoded.
    pub src: String,
    /// What stands in its place; none if nothing was said.
    pub alt: Option<String>,
}

/// What a reader sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The visible words, one space between them.
    pub text: String,
    /// The hidden line before all visible words.
    pub preheader: Option<String>,
    /// In the order of the page.
    pub links: Vec<Link>,
    /// The visible ones, in the order of the page.
    pub images: Vec<Image>,
}

#[derive(Default)]
struct Reader {
    page: Page,
    hidden_text: String,
    /// Open elements, and whether each is hidden.
    open: Vec<(String, bool)>,
    /// The link that is open, by its number.
    link: Option<usize>,
}

/// Links and images that are looked at.
const MOST: usize = 5_000;
/// Elements inside of one another that are told apart.
const DEEPEST: usize = 1_000;

impl Page {
    /// Reads what was rendered.
    pub fn read(html: &str) -> Page {
        let mut reader = Reader::default();
        let mut at = 0;
        while let Some(found) = html[at..].find('<') {
            reader.words(&html[at..at + found]);
            at += found;
            if html[at..].starts_with("<!--") {
                at = html[at + 4..]
                    .find("-->")
                    .map_or(html.len(), |end| at + 4 + end + 3);
            } else if html[at..].starts_with("<!") || html[at..].starts_with("<?") {
                at = html[at..].find('>').map_or(html.len(), |end| at + end + 1);
            } else if let Some(tag) = read_tag(html, at) {
                at = tag.end;
                if !tag.closing && ["style", "script", "title"].contains(&tag.name.as_str()) {
                    at = content_end(html, tag.end, &tag.name);
                } else {
                    reader.tag(&tag);
                }
            } else {
                reader.words("<");
                at += 1;
            }
        }
        reader.words(&html[at..]);
        reader.finish()
    }

    /// The addresses that are led to and shown, each once; images by `true`.
    pub fn addresses(&self) -> Vec<(String, bool)> {
        let links = self.links.iter().map(|link| (link.href.trim(), false));
        let images = self.images.iter().map(|image| (image.src.trim(), true));
        let mut seen = HashSet::new();
        links
            .chain(images)
            .filter(|(url, _)| seen.insert(*url))
            .map(|(url, is_image)| (url.to_owned(), is_image))
            .collect()
    }
}

impl Reader {
    fn is_hidden(&self) -> bool {
        self.open.iter().any(|(_, is_hidden)| *is_hidden)
    }

    fn words(&mut self, source: &str) {
        if source.is_empty() {
            return;
        }
        let decoded = decode(source);
        let is_hidden = self.is_hidden();
        let target = if is_hidden {
            &mut self.hidden_text
        } else {
            // What is hidden counts as a preheader as long as nothing was to be seen before.
            if self.page.text.is_empty()
                && self.page.preheader.is_none()
                && decoded.contains(char::is_alphanumeric)
            {
                self.page.preheader =
                    Some(tidy(&self.hidden_text)).filter(|line| line.contains(char::is_alphanumeric));
            }
            &mut self.page.text
        };
        push_words(target, &decoded);
        if let Some(link) = self.link {
            push_words(&mut self.page.links[link].label, &decoded);
        }
    }

    fn tag(&mut self, tag: &Tag<'_>) {
        if tag.closing {
            if let Some(at) = self.open.iter().rposition(|(name, _)| *name == tag.name) {
                self.open.truncate(at);
            }
            if tag.name == "a" {
                self.link = None;
            }
            if is_block(&tag.name) {
                self.gap();
            }
            return;
        }
        if is_block(&tag.name) {
            self.gap();
        }
        let value = |name| attribute(tag.attributes, name).map(decode);
        match tag.name.as_str() {
            "a" => self.link = self.add_link(value("href")),
            "area" => drop(self.add_link(value("href"))),
            "img" => self.image(value("src").unwrap_or_default(), value("alt"), hides(tag)),
            _ => {}
        }
        if !is_void(&tag.name) && !tag.closes_itself() && self.open.len() < DEEPEST {
            self.open.push((tag.name.clone(), hides(tag)));
        }
    }

    fn add_link(&mut self, href: Option<String>) -> Option<usize> {
        let is_visible = !self.is_hidden();
        if self.page.links.len() >= MOST {
            return None;
        }
        self.page.links.push(Link {
            href: href?,
            label: String::new(),
            is_visible,
        });
        Some(self.page.links.len() - 1)
    }

    fn image(&mut self, src: String, alt: Option<String>, is_hidden: bool) {
        if let (Some(link), Some(alt)) = (self.link, &alt) {
            push_words(&mut self.page.links[link].label, alt);
        }
        if !is_hidden && !self.is_hidden() && self.page.images.len() < MOST {
            self.page.images.push(Image { src, alt });
        }
    }

    fn gap(&mut self) {
        let target = if self.is_hidden() {
            &mut self.hidden_text
        } else {
            &mut self.page.text
        };
        push_words(target, " ");
    }

    fn finish(mut self) -> Page {
        self.page.text = self.page.text.trim().to_owned();
        self.page
    }
}

/// Appends, with one space where there is white space.
fn push_words(target: &mut String, words: &str) {
    for c in words.chars() {
        match c {
            c if c.is_whitespace() => {
                if !target.is_empty() && !target.ends_with(' ') {
                    target.push(' ');
                }
            }
            c => target.push(c),
        }
    }
}

/// Without the characters that take room and show nothing.
fn tidy(line: &str) -> String {
    let line: String = line
        .chars()
        .filter(|c| {
            !matches!(
                c,
                '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{2007}' | '\u{ad}' | '\u{feff}'
            )
        })
        .collect();
    line.trim().to_owned()
}

fn decode(text: &str) -> String {
    html_escape::decode_html_entities(text).into_owned()
}

fn is_block(name: &str) -> bool {
    !matches!(
        name,
        "a" | "abbr"
            | "b"
            | "big"
            | "code"
            | "em"
            | "font"
            | "i"
            | "img"
            | "small"
            | "span"
            | "strong"
            | "sub"
            | "sup"
            | "u"
    )
}

/// Whether an element's own words hide it.
fn hides(tag: &Tag<'_>) -> bool {
    if tag.name == "head" || attribute(tag.attributes, "hidden").is_some() {
        return true;
    }
    let Some(style) = attribute(tag.attributes, "style") else {
        return false;
    };
    style.split(';').any(|declaration| {
        let Some((name, value)) = declaration.split_once(':') else {
            return false;
        };
        let value = value
            .trim()
            .trim_end_matches("!important")
            .trim()
            .to_ascii_lowercase();
        let is_nothing = matches!(value.as_str(), "0" | "0px" | "0em" | "0pt");
        match name.trim().to_ascii_lowercase().as_str() {
            "display" => value == "none",
            "visibility" => value == "hidden",
            "max-height" | "opacity" => is_nothing,
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_links_and_images_are_read_as_they_are_seen() {
        let page = Page::read(
            "<!DOCTYPE html><html><head><title>T</title><style>a > b { c: d }</style></head><body>\
             <div style=\"display:none;max-height:0\">A line&zwnj;&nbsp;</div><!--[if mso]><p>Outlook</p><![endif]-->\
             <h1>Dear &amp; <b>good</b></h1><p>friends<br>of\nours</p>\
             <a href=\"https://a.test/?a=1&amp;b=2\">Read <img src='x.png' alt='more'></a></body></html>",
        );
        assert_eq!(page.text, "Dear & good friends of ours Read");
        assert_eq!(page.preheader.as_deref(), Some("A line"));
        assert_eq!(page.links.len(), 1);
        assert_eq!(
            (&*page.links[0].href, &*page.links[0].label),
            ("https://a.test/?a=1&b=2", "Read more")
        );
        assert!(page.links[0].is_visible);
        assert_eq!(
            page.images,
            [Image {
                src: "x.png".to_owned(),
                alt: Some("more".to_owned())
            }]
        );
        assert_eq!(page.addresses().len(), 2);
    }

    #[test]
    fn broken_html_is_read_to_its_end() {
        for html in [
            "<",
            "a < b",
            "<p",
            "<!--",
            "</",
            "<a href=\"x",
            "<div style=\"display:none\">x",
            "<img",
        ] {
            Page::read(html);
        }
        assert_eq!(Page::read("a < b").text, "a < b");
        assert_eq!(Page::read(&"<div>".repeat(5_000)).text, "");
    }
}
