//! A large installation's database, by a few statements for each table: a server that had sent for a month would take a day to
//! make. Everything follows from the numbers of rows, so it is the same each time; the counters are summed from what was made.

use crate::components::find;
use anyhow::{Context, ensure};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Campaigns, besides the one that was really sent. The last one is paused in its midst, the others are done.
pub const CAMPAIGNS: u64 = 20;
/// Lists: the first has everybody, each other one an eighth.
pub const LISTS: u64 = 9;
/// A campaign was sent within so many minutes.
const MINUTES: u64 = 120;
const IMPORTS: u64 = 400;
const AUDIT_ENTRIES: u64 = 100_000;

/// How much there is to be.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// At least one for each list.
    pub recipients: u64,
    /// Over all campaigns.
    pub deliveries: u64,
}

impl Size {
    /// Deliveries of one campaign.
    pub fn of_campaign(self) -> u64 {
        (self.deliveries / CAMPAIGNS).clamp(1, self.recipients)
    }
}

/// Where it goes, by the engine's own shell.
pub enum Database {
    Sqlite(PathBuf),
    /// Its URL.
    Postgres(String),
}

/// What differs between the engines: a column `value` from one number to the other.
fn series(database: &Database, first: u64, last: u64) -> String {
    match database {
        Database::Sqlite(_) => format!("generate_series({first}, {last})"),
        Database::Postgres(_) => {
            format!("generate_series(CAST({first} AS BIGINT), CAST({last} AS BIGINT)) AS series(value)")
        }
    }
}

/// Fills the database of an installation in which one campaign, the first, was sent. `now`: microseconds since 1970.
pub fn fill(database: &Database, size: Size, now: u64) -> anyhow::Result<()> {
    let mut steps = vec![people(database, size, now)];
    for n in 1..=CAMPAIGNS {
        steps.push(campaign(database, size, n, now));
    }
    steps.push(counters());
    steps.push(beside(database, now));
    for (at, step) in steps.iter().enumerate() {
        eprintln!("filling: step {} of {}", at + 1, steps.len());
        run(database, step)?;
    }
    Ok(())
}

/// Runs statements in one transaction, without waiting for the disk; they must print nothing.
fn run(database: &Database, statements: &str) -> anyhow::Result<()> {
    let mut command = match database {
        Database::Sqlite(file) => {
            let mut command = Command::new(find("sqlite3").context("sqlite3")?);
            command.arg("-bail").arg(file);
            command
        }
        Database::Postgres(url) => {
            let mut command = Command::new(find("psql").context("psql")?);
            command.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", url]);
            command
        }
    };
    let tuning = match database {
        Database::Sqlite(_) => "PRAGMA synchronous = OFF; PRAGMA cache_size = -500000;",
        Database::Postgres(_) => "",
    };
    let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut stdin = shell.stdin.take().context("the shell's input")?;
    write!(stdin, "{tuning}\nBEGIN;\n{statements}\nCOMMIT;\n")?;
    drop(stdin);
    let status = shell.wait()?;
    ensure!(status.success(), "the database's shell: {status}");
    Ok(())
}

