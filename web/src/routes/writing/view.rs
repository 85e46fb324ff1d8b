//! What the page for writing shows.

use super::form::{Faults, Form, Part};
use crate::figures::numbers::{count, share};
use crate::routes::preview::{self, PreviewView};
use serde::Serialize;
use std::collections::BTreeMap;
use tidings_campaign::recipient::Recipient;
use tidings_campaign::starters::Starter;
use tidings_campaign::tracking::Tracking;
use tidings_store::campaign_files::FileSummary;
use tidings_store::lists::List;
use tidings_store::templates::TemplateSummary;

/// What is read for the page.
pub(super) struct Read {
    pub(super) lists: Vec<List>,
    pub(super) templates: Vec<TemplateSummary>,
    pub(super) files: Vec<FileSummary>,
    /// Some of those whom the chosen lists reach.
    pub(super) sample: Vec<Recipient>,
}

/// Where the form stands.
#[derive(Default)]
pub(super) struct Standing {
    /// The campaign, if it is there already, and its state.
    pub(super) campaign: Option<(String, String)>,
    pub(super) may_change: bool,
    pub(super) faults: Faults,
    pub(super) problem: Option<String>,
    /// What is kept now, where somebody else has written it meanwhile.
    pub(super) newer_revision: Option<i64>,
}

#[derive(Serialize)]
pub(super) struct WritingPage {
    campaign: Option<String>,
    state: Option<String>,
    /// Where the form goes.
    target: String,
    may_change: bool,
    problem: Option<String>,
    newer_revision: Option<i64>,
    faults: Faults,
    is_own: bool,
    name: String,
    from_name: String,
    from_address: String,
    reply_to: String,
    subject: String,
    preheader: String,
    template: String,
    new_language: String,
    revision: i64,
    lists: Vec<Choice>,
    templates: Vec<Choice>,
    starters: Vec<Choice>,
    trackings: Vec<Choice>,
    parts: Vec<PartView>,
    files: Vec<String>,
    attributes: Vec<Attribute>,
    looked_at: String,
    preview: PreviewView,
}

#[derive(Serialize)]
struct Choice {
    value: String,
    label: String,
    note: String,
    is_chosen: bool,
}

#[derive(Serialize)]
struct PartView {
    language: String,
    is_fallback: bool,
    /// What stands behind the names of its fields.
    suffix: String,
    subject: String,
    preheader: String,
    html: String,
    text: String,
    html_fault: Option<String>,
    text_fault: Option<String>,
    subject_fault: Option<String>,
    preheader_fault: Option<String>,
}

/// An attribute of those who were looked at, and how many of them have it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Attribute {
    /// As a template says it.
    variable: String,
    filled: String,
}

impl WritingPage {
    pub(super) fn new(form: Form, read: &Read, standing: Standing) -> WritingPage {
        let (campaign, state) = standing.campaign.unzip();
        let target = match &campaign {
            Some(id) => format!("/campaigns/{id}/edit"),
            None => "/campaigns/new".to_owned(),
        };
        let parts = form.parts.iter().map(|part| part_view(part, &standing.faults));
        WritingPage {
            target,
            state,
            campaign,
            may_change: standing.may_change,
            problem: standing.problem,
            newer_revision: standing.newer_revision,
            is_own: !form.parts.is_empty(),
            parts: parts.collect(),
            lists: read.lists.iter().map(|list| list_choice(list, &form)).collect(),
            templates: read
                .templates
                .iter()
                .map(|one| template_choice(one, &form))
                .collect(),
            starters: Starter::all()
                .iter()
                .map(|&starter| starter_choice(starter))
                .collect(),
            trackings: trackings(&form.tracking),
            files: read.files.iter().map(|file| file.file_name.clone()).collect(),
            attributes: attributes(&read.sample),
            looked_at: count(i64::try_from(read.sample.len()).unwrap_or(i64::MAX)),
            preview: preview::view("the first of the lists"),
            faults: standing.faults,
            name: form.name,
            from_name: form.from_name,
            from_address: form.from_address,
            reply_to: form.reply_to,
            subject: form.subject,
            preheader: form.preheader,
            template: form.template,
            new_language: form.new_language,
            revision: form.revision,
        }
    }
}

