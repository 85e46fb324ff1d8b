//! How the demo's relay behaves: like a real one on an ordinary day, faster.

use std::time::Duration;
use tidings_scripted_relay::{Reply, Rule, Script, Who};

/// Local parts that end with this do not exist. It stands at the end because recipients are mailed in the order of their addresses:
/// at the beginning, all of them would come one after the other, and the campaign would pause by itself.
pub(crate) const GONE: &str = ".gone";
/// Mailboxes that are full at the first try.
pub(crate) const FULL: &str = ".full";
/// Recipients whose server puts every stranger off once.
pub(crate) const SLOW: &str = ".slow";
/// Recipients whose server takes the content for something unwanted.
pub(crate) const BLOCKED: &str = ".blocked";

/// Seconds that the demo should last, whatever the number of recipients.
const LASTS_SECONDS: f64 = 40.0;

/// Whether an address is of those that this mark is about.
pub(crate) fn is_marked(address: &str, mark: &str) -> bool {
    address
        .rsplit_once('@')
        .is_some_and(|(local, _)| local.ends_with(mark))
}

/// The script for a demo with this many recipients.
pub(crate) fn script(recipients: u64) -> Script {
    let pace = (recipients as f64 / LASTS_SECONDS).clamp(20.0, 5000.0);
    let to = |mark| Who::matching(move |address| is_marked(address, mark));
    Script::sink()
        .rule(Rule::rcpt(Reply::new(550, "5.1.1", "no such user here")).to(to(GONE)))
        .rule(
            Rule::rcpt(Reply::new(452, "4.2.2", "mailbox full, try again later"))
                .to(to(FULL))
                .first(1),
        )
        .rule(
            Rule::rcpt(Reply::new(451, "4.7.1", "greylisted, please try again soon"))
                .to(to(SLOW))
                .first(1),
        )
        .rule(Rule::dot(Reply::new(554, "5.7.1", "message refused: it looks like spam")).to(to(BLOCKED)))
        .delay(Duration::from_millis(3))
        .pace(pace)
        .swing(0.35, Duration::from_secs(17))
}
