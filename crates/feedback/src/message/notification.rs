//! A provider's notification that came as a mail: Amazon SNS sends to addresses what it posts to webhooks.

use super::parts::Mail;
use super::{Kind, Original, Recipient, Report};
use crate::event::{Clues, Event, EventKind};
use crate::rules::Rules;
use crate::webhook;

/// The report that a mail is, if a provider's notification is its text.
pub(super) fn report(rules: &Rules, mail: &Mail<'_>) -> Option<Report> {
    let text = mail.texts.first()?;
    let events = webhook::read_mailed(rules, text);
    let first = events.first()?;
    let kind = match first.kind {
        EventKind::Bounce | EventKind::Delay => Kind::Bounce,
        EventKind::Complaint => Kind::Complaint,
        EventKind::Autoreply | EventKind::Unsubscribe | EventKind::Other => return None,
    };
    let message_id = first.clues.message_id.as_ref();
    Some(Report {
        kind,
        original: Original {
            message_id: message_id.map(|id| id.trim_matches(['<', '>']).to_owned()),
            subject: None,
        },
        reporting_host: first.host.clone(),
        clues: Clues {
            // It names one recipient.
            event_id: first.clues.event_id.clone().filter(|_| events.len() == 1),
            ..first.clues.clone()
        },
        recipients: events.into_iter().map(recipient).collect(),
        ..Report::other()
    })
}

fn recipient(event: Event) -> Recipient {
    Recipient {
        address: event.address,
        verdict: event.verdict,
        status: event.status,
        code: event.code,
        text: event.text,
        host: event.host,
        rule: event.rule,
        is_late: event.kind == EventKind::Delay,
    }
}