fn part_view(part: &Part, faults: &Faults) -> PartView {
    let fault = |name: &str| faults.get(&part.field(name)).cloned();
    PartView {
        is_fallback: part.language.is_empty(),
        suffix: part.field(""),
        language: part.language.clone(),
        subject: part.subject.clone(),
        preheader: part.preheader.clone(),
        html: part.html.clone(),
        text: part.text.clone(),
        html_fault: fault("html"),
        text_fault: fault("text"),
        subject_fault: fault("subject"),
        preheader_fault: fault("preheader"),
    }
}

fn list_choice(list: &List, form: &Form) -> Choice {
    let recipients = match list.confirmed {
        1 => "1 recipient".to_owned(),
        n => format!("{} recipients", count(n)),
    };
    Choice {
        value: list.id.to_string(),
        label: list.name.clone(),
        note: recipients,
        is_chosen: form.lists.contains(&list.id.0),
    }
}

fn template_choice(template: &TemplateSummary, form: &Form) -> Choice {
    let languages: Vec<_> = template.languages.iter().map(ToString::to_string).collect();
    Choice {
        value: template.name.clone(),
        label: template.name.clone(),
        note: languages.join(", "),
        is_chosen: template.name == form.template,
    }
}

fn starter_choice(starter: Starter) -> Choice {
    Choice {
        value: starter.name().to_owned(),
        label: starter.name().to_owned(),
        note: starter.purpose().to_owned(),
        is_chosen: false,
    }
}

fn trackings(chosen: &str) -> Vec<Choice> {
    let choice = |value: &str, label: &str| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        note: String::new(),
        is_chosen: value == chosen,
    };
    let word = |mode: Tracking| match mode {
        Tracking::Full => "full: who opened and clicked",
        Tracking::Anonymous => "anonymous: how often, not by whom",
        Tracking::Off => "off: links as they are, no pixel",
    };
    let modes = Tracking::ALL.map(|mode| choice(mode.as_str(), word(mode)));
    let mut choices = vec![choice("", "as the lists or the configuration say")];
    choices.extend(modes);
    choices
}

/// The attributes of some recipients, those that most have first. A value that is empty is none.
fn attributes(sample: &[Recipient]) -> Vec<Attribute> {
    /// Of a wide file nobody reads all columns.
    const MOST: usize = 40;
    let mut filled: BTreeMap<&str, i64> = BTreeMap::new();
    for recipient in sample {
        for (name, value) in &recipient.attributes {
            let is_empty = value.is_null() || value.as_str().is_some_and(|text| text.trim().is_empty());
            *filled.entry(name).or_default() += i64::from(!is_empty);
        }
        *filled.entry("name").or_default() += i64::from(!recipient.name.trim().is_empty());
    }
    let mut filled: Vec<_> = filled.into_iter().collect();
    filled.sort_by_key(|(name, n)| (-n, *name));
    let whole = i64::try_from(sample.len()).unwrap_or(i64::MAX);
    let attribute = |(name, n): (&str, i64)| Attribute {
        variable: format!("{{{{{name}}}}}"),
        filled: share(n, whole),
    };
    filled.into_iter().take(MOST).map(attribute).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tidings_campaign::address::EmailAddress;
    use tidings_campaign::ids::RecipientId;

    #[test]
    fn attributes_are_named_with_how_many_have_them() {
        let recipient = |attributes: Value| Recipient {
            id: RecipientId(1),
            address: EmailAddress::parse("ann@example.org").unwrap(),
            name: String::new(),
            attributes: attributes.as_object().unwrap().clone(),
        };
        let sample = [
            recipient(json!({"city": "Ulm", "plan": " "})),
            recipient(json!({"city": "Bonn", "age": 7})),
        ];
        let found = attributes(&sample);
        let names: Vec<_> = found.iter().map(|one| one.variable.as_str()).collect();
        assert_eq!(names, ["{{city}}", "{{age}}", "{{name}}", "{{plan}}"]);
        assert_eq!(found[0].filled, share(2, 2));
    }
}
