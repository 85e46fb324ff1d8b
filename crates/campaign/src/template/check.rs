//! Checking templates before they are stored: names, sizes, syntax, references.

use super::content::{Content, Source};
use super::error::{Part, TemplateError, line_and_column};
use super::flat::Named;
use super::references::{self, Missing};
use super::registry::{normalised, register, registry};
use super::{MAX_EXPRESSIONS, MAX_SUBJECT, MAX_TEMPLATE, SUBJECT, mjml};
use crate::text_part::{MAX_TEXT, text_from_html};
use std::collections::HashSet;

/// Checks one template alone, as far as that goes: its name, sizes and syntax.
pub fn check_source(source: &Source) -> Result<(), TemplateError> {
    check_name(&source.name).map_err(|message| TemplateError {
        template: format!("template {}", source.name),
        line: 1,
        column: 1,
        message: message.to_owned(),
    })?;
    check_html(&source.name, &source.html, source.text.is_none())?;
    source
        .text
        .as_ref()
        .map_or(Ok(()), |text| check_text(&source.name, text))
}

/// Whether templates can refer to this name; if not, what a name must be.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 100 || !name.chars().all(allowed) {
        return Err("a name is made of letters, digits, dots, hyphens and underscores, at most 100");
    }
    Ok(())
}

/// Checks size and syntax of a template's HTML; `makes_text`: and whether a text part can be made from it.
pub fn check_html(name: &str, html: &str, makes_text: bool) -> Result<(), TemplateError> {
    if html.trim().is_empty() {
        return Err(TemplateError {
            template: Part::Html.of(name),
            line: 1,
            column: 1,
            message: "the template is empty: nobody would see anything of it".to_owned(),
        });
    }
    check(Part::Html, name, html, MAX_TEMPLATE)?;
    let from_mjml = mjml::to_html(&[Named {
        name: name.to_owned(),
        html: normalised(html),
    }])?;
    if !makes_text {
        return Ok(());
    }
    let text = text_from_html(from_mjml.as_ref().map_or(html, |from_mjml| &from_mjml.made.html));
    check(Part::Text, name, &text, MAX_TEXT).map_err(|error| {
        let message = format!(
            "no text part can be made from this HTML, give one (--text): {}",
            error.message
        );
        TemplateError {
            template: Part::Html.of(name),
            line: 1,
            column: 1,
            message,
        }
    })
}

/// Checks size and syntax of a template's text.
pub fn check_text(name: &str, text: &str) -> Result<(), TemplateError> {
    check(Part::Text, name, text, MAX_TEMPLATE)
}

/// Whether a template contains itself, directly or through the partials that are there. Others may still be added.
pub fn check_recursion(content: &Content) -> Result<(), TemplateError> {
    for (part, sources) in content.by_part() {
        let mut registry = registry(part);
        for (name, source) in &sources {
            register(&mut registry, part, name, source)?;
        }
        references::check(&registry, part, &content.template.name, Missing::Allowed)?;
    }
    Ok(())
}

/// Checks a subject's size and syntax.
pub fn check_subject(subject: &str) -> Result<(), TemplateError> {
    check(Part::Subject, SUBJECT, subject, MAX_SUBJECT)
}

/// The names of the templates that this one refers to.
pub fn references(source: &Source) -> Result<Vec<String>, TemplateError> {
    let mut registry = registry(Part::Html);
    register(&mut registry, Part::Html, &source.name, &source.html)?;
    let mut names = references::names(&registry, Part::Html, &source.name)?;
    if let Some(text) = &source.text {
        let mut registry = super::registry::registry(Part::Text);
        register(&mut registry, Part::Text, &source.name, text)?;
        names.extend(references::names(&registry, Part::Text, &source.name)?);
    }
    let mut seen = HashSet::new();
    Ok(names
        .into_iter()
        .map(|r| r.name)
        .filter(|name| seen.insert(name.clone()))
        .collect())
}

fn check(part: Part, name: &str, source: &str, max: usize) -> Result<(), TemplateError> {
    let refused = |message: String| {
        Err(TemplateError {
            template: part.of(name),
            line: 1,
            column: 1,
            message,
        })
    };
    if source.len() > max {
        return refused(format!(
            "{} octets are too many, at most {max} are allowed",
            source.len()
        ));
    }
    if let Some(at) = source.find('\0') {
        let (line, column) = line_and_column(source, at);
        return Err(TemplateError {
            template: part.of(name),
            line,
            column,
            message: "there is a NUL character here, which is no text: remove it".to_owned(),
        });
    }
    // Handlebars counts the lines before each expression anew: 20,000 of them would take it seconds.
    let expressions = source.matches("{{").count();
    if expressions > MAX_EXPRESSIONS {
        return refused(format!(
            "{expressions} expressions in braces are too many, at most {MAX_EXPRESSIONS} are allowed"
        ));
    }
    let mut registry = registry(part);
    register(&mut registry, part, name, source)?;
    references::names(&registry, part, name).map(drop)
}
