//! From the octets of a message to events.

use super::parts;
use super::{DEEPEST, Kind, LONGEST_CLUE, Recipient, Report, classify_parsed, lines};
use crate::address;
use crate::event::{Clues, Event, EventKind};
use crate::matching::is_unsubscribe_address;
use crate::reason::Reason;
use crate::rules::{Rules, cut};

/// Recipients of a report that are looked at: a return path of ours stands alone.
const MOST_RECIPIENTS: usize = 50;

/// Where mail servers write to whom a message was delivered, the surest first.
const DELIVERED_TO: [&str; 6] = [
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "delivered-to",
    "x-delivered-to",
    "to",
];

/// What a message says, as events. `recipients`: those of its envelope; if there are none, they are looked for in the
/// header. There is always at least one event, so that whatever comes in is remembered.
pub fn events(rules: &Rules, recipients: &[String], octets: &[u8]) -> Vec<Event> {
    let plain = lines::plain(octets);
    let message = parts::parse(&plain);
    let (mut recipients, mut author, mut report) = (recipients.to_vec(), String::new(), Report::other());
    if let Some(message) = &message {
        let header = parts::header_of(message);
        if recipients.is_empty() {
            recipients = delivered_to(|name| header.all(name).map(str::to_owned).collect());
        }
        let from = header.get("from").and_then(address::first);
        author = from.unwrap_or_default().to_owned();
        report = classify_parsed(rules, message, DEEPEST);
    }
    recipients.truncate(MOST_RECIPIENTS);
    let clues = Clues {
        recipients,
        ..report.clues.clone()
    };
    let asks = clues.recipients.iter().any(|to| is_unsubscribe_address(to));
    let single = |kind, address, reason, rule| {
        vec![Event {
            clues: clues.clone(),
            ..Event::of(kind, address, reason, rule)
        }]
    };
    match report.kind {
        Kind::Bounce if report.recipients.is_empty() => {
            single(EventKind::Bounce, String::new(), Reason::Undefined, "none")
        }
        Kind::Bounce => told(report, &clues, bounced),
        // It may hide the recipient's address (RFC 5965 section 4.3): the token tells.
        Kind::Complaint if report.recipients.is_empty() => {
            single(EventKind::Complaint, String::new(), Reason::Feedback, "complaint")
        }
        Kind::Complaint => told(report, &clues, |_| EventKind::Complaint),
        Kind::Autoreply => single(EventKind::Autoreply, author, Reason::Vacation, "autoreply"),
        Kind::Other if asks => single(
            EventKind::Unsubscribe,
            author,
            Reason::Unsubscribe,
            "unsubscribe-address",
        ),
        Kind::Other => single(EventKind::Other, author, Reason::Undefined, "none"),
    }
}

fn bounced(recipient: &Recipient) -> EventKind {
    match recipient.is_late {
        true => EventKind::Delay,
        false => EventKind::Bounce,
    }
}

fn told(report: Report, clues: &Clues, kind: impl Fn(&Recipient) -> EventKind) -> Vec<Event> {
    let reporting_host = report.reporting_host;
    let event = |recipient: Recipient| Event {
        kind: kind(&recipient),
        address: recipient.address,
        verdict: recipient.verdict,
        status: recipient.status,
        code: recipient.code,
        text: recipient.text,
        host: recipient.host.or_else(|| reporting_host.clone()),
        rule: recipient.rule,
        at: None,
        clues: clues.clone(),
    };
    report.recipients.into_iter().map(event).collect()
}

