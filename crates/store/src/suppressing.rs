//! Addresses that are suppressed for what became of their deliveries.

use crate::bulk::{Bulk, Value};
use crate::outcome::{Outcome, Settlement};
use crate::parts::{Part, Parts};
use crate::suppressions::unless_suppressed;
use crate::transitions::ROWS;
use tidings_campaign::time::Timestamp;
use tidings_feedback::policy::Why;

/// The longest evidence, in characters.
const LONGEST_EVIDENCE: usize = 300;

/// Suppresses the addresses of those refusals that say that the address is gone. An address that is suppressed already
/// stays as it is, unless only an import said so.
pub(crate) fn suppressing(parts: Parts, settled: &[&Settlement], now: Timestamp) -> Vec<Bulk> {
    let mut rows: Vec<_> = settled
        .iter()
        .filter_map(|s| Some((*s, s.outcome.suppresses()?, evidence(s))))
        .collect();
    let pieces = parts.pieces(&mut rows, ROWS, |(s, ..)| s.held.campaign);
    pieces.map(|(part, rows)| statement(part, rows, now)).collect()
}

/// Suppresses the address of one delivery.
pub(crate) fn suppressing_one(
    parts: Parts,
    s: &Settlement,
    (why, evidence): (Why, String),
    now: Timestamp,
) -> Bulk {
    statement(parts.of(s.held.campaign), &[(s, why, evidence)], now)
}

fn statement(part: Part, rows: &[(&Settlement, Why, String)], now: Timestamp) -> Bulk {
    let columns = |(s, why, evidence): &(&Settlement, Why, String)| -> [Value; 5] {
        [
            s.held.campaign.0.into(),
            s.held.seq.0.into(),
            why.as_str().into(),
            evidence.as_str().into(),
            now.0.into(),
        ]
    };
    // In one order, so that two senders do not wait for each other. If the recipient has changed the address in the last quarter
    // of an hour, the refusal may be about the former one: of the new one more will be heard.
    Bulk::in_part(
        part,
        "INSERT INTO suppressions (address_key, reason, evidence, created_at) \
         SELECT r.address_key, MIN(v.column3), MIN(v.column4), MIN(v.column5) FROM (VALUES ",
        concat!(
            ") AS v JOIN {deliveries} d ON d.campaign_id = v.column1 AND d.seq = v.column2 \
         JOIN recipients r ON r.id = d.recipient_id WHERE (d.state = 'rejected' OR d.state = 'expired') \
         AND NOT EXISTS (SELECT 1 FROM address_changes a WHERE a.recipient_id = d.recipient_id \
             AND a.changed_at > v.column5 - 900000000) \
         GROUP BY r.address_key ORDER BY r.address_key",
            unless_suppressed!()
        ),
        rows.iter().flat_map(columns).collect(),
        rows.len(),
        5,
        rows.len() as u64,
    )
    .however_many()
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
