//! The events of a post: one JSON object, or an array of them.

use super::{MOST_EVENTS, Told, Unreadable};

use serde::Deserializer;
use serde::de::{SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// A piece of a post, and what is told in it.
pub(super) type Piece<'b> = (&'b [u8], Vec<Told>);

/// Reads each event of a post by itself, so that one which is not understood does not take the others with it.
pub(super) fn each(
    body: &[u8],
    read: impl Fn(&str) -> Result<Vec<Told>, serde_json::Error>,
) -> Result<Vec<Piece<'_>>, Unreadable> {
    let events = events(body)?.into_iter().map(RawValue::get);
    // An address is tried out with an empty object too.
    let events = events.filter(|event| event.strip_prefix('{').is_none_or(|rest| rest.trim() != "}"));
    let told = events.map(|event| {
        let told = read(event).unwrap_or_else(|_| vec![Told::default()]);
        (event.as_bytes(), told)
    });
    Ok(told.collect())
}

fn events(body: &[u8]) -> Result<Vec<&RawValue>, Unreadable> {
    // Some providers try out an address with nothing.
    let Some(first) = body.iter().find(|octet| !octet.is_ascii_whitespace()) else {
        return Ok(Vec::new());
    };
    let mut json = serde_json::Deserializer::from_slice(body);
    let events = match first {
        b'[' => json.deserialize_seq(Events)?,
        _ => Some(vec![serde::Deserialize::deserialize(&mut json)?]),
    };
    json.end()?;
    events.ok_or(Unreadable::TooMany)
}

/// Takes no more than [`MOST_EVENTS`]: `[1,1,1…` must not become much more than it is. Nothing if there are more.
struct Events;

impl<'de> Visitor<'de> for Events {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut events = Vec::new();
        let mut are_too_many = false;
        while let Some(event) = items.next_element::<&RawValue>()? {
            are_too_many |= events.len() == MOST_EVENTS;
            if !are_too_many {
                events.push(event);
            }
        }
        Ok((!are_too_many).then_some(events))
    }
}