/// Asks for one number.
pub fn number(database: &Database, question: &str) -> anyhow::Result<i64> {
    let output = match database {
        Database::Sqlite(file) => Command::new(find("sqlite3").context("sqlite3")?)
            .arg(file)
            .arg(question)
            .output()?,
        Database::Postgres(url) => Command::new(find("psql").context("psql")?)
            .args(["--no-psqlrc", "-At", url, "-c", question])
            .output()?,
    };
    ensure!(
        output.status.success(),
        "{question}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().with_context(|| format!("{question}: {text}"))
}

/// What the engine learns of its tables by and by: PostgreSQL by itself, SQLite when `serve` optimizes.
pub fn settle(database: &Database) -> anyhow::Result<()> {
    match database {
        Database::Sqlite(_) => Ok(()),
        Database::Postgres(url) => {
            let status = Command::new(find("psql").context("psql")?)
                .args(["--no-psqlrc", "--quiet", url, "-c", "VACUUM ANALYZE"])
                .status()?;
            ensure!(status.success(), "VACUUM: {status}");
            Ok(())
        }
    }
}

/// Recipients with the ids from 1001 on, and their lists.
fn people(database: &Database, size: Size, now: u64) -> String {
    let all = series(database, 1, size.recipients);
    let lists = series(database, 1, LISTS);
    let long_ago = now - 90 * 86_400_000_000;
    format!(
        "INSERT INTO lists (name, created_at) SELECT 'list ' || value, {long_ago} FROM {lists};
         INSERT INTO recipients (id, address, address_key, name, attributes, import_id, created_at, updated_at)
            SELECT 1000 + value, 'reader' || value || '@mail' || (value % 50) || '.example.org',
            'reader' || value || '@mail' || (value % 50) || '.example.org', 'Reader Number ' || value,
            '{{\"city\":\"Springfield\",\"plan\":\"basic\",\"number\":' || value || '}}', 1, {long_ago}, {long_ago} FROM {all};
         UPDATE sequences SET next = {} WHERE name = 'recipients';
         INSERT INTO subscriptions (list_id, recipient_id, state, updated_at, import_id)
            SELECT l.id, r.id, CASE WHEN r.id % 97 = 0 THEN 'pending' ELSE 'confirmed' END, {long_ago}, 1
            FROM lists l CROSS JOIN recipients r WHERE r.id > 1000
            AND (l.name = 'list 1' OR l.name = 'list ' || (r.id % 8 + 2));",
        1001 + size.recipients
    )
}

/// Which share of a campaign came to which end, by the last three digits of something that jumps about.
const STATE: &str = "CASE WHEN h < 950 THEN 'accepted' WHEN h < 970 THEN 'rejected' WHEN h < 976 THEN 'expired' \
    WHEN h < 999 THEN 'withheld' ELSE 'unknown' END";
const PROVIDER: &str = "CASE recipient_id % 8 WHEN 0 THEN 'gmail' WHEN 1 THEN 'microsoft' WHEN 2 THEN 'yahoo' \
    WHEN 3 THEN 'apple' WHEN 4 THEN 'gmx' WHEN 5 THEN 'orange' ELSE 'other' END";

/// A campaign that has run, or is paused, with everything that came of it. Its id is `n` + 1.
fn campaign(database: &Database, size: Size, n: u64, now: u64) -> String {
    let id = n + 1;
    let planned = size.of_campaign();
    let rows = series(database, 1, planned);
    let stride = size.recipients / planned;
    let began = now - (CAMPAIGNS - n + 1) * 86_400_000_000;
    let each = MINUTES * 60_000_000 / planned;
    let is_last = n == CAMPAIGNS;
    // Of the last one, two fifths are still to come.
    let done_until = if is_last { planned * 3 / 5 } else { planned };
    let state = match is_last {
        true => format!(
            "CASE WHEN value > {done_until} THEN 'planned' WHEN h >= 970 AND h < 990 THEN 'deferred' ELSE {STATE} END"
        ),
        false => STATE.to_owned(),
    };
    let (word, finished) = match is_last {
        true => ("paused", "NULL".to_owned()),
        false => ("finished", (began + MINUTES * 60_000_000).to_string()),
    };
    let mut text = format!(
        "INSERT INTO campaigns (id, name, state, template_name, subject, sender, content, planned, next_seq, created_at,
            started_at, finished_at, tracking)
            SELECT {id}, 'News of day {n}', '{word}', template_name, subject, sender, content, {planned}, {}, {began}, {began},
            {finished}, 'full' FROM campaigns WHERE id = 1;
         INSERT INTO campaign_lists (campaign_id, list_id) SELECT {id}, id FROM lists WHERE name = 'list 1';
         INSERT INTO campaign_links (campaign_id, number, url, text, languages)
            SELECT {id}, number, url, text, languages FROM campaign_links WHERE campaign_id = 1;
         INSERT INTO deliveries (campaign_id, seq, recipient_id, state, attempts, first_attempt_at, due_at, settled_at, relay,
            code, enhanced, reply, class, cause, reason, session, duration_us)
         SELECT {id}, value, recipient_id, state,
            CASE WHEN state = 'planned' OR state = 'withheld' THEN 0 WHEN h % 20 = 7 THEN 2 ELSE 1 END,
            CASE WHEN state = 'planned' OR state = 'withheld' THEN NULL ELSE at END,
            CASE WHEN state = 'deferred' THEN at + 3600000000 END,
            CASE WHEN state = 'planned' OR state = 'deferred' THEN NULL ELSE at END,
            CASE WHEN state = 'planned' OR state = 'withheld' THEN NULL ELSE 'relay ' || (value % 2 + 1) END,
            CASE state WHEN 'accepted' THEN 250 WHEN 'rejected' THEN 550 WHEN 'expired' THEN 452 WHEN 'deferred' THEN 452 END,
            CASE state WHEN 'accepted' THEN '2.0.0' WHEN 'rejected' THEN '5.1.1' WHEN 'expired' THEN '4.2.2' WHEN 'deferred' THEN '4.2.2' END,
            CASE state WHEN 'accepted' THEN '2.0.0 Ok: queued as ' || value WHEN 'rejected' THEN '5.1.1 user unknown'
                WHEN 'expired' THEN '4.2.2 mailbox full' WHEN 'deferred' THEN '4.2.2 mailbox full' END,
            CASE state WHEN 'rejected' THEN 'hard' WHEN 'expired' THEN 'soft' WHEN 'deferred' THEN 'soft' END,
            CASE state WHEN 'rejected' THEN 'address' WHEN 'expired' THEN 'mailbox_full' WHEN 'deferred' THEN 'mailbox_full' END,
            CASE state WHEN 'rejected' THEN 'userunknown' WHEN 'expired' THEN 'mailboxfull' WHEN 'deferred' THEN 'mailboxfull'
                WHEN 'withheld' THEN 'suppressed' END,
            CASE WHEN state = 'planned' OR state = 'withheld' THEN NULL ELSE value / 1000 END,
            CASE WHEN state = 'planned' OR state = 'withheld' THEN NULL ELSE 20000 + value % 30000 END
         FROM (SELECT value, h, recipient_id, at, {state} AS state FROM
            (SELECT value, (value * 7919 + {n} * 31) % 1000 AS h, 1001 + (value - 1) * {stride} + {n} % {stride} AS recipient_id,
            {began} + value * {each} AS at FROM {rows}) AS told) AS ended;
         INSERT INTO attempts (campaign_id, seq, attempt, at, relay, session, outcome, code, enhanced, reply, class, cause, reason, duration_us)
            SELECT campaign_id, seq, attempts, first_attempt_at, relay, session, state, code, enhanced, reply, class, cause, reason, duration_us
            FROM deliveries WHERE campaign_id = {id} AND state IN ('rejected', 'expired', 'deferred', 'unknown');
         INSERT INTO attempts (campaign_id, seq, attempt, at, relay, session, outcome, code, enhanced, reply, class, cause, reason, duration_us)
            SELECT campaign_id, seq, 1, first_attempt_at - 1000000, relay, session, 'deferred', 451, '4.7.1', '4.7.1 greylisted', 'soft',
            'policy', 'greylisted', duration_us FROM deliveries WHERE campaign_id = {id} AND attempts = 2;\n",
        done_until + 1,
    );
    text.push_str(&what_came_back(id, n));
    text
}

