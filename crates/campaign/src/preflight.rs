//! The pre-flight list: what is to be looked at before a campaign goes out, and what was found.
//!
//! Pure: whoever calls [`findings`] has rendered every recipient ([`Tally`]), read the messages of some ([`Sample`]) and asked
//! the network ([`Asked`]). Each check is a file of its own; [`Check`] has their numbers. Whether a campaign may be scheduled then
//! is decided in [`verdict`].

mod alignment;
mod answers;
mod clipping;
mod fingerprint;
mod images;
mod leftovers;
mod links;
mod message_size;
mod page;
mod postal_address;
mod preheader;
pub mod reach;
mod recipients;
mod sender_domain;
mod subject;
mod tally;
mod text_part;
mod unsubscribe;
pub mod verdict;

pub use answers::{Answer, LinkAnswer, Outcome};
pub use clipping::GMAIL_CLIPS_AT;
pub use fingerprint::Fingerprint;
pub use page::Page;
pub use tally::{Failure, Failures, Largest, Tally};

use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;

/// What is looked at. The numbers are stable: scripts and overrides refer to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Check {
    /// The newsletter compiles, and its files are there.
    #[serde(rename = "PF01")]
    Content,
    /// Somebody would get it.
    #[serde(rename = "PF02")]
    Recipients,
    /// Each of them gets a message.
    #[serde(rename = "PF03")]
    Rendering,
    /// Gmail shows all of it.
    #[serde(rename = "PF04")]
    Clipping,
    /// Relays take it.
    #[serde(rename = "PF05")]
    MessageSize,
    /// There is a text to read.
    #[serde(rename = "PF06")]
    TextPart,
    /// Readers see how to leave.
    #[serde(rename = "PF07")]
    Unsubscribe,
    /// It says where the sender is.
    #[serde(rename = "PF08")]
    PostalAddress,
    /// The subject.
    #[serde(rename = "PF09")]
    Subject,
    /// The line that inboxes show after the subject.
    #[serde(rename = "PF10")]
    Preheader,
    /// Nothing of a template or of a draft is left in it.
    #[serde(rename = "PF11")]
    Leftovers,
    /// How its links are written.
    #[serde(rename = "PF12")]
    Links,
    /// Whether they answer.
    #[serde(rename = "PF13")]
    Answers,
    /// Its images.
    #[serde(rename = "PF14")]
    Images,
    /// What the domain of From publishes.
    #[serde(rename = "PF15")]
    SenderDomain,
    /// Whether From and the return path belong together.
    #[serde(rename = "PF16")]
    Alignment,
    /// The public key of signatures.
    #[serde(rename = "PF17")]
    Dkim,
}

impl Check {
    /// All of them, in the order of the list.
    pub const ALL: [Check; 17] = [
        Check::Content,
        Check::Recipients,
        Check::Rendering,
        Check::Clipping,
        Check::MessageSize,
        Check::TextPart,
        Check::Unsubscribe,
        Check::PostalAddress,
        Check::Subject,
        Check::Preheader,
        Check::Leftovers,
        Check::Links,
        Check::Answers,
        Check::Images,
        Check::SenderDomain,
        Check::Alignment,
        Check::Dkim,
    ];

    /// Its stable number, and its title for people.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Check::Content => ("PF01", "Content"),
            Check::Recipients => ("PF02", "Recipients"),
            Check::Rendering => ("PF03", "A message for everybody"),
            Check::Clipping => ("PF04", "Gmail's clipping"),
            Check::MessageSize => ("PF05", "Size of the message"),
            Check::TextPart => ("PF06", "Text part"),
            Check::Unsubscribe => ("PF07", "Unsubscribe link"),
            Check::PostalAddress => ("PF08", "Postal address"),
            Check::Subject => ("PF09", "Subject"),
            Check::Preheader => ("PF10", "Preheader"),
            Check::Leftovers => ("PF11", "Leftovers of a draft"),
            Check::Links => ("PF12", "Links as written"),
            Check::Answers => ("PF13", "Links that answer"),
            Check::Images => ("PF14", "Images"),
            Check::SenderDomain => ("PF15", "SPF, DMARC and MX"),
            Check::Alignment => ("PF16", "Alignment of From"),
            Check::Dkim => ("PF17", "DKIM"),
        }
    }

    /// Its stable number: `PF04`.
    pub const fn code(self) -> &'static str {
        self.names().0
    }

    /// Its title for people.
    pub const fn title(self) -> &'static str {
        self.names().1
    }

    /// From its number.
    pub fn parse(code: &str) -> Option<Check> {
        Check::ALL.into_iter().find(|check| check.code() == code)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// How much a finding asks of people. In the order of how much it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing.
    Ok,
    /// A person who takes it on, by name.
    Amber,
    /// To be mended before anything goes out.
    Red,
}

