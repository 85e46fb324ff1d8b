//! Languages of newsletters: tags by BCP 47, and which of them suits a recipient.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest tag: RFC 5646 section 4.4.1 asks for room for 35 characters.
const MAX_TAG: usize = 35;

/// A language tag in its canonical case: `de`, `pt-BR`, `zh-Hant`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Language(String);

/// Not a language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a language tag: write it by BCP 47, for example de, pt-BR or zh-Hant")]
pub struct LanguageError(String);

impl Language {
    /// Takes a well-formed tag in any case, with `_` for `-` too. Whether such a language is registered is not asked,
    /// but it begins with the two or three letters of ISO 639, so that `german` is noticed.
    pub fn parse(text: &str) -> Result<Language, LanguageError> {
        let error = || LanguageError(text.chars().take(2 * MAX_TAG).collect());
        if text.len() > MAX_TAG {
            return Err(error());
        }
        let tag = oxilangtag::LanguageTag::parse_and_normalize(&text.trim().replace('_', "-"))
            .map_err(|_| error())?;
        match tag.primary_language().len() {
            2 | 3 => Ok(Language(tag.into_inner())),
            _ => Err(error()),
        }
    }

    /// As it stands in databases and header fields.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Language {
    type Err = LanguageError;

    fn from_str(text: &str) -> Result<Self, LanguageError> {
        Language::parse(text)
    }
}

impl TryFrom<String> for Language {
    type Error = LanguageError;

    fn try_from(text: String) -> Result<Self, LanguageError> {
        Language::parse(&text)
    }
}

impl From<Language> for String {
    fn from(language: Language) -> String {
        language.0
    }
}

/// Where among `available` the language is that suits somebody who reads `wanted` (the lookup of RFC 4647 section 3.4):
/// `de-AT` is suited by `de-AT`, else by `de`, else by none. Locales as systems write them, `de_AT.UTF-8`, are taken too.
pub fn lookup<'a>(wanted: &str, available: impl Iterator<Item = &'a Language> + Clone) -> Option<usize> {
    let mut range = wanted.trim();
    range = range.split(['.', '@', ',', ';']).next().unwrap_or_default();
    while !range.is_empty() {
        if let Some(at) = available.clone().position(|language| is_same(range, &language.0)) {
            return Some(at);
        }
        range = shortened(range);
    }
    None
}

/// A range without its last subtag, and without the single letter or digit that would then stand at its end.
fn shortened(range: &str) -> &str {
    let without_last = |range: &str| range.rfind(['-', '_']).unwrap_or(0);
    let mut end = without_last(range);
    let before = without_last(&range[..end]);
    if before > 0 && end - before == 2 {
        end = before;
    }
    &range[..end]
}

fn is_same(range: &str, tag: &str) -> bool {
    let same = |(a, b): (u8, u8)| a.eq_ignore_ascii_case(&b) || (a == b'_' && b == b'-');
    range.len() == tag.len() && range.bytes().zip(tag.bytes()).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn languages(tags: &[&str]) -> Vec<Language> {
        tags.iter().map(|tag| Language::parse(tag).unwrap()).collect()
    }

    #[test]
    fn tags_get_their_canonical_case() {
        for (written, tag) in [
            ("DE", "de"),
            ("de_at", "de-AT"),
            (" pt-br ", "pt-BR"),
            ("ZH-hANT-tw", "zh-Hant-TW"),
            ("sr-Latn", "sr-Latn"),
            ("es-419", "es-419"),
            ("de-CH-1996", "de-CH-1996"),
            ("nds", "nds"),
        ] {
            assert_eq!(Language::parse(written).unwrap().as_str(), tag);
        }
    }

    #[test]
    fn what_is_no_tag_is_refused_with_an_example() {
        let long = "de-".repeat(20) + "x";
        for text in [
            "",
            "d",
            "german",
            "de-",
            "-de",
            "de--AT",
            "de AT",
            "de-a",
            "d\u{e9}",
            "de\r\nX-Evil: 1",
            "x-private",
            "*",
            "123",
            &long,
        ] {
            let error = Language::parse(text).unwrap_err().to_string();
            assert!(error.contains("pt-BR") && error.len() < 200, "{text:?}: {error}");
        }
    }

    #[test]
    fn the_nearest_language_is_found_by_shortening() {
        let available = languages(&["de", "de-AT", "pt-BR", "zh-Hant", "fr"]);
        for (wanted, found) in [
            ("de", Some("de")),
            ("DE_at", Some("de-AT")),
            ("de-CH", Some("de")),
            ("de-AT-1996", Some("de-AT")),
            ("de_DE.UTF-8", Some("de")),
            ("fr-FR,fr;q=0.9", Some("fr")),
            (" pt-br ", Some("pt-BR")),
            ("pt", None),
            ("zh-hant-tw", Some("zh-Hant")),
            ("zh-TW", None),
            // A single letter goes with what follows it.
            ("zh-Hant-u-co-pinyin", Some("zh-Hant")),
            ("fr-x-private", Some("fr")),
            ("deutsch", None),
            ("d", None),
            ("*", None),
            ("-", None),
            ("", None),
        ] {
            let at = lookup(wanted, available.iter());
            assert_eq!(at.map(|at| available[at].as_str()), found, "{wanted:?}");
        }
        assert_eq!(lookup("de", [].iter()), None);
    }

    #[test]
    fn a_tag_is_stored_as_text_and_read_with_the_same_care() {
        let tag = Language::parse("de-at").unwrap();
        let json = serde_json::to_string(&tag).unwrap();
        assert_eq!(json, "\"de-AT\"");
        assert_eq!(serde_json::from_str::<Language>(&json).unwrap(), tag);
        assert!(serde_json::from_str::<Language>("\"no tag\"").is_err());
    }
}
