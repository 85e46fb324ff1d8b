//! Helpers that need Handlebars: `lookup`, and those that are put before loops and in place of `{{{name}}}`.

use super::super::budget;
use super::call::Term;
use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, JsonRender, Output, RenderContext, RenderError,
    RenderErrorReason, ScopedJson,
};
use serde_json::Value;

/// Writes a value as it is.
pub(super) struct Plain;

impl HelperDef for Plain {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let value = helper.param(0).filter(|value| !value.is_value_missing());
        let Some(value) = value else {
            return Err(RenderError::strict_error(
                helper.param(0).and_then(|value| value.relative_path()),
            ));
        };
        let text = value.value().render();
        // What is too large is not written, and the rendering ends as too large.
        let text = if budget::write(text.len()) {
            text
        } else {
            String::new()
        };
        Ok(ScopedJson::Derived(Value::String(text)))
    }
}

/// Refuses what is no list, such as text from a CSV file that looks like one.
pub(super) struct List;

impl HelperDef for List {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        _: &mut dyn Output,
    ) -> HelperResult {
        let Some(list) = helper.param(0) else {
            return Ok(());
        };
        let is_something = match list.value() {
            Value::Array(_) | Value::Object(_) | Value::Null => false,
            Value::String(text) => !text.trim().is_empty(),
            Value::Bool(_) | Value::Number(_) => true,
        };
        if is_something {
            let shown = Term::of(list.value()).shown();
            let message = format!("each: {shown} is not a list, only lists in JSON are");
            return Err(RenderErrorReason::Other(message).into());
        }
        Ok(())
    }
}

/// An entry of a list by its number from 0, or a field of an object by its name; missing if there is none.
pub(super) struct Lookup;

impl HelperDef for Lookup {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let (Some(within), Some(key)) = (helper.param(0), helper.param(1)) else {
            let message = "lookup needs a list and a number, or an object and a name: {{lookup offers 0}}";
            return Err(RenderErrorReason::Other(message.to_owned()).into());
        };
        let key = key.value().render();
        let found = match within.value() {
            Value::Array(items) => key.trim().parse::<usize>().ok().and_then(|at| items.get(at)),
            Value::Object(fields) => fields.get(&key),
            _ => None,
        };
        let Some(found) = found else {
            return Ok(ScopedJson::Missing);
        };
        budget::spend_octets(budget::size(found)).map_err(RenderErrorReason::Other)?;
        Ok(ScopedJson::Derived(found.clone()))
    }
}
