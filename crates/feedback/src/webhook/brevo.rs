//! Brevo: one object, or an array of them where posts are batched. Hooks of transactional and of marketing mail write the names
//! of events in different ways.

use super::Told;
use super::values::{Word, code, token_in};
use crate::event::Clues;
use serde::Deserialize;

#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    event: Word,
    #[serde(default)]
    email: Word,
    #[serde(default)]
    reason: Word,
    #[serde(default, rename = "message-id")]
    message_id: Word,
    #[serde(default)]
    ts_epoch: Word,
    #[serde(default)]
    ts_event: Word,
    #[serde(default)]
    ts: Word,
    #[serde(default, rename = "X-Mailin-custom")]
    custom: Word,
}

pub(super) fn read(event: &str) -> Result<Vec<Told>, serde_json::Error> {
    let fields: Fields = serde_json::from_str(event)?;
    let name = fields.event.as_str().replace(['_', '-', ' '], "");
    // `ts` and `date` are in the time zone of the account.
    let at = fields.ts_epoch.epoch().or_else(|| fields.ts_event.epoch());
    let when = [&fields.ts_event, &fields.ts_epoch, &fields.ts];
    let when = when.into_iter().find(|when| !when.as_str().is_empty());
    let when = when.map_or("", Word::as_str).to_owned();
    let address = fields.email.as_str().to_lowercase();
    let message_id = fields.message_id.text();
    let event_id = message_id
        .as_ref()
        .map(|id| format!("{id}/{}/{when}/{address}", code(&[&name])));
    Ok(vec![Told {
        codes: vec![code(&[&name])],
        words: fields.reason.text(),
        at,
        clues: Clues {
            message_id,
            token: token_in(fields.custom.as_str()),
            event_id,
            ..Clues::default()
        },
        address: fields.email.text().unwrap_or_default(),
        ..Told::default()
    }])
}
