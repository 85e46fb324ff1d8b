//! Three senders on one PostgreSQL, and everything at once: processes killed and stopped, the database's connections cut, a relay that
//! breaks off, a campaign that is paused, people who leave. It is counted at the receiver, which is not ours.
//!
//! `TIDINGS_CHAOS_SECONDS` makes it last longer than its half minute.

use crate::crash::assert_ledger_agrees;
use crate::hits::keys;
use crate::unsubscribe::one_click;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};
use tidings_campaign::ids::{CampaignId, RecipientId};
use tidings_campaign::time::{Clock, Timestamp};
use tidings_campaign::token::UnsubscribeToken;
use tidings_tests::{App, Engine, Faultsink, Random, Running, Server, assert_ledger_adds_up, wait_until};

/// Messages a second, so that the campaign lasts as long as the faults.
const RATE: u64 = 60;
const LEASE: Duration = Duration::from_secs(2);
/// Longer than a lease.
const STOPPED: Duration = Duration::from_secs(4);
/// Of all senders together; one has all of them while the others are gone.
const SESSIONS: usize = 12;
/// Who left so long ago must not be mailed any more.
const REACHED: Duration = Duration::from_secs(2);
/// The receiver writes the time after it has read the dot, and a machine that runs three senders and other tests is slow.
const SLACK: Duration = Duration::from_millis(1_000);

/// A sender, and when it goes on if it is stopped.
struct Node {
    name: &'static str,
    process: Option<Running>,
    goes_on: Option<Instant>,
}

impl Node {
    fn start(app: &App, name: &'static str) -> Running {
        app.spawn_node(name, "send,schedule")
    }

    fn process(&self) -> &Running {
        self.process.as_ref().expect("a node is started again at once")
    }
}

struct Chaos<'a> {
    app: &'a App,
    campaign: i64,
    recipients: i64,
    domain: &'a str,
    web: Server,
    nodes: Vec<Node>,
    random: Random,
    links: HashMap<String, String>,
    /// Who left, and when that was answered.
    gone: HashMap<String, Timestamp>,
    /// Sessions that may have been cut off after the dot.
    open_sessions: usize,
    happened: Vec<String>,
}

impl Chaos<'_> {
    fn happen(&mut self) {
        let which = self.random.number(3) as usize;
        let stopped = self.nodes[which].goes_on.is_some();
        let what = match self.random.number(6) {
            0 if !stopped => self.kill(which),
            1 if !stopped => self.stop(which),
            2 => self.cut(),
            3 => self.pause(),
            4 => self.suppress(),
            _ => self.unsubscribe(),
        };
        self.happened.push(what);
    }

    fn kill(&mut self, which: usize) -> String {
        let app = self.app;
        let node = &mut self.nodes[which];
        if let Some(process) = node.process.take() {
            process.kill_9();
        }
        node.process = Some(Node::start(app, node.name));
        self.open_sessions += SESSIONS;
        format!("{} killed", node.name)
    }

    fn stop(&mut self, which: usize) -> String {
        let node = &mut self.nodes[which];
        node.process().stop();
        node.goes_on = Some(Instant::now() + STOPPED);
        self.open_sessions += SESSIONS;
        format!("{} stopped", node.name)
    }

    fn let_go_on(&mut self) {
        for node in &mut self.nodes {
            if node.goes_on.is_some_and(|at| at <= Instant::now()) {
                node.process().go_on();
                node.goes_on = None;
            }
        }
    }

    fn cut(&mut self) -> String {
        self.app.database.cut_connections();
        "connections to the database cut".to_owned()
    }

    fn pause(&mut self) -> String {
        let id = self.campaign.to_string();
        // It may be finished already, or the database away.
        let paused = self.app.run(["campaign", "pause", &id]);
        std::thread::sleep(Duration::from_millis(500));
        let resumed = self.app.run(["campaign", "resume", &id]);
        format!("paused ({}), resumed ({})", paused.status, resumed.status)
    }

    fn somebody(&mut self) -> String {
        let recipients = u64::try_from(self.recipients).expect("a number of people");
        format!("reader{}@{}", 1 + self.random.number(recipients), self.domain)
    }

    fn suppress(&mut self) -> String {
        let who = self.somebody();
        let asked = ["--reason", "asked", "--evidence", "by telephone"];
        let added = self
            .app
            .run(["suppression", "add", &who].into_iter().chain(asked));
        assert_ne!(added.status.code(), Some(2), "{}", added.stderr);
        if added.status.success() {
            self.gone
                .entry(who.clone())
                .or_insert_with(|| Clock::System.now());
        }
        format!("{who} suppressed ({})", added.status)
    }

    fn unsubscribe(&mut self) -> String {
        let who = self.somebody();
        let url = format!("{}/u/{}", self.web.url, self.links[&who]);
        // The page's process may have lost its connections to the database a moment ago.
        let left = one_click(&url) == 200;
        if left {
            self.gone
                .entry(who.clone())
                .or_insert_with(|| Clock::System.now());
        }
        format!("{who} unsubscribed ({left})")
    }
}

