//! The rows of [`PersonalData`](super::PersonalData), and how they are found: `$1` is the recipient; of what is known by address
//! too, `$2` is its comparison key; the last is how many at most.

use crate::hits::WaitingHit;
use crate::suppressions::Suppression;
use serde::{Serialize, Serializer};
use tidings_campaign::time::Timestamp;
use tidings_campaign::token::HitTarget;
use tidings_feedback::hits::{HitVerdict, Network};

/// Times are kept in microseconds; people read dates.
#[derive(Clone, Copy, Debug, sqlx::Type)]
#[sqlx(transparent)]
pub(super) struct Moment(i64);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Timestamp(self.0))
    }
}

/// JSON that is kept as text stands in the answer as JSON.
#[derive(Clone, Debug, sqlx::Type)]
#[sqlx(transparent)]
pub(super) struct Json(String);

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<serde_json::Value>(&self.0) {
            Ok(value) => value.serialize(serializer),
            Err(_) => self.0.serialize(serializer),
        }
    }
}

/// What is kept as octets is text as a rule.
fn as_text<S: Serializer>(octets: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&String::from_utf8_lossy(octets))
}

fn as_network<S: Serializer>(number: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    let network = number.and_then(Network::from_number);
    network.map(|network| network.to_string()).serialize(serializer)
}

/// Where the operator had the files is not about the person.
fn as_file_names<S: Serializer>(paths: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let names = |paths: &String| paths.split(", ").map(name).collect::<Vec<_>>().join(", ");
    paths.as_ref().map(names).serialize(serializer)
}

fn as_own_verdict<S: Serializer>(number: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    let verdict = number.and_then(HitVerdict::from_number);
    verdict.map(HitVerdict::as_str).serialize(serializer)
}

fn as_verdict<S: Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    HitVerdict::from_number(*number)
        .map(HitVerdict::as_str)
        .serialize(serializer)
}

