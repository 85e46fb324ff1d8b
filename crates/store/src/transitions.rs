//! The statements that move deliveries from state to state, many rows each.

use crate::bulk::{Bulk, Value};
use crate::ledger::Held;
use crate::outcome::Settlement;
use crate::parts::Part;
use tidings_campaign::time::Timestamp;

/// Rows of one statement at most: 17 values each stay below SQLite's limit of 32,766.
pub(crate) const ROWS: usize = 500;

/// Rows that no delivery has fill a statement up to a power of two, so that few different texts are prepared.
pub(crate) fn padded(rows: usize) -> usize {
    rows.next_power_of_two()
}

const NOBODY: i64 = -1;

pub(crate) fn putting_on_wire(part: Part, rows: &[Held], now: Timestamp) -> Bulk {
    let columns = |held: &Held| [held.campaign.0, held.seq.0, held.lease.0, now.0].map(Value::from);
    let filler = std::iter::repeat_n([NOBODY; 4].map(Value::from), padded(rows.len()) - rows.len());
    Bulk::in_part(
        part,
        "UPDATE {deliveries} AS deliveries SET state = 'on_wire', lease_id = v.column3, attempts = attempts + 1, \
         first_attempt_at = COALESCE(first_attempt_at, v.column4) FROM (VALUES ",
        ") AS v WHERE deliveries.campaign_id = v.column1 AND deliveries.seq = v.column2 \
         AND (deliveries.state = 'planned' OR (deliveries.state = 'leased' AND deliveries.lease_id = v.column3))",
        rows.iter().map(columns).chain(filler).flatten().collect(),
        padded(rows.len()),
        4,
        rows.len() as u64,
    )
}

pub(crate) fn acceptance(part: Part, rows: &[&Settlement], now: Timestamp) -> Bulk {
    let columns = |s: &&Settlement| {
        let reply = s.outcome.reply();
        [
            s.held.campaign.0.into(),
            s.held.seq.0.into(),
            s.held.lease.0.into(),
            Value::Text(Some(s.relay.clone())),
            Value::Int(reply.map(|r| i64::from(r.code))),
            Value::Text(reply.and_then(|r| r.enhanced.clone())),
            Value::Text(reply.map(|r| r.text.clone())),
            now.0.into(),
            Value::Int(s.session()),
            Value::Int(s.duration_us()),
        ]
    };
    let nobody = || {
        let (int, text) = (|| Value::Int(Some(NOBODY)), || Value::Text(None));
        [
            int(),
            int(),
            int(),
            text(),
            int(),
            text(),
            text(),
            int(),
            int(),
            int(),
        ]
    };
    let filler = std::iter::repeat_with(nobody).take(padded(rows.len()) - rows.len());
    Bulk::in_part(
        part,
        "UPDATE {deliveries} AS deliveries SET state = 'accepted', lease_id = NULL, due_at = NULL, class = NULL, cause = NULL, \
         reason = NULL, relay = v.column4, code = v.column5, enhanced = v.column6, reply = v.column7, \
         settled_at = v.column8, session = v.column9, duration_us = v.column10 FROM (VALUES ",
        ") AS v WHERE deliveries.campaign_id = v.column1 AND deliveries.seq = v.column2 \
         AND deliveries.state = 'on_wire' AND deliveries.lease_id = v.column3",
        rows.iter().map(columns).chain(filler).flatten().collect(),
        padded(rows.len()),
        10,
        rows.len() as u64,
    )
}

pub(crate) fn settlement(part: Part, rows: &[&Settlement], now: Timestamp) -> Bulk {
    let text = |text: Option<&str>| Value::Text(text.map(str::to_owned));
    let columns = |s: &&Settlement| {
        let reply = s.outcome.reply();
        [
            s.held.campaign.0.into(),
            s.held.seq.0.into(),
            s.held.lease.0.into(),
            s.from().as_str().into(),
            s.outcome.state(s.held.waiting).as_str().into(),
            s.attempts().into(),
            Value::Int(s.due_at(now)),
            Value::Text(Some(s.relay.clone())),
            Value::Int(reply.map(|r| i64::from(r.code))),
            text(reply.and_then(|r| r.enhanced.as_deref())),
            text(reply.map(|r| r.text.as_str())),
            text(s.outcome.class()),
            text(s.outcome.cause()),
            text(s.outcome.reason()),
            now.0.into(),
            Value::Int(s.session()),
            Value::Int(s.duration_us()),
        ]
    };
    // A refusal before the dot never was on the wire: its attempt is counted here. A delivery that comes back
    // keeps its lease if it is a retry, since that marks whose it is; one that was never really tried has no first attempt.
    Bulk::in_part(
        part,
        "UPDATE {deliveries} AS deliveries SET state = v.column5, \
         lease_id = CASE WHEN v.column5 IN ('leased', 'unknown') THEN v.column3 ELSE NULL END, \
         attempts = attempts + v.column6, \
         first_attempt_at = CASE WHEN v.column6 = 1 THEN COALESCE(first_attempt_at, v.column15) \
             WHEN attempts + v.column6 = 0 THEN NULL ELSE first_attempt_at END, \
         due_at = v.column7, settled_at = v.column15, relay = v.column8, code = v.column9, enhanced = v.column10, \
         reply = v.column11, class = v.column12, cause = v.column13, reason = v.column14, session = v.column16, \
         duration_us = v.column17 FROM (VALUES ",
        ") AS v WHERE deliveries.campaign_id = v.column1 AND deliveries.seq = v.column2 \
         AND deliveries.state = v.column4 AND (v.column4 = 'planned' OR deliveries.lease_id = v.column3)",
        rows.iter().flat_map(columns).collect(),
        rows.len(),
        17,
        rows.len() as u64,
    )
}
