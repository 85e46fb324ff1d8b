//! `tidings bounce classify`: what messages and replies mean.

use crate::context::Context;
use crate::output;
use anyhow::Context as _;
use clap::Args;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, stdin};
use tidings_feedback::message::{LOOKED_AT, Report, classify};
use tidings_feedback::reply;
use tidings_feedback::rules::Rules;
use tidings_feedback::status::Enhanced;
use tidings_feedback::verdict::Verdict;

/// The longest line of replies, in octets.
const LONGEST_LINE: usize = 1024 * 1024;

/// Say what messages or replies of servers mean, one JSON object each. Nothing is changed.
#[derive(Args, Debug)]
pub struct ClassifyArgs {
    /// Messages as files, or - for one on standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The files hold replies of mail servers: one a line, or JSON objects with `id` and `text`.
    #[arg(long)]
    replies: bool,
}

/// A report, with the file that it was read from.
#[derive(Serialize)]
pub(super) struct NamedReport<'a> {
    pub file: &'a str,
    #[serde(flatten)]
    pub report: Report,
}

/// A line of replies.
#[derive(Deserialize)]
struct Line {
    id: serde_json::Value,
    text: String,
}

/// A reply, with its number or id.
#[derive(Serialize)]
struct NamedReply<'a> {
    id: serde_json::Value,
    #[serde(flatten)]
    verdict: Verdict,
    status: Option<Enhanced>,
    code: Option<u16>,
    rule: &'a str,
}

/// Prints what the files say.
pub fn run(args: &ClassifyArgs, context: &Context) -> anyhow::Result<()> {
    let rules = context.config.feedback.rules()?;
    let read = if args.replies { read_replies } else { read_message };
    args.files.iter().try_for_each(|file| read(file, &rules))
}

fn open(file: &str) -> anyhow::Result<Box<dyn Read>> {
    if file == "-" {
        return Ok(Box::new(stdin()));
    }
    let opened = File::open(file).with_context(|| format!("cannot read {file}"))?;
    Ok(Box::new(opened))
}

/// A message's octets: of a long one only the beginning that is looked at.
pub(super) fn octets_of(file: &str) -> anyhow::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let mut message = open(file)?.take(LOOKED_AT as u64);
    message
        .read_to_end(&mut octets)
        .with_context(|| format!("cannot read {file}"))?;
    Ok(octets)
}

fn read_message(file: &str, rules: &Rules) -> anyhow::Result<()> {
    let octets = octets_of(file)?;
    output::json(&NamedReport {
        file,
        report: classify(rules, &octets),
    })
}

fn read_replies(file: &str, rules: &Rules) -> anyhow::Result<()> {
    let mut lines = BufReader::new(open(file)?);
    for number in 1.. {
        let mut octets = Vec::new();
        let mut line = lines.by_ref().take(LONGEST_LINE as u64 + 1);
        let length = line
            .read_until(b'\n', &mut octets)
            .with_context(|| format!("cannot read {file}"))?;
        if length == 0 {
            break;
        }
        anyhow::ensure!(
            length <= LONGEST_LINE,
            "{file}, line {number}: longer than 1 MiB, which no reply is"
        );
        let text = String::from_utf8_lossy(&octets);
        if text.trim().is_empty() {
            continue;
        }
        let line = if text.trim_start().starts_with('{') {
            serde_json::from_str(&text)
                .with_context(|| format!("{file}, line {number}: not a JSON object with id and text"))?
        } else {
            Line {
                id: number.into(),
                text: text.trim().to_owned(),
            }
        };
        let read = reply::read(rules, &line.text);
        output::json(&NamedReply {
            id: line.id,
            verdict: read.decision.verdict,
            status: read.status,
            code: read.code,
            rule: read.decision.rule,
        })?;
    }
    Ok(())
}
