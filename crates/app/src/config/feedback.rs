//! Section `[feedback]`.

use super::{Faults, duration, keep, rules_file};
use anyhow::{Context, ensure};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tidings_feedback::policy::{Policy, SoftRule};
use tidings_feedback::rules::Rules;
use tidings_feedback::thresholds::{Share, Thresholds};
use tidings_sender::judging::Judging;

/// The longest time that anything is looked back: ten years.
const LONGEST_SPAN: Duration = Duration::from_secs(3_653 * 86_400);

/// A quarter of a year: a complaint about what was done comes within it.
const KEEP_ARRIVALS: Duration = Duration::from_secs(90 * 86_400);

/// `[feedback]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedbackSection {
    rules: Option<PathBuf>,
    soft_bounces_in_row: Option<u32>,
    soft_bounces_over: Option<String>,
    match_window: Option<String>,
    stale_after: Option<String>,
    keep_arrivals: Option<String>,
    pause_at_hard_bounces: Option<String>,
    pause_at_complaints: Option<String>,
    pause_after: Option<u64>,
}

/// How bounces are understood, and what follows.
#[derive(Clone, Debug)]
pub struct Feedback {
    /// A file of rules that go before ours (docs/bounces.md).
    rules: Option<PathBuf>,
    /// What follows for addresses.
    pub policy: Policy,
    /// How long what came in is kept as it came.
    pub keep_arrivals: Duration,
    /// When campaigns pause by themselves, where they say nothing else.
    pub thresholds: Thresholds,
}

impl FeedbackSection {
    /// Checks all settings, so that every fault is named at once.
    pub(super) fn check(self) -> anyhow::Result<Feedback> {
        let mut faults = Vec::new();
        let policy = Policy::default();
        let thresholds = Thresholds::default();
        let in_row = self.soft_bounces_in_row.unwrap_or(policy.soft.in_row);
        keep(check_in_row(in_row), &mut faults);
        let mut span = |key: &str, text: Option<String>, default| {
            let given = text.and_then(|text| keep(span(key, &text), &mut faults));
            given.unwrap_or(default)
        };
        let policy = Policy {
            soft: SoftRule {
                in_row,
                over: span("soft_bounces_over", self.soft_bounces_over, policy.soft.over),
            },
            window: span("match_window", self.match_window, policy.window),
            stale: span("stale_after", self.stale_after, policy.stale),
        };
        let keep_arrivals = span("keep_arrivals", self.keep_arrivals, KEEP_ARRIVALS);
        let mut share = |key: &str, text: Option<String>, default| {
            let given = text.and_then(|text| keep(share(key, &text), &mut faults));
            given.unwrap_or(default)
        };
        let thresholds = Thresholds {
            hard_bounces: share(
                "pause_at_hard_bounces",
                self.pause_at_hard_bounces,
                thresholds.hard_bounces,
            ),
            complaints: share(
                "pause_at_complaints",
                self.pause_at_complaints,
                thresholds.complaints,
            ),
            after: self.pause_after.unwrap_or(thresholds.after),
        };
        if !faults.is_empty() {
            return Err(Faults(faults).into());
        }
        Ok(Feedback {
            rules: self.rules,
            policy,
            keep_arrivals,
            thresholds,
        })
    }
}

impl Default for Feedback {
    fn default() -> Self {
        Feedback {
            rules: None,
            policy: Policy::default(),
            keep_arrivals: KEEP_ARRIVALS,
            thresholds: Thresholds::default(),
        }
    }
}

impl Feedback {
    /// The file of rules, if one is named.
    pub fn rules_file(&self) -> Option<&Path> {
        self.rules.as_deref()
    }

    /// Our rules, with the file's before them.
    ///
    /// # Errors
    /// If the file cannot be read or is no table of rules; the message names the file and the rule or line.
    pub fn rules(&self) -> anyhow::Result<Rules> {
        let text = self
            .rules
            .as_deref()
            .map(|file| rules_file::read("feedback", file))
            .transpose()?;
        let name = || {
            format!(
                "section [feedback]: rules = {:?}",
                self.rules.as_deref().unwrap_or(Path::new(""))
            )
        };
        Rules::with(text.as_deref().unwrap_or_default()).with_context(name)
    }

    /// What a sender needs of it.
    ///
    /// # Errors
    /// As [`Feedback::rules`].
    pub fn judging(&self) -> anyhow::Result<Judging> {
        Ok(Judging {
            rules: self.rules()?,
            soft: self.policy.soft,
            thresholds: self.thresholds,
        })
    }
}

fn check_in_row(in_row: u32) -> anyhow::Result<()> {
    ensure!(
        in_row <= SoftRule::MOST,
        "section [feedback]: soft_bounces_in_row = {in_row} is more than the {} deliveries that are looked back \
         upon; 0 switches the rule off",
        SoftRule::MOST
    );
    Ok(())
}

fn span(key: &str, text: &str) -> anyhow::Result<Duration> {
    let span = duration("feedback", key, text)?;
    ensure!(
        span <= LONGEST_SPAN,
        "section [feedback]: {key} = \"{text}\" is longer than ten years"
    );
    Ok(span)
}

fn share(key: &str, text: &str) -> anyhow::Result<Share> {
    text.parse()
        .with_context(|| format!("section [feedback]: {key} = \"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Feedback, String> {
        let section: FeedbackSection = toml::from_str(text).unwrap();
        section.check().map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn a_faulty_file_of_rules_is_named_with_the_rule() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.toml");
        std::fs::write(
            &file,
            "[[rule]]\nname = \"ours\"\nreason = \"gone\"\nwords = [\"left us\"]\n",
        )
        .unwrap();
        let feedback = Feedback {
            rules: Some(file),
            ..Feedback::default()
        };
        let error = format!("{:#}", feedback.rules().unwrap_err());
        for part in ["rules.toml", "\"ours\"", "\"gone\"", "userunknown"] {
            assert!(error.contains(part), "{part} is missing in: {error}");
        }
    }

    #[test]
    fn what_is_not_said_is_as_documented() {
        let feedback = check("").unwrap();
        assert_eq!(
            (feedback.policy, feedback.thresholds),
            (Policy::default(), Thresholds::default())
        );
        let written = check(
            "soft_bounces_in_row = 5\nsoft_bounces_over = \"14days\"\nmatch_window = \"7days\"\n\
             stale_after = \"30days\"\npause_at_hard_bounces = \"5%\"\npause_at_complaints = \"0.3%\"\npause_after = 200",
        );
        let written = written.unwrap();
        assert_eq!(
            (written.policy, written.thresholds),
            (feedback.policy, feedback.thresholds)
        );
    }

    #[test]
    fn values_that_mean_nothing_are_refused_with_an_example() {
        for (text, part) in [
            ("soft_bounces_in_row = 51", "50 deliveries"),
            ("soft_bounces_over = \"a while\"", "4days"),
            ("stale_after = \"100years\"", "ten years"),
            ("pause_at_hard_bounces = \"5\"", "write 5%, 0.3% or never"),
            ("pause_at_complaints = \"half\"", "pause_at_complaints"),
        ] {
            let error = check(text).unwrap_err();
            assert!(
                error.contains(part) && error.contains("[feedback]"),
                "{part} is missing in: {error}"
            );
        }
    }
}
