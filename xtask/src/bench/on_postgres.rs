//! The campaign of `bench send` with PostgreSQL beside SQLite, and what PostgreSQL's time goes to at a steady rate.

use super::campaign::{rate, send_from};
use super::installation::{Installation, relay};
use super::meter;
use super::sink::{SESSIONS, Sink};
use super::{ROUNDS, median, psql, spread};
use crate::components::{self, Component};
use crate::postgres::Cluster;
use anyhow::{Context, ensure};
use std::fmt::Write;
use std::path::Path;

const MESSAGES: usize = 100_000;
/// The rate at which PostgreSQL's time is looked at, a second.
const STEADY: usize = 5000;

/// Who spends PostgreSQL's time, by the beginning of the statement. What is not named here belongs to the last.
const KINDS: [(&str, &[&str]); 3] = [
    (
        "claims",
        &[
            "UPDATE campaigns SET next_seq",
            "INSERT INTO leases",
            "SELECT id, kind, first_seq",
            "SELECT seq FROM deliveries",
            "SELECT unknown_policy",
            "SELECT COUNT(*) FROM campaigns c",
            "UPDATE sequences",
            "UPDATE leases SET owner",
            "DELETE FROM leases",
        ],
    ),
    (
        "recorder",
        &[
            "WITH ledger_0",
            "UPDATE leases SET expires_at",
            "UPDATE deliveries",
            "INSERT INTO campaign_counters",
            "INSERT INTO send_counters",
            "INSERT INTO bounce_counters",
            "INSERT INTO limit_usage",
            "INSERT INTO attempts",
            "BEGIN",
            "COMMIT",
        ],
    ),
    ("everything else", &[""]),
];

/// Both tables.
pub fn run(binary: &Path) -> anyhow::Result<String> {
    components::require(&[Component::Postgres])?;
    let cluster = Cluster::start_durable()?;
    let sink = Sink::start()?;
    let mut table = beside_sqlite(binary, &cluster, &sink)?;
    table += &times(binary, &cluster, &sink)?;
    Ok(table)
}

/// As many sessions as `smtp-source` has, and as many as Postfix grants a client by default.
const OUR_SESSIONS: [usize; 2] = [SESSIONS, 50];

fn beside_sqlite(binary: &Path, cluster: &Cluster, sink: &Sink) -> anyhow::Result<String> {
    let mut table = format!(
        "{MESSAGES} messages of the campaign of `bench send` to smtp-sink, one process; PostgreSQL with its default settings \
         on the same machine.\n\n\
         | | messages/s (median) | of each round | ratio |\n|---|---|---|---|\n"
    );
    for sessions in OUR_SESSIONS {
        let sections = relay(sink.address(), sessions);
        let mut all: [Vec<f64>; 2] = Default::default();
        for round in 1..=ROUNDS {
            let url = psql::database(cluster, &format!("beside{sessions}_{round}"))?;
            let sides = [
                Installation::new(binary, &sections)?,
                Installation::new(binary, &sections)?.with_database(url),
            ];
            for (installation, rates) in sides.iter().zip(&mut all) {
                let rate = rate(MESSAGES, &send_from(installation, MESSAGES)?);
                eprintln!("round {round}: {sessions} sessions: {rate:.0} messages/s");
                rates.push(rate);
            }
        }
        let first = median(all[0].iter().copied());
        for (name, rates) in ["SQLite", "PostgreSQL"].into_iter().zip(&all) {
            let middle = median(rates.iter().copied());
            writeln!(
                table,
                "| {name}, {sessions} sessions | {middle:.0} | {} | {:.2} |",
                spread(rates),
                middle / first
            )?;
        }
    }
    Ok(table)
}

/// What the server's statements take while a campaign goes out at [`STEADY`].
fn times(binary: &Path, cluster: &Cluster, sink: &Sink) -> anyhow::Result<String> {
    let url = psql::database(cluster, "times")?;
    psql::run(&url, &["CREATE EXTENSION pg_stat_statements"])?;
    let relay = relay(sink.address(), SESSIONS);
    let sections = format!("{}\nrate = \"{STEADY}/s\"\n\n", relay.trim_end());
    let installation = Installation::new(binary, &sections)?.with_database(url.clone());
    let id = installation.campaign(MESSAGES)?;
    psql::ask(&url, "SELECT pg_stat_statements_reset()")?;
    const LOG: &str = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')";
    let log_before = number(&url, LOG)?;
    let costs = meter::measure(&mut installation.command(&["campaign", "send", &id]))?;
    let log = number(&url, LOG)? - log_before;
    let ledger = number(
        &url,
        "SELECT SUM(pg_total_relation_size(relid)) FROM pg_partition_tree('deliveries')",
    )?;
    let statements = "SELECT REPLACE(LEFT(query, 60), E'\\n', ' '), total_exec_time FROM pg_stat_statements s \
        JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = 'times' AND query NOT LIKE 'INSERT INTO deliveries%'";
    let mut sums = [0.0; KINDS.len()];
    for row in psql::ask(&url, statements)? {
        let [text, millis] = &row[..] else { continue };
        let millis: f64 = millis.parse().context("a time of pg_stat_statements")?;
        let is_of =
            |(_, beginnings): &(&str, &[&str])| beginnings.iter().any(|begin| text.starts_with(begin));
        let kind = KINDS.iter().position(is_of).unwrap_or(KINDS.len() - 1);
        sums[kind] += millis / 1000.0;
    }
    ensure!(
        sums[1] > 0.0,
        "PostgreSQL has no time of the recorder's statements"
    );
    let wall = costs.wall.as_secs_f64();
    let processors = std::thread::available_parallelism()?.get();
    let mut table = format!(
        "\nThe same with `rate = \"{STEADY}/s\"`: {:.0} messages/s over the whole process. The time of the server's \
         statements by `pg_stat_statements`, without the planning of the campaign.\n\n\
         | statements of | µs for a message | share of one processor's time | of all {processors} |\n|---|---|---|---|\n",
        rate(MESSAGES, &costs)
    );
    for ((name, _), seconds) in KINDS.iter().zip(sums) {
        writeln!(
            table,
            "| {name} | {:.1} | {:.1} % | {:.1} % |",
            seconds * 1e6 / MESSAGES as f64,
            seconds / wall * 100.0,
            seconds / wall * 100.0 / processors as f64
        )?;
    }
    writeln!(
        table,
        "\nFor a message, {:.0} octets of write-ahead log (planning included) and {:.0} of the ledger with its indexes.",
        log / MESSAGES as f64,
        ledger / MESSAGES as f64
    )?;
    Ok(table)
}

fn number(database: &str, question: &str) -> anyhow::Result<f64> {
    let answer = psql::ask(database, question)?;
    let one = answer.first().and_then(|row| row.first());
    one.context("no answer")?.parse().context("no number")
}
