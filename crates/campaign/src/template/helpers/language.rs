//! Which language a helper speaks, and the formatters of each language, made once for a thread.

use super::call::{Call, Fault};
use super::date::{DateFormatter, Shape};
use icu_decimal::DecimalFormatter;
use icu_locale_core::LanguageIdentifier;
use icu_plurals::PluralRules;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;

/// Entries of one kind that a thread keeps. A newsletter needs a handful; recipients could bring more.
const KEPT: usize = 200;

#[derive(Default)]
struct Known {
    /// What is written in an attribute, and the language that is meant.
    languages: HashMap<String, Option<LanguageIdentifier>>,
    numbers: HashMap<LanguageIdentifier, DecimalFormatter>,
    plurals: HashMap<LanguageIdentifier, PluralRules>,
    dates: HashMap<(LanguageIdentifier, Shape), DateFormatter>,
}

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// The language of a call: its argument `locale`, else that of the translation, else the recipient's attribute `language` or `locale` if that is a
/// language, else English.
pub(super) fn of(call: &Call<'_>) -> Result<LanguageIdentifier, Fault> {
    if let Some(asked) = call.text_option("locale")? {
        return parse(&asked).ok_or_else(|| Fault::Because(not_known(&asked)));
    }
    let of_recipient = call.languages.iter().flatten().find_map(|written| parse(written));
    Ok(of_recipient.unwrap_or(icu_locale_core::langid!("en")))
}

/// What is wrong with a locale, if it is none.
pub(super) fn unknown(locale: &str) -> Option<String> {
    parse(locale).is_none().then(|| not_known(locale))
}

fn not_known(locale: &str) -> String {
    format!("the locale “{locale}” is not known: write it like de or de-AT")
}

/// `de`, `de-AT`, `de_AT`, `de_AT.UTF-8`, in any case; nothing else is a language.
fn parse(written: &str) -> Option<LanguageIdentifier> {
    const LONGEST: usize = 35;
    if written.len() > LONGEST {
        return None;
    }
    KNOWN.with_borrow_mut(|known| {
        if let Some(language) = known.languages.get(written) {
            return language.clone();
        }
        let tag = written
            .trim()
            .split(['.', '@'])
            .next()
            .unwrap_or_default()
            .replace('_', "-");
        let language: Option<LanguageIdentifier> = tag.parse().ok().filter(super::date::has_names);
        keep(&mut known.languages, written.to_owned(), language.clone());
        language
    })
}

fn keep<K: Eq + Hash, V>(kept: &mut HashMap<K, V>, key: K, value: V) {
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(key, value);
}

/// Finds a formatter or makes it, and uses it.
macro_rules! with_formatter {
    ($kept:ident, $key:expr, $make:expr, $use:expr) => {
        KNOWN.with_borrow_mut(|known| {
            let key = $key;
            if !known.$kept.contains_key(&key) {
                let made = $make.map_err(|error| Fault::Because(error.to_string()))?;
                keep(&mut known.$kept, key.clone(), made);
            }
            Ok($use(&known.$kept[&key]))
        })
    };
}

pub(super) fn with_numbers<R>(
    language: &LanguageIdentifier,
    user: impl FnOnce(&DecimalFormatter) -> R,
) -> Result<R, Fault> {
    with_formatter!(
        numbers,
        language.clone(),
        DecimalFormatter::try_new(language.into(), Default::default()),
        user
    )
}

pub(super) fn with_plurals<R>(
    language: &LanguageIdentifier,
    user: impl FnOnce(&PluralRules) -> R,
) -> Result<R, Fault> {
    with_formatter!(
        plurals,
        language.clone(),
        PluralRules::try_new_cardinal(language.into()),
        user
    )
}

pub(super) fn with_dates<R>(
    language: &LanguageIdentifier,
    shape: Shape,
    user: impl FnOnce(&DateFormatter) -> R,
) -> Result<R, Fault> {
    with_formatter!(dates, (language.clone(), shape), shape.formatter(language), user)
}
