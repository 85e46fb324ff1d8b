//! Says where in the file an error is and what is wrong, in words for people, and never with a secret.

use super::masking::{masked, without_login};

/// Line, section, the text in question, and the fault.
pub(super) fn place(text: &str, error: &toml::de::Error) -> String {
    // It may quote a value of the file.
    let message = without_login(error.message().lines().next().unwrap_or_default());
    let Some(span) = error.span() else {
        return plain(&message);
    };
    let start = span.start.min(text.len());
    let number = text[..start].matches('\n').count();
    let section = text
        .lines()
        .take(number + 1)
        .map(str::trim)
        .filter(|line| line.starts_with('['))
        .last()
        .unwrap_or("the top of the file");
    let named = text.get(span).and_then(|named| named.lines().next());
    let named = named.unwrap_or_default().trim();
    let line = text.lines().nth(number).unwrap_or_default().trim();
    let all_masked = masked(text);
    let without_secrets = all_masked.lines().nth(number).unwrap_or_default().trim();
    let has_secret = without_secrets != line;
    let message = if has_secret {
        without_value(&message)
    } else {
        message
    };
    let message = plain(&message);
    let shown = if named.is_empty() || has_secret {
        without_secrets
    } else {
        named
    };
    let number = number + 1;
    if shown.is_empty() || shown == section {
        return format!("line {number}, section {section}: {message}");
    }
    format!("line {number}, section {section}: `{shown}`: {message}")
}

/// A message about a setting that holds a secret does not say which value it has.
fn without_value(message: &str) -> String {
    match message.split_once(", expected ") {
        Some((found, expected)) if found.starts_with("invalid ") => format!("expected {expected}"),
        _ => message.to_owned(),
    }
}

/// The parser speaks of its own types.
pub(super) fn plain(message: &str) -> String {
    let mut words = message.lines().next().unwrap_or_default().to_owned();
    for (theirs, ours) in [
        (
            "invalid type: map, expected a sequence",
            "there may be several of this section: write it in double brackets",
        ),
        ("expected usize", "expected a whole number"),
        ("expected u64", "expected a whole number"),
        ("expected u32", "expected a whole number"),
        ("expected u16", "expected a whole number"),
        ("expected i64", "expected a whole number"),
        ("expected f64", "expected a number"),
        ("expected a string", "expected a text in quotes"),
        ("expected a sequence", "expected a list in brackets"),
        ("expected a map", "expected a section"),
        ("expected struct ", "expected the section "),
        ("invalid type: ", "this is the "),
        ("invalid value: ", "this is the "),
        ("unknown field", "there is no setting"),
        ("missing field", "a setting is missing:"),
    ] {
        words = words.replace(theirs, ours);
    }
    words
}
