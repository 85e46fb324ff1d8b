//! Amazon SES. Its notifications and its published events (which differ in the name of one field) come as the text of a message
//! of Amazon SNS.

use super::values::{Word, code, token};
use super::{LONGEST_CLUE, Told, Unreadable};
use crate::event::Clues;
use crate::message::LONGEST_SAID;
use crate::rules::cut;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// SES sends one message to at most so many recipients.
const MOST_RECIPIENTS: usize = 50;
/// SNS says so once, after an address was entered for events.
const TRIED_OUT: &str = "Successfully validated SNS topic";

/// What SNS puts around a message.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    message_id: Word,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    event_type: Option<String>,
    notification_type: Option<String>,
    #[serde(default)]
    mail: Mail,
    bounce: Option<Bounce>,
    complaint: Option<Complaint>,
    delivery_delay: Option<Delay>,
    reject: Option<Reject>,
    failure: Option<Failure>,
    subscription: Option<Subscription>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Mail {
    timestamp: Word,
    source: Word,
    destination: Vec<String>,
    headers: Vec<Header>,
    common_headers: Value,
    tags: Value,
}

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    name: Word,
    #[serde(default)]
    value: Word,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    #[serde(default)]
    bounce_type: Word,
    #[serde(default)]
    bounce_sub_type: Word,
    #[serde(default)]
    bounced_recipients: Vec<Recipient>,
    #[serde(default)]
    timestamp: Word,
    #[serde(default)]
    feedback_id: Word,
    #[serde(default, rename = "reportingMTA")]
    reporting_mta: Word,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    #[serde(default)]
    complained_recipients: Vec<Recipient>,
    #[serde(default)]
    complaint_feedback_type: Word,
    #[serde(default)]
    timestamp: Word,
    #[serde(default)]
    feedback_id: Word,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delay {
    #[serde(default)]
    delay_type: Word,
    #[serde(default)]
    delayed_recipients: Vec<Recipient>,
    #[serde(default)]
    timestamp: Word,
    #[serde(default, rename = "reportingMTA")]
    reporting_mta: Word,
}

