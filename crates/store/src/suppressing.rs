//! Addresses that are suppressed for what became of their deliveries.

use crate::bulk::{Bulk, Value};
use crate::outcome::{Outcome, Settlement};
use crate::parts::{Part, Parts};
use crate::transitions::ROWS;
use tidings_campaign::time::Timestamp;
use tidings_feedback::policy::Why;

/// The longest evidence, in characters.
const LONGEST_EVIDENCE: usize = 300;

/// Suppresses the addresses of those refusals that say that the address is gone. An address that is suppressed already
/// stays as it is; but what only an import said of it does not go any more when that is taken back.
pub(crate) fn suppressing(parts: Parts, settled: &[&Settlement], now: Timestamp) -> Vec<Bulk> {
    let mut rows: Vec<_> = settled
        .iter()
        .filter_map(|s| Some((*s, s.outcome.suppresses()?, evidence(s))))
        .collect();
    let pieces = parts.pieces(&mut rows, ROWS, |(s, ..)| s.held.campaign);
    pieces
        .flat_map(|(part, rows)| statements(part, rows, now))
        .collect()
}

/// Suppresses the address of one delivery.
pub(crate) fn suppressing_one(
    parts: Parts,
    s: &Settlement,
    (why, evidence): (Why, String),
    now: Timestamp,
) -> [Bulk; 2] {
    statements(parts.of(s.held.campaign), &[(s, why, evidence)], now)
}

/// Whose address was refused. If the recipient has changed the address in the last quarter of an hour, the refusal may be about the
/// former one: of the new one more will be heard.
macro_rules! refused {
    () => {
        ") AS v JOIN {deliveries} d ON d.campaign_id = v.column1 AND d.seq = v.column2 \
         JOIN recipients r ON r.id = d.recipient_id WHERE (d.state = 'rejected' OR d.state = 'expired') \
         AND NOT EXISTS (SELECT 1 FROM address_changes a WHERE a.recipient_id = d.recipient_id \
             AND a.changed_at > v.column5 - 900000000)"
    };
}

fn statements(part: Part, rows: &[(&Settlement, Why, String)], now: Timestamp) -> [Bulk; 2] {
    const ADD: (&str, &str) = (
        "INSERT INTO suppressions (address_key, reason, evidence, created_at) \
         SELECT r.address_key, v.column3, v.column4, v.column5 FROM (VALUES ",
        // In one order, so that two senders do not wait for each other.
        concat!(
            refused!(),
            " ORDER BY r.address_key ON CONFLICT (address_key) DO NOTHING"
        ),
    );
    const TAKE_FROM_IMPORTS: (&str, &str) = (
        "UPDATE suppressions SET import_id = NULL WHERE import_id IS NOT NULL AND address_key IN \
         (SELECT r.address_key FROM (VALUES ",
        concat!(refused!(), ")"),
    );
    let columns = |(s, why, evidence): &(&Settlement, Why, String)| -> [Value; 5] {
        [
            s.held.campaign.0.into(),
            s.held.seq.0.into(),
            why.as_str().into(),
            evidence.as_str().into(),
            now.0.into(),
        ]
    };
    [ADD, TAKE_FROM_IMPORTS].map(|(before, after)| {
        let values = rows.iter().flat_map(columns).collect();
        Bulk::in_part(part, before, after, values, rows.len(), 5, rows.len() as u64).however_many()
    })
}

/// What was said, by which rule it was understood, and about which campaign, in one line.
pub(crate) fn evidence(s: &Settlement) -> String {
    let (Outcome::Rejected(reply, ruling) | Outcome::Expired(reply, ruling)) = &s.outcome else {
        return String::new();
    };
    let enhanced = reply.enhanced.as_deref().map(|status| format!(" {status}"));
    let said = format!("{}{} {}", reply.code, enhanced.unwrap_or_default(), reply.text);
    let about = format!(" (rule {}, campaign {})", cut(&ruling.rule, 100), s.held.campaign);
    let room = LONGEST_EVIDENCE - about.chars().count();
    format!("{}{about}", cut(said.trim_end(), room))
}

/// At most so many characters of it.
fn cut(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some(_) => text.chars().take(characters - 1).chain(['…']).collect(),
    }
}
