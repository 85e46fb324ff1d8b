//! Reading a table of rules.

use super::phrases::{Gathering, PhraseId};
use super::{CodePattern, Rule, Rules, StatusPattern};
use crate::reason::Reason;
use crate::stage::Stage;
use crate::verdict::Class;
use serde::Deserialize;
use std::collections::HashSet;

const STANDARD: &str = include_str!("rules.toml");

/// What is wrong with a file of rules.
#[derive(Debug, thiserror::Error)]
pub enum RulesFault {
    /// It is not the table that is wanted.
    #[error("not a table of rules: {0}")]
    Form(#[from] toml::de::Error),
    /// One rule cannot be used.
    #[error("rule \"{rule}\": {fault}")]
    Rule {
        /// Its name.
        rule: String,
        /// What is wrong, and what to do.
        fault: String,
    },
    /// There are more words than fit into memory.
    #[error("there are too many words in the rules: leave some out")]
    TooMany,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    rule: Vec<RawRule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    name: String,
    reason: String,
    class: Option<Class>,
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
    #[serde(default)]
    status: Vec<String>,
    #[serde(default)]
    codes: Vec<String>,
    #[serde(default)]
    precise: bool,
    #[serde(default)]
    at: Vec<Stage>,
    #[serde(default)]
    not_at: Vec<Stage>,
}

impl Rules {
    pub(super) fn read(own: Option<&str>) -> Result<Rules, RulesFault> {
        let mut phrases = Gathering::default();
        let mut rules = Vec::new();
        for text in own.into_iter().chain([STANDARD]) {
            let table: Table = toml::from_str(text)?;
            let mut names = HashSet::new();
            for raw in table.rule {
                if !names.insert(raw.name.clone()) {
                    return Err(fault(&raw.name, "there are two rules of that name: rename one"));
                }
                rules.push(raw.check(&mut phrases)?);
            }
        }
        let phrases = phrases.compile().ok_or(RulesFault::TooMany)?;
        Ok(Rules { phrases, rules })
    }
}

impl RawRule {
    fn check(self, phrases: &mut Gathering) -> Result<Rule, RulesFault> {
        let wrong = |text: String| fault(&self.name, text);
        let reason = Reason::named(&self.reason).ok_or_else(|| {
            let names: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
            wrong(format!(
                "the reason \"{}\" is not known: write one of {}",
                self.reason,
                names.join(", ")
            ))
        })?;
        if self.words.is_empty() && self.status.is_empty() && self.codes.is_empty() {
            return Err(wrong(
                "it says nothing: give it words, status or codes".to_owned(),
            ));
        }
        if self.words.is_empty() && !self.unless.is_empty() {
            return Err(wrong("unless needs words beside it".to_owned()));
        }
        let mut add = |list: &[String]| -> Result<Vec<PhraseId>, RulesFault> {
            let ids = list.iter().map(|text| {
                phrases
                    .add(text)
                    .ok_or_else(|| wrong(format!("\"{text}\" has no words, or nothing beside a *")))
            });
            ids.collect()
        };
        let (words, unless) = (add(&self.words)?, add(&self.unless)?);
        let status = self.status.iter().map(|text| {
            status_pattern(text)
                .ok_or_else(|| wrong(format!("\"{text}\" is no status: write \"5.1.1\" or \"*.7.*\"")))
        });
        let codes = self.codes.iter().map(|text| {
            code_pattern(text)
                .ok_or_else(|| wrong(format!("\"{text}\" is no code: write \"550\" or \"400-499\"")))
        });
        Ok(Rule {
            reason,
            class: self.class,
            words,
            unless,
            status: status.collect::<Result<_, _>>()?,
            codes: codes.collect::<Result<_, _>>()?,
            precise: self.precise,
            at: self.at,
            not_at: self.not_at,
            name: self.name,
        })
    }
}

fn fault(rule: &str, fault: impl Into<String>) -> RulesFault {
    RulesFault::Rule {
        rule: rule.to_owned(),
        fault: fault.into(),
    }
}

fn status_pattern(text: &str) -> Option<StatusPattern> {
    let mut pattern = [None; 3];
    let mut parts = text.split('.');
    for number in &mut pattern {
        *number = match parts.next()? {
            "*" => None,
            digits => Some(digits.parse().ok()?),
        };
    }
    parts.next().is_none().then_some(StatusPattern(pattern))
}

fn code_pattern(text: &str) -> Option<CodePattern> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (from <= to && (200..=599).contains(&from)).then_some(CodePattern(from, to))
}
