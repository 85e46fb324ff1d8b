//! Section `[preferences]`.

use anyhow::{bail, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use tidings_campaign::language::Language;
use tidings_campaign::preferences::{AttributeKind, LONGEST_TEXT, OpenAttribute};
use tidings_web::PreferenceSettings;

/// Attributes that can be opened, answers of a choice, and characters of what recipients read there.
const MOST_ATTRIBUTES: usize = 20;
const MOST_CHOICES: usize = 100;
const LONGEST_LABEL: usize = 100;
/// The longest text if nothing else is said.
const TEXT: usize = 100;

/// What recipients may see and change of themselves (docs/preferences.md).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PreferencesSection {
    /// Lists that whoever has a link may join.
    #[serde(default)]
    lists: Vec<String>,
    name: Option<bool>,
    change_address: Option<bool>,
    download: Option<bool>,
    erase: Option<bool>,
    #[serde(default)]
    attribute: Vec<AttributeSection>,
}

/// `[[preferences.attribute]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributeSection {
    name: String,
    label: Option<String>,
    /// By language.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(rename = "type")]
    kind: String,
    choices: Option<Vec<String>>,
    longest: Option<usize>,
}

impl PreferencesSection {
    pub(super) fn check(self) -> anyhow::Result<PreferenceSettings> {
        ensure!(
            self.attribute.len() <= MOST_ATTRIBUTES,
            "section [preferences]: at most {MOST_ATTRIBUTES} attributes can be opened"
        );
        let attributes: Vec<_> = self
            .attribute
            .into_iter()
            .map(AttributeSection::check)
            .collect::<anyhow::Result<_>>()?;
        for (at, attribute) in attributes.iter().enumerate() {
            if attributes[..at].iter().any(|other| other.name == attribute.name) {
                bail!(
                    "section [[preferences.attribute]]: two have the name `{}`",
                    attribute.name
                );
            }
        }
        Ok(PreferenceSettings {
            lists: self.lists,
            name: self.name.unwrap_or(true),
            attributes,
            change_address: self.change_address.unwrap_or(true),
            download: self.download.unwrap_or(true),
            erase: self.erase.unwrap_or(true),
        })
    }
}

impl AttributeSection {
    fn check(self) -> anyhow::Result<OpenAttribute> {
        let place = format!("section [[preferences.attribute]] `{}`", self.name);
        let is_label = |text: &str| !text.trim().is_empty() && text.chars().count() <= LONGEST_LABEL;
        ensure!(
            is_label(&self.name),
            "{place}: name is an attribute's name, of at most {LONGEST_LABEL} characters"
        );
        let label = self.label.unwrap_or_else(|| self.name.clone());
        ensure!(
            is_label(&label) && self.labels.values().all(|text| is_label(text)),
            "{place}: a label has 1 to {LONGEST_LABEL} characters"
        );
        if let Some(tag) = self.labels.keys().find(|tag| Language::parse(tag).is_err()) {
            bail!("{place}: labels: `{tag}` is not a language tag such as de or pt-BR");
        }
        let kind = match self.kind.as_str() {
            "text" => AttributeKind::Text(self.longest.unwrap_or(TEXT)),
            "choice" => AttributeKind::Choice(self.choices.clone().unwrap_or_default()),
            "bool" => AttributeKind::Bool,
            "date" => AttributeKind::Date,
            other => bail!("{place}: type = \"{other}\": choose text, choice, bool or date"),
        };
        match &kind {
            AttributeKind::Text(longest) => ensure!(
                (1..=LONGEST_TEXT).contains(longest),
                "{place}: longest is between 1 and {LONGEST_TEXT}"
            ),
            AttributeKind::Choice(choices) => ensure!(
                (1..=MOST_CHOICES).contains(&choices.len()) && choices.iter().all(|text| is_label(text)),
                "{place}: choices: name 1 to {MOST_CHOICES} answers of at most {LONGEST_LABEL} characters"
            ),
            AttributeKind::Bool | AttributeKind::Date => {}
        }
        ensure!(
            self.choices.is_none() || matches!(kind, AttributeKind::Choice(_)),
            "{place}: choices go with type = \"choice\" only"
        );
        ensure!(
            self.longest.is_none() || matches!(kind, AttributeKind::Text(_)),
            "{place}: longest goes with type = \"text\" only"
        );
        Ok(OpenAttribute {
            name: self.name,
            label,
            labels: self.labels,
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<PreferenceSettings, String> {
        let section: PreferencesSection = toml::from_str(text).unwrap();
        section.check().map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn attributes_are_opened_with_their_kinds() {
        let settings = check(
            "lists = [\"news\"]\nerase = false\n[[attribute]]\nname = \"city\"\nlabel = \"City\"\ntype = \"text\"\n\
             longest = 40\nlabels = { de = \"Stadt\" }\n[[attribute]]\nname = \"often\"\ntype = \"choice\"\n\
             choices = [\"daily\", \"weekly\"]\n[[attribute]]\nname = \"born\"\ntype = \"date\"\n",
        )
        .unwrap();
        assert!(settings.name && settings.download && !settings.erase);
        assert_eq!(settings.lists, ["news"]);
        let kinds: Vec<_> = settings.attributes.into_iter().map(|open| open.kind).collect();
        assert_eq!(
            kinds,
            [
                AttributeKind::Text(40),
                AttributeKind::Choice(vec!["daily".into(), "weekly".into()]),
                AttributeKind::Date
            ]
        );
    }

    #[test]
    fn what_cannot_be_opened_is_named() {
        let one = |rest: &str| format!("[[attribute]]\nname = \"city\"\n{rest}");
        for (text, part) in [
            (one("type = \"number\""), "text, choice, bool or date"),
            (one("type = \"choice\""), "choices"),
            (one("type = \"text\"\nlongest = 9000"), "between 1 and 500"),
            (one("type = \"bool\"\nlongest = 5"), "longest goes with"),
            (one("type = \"date\"\nchoices = [\"a\"]"), "choices go with"),
            (one("type = \"bool\"\nlabel = \"\""), "label"),
            (
                one("type = \"bool\"\nlabels = { \"d e\" = \"x\" }"),
                "language tag",
            ),
            (format!("{0}\n{0}", one("type = \"bool\"")), "two have the name"),
        ] {
            let error = check(&text).unwrap_err();
            assert!(
                error.contains(part) && error.contains("city"),
                "{part} is missing in: {error}"
            );
        }
    }
}
