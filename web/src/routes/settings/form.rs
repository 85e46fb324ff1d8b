//! The form of a part of the configuration, as a page shows it. Pure.

use crate::operator::{
    Entry, Fault, Holds, Kind, Part, PartShown, Setting, Source, entries, without_password,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// A wish that was refused.
pub(super) struct Refused {
    pub(super) part: Part,
    /// A part that was to be added has no form of its own yet.
    pub(super) is_new: bool,
    pub(super) values: BTreeMap<String, String>,
    pub(super) faults: Vec<Fault>,
}

impl Refused {
    fn fault(&self, key: &str) -> Option<String> {
        let about = |fault: &&Fault| fault.key.as_deref() == Some(key);
        self.faults.iter().find(about).map(|fault| fault.text.clone())
    }

    /// What no field can say.
    pub(super) fn others(&self) -> impl Iterator<Item = &str> {
        self.faults
            .iter()
            .filter(|fault| fault.key.is_none())
            .map(|fault| fault.text.as_str())
    }
}

#[derive(Default, Serialize)]
pub(super) struct FormView {
    /// The beginning of the fields' ids.
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) title: String,
    pub(super) note: String,
    pub(super) wish: &'static str,
    /// A new part is given its name.
    pub(super) name_label: Option<&'static str>,
    pub(super) name_hint: &'static str,
    pub(super) name_fault: Option<String>,
    /// It can be removed.
    pub(super) can_go: bool,
    /// Nothing of it is in the file.
    pub(super) is_elsewhere: bool,
    pub(super) groups: Vec<GroupView>,
}

#[derive(Serialize)]
pub(super) struct GroupView {
    name: &'static str,
    /// Behind a heading that opens it.
    is_folded: bool,
    is_open: bool,
    fields: Vec<FieldView>,
}

#[derive(Serialize)]
struct FieldView {
    id: String,
    key: &'static str,
    label: &'static str,
    hint: &'static str,
    value: String,
    default: &'static str,
    choices: Vec<Choice>,
    is_password: bool,
    is_number: bool,
    /// It needs more room than others.
    is_long: bool,
    /// It is shown and not written.
    is_fixed: bool,
    /// Where the value is from.
    origin: String,
    is_waiting: bool,
    error: Option<String>,
}

#[derive(Serialize)]
struct Choice {
    value: &'static str,
    word: String,
    is_chosen: bool,
}

/// The groups that most people need.
const OPEN: [&str; 3] = ["", "Login", "Speed"];

/// The form that changes a part. `at`: a number of its own on the page.
pub(super) fn of(shown: &PartShown, at: usize, refused: Option<&Refused>) -> FormView {
    let refused = refused.filter(|refused| refused.part == shown.part && !refused.is_new);
    let is_relay = matches!(shown.part, Part::Relay(_));
    FormView {
        wish: "set",
        can_go: shown.is_in_file && shown.part.can_go(),
        is_elsewhere: is_relay && !shown.is_in_file,
        groups: groups(&shown.part, Some(shown), at, refused),
        ..beginning(&shown.part, at)
    }
}

/// The form that adds a part of this kind.
pub(super) fn new(part: &Part, at: usize, refused: Option<&Refused>) -> FormView {
    let is_it = |refused: &&Refused| refused.is_new && refused.part.kind() == part.kind();
    let refused = refused.filter(is_it);
    FormView {
        wish: "add",
        name: refused.map_or_else(String::new, |refused| refused.part.name().to_owned()),
        name_fault: refused.and_then(|refused| refused.fault("name")),
        groups: groups(part, None, at, refused),
        ..beginning(part, at)
    }
}

fn beginning(part: &Part, at: usize) -> FormView {
    FormView {
        id: format!("{}-{at}", part.kind()),
        kind: part.kind(),
        name: part.name().to_owned(),
        ..FormView::default()
    }
}

fn groups(part: &Part, shown: Option<&PartShown>, at: usize, refused: Option<&Refused>) -> Vec<GroupView> {
    let mut groups: Vec<GroupView> = Vec::new();
    for entry in entries(part) {
        let setting = shown.and_then(|shown| shown.settings.get(entry.key));
        let field = field(
            entry,
            setting,
            format!("{}-{at}-{}", part.kind(), entry.key.replace('.', "-")),
            refused,
        );
        // What cannot be written here is worth a line only if it is there.
        if entry.kind == Kind::FileOnly && field.value.is_empty() {
            continue;
        }
        let is_folded = !OPEN.contains(&entry.group) && matches!(part, Part::Relay(_));
        let is_used = !field.value.is_empty() || field.error.is_some();
        match groups.last_mut() {
            Some(group) if group.name == entry.group => {
                group.is_open |= is_used;
                group.fields.push(field);
            }
            _ => groups.push(GroupView {
                name: entry.group,
                is_folded,
                is_open: is_used,
                fields: vec![field],
            }),
        }
    }
    groups
}

