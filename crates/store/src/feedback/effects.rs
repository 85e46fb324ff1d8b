//! What follows from the events of a batch: suppressions, unsubscribes, counters.

use super::Done;
use super::judging::Judged;
use crate::counters::Deltas;
use crate::engine::Tx;
use crate::error::StoreError;
use crate::suppressions::suppress_in;
use crate::unsubscribes::{Unsubscribe, unsubscribe_in};
use tidings_campaign::time::Timestamp;
use tidings_feedback::rules::cut;

/// So much of what was said stands in the evidence, in octets.
const SAID: usize = 200;

pub(super) async fn bring_about(
    tx: &mut Tx,
    deltas: &mut Deltas,
    judged: &[Judged<'_, '_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    for one in judged {
        if let Some(why) = one.why {
            suppress_in(tx, &one.address_key, (why.as_str(), &evidence(one)), now).await?;
        }
        if let (Done::Unsubscribed, Some(whom)) = (one.done, one.recipient()) {
            unsubscribe_in(tx, deltas, whom, &Unsubscribe::by("mail"), now).await?;
        }
    }
    Ok(())
}

/// By what a person can judge whether it is right.
fn evidence(one: &Judged<'_, '_>) -> String {
    let event = one.told.event;
    let mut said = cut(event.text.trim(), SAID)
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    if said.is_empty() {
        said = match event.status {
            Some(status) => format!("status {status}"),
            None => event.kind.as_str().to_owned(),
        };
    }
    let campaign = one
        .recipient()
        .map(|(campaign, _)| format!(", campaign {campaign}"))
        .unwrap_or_default();
    format!(
        "{} (rule {}{campaign}, report {})",
        said.replace('\0', " "),
        event.rule,
        one.told.arrival
    )
}
