//! Handlebars templates: compiled once per campaign, merged with the data of every recipient.

mod braces;
mod budget;
mod fast;
mod flat;
mod helpers;
mod inline_css;
mod mjml;
pub(crate) mod mustache;
mod nesting;
mod ready;
mod references;
mod stylesheet;
pub(crate) mod translations;
pub mod variables;

use crate::merge::MergeData;
use crate::message::canonical::Canonical;
use crate::text_part::text_from_html;
use fast::{Outcome, SegmentList};
use flat::Named;
use handlebars::{Handlebars, RenderErrorReason, TemplateErrorReason};
use ready::Ready;
use references::Missing;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashSet;
pub use translations::{Newsletter, Translation};

/// The greatest template, HTML or text, in octets.
pub const MAX_TEMPLATE: usize = 1_000_000;
/// The greatest subject template, in octets.
pub const MAX_SUBJECT: usize = 10_000;
/// The greatest message, in octets.
pub const MAX_MESSAGE: usize = 10_000_000;

const SUBJECT: &str = "subject";

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
type Sources<'a> = Vec<(&'a str, Cow<'a, str>)>;

impl Content {
    fn sources(&self) -> impl Iterator<Item = &Source> {
        std::iter::once(&self.template).chain(&self.partials)
    }

    fn by_part(&self) -> [(Part, Sources<'_>); 2] {
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
    fn own_or_made_text(&self, html: &str) -> Cow<'_, str> {
        match &self.text {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(text_from_html(html)),
        }
    }
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{template}:{line}:{column}: {message}")]
pub struct TemplateError {
    /// Which template, and which part of it: `template spring (html)`, or `the subject`.
    pub template: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

/// Why nothing can be made for a recipient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The recipient lacks a variable.
    #[error(transparent)]
    Missing(TemplateError),
    /// The template fails on this recipient's data.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// More than [`MAX_MESSAGE`] octets.
    #[error("the message would be larger than {} MB", MAX_MESSAGE / 1_000_000)]
    TooLarge,
}

/// The parts of a newsletter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Values are not escaped.
    Subject,
    /// Values are escaped, unless in `{{{three braces}}}`.
    Html,
    /// Values are not escaped.
    Text,
}

impl Part {
    /// How errors name the part of a template.
    fn of(self, template: &str) -> String {
        match self {
            Part::Subject => "the subject".to_owned(),
            Part::Html => format!("template {template} (html)"),
            Part::Text => format!("template {template} (text)"),
        }
    }
}

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
}

