//! What the pages answer to which links lead, and the images that are shown.
//!
//! No answer is red: a page may be meant to be there only when the newsletter goes out, and a firewall may keep programs away.

use super::{Asked, Check, Finding};

/// What a link or an image answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkAnswer {
    /// The address.
    pub url: String,
    /// An image, not a page.
    pub is_image: bool,
    /// What came of asking.
    pub outcome: Outcome,
}

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There was an answer.
    Answered(Answer),
    /// It was not asked; why.
    NotAsked(String),
    /// It stands in one recipient's message alone, and was not asked: that would be done in that recipient's name.
    OnesOwn,
    /// None came, or none that can be read; why.
    Failed(String),
}

/// An answer by HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status at the end of all redirects.
    pub status: u16,
    /// How often it led elsewhere.
    pub redirects: u32,
    /// How many octets it has, where that was said.
    pub size: Option<u64>,
}

/// More redirects than these are slow on a phone, and often a mistake.
const MOST_REDIRECTS: u32 = 3;

pub(super) fn check(answers: &Asked<Vec<LinkAnswer>>) -> Vec<Finding> {
    let answers = match answers {
        Asked::Found(answers) => answers,
        Asked::NotAsked(why) => {
            return vec![Finding::ok(Check::Answers, format!("No link was asked: {why}."))];
        }
        Asked::NoAnswer(why) => {
            return vec![Finding::amber(
                Check::Answers,
                format!("The links could not be asked: {why}."),
                "click each of them yourself",
            )];
        }
    };
    let mut found: Vec<Finding> = answers
        .iter()
        .filter_map(|answer| fault(answer).map(|finding| placed(finding, answer)))
        .collect();
    if found.is_empty() {
        let asked = answers
            .iter()
            .filter(|one| matches!(one.outcome, Outcome::Answered(_)))
            .count();
        let rest = match answers.len() - asked {
            0 => String::new(),
            n => format!("; {n} were not asked"),
        };
        found.push(Finding::ok(
            Check::Answers,
            format!("{asked} links and images answered{rest}."),
        ));
    }
    found
}

/// Where it was found; of what is one recipient's own no word is kept.
fn placed(finding: Finding, answer: &LinkAnswer) -> Finding {
    match answer.outcome {
        Outcome::OnesOwn => finding,
        _ => finding.at(answer.url.clone()),
    }
}

fn fault(one: &LinkAnswer) -> Option<Finding> {
    let what = if one.is_image { "An image" } else { "A link" };
    let amber = |sentence: String, advice: &str| Some(Finding::amber(Check::Answers, sentence, advice));
    let answer = match &one.outcome {
        Outcome::Answered(answer) => answer,
        // Why is said where links are looked at as they are written.
        Outcome::NotAsked(_) => return None,
        Outcome::OnesOwn => {
            return amber(
                "Some links or images stand in the message of one recipient alone; they were not asked, which would be in that \
                 recipient's name."
                    .to_owned(),
                "follow them in a message to yourself",
            );
        }
        Outcome::Failed(why) => {
            return amber(
                format!("{what} does not answer: {why}."),
                "open it in a browser, and correct it",
            );
        }
    };
    match answer.status {
        // They are there, and want to see a person.
        401 | 403 | 405 | 406 | 429 | 999 => None,
        404 | 410 => amber(
            format!("{what} leads to nothing: the answer is {}.", answer.status),
            "correct it, or see to it that the page is there before the newsletter is",
        ),
        status @ 400..=499 => amber(
            format!("{what} is refused: the answer is {status}."),
            "open it in a browser, and correct it",
        ),
        status @ 500.. => amber(
            format!("{what} leads to a server in trouble: the answer is {status}."),
            "see to it that the server works before the newsletter is there",
        ),
        _ if answer.redirects > MOST_REDIRECTS => amber(
            format!(
                "{what} leads elsewhere {} times before there is a page.",
                answer.redirects
            ),
            "write the address at the end of the way",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Level;

    fn level(outcome: Outcome) -> Level {
        let one = LinkAnswer {
            url: "https://tidings.dev/".to_owned(),
            is_image: false,
            outcome,
        };
        check(&Asked::Found(vec![one]))[0].level
    }

    fn status(status: u16, redirects: u32) -> Outcome {
        Outcome::Answered(Answer {
            status,
            redirects,
            size: None,
        })
    }

    #[test]
    fn what_is_one_recipients_own_is_said_without_its_address() {
        let one = LinkAnswer {
            url: "https://tidings.dev/?ann".to_owned(),
            is_image: false,
            outcome: Outcome::OnesOwn,
        };
        let found = check(&Asked::Found(vec![one]));
        assert_eq!(found[0].place, None);
        assert!(!found[0].sentence.contains("ann"), "{}", found[0].sentence);
    }

    #[test]
    fn whatever_does_not_answer_is_asked_about_and_nothing_is_red() {
        for (outcome, expected) in [
            (status(200, 0), Level::Ok),
            (status(200, 3), Level::Ok),
            (status(200, 4), Level::Amber),
            (status(403, 0), Level::Ok),
            (status(404, 0), Level::Amber),
            (status(451, 0), Level::Amber),
            (status(503, 0), Level::Amber),
            (Outcome::Failed("no answer in 10 s".to_owned()), Level::Amber),
            (Outcome::NotAsked("private".to_owned()), Level::Ok),
            (Outcome::OnesOwn, Level::Amber),
        ] {
            assert_eq!(level(outcome.clone()), expected, "{outcome:?}");
        }
        let found = |asked: Asked<Vec<LinkAnswer>>| check(&asked)[0].level;
        assert_eq!(
            found(Asked::NotAsked("check_links is false".to_owned())),
            Level::Ok
        );
        assert_eq!(found(Asked::NoAnswer("no network".to_owned())), Level::Amber);
    }
}
