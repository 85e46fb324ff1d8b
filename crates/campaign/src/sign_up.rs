//! Signing up for a list: what its operator has opened, and what a person may write into the form.

use crate::message::{Mailbox, MailboxError};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Fields beside the address, at most.
pub const MOST_FIELDS: usize = 10;
/// Origins of pages that may use the JSON endpoint, at most.
const MOST_ORIGINS: usize = 20;
/// The longest value of a field, in characters.
pub const LONGEST_VALUE: usize = 200;
/// The longest label and the longest text, in characters.
const LONGEST_LABEL: usize = 100;
const LONGEST_TEXT: usize = 2000;
/// The field for the recipient's name.
pub const NAME: &str = "name";
/// Names that mean something else in a form.
const RESERVED: [&str; 7] = ["email", "address", "form", "language", "shown", "website", "ok"];

/// What a list's form asks, and for whom it speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignUpForm {
    /// Who writes the letters: `Example News <news@example.com>`.
    pub sender: String,
    /// What is asked beside the address.
    pub fields: Vec<Field>,
    /// What people agree to, in the operator's words; ours, in the reader's language, if nothing is said.
    pub text: Option<String>,
    /// Whose pages may post JSON from a browser: `https://www.example.com`.
    pub origins: Vec<String>,
}

/// A field of a form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// [`NAME`], or the attribute.
    pub attribute: String,
    /// What stands beside it; nothing for [`NAME`], which is called so in every language.
    pub label: String,
}

/// Why a form cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The author of the letters.
    #[error("--from {0}: it {1}")]
    Sender(String, MailboxError),
    /// The name of a field.
    #[error(
        "--field {0}: a field is `name`, or an attribute of up to 40 letters, digits and underscores, with a label if you \
         like: --field \"city=Your city\""
    )]
    Field(String),
    /// A name of our own.
    #[error("--field {0}: the name has a meaning of its own in the form, use another one")]
    Reserved(String),
    /// Two of the same name.
    #[error("--field {0} is given twice")]
    Twice(String),
    /// Too many.
    #[error("a form has at most {MOST_FIELDS} fields beside the address, and {MOST_ORIGINS} origins")]
    TooMany,
    /// Empty, or too long.
    #[error("--text has between 1 and {LONGEST_TEXT} characters")]
    Text,
    /// Not an origin.
    #[error("--origin {0}: write scheme and host as browsers do, such as https://www.example.com")]
    Origin(String),
}

impl Field {
    /// Reads `city`, `city=Your city` or `name`.
    pub fn parse(text: &str) -> Result<Field, FormError> {
        let (attribute, label) = text.split_once('=').unwrap_or((text, ""));
        let label = label.trim();
        let is_name = !attribute.is_empty()
            && attribute.len() <= 40
            && !attribute.starts_with(|c: char| c.is_ascii_digit())
            && attribute.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_');
        if !is_name || label.chars().count() > LONGEST_LABEL || label.contains(char::is_control) {
            return Err(FormError::Field(text.to_owned()));
        }
        if RESERVED.contains(&attribute.to_ascii_lowercase().as_str()) {
            return Err(FormError::Reserved(attribute.to_owned()));
        }
        let label = match (label, attribute) {
            ("", attribute) if attribute != NAME => attribute,
            (label, _) => label,
        };
        Ok(Field {
            attribute: attribute.to_owned(),
            label: label.to_owned(),
        })
    }
}

