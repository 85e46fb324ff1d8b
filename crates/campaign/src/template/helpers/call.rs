//! A call of a helper whose result depends on its arguments and the recipient's language alone. It can be
//! called by Handlebars, or without it (`fast.rs`).

use super::super::budget;
use crate::merge::Found;
use handlebars::{
    Context, Handlebars, Helper as HandlebarsCall, HelperDef, HelperResult, JsonRender, JsonTruthy, Output,
    PathAndJson, RenderContext, RenderError, RenderErrorReason, Renderable, ScopedJson,
};
use serde_json::Value;
use std::borrow::Cow;

/// An argument, or a result.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::template) enum Term<'a> {
    Missing,
    Text(Cow<'a, str>),
    /// Anything that is not a string.
    Json(Cow<'a, Value>),
}

impl<'a> Term<'a> {
    pub(in crate::template) fn of(value: &'a Value) -> Self {
        match value {
            Value::String(text) => Term::Text(Cow::Borrowed(text)),
            other => Term::Json(Cow::Borrowed(other)),
        }
    }

    pub(super) fn owned(text: String) -> Self {
        Term::Text(Cow::Owned(text))
    }

    pub(super) fn bool(value: bool) -> Self {
        Term::Json(Cow::Owned(Value::Bool(value)))
    }

    /// What `{{#if}}` takes for true.
    pub(in crate::template) fn is_truthy(&self) -> bool {
        match self {
            Term::Missing => false,
            Term::Text(text) => !text.is_empty(),
            Term::Json(value) => value.is_truthy(false),
        }
    }

    fn into_value(self) -> Value {
        match self {
            Term::Missing => Value::Null,
            Term::Text(text) => Value::String(text.into_owned()),
            Term::Json(value) => value.into_owned(),
        }
    }

    /// The value in an error: short, in quotes.
    pub(super) fn shown(&self) -> String {
        const LONGEST: usize = 40;
        let text = match self {
            Term::Missing => return "nothing".to_owned(),
            Term::Text(text) => text.clone(),
            Term::Json(value) => Cow::Owned(value.to_string()),
        };
        if text.trim().is_empty() {
            return "an empty value".to_owned();
        }
        let mut short: String = text.chars().take(LONGEST).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        format!("“{short}”")
    }
}

impl<'a> From<Found<'a>> for Term<'a> {
    fn from(found: Found<'a>) -> Self {
        match found {
            Found::Missing => Term::Missing,
            Found::Text(text) => Term::Text(Cow::Borrowed(text)),
            Found::Json(value) => Term::Json(Cow::Borrowed(value)),
        }
    }
}

/// Why a helper has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::template) enum Fault {
    /// The argument at this place is missing.
    Missing(usize),
    /// The named argument is missing.
    MissingOption(&'static str),
    /// A sentence without the helper's name.
    Because(String),
}

impl From<String> for Fault {
    fn from(message: String) -> Self {
        Fault::Because(message)
    }
}

/// The arguments.
#[derive(Debug)]
pub(in crate::template) struct Call<'a> {
    pub(in crate::template) params: Vec<Term<'a>>,
    pub(in crate::template) options: Vec<(&'a str, Term<'a>)>,
    /// The language of the translation, as far as it is one, and the recipient's attributes `language` and `locale`.
    pub(in crate::template) languages: [Option<&'a str>; 3],
}

impl<'a> Call<'a> {
    /// An argument that must be there.
    pub(super) fn param(&self, at: usize) -> Result<&Term<'a>, Fault> {
        match self.params.get(at) {
            None | Some(Term::Missing) => Err(Fault::Missing(at)),
            Some(term) => Ok(term),
        }
    }

    /// An argument as text. A list is none.
    pub(super) fn text(&self, at: usize) -> Result<Cow<'a, str>, Fault> {
        text(self.param(at)?)
    }

    /// A named argument; it may be left out, but a variable given as one must be there.
    pub(super) fn option(&self, name: &'static str) -> Result<Option<&Term<'a>>, Fault> {
        match self.options.iter().find(|(given, _)| *given == name) {
            None => Ok(None),
            Some((_, Term::Missing)) => Err(Fault::MissingOption(name)),
            Some((_, term)) => Ok(Some(term)),
        }
    }

    /// A named argument as text.
    pub(super) fn text_option(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, Fault> {
        self.option(name)?.map(text).transpose()
    }

    /// A whole number from 0 to `most`.
    pub(super) fn small(&self, term: &Term<'_>, most: u16) -> Result<u16, Fault> {
        let number = match term {
            Term::Text(text) => text.trim().parse().ok(),
            Term::Json(value) => value.as_u64(),
            Term::Missing => None,
        };
        number
            .and_then(|number| u16::try_from(number).ok())
            .filter(|number| *number <= most)
            .ok_or_else(|| Fault::Because(format!("{} is not a whole number from 0 to {most}", term.shown())))
    }
}

fn text<'a>(term: &Term<'a>) -> Result<Cow<'a, str>, Fault> {
    match term {
        Term::Text(text) => Ok(text.clone()),
        Term::Json(value) if value.is_array() || value.is_object() => Err(Fault::Because(format!(
            "{} is a list or an object, not a text",
            term.shown()
        ))),
        Term::Json(value) => Ok(Cow::Owned(value.render())),
        Term::Missing => Ok(Cow::Borrowed("")),
    }
}

