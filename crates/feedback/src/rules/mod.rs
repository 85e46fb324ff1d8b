//! Rules: tables of what receivers write and what they mean by it, compiled once.
//!
//! The table of this crate is `rules.toml`; an operator's file has the same form and goes first.

mod file;
pub mod phrases;
pub mod words;

use crate::reason::Reason;
use crate::stage::Stage;
use crate::status::Enhanced;
use crate::verdict::{Class, Verdict};
use phrases::{PhraseId, Phrases};
use std::sync::LazyLock;
use words::words;

pub use file::RulesFault;

/// The longest text that a rule looks at, in octets. Replies are shorter; a text that is longer is cut.
pub const LONGEST_TEXT: usize = 8 * 1024;

static STANDARD: LazyLock<Rules> =
    LazyLock::new(|| Rules::read(None).expect("the table in this crate is tested"));

/// A table of rules, ready for use.
#[derive(Debug)]
pub struct Rules {
    phrases: Phrases,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    name: String,
    reason: Reason,
    class: Option<Class>,
    words: Vec<PhraseId>,
    unless: Vec<PhraseId>,
    status: Vec<StatusPattern>,
    codes: Vec<CodePattern>,
    /// Of a rule without words: whether its status says more than any text further away.
    precise: bool,
    /// Only for refusals that are known to have come at one of these; for all if there are none.
    at: Vec<Stage>,
    /// Not for refusals that are known to have come at one of these.
    not_at: Vec<Stage>,
}

/// `*` stands for any number.
#[derive(Clone, Copy, Debug)]
struct StatusPattern([Option<u16>; 3]);

/// From and to.
#[derive(Clone, Copy, Debug)]
struct CodePattern(u16, u16);

/// What is known of one failure.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// The reply code.
    pub code: Option<u16>,
    /// The enhanced status.
    pub status: Option<Enhanced>,
    /// What was said, the nearest to the failure first.
    pub texts: &'a [&'a str],
    /// It will be tried again, or the receiver said "later".
    pub is_temporary: bool,
    /// What was refused, if that is known.
    pub stage: Option<Stage>,
}

/// What a rule decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'r> {
    /// What it means.
    pub verdict: Verdict,
    /// The name of the rule.
    pub rule: &'r str,
    /// Whether words or a precise status decided, and not only a code or status that many faults share.
    pub is_told: bool,
}

impl Rules {
    /// The rules of this crate.
    pub fn standard() -> &'static Rules {
        &STANDARD
    }

    /// The rules of this crate, with an operator's before them.
    ///
    /// # Errors
    /// If the text is no table of rules; the fault says where.
    pub fn with(text: &str) -> Result<Rules, RulesFault> {
        Rules::read(Some(text))
    }

    /// What a failure means. There is always a rule: the last is for what nobody told.
    pub fn decide(&self, evidence: &Evidence<'_>) -> Decision<'_> {
        let rule = self.find(evidence);
        let is_told = rule.is_some_and(|rule| rule.precise || !rule.words.is_empty());
        let reason = rule.map_or(Reason::Undefined, |rule| rule.reason);
        let mut class = rule.and_then(|rule| rule.class).unwrap_or(reason.class());
        let says_later = match (evidence.status, evidence.code) {
            (Some(status), _) if status.class == 4 => true,
            (_, Some(400..=499)) => true,
            _ => evidence.is_temporary,
        };
        // The receiver says "later": whatever it names, the address is not known to be bad.
        if says_later && class == Class::Hard {
            class = Class::Soft;
        }
        Decision {
            verdict: Verdict {
                class,
                cause: reason.cause(),
                reason: reason.as_str(),
            },
            rule: rule.map_or("none", |rule| &rule.name),
            is_told,
        }
    }

    fn find(&self, evidence: &Evidence<'_>) -> Option<&Rule> {
        let mut texts = evidence.texts.iter();
        let nearest = texts.next().and_then(|text| self.by_words(text, evidence));
        nearest
            .or_else(|| self.by_codes(evidence, true))
            .or_else(|| texts.find_map(|text| self.by_words(text, evidence)))
            .or_else(|| self.by_codes(evidence, false))
    }

    fn by_words(&self, text: &str, evidence: &Evidence<'_>) -> Option<&Rule> {
        if text.is_empty() {
            return None;
        }
        let found = self.phrases.found(&words(cut(text, LONGEST_TEXT)));
        self.rules.iter().find(|rule| {
            !rule.words.is_empty()
                && found.has_any(&rule.words)
                && !found.has_any(&rule.unless)
                && rule.codes_fit(evidence)
        })
    }

    fn by_codes(&self, evidence: &Evidence<'_>, precise: bool) -> Option<&Rule> {
        self.rules
            .iter()
            .find(|rule| rule.words.is_empty() && (rule.precise || !precise) && rule.codes_fit(evidence))
    }
}

impl Rule {
    fn codes_fit(&self, evidence: &Evidence<'_>) -> bool {
        let status_fits = self.status.is_empty()
            || evidence
                .status
                .is_some_and(|status| self.status.iter().any(|pattern| pattern.fits(status)));
        let code_fits = self.codes.is_empty()
            || evidence.code.is_some_and(|code| {
                self.codes
                    .iter()
                    .any(|CodePattern(from, to)| (*from..=*to).contains(&code))
            });
        status_fits && code_fits && self.stage_fits(evidence)
    }

    fn stage_fits(&self, evidence: &Evidence<'_>) -> bool {
        // 5.1.x says that it is the address, whenever it is said.
        let names_address = evidence.status.is_some_and(|status| status.subject == 1);
        let fits = match evidence.stage {
            Some(Stage::Message) if names_address => false,
            Some(stage) => self.at.contains(&stage),
            None => false,
        };
        let stage_is_fit = self.at.is_empty() || fits;
        stage_is_fit && !evidence.stage.is_some_and(|stage| self.not_at.contains(&stage))
    }
}

impl StatusPattern {
    fn fits(self, status: Enhanced) -> bool {
        let numbers = [status.class, status.subject, status.detail];
        self.0
            .iter()
            .zip(numbers)
            .all(|(wanted, number)| wanted.is_none_or(|wanted| wanted == number))
    }
}

/// The beginning of a text, at most `octets` long.
pub fn cut(text: &str, octets: usize) -> &str {
    &text[..text.floor_char_boundary(octets)]
}

#[cfg(test)]
mod tests;
