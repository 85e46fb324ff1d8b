//! Fields as the JSON values that they stand for.

use super::rule::Kind;
use serde_json::{Number, Value};
use std::fmt::Write as _;

/// Appends a field as a JSON value. An empty text stays an empty text, so that templates find the variable; an empty
/// number, boolean, date or JSON is `null`, and an empty list has nothing in it.
pub(super) fn push_value(json: &mut String, kind: Kind, field: &str) -> Result<(), String> {
    let value = field.trim();
    match kind {
        Kind::Text => push_text(json, field),
        Kind::List => push_list(json, value),
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
        Kind::Json => {
            let parsed: Value =
                serde_json::from_str(value).map_err(|error| format!("this is not JSON: {error}"))?;
            write!(json, "{parsed}").expect("writing to a String cannot fail");
        }
    }
    Ok(())
}

/// Quotes around a text, as Mailchimp writes tags, do not belong to it.
fn push_list(json: &mut String, field: &str) {
    json.push('[');
    let texts = field
        .split([',', ';'])
        .map(|text| text.trim().trim_matches('"').trim());
    for (at, text) in texts.filter(|text| !text.is_empty()).enumerate() {
        if at > 0 {
            json.push(',');
        }
        push_text(json, text);
    }
    json.push(']');
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(kind: Kind, field: &str) -> Result<String, String> {
        let mut json = String::new();
        push_value(&mut json, kind, field).map(|()| json)
    }

    #[test]
    fn lists_and_json_are_what_each_goes_through() {
        for (field, list) in [
            ("wine, cheese;bread", r#"["wine","cheese","bread"]"#),
            ("\"a b\",\"c\"", r#"["a b","c"]"#),
            (" , ;", "[]"),
            ("", "[]"),
        ] {
            assert_eq!(pushed(Kind::List, field).as_deref(), Ok(list), "{field}");
        }
        let json = r#" [{"name": "Tea", "price": 3.5}] "#;
        assert_eq!(
            pushed(Kind::Json, json).as_deref(),
            Ok(r#"[{"name":"Tea","price":3.5}]"#)
        );
        assert_eq!(pushed(Kind::Json, "").as_deref(), Ok("null"));
        let reason = pushed(Kind::Json, "[1,").unwrap_err();
        assert!(reason.contains("not JSON"), "{reason}");
    }
}
