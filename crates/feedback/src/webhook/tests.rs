//! Bodies in the providers' documented forms, with invented values.

use super::*;
use serde_json::{Value, json};

const AT: i64 = 1_750_000_000;
const DATE: &str = "2025-06-15T15:06:40.000Z";

fn read_json(provider: Provider, body: &Value) -> Vec<Event> {
    events(provider, body.to_string().as_bytes()).unwrap()
}

fn events(provider: Provider, body: &[u8]) -> Result<Vec<Event>, Unreadable> {
    let parts = read(provider, Rules::standard(), body)?;
    Ok(parts.into_iter().flat_map(|part| part.events).collect())
}

fn one(provider: Provider, body: &Value) -> Event {
    let mut events = read_json(provider, body);
    assert_eq!(events.len(), 1, "{body}");
    events.remove(0)
}

/// A message of SNS around a notification.
fn sns(notification: &Value) -> Value {
    json!({
        "Type": "Notification",
        "MessageId": "8f5d7a1e-0000-5000-8000-000000000001",
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:bounces",
        "Message": notification.to_string(),
        "Timestamp": DATE,
    })
}

fn ses(codes: &[&str]) -> Value {
    let part = |at: usize| codes.get(at).copied().unwrap_or_default();
    let recipients = json!([{ "emailAddress": "ann@example.org" }]);
    let (key, told) = match codes[0] {
        "bounce" => (
            "bounce",
            json!({ "bounceType": part(1), "bounceSubType": part(2), "bouncedRecipients": recipients }),
        ),
        "deliverydelay" => (
            "deliveryDelay",
            json!({ "delayType": part(1), "delayedRecipients": recipients }),
        ),
        "complaint" => (
            "complaint",
            json!({ "complaintFeedbackType": part(1), "complainedRecipients": recipients }),
        ),
        "subscription" => (
            "subscription",
            json!({ "newTopicPreferences": { "unsubscribeAll": part(1) == "optout" } }),
        ),
        "reject" => ("reject", json!({ "reason": "Bad content" })),
        "rendering failure" => ("failure", json!({ "errorMessage": "no name" })),
        other => (other, json!({})),
    };
    sns(&json!({ "eventType": codes[0], "mail": { "destination": ["ann@example.org"] }, key: told }))
}

/// A post with the event of that name in the table.
fn post(provider: Provider, name: &str) -> Value {
    let parts: Vec<&str> = name.split('/').collect();
    let part = |at: usize| parts.get(at).copied().unwrap_or_default();
    let to = "ann@example.org";
    match provider {
        Provider::Ses => ses(&parts),
        Provider::SendGrid => match parts[..] {
            ["dropped", reason] => json!([{ "event": "dropped", "email": to, "reason": reason }]),
            [event, kind @ ("bounce" | "blocked" | "expired")] => {
                json!([{ "event": event, "email": to, "type": kind }])
            }
            [event, class] => json!([{ "event": event, "email": to, "bounce_classification": class }]),
            [event, kind, class] => {
                json!([{ "event": event, "email": to, "type": kind, "bounce_classification": class }])
            }
            _ => json!([{ "event": name, "email": to }]),
        },
        Provider::Postmark if parts[0] == "bounce" => match part(1).parse::<i64>() {
            Ok(number) => json!({ "RecordType": "Bounce", "TypeCode": number, "Email": to }),
            Err(_) => json!({ "RecordType": "Bounce", "Type": part(1), "Email": to }),
        },
        Provider::Postmark if parts[0] == "subscriptionchange" => json!({
            "RecordType": "SubscriptionChange", "Recipient": to, "SuppressSending": part(1) != "lifted",
            "SuppressionReason": part(1), "Origin": part(2),
        }),
        Provider::Postmark => json!({ "RecordType": name, "Recipient": to, "Email": to }),
        Provider::Mailgun => {
            let code = part(2).parse().unwrap_or(0);
            json!({ "signature": {}, "event-data": {
                "event": parts[0], "severity": part(1), "reason": part(2), "recipient": to,
                "delivery-status": { "code": code },
            }})
        }
        Provider::SparkPost => json!([{ "msys": { "message_event": {
            "type": parts[0], "bounce_class": part(1), "fbtype": part(1), "rcpt_to": to,
        }}}]),
        Provider::Mailjet => match name.split_once('/') {
            Some((event, error)) => {
                json!({ "event": event, "error": error, "email": to, "hard_bounce": error != "soft" })
            }
            None => json!({ "event": name, "email": to }),
        },
        Provider::Brevo => json!({ "event": name, "email": to }),
    }
}

