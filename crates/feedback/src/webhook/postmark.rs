//! Postmark: one object for each event.

use super::Told;
use super::values::{Word, code, token};
use crate::event::Clues;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fields {
    #[serde(default)]
    record_type: Word,
    #[serde(default, rename = "ID")]
    id: Word,
    #[serde(default, rename = "Type")]
    kind: Word,
    #[serde(default)]
    type_code: Word,
    #[serde(default)]
    email: Word,
    #[serde(default)]
    recipient: Word,
    #[serde(default)]
    bounced_at: Word,
    #[serde(default)]
    changed_at: Word,
    #[serde(default)]
    details: Word,
    #[serde(default)]
    suppress_sending: Word,
    #[serde(default)]
    suppression_reason: Word,
    #[serde(default)]
    origin: Word,
    #[serde(default, rename = "MessageID")]
    message_id: Word,
    #[serde(default)]
    metadata: Value,
}

pub(super) fn read(event: &str) -> Result<Vec<Told>, serde_json::Error> {
    let fields: Fields = serde_json::from_str(event)?;
    let name = fields.record_type.as_str();
    let codes = match name {
        "SubscriptionChange" if fields.suppress_sending.is_true() => {
            let (reason, origin) = (fields.suppression_reason.as_str(), fields.origin.as_str());
            vec![
                code(&[name, reason, origin]),
                code(&[name, reason]),
                code(&[name]),
            ]
        }
        "SubscriptionChange" => vec![code(&[name, "lifted"])],
        "Bounce" => vec![
            code(&[name, fields.kind.as_str()]),
            code(&[name, fields.type_code.as_str()]),
            code(&[name]),
        ],
        _ => vec![code(&[name])],
    };
    let (bounced, changed) = (fields.bounced_at.date(), fields.changed_at.date());
    // A change of a subscription has no number of its own. `MessageID` is Postmark's, and not in the message.
    let event_id = fields.id.text().or_else(|| {
        let (message, at) = (fields.message_id.as_str(), fields.changed_at.as_str());
        (!message.is_empty()).then(|| format!("{message}/{name}/{at}"))
    });
    Ok(vec![Told {
        codes,
        words: fields.details.text(),
        at: bounced.or(changed),
        clues: Clues {
            token: token(&fields.metadata),
            event_id,
            ..Clues::default()
        },
        address: fields
            .email
            .text()
            .or(fields.recipient.text())
            .unwrap_or_default(),
        ..Told::default()
    }])
}