/// Hits, bounces that were reported, complaints, unsubscribes, suppressions.
fn what_came_back(id: u64, n: u64) -> String {
    let accepted = format!("FROM deliveries WHERE campaign_id = {id} AND state = 'accepted'");
    // 0: scanner, 1: privacy proxy, 2: unknown, 3: human.
    let verdict = "(seq * 13) % 4";
    let event = |kind: &str, class: &str, cause: &str, reason: &str, which: u64| {
        let key =
            "'reader' || (recipient_id - 1000) || '@mail' || ((recipient_id - 1000) % 50) || '.example.org'";
        format!(
            "INSERT INTO arrivals (way, key, raw, octets, received_at)
                SELECT 'smtp', '{kind}/' || campaign_id || '/' || seq, '', 1700, settled_at + 60000000 {accepted} AND seq % 400 = {which};
             INSERT INTO feedback_events (arrival_id, kind, once, campaign_id, seq, recipient_id, address_key, told_address, class, cause,
                reason, rule, status, code, text, matched_by, done, happened_at)
                SELECT (SELECT a.id FROM arrivals a WHERE a.key = '{kind}/' || campaign_id || '/' || seq),
                '{kind}', '{kind}/' || campaign_id || '/' || seq, campaign_id, seq, recipient_id, {key}, {key}, '{class}', '{cause}',
                '{reason}', 'status', '5.1.1', 550, 'user unknown', 'message_id', 'suppressed', settled_at + 60000000
                {accepted} AND seq % 400 = {which};
             INSERT INTO suppressions (address_key, reason, evidence, created_at)
                SELECT {key}, '{}', 'campaign {id}', settled_at + 60000000 {accepted} AND seq % 400 = {which}
                ON CONFLICT DO NOTHING;
             INSERT INTO bounce_counters (campaign_id, hour, node, relay, provider, kind, class, cause, reason, n)
                SELECT {id}, settled_at / 3600000000, 'made', relay, {PROVIDER}, '{kind}', '{class}', '{cause}', '{reason}', COUNT(*)
                {accepted} AND seq % 400 = {which} GROUP BY 2, 4, 5;\n",
            if kind == "complaint" { "complaint" } else { "hard_bounce" },
        )
    };
    let bounces = event("bounce", "hard", "address", "userunknown", 1);
    // One campaign in twenty is complained about more often than it may be.
    let complaints = event(
        "complaint",
        "complaint",
        "person",
        "complaint",
        if n == 7 { 2 } else { 3 },
    );
    format!(
        "INSERT INTO suppressions (address_key, reason, evidence, created_at)
            SELECT r.address_key, 'hard_bounce', 'campaign {id}', d.settled_at FROM deliveries d JOIN recipients r ON r.id = d.recipient_id
            WHERE d.campaign_id = {id} AND d.state = 'rejected' ON CONFLICT DO NOTHING;
         {bounces}{complaints}
         INSERT INTO hits (campaign_id, recipient_id, at, target, delay, agent_id, network, signs, verdict, rule_id)
            SELECT campaign_id, recipient_id, settled_at + 1000000 * (60 + seq % 20000), 0, 60 + seq % 20000, NULL, seq % 60000, 0, {verdict}, 1
            {accepted} AND seq % 5 < 2;
         INSERT INTO hits (campaign_id, recipient_id, at, target, delay, agent_id, network, signs, verdict, rule_id)
            SELECT campaign_id, recipient_id, settled_at + 1000000 * (70 + seq % 20000), seq % 4 + 1, 70 + seq % 20000, NULL, seq % 60000, 0, {verdict}, 1
            {accepted} AND seq % 25 = 0;
         INSERT INTO hit_recipients (campaign_id, recipient_id, open_verdict, opened_at, click_verdict, clicked_at)
            SELECT campaign_id, recipient_id, MAX(CASE WHEN target = 0 THEN verdict ELSE -1 END), MIN(CASE WHEN target = 0 THEN at END),
            MAX(CASE WHEN target > 0 THEN verdict ELSE -1 END), MIN(CASE WHEN target > 0 THEN at END)
            FROM hits WHERE campaign_id = {id} GROUP BY campaign_id, recipient_id;
         INSERT INTO unsubscribes (campaign_id, recipient_id, at, how, scope)
            SELECT campaign_id, recipient_id, settled_at + 120000000, 'link', 'lists' {accepted} AND seq % 350 = 5;
         INSERT INTO left_lists (campaign_id, recipient_id, list_id, was)
            SELECT u.campaign_id, u.recipient_id, s.list_id, s.state FROM unsubscribes u JOIN campaign_lists cl ON cl.campaign_id = u.campaign_id
            JOIN subscriptions s ON s.list_id = cl.list_id AND s.recipient_id = u.recipient_id
            WHERE u.campaign_id = {id} AND s.state <> 'unsubscribed';
         UPDATE subscriptions SET state = 'unsubscribed' WHERE list_id IN (SELECT id FROM lists WHERE name = 'list 1')
            AND recipient_id IN (SELECT recipient_id FROM unsubscribes WHERE campaign_id = {id});\n"
    )
}

