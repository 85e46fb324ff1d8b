//! One newsletter in several languages: the fallback, and its translations beside it.

use super::{Content, RenderError, TemplateError, Templates};
use crate::language::{Language, lookup};
use crate::recipient::Recipient;
use serde::{Deserialize, Serialize};

/// What a campaign sends, frozen when it starts; stored as JSON. Without translations it is the same JSON as the
/// [`Content`] of its only language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Newsletter {
    /// For everybody whose language has no translation.
    #[serde(flatten)]
    pub fallback: Content,
    /// Each language once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub translations: Vec<Translation>,
}

/// A newsletter in one language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Translation {
    /// Which.
    pub language: Language,
    /// Its own subject, or the campaign's; its template; and the partials in this language, as far as there are any.
    #[serde(flatten)]
    pub content: Content,
}

impl From<Content> for Newsletter {
    fn from(fallback: Content) -> Newsletter {
        Newsletter {
            fallback,
            translations: Vec::new(),
        }
    }
}

impl Newsletter {
    /// The fallback, which has no language, and all translations.
    pub fn variants(&self) -> impl Iterator<Item = (Option<&Language>, &Content)> {
        let translations = self.translations.iter();
        std::iter::once((None, &self.fallback))
            .chain(translations.map(|translation| (Some(&translation.language), &translation.content)))
    }

    /// Where among the [`variants`](Self::variants) the one is that suits a recipient, whose language stands in
    /// `attribute`.
    pub fn variant_for(&self, recipient: &Recipient, attribute: &str) -> usize {
        let languages = self.translations.iter().map(|translation| &translation.language);
        chosen(recipient, attribute, languages).map_or(0, |(at, _)| at + 1)
    }

    /// Compiles every language, or says what is wrong first.
    pub fn check(&self) -> Result<(), TemplateError> {
        self.variants().try_for_each(|(language, content)| {
            Templates::compile(content)
                .map(drop)
                .map_err(|error| error.in_language(language))
        })
    }
}

/// Which of the languages suits a recipient, and what was written in the attribute; none if the fallback does.
pub(crate) fn chosen<'a, 'r>(
    recipient: &'r Recipient,
    attribute: &str,
    languages: impl Iterator<Item = &'a Language> + Clone,
) -> Option<(usize, &'r str)> {
    let wanted = recipient.attributes.get(attribute)?.as_str()?;
    lookup(wanted, languages).map(|at| (at, wanted))
}

impl TemplateError {
    /// Names the language besides the template.
    pub fn in_language(self, language: Option<&Language>) -> TemplateError {
        match language {
            Some(language) => TemplateError {
                template: format!("{} in {language}", self.template),
                ..self
            },
            None => self,
        }
    }
}

impl RenderError {
    /// Names the language besides the template.
    pub fn in_language(self, language: Option<&Language>) -> RenderError {
        match self {
            RenderError::Template(error) => RenderError::Template(error.in_language(language)),
            RenderError::Missing(error) => RenderError::Missing(error.in_language(language)),
            RenderError::TooLarge => RenderError::TooLarge,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Source;

    fn content(html: &str) -> Content {
        Content {
            subject: "Hello".to_owned(),
            template: Source {
                name: "spring".to_owned(),
                html: html.to_owned(),
                text: None,
            },
            partials: Vec::new(),
        }
    }

    fn german(html: &str) -> Translation {
        Translation {
            language: Language::parse("de").unwrap(),
            content: content(html),
        }
    }

    #[test]
    fn what_was_frozen_before_there_were_translations_is_still_read() {
        let old = r#"{"subject":"Hello","template":{"name":"spring","html":"<p>Hi</p>","text":null},"partials":[]}"#;
        let read: Newsletter = serde_json::from_str(old).unwrap();
        assert_eq!(read, content("<p>Hi</p>").into());
        assert_eq!(serde_json::to_string(&read).unwrap(), old);
    }

    #[test]
    fn a_newsletter_is_read_as_it_was_frozen() {
        let newsletter = Newsletter {
            fallback: content("<p>Hello</p>"),
            translations: vec![german("<p>Hallo</p>")],
        };
        let json = serde_json::to_string(&newsletter).unwrap();
        assert_eq!(serde_json::from_str::<Newsletter>(&json).unwrap(), newsletter);
    }

    #[test]
    fn a_fault_in_a_translation_names_its_language() {
        let newsletter = Newsletter {
            fallback: content("<p>Hello</p>"),
            translations: vec![german("<p>\n{{#if}</p>")],
        };
        let error = newsletter.check().unwrap_err().to_string();
        assert!(error.starts_with("template spring (html) in de:2:"), "{error}");
    }
}
