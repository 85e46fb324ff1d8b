//! What is wrong with a template, and where: parts, places, words.

use super::MAX_MESSAGE;

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{template}:{line}:{column}: {message}")]
pub struct TemplateError {
    /// Which template, and which part of it: `template spring (html)`, or `the subject`.
    pub template: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl TemplateError {
    /// In which part of the template `name` it is; none if it is in another one.
    pub fn part_of(&self, name: &str) -> Option<Part> {
        let is_in = |part: &Part| {
            let rest = self.template.strip_prefix(&part.of(name));
            // Behind it the language may stand.
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" in "))
        };
        [Part::Subject, Part::Html, Part::Text].into_iter().find(is_in)
    }
}

/// Why nothing can be made for a recipient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The recipient lacks a variable.
    #[error(transparent)]
    Missing(TemplateError),
    /// The template fails on this recipient's data.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// More than [`MAX_MESSAGE`] octets.
    #[error("the message would be larger than {} MB", MAX_MESSAGE / 1_000_000)]
    TooLarge,
}

/// The parts of a newsletter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Values are not escaped.
    Subject,
    /// Values are escaped, unless in `{{{three braces}}}`.
    Html,
    /// Values are not escaped.
    Text,
}

impl Part {
    /// How errors name the part of a template.
    pub(super) fn of(self, template: &str) -> String {
        match self {
            Part::Subject => "the subject".to_owned(),
            Part::Html => format!("template {template} (html)"),
            Part::Text => format!("template {template} (text)"),
        }
    }
}

/// How errors name the HTML of a template.
pub(crate) fn html_place(name: &str) -> String {
    Part::Html.of(name)
}

/// Line and column of an offset, both from 1, the column in characters.
pub(crate) fn line_and_column(source: &str, at: usize) -> (usize, usize) {
    let before = &source[..at];
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_knows_in_which_part_of_which_template_it_is() {
        for (template, part) in [
            ("the subject", Some(Part::Subject)),
            ("template spring (html)", Some(Part::Html)),
            ("template spring (text) in de", Some(Part::Text)),
            ("template springs (html)", None),
            ("template spring2 (html) in de", None),
        ] {
            let error = TemplateError {
                template: template.to_owned(),
                line: 1,
                column: 1,
                message: String::new(),
            };
            assert_eq!(error.part_of("spring"), part, "{template}");
        }
    }
}