#[test]
fn every_name_of_the_table_means_what_stands_beside_it() {
    for provider in Provider::ALL {
        for (name, code) in codes::all(provider) {
            let shown = format!("{} {name}", provider.as_str());
            let events = read_json(provider, &post(provider, name));
            if code.meaning == Meaning::Nothing {
                assert_eq!(events, [], "{shown}");
                continue;
            }
            let [event] = &events[..] else {
                panic!("{shown}: {events:?}")
            };
            assert_eq!(event.address, "ann@example.org", "{shown}");
            let kind = match code.meaning {
                Meaning::Bounce => EventKind::Bounce,
                Meaning::Delay => EventKind::Delay,
                Meaning::Complaint => EventKind::Complaint,
                Meaning::Unsubscribe => EventKind::Unsubscribe,
                Meaning::Autoreply => EventKind::Autoreply,
                Meaning::Other | Meaning::Nothing => EventKind::Other,
            };
            assert_eq!(event.kind, kind, "{shown}");
            assert!(
                event.rule.starts_with(provider.as_str()),
                "{shown}: {}",
                event.rule
            );
            if matches!(code.meaning, Meaning::Bounce | Meaning::Delay) {
                assert_eq!(event.verdict.reason, code.reason.as_str(), "{shown}");
                assert_eq!(event.verdict.class, code.verdict().class, "{shown}");
            }
        }
    }
}

#[test]
fn what_is_not_said_to_be_an_earlier_hard_bounce_is_not_hard() {
    for (provider, name, class) in [
        (
            Provider::Ses,
            "bounce/permanent/onaccountsuppressionlist",
            Class::Hard,
        ),
        (Provider::SendGrid, "dropped/bounced address", Class::Hard),
        (Provider::SendGrid, "dropped", Class::Other),
        (Provider::Postmark, "bounce/inactiverecipient", Class::Other),
        (Provider::Postmark, "bounce/manuallydeactivated", Class::Other),
        (Provider::Mailgun, "failed/permanent/suppress-bounce", Class::Hard),
        (Provider::SparkPost, "bounce/25", Class::Other),
        (Provider::Mailjet, "blocked/preblocked", Class::Other),
        (Provider::Brevo, "blocked", Class::Other),
    ] {
        let event = one(provider, &post(provider, name));
        assert_eq!(event.verdict.class, class, "{} {name}", provider.as_str());
    }
}

#[test]
fn the_receivers_words_go_before_the_providers_names() {
    let bounce = |kind: &str, words: &str| {
        let event = json!([{ "event": "bounce", "type": kind, "bounce_classification": "Unclassified",
            "email": "ann@example.org", "reason": words }]);
        one(Provider::SendGrid, &event)
    };
    let full = bounce("bounce", "552 5.2.2 mailbox is full");
    assert_eq!((full.verdict.reason, full.code), ("mailboxfull", Some(552)));
    let gone = bounce("blocked", "550 5.1.1 no such user here");
    assert_eq!(
        (gone.verdict.class, gone.verdict.reason),
        (Class::Hard, "userunknown")
    );
    // A code that many faults share says less than the provider does.
    let refused = bounce("blocked", "550 go away");
    assert_eq!(
        (refused.verdict.class, refused.rule.as_str()),
        (Class::Block, "sendgrid bounce/blocked/unclassified")
    );
}

