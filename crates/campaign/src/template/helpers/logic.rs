//! Comparison and logic: `eq`, `ne`, `gt`, `gte`, `lt`, `lte`, `and`, `or`, `not`; and `len`, `default`.

use super::call::{Call, Fault, Term};
use super::number::Number;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::cmp::Ordering;

/// Whether two values are the same. A number is the same as a text that says it, for CSV files know only texts; two
/// texts are compared letter by letter, so that the postcodes 0123 and 123 differ.
fn same(one: &Term<'_>, other: &Term<'_>) -> bool {
    match (one, other) {
        (Term::Text(one), Term::Text(other)) => one == other,
        (Term::Json(one), Term::Text(text)) | (Term::Text(text), Term::Json(one)) if one.is_boolean() => {
            text == if **one == Value::Bool(true) {
                "true"
            } else {
                "false"
            }
        }
        _ => match (Number::read(one), Number::read(other)) {
            (Some(one), Some(other)) => one.compare(&other) == Ordering::Equal,
            _ => one == other,
        },
    }
}

/// Numbers by their size; other texts, such as dates, letter by letter. Anything else has no order.
fn order(call: &Call<'_>) -> Result<Ordering, Fault> {
    let (one, other) = (call.param(0)?, call.param(1)?);
    match (Number::read(one), Number::read(other), one, other) {
        (Some(one), Some(other), ..) => Ok(one.compare(&other)),
        (None, None, Term::Text(one), Term::Text(other)) if !blank(one) && !blank(other) => {
            Ok(one.cmp(other))
        }
        _ => Err(Fault::Because(format!(
            "{} and {} cannot be compared: both must be numbers like 1234.5, or both texts",
            one.shown(),
            other.shown()
        ))),
    }
}

fn blank(text: &str) -> bool {
    text.trim().is_empty()
}

pub(super) fn eq<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    Ok(Term::bool(same(call.param(0)?, call.param(1)?)))
}

pub(super) fn ne<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    Ok(Term::bool(!same(call.param(0)?, call.param(1)?)))
}

pub(super) fn gt<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    Ok(Term::bool(order(call)?.is_gt()))
}

pub(super) fn gte<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    Ok(Term::bool(order(call)?.is_ge()))
}

pub(super) fn lt<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    Ok(Term::bool(order(call)?.is_lt()))
}

pub(super) fn lte<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    Ok(Term::bool(order(call)?.is_le()))
}

/// What is missing is false, as in `{{#if}}`.
pub(super) fn and<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    Ok(Term::bool(call.params.iter().all(Term::is_truthy)))
}

pub(super) fn or<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    Ok(Term::bool(call.params.iter().any(Term::is_truthy)))
}

pub(super) fn not<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    Ok(Term::bool(!call.params[0].is_truthy()))
}

/// The entries of a list, the fields of an object, the characters of a text.
pub(super) fn len<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    let term = call.param(0)?;
    let length = match term {
        Term::Text(text) => text.chars().count(),
        Term::Json(value) => match value.as_ref() {
            Value::Array(items) => items.len(),
            Value::Object(fields) => fields.len(),
            _ => return Err(Fault::Because(format!("{} has no length", term.shown()))),
        },
        Term::Missing => 0,
    };
    Ok(Term::Json(Cow::Owned(json!(length))))
}

/// The first of its parameters that says something; the last one if none does. Missing, null, empty and blank values
/// say nothing.
pub(super) fn default<'a>(call: &Call<'a>) -> Result<Term<'a>, Fault> {
    let says_something = |term: &&Term<'_>| match term {
        Term::Missing => false,
        Term::Text(text) => !blank(text),
        Term::Json(value) => !value.is_null(),
    };
    let last = call.params.len() - 1;
    match call.params.iter().find(says_something) {
        Some(term) => Ok(term.clone()),
        None => call.param(last).cloned(),
    }
}