impl Templates {
    /// Compiles everything, or says what is wrong first: syntax, size, a template that is missing or contains itself.
    pub fn compile(content: &Content) -> Result<Templates, TemplateError> {
        for source in content.sources() {
            check_source(source)?;
        }
        check_subject(&content.subject)?;
        let name = &content.template.name;
        // First as they were written, so that faults are found where their authors see them.
        let [(_, written), _] = content.by_part();
        Compiled::new(Part::Html, name, written)?;
        let ready = Ready::of(content)?;
        let html = ready.templates().map(|(name, html)| (name, Cow::Borrowed(html)));
        let text = content
            .sources()
            .zip(ready.templates())
            .map(|(source, (name, html))| (name, source.own_or_made_text(html)));
        Ok(Templates {
            subject: Compiled::new(
                Part::Subject,
                SUBJECT,
                vec![(SUBJECT, Cow::Borrowed(&*content.subject))],
            )?,
            html: Compiled::new(Part::Html, name, html.collect()).map_err(|error| ready.correct(error))?,
            text: Compiled::new(Part::Text, name, text.collect())?,
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

/// Checks one template alone, as far as that goes: its name, sizes and syntax.
pub fn check_source(source: &Source) -> Result<(), TemplateError> {
    check_name(&source.name).map_err(|message| TemplateError {
        template: format!("template {}", source.name),
        line: 1,
        column: 1,
        message: message.to_owned(),
    })?;
    check_html(&source.name, &source.html, source.text.is_none())?;
    source
        .text
        .as_ref()
        .map_or(Ok(()), |text| check_text(&source.name, text))
}

/// Whether templates can refer to this name; if not, what a name must be.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 100 || !name.chars().all(allowed) {
        return Err("a name is made of letters, digits, dots, hyphens and underscores, at most 100");
    }
    Ok(())
}

/// Checks size and syntax of a template's HTML; `makes_text`: and whether a text part can be made from it.
pub fn check_html(name: &str, html: &str, makes_text: bool) -> Result<(), TemplateError> {
    check(Part::Html, name, html, MAX_TEMPLATE)?;
    let from_mjml = mjml::to_html(&[Named {
        name: name.to_owned(),
        html: normalised(html),
    }])?;
    if !makes_text {
        return Ok(());
    }
    let text = text_from_html(from_mjml.as_ref().map_or(html, |from_mjml| &from_mjml.made.html));
    check(Part::Text, name, &text, 2 * MAX_TEMPLATE).map_err(|error| {
        let message = format!(
            "no text part can be made from this HTML, give one (--text): {}",
            error.message
        );
        TemplateError {
            template: Part::Html.of(name),
            line: 1,
            column: 1,
            message,
        }
    })
}

/// Checks size and syntax of a template's text.
pub fn check_text(name: &str, text: &str) -> Result<(), TemplateError> {
    check(Part::Text, name, text, MAX_TEMPLATE)
}

/// Whether a template contains itself, directly or through the partials that are there. Others may still be added.
pub fn check_recursion(content: &Content) -> Result<(), TemplateError> {
    for (part, sources) in content.by_part() {
        let mut registry = registry(part);
        for (name, source) in &sources {
            register(&mut registry, part, name, source)?;
        }
        references::check(&registry, part, &content.template.name, Missing::Allowed)?;
    }
    Ok(())
}

/// Checks a subject's size and syntax.
pub fn check_subject(subject: &str) -> Result<(), TemplateError> {
    check(Part::Subject, SUBJECT, subject, MAX_SUBJECT)
}

/// The names of the templates that this one refers to.
pub fn references(source: &Source) -> Result<Vec<String>, TemplateError> {
    let mut registry = registry(Part::Html);
    register(&mut registry, Part::Html, &source.name, &source.html)?;
    let mut names = references::names(&registry, Part::Html, &source.name)?;
    if let Some(text) = &source.text {
        let mut registry = self::registry(Part::Text);
        register(&mut registry, Part::Text, &source.name, text)?;
        names.extend(references::names(&registry, Part::Text, &source.name)?);
    }
    let mut seen = HashSet::new();
    Ok(names
        .into_iter()
        .map(|r| r.name)
        .filter(|name| seen.insert(name.clone()))
        .collect())
}

fn check(part: Part, name: &str, source: &str, max: usize) -> Result<(), TemplateError> {
    if source.len() > max {
        let message = format!("{} octets are too many, at most {max} are allowed", source.len());
        return Err(TemplateError {
            template: part.of(name),
            line: 1,
            column: 1,
            message,
        });
    }
    let mut registry = registry(part);
    register(&mut registry, part, name, source)?;
    references::names(&registry, part, name).map(drop)
}

fn registry(part: Part) -> Handlebars<'static> {
    let mut registry = Handlebars::new();
    registry.set_strict_mode(true);
    // A partial's lines stay as they are wherever it is called: white space means nothing in HTML, and in text a
    // reader would see the difference.
    registry.set_prevent_indent(true);
    if part == Part::Html {
        registry.register_escape_fn(|value| counted(handlebars::html_escape(value)));
    } else {
        registry.register_escape_fn(|value| counted(handlebars::no_escape(value)));
    }
    helpers::register(&mut registry);
    registry
}

/// What is more than a message may have is not written, and the rendering ends as too large.
fn counted(value: String) -> String {
    if budget::write(value.len()) {
        value
    } else {
        String::new()
    }
}

fn register(
    registry: &mut Handlebars<'static>,
    part: Part,
    name: &str,
    source: &str,
) -> Result<(), TemplateError> {
    let place = |line, column, message| TemplateError {
        template: part.of(name),
        line,
        column,
        message,
    };
    let source = normalised(source);
    mustache::check(&source).map_err(|fault| {
        let (line, column) = line_and_column(&source, fault.at);
        place(line, column, fault.message)
    })?;
    registry
        .register_template_string(name, &source)
        .map_err(|error| {
            let (line, column) = error.pos().unwrap_or((1, 1));
            let message = match error.reason() {
                // The parser's own words list the rules of its grammar, which help nobody.
                TemplateErrorReason::InvalidSyntax(_) => "this is not valid Handlebars".to_owned(),
                reason => reason.to_string(),
            };
            place(line, column, message)
        })?;
    if let Some(mut template) = registry.get_template(name).cloned() {
        helpers::fill_places(&mut template);
        helpers::check(&template, part).map_err(|fault| place(fault.line, fault.column, fault.message))?;
        helpers::prepare(&mut template);
        budget::install(&mut template);
        registry.register_template(name, template);
    }
    Ok(())
}

/// How errors name the HTML of a template.
pub(crate) fn html_place(name: &str) -> String {
    Part::Html.of(name)
}

/// Lines that end with LF, and nothing that HTML and text cannot hold.
fn normalised(source: &str) -> String {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    source.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "")
}

