//! Mailgun: one object, in which the event stands beside the signature.

use super::Told;
use super::values::{Word, code, token};
use crate::event::Clues;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Post {
    #[serde(rename = "event-data")]
    event: Fields,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Fields {
    #[serde(default)]
    event: Word,
    #[serde(default)]
    id: Word,
    #[serde(default)]
    timestamp: Word,
    #[serde(default)]
    severity: Word,
    #[serde(default)]
    reason: Word,
    #[serde(default)]
    recipient: Word,
    #[serde(default)]
    delivery_status: Status,
    #[serde(default)]
    message: Value,
    #[serde(default)]
    envelope: Value,
    #[serde(default)]
    reject: Value,
    #[serde(default)]
    user_variables: Value,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Status {
    code: Word,
    message: Word,
    description: Word,
    enhanced_code: Word,
    mx_host: Word,
}

pub(super) fn read(post: &str) -> Result<Vec<Told>, serde_json::Error> {
    let fields = serde_json::from_str::<Post>(post)?.event;
    let (name, severity, reason) = (
        fields.event.as_str(),
        fields.severity.as_str(),
        fields.reason.as_str(),
    );
    let status = fields.delivery_status;
    let codes = match name {
        // 605, 606 and 607 are Mailgun's own reply codes for the lists of those that it does not mail.
        "failed" => vec![
            code(&[name, severity, status.code.as_str()]),
            code(&[name, severity, reason]),
            code(&[name, severity]),
            code(&[name]),
        ],
        _ => vec![code(&[name])],
    };
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let headers = fields.message.get("headers").unwrap_or(&Value::Null);
    let (reply, enhanced) = (status.code.reply(), status.enhanced_code.status());
    let told = status.message.text().or(status.description.text());
    // Its identifier is unique for a day only.
    let event_id = fields
        .id
        .text()
        .map(|id| format!("{id}/{}", fields.timestamp.as_str()));
    Ok(vec![Told {
        codes,
        words: told.or_else(|| text(&fields.reject, "reason")),
        status: enhanced,
        code: reply,
        host: status.mx_host.text(),
        at: fields.timestamp.epoch(),
        clues: Clues {
            return_path: text(&fields.envelope, "sender"),
            message_id: text(headers, "message-id"),
            token: token(&fields.user_variables),
            event_id,
            ..Clues::default()
        },
        address: fields
            .recipient
            .text()
            .or_else(|| text(headers, "to"))
            .unwrap_or_default(),
        ..Told::default()
    }])
}
