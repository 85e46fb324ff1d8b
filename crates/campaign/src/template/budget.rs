//! What one rendering by Handlebars may cost. A newsletter that loops over too much, or loops within loops, stops at a
//! limit, whether or not it writes anything meanwhile.
//!
//! Handlebars has no such limit. So each template and each body of an `{{#each}}` begins with a step: a call, put in
//! when the template is registered, that spends what the body costs. Steps are counted for the thread, since
//! a helper knows nothing of the rendering that it is part of.

use super::MAX_MESSAGE;
use handlebars::template::{Parameter, Subexpression, Template, TemplateElement, TemplateMapping};
use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderError as Error,
    RenderErrorReason,
};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::HashMap;

/// Steps of one part of a message: an element of a template is one, and more if it is long. A step takes well under a
/// microsecond.
pub(super) const MAX_STEPS: u64 = 2_000_000;

/// The name of the call that spends. No template can call it.
pub(super) const STEP: &str = "{{step}}";

/// Octets of constant text that cost as much as an element.
const TEXT: usize = 16;
/// Octets of values that cost as much as an element when they are copied.
const COPIED: usize = 64;

#[derive(Clone, Copy)]
struct Spent {
    steps: u64,
    /// Octets of values that were written.
    written: usize,
    /// What a partial costs besides its elements, because the recipient's data is copied for it.
    partial: u64,
}

thread_local! {
    static SPENT: Cell<Spent> = const { Cell::new(Spent { steps: 0, written: 0, partial: 0 }) };
}

/// A rendering begins.
pub(super) fn begin() {
    SPENT.set(Spent {
        steps: 0,
        written: 0,
        partial: 0,
    });
}

/// A rendering by Handlebars begins, with this data.
pub(super) fn begin_with(data: &Value) {
    let partial = (size(data) / COPIED) as u64;
    SPENT.set(Spent {
        steps: 0,
        written: 0,
        partial,
    });
}

/// Spends steps; the error is a sentence for the template's author.
pub(super) fn spend(steps: u64) -> Result<(), String> {
    let mut spent = SPENT.get();
    spent.steps = spent.steps.saturating_add(steps);
    SPENT.set(spent);
    if spent.steps <= MAX_STEPS {
        return Ok(());
    }
    Err(format!(
        "rendering takes more than {MAX_STEPS} steps: a list is too long, or loops stand inside loops"
    ))
}

/// Spends what it costs to copy or look through so many octets.
pub(super) fn spend_octets(octets: usize) -> Result<(), String> {
    spend(1 + (octets / COPIED) as u64)
}

/// Counts octets that are written. False if they are too many for a message, so that they must not be written.
pub(super) fn write(octets: usize) -> bool {
    let mut spent = SPENT.get();
    spent.written = spent.written.saturating_add(octets);
    SPENT.set(spent);
    spent.written <= MAX_MESSAGE
}

/// Whether more was to be written than a message may have.
pub(super) fn is_too_large() -> bool {
    SPENT.get().written > MAX_MESSAGE
}

/// Roughly how many octets a value has.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|item| 8 + size(item)).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| 16 + name.len() + size(value))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

/// Puts the steps into a template.
pub(super) fn install(template: &mut Template) {
    put_into_loops(template);
    let cost = cost(template);
    let place = template.mapping.first().cloned();
    put_step(template, json!([cost, true]), place);
}

fn put_into_loops(template: &mut Template) {
    let places = template.mapping.clone();
    for (element, place) in template.elements.iter_mut().zip(places) {
        match element {
            TemplateElement::HelperBlock(call) => {
                let is_loop = call.name.as_name() == Some("each");
                if let Some(body) = &mut call.template {
                    put_into_loops(body);
                    if is_loop {
                        let cost = cost(body);
                        put_step(body, json!([cost, false]), Some(place));
                    }
                }
                if let Some(inverse) = &mut call.inverse {
                    put_into_loops(inverse);
                }
            }
            TemplateElement::PartialBlock(call) => {
                if let Some(content) = &mut call.template {
                    put_into_loops(content);
                }
            }
            _ => {}
        }
    }
}

/// What a template costs without the bodies of its loops and without the templates that it calls.
fn cost(template: &Template) -> u64 {
    let inner = |template: &Option<Template>| template.as_ref().map_or(0, cost);
    template
        .elements
        .iter()
        .map(|element| match element {
            TemplateElement::RawString(text) => 1 + (text.len() / TEXT) as u64,
            TemplateElement::HelperBlock(call) if call.name.as_name() == Some("each") => {
                1 + inner(&call.inverse)
            }
            TemplateElement::HelperBlock(call) => 1 + inner(&call.template) + inner(&call.inverse),
            TemplateElement::PartialBlock(call) => 1 + inner(&call.template),
            _ => 1,
        })
        .sum()
}

fn put_step(template: &mut Template, cost: Value, place: Option<TemplateMapping>) {
    let call = Subexpression::new(
        Parameter::Name(STEP.to_owned()),
        vec![Parameter::Literal(cost)],
        HashMap::new(),
    );
    // An empty template has no place and costs nothing.
    if let Some(place) = place {
        template.elements.insert(0, *call.element);
        template.mapping.insert(0, place);
    }
}

/// The helper behind the call.
pub(super) struct Step;

impl HelperDef for Step {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        _: &mut dyn Output,
    ) -> HelperResult {
        let cost = helper.param(0).map_or(&Value::Null, |cost| cost.value());
        let copied = match cost[1].as_bool() {
            Some(true) => SPENT.get().partial,
            _ => 0,
        };
        spend(1 + cost[0].as_u64().unwrap_or(0) + copied)
            .map_err(|message| Error::from(RenderErrorReason::Other(message)))?;
        if is_too_large() {
            let large = std::io::Error::from(std::io::ErrorKind::FileTooLarge);
            return Err(RenderErrorReason::IOError(large).into());
        }
        Ok(())
    }
}
