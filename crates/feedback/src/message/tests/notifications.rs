//! Notifications of Amazon SES that Amazon SNS sends as mail.

use super::*;
use crate::event::EventKind;
use crate::verdict::Class::{Block, Hard};
use serde_json::{Value, json};

fn bounce(recipients: &[(&str, &str)]) -> Value {
    let told = |(address, words): &(&str, &str)| json!({ "emailAddress": address, "action": "failed", "diagnosticCode": words });
    let recipients: Vec<Value> = recipients.iter().map(told).collect();
    json!({
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": "Permanent", "bounceSubType": "General", "bouncedRecipients": recipients,
            "feedbackId": "fb-1", "reportingMTA": "dns; a1.example.net",
        },
        "mail": {
            "source": "b-abc@bounce.example.com", "destination": ["ann@example.org"],
            "headers": [{ "name": "Message-ID", "value": "<1.2@news.example.com>" }],
        },
    })
}

fn mail(text: &str) -> String {
    plain(
        "News <no-reply@sns.example.net>",
        "Notification Message",
        &format!("{text}\n\n--\nTo stop these notifications, visit the page below."),
    )
}

fn is_read(text: &str) {
    let report = read(&mail(text));
    assert_eq!(report.kind, Kind::Bounce, "{text}");
    assert_eq!(
        told(&report),
        [("ann@example.org", Hard, "userunknown", "5.1.1".to_owned())],
        "{text}"
    );
    assert_eq!(
        report.original.message_id.as_deref(),
        Some("1.2@news.example.com")
    );
    assert_eq!(report.reporting_host.as_deref(), Some("a1.example.net"));
}

#[test]
fn a_notification_is_read_with_and_without_its_envelope() {
    let bounce = bounce(&[("ann@example.org", "smtp; 550 5.1.1 user unknown")]).to_string();
    is_read(&bounce);
    let envelope = json!({ "Type": "Notification", "MessageId": "m-1", "Message": bounce });
    is_read(&envelope.to_string());
    is_read(&serde_json::to_string_pretty(&envelope).unwrap());
}

#[test]
fn a_line_that_a_mail_server_broke_is_joined() {
    let bounce = bounce(&[("ann@example.org", "smtp; 550 5.1.1 user unknown")]).to_string();
    is_read(&bounce.replace("diagnosticCode", "diagnostic!\n Code"));
}

#[test]
fn each_recipient_of_a_notification_is_an_event() {
    let text = bounce(&[
        ("ann@example.org", "smtp; 550 5.1.1 user unknown"),
        ("ben@example.org", "smtp; 554 5.7.1 this is spam"),
    ]);
    let found = events(Rules::standard(), &[], mail(&text.to_string()).as_bytes());
    let found: Vec<_> = found
        .iter()
        .map(|one| {
            let id = one.clues.event_id.as_deref();
            (one.kind, one.address.as_str(), one.verdict.class, id)
        })
        .collect();
    assert_eq!(
        found,
        [
            (EventKind::Bounce, "ann@example.org", Hard, None),
            (EventKind::Bounce, "ben@example.org", Block, None),
        ]
    );
}

#[test]
fn what_else_begins_with_a_brace_is_an_ordinary_message() {
    for text in [
        "{",
        "{\"notificationType\":",
        "{\"notificationType\":\"Delivery\",\"mail\":{}}",
        "{\"eventType\":\"Open\"}",
        "{ notificationType: how do I switch it on? }",
        "{\"Type\":\"SubscriptionConfirmation\",\"Message\":\"notificationType\"}",
    ] {
        let report = read(&plain("ann@example.org", "a question", text));
        assert_eq!((report.kind, report.recipients.len()), (Kind::Other, 0), "{text}");
    }
}