/// Summed from what was made.
fn counters() -> String {
    format!(
        "INSERT INTO campaign_counters (campaign_id, node, state, n)
            SELECT campaign_id, 'made', state, COUNT(*) FROM deliveries WHERE campaign_id > 1 GROUP BY campaign_id, state;
         INSERT INTO send_counters (campaign_id, minute, node, relay, provider, outcome, class, n)
            SELECT campaign_id, settled_at / 60000000, 'made', COALESCE(relay, ''), {PROVIDER}, state, COALESCE(class, ''), COUNT(*)
            FROM deliveries WHERE campaign_id > 1 AND settled_at IS NOT NULL GROUP BY 1, 2, 4, 5, 6, 7;
         INSERT INTO send_counters (campaign_id, minute, node, relay, provider, outcome, class, n)
            SELECT a.campaign_id, a.at / 60000000, 'made', a.relay, {PROVIDER}, 'deferred', 'soft', COUNT(*)
            FROM attempts a JOIN deliveries d ON d.campaign_id = a.campaign_id AND d.seq = a.seq
            WHERE a.campaign_id > 1 AND a.outcome = 'deferred' GROUP BY 1, 2, 4, 5;
         INSERT INTO send_counters (campaign_id, minute, node, relay, provider, outcome, class, n)
            SELECT campaign_id, at / 60000000, 'made', '', '', 'unsubscribed', '', COUNT(*)
            FROM unsubscribes WHERE campaign_id > 1 GROUP BY 1, 2;
         INSERT INTO bounce_counters (campaign_id, hour, node, relay, provider, kind, class, cause, reason, n)
            SELECT a.campaign_id, a.at / 3600000000, 'made', a.relay, {PROVIDER}, a.outcome, a.class, a.cause, a.reason, COUNT(*)
            FROM attempts a JOIN deliveries d ON d.campaign_id = a.campaign_id AND d.seq = a.seq
            WHERE a.campaign_id > 1 AND a.outcome <> 'unknown' GROUP BY 1, 2, 4, 5, 6, 7, 8, 9;
         INSERT INTO hit_counters (campaign_id, hour, node, target, verdict, n)
            SELECT campaign_id, at / 3600000000, 'made', target, verdict, COUNT(*) FROM hits WHERE campaign_id > 1 GROUP BY 1, 2, 4, 5;
         INSERT INTO hit_recipient_counters (campaign_id, node, kind, verdict, n)
            SELECT campaign_id, 'made', 'open', open_verdict, COUNT(*) FROM hit_recipients
            WHERE campaign_id > 1 AND open_verdict >= 0 GROUP BY 1, 4;
         INSERT INTO hit_recipient_counters (campaign_id, node, kind, verdict, n)
            SELECT campaign_id, 'made', 'click', click_verdict, COUNT(*) FROM hit_recipients
            WHERE campaign_id > 1 AND click_verdict >= 0 GROUP BY 1, 4;
         DELETE FROM list_counters;
         INSERT INTO list_counters (list_id, node, n)
            SELECT list_id, 'made', COUNT(*) FROM subscriptions WHERE state = 'confirmed' GROUP BY list_id;"
    )
}

