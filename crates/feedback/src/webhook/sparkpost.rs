//! SparkPost: an array of objects, each with one event in an envelope that says of which group it is.

use super::Told;
use super::values::{Word, code, token};
use crate::event::Clues;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;

#[derive(Deserialize)]
struct Post<'a> {
    /// By the group: `message_event`, `track_event`, `unsubscribe_event` and others. Empty when an address is tried out.
    #[serde(borrow)]
    msys: HashMap<String, &'a RawValue>,
}

#[derive(Deserialize)]
struct Fields {
    #[serde(default, rename = "type")]
    kind: Word,
    #[serde(default)]
    bounce_class: Word,
    #[serde(default)]
    fbtype: Word,
    #[serde(default)]
    error_code: Word,
    #[serde(default)]
    raw_reason: Word,
    #[serde(default)]
    reason: Word,
    #[serde(default)]
    event_id: Word,
    #[serde(default)]
    rcpt_to: Word,
    #[serde(default)]
    raw_rcpt_to: Word,
    #[serde(default)]
    msg_from: Word,
    #[serde(default)]
    timestamp: Word,
    #[serde(default)]
    rcpt_meta: Value,
}

pub(super) fn read(post: &str) -> Result<Vec<Told>, serde_json::Error> {
    let post: Post<'_> = serde_json::from_str(post)?;
    post.msys.values().map(|event| told(event.get())).collect()
}

fn told(event: &str) -> Result<Told, serde_json::Error> {
    let fields: Fields = serde_json::from_str(event)?;
    let name = match fields.kind.as_str() {
        // A bounce that came back by mail.
        "out_of_band" => "bounce",
        name => name,
    };
    let finer = match name {
        "spam_complaint" => fields.fbtype.as_str(),
        _ => fields.bounce_class.as_str(),
    };
    Ok(Told {
        codes: vec![code(&[name, finer]), code(&[name])],
        words: fields.raw_reason.text().or(fields.reason.text()),
        code: fields.error_code.reply(),
        at: fields.timestamp.epoch(),
        clues: Clues {
            return_path: fields.msg_from.text(),
            token: token(&fields.rcpt_meta),
            event_id: fields.event_id.text(),
            ..Clues::default()
        },
        address: fields
            .rcpt_to
            .text()
            .or(fields.raw_rcpt_to.text())
            .unwrap_or_default(),
        ..Told::default()
    })
}
