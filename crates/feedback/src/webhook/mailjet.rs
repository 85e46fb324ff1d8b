//! Mailjet: one object, or an array of them.

use super::Told;
use super::values::{Word, code, token_in};
use crate::event::Clues;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    event: Word,
    #[serde(default)]
    time: Word,
    #[serde(default)]
    email: Word,
    #[serde(default)]
    hard_bounce: Word,
    #[serde(default)]
    error: Word,
    #[serde(default)]
    comment: Word,
    #[serde(default, rename = "MessageID")]
    message_id: Word,
    #[serde(default, rename = "Message_GUID")]
    message_guid: Word,
    #[serde(default, rename = "CustomID")]
    custom_id: Word,
    #[serde(default, rename = "Payload")]
    payload: Word,
}

pub(super) fn read(event: &str) -> Result<Vec<Told>, serde_json::Error> {
    let fields: Fields = serde_json::from_str(event)?;
    let name = fields.event.as_str();
    let hardness = if fields.hard_bounce.is_true() {
        "hard"
    } else {
        "soft"
    };
    let codes = match name {
        "bounce" => vec![
            code(&[name, fields.error.as_str()]),
            code(&[name, hardness]),
            code(&[name]),
        ],
        "blocked" => vec![code(&[name, fields.error.as_str()]), code(&[name])],
        _ => vec![code(&[name])],
    };
    let token = token_in(fields.custom_id.as_str()).or_else(|| token_in(fields.payload.as_str()));
    // An event has no identifier of its own, only its message has: Mailjet's, not in the message.
    let (time, address) = (fields.time.as_str(), fields.email.as_str().to_lowercase());
    let event_id = fields.message_guid.text().or(fields.message_id.text());
    let event_id = event_id.map(|id| format!("{id}/{name}/{time}/{address}"));
    Ok(vec![Told {
        codes,
        is_later: name == "bounce" && !fields.hard_bounce.is_true(),
        at: fields.time.epoch(),
        words: fields.comment.text(),
        clues: Clues {
            token,
            event_id,
            ..Clues::default()
        },
        address: fields.email.text().unwrap_or_default(),
        ..Told::default()
    }])
}
