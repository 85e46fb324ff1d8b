//! The subject line.

use super::{Check, Finding};

/// Characters that inboxes show on a wide screen; phones show half of them.
const LONGEST: usize = 90;
/// Letters from which on capitals alone are shouting: `NASA` is a word.
const SHOUTING: usize = 8;

pub(super) fn check(subject: &str) -> Vec<Finding> {
    let finding = |level: fn(Check, String, String) -> Finding, sentence: &str, advice: &str| {
        level(Check::Subject, sentence.to_owned(), advice.to_owned())
    };
    if subject.trim().is_empty() {
        let sentence = "The subject is empty.";
        return vec![finding(
            Finding::red,
            sentence,
            "write one: mail without a subject is taken for spam",
        )];
    }
    let mut found = Vec::new();
    let n = subject.chars().count();
    if n > LONGEST {
        let sentence = format!(
            "The subject has more than {LONGEST} characters; inboxes show no more, and phones half of that."
        );
        found.push(finding(Finding::amber, &sentence, "say what matters in the first 50").at(subject));
    }
    let letters: Vec<char> = subject.chars().filter(|c| c.is_alphabetic()).collect();
    if letters.len() >= SHOUTING && letters.iter().all(|c| c.is_uppercase()) {
        let sentence = "The subject is written in capitals alone, which filters and readers take for spam.";
        found.push(finding(Finding::amber, sentence, "write it as a sentence").at(subject));
    }
    if found.is_empty() {
        found.push(Finding::ok(Check::Subject, format!("It has {n} characters.")).at(subject));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Level;

    #[test]
    fn a_subject_is_there_is_short_and_does_not_shout() {
        for (subject, level) in [
            ("", Level::Red),
            (" \u{a0}", Level::Red),
            ("Dawn is here: wake up with the light", Level::Ok),
            ("NASA news", Level::Ok),
            ("NASA", Level::Ok),
            ("BUY NOW, 50 % OFF", Level::Amber),
            ("新しいお知らせが届きました", Level::Ok),
        ] {
            assert_eq!(check(subject)[0].level, level, "{subject}");
        }
        assert_eq!(check(&"long ".repeat(30))[0].level, Level::Amber);
    }
}
