//! Handlebars templates: compiled once per campaign, merged with the data of every recipient.

mod braces;
mod budget;
mod check;
mod compiled;
mod content;
mod error;
mod fast;
mod flat;
mod helpers;
mod inline_css;
mod mjml;
pub(crate) mod mustache;
mod nesting;
mod preheader;
mod ready;
mod references;
mod registry;
mod stylesheet;
mod tracked;
pub(crate) mod translations;
pub mod variables;

pub use check::{
    check_html, check_name, check_recursion, check_source, check_subject, check_text, references,
};
pub use content::{Content, Source};
pub use error::{Part, RenderError, TemplateError};
pub(crate) use error::{html_place, line_and_column};
pub use preheader::{MAX_PREHEADER, check_preheader};
pub use translations::{Newsletter, Translation};

use crate::language::Language;
use crate::merge::MergeData;
use crate::message::canonical::Canonical;
use crate::tracking::{LinkTable, Tracker, VariantLinks};
use compiled::Compiled;
use ready::Ready;
use std::borrow::Cow;

/// The greatest template, HTML or text, in octets.
pub const MAX_TEMPLATE: usize = 1_000_000;
/// The most variables, helpers and blocks of one template, by their opening braces.
pub const MAX_EXPRESSIONS: usize = 10_000;
/// The greatest subject template, in octets.
pub const MAX_SUBJECT: usize = 10_000;
/// The greatest message, in octets.
pub const MAX_MESSAGE: usize = 10_000_000;

const SUBJECT: &str = "subject";

/// A newsletter for one recipient. Lines end as in mail, with CRLF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// The HTML.
    pub html: String,
    /// The text.
    pub text: String,
}

/// The compiled templates of a campaign.
#[derive(Debug)]
pub struct Templates {
    subject: Compiled,
    html: Compiled,
    text: Compiled,
    /// Where the HTML comes from.
    ready: Ready,
    /// Whether any part may say where the newsletter is seen in a browser.
    pub(crate) needs_view_url: bool,
    /// Whether any part may lead to what is stored of the recipient.
    pub(crate) needs_preferences_url: bool,
}

impl Templates {
    /// Compiles everything, or says what is wrong first: syntax, size, a template that is missing or contains itself.
    pub fn compile(content: &Content) -> Result<Templates, TemplateError> {
        Templates::compile_with(content, None)
    }

    /// The same, with the links led to us as far as `tracker` wants it. `language` is that of the content, `links` gets
    /// those that were found.
    pub(crate) fn tracked(
        content: &Content,
        tracker: &Tracker,
        language: Option<&Language>,
        links: &mut LinkTable,
    ) -> Result<Templates, TemplateError> {
        Templates::compile_with(content, Some((tracker, links.variant(language))))
    }

    fn compile_with(
        content: &Content,
        tracking: Option<(&Tracker, VariantLinks<'_>)>,
    ) -> Result<Templates, TemplateError> {
        for source in content.sources() {
            check_source(source)?;
        }
        check_subject(&content.subject)?;
        let name = &content.template.name;
        // First as they were written, so that faults are found where their authors see them.
        let [(_, written), _] = content.by_part();
        Compiled::new(Part::Html, name, written)?;
        let mut ready = Ready::of(content)?;
        // From the HTML before its links are led to us: those of the text stay as they are.
        let text = content
            .sources()
            .zip(ready.templates())
            .map(|(source, (_, html))| (source.name.as_str(), source.own_or_made_text(html)))
            .collect();
        let marks = match tracking {
            Some((tracker, mut links)) => ready.track(tracker, &mut links)?,
            None => None,
        };
        let html = ready
            .templates()
            .map(|(name, html)| (name, Cow::Borrowed(html)))
            .collect();
        let html =
            Compiled::marked(Part::Html, name, html, marks.as_ref()).map_err(|error| ready.correct(error))?;
        let subject = vec![(SUBJECT, Cow::Borrowed(&*content.subject))];
        let subject = Compiled::new(Part::Subject, SUBJECT, subject)?;
        let text = Compiled::new(Part::Text, name, text)?;
        // To Handlebars it may be said in more ways than by its name.
        let says = |name: &str| {
            let parts = [&subject, &html, &text];
            let in_part =
                |part: &Compiled| part.segments.is_none() || references::mentions(&part.registry, name);
            parts.into_iter().any(in_part)
        };
        let (needs_view_url, needs_preferences_url) = (says("view_url"), says("preferences_url"));
        Ok(Templates {
            needs_view_url,
            needs_preferences_url,
            subject,
            html,
            text,
            ready,
        })
    }

    /// Merges one recipient's data into all parts.
    pub fn render(&self, data: &MergeData<'_>) -> Result<Rendered, RenderError> {
        let mut out = Canonical::default();
        let subject = self.render_subject(data, &mut out)?;
        let data = MergeData {
            campaign_subject: Some(&subject),
            ..*data
        };
        self.render_html(&data, &mut out)?;
        let html = String::from_utf8_lossy(out.bytes()).into_owned();
        self.render_text(&data, &mut out)?;
        let text = String::from_utf8_lossy(out.bytes()).into_owned();
        Ok(Rendered { html, text, subject })
    }

    /// The subject as one line without control characters. `scratch` is overwritten.
    pub(crate) fn render_subject(
        &self,
        data: &MergeData<'_>,
        scratch: &mut Canonical,
    ) -> Result<String, RenderError> {
        self.subject.render(
            &MergeData {
                campaign_subject: None,
                ..*data
            },
            scratch,
        )?;
        let subject = std::str::from_utf8(scratch.bytes()).expect("templates and values are UTF-8");
        Ok(crate::message::headers::one_line(subject).into_owned())
    }

    /// Overwrites `out` with the HTML.
    pub(crate) fn render_html(&self, data: &MergeData<'_>, out: &mut Canonical) -> Result<(), RenderError> {
        self.html.render(data, out).map_err(|error| match error {
            RenderError::Missing(error) => RenderError::Missing(self.ready.correct(error)),
            RenderError::Template(error) => RenderError::Template(self.ready.correct(error)),
            RenderError::TooLarge => error,
        })
    }

    /// Overwrites `out` with the text.
    pub(crate) fn render_text(&self, data: &MergeData<'_>, out: &mut Canonical) -> Result<(), RenderError> {
        self.text.render(data, out)
    }

    /// Law and providers want a link that everybody can see, in each part that somebody may read alone. Layouts
    /// and partials on their own need none, so [`compile`](Self::compile) does not ask for it.
    pub fn check_unsubscribe_link(&self) -> Result<(), TemplateError> {
        for part in [&self.html, &self.text] {
            if !references::mentions(&part.registry, "unsubscribe_url") {
                return Err(TemplateError {
                    template: part.part.of(&part.name),
                    line: 1,
                    column: 1,
                    message: "the newsletter has no unsubscribe link: add {{unsubscribe_url}}".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Renders by Handlebars whatever could be rendered by segments.
    #[cfg(test)]
    fn without_segments(mut self) -> Self {
        for part in [&mut self.subject, &mut self.html, &mut self.text] {
            part.segments = None;
        }
        self
    }
}

#[cfg(test)]
mod tests;