/// Line and column of an offset, both from 1, the column in characters.
pub(crate) fn line_and_column(source: &str, at: usize) -> (usize, usize) {
    let before = &source[..at];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// One part of a newsletter with the partials it uses.
#[derive(Debug)]
struct Compiled {
    part: Part,
    name: String,
    registry: Handlebars<'static>,
    /// Where the templates are plain enough: the same without Handlebars, many times faster.
    segments: Option<SegmentList>,
}

impl Compiled {
    fn new(part: Part, name: &str, sources: Sources<'_>) -> Result<Compiled, TemplateError> {
        let mut registry = registry(part);
        for (name, source) in &sources {
            register(&mut registry, part, name, source)?;
        }
        references::check(&registry, part, name, Missing::Refused)?;
        nesting::check(&registry, part, name)?;
        let segments = SegmentList::of(&registry, name, part == Part::Html);
        Ok(Compiled {
            part,
            name: name.to_owned(),
            registry,
            segments,
        })
    }

    fn render(&self, data: &MergeData<'_>, out: &mut Canonical) -> Result<(), RenderError> {
        out.clear();
        let outcome = self
            .segments
            .as_ref()
            .map_or(Outcome::Unfit, |segments| segments.render(data, out));
        match outcome {
            Outcome::Done => {}
            Outcome::TooLarge => return Err(RenderError::TooLarge),
            // Handlebars decides what becomes of unusual values, and finds the words for a missing one.
            Outcome::Unfit => {
                out.clear();
                self.render_by_handlebars(data, out)?;
            }
        }
        Ok(())
    }

    fn render_by_handlebars(&self, data: &MergeData<'_>, out: &mut Canonical) -> Result<(), RenderError> {
        let mut sink = Bounded(Vec::with_capacity(16 * 1024));
        let data = data.to_json();
        budget::begin_with(&data);
        if let Err(error) = self.registry.render_to_write(&self.name, &data, &mut sink) {
            return Err(self.explain(error));
        }
        if budget::is_too_large() {
            return Err(RenderError::TooLarge);
        }
        out.push(std::str::from_utf8(&sink.0).expect("Handlebars writes UTF-8"));
        Ok(())
    }

    fn explain(&self, error: handlebars::RenderError) -> RenderError {
        let is_missing = matches!(error.reason(), RenderErrorReason::MissingVariable(_));
        let message = match error.reason() {
            RenderErrorReason::IOError(_) => return RenderError::TooLarge,
            RenderErrorReason::MissingVariable(None) => {
                "what is looked up is missing for this recipient".to_owned()
            }
            RenderErrorReason::MissingVariable(Some(name)) => {
                let name = name.trim_start_matches("./");
                format!(
                    "the variable {name} is missing for this recipient; {{{{default {name} \"…\"}}}} would cover it"
                )
            }
            reason => reason.to_string(),
        };
        let kind = if is_missing {
            RenderError::Missing
        } else {
            RenderError::Template
        };
        kind(TemplateError {
            template: self.part.of(error.template_name.as_deref().unwrap_or(&self.name)),
            line: error.line_no.unwrap_or(1),
            column: error.column_no.unwrap_or(1),
            message,
        })
    }
}

/// Takes no more than a message may have.
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_MESSAGE {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
