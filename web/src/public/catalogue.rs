//! The texts of the public pages in every language, and which language a visitor gets.

use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use tidings_campaign::language::{Language, lookup};
use tidings_campaign::time::Timestamp;

/// The first is for everybody whose language is not among them.
const FILES: [(&str, &str); 4] = [
    ("en", include_str!("en.toml")),
    ("de", include_str!("de.toml")),
    ("fr", include_str!("fr.toml")),
    ("es", include_str!("es.toml")),
];

/// How much of an `Accept-Language` field is read: browsers send about ten ranges.
const RANGES: usize = 20;
const FIELD_OCTETS: usize = 500;

/// All languages.
pub(crate) struct Catalogue(Vec<Translation>);

/// One language.
pub(crate) struct Translation {
    pub(crate) language: Language,
    pub(crate) texts: Texts,
}

/// What a file of texts has. In braces stand names of what is put in.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Texts {
    date: String,
    first_of_month: String,
    months: [String; 12],
    pub(crate) ask_title: String,
    pub(crate) choice_legend: String,
    pub(crate) choice_lists: String,
    pub(crate) choice_newsletter: String,
    pub(crate) choice_all: String,
    pub(crate) choice_pause: String,
    pub(crate) reason_legend: String,
    pub(crate) reason_too_many: String,
    pub(crate) reason_not_relevant: String,
    pub(crate) reason_never_signed_up: String,
    pub(crate) reason_other: String,
    pub(crate) comment_label: String,
    pub(crate) confirm: String,
    pub(crate) unsubscribed_title: String,
    pub(crate) unsubscribed: String,
    pub(crate) unsubscribed_lists: String,
    pub(crate) unsubscribed_all: String,
    pub(crate) paused_title: String,
    pub(crate) paused: String,
    pub(crate) back_question: String,
    pub(crate) back: String,
    pub(crate) came_back_title: String,
    pub(crate) came_back: String,
    pub(crate) suppressed: String,
    pub(crate) other_choices: String,
    pub(crate) broken_title: String,
    pub(crate) broken: String,
    pub(crate) not_a_form_title: String,
    pub(crate) not_a_form: String,
    pub(crate) not_done_title: String,
    pub(crate) unusable: String,
    pub(crate) too_late: String,
    pub(crate) not_yet_title: String,
    pub(crate) not_yet: String,
    pub(crate) try_again: String,
    pub(crate) broken_or_gone: String,
    pub(crate) too_long_title: String,
    pub(crate) too_long: String,
    pub(crate) trap_title: String,
    pub(crate) trap: String,
    pub(crate) busy_title: String,
    pub(crate) busy: String,
    pub(crate) gone_title: String,
    pub(crate) gone: String,
    pub(crate) cannot_show_title: String,
    pub(crate) cannot_show: String,
    pub(crate) not_found_title: String,
    pub(crate) not_found: String,
    pub(crate) archive_empty: String,
    pub(crate) archive_older: String,
    pub(crate) archive_feed: String,
    pub(crate) sign_up_title: String,
    pub(crate) sign_up_text: String,
    pub(crate) address_label: String,
    pub(crate) name_label: String,
    pub(crate) trap_label: String,
    pub(crate) sign_up_button: String,
    pub(crate) asked_title: String,
    pub(crate) asked: String,
    pub(crate) asked_nothing: String,
    pub(crate) bad_address: String,
    pub(crate) opt_in_title: String,
    pub(crate) opt_in: String,
    pub(crate) opt_in_button: String,
    pub(crate) opted_in_title: String,
    pub(crate) opted_in: String,
    pub(crate) opt_in_late_title: String,
    pub(crate) opt_in_late: String,
    pub(crate) sign_up_again: String,
    pub(crate) letter_subject: String,
    pub(crate) letter_ask: String,
    pub(crate) letter_button: String,
    pub(crate) letter_until: String,
    pub(crate) letter_ignore: String,
    pub(crate) preferences: PreferenceTexts,
}

