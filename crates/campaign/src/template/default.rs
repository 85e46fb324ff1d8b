//! The helper `{{default name "friend"}}`.

use handlebars::{
    Context, Handlebars, Helper, HelperDef, RenderContext, RenderError, RenderErrorReason, ScopedJson,
};
use serde_json::Value;

/// The first of its parameters that says something; the last one if none does. Missing, null, empty and blank values
/// say nothing.
pub(super) struct Default;

impl HelperDef for Default {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let params = helper.params();
        if params.len() < 2 {
            let message = "default needs a variable and a value: {{default name \"friend\"}}";
            return Err(RenderErrorReason::Other(message.to_owned()).into());
        }
        let last = &params[params.len() - 1];
        let chosen = params
            .iter()
            .find(|p| !p.is_value_missing() && says_something(p.value()))
            .unwrap_or(last);
        if chosen.is_value_missing() {
            return Err(RenderError::strict_error(chosen.relative_path()));
        }
        Ok(ScopedJson::Derived(chosen.value().clone()))
    }
}

/// Whether a value is more than nothing or blanks.
pub(super) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        _ => true,
    }
}
