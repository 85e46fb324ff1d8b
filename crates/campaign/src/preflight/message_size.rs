//! Whether there are relays, and whether they, and those behind them, take messages of this size.

use super::{Asked, Check, Finding, Tally};

/// From this size on, in octets, a message is slow for everybody and refused by some.
const LARGE: usize = 5_000_000;

pub(super) fn check(tally: &Tally, relays: &[(String, Asked<Option<u64>>)]) -> Vec<Finding> {
    let largest = &tally.message;
    let size = format!("{} KB", largest.size.div_ceil(1024));
    let mut found = Vec::new();
    if relays.is_empty() {
        found.push(Finding::red(
            Check::MessageSize,
            "There is no relay that it could go through.",
            "name one in a [[relay]] section, or add one on the dashboard: Settings, Relays",
        ));
    }
    for (relay, announced) in relays {
        match announced {
            // Zero: it has a limit, and does not say which (RFC 1870 section 3).
            Asked::Found(Some(most)) if *most > 0 && largest.size as u64 > *most => found.push(
                Finding::red(
                    Check::MessageSize,
                    format!(
                        "The relay {relay} takes messages of at most {} KB, and the largest has {size}.",
                        most / 1024
                    ),
                    "make the newsletter or its files smaller, or let the relay's operator raise its limit",
                )
                .at(largest.whose.clone()),
            ),
            Asked::Found(_) | Asked::NotAsked(_) => {}
            Asked::NoAnswer(why) => found.push(Finding::amber(
                Check::MessageSize,
                format!("The relay {relay} could not be asked which size it takes: {why}."),
                "look with `tidings relay test`: nothing goes out through a relay that does not answer",
            )),
        }
    }
    if largest.size > LARGE {
        found.push(
            Finding::amber(
                Check::MessageSize,
                format!("The largest message has {size} with its files; many mailboxes refuse such mail."),
                "put large files on a web page, and link them",
            )
            .at(largest.whose.clone()),
        );
    }
    if found.is_empty() {
        found.push(Finding::ok(
            Check::MessageSize,
            format!("The largest message has {size} in all."),
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Measured;
    use crate::preflight::Level;

    fn level(message: usize, announced: Asked<Option<u64>>) -> Level {
        let mut tally = Tally::default();
        tally.made("a@example.org", Measured { message, html: 1 });
        check(&tally, &[("primary".to_owned(), announced)])[0].level
    }

    #[test]
    fn what_a_relay_refuses_is_red_and_what_many_refuse_is_amber() {
        assert_eq!(level(2_000, Asked::Found(Some(1_000))), Level::Red);
        assert_eq!(level(2_000, Asked::Found(Some(2_000))), Level::Ok);
        assert_eq!(level(2_000, Asked::Found(Some(0))), Level::Ok);
        assert_eq!(
            level(2_000, Asked::NoAnswer("it is down".to_owned())),
            Level::Amber
        );
        assert_eq!(level(LARGE + 1, Asked::Found(None)), Level::Amber);
    }

    #[test]
    fn what_could_go_nowhere_is_red() {
        assert_eq!(check(&Tally::default(), &[])[0].level, Level::Red);
    }
}
