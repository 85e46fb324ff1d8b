//! Images that the HTML shows with `cid:`: each reference has its image, and each image its reference, before anything
//! is sent.

use super::attachment::{Attachment, AttachmentError, MAX_ATTACHMENTS};
use crate::template::{Content, MAX_MESSAGE, Newsletter, TemplateError, html_place, line_and_column};
use std::collections::BTreeSet;

/// A place in the HTML that shows an image.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    template: String,
    line: usize,
    column: usize,
    /// What stands behind `cid:`.
    id: String,
}

/// Why these files cannot go with this newsletter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilesError {
    /// The HTML shows an image that is not there.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A file by itself.
    #[error("{0}: {1}")]
    File(String, AttachmentError),
    /// It would be sent for nothing, and many mail programs show it as an attachment.
    #[error(
        "nothing shows the inline image {file}: write <img src=\"cid:{id}\">, or attach it with --attach"
    )]
    NotShown {
        /// The file's name.
        file: String,
        /// Its name behind `cid:`.
        id: String,
    },
    /// Two images with one identifier.
    #[error("two inline images are called cid:{0}: give one another name with --inline FILE=NAME")]
    SameId(String),
    /// More than a message may have.
    #[error("the files make messages of {} octets, and a message may have {}: attach less", .0, MAX_MESSAGE)]
    TooLarge(usize),
    /// More than [`MAX_ATTACHMENTS`].
    #[error("{0} files are too many, at most {MAX_ATTACHMENTS} are allowed")]
    TooMany(usize),
}

impl Reference {
    fn error(&self, message: String) -> TemplateError {
        TemplateError {
            template: self.template.clone(),
            line: self.line,
            column: self.column,
            message,
        }
    }
}

/// Every place of a newsletter's HTML that shows an image.
pub(super) fn references(content: &Content) -> Result<Vec<Reference>, TemplateError> {
    let mut found = Vec::new();
    for source in std::iter::once(&content.template).chain(&content.partials) {
        for (at, id) in cids(&source.html) {
            let (line, column) = line_and_column(&source.html, at);
            let reference = Reference {
                template: html_place(&source.name),
                line,
                column,
                id: id.to_owned(),
            };
            if id.contains("{{") {
                let words =
                    "the name behind cid: must be written out, it cannot be a value: choose with {{#if}}";
                return Err(reference.error(words.to_owned()));
            }
            found.push(reference);
        }
    }
    Ok(found)
}

/// Which of the files these references show.
pub(super) fn shown(
    references: &[Reference],
    files: &[Attachment],
) -> Result<BTreeSet<usize>, TemplateError> {
    let mut shown = BTreeSet::new();
    for reference in references {
        let has_id = |file: &Attachment| file.content_id().is_some_and(|id| id.as_str() == reference.id);
        match files.iter().position(has_id) {
            Some(at) => shown.insert(at),
            None => {
                let id = &reference.id;
                return Err(reference.error(format!(
                    "there is no inline image {id}: give the campaign one with --inline FILE={id}"
                )));
            }
        };
    }
    Ok(shown)
}

/// Whether these files can go with this newsletter in all its languages.
pub fn check_files(newsletter: &Newsletter, files: &[Attachment]) -> Result<(), FilesError> {
    check_alone(files)?;
    let mut anywhere = BTreeSet::new();
    for (language, content) in newsletter.variants() {
        let named = |error: TemplateError| error.in_language(language);
        anywhere.extend(
            references(content)
                .and_then(|found| shown(&found, files))
                .map_err(named)?,
        );
    }
    check_shown(&anywhere, files)
}

/// What can be said of the files without the newsletter. What each adds to a message is reckoned without encoding it.
pub(super) fn check_alone(files: &[Attachment]) -> Result<(), FilesError> {
    if files.len() > MAX_ATTACHMENTS {
        return Err(FilesError::TooMany(files.len()));
    }
    let size: usize = files
        .iter()
        .map(|file| file.octets().len().div_ceil(57) * 78)
        .sum();
    if size > MAX_MESSAGE {
        return Err(FilesError::TooLarge(size));
    }
    let mut seen = BTreeSet::new();
    match files
        .iter()
        .filter_map(Attachment::content_id)
        .find(|id| !seen.insert(*id))
    {
        Some(id) => Err(FilesError::SameId(id.as_str().to_owned())),
        None => Ok(()),
    }
}