#[test]
fn a_list_of_the_providers_own_has_no_words_of_a_receiver() {
    let event = json!({ "signature": {}, "event-data": { "event": "failed", "severity": "permanent",
        "reason": "suppress-complaint", "recipient": "ann@example.org",
        "delivery-status": { "code": 607, "message": "550 5.1.1 no such user" } }});
    assert_eq!(one(Provider::Mailgun, &event).kind, EventKind::Complaint);
    let event = json!([{ "msys": { "message_event": { "type": "bounce", "bounce_class": "25",
        "raw_reason": "550 5.1.1 user unknown", "rcpt_to": "ann@example.org" } } }]);
    assert_eq!(one(Provider::SparkPost, &event).verdict.class, Class::Other);
}

#[test]
fn what_is_still_tried_or_may_work_later_is_never_hard() {
    let words = "550 5.1.1 no such user here";
    let recipients =
        json!([{ "emailAddress": "ann@example.org", "diagnosticCode": format!("smtp; {words}") }]);
    let bounce =
        json!({ "bounceType": "Transient", "bounceSubType": "General", "bouncedRecipients": recipients });
    for (provider, body, kind) in [
        (
            Provider::Ses,
            sns(&json!({ "notificationType": "Bounce", "bounce": bounce })),
            EventKind::Bounce,
        ),
        (
            Provider::Ses,
            sns(&json!({ "eventType": "DeliveryDelay", "deliveryDelay": {
                "delayType": "General", "delayedRecipients": recipients } })),
            EventKind::Delay,
        ),
        (
            Provider::SendGrid,
            json!([{ "event": "deferred", "email": "ann@example.org", "response": words }]),
            EventKind::Delay,
        ),
        (
            Provider::Postmark,
            json!({ "RecordType": "Bounce", "Type": "SoftBounce", "Email": "ann@example.org", "Details": words }),
            EventKind::Bounce,
        ),
        (
            Provider::Mailgun,
            json!({ "event-data": { "event": "failed", "severity": "temporary", "recipient": "ann@example.org",
                "delivery-status": { "code": 550, "message": words } } }),
            EventKind::Delay,
        ),
        (
            Provider::Mailjet,
            json!({ "event": "bounce", "hard_bounce": false, "error": "user unknown", "comment": words,
                "email": "ann@example.org" }),
            EventKind::Bounce,
        ),
        (
            Provider::Brevo,
            json!({ "event": "soft_bounce", "email": "ann@example.org", "reason": words }),
            EventKind::Bounce,
        ),
    ] {
        let event = one(provider, &body);
        assert_eq!((event.kind, event.verdict.class), (kind, Class::Soft), "{body}");
    }
}

#[test]
fn every_recipient_of_a_bounce_is_told() {
    let event = sns(&json!({
        "notificationType": "Bounce",
        "mail": {
            "source": "b-token@bounces.example.com",
            "messageId": "0100-not-ours",
            "headers": [
                { "name": "Message-ID", "value": "<a1@news.example.com>" },
                { "name": "Feedback-ID", "value": "7:::news" },
            ],
            "tags": { "ses:from-domain": ["example.com"], "tidings": ["tok"] },
        },
        "bounce": {
            "bounceType": "Permanent", "bounceSubType": "General", "timestamp": DATE, "feedbackId": "f-1",
            "reportingMTA": "dns; mx.example.org",
            "bouncedRecipients": [
                { "emailAddress": "Ann@example.org", "status": "5.1.1", "action": "failed",
                  "diagnosticCode": "smtp; 550 5.1.1 user unknown" },
                { "emailAddress": "bob@example.org", "status": "5.7.1",
                  "diagnosticCode": "smtp; 554 5.7.1 message rejected as spam" },
            ],
        },
    }));
    let events = read_json(Provider::Ses, &event);
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.address.as_str(), event.verdict.reason))
        .collect();
    assert_eq!(
        told,
        [
            ("Ann@example.org", "userunknown"),
            ("bob@example.org", "spamdetected")
        ]
    );
    let first = &events[0];
    assert_eq!(first.host.as_deref(), Some("mx.example.org"));
    assert_eq!(first.at, Some(Timestamp::from_seconds(AT)));
    assert_eq!(
        (first.code, first.status.unwrap().to_string().as_str()),
        (Some(550), "5.1.1")
    );
    let clues = &first.clues;
    assert_eq!(clues.return_path.as_deref(), Some("b-token@bounces.example.com"));
    assert_eq!(clues.message_id.as_deref(), Some("<a1@news.example.com>"));
    assert_eq!(clues.feedback_id.as_deref(), Some("7:::news"));
    assert_eq!(clues.token.as_deref(), Some("tok"));
    assert_eq!(clues.event_id.as_deref(), Some("ses:f-1/ann@example.org"));
    assert_ne!(clues.event_id, events[1].clues.event_id);
}