impl Level {
    /// As it is written: `ok`, `amber`, `red`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Amber => "amber",
            Level::Red => "red",
        }
    }
}

/// What one check has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which.
    pub check: Check,
    /// How bad it is.
    pub level: Level,
    /// What was found: a sentence.
    pub sentence: String,
    /// Where: a link, an image, an address, a language.
    #[serde(rename = "where", default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What to do.
    #[serde(rename = "what_to_do", default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// It stands for others that are not shown: nobody has read them, so that nobody can take them on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_rest: bool,
}

impl Finding {
    fn new(check: Check, level: Level, sentence: impl Into<String>) -> Finding {
        Finding {
            check,
            level,
            sentence: sentence.into(),
            place: None,
            advice: None,
            is_rest: false,
        }
    }

    fn ok(check: Check, sentence: impl Into<String>) -> Finding {
        Finding::new(check, Level::Ok, sentence)
    }

    fn amber(check: Check, sentence: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding {
            advice: Some(advice.into()),
            ..Finding::new(check, Level::Amber, sentence)
        }
    }

    fn red(check: Check, sentence: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding {
            level: Level::Red,
            ..Finding::amber(check, sentence, advice)
        }
    }

    fn at(mut self, place: impl Into<String>) -> Finding {
        self.place = Some(shortened(&place.into()));
        self
    }

    /// Whether somebody may take it on, with a reason.
    pub fn may_be_taken_on(&self) -> bool {
        self.level == Level::Amber && !self.is_rest
    }

    /// The newsletter cannot be made at all: the only finding then.
    pub fn unmakeable(why: impl Into<String>) -> Finding {
        Finding::red(Check::Content, why, "mend it, then run this list again")
    }
}

/// Characters of a place that are kept: links may be long.
const LONGEST_PLACE: usize = 300;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_PLACE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What was asked of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked<T> {
    /// There was an answer.
    Found(T),
    /// It was not asked, because a setting says so or there is nobody to ask; why.
    NotAsked(String),
    /// It could not be asked; why.
    NoAnswer(String),
}

/// A message as one recipient would read it, its links not led to us.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Of which translation; none for the fallback.
    pub language: Option<String>,
    /// The subject line.
    pub subject: String,
    /// The HTML.
    pub html: String,
    /// The text part.
    pub text: String,
}

/// What is known of the campaign besides its messages.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The domain of From.
    pub from_domain: String,
    /// The domain of return paths.
    pub return_path_domain: String,
    /// Where this instance is reached from outside, without a slash at the end.
    pub public_url: String,
    /// The sender's postal address, if the operator has written it down.
    pub postal_address: Option<String>,
    /// Readers may be led to private networks.
    pub allow_private_links: bool,
    /// The most octets that each relay says it takes; none where it does not say.
    pub relays: Vec<(String, Asked<Option<u64>>)>,
    /// The images that go with the messages: name and octets.
    pub images: Vec<(String, usize)>,
}

/// All that was found out.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The campaign.
    pub sender: Sender,
    /// Of all recipients.
    pub tally: Tally,
    /// Of some recipients, of each translation that somebody gets.
    pub samples: Vec<Sample>,
    /// What links and images answered.
    pub answers: Asked<Vec<LinkAnswer>>,
    /// What is wrong with the records of the sender's domains, a sentence each.
    pub domain_faults: Asked<Vec<String>>,
    /// Whether the key that signatures name is published; the text says where it was looked for.
    pub dkim: Asked<Result<String, String>>,
}

