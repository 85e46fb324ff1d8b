//! A newsletter in one of its languages, ready to be merged.

use super::attachment::EncodedFile;
use super::inline::{self, Reference};
use crate::language::Language;
use crate::template::{Content, TemplateError, Templates};
use crate::tracking::{LinkTable, Tracker};

/// One language: compiled, and with the images that its HTML shows.
#[derive(Debug)]
pub(super) struct Variant {
    /// None for the fallback: what language that is in is nowhere said.
    pub language: Option<Language>,
    pub templates: Templates,
    /// `Content-Language` (RFC 3282), where the language is known.
    pub language_field: Vec<u8>,
    /// Where its HTML shows images.
    pub references: Vec<Reference>,
    pub images: Vec<EncodedFile>,
}

impl Variant {
    /// Compiles the content. Refuses a newsletter without an unsubscribe link.
    pub fn new(
        language: Option<&Language>,
        content: &Content,
        tracker: &Tracker,
        links: &mut LinkTable,
    ) -> Result<Variant, TemplateError> {
        let mut prepared = || {
            let templates = Templates::tracked(content, tracker, language, links)?;
            templates.check_unsubscribe_link()?;
            Ok((templates, inline::references(content)?))
        };
        let (templates, references) =
            prepared().map_err(|error: TemplateError| error.in_language(language))?;
        let field = |language: &Language| format!("Content-Language: {language}\r\n").into_bytes();
        Ok(Variant {
            language: language.cloned(),
            templates,
            language_field: language.map(field).unwrap_or_default(),
            references,
            images: Vec::new(),
        })
    }
}
