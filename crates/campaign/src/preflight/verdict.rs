//! Whether a campaign may be scheduled, by its pre-flight list: red blocks, amber asks for somebody who takes it on.

use super::{Check, Finding, Level};
use crate::time::Timestamp;
use std::time::Duration;

/// So long a list holds, if nothing changes: recipients, links and the DNS change by themselves.
pub const HOLDS_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// An amber finding that somebody takes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Which check.
    pub check: Check,
    /// What it said, and where: what was read is what is taken on, and nothing else.
    pub finding: String,
    /// Why.
    pub reason: String,
    /// Who.
    pub who: String,
    /// When.
    pub at: Timestamp,
}

/// How an override names a finding: by what it says and where.
pub fn key(finding: &Finding) -> String {
    match &finding.place {
        Some(place) => format!("{} [{place}]", finding.sentence),
        None => finding.sentence.clone(),
    }
}

/// The override of a finding, if there is one.
pub fn override_of<'a>(finding: &Finding, overrides: &'a [Override]) -> Option<&'a Override> {
    if !finding.may_be_taken_on() {
        return None;
    }
    let key = key(finding);
    overrides
        .iter()
        .find(|one| one.check == finding.check && one.finding == key)
}

/// A list as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept<'a> {
    /// It is being made, or waits for it.
    Underway,
    /// It was not made; the next may be.
    Failed,
    /// It is there.
    Done {
        /// What was found.
        findings: &'a [Finding],
        /// Of what it was made.
        fingerprint: &'a str,
        /// When it was begun.
        began: Timestamp,
    },
}

/// What follows from a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is none.
    NotRun,
    /// It is being made.
    Running,
    /// It could not be made.
    Failed,
    /// It is of another content, or old.
    Stale,
    /// Something is in the way.
    Blocked {
        /// Red findings.
        red: usize,
        /// Amber ones that nobody has taken on.
        amber: usize,
    },
    /// Nothing is.
    Clear,
}

/// What follows from a list, if there is one, for a campaign that has this fingerprint now.
pub fn verdict(
    kept: Option<&Kept<'_>>,
    overrides: &[Override],
    fingerprint_now: &str,
    now: Timestamp,
) -> Verdict {
    let (findings, fingerprint, began) = match kept {
        None => return Verdict::NotRun,
        Some(Kept::Underway) => return Verdict::Running,
        Some(Kept::Failed) => return Verdict::Failed,
        Some(Kept::Done {
            findings,
            fingerprint,
            began,
        }) => (findings, fingerprint, began),
    };
    if *fingerprint != fingerprint_now || now > began.plus(HOLDS_FOR) {
        return Verdict::Stale;
    }
    let red = findings
        .iter()
        .filter(|finding| finding.level == Level::Red)
        .count();
    let is_open =
        |finding: &&Finding| finding.level == Level::Amber && override_of(finding, overrides).is_none();
    let amber = findings.iter().filter(is_open).count();
    match (red, amber) {
        (0, 0) => Verdict::Clear,
        _ => Verdict::Blocked { red, amber },
    }
}

impl Verdict {
    /// Whether the dashboard may schedule the campaign.
    pub fn may_schedule(self) -> bool {
        self == Verdict::Clear
    }

    /// What is in the way, and what to do about it; nothing if nothing is.
    pub fn why_not(self) -> Option<String> {
        let count = |n: usize, one: &str, many: &str| match n {
            1 => format!("1 {one}"),
            n => format!("{n} {many}"),
        };
        Some(match self {
            Verdict::Clear => return None,
            Verdict::NotRun => "the pre-flight list has not been run: run it first".to_owned(),
            Verdict::Running => "the pre-flight list is being run: wait for it".to_owned(),
            Verdict::Failed => "the pre-flight list could not be run: see why, and run it again".to_owned(),
            Verdict::Stale => {
                "the campaign has changed since its pre-flight list, or a day has passed: run the list again"
                    .to_owned()
            }
            Verdict::Blocked { red, amber: 0 } => format!(
                "the pre-flight list has {}: mend what is red, and run the list again",
                count(red, "red finding", "red findings")
            ),
            Verdict::Blocked { red: 0, amber } => format!(
                "the pre-flight list has {} that nobody has taken on: mend them, or override them with a reason",
                count(amber, "amber finding", "amber findings")
            ),
            Verdict::Blocked { red, amber } => format!(
                "the pre-flight list has {} and {} that nobody has taken on: mend what is red, and run the list again",
                count(red, "red finding", "red findings"),
                count(amber, "amber one", "amber ones")
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000_000_000_000);

    fn finding(level: Level) -> Finding {
        Finding::new(Check::Links, level, "A link leads nowhere.").at("“Read more”")
    }

    fn taken_on(finding: &Finding) -> Override {
        Override {
            check: finding.check,
            finding: key(finding),
            reason: "it is meant so".to_owned(),
            who: "ann@example.com".to_owned(),
            at: NOW,
        }
    }

    fn of(levels: &[Level], overrides: &[Override], fingerprint: &str, now: Timestamp) -> Verdict {
        let findings: Vec<Finding> = levels.iter().map(|level| finding(*level)).collect();
        let kept = Kept::Done {
            findings: &findings,
            fingerprint: "abc",
            began: NOW,
        };
        verdict(Some(&kept), overrides, fingerprint, now)
    }

    #[test]
    fn red_blocks_and_amber_asks_for_a_name() {
        let overrides = [taken_on(&finding(Level::Amber))];
        assert!(of(&[Level::Ok], &[], "abc", NOW).may_schedule());
        let amber = of(&[Level::Amber], &[], "abc", NOW);
        assert_eq!(amber, Verdict::Blocked { red: 0, amber: 1 });
        assert!(of(&[Level::Amber], &overrides, "abc", NOW).may_schedule());
        let red = of(&[Level::Red, Level::Amber], &overrides, "abc", NOW);
        assert_eq!(red, Verdict::Blocked { red: 1, amber: 0 });
        assert!(!red.may_schedule() && red.why_not().unwrap().contains("1 red finding:"));
    }

    #[test]
    fn an_override_is_of_what_was_read_and_of_nothing_else() {
        let mut overrides = [taken_on(&finding(Level::Amber))];
        overrides[0].finding = key(&finding(Level::Amber).at("“Shop”"));
        let verdict = of(&[Level::Amber], &overrides, "abc", NOW);
        assert_eq!(verdict, Verdict::Blocked { red: 0, amber: 1 });
    }

    #[test]
    fn a_list_holds_for_what_it_was_made_of_and_for_a_day() {
        assert_eq!(of(&[Level::Ok], &[], "abd", NOW), Verdict::Stale);
        assert_eq!(of(&[Level::Ok], &[], "abc", NOW.plus(HOLDS_FOR)), Verdict::Clear);
        let later = Timestamp(NOW.plus(HOLDS_FOR).0 + 1);
        assert_eq!(of(&[Level::Ok], &[], "abc", later), Verdict::Stale);
        for (kept, expected) in [
            (None, Verdict::NotRun),
            (Some(Kept::Underway), Verdict::Running),
            (Some(Kept::Failed), Verdict::Failed),
        ] {
            let verdict = verdict(kept.as_ref(), &[], "abc", NOW);
            assert_eq!(verdict, expected);
            assert!(!verdict.may_schedule() && verdict.why_not().is_some());
        }
    }
}
