//! The recipients of a bounce, by status or by prose, each with its verdict.

use super::fields::Block;
use super::prose::{MOST_RECIPIENTS, Prose};
use super::signs::{SIGNS, Sign};
use super::status_report::{Action, Group};
use super::{LONGEST_SAID, Reading, Recipient};
use crate::address;
use crate::reply;
use crate::rules::{Evidence, cut};
use crate::stage::Stage;
use crate::status::{self, Enhanced};
use std::collections::{HashMap, HashSet};

/// What is known of one recipient before it is decided.
#[derive(Default)]
struct Known<'k> {
    status: Option<Enhanced>,
    diagnostic: &'k str,
    near: &'k str,
    comment: &'k str,
    all: &'k str,
    /// What was refused, by the whole text.
    stage: Option<Stage>,
    host: Option<String>,
    is_temporary: bool,
}

impl Reading<'_> {
    /// The recipients of delivery statuses that are not done.
    pub(super) fn of_statuses<'g>(&self, groups: impl Iterator<Item = &'g Group>) -> Vec<Recipient> {
        let text = self.text();
        let stage = Stage::told(&text);
        let mut at: HashMap<String, usize> = HashMap::new();
        let mut recipients: Vec<Recipient> = Vec::new();
        let mut nameless = None;
        for group in groups.filter(|group| group.action != Action::Done) {
            let Some(address) = &group.address else {
                nameless.get_or_insert(group);
                continue;
            };
            let recipient = self.of_group(address.clone(), group, &text, stage);
            match at.get(&address.to_lowercase()) {
                // Told twice: the one that says more stays.
                Some(&known) if recipients[known].text.len() < recipient.text.len() => {
                    recipients[known] = recipient
                }
                Some(_) => {}
                None if recipients.len() < MOST_RECIPIENTS => {
                    at.insert(address.to_lowercase(), recipients.len());
                    recipients.push(recipient);
                }
                None => break,
            }
        }
        if recipients.is_empty() {
            recipients = self.of_prose(nameless);
        }
        recipients
    }

    fn of_group(&self, address: String, group: &Group, text: &str, stage: Option<Stage>) -> Recipient {
        let wants_more = group.diagnostic.is_empty() || is_bare(&group.diagnostic);
        let near = if wants_more {
            let names = std::iter::once(&address).chain(&group.others);
            names
                .flat_map(|name| self.prose.iter().filter_map(|prose| prose.near(name)))
                .next()
        } else {
            None
        };
        let known = Known {
            status: group.status,
            diagnostic: &group.diagnostic,
            near: near.as_deref().unwrap_or_default(),
            comment: &group.comment,
            all: text,
            stage,
            host: group.remote_host.clone(),
            is_temporary: group.action == Action::Delayed,
        };
        self.decide(address, known)
    }

    /// The recipients that a text for people names; `group` is a status without an address.
    pub(super) fn of_prose(&self, group: Option<&Group>) -> Vec<Recipient> {
        let text = self.text();
        let stage = Stage::told(&text);
        let mailed = self.original_header().map(mailed).unwrap_or_default();
        let mut failed: Vec<(String, String)> = self
            .named_in_header()
            .into_iter()
            .map(|address| (address, String::new()))
            .collect();
        if failed.is_empty() {
            let strangers = self.strangers();
            failed = self
                .prose
                .iter()
                .flat_map(|prose| prose.failed(&strangers, &mailed))
                .map(|failed| (failed.address, failed.text))
                .collect();
        }
        if failed.is_empty() {
            failed = self.bare_names();
        }
        if failed.is_empty() {
            failed = mailed
                .into_iter()
                .map(|address| (address, String::new()))
                .collect();
        }
        let is_late = SIGNS.of(cut(&text, 16 * 1024)).has(Sign::Delay)
            && !SIGNS.of(cut(&self.mail.subject, 1024)).has(Sign::Failure);
        let mut seen = HashSet::new();
        failed.retain(|(address, _)| seen.insert(address.to_lowercase()));
        let decided = |address: String, near: &str| {
            let known = Known {
                status: group.and_then(|group| group.status),
                diagnostic: group.map(|group| group.diagnostic.as_str()).unwrap_or_default(),
                near,
                comment: group.map(|group| group.comment.as_str()).unwrap_or_default(),
                all: &text,
                stage,
                host: group.and_then(|group| group.remote_host.clone()),
                is_temporary: group.map_or(is_late, |group| group.action == Action::Delayed),
            };
            self.decide(address, known)
        };
        // Of whom nothing is said of his own, the same is known.
        let mut in_common: Option<Recipient> = None;
        let decide = |(address, near): (String, String)| {
            let near = match near.is_empty() {
                true => self.prose.iter().find_map(|prose| prose.near(&address)),
                false => Some(near),
            };
            match near {
                Some(near) => decided(address, &near),
                None => {
                    let common = in_common.get_or_insert_with(|| decided(String::new(), ""));
                    Recipient {
                        address,
                        ..common.clone()
                    }
                }
            }
        };
        failed.into_iter().take(MOST_RECIPIENTS).map(decide).collect()
    }

    fn decide(&self, address: String, known: Known<'_>) -> Recipient {
        let texts = [known.diagnostic, known.near, known.comment, known.all];
        let mut texts = texts.iter().copied().filter(|text| !text.trim().is_empty());
        let nearest = texts.next().unwrap_or_default();
        // A status of its own says more than words that may belong to another.
        let silent = known.status.is_some() && known.diagnostic.trim().is_empty();
        let status = best_status(known.status, nearest, known.near);
        let code = status::reply_code(nearest).or_else(|| status::reply_code(known.near));
        let of_all = known.stage.filter(|_| nearest == known.diagnostic);
        let stage = Stage::told(nearest).or(of_all);
        let list: Vec<&str> = silent
            .then_some("")
            .into_iter()
            .chain(std::iter::once(reply::said(nearest)))
            .chain(texts)
            .collect();
        let evidence = Evidence {
            code,
            status,
            texts: &list,
            is_temporary: known.is_temporary,
            stage,
        };
        let decision = self.rules.decide(&evidence);
        Recipient {
            address,
            verdict: decision.verdict,
            status,
            code,
            text: cut(nearest, LONGEST_SAID).to_owned(),
            host: known.host,
            rule: decision.rule.to_owned(),
            is_late: known.is_temporary,
        }
    }

    /// Those that a field of the header names.
    fn named_in_header(&self) -> Vec<String> {
        let values = ["x-failed-recipients", "x-failed-recipient"]
            .into_iter()
            .flat_map(|name| self.mail.header.all(name));
        values
            .flat_map(address::all)
            .map(str::to_owned)
            .take(MOST_RECIPIENTS)
            .collect()
    }

    /// Names without a domain, which a server lists that reports on its own users.
    fn bare_names(&self) -> Vec<(String, String)> {
        let Some(domain) = self
            .mail
            .header
            .get("from")
            .and_then(address::first)
            .map(address::domain)
        else {
            return Vec::new();
        };
        let names = self.prose.iter().flat_map(Prose::bare_names);
        names
            .map(|name| (format!("{name}@{domain}"), String::new()))
            .collect()
    }

    /// Addresses that are not of recipients that failed: who reports, who gets the report, who sent the original.
    fn strangers(&self) -> HashSet<String> {
        let header = &self.mail.header;
        let own = [
            "from",
            "to",
            "cc",
            "reply-to",
            "sender",
            "return-path",
            "delivered-to",
            "envelope-to",
            "message-id",
            "errors-to",
            "resent-from",
            "resent-to",
        ];
        let others = [
            "from",
            "sender",
            "return-path",
            "reply-to",
            "message-id",
            "errors-to",
        ];
        let own = own.into_iter().flat_map(|name| header.all(name));
        let others = others.into_iter().flat_map(|name| {
            self.original_header()
                .into_iter()
                .flat_map(move |header| header.all(name))
        });
        own.chain(others)
            .flat_map(|value| address::all(value).take(100))
            .map(str::to_lowercase)
            .collect()
    }
}

/// To whom a message went, by its header.
pub(super) fn mailed(header: &Block) -> Vec<String> {
    let to = ["to", "x-original-to", "envelope-to", "cc"]
        .into_iter()
        .map(|name| {
            header
                .all(name)
                .flat_map(address::all)
                .map(str::to_owned)
                .take(MOST_RECIPIENTS)
                .collect::<Vec<_>>()
        });
    to.into_iter().find(|list| !list.is_empty()).unwrap_or_default()
}

/// Whether a diagnostic has no words of its own.
fn is_bare(diagnostic: &str) -> bool {
    diagnostic
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| word.len() > 2)
        .count()
        < 2
}

/// The status that says most: the field's, unless it is vague and what was said is not.
fn best_status(field: Option<Enhanced>, diagnostic: &str, near: &str) -> Option<Enhanced> {
    let said = status::failure(diagnostic).or_else(|| status::failure(near));
    match (field, said) {
        (Some(field), Some(said)) if !field.is_specific() && said.says_something() => Some(said),
        (Some(field), _) => Some(field),
        (None, said) => said,
    }
}
