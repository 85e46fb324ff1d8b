//! What a provider that takes one message a second costs the others of the same campaign.

use super::installation::{Installation, relay, write_recipients};
use super::meter::EndedAtDrop;
use super::sink::{SESSIONS, Sink};
use super::{ROUNDS, median, spread};
use anyhow::{Context, bail};
use std::fmt::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const OTHERS: usize = 100_000;
const THROTTLED: usize = 2_000;
const LIMIT: &str = "[limits.provider.gmail]\nrate = \"1/s\"\n";
const MOST: Duration = Duration::from_secs(300);

/// The rate of the others without the limit and with it, in turns.
pub fn run(binary: &Path) -> anyhow::Result<String> {
    let sink = Sink::start()?;
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
        "A campaign to {OTHERS} recipients of many domains and {THROTTLED} at gmail.com, {SESSIONS} sessions. The rate of the \
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
    loop {
        // Seldom: looking costs something.
        std::thread::sleep(Duration::from_secs(2));
        let accepted = installation.run(&["campaign", "show", &id])?["accepted"].as_u64();
        if accepted.is_some_and(|accepted| accepted >= OTHERS as u64) && others_are_done(&installation, &id)?
        {
            break;
        }
        if begun.elapsed() > MOST {
            bail!("the others are not done after {} s", MOST.as_secs());
        }
    }
    drop(sending);
    let settled = settled_at(&installation, &id)?;
    let (first, last) = (settled.iter().min(), settled.iter().max());
    let span = last.context("nothing was accepted")? - first.context("nothing was accepted")?;
    Ok(OTHERS as f64 / (span as f64 / 1e6))
}

fn others_are_done(installation: &Installation, id: &str) -> anyhow::Result<bool> {
    Ok(settled_at(installation, id)?.len() == OTHERS)
}

/// When each of the others was accepted, in microseconds since midnight UTC.
fn settled_at(installation: &Installation, id: &str) -> anyhow::Result<Vec<i64>> {
    let mut command = installation.command(&["campaign", "deliveries", id, "--state", "accepted"]);
    let output = command.output()?;
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout)?;
    let others = rows.iter().filter(|row| {
        let address = row["address"].as_str().unwrap_or_default();
        !address.ends_with("@gmail.com")
    });
    others
        .map(|row| microseconds_of_the_day(row["settled_at"].as_str().unwrap_or_default()))
        .collect()
}

/// Of a time as the program prints it: `2026-12-01T09:00:00.123456Z`.
fn microseconds_of_the_day(time: &str) -> anyhow::Result<i64> {
    let of_the_day = time.split_once('T').and_then(|(_, rest)| {
        let mut parts = rest.trim_end_matches('Z').split(':');
        let (hours, minutes) = (
            parts.next()?.parse::<i64>().ok()?,
            parts.next()?.parse::<i64>().ok()?,
        );
        let seconds = parts.next()?.parse::<f64>().ok()?;
        Some((hours * 60 + minutes) * 60_000_000 + (seconds * 1e6) as i64)
    });
    of_the_day.with_context(|| format!("an accepted delivery with the time `{time}`"))
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