#[derive(Deserialize)]
struct Reject {
    #[serde(default)]
    reason: Word,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    #[serde(default)]
    error_message: Word,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subscription {
    #[serde(default)]
    timestamp: Word,
    #[serde(default)]
    new_topic_preferences: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Recipient {
    email_address: Word,
    status: Word,
    diagnostic_code: Word,
}

pub(super) fn read(body: &[u8]) -> Result<Vec<Told>, Unreadable> {
    let envelope: Envelope = serde_json::from_slice(body)?;
    // Subscriptions of the topic are no feedback.
    if envelope.kind != "Notification" || envelope.message.starts_with(TRIED_OUT) {
        return Ok(Vec::new());
    }
    let told = match serde_json::from_str::<Notification>(&envelope.message) {
        Ok(notification) => notification.told(envelope.message_id),
        Err(_) => vec![Told::default()],
    };
    Ok(told)
}

/// What SNS sends to an address instead of a webhook: its envelope, or the message alone, before words for people.
pub(super) fn read_mailed(text: &str) -> Option<Vec<Told>> {
    if !text.starts_with('{') || !text.contains("otificationType") && !text.contains("eventType") {
        return None;
    }
    // Where a line is too long for SMTP, sendmail breaks it like this.
    let text = text.replace("!\n ", "");
    let mut values = serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>();
    let value = values.next()?.ok()?.get();
    if let Ok(told) = read(value.as_bytes()) {
        return Some(told);
    }
    let notification = serde_json::from_str::<Notification>(value).ok()?;
    Some(notification.told(Word::default()))
}

impl Notification {
    fn told(self, message_id: Word) -> Vec<Told> {
        let event = self.event_type.or(self.notification_type).unwrap_or_default();
        let event = cut(&event, LONGEST_CLUE).to_owned();
        let mail = &self.mail;
        let by_message = message_id.text();
        let to_all = |codes: Vec<String>, words: Word, at: &Word| {
            let about = |address: &String| Told {
                codes: codes.clone(),
                words: Some(cut(words.as_str(), LONGEST_SAID).to_owned()),
                at: at.date(),
                ..mail.about(address.clone(), by_message.clone())
            };
            mail.destination.iter().take(MOST_RECIPIENTS).map(about).collect()
        };
        if let Some(bounce) = self.bounce {
            let (kind, sub) = (name(&bounce.bounce_type), name(&bounce.bounce_sub_type));
            let codes = vec![code(&[&event, kind, sub]), code(&[&event, kind]), code(&[&event])];
            let (at, id) = (bounce.timestamp.date(), bounce.feedback_id.text());
            return failed(
                mail,
                bounce.bounced_recipients,
                &codes,
                id,
                &bounce.reporting_mta,
                at,
            );
        }
        if let Some(complaint) = self.complaint {
            // Where the receiver does not say who complained, SES names everybody at that domain who got the message. Each is
            // told here: messages to more than one recipient are not sent by us, and a token names the one.
            let codes = vec![
                code(&[&event, name(&complaint.complaint_feedback_type)]),
                code(&[&event]),
            ];
            let (at, id) = (complaint.timestamp.date(), complaint.feedback_id.text());
            return failed(
                mail,
                complaint.complained_recipients,
                &codes,
                id,
                &Word::default(),
                at,
            );
        }
        if let Some(delay) = self.delivery_delay {
            let codes = vec![code(&[&event, name(&delay.delay_type)]), code(&[&event])];
            let at = delay.timestamp.date();
            return failed(
                mail,
                delay.delayed_recipients,
                &codes,
                by_message,
                &delay.reporting_mta,
                at,
            );
        }
        if let Some(subscription) = self.subscription {
            let choice = match has_opted_out(&subscription.new_topic_preferences) {
                true => "optout",
                false => "optin",
            };
            return to_all(
                vec![code(&[&event, choice])],
                Word::default(),
                &subscription.timestamp,
            );
        }
        let words = match (self.reject, self.failure) {
            (Some(reject), _) => reject.reason,
            (_, Some(failure)) => failure.error_message,
            _ => Word::default(),
        };
        let told: Vec<Told> = to_all(vec![code(&[&event])], words, &mail.timestamp);
        if told.is_empty() {
            let codes = vec![code(&[&event])];
            return vec![Told {
                codes,
                ..Told::default()
            }];
        }
        told
    }
}

/// One for each recipient; `id` is common to them.
fn failed(
    mail: &Mail,
    recipients: Vec<Recipient>,
    codes: &[String],
    id: Option<String>,
    reporter: &Word,
    at: Option<tidings_campaign::time::Timestamp>,
) -> Vec<Told> {
    // "dns; mail.example.com" (RFC 3464 section 2.2.2)
    let host = reporter.as_str().rsplit(';').next().map(str::trim);
    let host = host.and_then(clue);
    let about = |recipient: Recipient| Told {
        codes: codes.to_vec(),
        status: recipient.status.status(),
        words: recipient.diagnostic_code.text(),
        host: host.clone(),
        at,
        ..mail.about(recipient.email_address.text().unwrap_or_default(), id.clone())
    };
    recipients.into_iter().take(MOST_RECIPIENTS).map(about).collect()
}

/// What is told again for each recipient, short enough for that.
fn clue(text: &str) -> Option<String> {
    Some(cut(text, LONGEST_CLUE).to_owned()).filter(|text| !text.is_empty())
}

/// A name of SES.
fn name(word: &Word) -> &str {
    cut(word.as_str(), LONGEST_CLUE)
}

impl Mail {
    fn about(&self, address: String, id: Option<String>) -> Told {
        let event_id = id.map(|id| format!("{}/{}", cut(&id, LONGEST_CLUE), address.to_lowercase()));
        let original = self.common_headers.get("messageId").and_then(Value::as_str);
        Told {
            clues: Clues {
                return_path: clue(self.source.as_str()),
                // Not `mail.messageId`: that is what SES calls it.
                message_id: self.header("Message-ID").or(original.and_then(clue)),
                feedback_id: self.header("Feedback-ID"),
                list_unsubscribe: self.header("List-Unsubscribe"),
                token: token(&self.tags),
                event_id,
                ..Clues::default()
            },
            address,
            ..Told::default()
        }
    }

    fn header(&self, name: &str) -> Option<String> {
        let mut named = self.headers.iter();
        let header = named.find(|header| header.name.as_str().eq_ignore_ascii_case(name))?;
        clue(header.value.as_str())
    }
}

/// Whether somebody left a list, or a topic of it.
fn has_opted_out(preferences: &Value) -> bool {
    let topics = preferences
        .get("topicSubscriptionStatus")
        .and_then(Value::as_array);
    let is_out = |topic: &Value| topic.get("subscriptionStatus").and_then(Value::as_str) == Some("OptOut");
    preferences.get("unsubscribeAll").and_then(Value::as_bool) == Some(true)
        || topics.is_some_and(|topics| topics.iter().any(is_out))
}
