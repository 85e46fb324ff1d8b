//! A newsletter looked at before it is sent: for a recipient, or for a person who is made up. Stand-ins are put where a
//! campaign would say more, and no instance accepts the links.

use crate::address::EmailAddress;
use crate::ids::{CampaignId, ListId, RecipientId};
use crate::language::Language;
use crate::merge::MergeData;
use crate::message::attachment::Attachment;
use crate::message::{FilesError, ListIdentity, Mailbox, MessageFactory, MessageSettings};
use crate::recipient::Recipient;
use crate::template::{Content, Newsletter, RenderError, Rendered, TemplateError, Templates};
use crate::time::Timestamp;
use crate::token::{KeyRing, SigningKey};
use crate::tracking::TrackingSettings;
use serde_json::{Map, json};

/// The host of links where none is configured.
const STAND_IN_HOST: &str = "news.example.com";

/// A newsletter, and what is known of the campaign that it may become.
#[derive(Clone, Debug)]
pub struct Preview {
    /// What is to be seen.
    pub newsletter: Newsletter,
    /// The attribute that names a recipient's language.
    pub language_attribute: String,
    /// The author.
    pub from: Mailbox,
    /// For `{{campaign.name}}`.
    pub campaign_name: String,
    /// For `{{list.name}}`.
    pub list_name: String,
    /// What goes with the message; none if that is not decided yet: then nothing is said of images that are not there.
    pub files: Option<Vec<Attachment>>,
    /// Where the links lead to.
    pub public_url: String,
    /// The domain of return paths, if not the author's.
    pub return_path_domain: Option<String>,
    /// The sender's identifier, if not the author's domain.
    pub sender_id: Option<String>,
}

/// Why there is nothing to be seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PreviewError {
    /// It cannot be merged.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The files do not fit.
    #[error(transparent)]
    Files(#[from] FilesError),
}

impl From<TemplateError> for PreviewError {
    fn from(error: TemplateError) -> PreviewError {
        PreviewError::Render(error.into())
    }
}

impl PreviewError {
    /// Where in a template it is, if it is in one.
    pub fn place(&self) -> Option<&TemplateError> {
        match self {
            PreviewError::Render(RenderError::Missing(error) | RenderError::Template(error))
            | PreviewError::Files(FilesError::Template(error)) => Some(error),
            _ => None,
        }
    }
}

impl Preview {
    /// Subject, HTML and text as this recipient would get them. Links to images are still behind `cid:`.
    pub fn parts(&self, recipient: &Recipient) -> Result<Rendered, RenderError> {
        let (language, content) = self.variant_for(recipient);
        let written = recipient.attributes.get(&self.language_attribute);
        let data = MergeData {
            language: written
                .and_then(|value| value.as_str())
                .filter(|_| language.is_some()),
            ..MergeData::sample(recipient, &self.campaign_name, &self.list_name)
        };
        let rendered = Templates::compile(content)
            .map_err(RenderError::from)
            .and_then(|templates| templates.render(&data));
        rendered.map_err(|error| error.in_language(language))
    }

    /// The whole message. Refuses a newsletter without an unsubscribe link, as a campaign would.
    pub fn message(&self, recipient: &Recipient, date: Timestamp) -> Result<Vec<u8>, PreviewError> {
        let domain = self.from.address.domain().to_owned();
        let settings = MessageSettings {
            from: self.from.clone(),
            reply_to: None,
            campaign: CampaignId(0),
            campaign_name: self.campaign_name.clone(),
            lists: vec![ListIdentity {
                id: ListId(0),
                name: self.list_name.clone(),
            }],
            public_url: self.public_url.clone(),
            return_path_domain: self.return_path_domain.clone().unwrap_or_else(|| domain.clone()),
            sender_id: self.sender_id.clone().unwrap_or(domain),
            // Who looks at a newsletter wants to see where its links lead.
            tracking: TrackingSettings::off(),
        };
        let keys = KeyRing::new(vec![SigningKey {
            id: 0,
            secret: [0; 32],
        }])
        .expect("one key is a ring");
        let factory = MessageFactory::new(&self.newsletter.fallback, settings, keys)?
            .translated(&self.newsletter.translations, &self.language_attribute)?;
        let factory = match &self.files {
            Some(files) => factory.with_files(files)?,
            None => factory,
        };
        Ok(factory.preview(recipient, date)?)
    }

