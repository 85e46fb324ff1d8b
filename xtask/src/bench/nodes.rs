//! One, two and four senders on one PostgreSQL, each with as many sessions to a relay that takes its time.

use super::installation::{Installation, relay};
use super::meter::EndedAtDrop;
use super::sink::OurSink;
use super::{ROUNDS, median, psql, spread};
use crate::components::{self, Component};
use crate::postgres::Cluster;
use anyhow::{Context, bail};
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

const NODES: [usize; 3] = [1, 2, 4];
/// For each node, of what the relay allows all of them: enough for 600 messages a second, so that four nodes, PostgreSQL and the relay fit on two processors.
const SESSIONS: usize = 30;
const DELAY_MS: usize = 50;
/// Half a minute's worth.
const MESSAGES_PER_NODE: usize = 20_000;
const MOST: Duration = Duration::from_secs(300);

/// The rates in turns.
pub fn run(binary: &Path) -> anyhow::Result<String> {
    components::require(&[Component::Postgres])?;
    let cluster = Cluster::start_durable()?;
    let slow = OurSink::start(&[&DELAY_MS.to_string()])?;
    let mut all: [Vec<f64>; 3] = Default::default();
    for round in 1..=ROUNDS {
        for (nodes, rates) in NODES.into_iter().zip(&mut all) {
            let url = psql::database(&cluster, &format!("nodes_{nodes}_{round}"))?;
            // They divide the relay's connections evenly.
            let sections = relay(slow.address(), SESSIONS * nodes);
            let rate = rate_of(binary, &sections, &url, nodes)?;
            eprintln!("round {round}: {nodes} nodes: {rate:.0} messages/s");
            rates.push(rate);
        }
    }
    let one = median(all[0].iter().copied());
    let mut table = format!(
        "{MESSAGES_PER_NODE} messages of the campaign of `bench send` for each node, {SESSIONS} sessions for each to one \
         scripted relay, which waits {DELAY_MS} ms before each answer (once for a pipelined group). Each node is a `tidings \
         serve`; PostgreSQL has its default settings, on the same machine. From the first attempt to the last outcome, as \
         the ledger tells it.\n\n\
         | nodes | messages/s (median) | of each round | ratio |\n|---|---|---|---|\n"
    );
    for (nodes, rates) in NODES.into_iter().zip(&all) {
        let middle = median(rates.iter().copied());
        writeln!(
            table,
            "| {nodes} | {middle:.0} | {} | {:.2} |",
            spread(rates),
            middle / one
        )?;
    }
    Ok(table)
}

/// A campaign of a fresh database, sent by so many nodes.
fn rate_of(binary: &Path, sections: &str, url: &str, nodes: usize) -> anyhow::Result<f64> {
    let node = |n: usize| -> anyhow::Result<Installation> {
        let own = format!("{sections}[web]\nlisten = \"127.0.0.1:0\"\n\n[sender]\nnode = \"node{n}\"\n");
        Ok(Installation::new(binary, &own)?.with_database(url.to_owned()))
    };
    let installations = (1..=nodes).map(node).collect::<anyhow::Result<Vec<_>>>()?;
    let first = installations.first().context("one node at least")?;
    let id = first.campaign(MESSAGES_PER_NODE * nodes)?;
    let servers = installations.iter().map(Installation::serve);
    let servers: Vec<(EndedAtDrop, _)> = servers.collect::<anyhow::Result<_>>()?;
    first.run(&["campaign", "schedule", &id, "--now"])?;
    let begun = Instant::now();
    let finished = format!("SELECT COUNT(*) FROM campaigns WHERE id = {id} AND state = 'finished'");
    while psql::ask(url, &finished)? != [["1"]] {
        if begun.elapsed() > MOST {
            bail!("{nodes} nodes are not done after {} s", MOST.as_secs());
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    drop(servers);
    let span = format!(
        "SELECT COUNT(*), (MAX(settled_at) - MIN(first_attempt_at)) / 1e6 FROM deliveries \
         WHERE campaign_id = {id} AND state = 'accepted'"
    );
    let answer = psql::ask(url, &span)?;
    let [row] = &answer[..] else {
        bail!("not one row about what was accepted")
    };
    let [n, seconds] = &row[..] else {
        bail!("not two columns about what was accepted")
    };
    let (n, seconds): (usize, f64) = (n.parse()?, seconds.parse()?);
    if n != MESSAGES_PER_NODE * nodes {
        bail!("{n} were accepted of {}", MESSAGES_PER_NODE * nodes);
    }
    Ok(n as f64 / seconds)
}
