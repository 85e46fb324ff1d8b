//! What mail providers post to a webhook, as events. Who posted it is asked elsewhere: this only reads.
//!
//! Each provider has a file that says where in its posts things stand. What its names mean stands in `codes.toml`. What a
//! receiver said goes first where it is given: the provider's own names are made from it, and are coarser.

mod brevo;
mod codes;
mod mailgun;
mod mailjet;
mod postmark;
mod posts;
mod sendgrid;
mod ses;
mod sparkpost;
mod values;

use crate::event::{Clues, Event, EventKind};
use crate::message::LONGEST_SAID;
use crate::reason::Reason;
use crate::reply::said;
use crate::rules::{Evidence, Rules, cut};
use crate::stage::Stage;
use crate::status::{self, Enhanced};
use crate::verdict::{Cause, Class, Verdict};
use codes::{Code, Meaning};
use tidings_campaign::time::Timestamp;

/// The most events that are taken from one post.
pub const MOST_EVENTS: usize = 20_000;
/// RFC 5321 allows less; what is longer is no address.
const LONGEST_ADDRESS: usize = 1000;
/// The longest clue that is kept, in octets: a line of a header (RFC 5322 section 2.1.1).
const LONGEST_CLUE: usize = 998;

/// Whose webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Amazon SES, by SNS.
    Ses,
    /// SendGrid.
    SendGrid,
    /// Postmark.
    Postmark,
    /// Mailgun.
    Mailgun,
    /// SparkPost.
    SparkPost,
    /// Mailjet.
    Mailjet,
    /// Brevo.
    Brevo,
}

impl Provider {
    /// All of them.
    pub const ALL: [Provider; 7] = [
        Provider::Ses,
        Provider::SendGrid,
        Provider::Postmark,
        Provider::Mailgun,
        Provider::SparkPost,
        Provider::Mailjet,
        Provider::Brevo,
    ];

    /// As it stands in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Provider::Ses => "ses",
            Provider::SendGrid => "sendgrid",
            Provider::Postmark => "postmark",
            Provider::Mailgun => "mailgun",
            Provider::SparkPost => "sparkpost",
            Provider::Mailjet => "mailjet",
            Provider::Brevo => "brevo",
        }
    }

    /// The provider of that name.
    pub fn named(name: &str) -> Option<Provider> {
        Provider::ALL
            .into_iter()
            .find(|provider| provider.as_str() == name)
    }
}

/// Why a post cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is not what this provider posts.
    #[error("not a post of this provider: {0}")]
    Form(#[from] serde_json::Error),
    /// No provider posts so much at once.
    #[error("more than {MOST_EVENTS} events in one post")]
    TooMany,
}

/// What a provider told about one recipient, not understood yet.
#[derive(Debug, Default)]
struct Told {
    /// Its names for the event, the most precise first, as in `codes.toml`.
    codes: Vec<String>,
    address: String,
    /// What the receiver said, or the provider.
    words: Option<String>,
    status: Option<Enhanced>,
    code: Option<u16>,
    host: Option<String>,
    at: Option<Timestamp>,
    /// The provider says of this event that it may work later.
    is_later: bool,
    clues: Clues,
}

/// One of the things that a post tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<'b> {
    /// As it stands in the post.
    pub raw: &'b [u8],
    /// What it says: usually one event, of Amazon SES one for each recipient.
    pub events: Vec<Event>,
}

impl Part<'_> {
    /// By what the provider recognises it.
    pub fn id(&self) -> Option<&str> {
        match &self.events[..] {
            [event] => event.clues.event_id.as_deref(),
            _ => None,
        }
    }
}

/// What a post says, part by part. What is no feedback (a delivery, an open, a click) is left out; what this version does not
/// know is an event of kind [`EventKind::Other`].
///
/// # Errors
/// If it is not the JSON that this provider posts. One event among others that cannot be read is no error, but of kind
/// [`EventKind::Other`].
pub fn read<'b>(provider: Provider, rules: &Rules, body: &'b [u8]) -> Result<Vec<Part<'b>>, Unreadable> {
    let told = match provider {
        Provider::Ses => vec![(body, ses::read(body)?)],
        Provider::SendGrid => posts::each(body, sendgrid::read)?,
        Provider::Postmark => posts::each(body, postmark::read)?,
        Provider::Mailgun => posts::each(body, mailgun::read)?,
        Provider::SparkPost => posts::each(body, sparkpost::read)?,
        Provider::Mailjet => posts::each(body, mailjet::read)?,
        Provider::Brevo => posts::each(body, brevo::read)?,
    };
    if told.iter().map(|(_, told)| told.len()).sum::<usize>() > MOST_EVENTS {
        return Err(Unreadable::TooMany);
    }
    let part = |(raw, told): posts::Piece<'b>| {
        let events = told
            .into_iter()
            .filter_map(|told| understand(provider, rules, told));
        Part {
            raw,
            events: events.collect(),
        }
    };
    let parts = told.into_iter().map(part).filter(|part| !part.events.is_empty());
    Ok(parts.collect())
}

