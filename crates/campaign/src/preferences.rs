//! Attributes that recipients may see and change themselves: what the operator opens, and what may be written there.

use serde_json::Value;
use std::collections::BTreeMap;

/// The longest value of a text, in characters.
pub const LONGEST_TEXT: usize = 500;
/// The longest name of a recipient that is taken, in characters.
pub const LONGEST_NAME: usize = 200;
/// The longest value that a form may send for an attribute, in octets: more is no slip of the pen.
const LONGEST_FIELD: usize = 4 * LONGEST_TEXT;

/// What may stand in an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeKind {
    /// One line, of at most so many characters.
    Text(usize),
    /// One of these.
    Choice(Vec<String>),
    /// Yes or no.
    Bool,
    /// A day, as `2026-12-01`.
    Date,
}

/// An attribute that recipients may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAttribute {
    /// Its name, as templates use it.
    pub name: String,
    /// What recipients call it.
    pub label: String,
    /// The same in other languages, by their tags.
    pub labels: BTreeMap<String, String>,
    /// What may stand in it.
    pub kind: AttributeKind,
}

/// What a recipient has written cannot stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It is longer than so many characters.
    TooLong(usize),
    /// It is none of the choices.
    NoChoice,
    /// It is no day.
    NoDay,
}

impl OpenAttribute {
    /// What a form shows for what is stored: for a bool `true` or nothing.
    pub fn shown(&self, stored: Option<&Value>) -> String {
        let text = match stored {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        match self.kind {
            AttributeKind::Bool if is_yes(&text) => "true".to_owned(),
            AttributeKind::Bool => String::new(),
            _ => text,
        }
    }

    /// What is to be stored when a form sends this text; nothing if that is what is stored already. What is emptied becomes
    /// an empty text, so that newsletters that need the attribute can still be merged.
    pub fn written(&self, text: &str, stored: Option<&Value>) -> Result<Option<Value>, NotTaken> {
        if text.len() > LONGEST_FIELD {
            return Err(NotTaken::TooLong(LONGEST_TEXT));
        }
        let text = one_line(text);
        let before = self.shown(stored);
        if text == one_line(&before) {
            return Ok(None);
        }
        let value = match &self.kind {
            AttributeKind::Text(longest) if text.chars().count() > *longest => {
                return Err(NotTaken::TooLong(*longest));
            }
            AttributeKind::Choice(choices) if !choices.contains(&text) => return Err(NotTaken::NoChoice),
            AttributeKind::Date if !text.is_empty() && text.parse::<jiff::civil::Date>().is_err() => {
                return Err(NotTaken::NoDay);
            }
            AttributeKind::Bool => Value::Bool(is_yes(&text)),
            _ => Value::String(text),
        };
        Ok(Some(value))
    }

    /// What recipients call it who read this language.
    pub fn label_in(&self, language: &str) -> &str {
        let base = language.split('-').next().unwrap_or(language);
        self.labels
            .get(language)
            .or_else(|| self.labels.get(base))
            .unwrap_or(&self.label)
    }
}

/// A recipient's name as a form sends it.
pub fn written_name(text: &str) -> Result<String, NotTaken> {
    if text.len() > LONGEST_FIELD {
        return Err(NotTaken::TooLong(LONGEST_NAME));
    }
    let name = one_line(text);
    match name.chars().count() > LONGEST_NAME {
        true => Err(NotTaken::TooLong(LONGEST_NAME)),
        false => Ok(name),
    }
}

fn is_yes(text: &str) -> bool {
    ["true", "yes", "1", "on", "y"]
        .iter()
        .any(|yes| text.trim().eq_ignore_ascii_case(yes))
}

/// Without control characters, which no database and no header takes, and without blanks around it.
fn one_line(text: &str) -> String {
    let kept: String = text
        .chars()
        .filter(|c| c.is_whitespace() || !c.is_control())
        .collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn attribute(kind: AttributeKind) -> OpenAttribute {
        OpenAttribute {
            name: "city".to_owned(),
            label: "City".to_owned(),
            labels: [("de".to_owned(), "Stadt".to_owned())].into(),
            kind,
        }
    }

    #[test]
    fn what_is_written_is_one_line_of_the_kind_that_is_open() {
        let text = attribute(AttributeKind::Text(5));
        assert_eq!(text.written(" Ulm\r\n\0", None), Ok(Some(json!("Ulm"))));
        assert_eq!(text.written("Berlin", None), Err(NotTaken::TooLong(5)));
        assert_eq!(
            text.written(&"x".repeat(9_000), None),
            Err(NotTaken::TooLong(500))
        );
        let choice = attribute(AttributeKind::Choice(vec!["daily".into(), "weekly".into()]));
        assert_eq!(
            choice.written("weekly", Some(&json!("daily"))),
            Ok(Some(json!("weekly")))
        );
        assert_eq!(choice.written("hourly", None), Err(NotTaken::NoChoice));
        let date = attribute(AttributeKind::Date);
        assert_eq!(date.written("2024-02-29", None), Ok(Some(json!("2024-02-29"))));
        assert_eq!(date.written("2023-02-29", None), Err(NotTaken::NoDay));
        let bool = attribute(AttributeKind::Bool);
        assert_eq!(bool.written("on", Some(&json!("no"))), Ok(Some(json!(true))));
        assert_eq!(bool.written("", Some(&json!("Yes"))), Ok(Some(json!(false))));
    }

    #[test]
    fn what_is_not_touched_stays_as_it_is_stored() {
        let text = attribute(AttributeKind::Text(5));
        assert_eq!(text.shown(Some(&json!(42))), "42");
        assert_eq!(text.written("42", Some(&json!(42))), Ok(None));
        assert_eq!(text.written("", None), Ok(None));
        assert_eq!(text.written("", Some(&json!("Ulm"))), Ok(Some(json!(""))));
        // Longer than what may be written today, but not written today.
        assert_eq!(text.written("Springfield", Some(&json!("Springfield"))), Ok(None));
        let choice = attribute(AttributeKind::Choice(vec!["daily".into()]));
        assert_eq!(choice.written("", None), Ok(None));
        assert_eq!(attribute(AttributeKind::Bool).written("", None), Ok(None));
    }

    #[test]
    fn labels_go_by_the_language() {
        let city = attribute(AttributeKind::Bool);
        assert_eq!([city.label_in("de-AT"), city.label_in("fr")], ["Stadt", "City"]);
    }

    #[test]
    fn a_name_is_bounded() {
        assert_eq!(written_name(" Ann \n Example "), Ok("Ann Example".to_owned()));
        assert_eq!(written_name(&"ä".repeat(201)), Err(NotTaken::TooLong(200)));
        assert_eq!(written_name(&"ä".repeat(90_000)), Err(NotTaken::TooLong(200)));
    }
}
