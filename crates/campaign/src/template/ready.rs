//! Makes the HTML of a newsletter ready for mail, once per campaign: MJML becomes HTML, styles become attributes.

use super::flat::{At, Named};
use super::registry::normalised;
use super::{Content, Part, TemplateError, inline_css, mjml, mustache};
use std::ops::Range;

/// The templates of a newsletter as they are compiled, the newsletter first.
#[derive(Debug)]
pub(super) struct Ready {
    written: Vec<Named>,
    pub(super) made: Vec<Made>,
}

/// HTML that was written or made, and where its template braces come from.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) html: String,
    /// Where a `{{` stands and where it stood, ascending.
    pub(super) braces: Vec<(usize, At)>,
}

impl Ready {
    /// Makes a newsletter ready whose templates are checked: no template contains itself.
    pub(super) fn of(content: &Content) -> Result<Ready, TemplateError> {
        let named = |source: &super::Source| Named {
            name: source.name.clone(),
            html: normalised(&source.html),
        };
        let written: Vec<Named> = content.sources().map(named).collect();
        let mut made: Vec<Made> = (0..)
            .zip(&written)
            .map(|(at, named)| Made::unchanged(&named.html, at))
            .collect();
        let from_mjml = mjml::to_html(&written)?;
        let inline_css = from_mjml.map(|from_mjml| {
            made[0] = from_mjml.made;
            from_mjml.inline_css
        });
        inline_css::inline(&written, &mut made, inline_css.as_deref())?;
        Ok(Ready { written, made })
    }

    /// Names and HTML.
    pub(super) fn templates(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.written.iter().map(|named| named.name.as_str());
        names.zip(self.made.iter().map(|made| made.html.as_str()))
    }

    /// The same error where its author can find it.
    pub(super) fn correct(&self, error: TemplateError) -> TemplateError {
        match self.written_at(&error.template, error.line, error.column) {
            Some(at) => at.error(&self.written, error.message),
            None => error,
        }
    }

    /// A place of a compiled template, as its author finds it: `template spring (html):2:6`.
    pub(super) fn place(&self, template: String, line: usize, column: usize) -> String {
        let place = self.correct(TemplateError {
            template,
            line,
            column,
            message: String::new(),
        });
        format!("{}:{}:{}", place.template, place.line, place.column)
    }

    fn written_at(&self, template: &str, line: usize, column: usize) -> Option<At> {
        let named = |named: &Named| Part::Html.of(&named.name) == template;
        let made = &self.made[self.written.iter().position(named)?];
        let offset = offset_of(&made.html, line, column);
        let found = made.braces.binary_search_by_key(&offset, |(at, _)| *at).ok()?;
        Some(made.braces[found].1)
    }
}

impl Made {
    /// Puts texts in the place of ascending ranges, empty ones among them. There are no braces in what is replaced.
    pub(super) fn splice(&mut self, edits: &[(Range<usize>, &str)]) {
        if edits.is_empty() {
            return;
        }
        let mut html = String::with_capacity(self.html.len() * 2);
        let mut braces = self.braces.iter_mut().peekable();
        let mut copied = 0;
        for (range, text) in edits {
            while let Some((place, _)) = braces.next_if(|(place, _)| *place < range.start) {
                *place = html.len() + (*place - copied);
            }
            html.push_str(&self.html[copied..range.start]);
            html.push_str(text);
            copied = range.end;
        }
        for (place, _) in braces {
            *place = html.len() + (*place - copied);
        }
        html.push_str(&self.html[copied..]);
        self.html = html;
    }

    fn unchanged(html: &str, source: usize) -> Made {
        let mut braces = Vec::new();
        let mut from = 0;
        while let Some(at) = mustache::next(html, from) {
            braces.push((at, At { source, offset: at }));
            from = mustache::read(html, at).map_or(html.len(), |found| found.end);
        }
        Made {
            html: html.to_owned(),
            braces,
        }
    }
}

/// The octet at a line and column, both from 1.
pub(super) fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let within = text[start..].char_indices().nth(column - 1);
    start + within.map_or(0, |(at, _)| at)
}