/// The whole list: at least one finding for each check that could be made, the worst first within each check.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = vec![Finding::ok(
        Check::Content,
        "Every text compiles, and every file is there.",
    )];
    found.extend(recipients::check(&facts.tally));
    if facts.tally.recipients > facts.tally.failed {
        found.extend(clipping::check(&facts.tally));
        found.extend(message_size::check(&facts.tally, &facts.sender.relays));
    }
    found.extend(of_messages(facts));
    if !facts.samples.is_empty() {
        found.extend(answers::check(&facts.answers));
        found.extend(images::check_weight(&facts.sender.images, &facts.answers));
    }
    found.extend(sender_domain::check(&facts.domain_faults));
    found.push(alignment::check(&facts.sender));
    found.extend(sender_domain::check_dkim(&facts.dkim));
    tidied(found)
}

/// What is to be said of the messages, once for all that say the same in one language.
fn of_messages(facts: &Facts) -> Vec<Finding> {
    let many_languages = facts.samples.iter().any(|sample| sample.language.is_some());
    let mut found: Vec<(&Option<String>, Finding)> = Vec::new();
    for sample in &facts.samples {
        for finding in of_one_message(sample, facts) {
            let is_known = |(language, other): &(&Option<String>, Finding)| {
                *language == &sample.language && is_the_same(other, &finding)
            };
            if !found.iter().any(is_known) {
                found.push((&sample.language, finding));
            }
        }
    }
    let in_language = |(language, finding): (&Option<String>, Finding)| match language {
        _ if !many_languages || finding.level == Level::Ok => finding,
        Some(language) => named(finding, language),
        None => named(finding, "the fallback"),
    };
    found.into_iter().map(in_language).collect()
}

/// Where a reader's own words may stand, one place is as good as another.
fn is_the_same(a: &Finding, b: &Finding) -> bool {
    let has_own_words = matches!(a.check, Check::Subject | Check::Preheader | Check::Leftovers);
    a.check == b.check && a.sentence == b.sentence && (has_own_words || a.place == b.place)
}

fn named(finding: Finding, language: &str) -> Finding {
    let place = match &finding.place {
        Some(place) => format!("{place} ({language})"),
        None => language.to_owned(),
    };
    finding.at(place)
}

fn of_one_message(sample: &Sample, facts: &Facts) -> Vec<Finding> {
    let page = Page::read(&sample.html);
    let mut found = vec![text_part::check(&sample.text, &page)];
    found.extend(unsubscribe::check(&page, &sample.text, &facts.sender));
    found.push(postal_address::check(
        &page,
        &sample.text,
        facts.sender.postal_address.as_deref(),
    ));
    found.extend(subject::check(&sample.subject));
    found.push(preheader::check(&page));
    found.extend(leftovers::check(sample, &page, &facts.sender));
    found.extend(links::check(&page, &facts.sender));
    found.extend(images::check(&page, &facts.sender));
    found
}

/// Findings of one kind that are shown: more of them help nobody.
const SHOWN: usize = 20;

/// The same finding of several messages counts once; that all is well is said where nothing else is. What is too much to be shown
/// is one finding more.
fn tidied(mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by_key(|finding| (finding.check, std::cmp::Reverse(finding.level)));
    let mut kept: Vec<Finding> = Vec::new();
    for of_check in found.chunk_by(|one, next| one.check == next.check) {
        let mut known = HashSet::new();
        let worst = of_check[0].level;
        let different: Vec<&Finding> = of_check
            .iter()
            .filter(|finding| finding.level != Level::Ok || worst == Level::Ok)
            .filter(|finding| {
                known.insert((finding.level, &finding.sentence, &finding.place, &finding.advice))
            })
            .collect();
        let (shown, rest) = different.split_at(different.len().min(SHOWN));
        kept.extend(shown.iter().map(|finding| (*finding).clone()));
        if worst != Level::Ok && !rest.is_empty() {
            kept.push(rest_of(of_check[0].check, rest.len()));
        }
    }
    kept
}

fn rest_of(check: Check, n: usize) -> Finding {
    Finding {
        is_rest: true,
        ..Finding::amber(
            check,
            format!("And {n} more that are not shown."),
            "mend some of those that are, then run this list again: what nobody has read cannot be taken on",
        )
    }
}

#[cfg(test)]
mod tests;