/// What stands on the page of preferences, and in the letter that confirms another address.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreferenceTexts {
    pub(crate) link: String,
    pub(crate) title: String,
    pub(crate) intro: String,
    pub(crate) saved: String,
    pub(crate) unsubscribe_link: String,
    pub(crate) lists_legend: String,
    pub(crate) list_pending: String,
    pub(crate) lists_hint: String,
    pub(crate) save: String,
    pub(crate) profile_title: String,
    pub(crate) name_label: String,
    pub(crate) choice_none: String,
    pub(crate) too_long: String,
    pub(crate) no_choice: String,
    pub(crate) no_day: String,
    pub(crate) address_title: String,
    pub(crate) address_label: String,
    pub(crate) address_hint: String,
    pub(crate) address_ask: String,
    pub(crate) address_bad: String,
    pub(crate) address_same: String,
    pub(crate) address_sent: String,
    pub(crate) too_many: String,
    pub(crate) download_title: String,
    pub(crate) download_hint: String,
    pub(crate) download: String,
    pub(crate) erase_title: String,
    pub(crate) erase_hint: String,
    pub(crate) erase: String,
    pub(crate) erase_sure_title: String,
    pub(crate) erase_sure: String,
    pub(crate) erase_yes: String,
    pub(crate) erased_title: String,
    pub(crate) erased: String,
    pub(crate) stale_title: String,
    pub(crate) stale: String,
    pub(crate) confirm_title: String,
    pub(crate) confirm: String,
    pub(crate) confirm_button: String,
    pub(crate) changed_title: String,
    pub(crate) changed: String,
    pub(crate) not_changed_title: String,
    pub(crate) not_changed: String,
    pub(crate) expired: String,
    pub(crate) letter_subject: String,
    pub(crate) letter_ask: String,
    pub(crate) letter_until: String,
    pub(crate) letter_known: String,
}

impl Texts {
    /// A day in words, in UTC.
    pub(crate) fn day(&self, moment: Timestamp) -> String {
        let date = jiff::tz::TimeZone::UTC.to_datetime(moment.to_jiff()).date();
        let day = match date.day() {
            1 => self.first_of_month.clone(),
            day => day.to_string(),
        };
        let month = usize::try_from(date.month() - 1).expect("months begin with 1");
        let year = date.year().to_string();
        let parts = [
            ("day", day.as_str()),
            ("month", &self.months[month]),
            ("year", &year),
        ];
        filled(&self.date, &parts)
    }
}

/// A text with the values of its names. What is put in is not looked at again.
pub(crate) fn filled(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let value = values.iter().find(|(known, _)| *known == name);
        out.push_str(before);
        out.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    out + rest
}

impl Catalogue {
    pub(crate) fn new() -> Self {
        let translation = |(tag, text)| Translation {
            language: Language::parse(tag).expect("our tags are well-formed"),
            texts: toml::from_str(text).expect("the embedded texts are tested"),
        };
        Catalogue(FILES.map(translation).into())
    }

    /// For a recipient whose language is said to be this one; none if it is not among ours.
    pub(crate) fn suiting(&self, wanted: &str) -> Option<&Translation> {
        let languages = self.0.iter().map(|translation| &translation.language);
        lookup(wanted, languages).map(|at| &self.0[at])
    }

    /// For a browser that sends this `Accept-Language` field (RFC 9110 section 12.5.4).
    pub(crate) fn accepted(&self, field: &str) -> &Translation {
        let mut end = field.len().min(FIELD_OCTETS);
        while !field.is_char_boundary(end) {
            end -= 1;
        }
        let ranges = field[..end].split(',').take(RANGES);
        let mut wanted: Vec<(&str, f32)> = ranges
            .filter_map(weighted)
            .filter(|(_, weight)| *weight > 0.0)
            .collect();
        // Stable: of equal ones the first is meant.
        wanted.sort_by_key(|(_, weight)| Reverse((weight * 1000.0) as u32));
        let first = wanted.into_iter().find_map(|(range, _)| self.suiting(range));
        first.unwrap_or(&self.0[0])
    }
}

