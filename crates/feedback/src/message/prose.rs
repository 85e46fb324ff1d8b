//! Recipients and reasons in reports that are written for people.
//!
//! Nothing is known of the program that wrote one. Addresses are taken by what stands around them: a label before
//! them, a line of their own, words of failure on their line; what names the sender or a postmaster is not taken.

use super::fields::{self, Block};
use super::returned::{begins_header, returned_from};
use super::signs::{SIGNS, Sign};
use crate::address::{self, Span};
use crate::rules::words::words;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

/// How many recipients one report may have.
pub const MOST_RECIPIENTS: usize = 20_000;
/// How many lines may belong to one recipient, and how many octets.
const MOST_LINES: usize = 40;
const LONGEST_CHUNK: usize = 4 * 1024;

/// A text for people, up to the message that it returns.
#[derive(Debug)]
pub struct Prose<'t> {
    lines: Vec<&'t str>,
    /// On which line each address stands first, in lower case; made when it is asked for.
    places: OnceCell<HashMap<String, usize>>,
    /// The header of the message that it returns, if it stands in the text.
    pub original: Option<Block>,
}

/// How sure it is that an address is a recipient that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sureness {
    /// It stands somewhere.
    Named,
    /// It begins a line that goes on.
    Begins,
    /// It is on a line with words of failure, or right below such a line.
    NearFailure,
    /// It is a line of its own, or what stands around says that it is one.
    Marked,
}

struct Candidate<'t> {
    address: &'t str,
    line: usize,
    sureness: Sureness,
    heads: bool,
    in_transcript: bool,
}

/// A recipient, and what was said of it.
#[derive(Debug)]
pub struct Failed {
    /// As it is written.
    pub address: String,
    /// The lines that belong to it, as one text.
    pub text: String,
}

impl<'t> Prose<'t> {
    /// Takes the report's own words of a text.
    pub fn new(text: &'t str) -> Prose<'t> {
        let lines: Vec<&str> = text.lines().collect();
        let end = returned_from(&lines);
        let original = end.map(|end| {
            let rest = lines[end..]
                .iter()
                .position(|line| begins_header(line))
                .map_or(lines.len(), |at| end + at);
            fields::header(&lines[rest..].join("\n"))
        });
        Prose {
            lines: lines[..end.unwrap_or(lines.len())].to_vec(),
            places: OnceCell::new(),
            original: original.filter(|header| header.len() > 0),
        }
    }

    /// All its words.
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// The recipients that it names. `strangers` are addresses of others, in lower case; `mailed` those the original
    /// message went to.
    pub fn failed(&self, strangers: &HashSet<String>, mailed: &[String]) -> Vec<Failed> {
        let mut candidates = self.candidates(strangers, mailed);
        if candidates.iter().any(|one| one.heads) {
            candidates.retain(|one| one.heads || !self.lines[one.line].starts_with([' ', '\t']));
        }
        let best = candidates.iter().map(|candidate| candidate.sureness).max();
        let Some(best) = best else {
            return Vec::new();
        };
        candidates.retain(|candidate| candidate.sureness >= best.min(Sureness::Marked));
        if best == Sureness::Named && candidates.iter().any(|one| is_one_of(one.address, mailed)) {
            candidates.retain(|one| is_one_of(one.address, mailed));
        }
        let mut seen = HashSet::new();
        let firsts: Vec<&Candidate<'_>> = candidates
            .iter()
            .filter(|one| seen.insert(one.address.to_lowercase()))
            .take(MOST_RECIPIENTS)
            .collect();
        let starts: Vec<usize> = firsts.iter().map(|one| one.line).collect();
        firsts
            .iter()
            .enumerate()
            .map(|(at, one)| Failed {
                address: one.address.to_owned(),
                text: if one.in_transcript {
                    self.exchange(one.line)
                } else {
                    self.chunk(
                        one.line,
                        starts[at + 1..].iter().copied().find(|next| *next > one.line),
                    )
                },
            })
            .collect()
    }

    /// What is said near the first place of an address.
    pub fn near(&self, address: &str) -> Option<String> {
        let known = self.places().get(&address.to_lowercase()).copied();
        // Letters of other scripts are taken for the sentence, if nothing parts the address from it.
        let within = || self.lines.iter().position(|line| line.contains(address));
        let at = known.or_else(|| if address.is_ascii() { None } else { within() })?;
        let next = self.lines[at + 1..].iter().take(MOST_LINES).position(|line| {
            let line = line.trim_start_matches([' ', '\t', '<']);
            address::first(line)
                .is_some_and(|other| line.starts_with(other) && !other.eq_ignore_ascii_case(address))
        });
        Some(self.chunk(at, next.map(|next| at + 1 + next)))
    }

    fn places(&self) -> &HashMap<String, usize> {
        self.places.get_or_init(|| {
            let mut places = HashMap::new();
            for (at, line) in self.lines.iter().enumerate() {
                for address in address::all(line) {
                    places.entry(address.to_lowercase()).or_insert(at);
                }
            }
            places
        })
    }

    /// Single words below a line that says who follows.
    pub fn bare_names(&self) -> Vec<&'t str> {
        let is_name = |line: &str| {
            line.len() < 65
                && line
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        };
        let full = || {
            self.lines
                .iter()
                .map(|line| line.trim())
                .filter(|line| !line.is_empty())
        };
        let listed = full().skip_while(|line| {
            !(line.ends_with(':') && SIGNS.of(crate::rules::cut(line, 2048)).has(Sign::Failure))
        });
        listed
            .skip(1)
            .take_while(|line| is_name(line))
            .take(100)
            .collect()
    }

