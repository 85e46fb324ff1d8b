//! Values as providers write them: numbers in quotes or without, times in three forms, our token in what is given back.

use crate::status::Enhanced;
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;
use tidings_campaign::time::Timestamp;

/// Under this name a delivery's token is given to a provider beside a message.
pub(super) const TOKEN: &str = "tidings";

/// A text, number or boolean, as text.
#[derive(Debug, Default)]
pub(super) struct Word(String);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Word(text)),
            Value::Number(number) => Ok(Word(number.to_string())),
            Value::Bool(is) => Ok(Word(is.to_string())),
            Value::Null => Ok(Word::default()),
            Value::Array(_) | Value::Object(_) => Err(de::Error::custom("a text or number is wanted")),
        }
    }
}

impl Word {
    /// The text, if it is not empty.
    pub(super) fn text(self) -> Option<String> {
        Some(self.0).filter(|text| !text.trim().is_empty())
    }

    /// As it stands, empty if it is not there.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn is_true(&self) -> bool {
        self.0 == "true"
    }

    /// A reply code (RFC 5321).
    pub(super) fn reply(&self) -> Option<u16> {
        self.0
            .trim()
            .parse()
            .ok()
            .filter(|code| (400..=599).contains(code))
    }

    pub(super) fn status(&self) -> Option<Enhanced> {
        Enhanced::parse(self.0.trim()).filter(|status| status.class != 2)
    }

    /// RFC 3339.
    pub(super) fn date(&self) -> Option<Timestamp> {
        let at: jiff::Timestamp = self.0.trim().parse().ok()?;
        Some(at.into())
    }

    /// Seconds since 1970, or milliseconds where it cannot be seconds. Of a second that is named without a fraction it is the end:
    /// what came of a message must not seem to be before it.
    pub(super) fn epoch(&self) -> Option<Timestamp> {
        const LATEST_SECOND: f64 = 1e11;
        let number: f64 = self.0.trim().parse().ok()?;
        let seconds = if number < LATEST_SECOND {
            number
        } else {
            number / 1000.0
        };
        let micros = if seconds.fract() == 0.0 {
            seconds * 1e6 + 999_999.0
        } else {
            seconds * 1e6
        };
        let is_plausible = seconds > 0.0 && seconds < LATEST_SECOND;
        #[expect(clippy::cast_possible_truncation, reason = "it is below 1e17")]
        is_plausible.then_some(Timestamp(micros as i64))
    }
}

/// A code of the table: its parts in small letters.
pub(super) fn code(parts: &[&str]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| part.trim().to_lowercase()).collect();
    parts.join("/")
}

/// Our token among the values that come back with an event, if it was given along.
pub(super) fn token(values: &Value) -> Option<String> {
    match values.get(TOKEN)? {
        Value::String(token) => Some(token.clone()),
        Value::Array(tokens) => tokens.first()?.as_str().map(str::to_owned),
        _ => None,
    }
}

/// Our token in a text that comes back: a JSON object, or `tidings:TOKEN` among others, divided by `|`.
pub(super) fn token_in(text: &str) -> Option<String> {
    if text.trim_start().starts_with('{') {
        return token(&serde_json::from_str(text).ok()?);
    }
    let token = text.split('|').find_map(|part| {
        let (name, token) = part.split_once(':')?;
        (name.trim() == TOKEN).then(|| token.trim())
    });
    token.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(json: &str) -> Word {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn times_are_read_in_every_form() {
        let noon = Timestamp::from_seconds(1_750_000_000);
        for json in ["1750000000", "\"1750000000\"", "1750000000.0", "1750000000000"] {
            let end = noon.plus(std::time::Duration::from_micros(999_999));
            assert_eq!(word(json).epoch(), Some(end), "{json}");
        }
        let half = Timestamp(noon.0 + 500_000);
        assert_eq!(word("1750000000.5").epoch(), Some(half));
        assert_eq!(word("\"2025-06-15T17:06:40.0000000+02:00\"").date(), Some(noon));
        for json in ["0", "-5", "1e300", "\"soon\"", "null"] {
            assert_eq!(word(json).epoch(), None, "{json}");
        }
    }

    #[test]
    fn only_a_token_with_its_name_is_taken() {
        assert_eq!(token_in("{\"tidings\": \"abc\"}").as_deref(), Some("abc"));
        assert_eq!(token_in("order:17|tidings:abc").as_deref(), Some("abc"));
        for text in ["", "abc", "{", "{\"tidings\": 5}", "other:abc", "untidings:abc"] {
            assert_eq!(token_in(text), None, "{text}");
        }
    }
}
