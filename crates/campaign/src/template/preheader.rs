//! A campaign's own preheader: one line, put into the HTML that its template gives, in the place of the template's own.

use super::mustache::{self, Kind};
use super::{Content, Source, TemplateError, check_html};
use std::iter::once;

/// The longest preheader, in octets. Inboxes show about 100 letters.
pub const MAX_PREHEADER: usize = 1_000;

/// Checks a campaign's preheader: a Handlebars text in which recipients' values are merged, each of them escaped.
pub fn check_preheader(text: &str) -> Result<(), TemplateError> {
    let refused = |message: String| TemplateError {
        template: "preheader".to_owned(),
        line: 1,
        column: 1,
        message,
    };
    if text.len() > MAX_PREHEADER {
        let message = format!(
            "{} octets are too many, at most {MAX_PREHEADER} are allowed",
            text.len()
        );
        return Err(refused(message));
    }
    if text.contains(char::is_control) {
        return Err(refused("a preheader is one line".to_owned()));
    }
    let mut from = 0;
    while let Some((at, found)) = next(text, from) {
        from = found.end;
        let inner = text[at..]
            .trim_start_matches("{{")
            .trim_start_matches('~')
            .trim_start();
        let message = match found.kind {
            Kind::Raw => "{{{{ }}}} cannot stand in a preheader",
            _ if text[at..].starts_with("{{{") || inner.starts_with('&') => {
                "a preheader is escaped: write {{name}}, not {{{name}}} or {{&name}}"
            }
            Kind::Partial | Kind::OpenPartial => "a preheader cannot refer to other templates",
            Kind::Open if found.name == "preheader" => "this is the preheader already",
            _ => continue,
        };
        return Err(refused(message.to_owned()));
    }
    if text.trim().is_empty() {
        return Ok(());
    }
    check_html("preheader", text, true).map_err(|error| TemplateError {
        template: "preheader".to_owned(),
        ..error
    })
}

impl Content {
    /// Whether the newsletter, or what it refers to, has a preheader of its own.
    pub fn has_preheader(&self) -> bool {
        self.sources().any(|source| own_block(&source.html, 0).is_some())
    }

    /// The same with a campaign's preheader, whose literal text is escaped: in the place of what the templates have, else at
    /// the beginning of the body.
    pub fn with_preheader(mut self, text: &str) -> Content {
        let block = format!("{{{{#preheader}}}}{}{{{{/preheader}}}}", escaped(text));
        let replaces = self.has_preheader();
        let mut is_in = replaces;
        for source in self.sources_mut() {
            if replaces {
                replace_blocks(source, &block);
            } else if let Some(at) = after_body_tag(&source.html) {
                source.html.insert_str(at, &block);
                cut_mjml_preview(source);
                is_in = true;
            }
        }
        if !is_in {
            self.template.html.insert_str(0, &block);
        }
        self
    }

    fn sources_mut(&mut self) -> impl Iterator<Item = &mut Source> {
        once(&mut self.template).chain(&mut self.partials)
    }
}

/// The next `{{…}}` at or after `from`, and where it begins.
fn next(text: &str, from: usize) -> Option<(usize, mustache::Mustache<'_>)> {
    let at = mustache::next(text, from)?;
    Some((at, mustache::read(text, at)?))
}

/// Where the next `{{#preheader}}…{{/preheader}}` stands.
fn own_block(html: &str, from: usize) -> Option<std::ops::Range<usize>> {
    let mut from = from;
    while let Some((at, found)) = next(html, from) {
        if (found.kind, found.name) == (Kind::Open, "preheader") {
            return Some(at..mustache::end_of_block(html, found.end, "preheader"));
        }
        from = found.end;
    }
    None
}

fn replace_blocks(source: &mut Source, block: &str) {
    let mut from = 0;
    while let Some(range) = own_block(&source.html, from) {
        from = range.start + block.len();
        source.html.replace_range(range, block);
    }
}

/// The text as HTML, what stands between braces as it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut from = 0;
    while let Some((at, found)) = next(text, from) {
        out.push_str(&handlebars::html_escape(&text[from..at]));
        out.push_str(&text[at..found.end]);
        from = found.end;
    }
    out.push_str(&handlebars::html_escape(&text[from..]));
    out
}

/// The octet after `<body …>` or `<mj-body …>`.
fn after_body_tag(html: &str) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = html[from..].find('<') {
        let at = from + found;
        let rest = &html[at..];
        if rest.starts_with("<!--") {
            from = at + rest.find("-->")?;
        } else if is_tag(rest, "body") || is_tag(rest, "mj-body") {
            return Some(at + end_of_tag(rest)?);
        } else {
            from = at + 1;
        }
    }
    None
}

fn is_tag(rest: &str, name: &str) -> bool {
    let is_name = rest
        .get(1..=name.len())
        .is_some_and(|word| word.eq_ignore_ascii_case(name));
    let next = rest.as_bytes().get(name.len() + 1);
    is_name && next.is_some_and(|c| c.is_ascii_whitespace() || *c == b'>')
}

