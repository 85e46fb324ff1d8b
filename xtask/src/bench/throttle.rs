//! What a provider that takes one message a second costs the others of the same campaign.

use super::installation::{Installation, relay, write_recipients};
use super::meter::EndedAtDrop;
use super::sink::OurSink;
use super::{ROUNDS, median, spread};
use crate::components::{self, Component, find};
use anyhow::{Context, bail};
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const OTHERS: usize = 50_000;
const THROTTLED: usize = 2_000;
const SESSIONS: usize = 50;
/// What the relay waits before each answer. The sessions are the bound then, and not the processor, whose noise is larger
/// than what is to be seen.
const DELAY_MS: usize = 20;
const LIMIT: &str = "[limits.provider.gmail]\nrate = \"1/s\"\n";
const MOST: Duration = Duration::from_secs(300);

/// The rate of the others without the limit and with it, in turns.
pub fn run(binary: &Path) -> anyhow::Result<String> {
    components::require(&[Component::Sqlite])?;
    let sink = OurSink::start(&[&DELAY_MS.to_string()])?;
    let mut all: [Vec<f64>; 2] = Default::default();
    for round in 1..=ROUNDS {
        for (limit, rates) in ["", LIMIT].into_iter().zip(&mut all) {
            let sections = relay(sink.address(), SESSIONS) + limit;
            let rate = rate_of_the_others(binary, &sections)?;
            let words = if limit.is_empty() {
                "no limit"
            } else {
                "1/s for gmail"
            };
            eprintln!("round {round}: {words}: {rate:.0} messages/s for the others");
            rates.push(rate);
        }
    }
    let [free, limited] = all.each_ref().map(|rates| median(rates.iter().copied()));
    Ok(format!(
        "A campaign to {OTHERS} recipients of many domains and {THROTTLED} at gmail.com, {SESSIONS} sessions to \
         the scripted relay, which waits {DELAY_MS} ms before each answer. The rate of the \
         others alone, from the first of them to the last, as the ledger tells it.\n\n\
         | | messages/s of the others (median) | of each round | ratio |\n|---|---|---|---|\n\
         | no limit | {free:.0} | {} | 1.00 |\n\
         | `[limits.provider.gmail]` at 1/s | {limited:.0} | {} | {:.2} |\n",
        spread(&all[0]),
        spread(&all[1]),
        limited / free,
    ))
}

fn rate_of_the_others(binary: &Path, sections: &str) -> anyhow::Result<f64> {
    let installation = Installation::new(binary, sections)?;
    let file = installation.folder().join("recipients.csv");
    write_recipients(&file, OTHERS)?;
    mix(&file)?;
    let id = installation.campaign_to(&file)?;
    let mut command = installation.command(&["campaign", "send", &id]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let sending = EndedAtDrop(child);
    let begun = Instant::now();
    let span = loop {
        // Seldom: looking costs something.
        std::thread::sleep(Duration::from_secs(2));
        if let (OTHERS, span) = accepted_of_the_others(&installation)? {
            break span;
        }
        if begun.elapsed() > MOST {
            bail!("the others are not done after {} s", MOST.as_secs());
        }
    };
    drop(sending);
    Ok(OTHERS as f64 / span.as_secs_f64())
}

/// How many of the others have their mail, and how long that took from the first to the last.
fn accepted_of_the_others(installation: &Installation) -> anyhow::Result<(usize, Duration)> {
    const COUNT: &str = "SELECT COUNT(*), MAX(d.settled_at) - MIN(d.settled_at) FROM deliveries d \
        JOIN recipients r ON r.id = d.recipient_id WHERE d.state = 'accepted' AND r.address NOT LIKE '%@gmail.com'";
    let shell = find("sqlite3").context("sqlite3")?;
    let database = installation.folder().join("tidings.db");
    let output = Command::new(shell).arg(database).arg(COUNT).output()?;
    let text = String::from_utf8(output.stdout)?;
    let (n, micros) = text
        .trim()
        .split_once('|')
        .with_context(|| format!("not a count: `{text}`"))?;
    // Before the first of them there is no span.
    let micros = micros.parse().unwrap_or_default();
    Ok((n.parse()?, Duration::from_micros(micros)))
}

/// Adds the recipients at the throttled provider, evenly among the others, as lists are.
fn mix(file: &Path) -> anyhow::Result<()> {
    let mut text = String::new();
    for (at, line) in std::fs::read_to_string(file)?.lines().enumerate() {
        writeln!(text, "{line}")?;
        if at % (OTHERS / THROTTLED) == 1 {
            writeln!(text, "reader{at}@gmail.com,Reader Number {at},Springfield,basic")?;
        }
    }
    Ok(std::fs::write(file, text)?)
}
