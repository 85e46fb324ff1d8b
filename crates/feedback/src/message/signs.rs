//! By what a report that follows no standard is recognised: a table of phrases, compiled once.

use crate::rules::phrases::{Found, Gathering, PhraseId, Phrases};
use crate::rules::words::words;
use serde::Deserialize;
use std::sync::LazyLock;

/// The table, ready for use.
pub static SIGNS: LazyLock<Signs> =
    LazyLock::new(|| Signs::new().expect("the table in this crate is tested"));

/// The lists of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A subject of a report.
    BounceSubject,
    /// What a report says of a failure.
    Failure,
    /// What a report says of mail that is late.
    Delay,
    /// What announces the returned message.
    Original,
    /// A subject of a machine's answer.
    AutoreplySubject,
    /// A text of a machine's answer.
    AutoreplyText,
    /// A complaint.
    Complaint,
    /// A question to a person.
    Question,
}

/// Phrases by list.
#[derive(Debug)]
pub struct Signs {
    phrases: Phrases,
    lists: [Vec<PhraseId>; 8],
    labels: Vec<String>,
    labels_alone: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    bounce_subject: Vec<String>,
    failure: Vec<String>,
    delay: Vec<String>,
    label: Vec<String>,
    label_alone: Vec<String>,
    original: Vec<String>,
    autoreply_subject: Vec<String>,
    autoreply_text: Vec<String>,
    complaint: Vec<String>,
    question: Vec<String>,
}

impl Signs {
    fn new() -> Option<Signs> {
        let table: Table = toml::from_str(include_str!("signs.toml")).ok()?;
        let mut gathering = Gathering::default();
        let mut add = |list: Vec<String>| {
            list.iter()
                .map(|phrase| gathering.add(phrase))
                .collect::<Option<Vec<_>>>()
        };
        let lists = [
            add(table.bounce_subject)?,
            add(table.failure)?,
            add(table.delay)?,
            add(table.original)?,
            add(table.autoreply_subject)?,
            add(table.autoreply_text)?,
            add(table.complaint)?,
            add(table.question)?,
        ];
        Some(Signs {
            phrases: gathering.compile()?,
            lists,
            labels: table.label.iter().map(|label| words(label)).collect(),
            labels_alone: table.label_alone.iter().map(|label| words(label)).collect(),
        })
    }

    /// Whether what stands before an address on its line says that it is a recipient.
    pub fn labels(&self, before: &str) -> bool {
        let before = words(before);
        self.labels_alone.contains(&before) || self.labels.iter().any(|label| before.ends_with(label))
    }

    /// Which signs a text has.
    pub fn of(&self, text: &str) -> Seen<'_> {
        Seen {
            lists: &self.lists,
            found: self.phrases.found(&words(text)),
        }
    }
}

/// Which signs a text has.
#[derive(Debug)]
pub struct Seen<'s> {
    lists: &'s [Vec<PhraseId>; 8],
    found: Found,
}

impl Seen<'_> {
    /// Whether it has this one.
    pub fn has(&self, sign: Sign) -> bool {
        self.found.has_any(&self.lists[sign as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        assert!(Signs::new().is_some());
        assert!(
            SIGNS
                .of("Undelivered Mail Returned to Sender")
                .has(Sign::BounceSubject)
        );
    }
}
