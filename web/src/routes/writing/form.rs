//! The form of a campaign: what was typed into it, and what is wrong with that. Pure.

use std::collections::BTreeMap;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::ListId;
use tidings_campaign::language::Language;
use tidings_campaign::message::Mailbox;
use tidings_campaign::template::{check_html, check_preheader, check_subject, check_text};
use tidings_campaign::tracking::Tracking;
use tidings_store::campaigns::Campaign;
use tidings_store::own_content::OwnContent;
use tidings_store::writing::Writing;
use url::form_urlencoded;

/// Letters of a campaign's name at most.
const LONGEST_NAME: usize = 200;
/// Letters of a sender's name at most.
const LONGEST_SENDER: usize = 200;
/// Languages of a campaign's own content at most, besides the fallback.
const MOST_LANGUAGES: usize = 20;
/// Saves over what somebody else has written meanwhile.
const OVER: &str = "over";
/// What a fault of the content says where nothing more can be said.
const EMPTY: &str = "there is nothing in it yet";

/// What is wrong, by field.
pub(super) type Faults = BTreeMap<String, String>;

/// What stands in the form.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Form {
    pub(super) name: String,
    pub(super) lists: Vec<i64>,
    pub(super) from_name: String,
    pub(super) from_address: String,
    pub(super) reply_to: String,
    pub(super) subject: String,
    pub(super) preheader: String,
    pub(super) template: String,
    /// A mode, or nothing where lists and configuration say it.
    pub(super) tracking: String,
    /// Content of its own, the fallback first; nothing: it sends its template.
    pub(super) parts: Vec<Part>,
    /// The revision that was seen.
    pub(super) revision: i64,
    /// A language to be added.
    pub(super) new_language: String,
    /// What is to be done: `save`, or a change of the form.
    pub(super) action: String,
}

/// Content in one language.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Part {
    /// A tag; nothing for the fallback.
    pub(super) language: String,
    pub(super) subject: String,
    pub(super) preheader: String,
    pub(super) html: String,
    pub(super) text: String,
}

impl Part {
    /// The name of a field of this language: `html`, `html:de`.
    pub(super) fn field(&self, name: &str) -> String {
        match self.language.as_str() {
            "" => name.to_owned(),
            language => format!("{name}:{language}"),
        }
    }
}

impl Form {
    /// Reads a form's body. What does not belong to it is passed over.
    pub(crate) fn read(body: &[u8]) -> Form {
        let mut form = Form::default();
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        let mut languages = Vec::new();
        for (name, value) in form_urlencoded::parse(body) {
            match &*name {
                "list" => form.lists.extend(value.parse::<i64>()),
                "language" if languages.len() <= MOST_LANGUAGES => languages.push(value.into_owned()),
                // Browsers send line breaks as CRLF.
                _ => {
                    values.insert(name.into_owned(), value.replace("\r\n", "\n"));
                }
            }
        }
        let mut take = |name: &str| values.remove(name).unwrap_or_default();
        let mut line = |name: &str| take(name).trim().to_owned();
        form.name = line("name");
        form.from_name = line("from_name");
        form.from_address = line("from_address");
        form.reply_to = line("reply_to");
        form.subject = line("subject");
        form.preheader = line("preheader");
        form.template = line("template");
        form.tracking = line("tracking");
        form.new_language = line("new_language");
        form.action = line("do");
        // Whoever was told that there is a newer one, and wants theirs over it, says so.
        let seen = if form.action == OVER { "newer" } else { "revision" };
        form.revision = line(seen).parse().unwrap_or_default();
        for language in languages {
            let mut part = Part {
                language,
                ..Part::default()
            };
            part.html = take(&part.field("html"));
            part.text = take(&part.field("text"));
            // The fallback's are the campaign's own.
            if !part.language.is_empty() {
                part.subject = take(&part.field("subject")).trim().to_owned();
                part.preheader = take(&part.field("preheader")).trim().to_owned();
            }
            form.parts.push(part);
        }
        form
    }

    /// Whether nothing was brought along: of whoever may only look, browsers send no fields.
    pub(crate) fn is_bare(&self) -> bool {
        self.name.is_empty() && self.template.is_empty() && self.parts.is_empty()
    }

    /// The form of a campaign as it is kept.
    pub(super) fn of(campaign: &Campaign, lists: &[ListId], own: &[OwnContent]) -> Form {
        let (from_name, from_address) = match Mailbox::parse(&campaign.sender) {
            Ok(mailbox) => (
                mailbox.name.unwrap_or_default(),
                mailbox.address.as_str().to_owned(),
            ),
            Err(_) => (String::new(), campaign.sender.clone()),
        };
        let part = |own: &OwnContent| Part {
            language: own.language.as_ref().map(ToString::to_string).unwrap_or_default(),
            subject: own.subject.clone().unwrap_or_default(),
            preheader: own.preheader.clone().unwrap_or_default(),
            html: own.html.clone(),
            text: own.text.clone().unwrap_or_default(),
        };
        Form {
            name: campaign.name.clone(),
            lists: lists.iter().map(|list| list.0).collect(),
            from_name,
            from_address,
            reply_to: campaign.reply_to.clone().unwrap_or_default(),
            subject: campaign.subject.clone(),
            preheader: campaign.preheader.clone().unwrap_or_default(),
            template: campaign.template.clone(),
            tracking: campaign.tracking.map_or("", Tracking::as_str).to_owned(),
            parts: own.iter().map(part).collect(),
            revision: campaign.revision,
            ..Form::default()
        }
    }

