//! What was written for a draft, and is still there.

use super::{Check, Finding, Page, Sample, Sender};

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

pub(super) fn check(sample: &Sample, page: &Page, sender: &Sender) -> Vec<Finding> {
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
        let lower = without_our_links(text, &sender.public_url).to_lowercase();
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

/// The words but for the links that are signed for one recipient: those have letters by chance in them, `xxxx` too.
fn without_our_links(text: &str, public_url: &str) -> String {
    let ours = format!("{public_url}/");
    let words = text.split_whitespace().filter(|word| !word.contains(&ours));
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
    use crate::preflight::tests::sender;

    fn levels(subject: &str, html: &str) -> Vec<Level> {
        let sample = Sample {
            language: None,
            subject: subject.to_owned(),
            html: html.to_owned(),
            text: "Hello".to_owned(),
        };
        let found = check(&sample, &Page::read(html), &sender());
        found.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn what_stands_by_chance_in_a_link_of_ours_is_no_placeholder() {
        let sample = |text: &str| Sample {
            language: None,
            subject: "Hello".to_owned(),
            html: String::new(),
            text: text.to_owned(),
        };
        let level = |text| check(&sample(text), &Page::default(), &sender())[0].level;
        assert_eq!(level("Leave: https://news.example.com/u/AqXxXxb7"), Level::Ok);
        assert_eq!(level("Leave: <https://news.example.com/u/AqXxXxb7>"), Level::Ok);
        assert_eq!(level("Read on: https://www.xxxx.test/"), Level::Amber);
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