/// `shown`: what any language shows.
pub(super) fn check_shown(shown: &BTreeSet<usize>, files: &[Attachment]) -> Result<(), FilesError> {
    for (at, file) in files.iter().enumerate() {
        if let Some(id) = file.content_id()
            && !shown.contains(&at)
        {
            return Err(FilesError::NotShown {
                file: file.file_name().to_owned(),
                id: id.as_str().to_owned(),
            });
        }
    }
    Ok(())
}

/// What stands behind each `cid:` that begins a value: an attribute's or that of `url(…)`.
fn cids(html: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (colon, _) in html.match_indices(':') {
        let Some(start) = colon.checked_sub(3) else {
            continue;
        };
        let scheme = &html.as_bytes()[start..colon];
        let before = start.checked_sub(1).map(|at| html.as_bytes()[at]);
        if !scheme.eq_ignore_ascii_case(b"cid") || !matches!(before, Some(b'"' | b'\'' | b'(' | b'=')) {
            continue;
        }
        let rest = &html[colon + 1..];
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ')' | '>' | '<');
        let end = rest.find(ends).unwrap_or(rest.len());
        found.push((start, &rest[..end]));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;
    use crate::message::attachment::ContentId;
    use crate::template::{Source, Translation};

    fn content(html: &str, partial: &str) -> Content {
        let source = |name: &str, html: &str| Source {
            name: name.to_owned(),
            html: html.to_owned(),
            text: None,
        };
        Content {
            subject: "Hello".to_owned(),
            template: source("spring", html),
            partials: vec![source("foot", partial)],
        }
    }

    fn image(id: &str) -> Attachment {
        let image = Attachment::new("logo.png", vec![1; 30]).unwrap();
        image.shown_as(ContentId::parse(id).unwrap()).unwrap()
    }

    #[test]
    fn a_cid_is_found_wherever_a_value_begins_with_it() {
        let html = "<img src=\"cid:a.png\"><img src='CID:b'><img src=cid:c><td style=\"background:url(cid:d)\">\
            <p>The word cid: and acid:rain are nothing. <a href=\"https://cid:x\">";
        let found: Vec<&str> = cids(html).into_iter().map(|(_, id)| id).collect();
        assert_eq!(found, ["a.png", "b", "c", "d"]);
    }

    #[test]
    fn an_image_that_is_missing_is_named_with_template_line_and_column() {
        let newsletter = content("<p>Hello</p>", "<p>\n <img src=\"cid:logo.png\"></p>").into();
        let error = check_files(&newsletter, &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            "template foot (html):2:12: there is no inline image logo.png: give the campaign one with --inline \
             FILE=logo.png"
        );
        assert_eq!(check_files(&newsletter, &[image("logo.png")]), Ok(()));
    }

    #[test]
    fn every_language_must_have_its_images_and_every_image_a_language_that_shows_it() {
        let mut newsletter = Newsletter::from(content("<img src=\"cid:en\">", ""));
        newsletter.translations.push(Translation {
            language: Language::parse("de").unwrap(),
            content: content("<img src=\"cid:de\">", ""),
        });
        let error = check_files(&newsletter, &[image("en")]).unwrap_err().to_string();
        assert!(
            error.starts_with("template spring (html) in de:1:11: "),
            "{error}"
        );
        assert_eq!(check_files(&newsletter, &[image("en"), image("de")]), Ok(()));
        let error = check_files(&newsletter, &[image("en"), image("de"), image("fr")]);
        assert!(matches!(error, Err(FilesError::NotShown { .. })), "{error:?}");
        let error = check_files(&newsletter, &[image("en"), image("de"), image("en")]);
        assert_eq!(error, Err(FilesError::SameId("en".to_owned())));
    }

    #[test]
    fn a_cid_from_a_value_is_refused() {
        let newsletter = content("<img src=\"cid:{{city}}\">", "").into();
        let error = check_files(&newsletter, &[]).unwrap_err().to_string();
        assert!(error.contains("must be written out"), "{error}");
    }

    #[test]
    fn more_than_a_message_may_have_is_refused() {
        let newsletter = content("", "").into();
        let file = |size| Attachment::new("a.bin", vec![1; size]).unwrap();
        assert_eq!(
            check_files(&newsletter, &[file(3_600_000), file(3_600_000)]),
            Ok(())
        );
        let error = check_files(&newsletter, &[file(3_800_000), file(3_800_000)]);
        assert!(matches!(error, Err(FilesError::TooLarge(_))), "{error:?}");
        let many = vec![file(1); MAX_ATTACHMENTS + 1];
        assert_eq!(
            check_files(&newsletter, &many),
            Err(FilesError::TooMany(MAX_ATTACHMENTS + 1))
        );
    }
}