    /// A line of a transcript, with what the other server had said before it.
    fn exchange(&self, line: usize) -> String {
        let said = self.lines[..line]
            .iter()
            .rev()
            .take(MOST_LINES)
            .take_while(|line| line.starts_with("<<<"));
        self.chunk(line - said.count(), Some(line + 1))
    }

    fn chunk(&self, start: usize, end: Option<usize>) -> String {
        let end = end.unwrap_or(self.lines.len()).min(start + MOST_LINES);
        let mut text = String::new();
        for line in &self.lines[start..end] {
            if text.len() + line.len() > LONGEST_CHUNK {
                break;
            }
            text.push_str(line.trim());
            text.push(' ');
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// Whether a line tells to whom the message was written, as some systems sum it up: `To:`, then `Subject:`. That is a
    /// list's address as often as the one that failed.
    fn is_summary(&self, at: usize) -> bool {
        let begins = |line: &str, name: &str| {
            let line = line.trim_start();
            line.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        begins(self.lines[at], "to:")
            && self.lines[at + 1..]
                .iter()
                .take(2)
                .any(|line| begins(line, "subject:"))
    }

    fn candidates(&self, strangers: &HashSet<String>, mailed: &[String]) -> Vec<Candidate<'t>> {
        let mut candidates = Vec::new();
        let mut after_failure = 0_usize;
        let mut listing = false;
        for (at, line) in self.lines.iter().enumerate() {
            let spans: Vec<Span> = address::spans(line).take(64).collect();
            let speaks =
                !line.trim().is_empty() && SIGNS.of(crate::rules::cut(line, 2048)).has(Sign::Failure);
            for span in &spans {
                let found = &line[span.start..span.end];
                if !heads(line, *span) && !may_be_recipient(line, *span, found, strangers, mailed) {
                    continue;
                }
                let mut sureness = match self.is_summary(at) {
                    true => Sureness::Named,
                    false => sureness(line, *span, speaks, after_failure > 0),
                };
                if listing
                    && sureness >= Sureness::Begins
                    && line.trim_start_matches([' ', '\t', '<', '-']).starts_with(found)
                {
                    sureness = Sureness::Marked;
                }
                candidates.push(Candidate {
                    address: found,
                    line: at,
                    sureness,
                    heads: heads(line, *span),
                    in_transcript: is_in_transcript(&line[..span.start], &line[span.end..]),
                });
            }
            if !line.trim().is_empty() {
                listing = speaks && line.trim_end().ends_with(':') || listing && !spans.is_empty();
            }
            after_failure = if speaks {
                6
            } else {
                after_failure.saturating_sub(1)
            };
            if candidates.len() > 2 * MOST_RECIPIENTS {
                break;
            }
        }
        candidates
    }
}

/// Whether a line begins with an address in the manner of many mail systems: `<ann@example.com>: …`.
fn heads(line: &str, span: Span) -> bool {
    span.start == 1 && line.starts_with('<') && line[span.end..].starts_with(">:")
}

/// Whether a reply of a transcript begins with the address: `550 5.1.1 <ann@example.com>... User unknown`.
fn is_in_transcript(before: &str, after: &str) -> bool {
    before.ends_with('<')
        && before.len() > 3
        && before[..before.len() - 1]
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b' ' | b'.' | b'-'))
        && after.starts_with(">...")
}

