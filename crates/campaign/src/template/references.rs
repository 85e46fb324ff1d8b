//! Which templates refer to which: a missing one, one that contains itself, or a tangle that would grow without bound
//! is found before anything is sent.

use super::{Part, TemplateError};
use handlebars::Handlebars;
use handlebars::template::{HelperTemplate, Parameter, Template, TemplateElement};
use std::collections::HashMap;

/// How often a newsletter may call partials, those inside others counted each time.
const MAX_CALLS: u64 = 10_000;
/// How deep partials may call each other.
const MAX_DEPTH: usize = 32;

/// A call of another template.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) name: String,
    line: usize,
    column: usize,
}

/// The templates that the template `of` calls, in the order of the source.
pub(super) fn names(
    registry: &Handlebars<'_>,
    part: Part,
    of: &str,
) -> Result<Vec<Reference>, TemplateError> {
    let mut found = Vec::new();
    if let Some(template) = registry.get_template(of) {
        collect(template, &mut found).map_err(|(line, column)| TemplateError {
            template: part.of(of),
            line,
            column,
            message: "the name of a partial must be written out, it cannot be a value".to_owned(),
        })?;
    }
    Ok(found)
}

fn collect(template: &Template, found: &mut Vec<Reference>) -> Result<(), (usize, usize)> {
    for (at, element) in template.elements.iter().enumerate() {
        let (line, column) = template
            .mapping
            .get(at)
            .map_or((1, 1), |place| (place.0, place.1));
        match element {
            TemplateElement::PartialExpression(call) | TemplateElement::PartialBlock(call) => {
                let name = match &call.name {
                    Parameter::Subexpression(_) | Parameter::Literal(_) => return Err((line, column)),
                    name => name.as_name().ok_or((line, column))?,
                };
                if name != "@partial-block" {
                    found.push(Reference {
                        name: name.to_owned(),
                        line,
                        column,
                    });
                }
                if let Some(inner) = &call.template {
                    collect(inner, found)?;
                }
            }
            TemplateElement::HelperBlock(block) => {
                for inner in [&block.template, &block.inverse].into_iter().flatten() {
                    collect(inner, found)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a template may refer to one that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It may be added later.
    Allowed,
    /// It is needed now.
    Refused,
}

/// Checks all that `root` leads to.
pub(super) fn check(
    registry: &Handlebars<'_>,
    part: Part,
    root: &str,
    missing: Missing,
) -> Result<(), TemplateError> {
    let mut walk = Walk {
        registry,
        part,
        missing,
        path: Vec::new(),
        calls: HashMap::new(),
    };
    let calls = walk.visit(root)?;
    if calls > MAX_CALLS {
        let message = format!("partials are called {calls} times, at most {MAX_CALLS} are allowed");
        return Err(TemplateError {
            template: part.of(root),
            line: 1,
            column: 1,
            message,
        });
    }
    Ok(())
}

struct Walk<'a> {
    registry: &'a Handlebars<'a>,
    part: Part,
    missing: Missing,
    /// From the root to where we are.
    path: Vec<String>,
    /// How many calls a finished template leads to.
    calls: HashMap<String, u64>,
}

impl Walk<'_> {
    fn visit(&mut self, name: &str) -> Result<u64, TemplateError> {
        if let Some(&calls) = self.calls.get(name) {
            return Ok(calls);
        }
        self.path.push(name.to_owned());
        let mut calls = 1_u64;
        for reference in names(self.registry, self.part, name)? {
            let error = |message| TemplateError {
                template: self.part.of(name),
                line: reference.line,
                column: reference.column,
                message,
            };
            if let Some(start) = self.path.iter().position(|on_path| *on_path == reference.name) {
                let circle = self.path[start..].join(" → ");
                return Err(error(format!(
                    "a template contains itself: {circle} → {}",
                    reference.name
                )));
            }
            if self.registry.get_template(&reference.name).is_none() {
                if self.missing == Missing::Allowed {
                    continue;
                }
                return Err(error(format!("there is no template named {}", reference.name)));
            }
            if self.path.len() >= MAX_DEPTH {
                return Err(error(format!("partials call each other deeper than {MAX_DEPTH}")));
            }
            calls = calls.saturating_add(self.visit(&reference.name)?);
        }
        self.path.pop();
        self.calls.insert(name.to_owned(), calls);
        Ok(calls)
    }
}

/// Whether any of the templates uses the variable.
pub(super) fn mentions(registry: &Handlebars<'_>, variable: &str) -> bool {
    registry
        .get_templates()
        .values()
        .any(|template| in_template(template, variable))
}

fn in_template(template: &Template, variable: &str) -> bool {
    template.elements.iter().any(|element| match element {
        TemplateElement::Expression(call)
        | TemplateElement::HtmlExpression(call)
        | TemplateElement::HelperBlock(call) => in_call(call, variable),
        TemplateElement::PartialExpression(call) | TemplateElement::PartialBlock(call) => {
            call.params
                .iter()
                .chain(call.hash.values())
                .any(|p| in_parameter(p, variable))
                || call
                    .template
                    .as_ref()
                    .is_some_and(|inner| in_template(inner, variable))
        }
        _ => false,
    })
}

fn in_call(call: &HelperTemplate, variable: &str) -> bool {
    in_parameter(&call.name, variable)
        || call
            .params
            .iter()
            .chain(call.hash.values())
            .any(|p| in_parameter(p, variable))
        || [&call.template, &call.inverse]
            .into_iter()
            .flatten()
            .any(|inner| in_template(inner, variable))
}

fn in_parameter(parameter: &Parameter, variable: &str) -> bool {
    match parameter {
        Parameter::Name(_) | Parameter::Path(_) => parameter
            .as_name()
            .is_some_and(|path| path.rsplit(['.', '/']).next() == Some(variable)),
        Parameter::Subexpression(inner) => inner
            .params()
            .is_some_and(|params| params.iter().any(|p| in_parameter(p, variable))),
        _ => false,
    }
}