macro_rules! rows {
    ($($name:ident { $($(#[$how:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            #[derive(Debug, Serialize, sqlx::FromRow)]
            pub(super) struct $name {
                $($(#[$how])* pub(super) $field: $type,)*
            }
        )*
    };
}

rows! {
    Who {
        id: i64,
        address: String,
        name: String,
        attributes: Json,
        created_at: Moment,
        updated_at: Moment,
    }
    FormerAddress {
        address: String,
        changed_at: Moment,
    }
    ListStanding {
        list: String,
        state: String,
        since: Moment,
        #[serde(serialize_with = "as_file_names")]
        import_files: Option<String>,
        consent: Option<String>,
    }
    Joined {
        list: Option<String>,
        joined_at: Moment,
        text: String,
        network: Option<String>,
    }
    SignedUp {
        list: Option<String>,
        address: String,
        form: String,
        text: String,
        name: String,
        attributes: Json,
        network: Option<String>,
        program: String,
        asked_at: Moment,
        confirmed_at: Option<Moment>,
        confirmed_network: Option<String>,
        confirmed_program: Option<String>,
    }
    Pause {
        paused_until: Moment,
        asked_at: Moment,
        reason: Option<String>,
        comment: Option<String>,
    }
    Unsubscribed {
        campaign: i64,
        at: Moment,
        how: String,
        scope: String,
        reason: Option<String>,
        comment: Option<String>,
        undone_at: Option<Moment>,
    }
    Suppressed {
        address: String,
        reason: String,
        evidence: String,
        since: Moment,
    }
    Lifted {
        address: String,
        reason: String,
        evidence: String,
        since: Moment,
        lifted_at: Moment,
    }
    Delivery {
        campaign: i64,
        newsletter: Option<String>,
        subject: Option<String>,
        state: String,
        attempts: i64,
        first_attempt_at: Option<Moment>,
        settled_at: Option<Moment>,
        relay: Option<String>,
        code: Option<i64>,
        reply: Option<String>,
        class: Option<String>,
        reason: Option<String>,
    }
    Attempt {
        campaign: i64,
        attempt: i64,
        at: Moment,
        outcome: String,
        relay: Option<String>,
        code: Option<i64>,
        reply: Option<String>,
        class: Option<String>,
        reason: Option<String>,
    }
    Opened {
        campaign: i64,
        #[serde(serialize_with = "as_verdict")]
        open: i64,
        opened_at: Option<Moment>,
        #[serde(serialize_with = "as_verdict")]
        click: i64,
        clicked_at: Option<Moment>,
    }
    Hit {
        campaign: i64,
        at: Moment,
        what: String,
        program: Option<String>,
        #[serde(serialize_with = "as_network")]
        network: Option<i64>,
        // Nothing: it waits to be judged.
        #[serde(serialize_with = "as_own_verdict")]
        verdict: Option<i64>,
        rule: Option<String>,
    }
    Event {
        kind: String,
        happened_at: Moment,
        campaign: Option<i64>,
        told_address: String,
        class: String,
        cause: String,
        reason: String,
        status: Option<String>,
        code: Option<i64>,
        text: String,
        host: Option<String>,
        done: String,
        report: i64,
    }
    Report {
        report: i64,
        way: String,
        received_at: Moment,
        octets: i64,
        #[serde(serialize_with = "as_text")]
        raw: Vec<u8>,
    }
    WrittenLetter {
        kind: String,
        state: String,
        queued_at: Moment,
        settled_at: Option<Moment>,
        network: Option<String>,
        reply: Option<String>,
    }
    ImportChange {
        import: i64,
        change: Json,
    }
}

impl Hit {
    /// One that waits; `link` is where it leads, if that is known.
    pub(super) fn waiting((hit, agent): (WaitingHit, String), link: Option<String>) -> Hit {
        let what = match hit.target {
            HitTarget::Pixel => "open".to_owned(),
            HitTarget::Trap => "trap".to_owned(),
            HitTarget::Link(_) => link.unwrap_or_else(|| "link".to_owned()),
        };
        Hit {
            campaign: hit.campaign.0,
            at: Moment(hit.at.0),
            what,
            program: Some(agent).filter(|agent| !agent.is_empty()),
            network: hit.network.map(|network| network.number()),
            verdict: None,
            rule: None,
        }
    }

    /// Whether both are about the same: it may have been judged between the two readings.
    pub(super) fn is_same(&self, other: &Hit) -> bool {
        (self.campaign, self.at.0, &self.what) == (other.campaign, other.at.0, &other.what)
    }
}

impl From<Suppression> for Suppressed {
    fn from(known: Suppression) -> Self {
        Suppressed {
            address: known.who,
            reason: known.reason,
            evidence: known.evidence,
            since: Moment(known.created_at.0),
        }
    }
}

/// By the comparison key alone.
pub(super) const WHO: &str =
    "SELECT id, address, name, attributes, created_at, updated_at FROM recipients WHERE address_key = $1";

pub(super) const FORMER_ADDRESSES: &str = "SELECT from_key AS address, changed_at FROM address_changes \
    WHERE recipient_id = $1 ORDER BY changed_at DESC LIMIT $2";

pub(super) const LISTS: &str = "SELECT l.name AS list, s.state, s.updated_at AS since, i.file_name AS import_files, \
    i.consent FROM lists l \
    CROSS JOIN subscriptions s LEFT JOIN imports i ON i.id = s.import_id \
    WHERE s.list_id = l.id AND s.recipient_id = $1 ORDER BY l.name LIMIT $2";

pub(super) const JOINED: &str = "SELECT l.name AS list, j.joined_at, j.text, j.network FROM own_joins j \
    LEFT JOIN lists l ON l.id = j.list_id WHERE j.recipient_id = $1 ORDER BY j.joined_at DESC LIMIT $2";

pub(super) const SIGN_UPS: &str = "SELECT l.name AS list, u.address, u.form, u.text, u.name, u.attributes, u.network, \
    u.user_agent AS program, u.asked_at, u.confirmed_at, u.confirmed_network, u.confirmed_user_agent AS confirmed_program \
    FROM sign_ups u LEFT JOIN lists l ON l.id = u.list_id WHERE u.recipient_id = $1 ORDER BY u.asked_at DESC LIMIT $2";

/// Without a bound: there is one.
pub(super) const PAUSE: &str =
    "SELECT paused_until, created_at AS asked_at, reason, comment FROM pauses WHERE recipient_id = $1";

pub(super) const UNSUBSCRIBES: &str = "SELECT campaign_id AS campaign, at, how, scope, reason, comment, undone_at \
    FROM unsubscribes WHERE campaign_id IN (SELECT id FROM campaigns) AND recipient_id = $1 \
    ORDER BY at DESC LIMIT $2";

/// Of former addresses too.
pub(super) const SUPPRESSIONS: &str = "SELECT address_key AS address, reason, evidence, created_at AS since \
    FROM suppressions WHERE address_key = $2 \
    OR address_key IN (SELECT from_key FROM address_changes WHERE recipient_id = $1) ORDER BY created_at DESC LIMIT $3";

pub(super) const LIFTED: &str = "SELECT address_key AS address, reason, evidence, suppressed_at AS since, lifted_at \
    FROM lifted_suppressions WHERE address_key = $2 \
    OR address_key IN (SELECT from_key FROM address_changes WHERE recipient_id = $1) ORDER BY lifted_at DESC LIMIT $3";

pub(super) const DELIVERIES: &str = "SELECT d.campaign_id AS campaign, c.name AS newsletter, c.subject, d.state, d.attempts, \
    d.first_attempt_at, d.settled_at, d.relay, d.code, d.reply, d.class, d.reason FROM deliveries d \
    LEFT JOIN campaigns c ON c.id = d.campaign_id WHERE d.recipient_id = $1 ORDER BY d.campaign_id DESC LIMIT $2";

pub(super) const ATTEMPTS: &str = "SELECT a.campaign_id AS campaign, a.attempt, a.at, a.outcome, a.relay, a.code, a.reply, \
    a.class, a.reason FROM deliveries d JOIN attempts a ON a.campaign_id = d.campaign_id AND a.seq = d.seq \
    WHERE d.recipient_id = $1 ORDER BY a.campaign_id DESC, a.attempt DESC LIMIT $2";

pub(super) const OPENS: &str = "SELECT campaign_id AS campaign, open_verdict AS open, opened_at, click_verdict AS click, \
    clicked_at FROM hit_recipients WHERE campaign_id IN (SELECT id FROM campaigns) AND recipient_id = $1 \
    ORDER BY campaign_id DESC LIMIT $2";

pub(super) const HITS: &str = "SELECT h.campaign_id AS campaign, h.at, CASE h.target WHEN 0 THEN 'open' WHEN -1 THEN 'trap' \
    ELSE COALESCE(k.url, 'link') END AS what, a.name AS program, h.network, h.verdict, u.name AS rule FROM hits h \
    LEFT JOIN campaign_links k ON k.campaign_id = h.campaign_id AND k.number = h.target \
    LEFT JOIN hit_agents a ON a.id = h.agent_id LEFT JOIN hit_rules u ON u.id = h.rule_id \
    WHERE h.campaign_id IN (SELECT id FROM campaigns) AND h.recipient_id = $1 ORDER BY h.at DESC LIMIT $2";

macro_rules! own_events {
    () => {
        "(SELECT e.id FROM feedback_events e WHERE e.address_key = $2 UNION \
          SELECT e.id FROM deliveries d JOIN feedback_events e ON e.campaign_id = d.campaign_id AND e.seq = d.seq \
          WHERE d.recipient_id = $1)"
    };
}

pub(super) const EVENTS: &str = concat!(
    "SELECT kind, happened_at, campaign_id AS campaign, told_address, class, cause, reason, status, code, text, host, done, \
     arrival_id AS report FROM feedback_events WHERE id IN ",
    own_events!(),
    " ORDER BY id DESC LIMIT $3"
);

/// An old one has been emptied.
pub(super) const REPORTS: &str = concat!(
    "SELECT id AS report, way, received_at, octets, raw FROM arrivals WHERE LENGTH(raw) > 0 AND id IN \
     (SELECT arrival_id FROM feedback_events WHERE id IN ",
    own_events!(),
    ") ORDER BY id DESC LIMIT $3"
);

/// To former addresses too.
pub(super) const LETTERS: &str = "SELECT kind, state, queued_at, settled_at, network, reply FROM letters WHERE address_key = $2 \
    OR address_key IN (SELECT from_key FROM address_changes WHERE recipient_id = $1) ORDER BY id DESC LIMIT $3";

pub(super) const IMPORT_CHANGES: &str = "SELECT import_id AS import, change FROM import_changes \
    WHERE recipient_id = $1 ORDER BY import_id DESC LIMIT $2";