impl SignUpForm {
    /// Checks the parts.
    pub fn new(
        sender: &str,
        fields: Vec<Field>,
        text: Option<String>,
        origins: Vec<String>,
    ) -> Result<SignUpForm, FormError> {
        let from = Mailbox::parse(sender).map_err(|error| FormError::Sender(sender.to_owned(), error))?;
        if fields.len() > MOST_FIELDS || origins.len() > MOST_ORIGINS {
            return Err(FormError::TooMany);
        }
        for (at, field) in fields.iter().enumerate() {
            if fields[..at]
                .iter()
                .any(|other| other.attribute == field.attribute)
            {
                return Err(FormError::Twice(field.attribute.clone()));
            }
        }
        if let Some(text) = &text
            && (text.trim().is_empty() || text.chars().count() > LONGEST_TEXT)
        {
            return Err(FormError::Text);
        }
        if let Some(origin) = origins.iter().find(|origin| !is_origin(origin)) {
            return Err(FormError::Origin(origin.clone()));
        }
        Ok(SignUpForm {
            sender: from.to_string(),
            fields,
            text: text.map(|text| text.trim().to_owned()),
            origins,
        })
    }

    /// Of what was written into a form, that which was asked: the name, and the attributes. Empty values are left out, long
    /// ones cut.
    pub fn pick<'a>(&self, values: impl Fn(&str) -> Option<&'a str>) -> (String, Map<String, Value>) {
        let (mut name, mut attributes) = (String::new(), Map::new());
        for field in &self.fields {
            let value = values(&field.attribute).unwrap_or_default();
            let value: String = value
                .split(|c: char| c.is_control())
                .collect::<Vec<_>>()
                .join(" ")
                .trim()
                .chars()
                .take(LONGEST_VALUE)
                .collect();
            match field.attribute.as_str() {
                _ if value.is_empty() => {}
                NAME => name = value,
                attribute => drop(attributes.insert(attribute.to_owned(), value.into())),
            }
        }
        (name, attributes)
    }

    /// Whether a page of this origin may post JSON.
    pub fn allows(&self, origin: &str) -> bool {
        self.origins
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}

/// How a form names the text that it shows: the first 16 hexadecimal digits of its SHA-256.
pub fn text_digest(text: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(text)[..8])
}

/// `https://host` or `https://host:port` (RFC 6454 section 6.2), in ASCII.
fn is_origin(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b':' | b'[' | b']');
    host.is_some_and(|host| !host.is_empty() && host.len() <= 260 && host.bytes().all(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(texts: &[&str]) -> Result<Vec<Field>, FormError> {
        texts.iter().map(|text| Field::parse(text)).collect()
    }

    #[test]
    fn a_form_takes_what_it_asks_and_nothing_else() {
        let asked = fields(&["name", "city=Your city"]).unwrap();
        let form = SignUpForm::new("News <news@example.com>", asked, None, vec![]).unwrap();
        let long = "x".repeat(300);
        let (name, attributes) = form.pick(|field| match field {
            "name" => Some("  Ann\r\nExample "),
            "city" => Some(&long),
            _ => Some("not asked"),
        });
        assert_eq!(name, "Ann  Example");
        assert_eq!(attributes["city"].as_str().map(str::len), Some(200));
        assert_eq!(attributes.len(), 1);
        assert_eq!(form.pick(|_| None), (String::new(), Map::new()));
    }

    #[test]
    fn what_cannot_be_asked_is_refused_by_name() {
        for field in ["", "two words", "1st", "email", "Website", "ümlaut", "a\u{7}=b"] {
            let error = Field::parse(field).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
        let twice = SignUpForm::new(
            "news@example.com",
            fields(&["city", "city=x"]).unwrap(),
            None,
            vec![],
        );
        assert_eq!(twice, Err(FormError::Twice("city".into())));
        for origin in [
            "www.example.com",
            "https://",
            "https://a.test/path",
            "*",
            "https://a.test,https://b.test",
        ] {
            let form = SignUpForm::new("news@example.com", vec![], None, vec![origin.to_owned()]);
            assert_eq!(form, Err(FormError::Origin(origin.into())));
        }
        assert!(SignUpForm::new("news", vec![], None, vec![]).is_err());
        assert_eq!(
            SignUpForm::new("news@example.com", vec![], Some(" ".into()), vec![]),
            Err(FormError::Text)
        );
    }
}
