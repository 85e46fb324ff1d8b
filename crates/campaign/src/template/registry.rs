//! Handlebars with our helpers and limits, and templates put into it.

use super::error::{Part, TemplateError, line_and_column};
use super::{budget, helpers, mustache};
use handlebars::{Handlebars, TemplateErrorReason};

pub(super) fn registry(part: Part) -> Handlebars<'static> {
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

pub(super) fn register(
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

/// Lines that end with LF, and nothing that HTML and text cannot hold.
pub(super) fn normalised(source: &str) -> String {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    source.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "")
}
