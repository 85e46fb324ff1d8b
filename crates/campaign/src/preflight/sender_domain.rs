//! What the DNS says of the sender's domains: SPF, DMARC, MX, and the key of signatures.

use super::{Asked, Check, Finding};

pub(super) fn check(faults: &Asked<Vec<String>>) -> Vec<Finding> {
    match faults {
        Asked::Found(faults) if faults.is_empty() => vec![Finding::ok(
            Check::SenderDomain,
            "The sender's domains have SPF, DMARC and a host that takes answers and bounces.",
        )],
        Asked::Found(faults) => faults
            .iter()
            .map(|fault| in_two(Check::SenderDomain, fault))
            .collect(),
        Asked::NotAsked(why) => vec![Finding::ok(
            Check::SenderDomain,
            format!("The DNS was not asked: {why}."),
        )],
        Asked::NoAnswer(why) => vec![not_answered(Check::SenderDomain, why)],
    }
}

pub(super) fn check_dkim(key: &Asked<Result<String, String>>) -> Vec<Finding> {
    match key {
        Asked::Found(Ok(place)) => {
            vec![Finding::ok(Check::Dkim, "The public key of signatures is published.").at(place.clone())]
        }
        Asked::Found(Err(fault)) => vec![in_two(Check::Dkim, fault)],
        Asked::NotAsked(why) => vec![Finding::ok(
            Check::Dkim,
            format!("The key of signatures was not looked for: {why}."),
        )],
        Asked::NoAnswer(why) => vec![not_answered(Check::Dkim, why)],
    }
}

/// What is wrong stands before what to do, in which a record may stand between quotes.
fn in_two(check: Check, fault: &str) -> Finding {
    let unquoted = fault.find('"').map_or(fault, |quote| &fault[..quote]);
    let cut = unquoted.rfind("; ").or_else(|| unquoted.rfind(": "));
    match cut {
        Some(at) => Finding::amber(check, format!("{}.", &fault[..at]), &fault[at + 2..]),
        None => Finding::amber(check, format!("{fault}."), "publish what is missing"),
    }
}

fn not_answered(check: Check, why: &str) -> Finding {
    Finding::amber(
        check,
        format!("The DNS could not be asked: {why}."),
        "look at [dns] in tidings.toml and at the network, then run this list again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::Level;

    #[test]
    fn what_is_missing_is_amber_and_so_is_a_dns_that_does_not_answer() {
        let level = |asked| check(&asked)[0].level;
        assert_eq!(level(Asked::Found(Vec::new())), Level::Ok);
        assert_eq!(
            level(Asked::NotAsked("[dns] enabled is false".to_owned())),
            Level::Ok
        );
        assert_eq!(
            level(Asked::NoAnswer("it did not come in time".to_owned())),
            Level::Amber
        );
        let found = check(&Asked::Found(vec![
            "a.test has no SPF record: publish one".to_owned(),
        ]));
        assert_eq!(
            (found[0].level, &*found[0].sentence),
            (Level::Amber, "a.test has no SPF record.")
        );
        assert_eq!(found[0].advice.as_deref(), Some("publish one"));
        let found = check(&Asked::Found(vec![
            "a.test has no DMARC record: publish one, at least \"v=DMARC1; p=none\"".to_owned(),
        ]));
        assert_eq!(&*found[0].sentence, "a.test has no DMARC record.");
        assert_eq!(
            found[0].advice.as_deref(),
            Some("publish one, at least \"v=DMARC1; p=none\"")
        );
        let found = check_dkim(&Asked::Found(Err(
            "no key at s._domainkey.a.test: publish it".to_owned()
        )));
        assert_eq!(found[0].level, Level::Amber);
    }
}
