//! Where the links of a newsletter's HTML stand.

use crate::html::{Attributes, Tag, attribute, content_end, read_tag};
use crate::template::mustache;
use crate::text_part::text_from_html;
use std::ops::Range;

/// Characters of a link's text that are kept.
const MAX_TEXT: usize = 200;
/// Octets of HTML that are looked at for it.
const MAX_CONTENT: usize = 4_000;

/// What there is to find in HTML.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// In the order of the source.
    pub(crate) links: Vec<LinkPlace>,
    /// After the first `<body>`.
    pub(crate) body_begins: Option<usize>,
    /// Before the last `</body>`.
    pub(crate) body_ends: Option<usize>,
}

/// Where the address of a link stands.
#[derive(Debug)]
pub(crate) struct LinkPlace {
    /// Without quotes.
    pub(crate) value: Range<usize>,
    pub(crate) is_quoted: bool,
    /// What is read in its place.
    pub(crate) text: String,
}

/// Finds `<a href>`, `<area href>` and the links of Outlook's `<v:…>`, also in comments that Outlook reads. What stands in
/// other comments, styles and scripts is no link.
pub(crate) fn find(html: &str) -> Places {
    let mut places = Places::default();
    let mut at = 0;
    while let Some(next) = html[at..].find(['<', '{']).map(|next| at + next) {
        let rest = &html[next..];
        at = next + 1;
        if rest.starts_with("{{") {
            at = mustache::read(html, next).map_or(html.len(), |found| found.end);
        } else if rest.starts_with("<!") {
            let close = if is_plain_comment(rest) { "-->" } else { ">" };
            at = next + rest.find(close).map_or(rest.len(), |end| end + close.len());
        } else if let Some(tag) = read_tag(html, next) {
            at = tag.end;
            places.tag(html, next, &tag);
            if !tag.closing && matches!(tag.name.as_str(), "style" | "script" | "title" | "textarea") {
                at = content_end(html, tag.end, &tag.name);
            }
        }
    }
    places
}

/// Not `<!--[if mso]>`, after which tags go on.
fn is_plain_comment(text: &str) -> bool {
    let comment = text.strip_prefix("<!--").map(str::trim_start);
    comment.is_some_and(|comment| !comment.starts_with("[if"))
}

impl Places {
    fn tag(&mut self, html: &str, at: usize, tag: &Tag<'_>) {
        match (tag.name.as_str(), tag.closing) {
            ("body", false) => {
                self.body_begins.get_or_insert(tag.end);
            }
            ("body", true) => self.body_ends = Some(at),
            (name, false) if matches!(name, "a" | "area") || name.starts_with("v:") => self.link(html, tag),
            _ => {}
        }
    }

    /// All of its `href`: a block may choose one of several.
    fn link(&mut self, html: &str, tag: &Tag<'_>) {
        let mut text = None;
        let is_href = |name: &str| name.eq_ignore_ascii_case("href");
        for attribute in Attributes::of(tag.attributes).filter(|attribute| is_href(attribute.name)) {
            let Some(value) = attribute.value_at else {
                continue;
            };
            self.links.push(LinkPlace {
                value: tag.attributes_at + value.start..tag.attributes_at + value.end,
                is_quoted: attribute.quote.is_some(),
                text: text.get_or_insert_with(|| text_of(html, tag)).clone(),
            });
        }
    }
}

/// The text of a link on one line; of an image the text that stands for it.
fn text_of(html: &str, tag: &Tag<'_>) -> String {
    let text = match attribute(tag.attributes, "alt") {
        Some(alt) => html_escape::decode_html_entities(alt).into_owned(),
        None => {
            let bound = html.floor_char_boundary(tag.end + MAX_CONTENT);
            let content = &html[tag.end..bound];
            text_from_html(&content[..content_end(content, 0, &tag.name)])
        }
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(html: &str) -> Vec<(&str, String)> {
        let found = find(html).links.into_iter();
        found.map(|link| (&html[link.value], link.text)).collect()
    }

    #[test]
    fn links_are_found_in_whatever_people_write() {
        let html = r#"<A title='<a href="x">' HREF = "1">One <b>two</b>
            three</A><a href=2/>&amp;</a><a href='3'><img alt="A picture" src=x></a>
            <area href="4" alt="here"><a name=top>no</a><a href>no</a><a href="5"
            >unclosed <a {{#if b}}href="6"{{else}}href="7"{{/if}}>{{city}}</a><!-- <a href="no"> -->
            <!--[if mso]><v:roundrect href="8">x</v:roundrect><![endif]--><style>a > b { } <a href="no"></style>
            <link href="no"><abbr href="no"><a data-href="no" href="{{x "a>b"}}9">"#;
        let found: Vec<&str> = links(html).iter().map(|(value, _)| *value).collect();
        assert_eq!(found, ["1", "2/", "3", "4", "5", "6", "7", "8", "{{x \"a>b\"}}9"]);
        let texts: Vec<String> = links(html).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts[..4], ["One two three", "&", "A picture", "here"]);
        assert_eq!(texts[5], "{{city}}");
    }

    #[test]
    fn a_body_is_found_where_it_begins_and_ends() {
        let html = "<!-- <body> --><body class=\"{{a}}\">x</body></html>";
        let places = find(html);
        assert_eq!(&html[places.body_begins.unwrap()..], "x</body></html>");
        assert_eq!(&html[places.body_ends.unwrap()..], "</body></html>");
        let places = find("<p>{{body}}");
        assert_eq!((places.body_begins, places.body_ends), (None, None));
    }

    #[test]
    fn hostile_html_is_read_to_its_end() {
        for piece in [
            "<a href=\"",
            "<a href='{{",
            "<!--[if",
            "<a href=https://a.example/ ",
            "<",
            "{{",
            "<body ",
        ] {
            let html = piece.repeat(2_000);
            for link in find(&html).links {
                assert!(html.get(link.value).is_some() && link.text.chars().count() <= MAX_TEXT);
            }
        }
    }
}