    /// Somebody who has whatever the newsletter cannot do without: each attribute's value is its name in brackets.
    pub fn sample_person(&self) -> Result<Recipient, TemplateError> {
        let mut person = Recipient {
            id: RecipientId(0),
            address: EmailAddress::parse("ann@example.com").expect("an address"),
            name: "Ann Example".to_owned(),
            attributes: Map::new(),
        };
        for (language, content) in self.newsletter.variants() {
            let templates = Templates::compile(content).map_err(|error| error.in_language(language))?;
            let variables = templates.variables(content);
            let needed = variables.iter().filter(|variable| !variable.optional);
            for name in needed.filter_map(|variable| variable.attribute()) {
                person
                    .attributes
                    .insert(name.to_owned(), json!(format!("[{name}]")));
            }
        }
        Ok(person)
    }

    fn variant_for(&self, recipient: &Recipient) -> (Option<&Language>, &Content) {
        let at = self.newsletter.variant_for(recipient, &self.language_attribute);
        let mut variants = self.newsletter.variants();
        variants.nth(at).expect("a variant was chosen")
    }
}

/// A sender where none is known: `newsletter@` and the host of the public URL, if that is a domain.
pub fn stand_in_sender(host: &str) -> Mailbox {
    let parse = |host: &str| Mailbox::parse(&format!("newsletter@{host}")).ok();
    Some(host)
        .filter(|host| host.contains('.') && host.contains(|c: char| c.is_alphabetic()))
        .and_then(parse)
        .or_else(|| parse(STAND_IN_HOST))
        .expect("the stand-in is a domain")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{Source, Translation};

    fn content(html: &str) -> Content {
        Content {
            subject: "For {{city}}".to_owned(),
            template: Source {
                name: "spring".to_owned(),
                html: html.to_owned(),
                text: None,
            },
            partials: Vec::new(),
        }
    }

    fn preview(newsletter: Newsletter) -> Preview {
        Preview {
            newsletter,
            language_attribute: "language".to_owned(),
            from: Mailbox::parse("News <news@example.org>").unwrap(),
            campaign_name: "Spring".to_owned(),
            list_name: "readers".to_owned(),
            files: None,
            public_url: "https://news.example.com".to_owned(),
            return_path_domain: None,
            sender_id: None,
        }
    }

    #[test]
    fn a_made_up_person_has_what_the_newsletter_cannot_do_without() {
        let html = "<p>{{city}} {{#if gold}}{{gold}}{{/if}} {{attributes.plan}}</p>";
        let preview = preview(content(html).into());
        let person = preview.sample_person().unwrap();
        let mut names: Vec<&String> = person.attributes.keys().collect();
        names.sort();
        assert_eq!(names, ["city", "plan"]);
        let parts = preview.parts(&person).unwrap();
        assert_eq!(parts.subject, "For [city]");
        assert!(parts.html.contains("[city]  [plan]"), "{}", parts.html);
    }

    #[test]
    fn a_layout_is_shown_without_an_unsubscribe_link_but_makes_no_message() {
        let preview = preview(content("<p>Hello {{city}}</p>").into());
        let person = preview.sample_person().unwrap();
        assert!(preview.parts(&person).is_ok());
        let refused = preview.message(&person, Timestamp::from_seconds(0)).unwrap_err();
        assert!(refused.to_string().contains("unsubscribe"), "{refused}");
    }

    #[test]
    fn a_recipient_sees_the_newsletter_in_their_language() {
        let german = Translation {
            language: Language::parse("de").unwrap(),
            content: content("<p>Hallo {{city}} {{unsubscribe_url}}</p>"),
        };
        let preview = preview(Newsletter {
            fallback: content("<p>Hello {{city}} {{unsubscribe_url}}</p>"),
            translations: vec![german],
        });
        let mut person = preview.sample_person().unwrap();
        person.attributes.insert("language".to_owned(), json!("de-AT"));
        assert!(preview.parts(&person).unwrap().html.contains("Hallo"));
        let message = preview.message(&person, Timestamp::from_seconds(0)).unwrap();
        let message = String::from_utf8(message).unwrap();
        assert!(message.contains("Content-Language: de\r\n"), "{message}");
        assert!(message.contains("From: News <news@example.org>"), "{message}");
    }

    #[test]
    fn a_sender_is_made_of_a_domain_and_of_nothing_else() {
        for (host, address) in [
            ("news.example.org", "newsletter@news.example.org"),
            ("127.0.0.1", "newsletter@news.example.com"),
            ("localhost", "newsletter@news.example.com"),
            ("", "newsletter@news.example.com"),
        ] {
            assert_eq!(stand_in_sender(host).address.as_str(), address);
        }
    }
}
