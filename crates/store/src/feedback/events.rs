//! Keeping events.

use super::judging::Judged;
use crate::bulk::{Bulk, Value};
use crate::engine::Tx;
use crate::error::StoreError;
use tidings_feedback::rules::cut;

/// Rows of one statement: SQLite takes 32,766 values.
const ROWS: usize = 500;
/// How much of an address, a host or a rule's name is kept, in octets.
const LONGEST: usize = 320;

/// Keeps the events. False if one of them was counted by somebody else meanwhile: then the transaction is of no use.
pub(super) async fn keep(tx: &mut Tx, judged: &[Judged<'_, '_>]) -> Result<bool, StoreError> {
    for rows in judged.chunks(ROWS) {
        let insert = Bulk::new(
            "INSERT INTO feedback_events (arrival_id, kind, once, campaign_id, seq, recipient_id, address_key, told_address, \
             class, cause, reason, rule, status, code, text, host, matched_by, done, happened_at) VALUES ",
            " ON CONFLICT (once) DO NOTHING",
            rows.iter().flat_map(columns).collect(),
            rows.len(),
            19,
            rows.len() as u64,
        );
        if tx.run(insert).await? != rows.len() as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}

fn columns(one: &Judged<'_, '_>) -> [Value; 19] {
    let event = one.told.event;
    let text = |text: &str| Value::Text(Some(cut(text, LONGEST).replace('\0', " ")));
    let personal = |of_person: &str| text(if one.is_erased { "" } else { of_person });
    let seq = one.delivery().map(|delivery| delivery.seq.0);
    let recipient = one.recipient();
    [
        one.told.arrival.into(),
        event.kind.as_str().into(),
        Value::Text(one.once.clone()),
        Value::Int(recipient.map(|(campaign, _)| campaign.0)),
        Value::Int(seq),
        Value::Int(recipient.map(|(_, recipient)| recipient.0)),
        personal(&one.address_key),
        personal(&event.address),
        event.verdict.class.as_str().into(),
        event.verdict.cause.as_str().into(),
        event.verdict.reason.into(),
        text(&event.rule),
        Value::Text(event.status.map(|status| status.to_string())),
        Value::Int(event.code.map(i64::from)),
        // PostgreSQL keeps no NUL.
        Value::Text(Some(match one.is_erased {
            true => String::new(),
            false => event.text.replace('\0', " "),
        })),
        Value::Text(
            event
                .host
                .as_deref()
                .filter(|_| !one.is_erased)
                .map(|host| cut(host, LONGEST).replace('\0', " ")),
        ),
        one.matched_by.as_str().into(),
        one.done.as_str().into(),
        one.told.at.0.into(),
    ]
}
