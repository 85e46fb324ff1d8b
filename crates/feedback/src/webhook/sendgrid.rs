//! SendGrid: an array of events. What a sender gave along stands among SendGrid's own fields.

use super::Told;
use super::values::{Word, code};
use crate::event::Clues;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    event: Word,
    #[serde(default)]
    email: Word,
    #[serde(default)]
    timestamp: Word,
    #[serde(default, rename = "type")]
    kind: Word,
    #[serde(default)]
    bounce_classification: Word,
    #[serde(default)]
    reason: Word,
    #[serde(default)]
    response: Word,
    #[serde(default)]
    status: Word,
    #[serde(default)]
    sg_event_id: Word,
    #[serde(default, rename = "smtp-id")]
    smtp_id: Word,
    #[serde(default)]
    tidings: Word,
}

pub(super) fn read(event: &str) -> Result<Vec<Told>, serde_json::Error> {
    let fields: Fields = serde_json::from_str(event)?;
    let name = fields.event.as_str();
    let (kind, class) = (fields.kind.as_str(), fields.bounce_classification.as_str());
    let codes = match name {
        "dropped" => vec![code(&[name, fields.reason.as_str()]), code(&[name])],
        "bounce" => vec![
            code(&[name, kind, class]),
            code(&[name, class]),
            code(&[name, kind]),
            code(&[name]),
        ],
        _ => vec![code(&[name])],
    };
    Ok(vec![Told {
        codes,
        // Of a deferral the receiver's words stand in `response`.
        words: fields.reason.text().or(fields.response.text()),
        status: fields.status.status(),
        at: fields.timestamp.epoch(),
        clues: Clues {
            message_id: fields.smtp_id.text(),
            token: fields.tidings.text(),
            event_id: fields.sg_event_id.text(),
            ..Clues::default()
        },
        address: fields.email.text().unwrap_or_default(),
        ..Told::default()
    }])
}