fn links(app: &App, campaign: i64) -> HashMap<String, String> {
    let keys = keys(app);
    let recipients = app.database.texts("SELECT id || ' ' || address FROM recipients");
    let link = |row: &String| {
        let (id, address) = row.split_once(' ')?;
        let token = UnsubscribeToken {
            campaign: CampaignId(campaign),
            recipient: RecipientId(id.parse().ok()?),
        };
        Some((address.to_owned(), token.sign(&keys)))
    };
    recipients.iter().filter_map(link).collect()
}

#[test]
fn whatever_happens_to_three_senders_nobody_is_mailed_twice_and_nobody_is_forgotten() {
    let seconds = std::env::var("TIDINGS_CHAOS_SECONDS").map_or(30, |text| text.parse().unwrap());
    let recipients = RATE * seconds;
    let app = App::start(Engine::Postgres);
    app.configure(|settings| {
        settings.max_sessions = SESSIONS;
        settings.lease = format!("{}s", LEASE.as_secs());
    });
    let receiver = Faultsink::start(&[
        "--latency",
        "15",
        "--drop-after-dot",
        "0.004",
        "--defer",
        "reader.*7:1",
    ]);
    app.send_to(receiver.address());
    app.import_of(
        "readers",
        &[receiver.domain()],
        usize::try_from(recipients).unwrap(),
    );
    let campaign = app.campaign_with("readers", &["--rate", &format!("{RATE}/s")]);
    let names = ["a", "b", "c"].into_iter();
    let mut chaos = Chaos {
        app: &app,
        campaign,
        recipients: i64::try_from(recipients).unwrap(),
        domain: receiver.domain(),
        web: app.serve_with(&["--roles", "web"]),
        nodes: names
            .map(|name| Node {
                name,
                process: Some(Node::start(&app, name)),
                goes_on: None,
            })
            .collect(),
        random: Random::new(),
        links: links(&app, campaign),
        gone: HashMap::new(),
        open_sessions: 0,
        happened: Vec::new(),
    };
    app.run(["campaign", "schedule", &campaign.to_string(), "--now"])
        .succeeded();
    wait_until("mail flows", 60, || receiver.accepted_count() > 0);

    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        chaos.happen();
        chaos.let_go_on();
        std::thread::sleep(Duration::from_millis(600));
    }
    wait_until("everybody goes on", 10, || {
        chaos.let_go_on();
        chaos.nodes.iter().all(|node| node.goes_on.is_none())
    });
    // The last pause may have met a database that was away.
    app.run(["campaign", "resume", &campaign.to_string()]);
    // While senders are stopped or away less goes out.
    wait_until(
        &format!("it is finished after {:#?}", chaos.happened),
        120 + seconds,
        || app.show(campaign).state() == "finished",
    );

    judge(&chaos, &receiver);
}

fn judge(chaos: &Chaos<'_>, receiver: &Faultsink) {
    let (app, happened) = (chaos.app, &chaos.happened);
    let show = app.show(chaos.campaign);
    assert_ledger_adds_up(&show);
    assert_eq!(show.planned(), u64::try_from(chaos.recipients).unwrap(), "{show}");
    let reached = receiver.reached_once();
    assert_ledger_agrees(app, chaos.campaign, &reached);
    let in_state = |state: &str| app.addresses(chaos.campaign, state);
    let (unknown, withheld) = (in_state("unknown"), in_state("withheld"));
    let everybody: HashSet<String> = (1..=chaos.recipients)
        .map(|n| format!("reader{n}@{}", chaos.domain))
        .collect();
    let without: Vec<_> = everybody
        .iter()
        .filter(|who| !reached.contains(*who) && !unknown.contains(*who) && !withheld.contains(*who))
        .collect();
    assert!(
        without.is_empty(),
        "without their mail: {without:?}\n{happened:#?}"
    );
    let bound = chaos.open_sessions + receiver.lost();
    assert!(
        unknown.len() <= bound,
        "{} are unknown, {bound} can be: {show}\n{happened:#?}",
        unknown.len()
    );
    let not_gone: Vec<_> = withheld
        .iter()
        .filter(|who| !chaos.gone.contains_key(*who))
        .collect();
    assert!(not_gone.is_empty(), "withheld from who never left: {not_gone:?}");
    for (who, at) in receiver.accepted_at() {
        if let Some(left) = chaos.gone.get(&who) {
            let late = at.since(*left);
            assert!(
                late <= REACHED + SLACK,
                "{who} was mailed {late:?} after leaving\n{happened:#?}"
            );
        }
    }
}
