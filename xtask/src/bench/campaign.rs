//! Sending, planning, and the memory of a send.

use super::installation::{Installation, relay};
use super::meter::{self, Costs};
use super::sink::{SESSIONS, Sink};
use super::{ROUNDS, median, spread};
use crate::workspace;
use anyhow::{Context, ensure};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const MESSAGES: usize = 100_000;
const MANY: usize = 1_000_000;

/// Our sessions: as many as `smtp-source` has, and as many as Postfix grants a client by default
/// (`smtpd_client_connection_count_limit`).
const OUR_SESSIONS: [usize; 2] = [SESSIONS, 50];

/// Octets of a message of `smtp-source`, as many as our HTML has.
const HTML_OCTETS: u64 = 10_240;

/// Our rate beside that of `smtp-source` to the same sink, in turns; and that of a program which writes as our sessions do
/// and does nothing else, which is the most that could be reached.
pub fn send(binary: &Path) -> anyhow::Result<String> {
    let sink = Sink::start()?;
    let writer = workspace::build_writer()?;
    let octets = message_octets(binary, &sink)?;
    let sizes = [HTML_OCTETS, octets];
    let mut ours: [Vec<Costs>; 2] = Default::default();
    let mut theirs: [Vec<Costs>; 2] = Default::default();
    let mut bare = Vec::new();
    for round in 1..=ROUNDS {
        for (sessions, all) in OUR_SESSIONS.into_iter().zip(&mut ours) {
            all.push(send_to(binary, &sink, MESSAGES, sessions)?);
            tell(round, &format!("tidings, {sessions} sessions"), all);
        }
        for (octets, all) in sizes.into_iter().zip(&mut theirs) {
            all.push(meter::measure(&mut sink.source(MESSAGES, octets)?)?);
            tell(round, &format!("smtp-source -l {octets}"), all);
        }
        bare.push(meter::measure(&mut write_only(&writer, &sink, octets))?);
        tell(round, "writing only", &bare);
    }
    let beside = theirs.each_ref().map(|all| median(rates(all)));
    let mut table = format!(
        "{MESSAGES} messages, SQLite with synchronous=FULL, to smtp-sink on loopback. Ours have 10 KB of HTML and the text \
         made from it, {octets} octets with headers. A rate is that of the whole process, from its start over planning to \
         its end.\n\n\
         | | messages/s (median) | of each round | ratio to {HTML_OCTETS} octets | to {octets} | CPU per message | peak memory |\n\
         |---|---|---|---|---|---|---|\n"
    );
    for (octets, all) in sizes.into_iter().zip(&theirs) {
        table += &row(&format!("smtp-source -d -s {SESSIONS} -l {octets}"), all, beside);
    }
    for (sessions, all) in OUR_SESSIONS.into_iter().zip(&ours) {
        table += &row(
            &format!("tidings campaign send, {sessions} sessions"),
            all,
            beside,
        );
    }
    table += &row(
        &format!("writing only, {octets} octets, {SESSIONS} sessions"),
        &bare,
        beside,
    );
    Ok(table)
}

/// The command that writes as many messages of so many octets, and does nothing else.
fn write_only(writer: &Path, sink: &Sink, octets: u64) -> Command {
    let mut command = Command::new(writer);
    command.arg(sink.address().to_string());
    command.args([MESSAGES as u64, octets, SESSIONS as u64].map(|n| n.to_string()));
    command
}

fn tell(round: usize, name: &str, all: &[Costs]) {
    let last = rates(all).pop().unwrap_or_default();
    eprintln!("round {round}: {name}: {last:.0} messages/s");
}

fn rates(all: &[Costs]) -> Vec<f64> {
    all.iter().map(|costs| rate(MESSAGES, costs)).collect()
}

/// The mean size of our messages.
fn message_octets(binary: &Path, sink: &Sink) -> anyhow::Result<u64> {
    let installation = Installation::new(binary, &relay(sink.address(), SESSIONS))?;
    let id = installation.campaign(100)?;
    installation.run(&["rehearse", &id])?["mean"]
        .as_u64()
        .context("`rehearse` prints no mean size")
}

fn row(name: &str, all: &[Costs], beside: [f64; 2]) -> String {
    let middle = median(rates(all));
    let [html, same] = beside.map(|beside| middle / beside);
    let cpu = median(all.iter().map(|c| c.cpu.as_secs_f64() * 1e6 / MESSAGES as f64));
    format!(
        "| {name} | {middle:.0} | {} | {html:.2} | {same:.2} | {cpu:.0} µs | {:.0} MB |\n",
        spread(&rates(all)),
        median(all.iter().map(megabytes)),
    )
}

/// Peak memory of a send, at two sizes.
pub fn memory(binary: &Path) -> anyhow::Result<String> {
    let sink = Sink::start()?;
    let small = send_to(binary, &sink, MESSAGES, SESSIONS)?;
    let large = send_to(binary, &sink, MANY, SESSIONS)?;
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
    let installation = Installation::new(binary, &relay(sink.address(), SESSIONS))?;
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
fn send_to(binary: &Path, sink: &Sink, recipients: usize, sessions: usize) -> anyhow::Result<Costs> {
    send_through(binary, &relay(sink.address(), sessions), recipients)
}

/// The same, through the relays of these sections.
pub fn send_through(binary: &Path, sections: &str, recipients: usize) -> anyhow::Result<Costs> {
    send_from(&Installation::new(binary, sections)?, recipients)
}

/// The same, of this fresh installation.
pub fn send_from(installation: &Installation, recipients: usize) -> anyhow::Result<Costs> {
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

/// Messages a second over the whole process.
pub fn rate(messages: usize, costs: &Costs) -> f64 {
    messages as f64 / costs.wall.as_secs_f64()
}

fn megabytes(costs: &Costs) -> f64 {
    costs.peak_memory as f64 / 1e6
}
