//! Which words of a template are helpers. One that does not exist is refused before anything is sent, and a column that
//! is called like one is still a column.

use handlebars::template::{HelperTemplate, Parameter, Subexpression, Template, TemplateElement};
use handlebars::{Path, PathSeg};

/// All there are, also within `(…)`.
pub(super) const HELPERS: [&str; 17] = [
    "if", "unless", "each", "with", "lookup", "raw", "eq", "ne", "gt", "gte", "lt", "lte", "and", "or",
    "not", "len", "default",
];

/// What is wrong and where, from 1.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

/// Makes `{{len}}`, which calls nothing for want of arguments, mean the column of that name. Handlebars would call the
/// helper and put its answer about nothing into the message.
pub(super) fn free_columns(template: &mut Template) {
    for element in &mut template.elements {
        match element {
            TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => free(call),
            TemplateElement::HelperBlock(block) => {
                for inner in [&mut block.template, &mut block.inverse].into_iter().flatten() {
                    free_columns(inner);
                }
            }
            TemplateElement::PartialBlock(call) => {
                if let Some(inner) = &mut call.template {
                    free_columns(inner);
                }
            }
            _ => {}
        }
    }
}

fn free(call: &mut HelperTemplate) {
    if call.block || !call.params.is_empty() || !call.hash.is_empty() {
        return;
    }
    if let Some(name) = call.name.as_name().filter(|name| HELPERS.contains(name)) {
        let path = (
            vec![PathSeg::Named(name.to_owned())],
            format!("attributes.{name}"),
        );
        call.name = Parameter::Path(Path::Relative(path));
    }
}

/// Refuses calls of helpers that do not exist.
pub(super) fn check(template: &Template) -> Result<(), Fault> {
    for (at, element) in template.elements.iter().enumerate() {
        let unknown = match element {
            TemplateElement::Expression(call) | TemplateElement::HtmlExpression(call) => {
                if call.params.is_empty() && call.hash.is_empty() {
                    None
                } else {
                    unknown_in(call)
                }
            }
            TemplateElement::HelperBlock(call) => unknown_in(call),
            TemplateElement::PartialExpression(call) | TemplateElement::PartialBlock(call) => {
                let parameters = call.params.iter().chain(call.hash.values());
                parameters.filter_map(unknown_in_parameter).next()
            }
            _ => None,
        };
        if let Some(message) = unknown {
            let (line, column) = template
                .mapping
                .get(at)
                .map_or((1, 1), |place| (place.0, place.1));
            return Err(Fault {
                line,
                column,
                message,
            });
        }
        for inner in inner_templates(element) {
            check(inner)?;
        }
    }
    Ok(())
}

fn inner_templates(element: &TemplateElement) -> impl Iterator<Item = &Template> {
    let inner = match element {
        TemplateElement::HelperBlock(block) => [block.template.as_ref(), block.inverse.as_ref()],
        TemplateElement::PartialBlock(call) => [call.template.as_ref(), None],
        _ => [None, None],
    };
    inner.into_iter().flatten()
}

/// What is wrong with a call, or with one inside its parameters.
fn unknown_in(call: &HelperTemplate) -> Option<String> {
    match call.name.as_name() {
        Some(name) if !HELPERS.contains(&name) => Some(explain(name, call)),
        _ => call
            .params
            .iter()
            .chain(call.hash.values())
            .find_map(unknown_in_parameter),
    }
}

fn unknown_in_parameter(parameter: &Parameter) -> Option<String> {
    let Parameter::Subexpression(Subexpression { element, .. }) = parameter else {
        return None;
    };
    match &**element {
        TemplateElement::Expression(call) => unknown_in(call),
        _ => None,
    }
}

fn explain(name: &str, call: &HelperTemplate) -> String {
    let mut message = format!(
        "there is no helper `{name}`, only {} and {}",
        HELPERS[..HELPERS.len() - 1].join(", "),
        HELPERS[HELPERS.len() - 1]
    );
    let words: Option<Vec<&str>> = call.params.iter().map(Parameter::as_name).collect();
    if let Some(words) = words.filter(|words| !call.block && !words.is_empty()) {
        let column = format!("{name} {}", words.join(" "));
        message.push_str(&format!(
            "; if the column is called \"{column}\", write {{{{[{column}]}}}}"
        ));
    }
    message
}
