//! Delivery statuses (RFC 3464), and what calls itself one.

use super::fields::{Block, blocks};

pub use super::fields::untyped;
use crate::address;
use crate::status::Enhanced;

/// What became of a delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    /// It failed.
    #[default]
    Failed,
    /// It is still being tried.
    Delayed,
    /// It was delivered, relayed or expanded.
    Done,
}

/// One recipient's fields.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The address that was mailed, if one is told.
    pub address: Option<String>,
    /// Its other names.
    pub others: Vec<String>,
    /// What became of it.
    pub action: Action,
    /// `Status`.
    pub status: Option<Enhanced>,
    /// What stands in parentheses behind it (RFC 3464 section 2.3.4).
    pub comment: String,
    /// `Diagnostic-Code`, without its type.
    pub diagnostic: String,
    /// `Remote-MTA`, without its type.
    pub remote_host: Option<String>,
}

/// All recipients' fields of a status, and the host that reports.
#[derive(Debug, Default)]
pub struct StatusReport {
    /// One for each recipient.
    pub groups: Vec<Group>,
    /// `Reporting-MTA`, without its type.
    pub reporting_host: Option<String>,
    /// `Original-Envelope-Id`.
    pub envelope_id: Option<String>,
}

/// Fields that speak of one recipient.
const OF_A_RECIPIENT: [&str; 8] = [
    "final-recipient",
    "original-recipient",
    "x-actual-recipient",
    "x-display-name",
    "action",
    "status",
    "diagnostic-code",
    "remote-mta",
];

/// Reads one. Groups that nothing separates are told apart by the fields that come again.
pub fn read(text: &str) -> StatusReport {
    let mut report = StatusReport::default();
    for block in blocks(text) {
        if report.reporting_host.is_none() {
            report.reporting_host = block.get("reporting-mta").map(|value| untyped(value).to_owned());
        }
        if report.envelope_id.is_none() {
            report.envelope_id = block.get("original-envelope-id").map(str::to_owned);
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        for (name, value) in block.iter().filter(|(name, _)| OF_A_RECIPIENT.contains(name)) {
            if name == "final-recipient" && fields.iter().any(|(known, _)| known == name) {
                report.groups.extend(group(std::mem::take(&mut fields)));
            }
            fields.push((name.to_owned(), value.to_owned()));
        }
        report.groups.extend(group(fields));
    }
    report
}

fn group(fields: Vec<(String, String)>) -> Option<Group> {
    if fields.is_empty() {
        return None;
    }
    let block = Block::from_fields(fields);
    let action = block.get("action").map(str::to_ascii_lowercase);
    let mut names = ["original-recipient", "final-recipient", "x-actual-recipient"]
        .into_iter()
        .filter_map(|name| address::first(untyped(block.get(name)?)))
        .map(str::to_owned);
    let address = names.next();
    let others = names.collect();
    let status = block.get("status").and_then(|value| {
        let word = value
            .split(|c: char| !c.is_ascii_digit() && c != '.')
            .find(|word| !word.is_empty())?;
        Enhanced::parse(word)
    });
    let action = match action.as_deref() {
        Some(action) if action.starts_with("delayed") || action.starts_with("deferred") => Action::Delayed,
        Some(action)
            if ["delivered", "relayed", "expanded", "deliverable"]
                .iter()
                .any(|done| action.starts_with(done)) =>
        {
            Action::Done
        }
        None if status.is_some_and(|status| status.class == 2) => Action::Done,
        _ => Action::Failed,
    };
    let diagnostic = block
        .all("diagnostic-code")
        .map(diagnosed)
        .max_by_key(|text| text.len());
    let has_any = address.is_some() || block.get("action").is_some() || status.is_some();
    has_any.then(|| Group {
        address,
        others,
        action,
        status,
        comment: block
            .get("status")
            .and_then(comment)
            .unwrap_or_default()
            .to_owned(),
        diagnostic: diagnostic.unwrap_or_default().to_owned(),
        remote_host: block.get("remote-mta").map(|value| untyped(value).to_owned()),
    })
}

/// What stands in parentheses.
fn comment(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once('(')?;
    Some(rest.trim_end().trim_end_matches(')'))
}

/// What was said. That a program's exit code is one, only its type tells.
fn diagnosed(value: &str) -> &str {
    let is_exit = value
        .get(..6)
        .is_some_and(|kind| kind.eq_ignore_ascii_case("x-unix"));
    if is_exit { value } else { untyped(value) }
}

/// Whether a text holds fields of a status.
pub fn is_within(text: &str) -> bool {
    let has = |name: &str| {
        text.lines().any(|line| {
            line.get(..name.len())
                .is_some_and(|begin| begin.eq_ignore_ascii_case(name))
        })
    };
    has("final-recipient:") && (has("action:") || has("status:"))
}
