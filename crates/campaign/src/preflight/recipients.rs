//! Whether anybody would get the newsletter, and whether everybody would.

use super::{Check, Finding, Tally};

/// Above this share of recipients without a message, in percent, something is wrong with the newsletter and not with some
/// recipients.
const MOST_FAILING_PERCENT: u64 = 5;

pub(super) fn check(tally: &Tally) -> Vec<Finding> {
    if tally.recipients == 0 {
        return vec![Finding::red(
            Check::Recipients,
            "Nobody would get it: no recipient of its lists is confirmed and may be mailed now.",
            "choose another list, import recipients into it, or lift suppressions",
        )];
    }
    let n = tally.recipients;
    let mut found = vec![Finding::ok(
        Check::Recipients,
        match n {
            1 => "1 recipient would get it now.".to_owned(),
            _ => format!("{n} recipients would get it now."),
        },
    )];
    if tally.failed == 0 {
        found.push(Finding::ok(
            Check::Rendering,
            "Every recipient's message was made.",
        ));
        return found;
    }
    let is_red = tally.failed * 100 > n * MOST_FAILING_PERCENT;
    for failure in tally.failures.most_frequent() {
        let sentence = format!(
            "{} of {n} recipients would get no message: {}.",
            failure.recipients, failure.reason
        );
        let advice = match failure.is_of_files {
            true => "put these files into the attachments folder, or correct the attribute that names them",
            false => "give the variable a default in the template, or import what these recipients lack",
        };
        let finding = if is_red {
            Finding::red(Check::Rendering, sentence, advice)
        } else {
            Finding::amber(Check::Rendering, sentence, advice)
        };
        found.push(finding.at(failure.examples.join(", ")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Level;

    fn tally(recipients: u64, failed: u64) -> Tally {
        let mut tally = Tally::default();
        for n in 0..failed {
            tally.fail(
                &format!("r{n}@example.org"),
                "city",
                "the variable city is missing",
            );
        }
        tally.recipients = recipients;
        tally
    }

    #[test]
    fn a_campaign_to_nobody_does_not_go_out() {
        let found = check(&tally(0, 0));
        assert_eq!((found.len(), found[0].level), (1, Level::Red));
    }

    #[test]
    fn files_that_cannot_be_taken_are_told_apart_by_what_is_wrong_with_them() {
        let mut tally = Tally::default();
        for (who, why) in [
            ("a", "the file `1.pdf` (attribute invoice): there is no such file"),
            ("b", "the file `2.pdf` (attribute invoice): there is no such file"),
            ("c", "the file `x` (attribute invoice): it is not a file"),
            ("d", "the attribute invoice is missing for this recipient"),
        ] {
            tally.fail_by_file(who, why);
        }
        let found = check(&tally);
        let of_files: Vec<_> = found.iter().filter(|one| one.check == Check::Rendering).collect();
        assert_eq!(of_files.len(), 3, "{found:?}");
        assert!(
            of_files[0]
                .sentence
                .starts_with("2 of 4 recipients would get no message: the file `1.pdf`"),
            "{found:?}"
        );
        for finding in of_files {
            assert!(
                finding.advice.as_ref().unwrap().contains("attachments folder"),
                "{finding:?}"
            );
        }
    }

    #[test]
    fn some_who_get_nothing_are_a_persons_choice_and_many_are_a_fault() {
        for (failed, level) in [
            (0, Level::Ok),
            (5, Level::Amber),
            (6, Level::Red),
            (100, Level::Red),
        ] {
            let found = check(&tally(100, failed));
            let finding = found.iter().find(|one| one.check == Check::Rendering).unwrap();
            assert_eq!(finding.level, level, "{failed}");
        }
        let found = check(&tally(100, 3));
        assert!(found[1].sentence.starts_with("3 of 100 recipients"), "{found:?}");
        assert!(found[1].sentence.contains("city"), "{found:?}");
        assert!(
            found[1].place.as_ref().unwrap().contains("r0@example.org"),
            "{found:?}"
        );
    }
}
