//! From the octets of a message to a report: what kind it is, whom it is about, and what it means.

mod events;
mod fields;
mod kind;
mod lines;
mod notification;
mod parts;
mod prose;
mod recipients;
mod returned;
mod signs;
mod status_report;

use crate::address;
use crate::event::Clues;
use crate::reason::Reason;
use crate::rules::{Rules, cut};
use crate::status::Enhanced;
use crate::verdict::Verdict;
use fields::Block;
use kind::Tokens;
use mail_parser::Message;
use parts::Mail;
use prose::Prose;
use serde::Serialize;
use signs::{SIGNS, Sign};

pub use events::events;
pub use kind::Kind;
pub use lines::LOOKED_AT;
pub use status_report::Action;

/// How deep a report may be wrapped into other messages.
const DEEPEST: usize = 3;

/// What a message reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What kind it is.
    pub kind: Kind,
    /// Whom it is about.
    pub recipients: Vec<Recipient>,
    /// `Feedback-Type` of a complaint (RFC 5965), in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback_type: Option<String>,
    /// What is told of the message that it is about.
    pub original: Original,
    /// The host that reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reporting_host: Option<String>,
    /// By what its delivery may be found.
    #[serde(skip)]
    pub clues: Clues,
}

/// What is told of the message that a report is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Original {
    /// Its Message-ID, without angle brackets.
    pub message_id: Option<String>,
    /// Its subject, decoded.
    pub subject: Option<String>,
}

/// One recipient of a report, and what became of the message to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recipient {
    /// The address, as it is written.
    pub address: String,
    /// What it means.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The enhanced status.
    pub status: Option<Enhanced>,
    /// The reply code.
    pub code: Option<u16>,
    /// What was said, at most [`LONGEST_SAID`] octets.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The host that said it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The rule that decided.
    pub rule: String,
    /// Whether the message is still being tried.
    #[serde(skip)]
    pub is_late: bool,
}

/// How much of what was said is kept, in octets.
pub const LONGEST_SAID: usize = 1000;

/// How much of a field is looked through for what it tells of the delivery, in octets.
const LONGEST_CLUE: usize = 2000;

impl Report {
    fn other() -> Report {
        Report {
            kind: Kind::Other,
            recipients: Vec::new(),
            feedback_type: None,
            original: Original::default(),
            reporting_host: None,
            clues: Clues::default(),
        }
    }
}

/// Reads a message. Whatever it is, there is an answer; of a long one only the first [`LOOKED_AT`] octets are looked at.
pub fn classify(rules: &Rules, octets: &[u8]) -> Report {
    let plain = lines::plain(octets);
    match parts::parse(&plain) {
        Some(message) => classify_parsed(rules, &message, DEEPEST),
        None => Report::other(),
    }
}

fn classify_parsed(rules: &Rules, message: &Message<'_>, deeper: usize) -> Report {
    let mail = Mail::new(message);
    let is_told = mail.feedback.is_some() || !mail.statuses.is_empty();
    if deeper > 0 && !is_told {
        // A gateway may have put the whole report into a message of its own.
        let inner = mail.nested.iter().take(3).find(|nested| parts::is_report(nested));
        let inner = inner.map(|inner| classify_parsed(rules, inner, deeper - 1));
        if let Some(inner) = inner.filter(|inner| !inner.recipients.is_empty()) {
            return inner;
        }
    }
    if !is_told && let Some(report) = notification::report(rules, &mail) {
        return report;
    }
    Reading::new(rules, &mail).report()
}

/// A message, being read.
struct Reading<'a> {
    rules: &'a Rules,
    mail: &'a Mail<'a>,
    prose: Vec<Prose<'a>>,
    tokens: Tokens,
}

