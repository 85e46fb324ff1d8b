//! What the page of a pre-flight list shows. Pure.

use crate::figures::numbers::{count, moment};
use serde::Serialize;
use tidings_campaign::lifecycle::CampaignState;
use tidings_campaign::preflight::verdict::{Override, Verdict, key, override_of};
use tidings_campaign::preflight::{Finding, Level};
use tidings_campaign::time::Timestamp;
use tidings_store::campaigns::Campaign;
use tidings_store::people::Role;
use tidings_store::preflights::{Preflight, PreflightState, verdict_of};

/// What the page is made of.
pub(super) struct Read {
    pub(super) campaign: Campaign,
    pub(super) fingerprint: String,
    pub(super) preflight: Option<Preflight>,
    pub(super) overrides: Vec<Override>,
}

#[derive(Serialize)]
pub(super) struct PreflightPage {
    id: i64,
    name: String,
    state: &'static str,
    problem: Option<String>,
    /// Why there is no list, though one was asked for.
    failure: Option<String>,
    /// How far it is, while it is being made.
    underway: Option<String>,
    /// Who asked for it, and when.
    asked: Option<String>,
    verdict: Option<Says>,
    groups: Vec<Group>,
    can_run: bool,
    run: &'static str,
}

/// What follows from the list.
#[derive(Serialize)]
struct Says {
    level: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Group {
    title: &'static str,
    note: &'static str,
    level: &'static str,
    n: String,
    findings: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    code: &'static str,
    title: &'static str,
    sentence: String,
    place: Option<String>,
    advice: Option<String>,
    /// Who has taken it on, and why.
    taken: Option<Taken>,
    can_take: bool,
    key: String,
}

#[derive(Serialize)]
struct Taken {
    who: String,
    at: String,
    reason: String,
}

impl PreflightPage {
    pub(super) fn new(read: Read, role: Role, problem: Option<String>, now: Timestamp) -> PreflightPage {
        let Read {
            campaign,
            fingerprint,
            preflight,
            overrides,
        } = read;
        let verdict = verdict_of(preflight.as_ref(), &overrides, &fingerprint, now);
        // Of one that has gone out nothing is to be scheduled any more.
        let is_to_come = campaign.started_at.is_none() && campaign.state != CampaignState::Cancelled;
        let may_change = role >= Role::Editor && is_to_come;
        let asked = preflight.as_ref().map(|preflight| {
            let when = match preflight.state {
                PreflightState::Done { finished_at, .. } => finished_at,
                _ => preflight.asked_at,
            };
            format!("{}, {}", preflight.asked_by, moment(when))
        });
        let (failure, underway, findings) = match preflight.map(|preflight| preflight.state) {
            None => (None, None, Vec::new()),
            Some(PreflightState::Asked) => (None, Some("It begins in a moment.".to_owned()), Vec::new()),
            Some(PreflightState::Running(n)) => (None, Some(progress(n)), Vec::new()),
            Some(PreflightState::Failed(why)) => (Some(why), None, Vec::new()),
            Some(PreflightState::Done { findings, .. }) => (None, None, findings),
        };
        PreflightPage {
            id: campaign.id.0,
            name: campaign.name,
            state: campaign.state.as_str(),
            problem,
            failure,
            asked,
            verdict: says(verdict).filter(|_| is_to_come),
            groups: groups(findings, &overrides, may_change),
            can_run: may_change && underway.is_none(),
            run: if verdict == Verdict::NotRun {
                "Run the list"
            } else {
                "Run it again"
            },
            underway,
        }
    }

