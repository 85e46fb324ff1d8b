//! Pixels, clicks and one-click unsubscribes, each durable before its answer, beside a handler that does nothing. What a crowd leaves to be
//! judged and counted is waited for, and told too.

pub mod postgres;

use super::installation::{Installation, relay};
use super::meter::EndedAtDrop;
use super::sink::{SESSIONS, Sink};
use super::{ROUNDS, median, psql, spread};
use crate::components::{self, Component, find};
use crate::workspace;
use anyhow::{Context, bail, ensure};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Recipients, each with a pixel and four tracked links.
const RECIPIENTS: usize = 100_000;
/// For the size of the database.
const MANY: i64 = 1_000_000;
/// Connections of wrk, and seconds of a round.
const CONNECTIONS: usize = 256;
const SECONDS: u64 = 10;

/// Asks for the lines of a file in turn, each thread from its own place on, and prints the figures. With a second argument, that
/// is posted.
const SCRIPT: &str = r#"
local threads = 0
function setup(thread)
  thread:set("first", threads)
  threads = threads + 1
end
function init(args)
  requests = {}
  local form = { ["Content-Type"] = "application/x-www-form-urlencoded" }
  for path in io.lines(args[1]) do
    if args[2] then
      requests[#requests + 1] = wrk.format("POST", path, form, args[2])
    else
      requests[#requests + 1] = wrk.format("GET", path)
    end
  end
  at = math.floor(first * #requests / 2)
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("FIGURES %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(99.0),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"#;

/// What wrk found out.
struct Asked {
    requests: i64,
    rate: f64,
    /// Milliseconds.
    p99: f64,
    /// How many hits waited to be judged and counted at the end, and in how many octets of the database.
    waited: Waited,
    /// Seconds until none did.
    folded: f64,
}

#[derive(Clone, Copy, Default)]
struct Waited {
    hits: i64,
    octets: i64,
}

impl Asked {
    /// Requests a second if all that waited is to be judged and counted in the same time.
    fn lasting(&self) -> f64 {
        self.requests as f64 / (self.requests as f64 / self.rate + self.folded)
    }
}

/// Requests a second, their p99, and what a million hits add to the database.
pub fn run(binary: &Path) -> anyhow::Result<String> {
    components::require(&[Component::Wrk, Component::Sqlite])?;
    let empty = workspace::build_example("tidings-web", "empty_server")?;
    let tokens = workspace::build_example("tidings-web", "hit_paths")?;
    let sink = Sink::start()?;
    let (installation, askings) = prepare(Installation::new(binary, &sections(&sink))?, &tokens)?;
    let [pixels, clicks, leaves] = &askings;
    let script = installation.folder().join("ask.lua");
    std::fs::write(&script, SCRIPT)?;
    let before = octets(&installation)?;

    let (server, ours) = installation.serve()?;
    let (_empty, theirs) = start_empty(&empty)?;
    let mut all: [Vec<Asked>; 4] = Default::default();
    for round in 1..=ROUNDS {
        // Everybody is back, so that leaving is work again.
        come_back(&installation)?;
        let turns = [(theirs, pixels), (ours, pixels), (ours, clicks), (ours, leaves)];
        for (place, (at, asking)) in turns.into_iter().enumerate() {
            all[place].push(ask_and_fold(&installation, (&script, at, asking), round)?);
        }
    }
    let mut sent: i64 = all[1..3].iter().flatten().map(|asked| asked.requests).sum();
    while sent < MANY {
        sent += ask(&script, ours, pixels)?.requests;
    }
    // Killed without a chance to write anything: what was answered must be there.
    sent += ask(&script, ours, pixels)?.requests;
    drop(server);
    let left_waiting = waited(&installation)?.hits;
    let (server, _) = installation.serve()?;
    wait_until_folded(&installation)?;
    drop(server);
    let kept = kept(&installation)?;
    ensure!(kept >= sent, "{sent} hits were answered, {kept} are kept");
    let left = left(&installation)?;
    let leaving = all[3].last().map_or(0, |asked| asked.requests);
    // Every eleventh was a repetition; the threads may have met at the end.
    let least = leaving.min(i64::try_from(RECIPIENTS)?) * 8 / 10;
    ensure!(
        left >= least,
        "{leaving} unsubscribes were answered, {left} are kept"
    );
    come_back(&installation)?;
    let added = octets(&installation)? - before;
    let free: i64 = sqlite(
        &installation,
        "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size",
    )?
    .trim()
    .parse()?;

    let empty_rate = median(all[0].iter().map(|asked| asked.rate));
    let lasting = |name: &str, asked: &[Asked]| {
        let rate = median(asked.iter().map(Asked::lasting));
        let waited = median(asked.iter().map(|asked| asked.waited.hits as f64));
        let folded = median(asked.iter().map(|asked| asked.folded));
        format!(
            "| {name} | {waited:.0} | {folded:.1} | {rate:.0} | {:.2} |\n",
            rate / empty_rate
        )
    };
    let most = all[1..3]
        .iter()
        .flatten()
        .map(|asked| asked.waited)
        .max_by_key(|waited| waited.hits);
    let most = most.unwrap_or_default();
    let row = |name: &str, asked: &[Asked]| {
        let rates: Vec<f64> = asked.iter().map(|asked| asked.rate).collect();
        let rate = median(rates.iter().copied());
        let p99 = median(asked.iter().map(|asked| asked.p99));
        format!(
            "| {name} | {rate:.0} | {} | {p99:.1} | {:.2} |\n",
            spread(&rates),
            rate / empty_rate
        )
    };
    let [empty, pixel, click, leave] = &all;
    Ok(format!(
        "Hits of a campaign to {RECIPIENTS} recipients with four tracked links, by `wrk` with {CONNECTIONS} connections for {SECONDS} s a round; \
         SQLite with synchronous=FULL. Each was committed before its answer. One-click posts are of recipients who \
         have not left, with every eleventh a repetition. The empty handler is actix-web's with as many workers.\n\n\
         | | requests/s (median) | of each round | p99 in ms | ratio |\n|---|---|---|---|---|\n{}{}{}{}\n\
         Hits of a crowd are judged and counted beside it and afterwards. What waited at the end of a round, how long that took, and the \
         rate if the round had lasted until nothing waited:\n\n\
         | | waited | seconds | requests/s | ratio |\n|---|---|---|---|---|\n{}{}\n\
         At most {} hits waited, in {:.0} MB of the database. The server was killed while {left_waiting} did; each was there and counted after \
         the next start.\n\n\
         {kept} hits added {:.0} MB to the SQLite file: {:.0} octets each, {:.0} MB a million; {:.0} MB of it are free for what comes next.\n",
        row("empty handler", empty),
        row("open pixel", pixel),
        row("click", click),
        row("one-click POST", leave),
        lasting("open pixel", pixel),
        lasting("click", click),
        most.hits,
        most.octets as f64 / 1e6,
        added as f64 / 1e6,
        added as f64 / kept as f64,
        added as f64 / kept as f64,
        free as f64 / 1e6,
    ))
}

/// What the installation is configured with besides.
fn sections(sink: &Sink) -> String {
    format!(
        "{}[web]\nlisten = \"127.0.0.1:0\"\n\n[tracking]\nmax_hits_per_minute = 0\n",
        relay(sink.address(), SESSIONS)
    )
}

/// An installation that has sent its campaign, with what is asked for: pixels, clicks, one-click posts. `tokens`: the example
/// `hit_paths`.
fn prepare(installation: Installation, tokens: &Path) -> anyhow::Result<(Installation, [Asking; 3])> {
    let campaign = installation.campaign(RECIPIENTS)?;
    installation.run(&["campaign", "send", &campaign])?;
    let files = ["pixels", "clicks", "leaves"].map(|name| installation.folder().join(name));
    paths(tokens, &installation, &campaign, &files)?;
    let [pixels, clicks, leaves] = files.map(Asking::getting);
    let leaves = leaves.posting("List-Unsubscribe=One-Click");
    Ok((installation, [pixels, clicks, leaves]))
}

/// Asks for the time of a round, and waits until everything is judged and counted.
fn ask_and_fold(
    installation: &Installation,
    (script, at, asking): (&Path, SocketAddr, &Asking),
    round: usize,
) -> anyhow::Result<Asked> {
    let mut asked = ask(script, at, asking)?;
    let began = Instant::now();
    asked.waited = waited(installation)?;
    wait_until_folded(installation)?;
    asked.folded = began.elapsed().as_secs_f64();
    eprintln!(
        "round {round}: {:.0} requests/s, p99 {:.1} ms; {} hits waited for {:.1} s",
        asked.rate, asked.p99, asked.waited.hits, asked.folded
    );
    Ok(asked)
}

/// What wrk asks for.
struct Asking {
    /// A file of paths.
    paths: PathBuf,
    /// What is posted; nothing: it is got.
    body: Option<&'static str>,
}

impl Asking {
    fn getting(paths: PathBuf) -> Asking {
        Asking { paths, body: None }
    }

    fn posting(self, body: &'static str) -> Asking {
        Asking {
            body: Some(body),
            ..self
        }
    }
}

/// Writes the paths of all pixels, of all links and of all unsubscribe links into a file each, shuffled.
fn paths(
    program: &Path,
    installation: &Installation,
    campaign: &str,
    files: &[PathBuf],
) -> anyhow::Result<()> {
    let status = Command::new(program)
        .arg(match installation.database() {
            Some(url) => url.to_owned(),
            None => format!("sqlite://{}", database(installation).display()),
        })
        .args([campaign, &RECIPIENTS.to_string()])
        .args(files)
        .status()
        .context("hit_paths")?;
    ensure!(status.success(), "the paths cannot be made");
    Ok(())
}

fn start_empty(program: &Path) -> anyhow::Result<(EndedAtDrop, SocketAddr)> {
    let mut server = Command::new(program)
        .stdout(Stdio::piped())
        .spawn()
        .context("the empty server")?;
    let stdout = server.stdout.take().context("the output of the empty server")?;
    let server = EndedAtDrop(server);
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    Ok((
        server,
        line.trim().parse().context("the address of the empty server")?,
    ))
}

fn ask(script: &Path, at: SocketAddr, asking: &Asking) -> anyhow::Result<Asked> {
    let output = Command::new(find("wrk").context("wrk")?)
        .args([
            "-t2",
            &format!("-c{CONNECTIONS}"),
            &format!("-d{SECONDS}s"),
            "--timeout",
            "10s",
        ])
        .args([
            "-H",
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "-s",
        ])
        .arg(script)
        .arg(format!("http://{at}/"))
        .arg("--")
        .arg(&asking.paths)
        .args(asking.body)
        .output()
        .context("wrk")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<i64> = said
        .lines()
        .find_map(|line| line.strip_prefix("FIGURES "))
        .map(|line| line.split(' ').filter_map(|figure| figure.parse().ok()).collect())
        .unwrap_or_default();
    let [requests, micros, p99, errors] = figures[..] else {
        bail!("wrk: {said}{}", String::from_utf8_lossy(&output.stderr));
    };
    ensure!(errors == 0, "{errors} of {requests} requests failed");
    Ok(Asked {
        requests,
        rate: requests as f64 * 1e6 / micros as f64,
        p99: p99 as f64 / 1e3,
        waited: Waited::default(),
        folded: 0.0,
    })
}

/// What waits to be judged and counted.
fn waited(installation: &Installation) -> anyhow::Result<Waited> {
    let said = query(
        installation,
        "SELECT COALESCE(SUM(n), 0), COALESCE(SUM(LENGTH(packed)), 0) FROM waiting_hits",
    )?;
    let numbers: Vec<i64> = said
        .trim()
        .split('|')
        .filter_map(|number| number.parse().ok())
        .collect();
    let [hits, octets] = numbers[..] else {
        bail!("what waits: {said}");
    };
    Ok(Waited { hits, octets })
}

fn wait_until_folded(installation: &Installation) -> anyhow::Result<()> {
    let began = Instant::now();
    while waited(installation)?.hits > 0 {
        ensure!(
            began.elapsed() < Duration::from_secs(300),
            "hits still wait after five minutes"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// How many hits are counted, and as many rows there must be.
fn kept(installation: &Installation) -> anyhow::Result<i64> {
    let stats = installation.run(&["stats", "hits"])?;
    let counted: i64 = ["opens", "clicks"]
        .iter()
        .filter_map(|kind| stats[kind]["hits"].as_object())
        .flat_map(|numbers| numbers.values().filter_map(serde_json::Value::as_i64))
        .sum();
    let rows: i64 = query(installation, "SELECT COUNT(*) FROM hits")?.trim().parse()?;
    ensure!(rows == counted, "{counted} hits are counted, and {rows} are kept");
    Ok(rows)
}

/// How many have left.
fn left(installation: &Installation) -> anyhow::Result<i64> {
    let n = query(
        installation,
        "SELECT COUNT(*) FROM subscriptions WHERE state = 'unsubscribed'",
    )?;
    Ok(n.trim().parse()?)
}

/// Nobody has left.
fn come_back(installation: &Installation) -> anyhow::Result<()> {
    const STATEMENTS: &str = "DELETE FROM unsubscribes; DELETE FROM left_lists; \
        UPDATE subscriptions SET state = 'confirmed' WHERE state <> 'confirmed'; COMMIT";
    let begin = match installation.database() {
        Some(_) => "BEGIN",
        None => "PRAGMA busy_timeout = 20000; BEGIN IMMEDIATE",
    };
    query(installation, &format!("{begin}; {STATEMENTS}")).map(drop)
}

/// The size of the database, with everything in its file.
fn octets(installation: &Installation) -> anyhow::Result<i64> {
    sqlite(installation, "PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(i64::try_from(std::fs::metadata(database(installation))?.len())?)
}

/// What the database says, with `|` between columns.
fn query(installation: &Installation, statement: &str) -> anyhow::Result<String> {
    match installation.database() {
        Some(url) => {
            let rows = psql::ask(url, statement)?.into_iter();
            Ok(rows
                .map(|columns| columns.join("|"))
                .collect::<Vec<_>>()
                .join("\n"))
        }
        None => sqlite(installation, statement),
    }
}

fn sqlite(installation: &Installation, statement: &str) -> anyhow::Result<String> {
    let output = Command::new(find("sqlite3").context("sqlite3")?)
        .arg(database(installation))
        .arg(statement)
        .output()
        .context("sqlite3")?;
    ensure!(
        output.status.success(),
        "sqlite3: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn database(installation: &Installation) -> PathBuf {
    installation.folder().join("tidings.db")
}