fn sureness(line: &str, span: Span, speaks: bool, after_failure: bool) -> Sureness {
    let (before, after) = (&line[..span.start], &line[span.end..]);
    let alone = |text: &str| text.chars().all(|c| !c.is_alphanumeric());
    if is_in_transcript(before, after) {
        return Sureness::Marked;
    }
    if SIGNS.labels(before)
        && (speaks || alone(after) || before.trim_end().ends_with([':', '<', '=', ';', '\'', '"']))
    {
        return Sureness::Marked;
    }
    if alone(before) {
        let goes_on = after.trim_start_matches(['>', '"', '\'', ')', ']']);
        if alone(after)
            || goes_on.starts_with([':', ';'])
            || goes_on.starts_with("...")
            || goes_on.trim_start().starts_with('(')
        {
            return Sureness::Marked;
        }
        return if speaks || after_failure {
            Sureness::NearFailure
        } else {
            Sureness::Begins
        };
    }
    if speaks || after_failure && alone(after) {
        Sureness::NearFailure
    } else {
        Sureness::Named
    }
}

fn may_be_recipient(
    line: &str,
    span: Span,
    found: &str,
    strangers: &HashSet<String>,
    mailed: &[String],
) -> bool {
    if is_one_of(found, mailed) {
        return true;
    }
    let lower = found.to_lowercase();
    if strangers.contains(&lower) || !address::domain(found).contains('.') {
        return false;
    }
    let before = words(&line[..span.start]);
    let names_other = [
        "message id",
        "id",
        "mailto",
        "from",
        "sender",
        "reply to",
        "contact",
        "questions to",
        "return path",
        "href",
        "in reply to",
        "references",
        "sent by",
        "ticket",
        "auf",
        "writes to",
        "subject",
    ]
    .iter()
    .any(|word| {
        before
            .strip_suffix(' ')
            .is_some_and(|before| before.ends_with(&format!(" {word}")))
    });
    let local = address::local(found);
    let is_office = [
        "postmaster",
        "mailer-daemon",
        "mailerdaemon",
        "abuse",
        "hostmaster",
        "mailmaster",
        "root",
        "majordomo",
        "helpdesk",
        "support",
        "noreply",
        "no-reply",
        "listserv",
    ]
    .contains(&local.as_str());
    let is_of_a_list = [
        "-request",
        "-owner",
        "-admin",
        "-ctl",
        "-help",
        "-subscribe",
        "-unsubscribe",
    ]
    .iter()
    .any(|end| local.ends_with(end));
    !names_other && !is_office && !is_of_a_list
}

fn is_one_of(address: &str, list: &[String]) -> bool {
    list.iter().any(|one| one.eq_ignore_ascii_case(address))
}