/// Imports, the audit log, and a rare reason among the suppressions.
fn beside(database: &Database, now: u64) -> String {
    let (imports, entries, few) = (
        series(database, 1, IMPORTS),
        series(database, 1, AUDIT_ENTRIES),
        series(database, 1, 40),
    );
    // Ids that were given by hand, the engine does not know of.
    let next_campaign = match database {
        Database::Sqlite(_) => "",
        Database::Postgres(_) => {
            "SELECT setval(pg_get_serial_sequence('campaigns', 'id'), (SELECT MAX(id) FROM campaigns));"
        }
    };
    format!(
        "{next_campaign}
         INSERT INTO imports (list_id, file_name, started_at, finished_at, counts, state, started_by, fingerprint, details, updated_at)
            SELECT i.list_id, 'people ' || value || '.csv', {now} - value * 3600000000, {now} - value * 3600000000 + 60000000, i.counts,
            'finished', 'command line', 'made ' || value, i.details, {now} - value * 3600000000
            FROM {imports} JOIN imports i ON i.id = 1;
         INSERT INTO audit_log (at, who, network, what, about, detail)
            SELECT {now} - ({AUDIT_ENTRIES} - value) * 20000000, 'person' || (value % 7) || '@example.com', '192.0.2.0', 'paused a campaign',
            'campaign ' || (value % {CAMPAIGNS}), '' FROM {entries};
         INSERT INTO suppressions (address_key, reason, evidence, created_at)
            SELECT 'asked' || value || '@example.net', 'by_hand', 'asked by telephone', {now} - value * 86400000000 FROM {few};"
    )
}
