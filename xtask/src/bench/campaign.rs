//! Sending, planning, and the memory of a send.

use super::installation::Installation;
use super::meter::{self, Costs};
use super::sink::{SESSIONS, Sink};
use super::{ROUNDS, median, spread};
use anyhow::{Context, ensure};
use std::path::Path;
use std::time::{Duration, Instant};

const MESSAGES: usize = 100_000;
const MANY: usize = 1_000_000;

/// Our rate beside that of `smtp-source` to the same sink, in turns.
pub fn send(binary: &Path) -> anyhow::Result<String> {
    let sink = Sink::start()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let costs = send_to(binary, &sink, MESSAGES)?;
        eprintln!("round {round}: tidings {:.0} messages/s", rate(MESSAGES, &costs));
        ours.push(costs);
        let costs = meter::measure(&mut sink.source(MESSAGES)?)?;
        eprintln!(
            "round {round}: smtp-source {:.0} messages/s",
            rate(MESSAGES, &costs)
        );
        theirs.push(costs);
    }
    let rates = |all: &[Costs]| all.iter().map(|costs| rate(MESSAGES, costs)).collect::<Vec<_>>();
    let (our_rates, their_rates) = (rates(&ours), rates(&theirs));
    let (our_rate, their_rate) = (median(our_rates.clone()), median(their_rates.clone()));
    let cpu = median(ours.iter().map(|c| c.cpu.as_secs_f64() * 1e6 / MESSAGES as f64));
    let their_cpu = median(theirs.iter().map(|c| c.cpu.as_secs_f64() * 1e6 / MESSAGES as f64));
    let memory = median(ours.iter().map(megabytes));
    Ok(format!(
        "{MESSAGES} messages of 10 KB, {SESSIONS} sessions, SQLite with synchronous=FULL, to smtp-sink on loopback; whole \
         process, planning included\n\n\
         | | messages/s (median) | of each round | CPU per message | peak memory |\n|---|---|---|---|---|\n\
         | tidings campaign send | {our_rate:.0} | {} | {cpu:.0} µs | {memory:.0} MB |\n\
         | smtp-source -d -s {SESSIONS} -l 10240 | {their_rate:.0} | {} | {their_cpu:.0} µs | |\n\
         | **ratio** | **{:.2}** | | | |\n",
        spread(&our_rates),
        spread(&their_rates),
        our_rate / their_rate,
    ))
}

/// Peak memory of a send, at two sizes.
pub fn memory(binary: &Path) -> anyhow::Result<String> {
    let sink = Sink::start()?;
    let small = send_to(binary, &sink, MESSAGES)?;
    let large = send_to(binary, &sink, MANY)?;
    Ok(format!(
        "| recipients | peak memory of `campaign send` | messages/s |\n|---|---|---|\n\
         | {MESSAGES} | {:.1} MB | {:.0} |\n| {MANY} | {:.1} MB | {:.0} |\n| **ratio** | **{:.2}** | |\n",
        megabytes(&small),
        rate(MESSAGES, &small),
        megabytes(&large),
        rate(MANY, &large),
        megabytes(&large) / megabytes(&small),
    ))
}

/// How fast a campaign's rows are written when it starts.
pub fn plan(binary: &Path) -> anyhow::Result<String> {
    let sink = Sink::start()?;
    let mut rates = Vec::new();
    for round in 1..=ROUNDS {
        let seconds = plan_seconds(binary, &sink)?;
        rates.push(MANY as f64 / seconds);
        eprintln!("round {round}: planned in {seconds:.2} s");
    }
    Ok(format!(
        "| recipients | planned per second (median) | of each round |\n|---|---|---|\n| {MANY} | {:.0} | {} |\n",
        median(rates.clone()),
        spread(&rates)
    ))
}

/// Starts a campaign and pauses it as soon as it is planned: only the planning counts.
fn plan_seconds(binary: &Path, sink: &Sink) -> anyhow::Result<f64> {
    let installation = Installation::new(binary, Some(sink.address()))?;
    let id = installation.campaign(MANY)?;
    let (mut paused, mut looked) = (false, Instant::now());
    let costs = meter::measure_while(&mut installation.command(&["campaign", "send", &id]), |_| {
        if !paused && looked.elapsed() > Duration::from_millis(200) {
            looked = Instant::now();
            if installation.run(&["campaign", "show", &id])?["planned"].as_u64() > Some(0) {
                installation.run(&["campaign", "pause", &id])?;
                paused = true;
            }
        }
        Ok(())
    })?;
    let sent: serde_json::Value =
        serde_json::from_slice(&costs.stdout).context("the output of `campaign send`")?;
    sent["plan_seconds"]
        .as_f64()
        .with_context(|| format!("no `plan_seconds` in {sent}"))
}

/// Sends a campaign of a fresh installation and checks that the relay took every message.
fn send_to(binary: &Path, sink: &Sink, recipients: usize) -> anyhow::Result<Costs> {
    let installation = Installation::new(binary, Some(sink.address()))?;
    let id = installation.campaign(recipients)?;
    let costs = meter::measure(&mut installation.command(&["campaign", "send", &id]))?;
    let sent: serde_json::Value =
        serde_json::from_slice(&costs.stdout).context("the output of `campaign send`")?;
    ensure!(
        sent["accepted"].as_u64() == Some(recipients as u64),
        "not everything was accepted: {sent}"
    );
    Ok(costs)
}

fn rate(messages: usize, costs: &Costs) -> f64 {
    messages as f64 / costs.wall.as_secs_f64()
}

fn megabytes(costs: &Costs) -> f64 {
    costs.peak_memory as f64 / 1e6
}