/// The octet after the `>` of a tag; braces and quoted values are passed over.
fn end_of_tag(tag: &str) -> Option<usize> {
    let bytes = tag.as_bytes();
    let (mut at, mut quote) = (0, None);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"{{") {
            at = mustache::read(tag, at)?.end;
            continue;
        }
        match (quote, bytes[at]) {
            (Some(open), c) if c == open => quote = None,
            (None, c @ (b'"' | b'\'')) => quote = Some(c),
            // `<mj-body/>` has no inside.
            (None, b'>') => return (bytes[at - 1] != b'/').then_some(at + 1),
            _ => {}
        }
        at += 1;
    }
    None
}

/// MJML's own way to say a preheader: it would stand before ours.
fn cut_mjml_preview(source: &mut Source) {
    const END: &str = "</mj-preview>";
    let Some(at) = source.html.find("<mj-preview") else {
        return;
    };
    if let Some(end) = source.html[at..].find(END) {
        source.html.replace_range(at..at + end + END.len(), "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::EmailAddress;
    use crate::ids::RecipientId;
    use crate::merge::MergeData;
    use crate::recipient::Recipient;
    use crate::template::{Rendered, Templates};

    fn source(name: &str, html: &str) -> Source {
        Source {
            name: name.to_owned(),
            html: html.to_owned(),
            text: None,
        }
    }

    fn content(html: &str, partials: &[(&str, &str)]) -> Content {
        Content {
            subject: "Hello".to_owned(),
            template: source("spring", html),
            partials: partials.iter().map(|(name, html)| source(name, html)).collect(),
        }
    }

    fn rendered(content: &Content) -> Rendered {
        let recipient = Recipient {
            id: RecipientId(1),
            address: EmailAddress::parse("ann@example.org").unwrap(),
            name: "Ann <3".to_owned(),
            attributes: serde_json::Map::new(),
        };
        let data = MergeData::sample(&recipient, "Spring", "News");
        Templates::compile(content).unwrap().render(&data).unwrap()
    }

    #[test]
    fn a_preheader_is_hidden_at_the_beginning_of_the_body_escaped_and_in_the_html_only() {
        for html in [
            "<html><body class=\"a>b\" {{! > }}><p>Hello</p></body></html>",
            "<!-- <body> --><BODY><p>Hello</p></BODY>",
            "<p>Hello</p>",
            "<body>{{#preheader}}Old, {{name}}{{/preheader}}<p>Hello</p></body>",
            "<mjml><mj-head><mj-preview>Old</mj-preview></mj-head><mj-body><mj-section><mj-column><mj-text>Hello</mj-text>\
             </mj-column></mj-section></mj-body></mjml>",
        ] {
            let with = content(html, &[]).with_preheader("Tea & <cake> for {{name}}");
            let out = rendered(&with);
            let line = "Tea &amp; &lt;cake&gt; for Ann &lt;3";
            let (before, after) = out
                .html
                .split_once(line)
                .unwrap_or_else(|| panic!("{}", out.html));
            assert!(before.ends_with("mso-hide:all\">"), "{before}");
            assert!(after.starts_with("\r\n&#847;"), "{after}");
            assert!(!out.html.contains("Old"), "{}", out.html);
            assert_eq!(out.html.matches("Tea").count(), 1);
            assert_eq!(out.text, "Hello\r\n");
        }
    }

    #[test]
    fn a_preheader_finds_the_body_in_the_layout() {
        let layout = ("layout", "<body>{{> @partial-block}}</body>");
        let with = content("{{#> layout}}<p>Hello</p>{{/layout}}", &[layout]).with_preheader("Soon");
        assert!(with.template.html.starts_with("{{#> layout}}"));
        assert!(rendered(&with).html.starts_with("<body><div style="));
    }

    #[test]
    fn a_preheader_is_one_escaped_line() {
        for good in [
            "",
            "50 % off",
            "Hi {{default name \"you\"}}",
            "{{#if name}}{{name}}{{else}}You{{/if}}",
        ] {
            assert_eq!(check_preheader(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("{{{name}}}", "is escaped"),
            ("{{~& name}}", "is escaped"),
            ("{{> foot}}", "other templates"),
            ("{{{{raw}}}}x{{{{/raw}}}}", "cannot stand"),
            ("x{{/preheader}}<b>{{#preheader}}", "already"),
            ("x{{/preheader}}", "closes nothing"),
            ("two\nlines", "one line"),
            ("{{name", "never closed"),
            (&"x".repeat(1001), "too many"),
        ] {
            let error = check_preheader(bad).unwrap_err().to_string();
            assert!(
                error.starts_with("preheader:") && error.contains(why),
                "{bad}: {error}"
            );
        }
    }
}
