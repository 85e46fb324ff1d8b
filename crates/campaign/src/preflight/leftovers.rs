//! What was written for a draft, and is still there.

use super::{Check, Finding, Page, Sample};

/// Words that stand for others, in lower case.
const PLACEHOLDERS: [&str; 12] = [
    "lorem ipsum",
    "[your name]",
    "[company name]",
    "[your company]",
    "[name]",
    "your text here",
    "your headline here",
    "insert text",
    "placeholder text",
    "todo:",
    "tbd:",
    "xxxx",
];

pub(super) fn check(sample: &Sample, page: &Page) -> Vec<Finding> {
    let parts = [
        ("the subject", &sample.subject),
        ("the HTML", &page.text),
        ("the text", &sample.text),
    ];
    let mut found = Vec::new();
    for (part, text) in parts {
        if let Some(at) = text.find("{{").or_else(|| text.find("}}")) {
            found.push(
                Finding::red(
                    Check::Leftovers,
                    format!("Readers would see braces of a template in {part}."),
                    "look for a backslash before them, or for a brace that is missing",
                )
                .at(around(text, at)),
            );
        }
        let lower = without_addresses(text).to_lowercase();
        if let Some((word, at)) = PLACEHOLDERS
            .iter()
            .find_map(|word| Some((word, lower.find(word)?)))
        {
            found.push(
                Finding::amber(
                    Check::Leftovers,
                    format!("There is `{word}` in {part}, which looks like a placeholder."),
                    "write what belongs there",
                )
                .at(around(&lower, at)),
            );
        }
    }
    if found.is_empty() {
        found.push(Finding::ok(
            Check::Leftovers,
            "No braces and no placeholders are left.",
        ));
    }
    found
}

/// The words that are no web addresses: those of a recipient's own have letters by chance in them, `xxxx` too.
fn without_addresses(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| !word.contains("://"));
    words.collect::<Vec<_>>().join(" ")
}

/// Some words around a place.
fn around(text: &str, at: usize) -> String {
    const NEAR: usize = 30;
    let before = text[..at].chars().rev().take(NEAR).collect::<Vec<_>>();
    let before: String = before.into_iter().rev().collect();
    let after: String = text[at..].chars().take(NEAR).collect();
    format!("{before}{after}")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Level;

    fn levels(subject: &str, html: &str) -> Vec<Level> {
        let sample = Sample {
            language: None,
            subject: subject.to_owned(),
            html: html.to_owned(),
            text: "Hello".to_owned(),
        };
        let found = check(&sample, &Page::read(html));
        found.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn what_stands_in_an_address_is_no_placeholder() {
        let sample = |text: &str| Sample {
            language: None,
            subject: "Hello".to_owned(),
            html: String::new(),
            text: text.to_owned(),
        };
        let level = |text| check(&sample(text), &Page::default())[0].level;
        assert_eq!(level("Leave: https://news.example.com/u/AqXxXxb7"), Level::Ok);
        assert_eq!(level("Leave: <https://news.example.com/u/AqXxXxb7>"), Level::Ok);
        assert_eq!(level("Call us:\r\nxxxx"), Level::Amber);
    }

    #[test]
    fn braces_are_faults_and_placeholders_are_asked_about() {
        assert_eq!(levels("Hello", "<p>Dear {{name}</p>"), [Level::Red]);
        assert_eq!(levels("Hello {{name}}", "<p>Hello</p>"), [Level::Red]);
        assert_eq!(levels("Hello", "<p>LOREM <b>ipsum</b> dolor</p>"), [Level::Amber]);
        assert_eq!(
            levels("Hello", "<style>a { b: c }}</style><p>Hello</p>"),
            [Level::Ok]
        );
    }
}
