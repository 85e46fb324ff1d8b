//! Gmail shows the beginning of a large message only.

use super::{Check, Finding, Tally};

/// Gmail clips a message whose HTML is larger, in octets. Google does not publish it; senders find 102 to 105 KB of HTML before it
/// is encoded (Al Iverson, "What is Gmail clipping and what to do about it", spamresource.com, January 2022), so the lower is taken.
pub const GMAIL_CLIPS_AT: usize = 102 * 1024;

pub(super) fn check(tally: &Tally) -> Vec<Finding> {
    let largest = &tally.html;
    let size = format!("{} KB", largest.size.div_ceil(1024));
    if largest.size <= GMAIL_CLIPS_AT {
        return vec![Finding::ok(
            Check::Clipping,
            format!("The largest HTML has {size}; Gmail shows up to 102 KB whole."),
        )];
    }
    let finding = Finding::amber(
        Check::Clipping,
        format!(
            "The largest HTML has {size}, and Gmail clips what is beyond 102 KB: the end of the newsletter, where the unsubscribe \
             link usually is, is hidden behind a link, and opens may not be counted."
        ),
        "shorten the newsletter, or take styles and comments out that nothing needs",
    );
    vec![finding.at(largest.whose.clone())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Measured;
    use crate::preflight::Level;

    #[test]
    fn the_largest_of_all_recipients_counts() {
        let mut tally = Tally::default();
        let html = |html| Measured { message: html, html };
        tally.made("a@example.org", html(GMAIL_CLIPS_AT));
        assert_eq!(check(&tally)[0].level, Level::Ok);
        tally.made("b@example.org", html(GMAIL_CLIPS_AT + 1));
        tally.made("c@example.org", html(100));
        let found = check(&tally);
        assert_eq!(
            (found[0].level, found[0].place.as_deref()),
            (Level::Amber, Some("b@example.org"))
        );
    }
}