    /// Adds the language that was typed, with a copy of the fallback to be translated.
    pub(super) fn add_language(&mut self) -> Result<(), String> {
        let language = Language::parse(&self.new_language).map_err(|error| error.to_string())?;
        if self.parts.iter().any(|part| part.language == language.as_str()) {
            return Err(format!("there is {language} already"));
        }
        if self.parts.len() > MOST_LANGUAGES {
            return Err(format!("{MOST_LANGUAGES} languages are the most"));
        }
        let Some(fallback) = self.parts.first() else {
            return Err("a template brings its own languages along".to_owned());
        };
        let part = Part {
            language: language.to_string(),
            subject: self.subject.clone(),
            preheader: self.preheader.clone(),
            ..fallback.clone()
        };
        self.parts.push(part);
        self.new_language.clear();
        Ok(())
    }

    /// What was written, or what is wrong with each field, as far as it can be seen without the database. `lists` are those that
    /// there are.
    pub(super) fn check(&self, lists: &[i64]) -> Result<Writing, Faults> {
        let mut faults = Faults::new();
        let mut fault = |field: &str, message: String| {
            faults.entry(field.to_owned()).or_insert(message);
        };
        if self.name.is_empty()
            || self.name.chars().count() > LONGEST_NAME
            || self.name.contains(char::is_control)
        {
            fault(
                "name",
                format!("A name is one line of 1 to {LONGEST_NAME} letters."),
            );
        }
        let chosen: Vec<_> = lists.iter().filter(|id| self.lists.contains(id)).collect();
        if chosen.is_empty() {
            fault("lists", "Choose at least one list.".to_owned());
        }
        if self.from_name.chars().count() > LONGEST_SENDER {
            fault("from_name", format!("At most {LONGEST_SENDER} letters."));
        }
        if let Err(error) = Mailbox::parse(&format!("<{}>", self.from_address)) {
            fault("from_address", format!("The address {error}."));
        }
        if !self.reply_to.is_empty()
            && let Err(error) = Mailbox::parse(&self.reply_to)
        {
            fault("reply_to", format!("The address {error}."));
        }
        if self.subject.is_empty() {
            let why = "Mail without a subject is taken for spam: write one.";
            fault("subject", why.to_owned());
        } else if let Err(error) = check_subject(&self.subject) {
            fault("subject", error.to_string());
        }
        if let Err(error) = check_preheader(&self.preheader) {
            fault("preheader", error.to_string());
        }
        if self.parts.is_empty() && self.template.is_empty() {
            fault(
                "template",
                "Choose a template, or write the content here.".to_owned(),
            );
        }
        if !self.tracking.is_empty() && Tracking::parse(&self.tracking).is_none() {
            fault("tracking", "Choose one of these.".to_owned());
        }
        self.check_parts(&mut fault);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Writing {
            lists: chosen.into_iter().copied().map(ListId).collect(),
            ..self.written()
        })
    }

    fn check_parts(&self, fault: &mut impl FnMut(&str, String)) {
        for part in &self.parts {
            if !part.language.is_empty()
                && let Err(error) = Language::parse(&part.language)
            {
                fault("new_language", error.to_string());
            }
            if part.html.trim().is_empty() {
                fault(&part.field("html"), EMPTY.to_owned());
            } else if let Err(error) = check_html("content", &part.html, part.text.trim().is_empty()) {
                fault(&part.field("html"), in_words(&error));
            }
            if let Err(error) = check_text("content", &part.text) {
                fault(&part.field("text"), in_words(&error));
            }
            if let Err(error) = check_subject(&part.subject) {
                fault(&part.field("subject"), error.to_string());
            }
            if let Err(error) = check_preheader(&part.preheader) {
                fault(&part.field("preheader"), error.to_string());
            }
        }
    }

    /// The content of its own, the fallback first and each language once.
    fn own(&self) -> Vec<OwnContent> {
        let mut own: Vec<OwnContent> = Vec::new();
        for part in &self.parts {
            let language = match part.language.as_str() {
                "" => None,
                tag => match Language::parse(tag) {
                    Ok(language) => Some(language),
                    Err(_) => continue,
                },
            };
            let is_there = own.iter().any(|other| other.language == language);
            if is_there || (own.is_empty() && language.is_some()) {
                continue;
            }
            own.push(OwnContent {
                language,
                subject: written(&part.subject),
                preheader: written(&part.preheader),
                html: part.html.clone(),
                text: Some(part.text.clone()).filter(|text| !text.trim().is_empty()),
            });
        }
        own
    }

    /// What stands in the form, whether it can be kept or not.
    pub(crate) fn written(&self) -> Writing {
        let sender = match Mailbox::parse(&format!("<{}>", self.from_address)) {
            Ok(mailbox) => Mailbox {
                name: written(&self.from_name),
                ..mailbox
            }
            .to_string(),
            Err(_) => self.from_address.clone(),
        };
        Writing {
            name: self.name.clone(),
            lists: self.lists.iter().copied().map(ListId).collect(),
            template: self.template.clone(),
            subject: self.subject.clone(),
            preheader: written(&self.preheader),
            sender,
            reply_to: written(&self.reply_to),
            tracking: Tracking::parse(&self.tracking),
            own: self.own(),
        }
    }
}

