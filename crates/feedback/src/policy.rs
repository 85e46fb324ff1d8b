//! What follows from a verdict for an address. Only a gone address, a complaint or a person suppresses; a mailbox that
//! refuses for now does so after a rule that forgets.

use crate::event::EventKind;
use crate::verdict::{Class, Verdict};
use std::time::Duration;
use tidings_campaign::time::Timestamp;

/// When soft bounces suppress: so many deliveries in a row, over at least so long, none accepted in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftRule {
    /// How many deliveries in a row; 0: never. At most [`SoftRule::MOST`].
    pub in_row: u32,
    /// From the first of them to the last, at least.
    pub over: Duration,
}

impl SoftRule {
    /// The most deliveries that are looked back upon.
    pub const MOST: u32 = 50;
}

impl Default for SoftRule {
    fn default() -> Self {
        SoftRule {
            in_row: 5,
            over: Duration::from_secs(14 * 86_400),
        }
    }
}

/// How far back a report may reach, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// When soft bounces suppress.
    pub soft: SoftRule,
    /// A report without anything signed is about the last message to the address, if that was sent within this time.
    pub window: Duration,
    /// A bounce of a message that was sent longer ago than this changes nothing.
    pub stale: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            soft: SoftRule::default(),
            window: Duration::from_secs(7 * 86_400),
            stale: Duration::from_secs(30 * 86_400),
        }
    }
}

/// How one delivery to an address ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// When.
    pub at: Timestamp,
    /// The class of its bounce; nothing if it was accepted and nothing came back.
    pub bounced: Option<Class>,
}

/// What is done about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Keep,
    /// It is suppressed, for the reason given.
    Suppress(Why),
    /// It leaves the lists of the campaign.
    Unsubscribe,
}

/// For what an address is suppressed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The address is gone.
    HardBounce,
    /// It bounced too often in a row.
    SoftBounces,
    /// A person called a message spam.
    Complaint,
}

impl Why {
    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Why::HardBounce => "hard_bounce",
            Why::SoftBounces => "soft_bounces",
            Why::Complaint => "complaint",
        }
    }
}

/// What follows from what was said. `history`: how the deliveries to the address ended, the newest first, this one
/// included, and none from before a person last let it be mailed again.
pub fn decide(kind: EventKind, verdict: &Verdict, rule: SoftRule, history: &[Past]) -> Action {
    match (kind, verdict.class) {
        (EventKind::Complaint, _) => Action::Suppress(Why::Complaint),
        (EventKind::Unsubscribe, _) => Action::Unsubscribe,
        (EventKind::Bounce, Class::Hard) => Action::Suppress(Why::HardBounce),
        (EventKind::Bounce, Class::Soft) if is_worn_out(rule, history) => Action::Suppress(Why::SoftBounces),
        _ => Action::Keep,
    }
}

/// Whether the newest deliveries bounced softly, enough of them and for long enough. A block says nothing about the
/// address: it neither counts nor ends the row.
fn is_worn_out(rule: SoftRule, history: &[Past]) -> bool {
    let telling = history
        .iter()
        .filter(|past| !matches!(past.bounced, Some(Class::Block | Class::Other)));
    let row: Vec<Timestamp> = telling
        .take_while(|past| past.bounced == Some(Class::Soft))
        .map(|past| past.at)
        .collect();
    let (Some(last), Some(first)) = (row.first(), row.last()) else {
        return false;
    };
    rule.in_row > 0 && row.len() >= rule.in_row as usize && last.since(*first) >= rule.over
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Reason;

    const RULE: SoftRule = SoftRule {
        in_row: 3,
        over: Duration::from_secs(10 * 86_400),
    };

    fn past(day: i64, bounced: Option<Class>) -> Past {
        Past {
            at: Timestamp::from_seconds(day * 86_400),
            bounced,
        }
    }

    fn soft(days: &[i64]) -> Vec<Past> {
        days.iter().map(|day| past(*day, Some(Class::Soft))).collect()
    }

    fn after(history: &[Past]) -> Action {
        decide(
            EventKind::Bounce,
            &Verdict::of(Reason::MailboxFull),
            RULE,
            history,
        )
    }

    #[test]
    fn only_a_gone_address_a_complaint_or_a_person_suppresses_at_once() {
        for reason in Reason::ALL {
            let verdict = Verdict::of(*reason);
            let suppresses = decide(EventKind::Bounce, &verdict, RULE, &[]) != Action::Keep;
            assert_eq!(suppresses, verdict.class == Class::Hard, "{}", reason.as_str());
        }
        let gone = Verdict::of(Reason::UserUnknown);
        for kind in [EventKind::Delay, EventKind::Autoreply, EventKind::Other] {
            assert_eq!(decide(kind, &gone, RULE, &[]), Action::Keep);
        }
        let complaint = Verdict::of(Reason::Feedback);
        assert_eq!(
            decide(EventKind::Complaint, &complaint, RULE, &[]),
            Action::Suppress(Why::Complaint)
        );
    }

    #[test]
    fn soft_bounces_suppress_when_they_are_many_in_a_row_and_over_a_long_time() {
        assert_eq!(after(&soft(&[20, 15, 10])), Action::Suppress(Why::SoftBounces));
        assert_eq!(after(&soft(&[20, 10])), Action::Keep, "too few");
        assert_eq!(
            after(&soft(&[12, 11, 10])),
            Action::Keep,
            "within too short a time"
        );
    }

    #[test]
    fn an_accepted_message_between_forgets_what_was_before() {
        let mut history = soft(&[20, 15]);
        history.push(past(12, None));
        history.extend(soft(&[10, 5, 1]));
        assert_eq!(after(&history), Action::Keep);
    }

    #[test]
    fn a_block_neither_counts_nor_ends_the_row() {
        let mut history = soft(&[20, 15]);
        history.push(past(12, Some(Class::Block)));
        assert_eq!(after(&history), Action::Keep);
        history.extend(soft(&[10]));
        assert_eq!(after(&history), Action::Suppress(Why::SoftBounces));
    }

    #[test]
    fn the_rule_can_be_switched_off() {
        let never = SoftRule { in_row: 0, ..RULE };
        let verdict = Verdict::of(Reason::MailboxFull);
        assert_eq!(
            decide(EventKind::Bounce, &verdict, never, &soft(&[90, 50, 10])),
            Action::Keep
        );
    }
}
