//! Every page of the dashboard on a large installation: how long the server takes, and what a browser loads first.

mod asking;
mod filling;

use super::installation::{Installation, relay};
use super::sink::{SESSIONS, Sink};
use crate::components::{self, Component};
use crate::postgres::Cluster;
use anyhow::{Context, bail, ensure};
use asking::Client;
use filling::{CAMPAIGNS, Database, Size};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often each page is asked for, after once to warm up.
const TIMES: usize = 40;
/// What a page may take.
const BOUND: Duration = Duration::from_millis(50);
/// Octets that a browser may load to show the first page, all in all.
const FIRST_PAGE: usize = 150_000;

/// What is measured.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    size: Size,
    is_postgres: bool,
}

impl Wanted {
    fn parse(words: &[&str]) -> anyhow::Result<Wanted> {
        let mut wanted = Wanted {
            size: Size {
                recipients: 1_000_000,
                deliveries: 10_000_000,
            },
            is_postgres: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut n = || -> anyhow::Result<u64> {
                let n = words.next().with_context(|| format!("{word} needs a number"))?;
                let n: u64 = n.parse().with_context(|| format!("{word} {n}"))?;
                ensure!(n >= 1000, "{word}: at least 1000");
                Ok(n)
            };
            match *word {
                "--recipients" => wanted.size.recipients = n()?,
                "--deliveries" => wanted.size.deliveries = n()?,
                "--postgres" => wanted.is_postgres = true,
                "--debug" => {}
                other => {
                    bail!(
                        "`bench pages` has --recipients N, --deliveries N, --postgres and --debug, not `{other}`"
                    )
                }
            }
        }
        Ok(wanted)
    }
}

/// A page and what it took, the fastest first.
struct Measured {
    path: String,
    took: Vec<Duration>,
    octets: usize,
}

impl Measured {
    /// The time that `share` of a hundred answers did not exceed.
    fn percentile(&self, share: usize) -> Duration {
        self.took[(self.took.len() * share / 100).min(self.took.len() - 1)]
    }
}

/// Fills a database, serves it, asks for each page, and makes the table.
pub fn run(binary: &Path, options: &[&str]) -> anyhow::Result<String> {
    let wanted = Wanted::parse(options)?;
    components::require(&[Component::SmtpSink, Component::Sqlite])?;
    let sink = Sink::start()?;
    let cluster = match wanted.is_postgres {
        true => {
            components::require(&[Component::Postgres])?;
            Some(Cluster::start()?)
        }
        false => None,
    };
    let sections = format!(
        "{}[web]\nlisten = \"127.0.0.1:0\"\n\n",
        relay(sink.address(), SESSIONS)
    );
    let mut installation = Installation::new(binary, &sections)?;
    if let Some(cluster) = &cluster {
        installation = installation.with_database(cluster.url());
    }
    // One campaign that was really sent: its content and its links are those of the others too.
    let campaign = installation.campaign(10)?;
    installation.run(&["campaign", "send", &campaign])?;
    let database = match &cluster {
        Some(cluster) => Database::Postgres(cluster.url()),
        None => Database::Sqlite(installation.folder().join("tidings.db")),
    };
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures the real time")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    filling::fill(&database, wanted.size, u64::try_from(now)?)?;
    filling::settle(&database)?;
    check(&database)?;
    let draft = installation.draft("list 1")?;
    let token = installation.run(&["token", "create", "bench", "--role", "administrator"])?;
    let token = token["token"]
        .as_str()
        .context("`token create` prints no token")?;
    let (_server, address) = installation.serve()?;
    days_are_summed(&database, now)?;
    let mut client = Client::connect(address, token)?;
    let mut measured = Vec::new();
    let relay = format!("sink{}", sink.address().port());
    for path in paths(wanted.size, &draft, &relay) {
        measured.push(measure(&mut client, path)?);
    }
    let first = first_page(&mut client)?;
    table(wanted, measured, first)
}

