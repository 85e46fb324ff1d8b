//! What is counted while every recipient's message is made.

use crate::message::Measured;
use crate::template::RenderError;
use serde::Serialize;
use std::collections::BTreeMap;

/// Addresses that are named of those who share a reason.
const EXAMPLES: usize = 3;
/// Reasons that are told apart. All failures are counted.
const REASONS: usize = 100;
/// Reasons that are shown.
const SHOWN: usize = 10;

/// A reason why messages cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// As the first recipient has it: another one's value may differ.
    pub reason: String,
    /// How many have it.
    pub recipients: u64,
    /// Addresses of the first of them.
    pub examples: Vec<String>,
    /// Whether it is about files of the recipients' own, and not about the newsletter.
    #[serde(skip)]
    pub is_of_files: bool,
}

/// Why messages cannot be made, in bounded memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures(BTreeMap<String, Failure>);

impl Failures {
    /// One more. `key` is the same where the reason is.
    pub fn add(&mut self, who: &str, key: &str, reason: &str) {
        if self.0.len() >= REASONS && !self.0.contains_key(key) {
            return;
        }
        let failure = self.0.entry(key.to_owned()).or_insert_with(|| Failure {
            reason: reason.to_owned(),
            recipients: 0,
            examples: Vec::new(),
            is_of_files: false,
        });
        failure.recipients += 1;
        if failure.examples.len() < EXAMPLES {
            failure.examples.push(who.to_owned());
        }
    }

    /// The same where the file of the recipient's own cannot be taken. `reason`: the file, and behind `): ` what is wrong with it,
    /// which is the same for many.
    fn add_of_file(&mut self, who: &str, reason: &str) {
        let key = reason.rsplit_once("): ").map_or(reason, |(_, wrong)| wrong);
        self.add(who, key, reason);
        if let Some(failure) = self.0.get_mut(key) {
            failure.is_of_files = true;
        }
    }

    /// The reasons of most recipients, at most ten.
    pub fn most_frequent(&self) -> Vec<&Failure> {
        let mut failures: Vec<&Failure> = self.0.values().collect();
        failures.sort_by_key(|failure| std::cmp::Reverse(failure.recipients));
        failures.truncate(SHOWN);
        failures
    }
}

/// The largest of all, and whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Largest {
    /// In octets.
    pub size: usize,
    /// The address.
    pub whose: String,
}

impl Largest {
    fn see(&mut self, size: usize, who: &str) {
        if size > self.size {
            self.size = size;
            who.clone_into(&mut self.whose);
        }
    }
}

/// What is counted over all recipients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many would get the campaign now.
    pub recipients: u64,
    /// For how many no message can be made.
    pub failed: u64,
    /// Why.
    pub failures: Failures,
    /// The largest HTML.
    pub html: Largest,
    /// The largest message.
    pub message: Largest,
}

impl Tally {
    /// A message was made.
    pub fn made(&mut self, who: &str, measured: Measured) {
        self.recipients += 1;
        self.html.see(measured.html, who);
        self.message.see(measured.message, who);
    }

    /// One could not be made.
    pub fn fail(&mut self, who: &str, key: &str, reason: &str) {
        self.recipients += 1;
        self.failed += 1;
        self.failures.add(who, key, reason);
    }

    /// One could not be made for want of the file of the recipient's own, and why.
    pub fn fail_by_file(&mut self, who: &str, reason: &str) {
        self.recipients += 1;
        self.failed += 1;
        self.failures.add_of_file(who, reason);
    }

    /// The same by what the template said: the place of the fault makes the reason.
    pub fn fail_by(&mut self, who: &str, error: &RenderError) {
        let key = match error {
            RenderError::Missing(at) | RenderError::Template(at) => {
                format!("{}:{}:{}", at.template, at.line, at.column)
            }
            RenderError::TooLarge => String::new(),
        };
        self.fail(who, &key, &error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_together_and_named_with_a_few_addresses() {
        let mut failures = Failures::default();
        for n in 0..5 {
            failures.add(&format!("r{n}@example.org"), "a", "a is missing");
        }
        failures.add("x@example.org", "b", "b is missing");
        let shown = failures.most_frequent();
        assert_eq!((shown[0].recipients, shown[0].examples.len()), (5, EXAMPLES));
        assert_eq!((shown[1].recipients, &*shown[1].reason), (1, "b is missing"));
    }

    #[test]
    fn a_million_different_reasons_take_no_more_room_than_a_hundred() {
        let mut tally = Tally::default();
        for n in 0..1_000 {
            tally.fail("a@example.org", &n.to_string(), "why");
        }
        assert_eq!((tally.failed, tally.failures.0.len()), (1_000, REASONS));
        tally.made("b@example.org", Measured { message: 9, html: 3 });
        tally.made("c@example.org", Measured { message: 8, html: 4 });
        assert_eq!(
            (&*tally.message.whose, &*tally.html.whose),
            ("b@example.org", "c@example.org")
        );
    }
}