fn field(
    entry: &'static Entry,
    setting: Option<&Setting>,
    id: String,
    refused: Option<&Refused>,
) -> FieldView {
    let is_variable = setting.is_some_and(|setting| matches!(setting.source, Source::Variable(_)));
    let is_fixed = is_variable || entry.kind == Kind::FileOnly;
    let configured = setting.map(|setting| setting.value.as_str()).unwrap_or_default();
    let wished = refused
        .and_then(|refused| refused.values.get(entry.key))
        .filter(|_| !is_fixed);
    let value = match (entry.kind, wished) {
        // Not even what was written a moment ago.
        (Kind::Secret, _) => String::new(),
        (_, Some(wished)) if entry.key == "url" => without_password(wished),
        (_, Some(wished)) => wished.clone(),
        (_, None) => configured.to_owned(),
    };
    FieldView {
        id,
        key: entry.key,
        label: entry.label,
        hint: entry.hint,
        default: entry.default,
        choices: choices(entry, &value),
        is_password: entry.kind == Kind::Secret,
        is_number: entry.kind == Kind::Number,
        is_long: entry.key == "url",
        is_fixed,
        origin: origin(entry, setting),
        is_waiting: setting.is_some_and(|setting| setting.is_waiting),
        error: refused.and_then(|refused| refused.fault(entry.key)),
        value,
    }
}

fn choices(entry: &Entry, value: &str) -> Vec<Choice> {
    let words: &[&'static str] = match entry.kind {
        Kind::OneOf(words) => words,
        Kind::Flag => &["true", "false"],
        _ => return Vec::new(),
    };
    let choice = |word: &'static str, shown: String| Choice {
        value: word,
        word: shown,
        is_chosen: word == value,
    };
    let default = match entry.default {
        "" => "default".to_owned(),
        default => format!("default: {default}"),
    };
    let first = choice("", default);
    std::iter::once(first)
        .chain(words.iter().map(|word| choice(word, (*word).to_owned())))
        .collect()
}

fn has_choices(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::OneOf(_) | Kind::Flag)
}

/// Where a value is from, and when another would hold.
fn origin(entry: &Entry, setting: Option<&Setting>) -> String {
    let from = match setting.map(|setting| &setting.source) {
        Some(Source::Variable(name)) => format!("set by the variable {name}, which goes before the file"),
        _ if entry.kind == Kind::Secret => String::new(),
        Some(Source::File) if entry.kind == Kind::FileOnly => {
            "from the file, and changed there alone".to_owned()
        }
        Some(Source::File) => "from the file".to_owned(),
        // A choice says its default itself.
        Some(Source::Default) | None if entry.default.is_empty() || has_choices(entry) => String::new(),
        Some(Source::Default) | None => format!("default: {}", entry.default),
    };
    let when = match entry.holds {
        Holds::AtOnce => "",
        Holds::AtOnceForReplies => "for replies at once, for reports after a restart",
        Holds::AfterRestart => "holds after a restart",
    };
    [from.as_str(), when]
        .into_iter()
        .filter(|words| !words.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str, source: Source) -> PartShown {
        let part = Part::Relay("a".to_owned());
        let setting = |entry: &'static Entry| {
            let is_url = entry.key == "url";
            let value = if is_url { value } else { "" }.to_owned();
            let source = if is_url { source.clone() } else { Source::Default };
            (
                entry.key,
                Setting {
                    value,
                    source,
                    is_waiting: false,
                },
            )
        };
        PartShown {
            settings: entries(&part).iter().map(setting).collect(),
            part,
            is_in_file: true,
        }
    }

    fn url_of(form: &FormView) -> &FieldView {
        &form.groups[0].fields[0]
    }

    #[test]
    fn what_a_variable_says_is_shown_and_cannot_be_written() {
        let variable = Source::Variable("TIDINGS_RELAY_URL".to_owned());
        let form = of(&shown("smtp://127.0.0.1", variable), 0, None);
        assert!(url_of(&form).is_fixed && url_of(&form).origin.contains("TIDINGS_RELAY_URL"));
    }

    #[test]
    fn what_was_refused_is_shown_again_without_a_secret() {
        let values = [("url", "smtp://ann:hunter2@host"), ("password", "hunter2")];
        let refused = Refused {
            part: Part::Relay("a".to_owned()),
            is_new: false,
            values: values
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            faults: vec![Fault {
                key: Some("url".to_owned()),
                text: "no".to_owned(),
            }],
        };
        let form = of(&shown("smtp://127.0.0.1", Source::File), 0, Some(&refused));
        assert_eq!(url_of(&form).error.as_deref(), Some("no"));
        let json = serde_json::to_string(&form).unwrap();
        assert!(
            json.contains("smtp://ann@host") && !json.contains("hunter2"),
            "{json}"
        );
    }
}