impl<'a> Reading<'a> {
    fn new(rules: &'a Rules, mail: &'a Mail<'a>) -> Reading<'a> {
        Reading {
            rules,
            mail,
            prose: mail.texts.iter().map(|text| Prose::new(text)).collect(),
            tokens: Tokens::of(mail),
        }
    }

    fn original_header(&self) -> Option<&Block> {
        self.mail
            .original
            .as_ref()
            .or_else(|| self.prose.iter().find_map(|prose| prose.original.as_ref()))
    }

    fn report(&self) -> Report {
        if let Some(feedback) = &self.mail.feedback {
            return self.feedback(feedback);
        }
        let mut statuses: Vec<_> = self
            .mail
            .statuses
            .iter()
            .map(|text| status_report::read(text))
            .collect();
        if statuses.is_empty() {
            // Some write the status into the text, or lose the header that says what is a part.
            let texts = self
                .mail
                .texts
                .iter()
                .filter(|text| status_report::is_within(text));
            statuses = texts.map(|text| status_report::read(text)).collect();
        }
        let groups = || statuses.iter().flat_map(|report| &report.groups);
        let mut report = Report {
            original: self.original(),
            reporting_host: statuses.iter().find_map(|report| report.reporting_host.clone()),
            clues: Clues {
                envelope_id: statuses.iter().find_map(|report| report.envelope_id.clone()),
                ..self.clues()
            },
            ..Report::other()
        };
        if groups().next().is_some() {
            if groups().any(|group| group.action != Action::Done) {
                report.kind = Kind::Bounce;
                report.recipients = self.of_statuses(groups());
            }
            return report;
        }
        report.kind = self.kind_of_prose();
        match report.kind {
            Kind::Bounce => report.recipients = self.of_prose(None),
            Kind::Complaint => report.recipients = self.complained(&Block::default()),
            Kind::Autoreply | Kind::Other => {}
        }
        report
    }

    fn text(&self) -> String {
        let texts: Vec<_> = self.prose.iter().map(Prose::text).collect();
        texts.join("\n")
    }

    fn kind_of_prose(&self) -> Kind {
        let tokens = &self.tokens;
        if self.mail.is_receipt {
            return Kind::Other;
        }
        let text = self.text();
        let text = cut(&text, 16 * 1024);
        let (subject, body) = (SIGNS.of(cut(&self.mail.subject, 1024)), SIGNS.of(text));
        if (subject.has(Sign::Complaint) || body.has(Sign::Complaint))
            && !tokens.subject
            && self.original_header().is_some()
        {
            return Kind::Complaint;
        }
        let is_late = body.has(Sign::Delay) && (tokens.subject || tokens.by_machine);
        let weight = tokens.weight()
            + 2 * u32::from(body.has(Sign::Failure))
            + u32::from(is_late)
            + u32::from(self.prose.iter().any(|prose| prose.original.is_some()));
        if tokens.names_failed {
            return Kind::Bounce;
        }
        if tokens.autoreply_subject && !tokens.subject || tokens.autoreply_field && weight < 5 {
            return Kind::Autoreply;
        }
        if mail_is_request(&self.mail.subject) {
            return Kind::Other;
        }
        let speaks = body.has(Sign::Failure) || is_late || tokens.subject;
        if weight >= 4
            && speaks
            && !(subject.has(Sign::Question) && !tokens.subject || body.has(Sign::Question) && weight < 6)
        {
            return Kind::Bounce;
        }
        if tokens.auto_submitted
            || tokens.autoreply_field
            || body.has(Sign::AutoreplyText) && tokens.no_return
        {
            return Kind::Autoreply;
        }
        Kind::Other
    }

    /// What the returned header tells.
    fn clues(&self) -> Clues {
        let field = |name: &str| {
            let value = self.original_header()?.get(name)?;
            Some(cut(value, LONGEST_CLUE).to_owned())
        };
        Clues {
            return_path: field("return-path"),
            message_id: field("message-id"),
            feedback_id: field("feedback-id"),
            list_unsubscribe: field("list-unsubscribe"),
            ..Clues::default()
        }
    }

    fn original(&self) -> Original {
        let Some(header) = self.original_header() else {
            return Original::default();
        };
        Original {
            message_id: header
                .get("message-id")
                .map(|id| id.trim().trim_matches(['<', '>']).to_owned()),
            subject: header.get("subject").map(parts::decoded),
        }
    }

    fn feedback(&self, fields: &Block) -> Report {
        let kind = fields
            .get("feedback-type")
            .map(|kind| kind.trim().to_ascii_lowercase());
        let is_complaint = !matches!(kind.as_deref(), Some("not-spam"));
        Report {
            kind: if is_complaint {
                Kind::Complaint
            } else {
                Kind::Other
            },
            recipients: self.complained(fields),
            feedback_type: kind,
            original: self.original(),
            reporting_host: fields
                .get("reporting-mta")
                .map(|value| status_report::untyped(value).to_owned()),
            clues: self.complaint_clues(fields),
        }
    }

    /// Some tell of the message only what they were sent with (RFC 5965 section 3.2).
    fn complaint_clues(&self, fields: &Block) -> Clues {
        let mut clues = self.clues();
        let field = |name: &str| fields.get(name).map(|value| cut(value, LONGEST_CLUE).to_owned());
        clues.return_path = clues.return_path.or_else(|| field("original-mail-from"));
        clues.envelope_id = field("original-envelope-id");
        clues
    }

    /// For whom somebody complained.
    fn complained(&self, fields: &Block) -> Vec<Recipient> {
        let told = [
            "original-rcpt-to",
            "x-original-rcpt-to",
            "removal-recipient",
            "original-recipient",
        ]
        .into_iter()
        .flat_map(|name| fields.all(name));
        let mut addresses: Vec<String> = told
            .filter_map(|value| address::first(value))
            .map(str::to_owned)
            .collect();
        if addresses.is_empty() {
            // Microsoft's junk mail reports tell it in the header that they return.
            let told = self
                .original_header()
                .and_then(|header| header.get("x-hmxmroriginalrecipient"));
            addresses.extend(told.and_then(address::first).map(str::to_owned));
        }
        if addresses.is_empty() {
            addresses = self.original_header().map(recipients::mailed).unwrap_or_default();
        }
        let mut seen = std::collections::HashSet::new();
        addresses.retain(|address| seen.insert(address.to_lowercase()));
        let verdict = Verdict::of(Reason::Feedback);
        let recipient = |address| Recipient {
            address,
            verdict: verdict.clone(),
            status: None,
            code: None,
            text: String::new(),
            host: None,
            rule: "complaint".to_owned(),
            is_late: false,
        };
        addresses
            .into_iter()
            .take(prose::MOST_RECIPIENTS)
            .map(recipient)
            .collect()
    }
}

/// A person's program asks to be unsubscribed.
fn mail_is_request(subject: &str) -> bool {
    subject.trim().eq_ignore_ascii_case("unsubscribe")
}

#[cfg(test)]
mod tests;