/// The clues that each provider gives: token, identifier of the event, Message-ID, return path.
#[test]
fn the_delivery_can_be_found_again() {
    let cases: [(Provider, Value, [Option<&str>; 4]); 6] = [
        (
            Provider::SendGrid,
            json!([{ "event": "spamreport", "email": "ann@example.org", "timestamp": AT, "sg_event_id": "sg1",
                "smtp-id": "<a1@news.example.com>", "tidings": "tok" }]),
            [
                Some("tok"),
                Some("sendgrid:sg1"),
                Some("<a1@news.example.com>"),
                None,
            ],
        ),
        (
            Provider::Postmark,
            json!({ "RecordType": "SpamComplaint", "ID": 42, "Email": "ann@example.org", "BouncedAt": DATE,
                "Metadata": { "tidings": "tok" } }),
            [Some("tok"), Some("postmark:42"), None, None],
        ),
        (
            Provider::Mailgun,
            json!({ "event-data": { "event": "complained", "id": "m1", "timestamp": 1_750_000_000.25,
                "recipient": "ann@example.org", "user-variables": { "tidings": "tok" },
                "envelope": { "sender": "b-x@bounces.example.com" },
                "message": { "headers": { "message-id": "a1@news.example.com" } } } }),
            [
                Some("tok"),
                Some("mailgun:m1/1750000000.25"),
                Some("a1@news.example.com"),
                Some("b-x@bounces.example.com"),
            ],
        ),
        (
            Provider::SparkPost,
            json!([{ "msys": { "message_event": { "type": "spam_complaint", "event_id": "92356927693813856",
                "rcpt_to": "ann@example.org", "msg_from": "b-x@bounces.example.com",
                "timestamp": AT.to_string(), "rcpt_meta": { "tidings": "tok" } } } }]),
            [
                Some("tok"),
                Some("sparkpost:92356927693813856"),
                None,
                Some("b-x@bounces.example.com"),
            ],
        ),
        (
            Provider::Mailjet,
            json!([{ "event": "spam", "time": AT, "email": "ann@example.org", "MessageID": 19_421_777_835_146_490_u64,
                "Message_GUID": "1ab2", "CustomID": "tidings:tok", "Payload": "" }]),
            [
                Some("tok"),
                Some("mailjet:1ab2/spam/1750000000/ann@example.org"),
                None,
                None,
            ],
        ),
        (
            Provider::Brevo,
            json!({ "event": "spam", "email": "ann@example.org", "message-id": "<a1@news.example.com>",
                "ts_event": AT, "ts_epoch": AT * 1000, "X-Mailin-custom": "tidings:tok|order:5" }),
            [
                Some("tok"),
                Some("brevo:<a1@news.example.com>/spam/1750000000/ann@example.org"),
                Some("<a1@news.example.com>"),
                None,
            ],
        ),
    ];
    for (provider, body, clues) in cases {
        let event = one(provider, &body);
        let name = provider.as_str();
        assert_eq!(event.kind, EventKind::Complaint, "{name}");
        assert_eq!(event.at.map(Timestamp::seconds), Some(AT), "{name}");
        let Clues {
            token,
            event_id,
            message_id,
            return_path,
            ..
        } = event.clues;
        let found = [token, event_id, message_id, return_path];
        assert_eq!(found.each_ref().map(Option::as_deref), clues, "{name}");
    }
}

