//! Templates as they were written, and what a campaign sends of them.

use super::Part;
use crate::text_part::text_from_html;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What a campaign sends in one language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// The campaign's subject, a template itself.
    pub subject: String,
    /// The newsletter.
    pub template: Source,
    /// Every template that the newsletter refers to, directly or through others.
    pub partials: Vec<Source>,
}

/// Names and sources of templates.
pub(super) type Sources<'a> = Vec<(&'a str, Cow<'a, str>)>;

impl Content {
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.template).chain(&self.partials)
    }

    pub(super) fn by_part(&self) -> [(Part, Sources<'_>); 2] {
        let html = self
            .sources()
            .map(|s| (s.name.as_str(), Cow::Borrowed(s.html.as_str())));
        let text = self
            .sources()
            .map(|s| (s.name.as_str(), s.own_or_made_text(&s.html)));
        [(Part::Html, html.collect()), (Part::Text, text.collect())]
    }
}

/// One template as it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its name, by which others refer to it.
    pub name: String,
    /// The HTML.
    pub html: String,
    /// The text; made from the HTML where it is missing.
    pub text: Option<String>,
}

impl Source {
    /// `html`: this template's HTML, as it is or made ready.
    pub(super) fn own_or_made_text(&self, html: &str) -> Cow<'_, str> {
        match &self.text {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(text_from_html(html)),
        }
    }
}