/// What a provider's notification says that came as a mail; empty if the text is none, or no feedback.
pub(crate) fn read_mailed(rules: &Rules, text: &str) -> Vec<Event> {
    let told = ses::read_mailed(text.trim_start()).unwrap_or_default();
    let told = told.into_iter().take(MOST_EVENTS);
    told.filter_map(|told| understand(Provider::Ses, rules, told))
        .collect()
}

/// The event of a post that was authentic and could not be read.
pub fn unread(provider: Provider) -> Event {
    event_of(provider, Told::default(), Meaning::Other, "unread")
}

fn understand(provider: Provider, rules: &Rules, told: Told) -> Option<Event> {
    let found = codes::find(provider, &told.codes);
    let (name, meaning) = match found {
        Some((name, code)) => (name.to_owned(), code.meaning),
        None => (
            told.codes.first().cloned().unwrap_or_else(|| "unread".to_owned()),
            Meaning::Other,
        ),
    };
    match (meaning, found) {
        (Meaning::Nothing, _) => None,
        (Meaning::Bounce | Meaning::Delay, Some((_, code))) => {
            Some(failure(provider, rules, told, code, &name))
        }
        _ => Some(event_of(provider, told, meaning, &name)),
    }
}

/// A bounce or a delay.
fn failure(provider: Provider, rules: &Rules, told: Told, code: &Code, name: &str) -> Event {
    let words = told.words.as_deref().unwrap_or_default();
    let reply = told.code.or_else(|| status::reply_code(words));
    let status = told.status.or_else(|| status::failure(words));
    let (mut verdict, mut rule) = (code.verdict(), None);
    let is_delay = code.meaning == Meaning::Delay;
    if !code.own {
        let texts = [said(words)];
        let decision = rules.decide(&Evidence {
            code: reply,
            status,
            texts: &texts,
            is_temporary: is_delay || code.later || told.is_later,
            stage: Stage::told(words),
        });
        // A code that many faults share says less than the provider does, unless it does not know either.
        let says_nothing = reply.is_none() && status.is_none() && words.is_empty();
        if decision.is_told || code.reason == Reason::Undefined && !says_nothing {
            verdict = decision.verdict;
            rule = Some(decision.rule.to_owned());
        }
    }
    if (is_delay || code.later || told.is_later) && verdict.class == Class::Hard {
        verdict.class = Class::Soft;
    }
    let mut event = event_of(provider, told, code.meaning, name);
    event.verdict = verdict;
    event.status = status;
    event.code = reply;
    event.rule = rule.unwrap_or(event.rule);
    event
}

/// The event, with the verdict that its kind has by itself.
fn event_of(provider: Provider, told: Told, meaning: Meaning, name: &str) -> Event {
    let (kind, verdict) = match meaning {
        Meaning::Bounce => (EventKind::Bounce, Verdict::of(Reason::Undefined)),
        Meaning::Delay => (EventKind::Delay, Verdict::of(Reason::Undefined)),
        Meaning::Complaint => (EventKind::Complaint, Verdict::of(Reason::Feedback)),
        Meaning::Unsubscribe => (EventKind::Unsubscribe, Verdict::of(Reason::Unsubscribe)),
        Meaning::Autoreply => (EventKind::Autoreply, Verdict::of(Reason::Vacation)),
        Meaning::Other | Meaning::Nothing => (EventKind::Other, nothing_told()),
    };
    let kept = |text: String, most| cut(&text, most).to_owned();
    let clue = |clue: Option<String>| clue.map(|text| kept(text, LONGEST_CLUE));
    let event_id = told
        .clues
        .event_id
        .map(|id| format!("{}:{id}", provider.as_str()));
    Event {
        kind,
        address: kept(told.address, LONGEST_ADDRESS),
        verdict,
        status: told.status,
        code: told.code,
        text: kept(told.words.unwrap_or_default(), LONGEST_SAID),
        host: clue(told.host),
        rule: kept(format!("{} {name}", provider.as_str()), LONGEST_CLUE),
        at: told.at,
        clues: Clues {
            recipients: Vec::new(),
            return_path: clue(told.clues.return_path),
            message_id: clue(told.clues.message_id),
            envelope_id: clue(told.clues.envelope_id),
            feedback_id: clue(told.clues.feedback_id),
            list_unsubscribe: clue(told.clues.list_unsubscribe),
            token: clue(told.clues.token),
            event_id: clue(event_id),
        },
    }
}

fn nothing_told() -> Verdict {
    Verdict {
        class: Class::Other,
        cause: Cause::Undefined,
        reason: Reason::Undefined.as_str(),
    }
}

#[cfg(test)]
mod tests;
