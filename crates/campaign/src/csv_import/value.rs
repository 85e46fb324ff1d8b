//! Fields as the JSON values that they stand for.

use super::rule::Kind;
use serde_json::{Number, Value};
use std::fmt::Write as _;

/// Appends a field as a JSON value. An empty text stays an empty text, so that templates find the variable; an empty
/// number, boolean or date is `null`.
pub(super) fn push_value(json: &mut String, kind: Kind, field: &str) -> Result<(), String> {
    let value = field.trim();
    match kind {
        Kind::Text => push_text(json, field),
        _ if value.is_empty() => json.push_str("null"),
        Kind::Number => {
            let number = number(value).ok_or_else(|| {
                format!("`{value}` is not a number: write it with a decimal point, for example 19.90")
            })?;
            write!(json, "{number}").expect("writing to a String cannot fail");
        }
        Kind::Boolean => match boolean(value) {
            Some(yes) => json.push_str(if yes { "true" } else { "false" }),
            None => {
                return Err(format!(
                    "`{value}` is neither yes nor no: write yes, no, true, false, 1 or 0"
                ));
            }
        },
        Kind::Date => {
            let day: jiff::civil::Date = value.parse().map_err(|_| {
                format!("`{value}` is not a date: write it as year-month-day, for example 2026-01-31")
            })?;
            write!(json, "\"{day}\"").expect("writing to a String cannot fail");
        }
    }
    Ok(())
}

fn push_text(json: &mut String, text: &str) {
    let plain = |octet: u8| octet >= b' ' && octet != b'"' && octet != b'\\';
    if text.bytes().all(plain) {
        json.push('"');
        json.push_str(text);
        json.push('"');
    } else {
        json.push_str(&Value::from(text).to_string());
    }
}

fn number(text: &str) -> Option<Number> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    // `inf` and `nan` are numbers to Rust, and not to anybody else.
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E');
    text.parse::<f64>()
        .ok()
        .filter(|_| text.chars().all(numeric))
        .and_then(Number::from_f64)
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "yes" | "y" | "true" | "t" | "1" | "on" | "ja" | "oui" | "si" | "sí" => Some(true),
        "no" | "n" | "false" | "f" | "0" | "off" | "nein" | "non" => Some(false),
        _ => None,
    }
}
