//! Where a report ends and the message that it returns begins.

use super::fields;
use super::signs::{SIGNS, Sign};

/// The line with which the returned message, or its header, begins.
pub fn returned_from(lines: &[&str]) -> Option<usize> {
    for (at, line) in lines.iter().enumerate() {
        if announces(line)
            && (is_divider(line)
                || lines[at + 1..]
                    .iter()
                    .filter(|line| !line.trim().is_empty())
                    .take(6)
                    .any(|line| is_any_field(line)))
        {
            return Some(at);
        }
        if is_header(&lines[at..]) {
            return Some(at);
        }
    }
    None
}

fn announces(line: &str) -> bool {
    line.len() < 200 && !line.trim().is_empty() && SIGNS.of(line).has(Sign::Original)
}

/// Whether an announcement needs no header after it: between dashes, or "… follows".
fn is_divider(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("---")
        || line
            .trim_end_matches(['.', ':', '-', '*', ' '])
            .to_ascii_lowercase()
            .ends_with("follows")
}

fn is_any_field(line: &str) -> bool {
    begins_header(line) || fields::field(line).is_some_and(|(name, _)| name.contains('-') && name.len() > 3)
}

const OF_MESSAGES: [&str; 14] = [
    "received",
    "return-path",
    "message-id",
    "from",
    "to",
    "subject",
    "date",
    "mime-version",
    "content-type",
    "delivered-to",
    "x-mailer",
    "dkim-signature",
    "reply-to",
    "sender",
];

/// Whether a line, quoted or not, is a field that messages have.
pub fn begins_header(line: &str) -> bool {
    let line = line.trim_start_matches(['>', ' ', '|', '\t']);
    fields::field(line).is_some_and(|(name, _)| OF_MESSAGES.contains(&name.to_ascii_lowercase().as_str()))
}

/// Whether the header of a message begins here: at least four of its fields, one of which only machines write.
fn is_header(lines: &[&str]) -> bool {
    if !lines
        .first()
        .is_some_and(|line| begins_header(line) && !line.starts_with(' '))
    {
        return false;
    }
    let (mut known, mut by_machine, mut by_person) = (0, false, 0);
    for line in lines.iter().take(40).take_while(|line| !line.trim().is_empty()) {
        if let Some((name, _)) = fields::field(line) {
            let name = name.to_ascii_lowercase();
            known += usize::from(OF_MESSAGES.contains(&name.as_str()));
            by_person += usize::from(matches!(name.as_str(), "from" | "to" | "subject"));
            by_machine |= matches!(
                name.as_str(),
                "received" | "return-path" | "message-id" | "mime-version" | "content-type"
            );
        }
    }
    by_person >= 3
        || known >= 4 && by_machine
        || known >= 3
            && lines
                .first()
                .is_some_and(|line| line.starts_with("Received:") || line.starts_with("Return-Path:"))
}