/// A helper.
#[derive(Debug)]
pub(in crate::template) struct Pure {
    pub(in crate::template) name: &'static str,
    /// How it is written, for errors.
    pub(super) usage: &'static str,
    /// The least and the greatest number of arguments without a name.
    pub(super) params: (usize, usize),
    /// The names of the others.
    pub(super) options: &'static [&'static str],
    /// It says yes or no, so it can be a block.
    pub(super) condition: bool,
    pub(super) run: for<'a> fn(&Call<'a>) -> Result<Term<'a>, Fault>,
}

impl Pure {
    pub(in crate::template) fn call<'a>(&self, call: &Call<'a>) -> Result<Term<'a>, Fault> {
        let terms = call
            .params
            .iter()
            .chain(call.options.iter().map(|(_, term)| term));
        let octets = terms.map(|term| match term {
            Term::Text(text) => text.len(),
            Term::Json(value) => budget::size(value),
            Term::Missing => 0,
        });
        budget::spend_octets(octets.sum())?;
        (self.run)(call)
    }

    fn by_handlebars(&self, helper: &HandlebarsCall<'_>, context: &Context) -> Result<Value, RenderError> {
        let term = |value: &'_ PathAndJson<'_>| -> Term<'static> {
            match value.value() {
                _ if value.is_value_missing() => Term::Missing,
                Value::String(text) => Term::owned(text.clone()),
                other => Term::Json(Cow::Owned(other.clone())),
            }
        };
        let attribute = |name: &str| context.data()["attributes"][name].as_str();
        let call = Call {
            params: helper.params().iter().map(term).collect(),
            options: helper
                .hash()
                .iter()
                .map(|(name, value)| (*name, term(value)))
                .collect(),
            languages: [
                context.data()["campaign"]["language"].as_str(),
                attribute("language"),
                attribute("locale"),
            ],
        };
        self.call(&call)
            .map(Term::into_value)
            .map_err(|fault| match fault {
                Fault::Missing(at) => {
                    RenderError::strict_error(helper.param(at).and_then(PathAndJson::relative_path))
                }
                Fault::MissingOption(name) => {
                    RenderError::strict_error(helper.hash_get(name).and_then(PathAndJson::relative_path))
                }
                Fault::Because(message) => {
                    RenderErrorReason::Other(format!("{}: {message}", self.name)).into()
                }
            })
    }
}

/// A helper that makes a value.
pub(super) struct ByHandlebars(pub(super) &'static Pure);

impl HelperDef for ByHandlebars {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &HandlebarsCall<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        self.0.by_handlebars(helper, context).map(ScopedJson::Derived)
    }
}

/// A helper that says yes or no.
pub(super) struct Condition(pub(super) &'static Pure);

impl HelperDef for Condition {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &HandlebarsCall<'rc>,
        _: &'reg Handlebars<'reg>,
        context: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        self.0.by_handlebars(helper, context).map(ScopedJson::Derived)
    }

    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &HandlebarsCall<'rc>,
        registry: &'reg Handlebars<'reg>,
        context: &'rc Context,
        rendering: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let yes = self.0.by_handlebars(helper, context)? == Value::Bool(true);
        if !helper.is_block() {
            return Ok(out.write(if yes { "true" } else { "false" })?);
        }
        let branch = if yes { helper.template() } else { helper.inverse() };
        branch.map_or(Ok(()), |branch| branch.render(registry, context, rendering, out))
    }
}