fn delivered_to(field: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    DELIVERED_TO
        .iter()
        .flat_map(|name| field(name))
        .flat_map(|value| {
            let value = cut(&value, LONGEST_CLUE);
            address::all(value)
                .take(MOST_RECIPIENTS)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .take(MOST_RECIPIENTS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(recipients: &[&str], text: &str) -> Vec<Event> {
        let recipients: Vec<_> = recipients.iter().map(|one| (*one).to_owned()).collect();
        events(Rules::standard(), &recipients, text.as_bytes())
    }

    const REPORT: &str = "From: MAILER-DAEMON@mx.example.net\nTo: b-xyz@bounce.example.com\nSubject: Undelivered\n\
        MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=x\n\n\
        --x\nContent-Type: text/plain\n\nIt failed.\n\n\
        --x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\
        Original-Envelope-Id: b-abc\n\nFinal-Recipient: rfc822; ann@example.org\nAction: ACTION\nStatus: 5.1.1\n\
        Diagnostic-Code: smtp; 550 5.1.1 no such user\n\n\
        --x\nContent-Type: text/rfc822-headers\n\nReturn-Path: <b-abc@bounce.example.com>\n\
        Message-ID: <m1@example.com>\nFeedback-ID: campaign-7:list-1:newsletter:example.com\n\
        List-Unsubscribe: <https://news.example.com/u/tok>,\n <mailto:u-tok@bounce.example.com>\nSubject: News\n\n--x--\n";

    #[test]
    fn a_report_becomes_an_event_with_everything_that_may_find_its_delivery() {
        let found = read(&[], &REPORT.replace("ACTION", "failed"));
        assert_eq!(found.len(), 1, "{found:?}");
        let event = &found[0];
        assert_eq!(
            (event.kind, event.address.as_str(), event.verdict.reason),
            (EventKind::Bounce, "ann@example.org", "userunknown")
        );
        assert_eq!(event.host.as_deref(), Some("mx.example.net"));
        let clues = &event.clues;
        assert_eq!(clues.recipients, ["b-xyz@bounce.example.com"]);
        assert_eq!(clues.return_path.as_deref(), Some("<b-abc@bounce.example.com>"));
        assert_eq!(clues.message_id.as_deref(), Some("<m1@example.com>"));
        assert_eq!(clues.envelope_id.as_deref(), Some("b-abc"));
        assert_eq!(
            clues.feedback_id.as_deref(),
            Some("campaign-7:list-1:newsletter:example.com")
        );
        assert!(clues.list_unsubscribe.as_deref().unwrap().contains("/u/tok"));
    }

    #[test]
    fn the_envelope_outweighs_the_header() {
        let found = read(
            &["b-envelope@bounce.example.com"],
            &REPORT.replace("ACTION", "failed"),
        );
        assert_eq!(found[0].clues.recipients, ["b-envelope@bounce.example.com"]);
    }

    #[test]
    fn a_delay_is_no_bounce() {
        let found = read(&[], &REPORT.replace("ACTION", "delayed"));
        assert_eq!(found[0].kind, EventKind::Delay);
    }

    #[test]
    fn a_complaint_that_hides_its_recipient_is_an_event_all_the_same() {
        let report = "From: fbl@provider.example.net\nTo: fbl@bounce.example.com\nSubject: complaint\nMIME-Version: 1.0\n\
            Content-Type: multipart/report; report-type=feedback-report; boundary=x\n\n\
            --x\nContent-Type: text/plain\n\nA complaint.\n\n\
            --x\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: test/1\nVersion: 1\n\
            Original-Mail-From: <b-abc@bounce.example.com>\n\n\
            --x\nContent-Type: text/rfc822-headers\n\nMessage-ID: <m1@example.com>\nSubject: News\n\n--x--\n";
        let found = read(&[], report);
        assert_eq!(
            (found.len(), found[0].kind),
            (1, EventKind::Complaint),
            "{found:?}"
        );
        assert_eq!(found[0].address, "");
        assert_eq!(found[0].clues.message_id.as_deref(), Some("<m1@example.com>"));
        assert_eq!(
            found[0].clues.return_path.as_deref(),
            Some("<b-abc@bounce.example.com>")
        );
    }

    #[test]
    fn mail_to_an_unsubscribe_address_asks_to_unsubscribe_unless_a_machine_wrote_it() {
        let token = "a".repeat(30);
        let to = format!("u-{token}@bounce.example.com");
        let asking = read(&[&to], "From: Ann <ann@example.org>\nSubject: unsubscribe\n\n\n");
        assert_eq!(
            (asking[0].kind, asking[0].address.as_str()),
            (EventKind::Unsubscribe, "ann@example.org")
        );
        let away = read(
            &[&to],
            "From: ann@example.org\nAuto-Submitted: auto-replied\nSubject: Out of office\n\nback on Monday\n",
        );
        assert_eq!(away[0].kind, EventKind::Autoreply);
    }

    #[test]
    fn whatever_comes_in_is_an_event() {
        for text in [
            "",
            "\0\0\0",
            "no header at all",
            "From: ann@example.org\n\nhello\n",
        ] {
            let found = read(&[], text);
            assert_eq!((found.len(), found[0].kind), (1, EventKind::Other), "{text:?}");
        }
    }
}