    pub(super) fn is_underway(&self) -> bool {
        self.underway.is_some()
    }
}

fn progress(rendered: u64) -> String {
    let n = count(i64::try_from(rendered).unwrap_or(i64::MAX));
    format!("{n} recipients' messages have been made so far; then links, relays and the DNS are asked.")
}

fn says(verdict: Verdict) -> Option<Says> {
    let level = match verdict {
        Verdict::NotRun | Verdict::Running | Verdict::Failed => return None,
        Verdict::Clear => "good",
        Verdict::Stale | Verdict::Blocked { red: 0, .. } => "warn",
        Verdict::Blocked { .. } => "bad",
    };
    let text = match verdict.why_not() {
        Some(why) => format!("It cannot be scheduled here yet: {why}."),
        None => "Nothing is in the way: the campaign can be scheduled.".to_owned(),
    };
    Some(Says { level, text })
}

fn groups(findings: Vec<Finding>, overrides: &[Override], may_change: bool) -> Vec<Group> {
    const GROUPS: [(Level, &str, &str, &str); 3] = [
        (
            Level::Red,
            "bad",
            "To be mended",
            "nothing goes out as long as it is like this",
        ),
        (
            Level::Amber,
            "warn",
            "To be decided",
            "mend it, or take it on with a reason",
        ),
        (Level::Ok, "good", "In order", ""),
    ];
    let mut groups = Vec::new();
    for (level, class, title, note) in GROUPS {
        let of_level = findings.iter().filter(|finding| finding.level == level);
        let shown: Vec<Shown> = of_level
            .map(|finding| shown(finding, overrides, may_change))
            .collect();
        if !shown.is_empty() {
            groups.push(Group {
                title,
                note,
                level: class,
                n: count(shown.len() as i64),
                findings: shown,
            });
        }
    }
    groups
}

fn shown(finding: &Finding, overrides: &[Override], may_change: bool) -> Shown {
    let taken = (finding.level == Level::Amber)
        .then(|| override_of(finding, overrides))
        .flatten();
    Shown {
        code: finding.check.code(),
        title: finding.check.title(),
        sentence: finding.sentence.clone(),
        place: finding.place.clone(),
        advice: finding.advice.as_deref().map(sentence),
        can_take: may_change && finding.may_be_taken_on() && taken.is_none(),
        taken: taken.map(|one| Taken {
            who: one.who.clone(),
            at: moment(one.at),
            reason: one.reason.clone(),
        }),
        key: key(finding),
    }
}

/// What to do, as a sentence of its own.
fn sentence(advice: &str) -> String {
    let mut letters = advice.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    let whole: String = first.chain(letters).collect();
    format!("{whole}.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_campaign::preflight::Check;

    fn finding(check: Check, level: Level) -> Finding {
        Finding {
            check,
            level,
            sentence: "A link leads nowhere.".to_owned(),
            place: None,
            advice: Some("write where it leads".to_owned()),
            is_rest: false,
        }
    }

    #[test]
    fn findings_stand_by_what_they_ask_for_and_amber_ones_can_be_taken_on_once() {
        let findings = vec![
            finding(Check::Links, Level::Amber),
            finding(Check::Subject, Level::Amber),
            finding(Check::Rendering, Level::Red),
        ];
        let taken = Override {
            check: Check::Links,
            finding: key(&findings[0]),
            reason: "it is meant so".to_owned(),
            who: "ann@example.com".to_owned(),
            at: Timestamp(0),
        };
        let made = groups(findings.clone(), &[taken], true);
        let levels: Vec<_> = made
            .iter()
            .map(|group| (group.level, group.findings.len()))
            .collect();
        assert_eq!(levels, [("bad", 1), ("warn", 2)]);
        let amber = &made[1].findings;
        assert!(amber[0].taken.is_some() && !amber[0].can_take);
        assert!(amber[1].taken.is_none() && amber[1].can_take);
        assert!(!made[0].findings[0].can_take);
        assert_eq!(amber[0].advice.as_deref(), Some("Write where it leads."));
        let looked_at = groups(findings, &[], false);
        assert!(
            looked_at
                .iter()
                .flat_map(|group| &group.findings)
                .all(|one| !one.can_take)
        );
    }
}