/// What the server does at its start is not measured.
fn days_are_summed(database: &Database, now: u128) -> anyhow::Result<()> {
    let over = i64::try_from((now - 3_600_000_000) / 86_400_000_000)?;
    for _ in 0..300 {
        let next = filling::number(database, "SELECT next FROM sequences WHERE name = 'sent_days'")?;
        if next >= over {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    bail!("the days are not summed within a minute")
}

/// The counters are what the rows say; else the pages' figures would be of another installation.
fn check(database: &Database) -> anyhow::Result<()> {
    for (left, right) in [
        (
            "SELECT SUM(planned) FROM campaigns",
            "SELECT SUM(n) FROM campaign_counters",
        ),
        (
            "SELECT SUM(n) FROM list_counters",
            "SELECT COUNT(*) FROM subscriptions WHERE state = 'confirmed'",
        ),
        (
            "SELECT COUNT(*) FROM deliveries",
            "SELECT SUM(planned) FROM campaigns",
        ),
    ] {
        let (counted, there) = (
            filling::number(database, left)?,
            filling::number(database, right)?,
        );
        ensure!(counted == there, "{left}: {counted}; {right}: {there}");
    }
    Ok(())
}

/// Every page, and what one can ask it for. A page that is not there is an error, so what is new is to be named here.
/// `draft`: a campaign that has not begun, to everybody. `relay`: the relay's name.
fn paths(size: Size, draft: &str, relay: &str) -> Vec<String> {
    let planned = size.of_campaign();
    let (paused, finished) = (CAMPAIGNS + 1, CAMPAIGNS / 2);
    let middle = size.recipients / 2;
    let someone = format!("reader{middle}@mail{}.example.org", middle % 50);
    let at = "%40";
    let someone_encoded = someone.replace('@', at);
    let mut paths: Vec<String> = [
        "/",
        "/campaigns",
        "/campaigns?q=day+1",
        "/campaigns?state=finished",
        "/campaigns?page=2",
        "/recipients",
        "/recipients?address=reader1",
        "/recipients?address=nobody",
        "/lists",
        "/suppressions",
        "/suppressions?q=reader9",
        "/suppressions?q=nobody",
        "/suppressions?reason=by_hand",
        "/suppressions?reason=complaint",
        "/suppressions?q=reader9&reason=by_hand",
        "/suppressions?q=asked&reason=hard_bounce",
        "/bounces",
        "/bounces?by=reason&days=365",
        "/bounces?by=provider&days=90",
        "/bounces?by=relay&days=7",
        "/bounces?by=campaign",
        "/bounces?reason=by_hand",
        "/bounces?reason=complaint",
        "/imports",
        "/imports/1",
        "/imports/new",
        "/lists/1",
        "/lists/2",
        "/campaigns/new",
        "/account",
        "/calendar",
        "/nodes",
        "/templates",
        "/templates/newsletter",
        "/templates/newsletter/versions/1",
        "/settings/relays",
        "/settings/relays/new",
        "/settings/limits",
        "/settings/domains",
        "/settings/tracking",
        "/settings/thresholds",
        "/settings/people",
        "/settings/tokens",
        "/settings/audit",
        "/settings/audit?before=50000",
        "/settings/audit?before=60",
    ]
    .map(str::to_owned)
    .to_vec();
    paths.push(format!("/recipients?address={someone_encoded}"));
    paths.push(format!("/suppressions?after=reader{middle}"));
    paths.push(format!("/bounces?campaign={finished}"));
    paths.push(format!("/settings/relays/edit?name={relay}"));
    for page in ["", "/edit", "/schedule", "/test", "/pre-flight"] {
        paths.push(format!("/campaigns/{draft}{page}"));
    }
    for id in [paused, finished] {
        paths.push(format!("/campaigns/{id}"));
        paths.push(format!("/campaigns/{id}/pre-flight"));
        paths.push(format!("/campaigns/{id}/click-map"));
        paths.push(format!("/campaigns/{id}/click-map/newsletter"));
        for query in [
            String::new(),
            format!("?after={}", planned / 2),
            format!("?after={}", planned - 10),
            "?state=unknown".to_owned(),
            "?state=deferred".to_owned(),
            format!("?state=planned&after={}", planned / 4),
            "?q=reader1".to_owned(),
            format!("?q={someone_encoded}"),
            "?q=nobody".to_owned(),
        ] {
            paths.push(format!("/campaigns/{id}/deliveries{query}"));
        }
    }
    paths
}

fn measure(client: &mut Client, path: String) -> anyhow::Result<Measured> {
    let mut took = Vec::with_capacity(TIMES);
    let mut octets = 0;
    for time in 0..=TIMES {
        let answer = client.get(&path)?;
        ensure!(answer.status == 200, "{path}: {}", answer.status);
        octets = answer.octets;
        // The first one compiles statements and fills caches.
        if time > 0 {
            took.push(answer.took);
        }
    }
    took.sort_unstable();
    Ok(Measured { path, took, octets })
}

/// Octets of the first page and of all files that it names.
fn first_page(client: &mut Client) -> anyhow::Result<usize> {
    let page = client.get("/")?;
    let html = String::from_utf8(page.body)?;
    let mut octets = page.octets;
    let mut named: Vec<&str> = html
        .split('"')
        .filter(|value| value.starts_with("/assets/"))
        .map(|value| value.split('#').next().unwrap_or(value))
        .collect();
    named.sort_unstable();
    named.dedup();
    ensure!(!named.is_empty(), "the first page names no files");
    for name in named {
        let file = client.get(name)?;
        ensure!(file.status == 200, "{name}: {}", file.status);
        octets += file.octets;
    }
    Ok(octets)
}

fn table(wanted: Wanted, mut measured: Vec<Measured>, first: usize) -> anyhow::Result<String> {
    measured.sort_by_key(|page| std::cmp::Reverse(page.percentile(50)));
    let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
    let mut text = format!(
        "{} recipients, {CAMPAIGNS} campaigns, {} deliveries; {}. Each page {TIMES} times over one connection on loopback, from the request's first octet to the answer's last.\n\n\
         | page | median ms | p99 ms | kB |\n|---|---|---|---|\n",
        wanted.size.recipients,
        wanted.size.of_campaign() * CAMPAIGNS,
        if wanted.is_postgres {
            "PostgreSQL"
        } else {
            "SQLite"
        },
    );
    for page in &measured {
        text.push_str(&format!(
            "| `{}` | {} | {} | {:.0} |\n",
            page.path,
            ms(page.percentile(50)),
            ms(page.percentile(99)),
            page.octets as f64 / 1000.0
        ));
    }
    let slow = measured.iter().filter(|page| page.percentile(50) > BOUND).count();
    text.push_str(&format!(
        "\n{slow} of {} pages take more than {} ms. The first page with all of its files: {:.1} kB of {} kB.\n",
        measured.len(),
        BOUND.as_millis(),
        first as f64 / 1000.0,
        FIRST_PAGE / 1000
    ));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_installation_can_be_asked_for() {
        let wanted = Wanted::parse(&["--recipients", "5000", "--deliveries", "20000", "--postgres"]).unwrap();
        assert_eq!((wanted.size.recipients, wanted.size.of_campaign()), (5000, 1000));
        assert!(wanted.is_postgres);
        for wrong in [&["--recipients"][..], &["--recipients", "3"], &["--mysql"]] {
            assert!(Wanted::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