/// A fault beside the field that it is in.
fn in_words(error: &tidings_campaign::template::TemplateError) -> String {
    format!("Line {}, column {}: {}", error.line, error.column, error.message)
}

fn written(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// Addresses between commas, semicolons or white space, each once; or what is wrong with them.
pub(super) fn addresses(text: &str, most: usize) -> Result<Vec<EmailAddress>, String> {
    let mut found: Vec<EmailAddress> = Vec::new();
    for word in text
        .split([',', ';', ' ', '\t', '\r', '\n'])
        .filter(|word| !word.is_empty())
    {
        let address = EmailAddress::parse(word).map_err(|error| format!("{word}: the address {error}."))?;
        if address.needs_smtputf8() {
            return Err(format!(
                "{word}: a test goes only to addresses in ASCII before the @."
            ));
        }
        if !found.iter().any(|other| other.key() == address.key()) {
            found.push(address);
        }
    }
    match found.len() {
        0 => Err("Write at least one address.".to_owned()),
        n if n > most => Err(format!("{most} addresses are the most, these are {n}.")),
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Form {
        Form::read(
            b"name=Spring&list=3&list=9&from_name=M%C3%BCller,+the&from_address=news@example.com&subject=Hi+%7B%7Bname%7D%7D\
              &preheader=Soon&language=&html=%3Cp%3EHello%3C/p%3E%0D%0A&text=&language=de&html:de=Hallo&subject:de=Hallo&revision=4",
        )
    }

    #[test]
    fn what_is_typed_is_what_is_written() {
        let writing = filled().check(&[1, 3]).unwrap();
        assert_eq!(writing.lists, [ListId(3)]);
        assert_eq!(writing.sender, "\"Müller, the\" <news@example.com>");
        assert_eq!(writing.own.len(), 2);
        assert_eq!(
            (writing.own[0].html.as_str(), &writing.own[0].text),
            ("<p>Hello</p>\n", &None)
        );
        assert_eq!(writing.own[1].language, Some(Language::parse("de").unwrap()));
        assert_eq!(writing.own[1].subject.as_deref(), Some("Hallo"));
        assert_eq!(writing.preheader.as_deref(), Some("Soon"));
    }

    #[test]
    fn each_fault_is_beside_its_field() {
        let mut form = filled();
        form.name.clear();
        form.lists = vec![77];
        form.from_address = "a@example.com> <b".to_owned();
        form.reply_to = "nobody".to_owned();
        form.subject = "{{#if}".to_owned();
        form.preheader = "{{{name}}}".to_owned();
        form.parts[0].html.clear();
        form.parts[1].html = "<p>\n{{#if x}}".to_owned();
        form.tracking = "everything".to_owned();
        let faults = form.check(&[1, 3]).unwrap_err();
        let fields: Vec<&str> = faults.keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            [
                "from_address",
                "html",
                "html:de",
                "lists",
                "name",
                "preheader",
                "reply_to",
                "subject",
                "tracking"
            ]
        );
        assert!(faults["html:de"].starts_with("Line 2"), "{faults:?}");
    }

    #[test]
    fn a_language_begins_as_a_copy_and_is_there_once() {
        let mut form = filled();
        form.new_language = "pt-br".to_owned();
        assert_eq!(form.add_language(), Ok(()));
        assert_eq!(
            (form.parts[2].language.as_str(), form.parts[2].html.as_str()),
            ("pt-BR", "<p>Hello</p>\n")
        );
        form.new_language = "DE".to_owned();
        assert_eq!(form.add_language(), Err("there is de already".to_owned()));
    }

    #[test]
    fn addresses_of_a_test_are_few_and_each_once() {
        let found = addresses("a@example.com, A@example.com;b@example.org\n", 5).unwrap();
        assert_eq!(found.len(), 2);
        assert!(addresses(" ,", 5).is_err());
        assert!(addresses("a@x.test b@x.test", 1).unwrap_err().contains("most"));
        assert!(
            addresses("nobody", 5)
                .unwrap_err()
                .starts_with("nobody: the address")
        );
    }
}