#[test]
fn an_event_that_is_not_understood_is_kept_and_takes_no_other_with_it() {
    let unknown = json!([
        { "event": "bounce", "email": ["not", "a", "text"] },
        { "event": "teleported", "email": "bob@example.org" },
        { "event": "spamreport", "email": "ann@example.org" },
        17,
    ]);
    let events = read_json(Provider::SendGrid, &unknown);
    let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [
            EventKind::Other,
            EventKind::Other,
            EventKind::Complaint,
            EventKind::Other
        ]
    );
    assert_eq!(events[1].rule, "sendgrid teleported");
    assert_eq!(events[1].verdict.class, Class::Other);
    let odd = sns(&json!({ "eventType": "Bounce", "bounce": { "bouncedRecipients": "all" } }));
    assert_eq!(one(Provider::Ses, &odd).kind, EventKind::Other);
}

#[test]
fn a_post_that_is_no_json_of_the_provider_is_unreadable() {
    let deep = "[".repeat(100_000);
    for provider in Provider::ALL {
        for body in ["not json", "{", "[{}", "{} {}", "\u{0}", "[{},", deep.as_str()] {
            let outcome = events(provider, body.as_bytes());
            assert!(outcome.is_err(), "{} {:.20}", provider.as_str(), body);
        }
        let not_utf8 = events(provider, b"{\"event\": \"\xff\"}").unwrap_or_default();
        assert!(not_utf8.iter().all(|event| event.kind == EventKind::Other));
    }
    let many = format!("[{}1]", "1,".repeat(MOST_EVENTS));
    let outcome = events(Provider::SendGrid, many.as_bytes());
    assert!(matches!(outcome, Err(Unreadable::TooMany)));
}

#[test]
fn a_post_that_tries_out_the_address_says_nothing() {
    for (provider, body) in [
        (Provider::SparkPost, "[{\"msys\":{}}]"),
        (Provider::SendGrid, "[]"),
        (Provider::Mailjet, ""),
        (Provider::Mailjet, "{}"),
        (Provider::Brevo, " \n"),
        (
            Provider::Ses,
            "{\"Type\": \"SubscriptionConfirmation\", \"Message\": \"You have chosen …\"}",
        ),
        (
            Provider::Ses,
            "{\"Type\": \"Notification\", \"Message\": \"Successfully validated SNS topic for Amazon SES event publishing.\"}",
        ),
    ] {
        assert_eq!(
            events(provider, body.as_bytes()).unwrap(),
            [],
            "{} {body}",
            provider.as_str()
        );
    }
}

#[test]
fn long_texts_are_cut() {
    let event = json!([{ "event": "bounce", "email": "a".repeat(100_000), "reason": "é".repeat(100_000),
        "sg_event_id": "x".repeat(100_000), "type": "y".repeat(100_000) }]);
    let event = one(Provider::SendGrid, &event);
    assert!(event.text.len() <= LONGEST_SAID && event.address.len() <= LONGEST_ADDRESS);
    assert!(event.clues.event_id.unwrap().len() <= LONGEST_CLUE && event.rule.len() <= LONGEST_CLUE);
}

#[test]
fn each_event_is_a_part_of_its_own_with_what_was_posted_of_it() {
    let body = r#"[ {"event":"spamreport", "sg_event_id":"one"},
        {"event":"open", "sg_event_id":"two"}, {"event":"deferred","sg_event_id":"three"} ]"#;
    let parts = read(Provider::SendGrid, Rules::standard(), body.as_bytes()).unwrap();
    let ids: Vec<_> = parts.iter().map(Part::id).collect();
    assert_eq!(ids, [Some("sendgrid:one"), Some("sendgrid:three")]);
    assert_eq!(parts[1].raw, br#"{"event":"deferred","sg_event_id":"three"}"#);
}
