//! What is written into a form for signing up, by a browser or as JSON.

use std::collections::BTreeMap;
use tidings_campaign::sign_up::MOST_FIELDS;

/// Fields that are looked at: those that a form can ask, and our own.
const MOST: usize = MOST_FIELDS + 5;
/// The longest value that is looked at, in octets: an address has 254, a field 200 characters.
const LONGEST: usize = 800;

/// The values by their names. The first of a name counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry(BTreeMap<String, String>);

impl Entry {
    /// Reads a body as browsers encode forms.
    pub(super) fn of_form(octets: &[u8]) -> Entry {
        let mut entry = Entry::default();
        for (name, value) in url::form_urlencoded::parse(octets) {
            entry.add(&name, &value);
        }
        entry
    }

    /// Reads one JSON object whose values are texts, or nothing (`null`).
    pub(super) fn of_json(octets: &[u8]) -> Option<Entry> {
        let object: BTreeMap<String, Option<String>> = serde_json::from_slice(octets).ok()?;
        let mut entry = Entry::default();
        for (name, value) in object {
            entry.add(&name, &value.unwrap_or_default());
        }
        Some(entry)
    }

    fn add(&mut self, name: &str, value: &str) {
        if self.0.len() < MOST && !self.0.contains_key(name) {
            let end = value.floor_char_boundary(value.len().min(LONGEST));
            self.0.insert(name.to_owned(), value[..end].to_owned());
        }
    }

    /// What was written into a field, if there was such a field. Words of our own are short and plain, or not there.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.as_str();
        let is_plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.' | b'/');
        match name {
            "form" | "shown" | "language" => {
                Some(value).filter(|word| (1..=64).contains(&word.len()) && word.bytes().all(is_plain))
            }
            _ => Some(value),
        }
    }

    /// As the fields of a form that says the same.
    pub(super) fn fields(&self) -> Vec<(String, String)> {
        self.0
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_json_say_the_same() {
        let form = Entry::of_form(b"email=ann%40example.org&form=footer&email=bob%40example.org&city=Ulm");
        let json = br#"{"email": "ann@example.org", "form": "footer", "city": "Ulm"}"#;
        assert_eq!(Entry::of_json(json), Some(form));
        for broken in [&b"[]"[..], b"{\"email\": 1}", b"", b"{", b"\xff"] {
            assert_eq!(Entry::of_json(broken), None);
        }
    }

    #[test]
    fn floods_of_fields_and_long_values_are_cut_and_odd_words_are_none() {
        let many: Vec<String> = (0..1000).map(|n| format!("f{n}=x")).collect();
        assert_eq!(Entry::of_form(many.join("&").as_bytes()).0.len(), MOST);
        let long = format!("email={}", "ü".repeat(5000));
        assert_eq!(
            Entry::of_form(long.as_bytes()).get("email").map(str::len),
            Some(800)
        );
        let odd = Entry::of_form(b"form=%3Cb%3E&shown=&language=de");
        assert_eq!(
            (odd.get("form"), odd.get("shown"), odd.get("language")),
            (None, None, Some("de"))
        );
    }
}