/// A range and its weight, between 0 and 1.
fn weighted(item: &str) -> Option<(&str, f32)> {
    let (range, parameter) = item.split_once(';').unwrap_or((item, "q=1"));
    let weight = parameter
        .trim()
        .strip_prefix(['q', 'Q'])?
        .trim_start()
        .strip_prefix('=')?;
    let weight: f32 = weight.trim().parse().ok()?;
    (0.0..=1.0).contains(&weight).then_some((range.trim(), weight))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// All texts of a file; those of a section under its name and theirs.
    fn texts(file: &str) -> toml::Table {
        let mut texts = toml::Table::new();
        for (key, value) in toml::from_str::<toml::Table>(file).unwrap() {
            match value {
                toml::Value::Table(section) => {
                    texts.extend(
                        section
                            .into_iter()
                            .map(|(name, text)| (format!("{key}.{name}"), text)),
                    );
                }
                text => drop(texts.insert(key, text)),
            }
        }
        texts
    }

    /// The names in braces of every text, by key.
    fn placeholders(file: &str) -> BTreeMap<String, BTreeSet<String>> {
        let table = texts(file);
        let names = |text: &str| {
            let parts = text.split('{').skip(1);
            parts
                .map(|part| part.split_once('}').expect("a closing brace").0.to_owned())
                .collect()
        };
        table
            .into_iter()
            .map(|(key, value)| (key, value.as_str().map(names).unwrap_or_default()))
            .collect()
    }

    #[test]
    fn every_language_has_the_same_keys_and_placeholders() {
        let english = placeholders(FILES[0].1);
        for (tag, file) in FILES {
            assert_eq!(placeholders(file), english, "{tag}");
            for (key, value) in texts(file) {
                assert!(!value.to_string().contains("\"\""), "{key} is empty in {tag}");
            }
        }
        assert_eq!(Catalogue::new().0.len(), FILES.len());
    }

    #[test]
    fn no_text_is_left_untranslated() {
        let english = texts(FILES[0].1);
        for (tag, file) in &FILES[1..] {
            for (key, value) in texts(file) {
                let may_be_equal = ["date", "first_of_month"].contains(&key.as_str());
                assert!(may_be_equal || value != english[&key], "{key} in {tag}");
            }
        }
    }

    #[test]
    fn the_browser_s_language_is_taken_by_weight_and_nearness() {
        let catalogue = Catalogue::new();
        let found = |field: &str| catalogue.accepted(field).language.to_string();
        for (field, tag) in [
            ("de-AT,de;q=0.9,en;q=0.8", "de"),
            ("fr-CA", "fr"),
            ("en;q=0.5, es-419;q=0.7", "es"),
            ("ja, fr;q=0.2", "fr"),
            ("de;q=0, es;q=0.1", "es"),
            ("de;q=2", "en"),
            ("de;level=1", "en"),
            ("*", "en"),
            ("", "en"),
            (",;,=;q", "en"),
        ] {
            assert_eq!(found(field), tag, "{field}");
        }
        let flood = format!("{}de", "x,".repeat(100_000));
        assert_eq!(found(&flood), "en");
        assert_eq!(found(&"ü".repeat(400)), "en");
    }

    #[test]
    fn days_are_written_as_each_language_does() {
        let catalogue = Catalogue::new();
        let day = |tag: &str, seconds: i64| {
            let texts = &catalogue.suiting(tag).unwrap().texts;
            texts.day(Timestamp::from_seconds(seconds))
        };
        let (first, other) = (1_798_761_600, 1_803_772_800);
        assert_eq!(day("en", first), "1 January 2027");
        assert_eq!(day("de", first), "1. Januar 2027");
        assert_eq!(day("fr", first), "1er janvier 2027");
        assert_eq!(day("fr", other), "28 février 2027");
        assert_eq!(day("es", other), "28 de febrero de 2027");
    }

    #[test]
    fn what_is_put_in_is_not_filled_again() {
        let text = filled(
            "From {lists}, {weeks}{lost}!",
            &[("lists", "{weeks}"), ("weeks", "4")],
        );
        assert_eq!(text, "From {weeks}, 4!");
        assert_eq!(filled("an open {brace", &[]), "an open ");
    }
}
