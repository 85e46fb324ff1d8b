//! One part of a newsletter, ready to be merged with the data of recipients.

use super::content::Sources;
use super::error::{Part, RenderError, TemplateError};
use super::fast::{Outcome, SegmentList};
use super::references::{self, Missing};
use super::registry::{register, registry};
use super::tracked::{self, Marks};
use super::{MAX_MESSAGE, budget, nesting};
use crate::merge::MergeData;
use crate::message::canonical::Canonical;
use handlebars::template::{Template, TemplateElement};
use handlebars::{Handlebars, RenderErrorReason};
use std::sync::Arc;

/// One part of a newsletter with the partials it uses.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) part: Part,
    pub(super) name: String,
    pub(super) registry: Handlebars<'static>,
    /// Where the templates are plain enough: the same without Handlebars, many times faster.
    pub(super) segments: Option<SegmentList>,
}

impl Compiled {
    pub(super) fn new(part: Part, name: &str, sources: Sources<'_>) -> Result<Compiled, TemplateError> {
        Compiled::marked(part, name, sources, None)
    }

    /// The same with `marks` in the sources.
    pub(super) fn marked(
        part: Part,
        name: &str,
        sources: Sources<'_>,
        marks: Option<&Arc<Marks>>,
    ) -> Result<Compiled, TemplateError> {
        let mut registry = registry(part);
        for (name, source) in &sources {
            register(&mut registry, part, name, source)?;
        }
        if let Some(marks) = marks {
            marks.install(&mut registry);
        }
        references::check(&registry, part, name, Missing::Refused)?;
        nesting::check(&registry, part, name)?;
        let segments = SegmentList::of(&registry, name, part == Part::Html, marks);
        Ok(Compiled {
            part,
            name: name.to_owned(),
            registry,
            segments,
        })
    }

    pub(super) fn render(&self, data: &MergeData<'_>, out: &mut Canonical) -> Result<(), RenderError> {
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
        tracked::begin_for(data.recipient.id);
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

    /// The `{{#each}}` or `{{#with}}` that failed, if it was one.
    fn entered_at(&self, error: &handlebars::RenderError) -> Option<&str> {
        let name = error.template_name.as_deref().unwrap_or(&self.name);
        let place = (error.line_no?, error.column_no?);
        entered(self.registry.get_template(name)?, place)
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
                // No text stands for a list or an object.
                let cover = match self.entered_at(&error) {
                    Some(block) => format!("{{{{else}}}} before {{{{/{block}}}}}"),
                    None => format!("{{{{default {name} \"…\"}}}}"),
                };
                format!("the variable {name} is missing for this recipient; {cover} would cover it")
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

/// The block that goes into a list or an object and begins at this line and column.
fn entered(template: &Template, place: (usize, usize)) -> Option<&str> {
    let calls = template.elements.iter().zip(&template.mapping);
    calls.into_iter().find_map(|(element, at)| match element {
        TemplateElement::HelperBlock(call) => {
            let name = call
                .name
                .as_name()
                .filter(|name| matches!(*name, "each" | "with"));
            let inside = || {
                [&call.template, &call.inverse]
                    .into_iter()
                    .flatten()
                    .find_map(|inner| entered(inner, place))
            };
            name.filter(|_| (at.0, at.1) == place).or_else(inside)
        }
        TemplateElement::PartialBlock(call) => call.template.as_ref().and_then(|inner| entered(inner, place)),
        _ => None,
    })
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
