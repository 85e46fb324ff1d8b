//! The nodes: processes that work on this database. Each says every few seconds that it is there and what it does; people look
//! at them, and ask one to take nothing more.

use crate::audit::{By, audit_in};
use crate::engine::{Store, on_pool, on_tx, on_write_pool};
use crate::error::{StoreError, bad_row};
use std::time::Duration;
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;

/// How often a node says that it is there.
pub const BEAT: Duration = Duration::from_secs(2);
/// After so long without a word a node is taken for lost.
pub const LOST_AFTER: Duration = Duration::from_secs(15);
/// Rows of nodes that have not been seen for so long are forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3_600);
/// Nodes that are listed at most, the living first.
const LISTED: i64 = 500;

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// It takes work.
    Running,
    /// It takes nothing more, and something is under way.
    Draining,
    /// It takes nothing more, and nothing is under way.
    Drained,
    /// It has ended by itself, and has left nothing behind.
    Stopped,
    /// It has not been heard of for [`LOST_AFTER`]. Only said of it, never by it.
    Lost,
}

impl NodeState {
    const KEPT: [NodeState; 4] = [
        NodeState::Running,
        NodeState::Draining,
        NodeState::Drained,
        NodeState::Stopped,
    ];

    /// As it stands in the database, and in front of people.
    pub const fn as_str(self) -> &'static str {
        match self {
            NodeState::Running => "running",
            NodeState::Draining => "draining",
            NodeState::Drained => "drained",
            NodeState::Stopped => "stopped",
            NodeState::Lost => "lost",
        }
    }

    fn parse(word: &str) -> Option<NodeState> {
        NodeState::KEPT.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether the process is there, as far as anybody knows.
    pub const fn is_alive(self) -> bool {
        matches!(
            self,
            NodeState::Running | NodeState::Draining | NodeState::Drained
        )
    }
}

/// What a node does now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Doing {
    /// The campaigns that it sends.
    pub campaigns: Vec<CampaignId>,
    /// Its open sessions with relays.
    pub sessions: i64,
    /// Its attempts that ended, per second.
    pub rate_per_second: f64,
}

/// What a node says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Beat<'a> {
    /// Unique for every start of a process.
    pub owner: &'a str,
    /// Its name.
    pub name: &'a str,
    /// What it is for: `web,send`.
    pub roles: &'a str,
    /// The program's version.
    pub version: &'a str,
    /// When it began.
    pub started_at: Timestamp,
    /// Where its pages are, if it has any.
    pub listen: Option<&'a str>,
    /// What it does.
    pub doing: &'a Doing,
    /// Where it stands. [`NodeState::Drained`] is kept as [`NodeState::Draining`] while leases are its own.
    pub state: NodeState,
}

/// A node as people see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique for every start of a process.
    pub owner: String,
    /// Its name.
    pub name: String,
    /// What it is for: `web,send`.
    pub roles: String,
    /// The program's version.
    pub version: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last heard of.
    pub seen_at: Timestamp,
    /// Where it stands.
    pub state: NodeState,
    /// Somebody wants it to take nothing more.
    pub drain: bool,
    /// Where its pages are, if it has any.
    pub listen: Option<String>,
    /// What it does, or did when it was last heard of.
    pub doing: Doing,
}

#[derive(sqlx::FromRow)]
struct Row {
    owner: String,
    name: String,
    roles: String,
    version: String,
    started_at: i64,
    seen_at: i64,
    state: String,
    drain: i64,
    listen: Option<String>,
    campaigns: String,
    sessions: i64,
    rate_per_second: f64,
}

impl Row {
    fn read(self, now: Timestamp) -> Result<Node, StoreError> {
        let bad = |problem: String| bad_row("nodes", &self.owner, problem);
        let state =
            NodeState::parse(&self.state).ok_or_else(|| bad(format!("unknown state `{}`", self.state)))?;
        let is_silent = Timestamp(self.seen_at) < now.minus(LOST_AFTER);
        let campaigns = self.campaigns.split(',').filter(|id| !id.is_empty());
        let campaigns = campaigns
            .map(|id| id.parse().map(CampaignId))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| bad(format!("campaigns: {error}")))?;
        Ok(Node {
            state: if is_silent && state.is_alive() {
                NodeState::Lost
            } else {
                state
            },
            started_at: Timestamp(self.started_at),
            seen_at: Timestamp(self.seen_at),
            drain: self.drain != 0,
            doing: Doing {
                campaigns,
                sessions: self.sessions,
                rate_per_second: self.rate_per_second,
            },
            owner: self.owner,
            name: self.name,
            roles: self.roles,
            version: self.version,
            listen: self.listen,
        })
    }
}

impl Store {
    /// Keeps what a node says of itself. Returns whether somebody wants it to take nothing more.
    pub async fn beat(&self, beat: Beat<'_>, now: Timestamp) -> Result<bool, StoreError> {
        // Drained is who has no lease any more: that is what is left behind, whatever the process thinks of itself.
        const BEAT: &str = "INSERT INTO nodes (owner, name, roles, version, started_at, seen_at, state, listen, campaigns, \
            sessions, rate_per_second) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
            ON CONFLICT (owner) DO UPDATE SET seen_at = excluded.seen_at, listen = excluded.listen, \
            state = CASE WHEN excluded.state = 'drained' \
                AND (EXISTS (SELECT 1 FROM leases l WHERE l.owner = excluded.owner) \
                    OR EXISTS (SELECT 1 FROM letters t WHERE t.owner = excluded.owner AND t.state IN ('leased', 'on_wire'))) \
                THEN 'draining' ELSE excluded.state END, \
            campaigns = excluded.campaigns, sessions = excluded.sessions, rate_per_second = excluded.rate_per_second \
            RETURNING drain";
        let ids: Vec<String> = beat.doing.campaigns.iter().map(CampaignId::to_string).collect();
        let drain: i64 = on_write_pool!(self, pool => sqlx::query_scalar(BEAT).bind(beat.owner).bind(beat.name)
            .bind(beat.roles).bind(beat.version).bind(beat.started_at.0).bind(now.0).bind(beat.state.as_str())
            .bind(beat.listen).bind(ids.join(",")).bind(beat.doing.sessions).bind(beat.doing.rate_per_second)
            .fetch_one(pool).await)?;
        Ok(drain != 0)
    }

    /// Whether somebody wants this node to take nothing more; false if it is not known.
    pub async fn is_to_drain(&self, owner: &str) -> Result<bool, StoreError> {
        const ASKED: &str = "SELECT drain FROM nodes WHERE owner = $1";
        let drain: Option<i64> =
            on_pool!(self, pool => sqlx::query_scalar(ASKED).bind(owner).fetch_optional(pool).await)?;
        Ok(drain.is_some_and(|drain| drain != 0))
    }

    /// All nodes that have been seen during the last day; those that are there first, then by name.
    pub async fn nodes(&self, now: Timestamp) -> Result<Vec<Node>, StoreError> {
        const NODES: &str = "SELECT owner, name, roles, version, started_at, seen_at, state, drain, listen, campaigns, \
            sessions, rate_per_second FROM nodes WHERE seen_at >= $1 ORDER BY seen_at DESC, owner LIMIT $2";
        let since = now.minus(FORGOTTEN_AFTER);
        let rows: Vec<Row> =
            on_pool!(self, pool => sqlx::query_as(NODES).bind(since.0).bind(LISTED).fetch_all(pool).await)?;
        let mut nodes = rows
            .into_iter()
            .map(|row| row.read(now))
            .collect::<Result<Vec<Node>, _>>()?;
        let rank = |node: &Node| match node.state {
            NodeState::Stopped => 2,
            NodeState::Lost => 1,
            NodeState::Running | NodeState::Draining | NodeState::Drained => 0,
        };
        // The order of those that are gone stays: who was there last comes first.
        nodes.sort_by(|a, b| match (rank(a), rank(b)) {
            (0, 0) => (&a.name, &a.owner).cmp(&(&b.name, &b.owner)),
            (of_a, of_b) => of_a.cmp(&of_b),
        });
        Ok(nodes)
    }

    /// A name that no living node has: this one, else with a number behind it. Two that begin at the same moment may get the
    /// same, which does no harm but that their figures are one.
    pub async fn free_node_name(&self, name: &str, now: Timestamp) -> Result<String, StoreError> {
        let taken: Vec<String> = self
            .nodes(now)
            .await?
            .into_iter()
            .filter(|node| node.state.is_alive())
            .map(|node| node.name)
            .collect();
        let numbered = (2..).map(|n| format!("{name}-{n}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        Ok(names
            .find(|name| !taken.contains(name))
            .expect("there are more numbers than nodes"))
    }

    /// Asks a node to take nothing more, or to work again. `which`: its name or its owner. Returns its owner.
    ///
    /// # Errors
    /// If no node is called so, or several are, or it has ended.
    pub async fn drain_node(
        &self,
        which: &str,
        drain: bool,
        by: &By,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        const ASK: &str = "UPDATE nodes SET drain = $1 WHERE owner = $2 AND state <> 'stopped'";
        let node = self.find_node(which, now).await?;
        let mut tx = self.begin_write().await?;
        let rows = on_tx!(&mut tx, conn => sqlx::query(ASK).bind(i64::from(drain)).bind(&node.owner)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if rows == 0 {
            return Err(not_found(which));
        }
        let what = if drain {
            "drained a node"
        } else {
            "let a node work again"
        };
        let about = format!("node {}", node.name);
        audit_in(&mut tx, by, what, (&about, &node.owner), now).await?;
        tx.commit().await?;
        Ok(node.owner)
    }

    async fn find_node(&self, which: &str, now: Timestamp) -> Result<Node, StoreError> {
        let mut nodes = self.nodes(now).await?;
        if let Some(at) = nodes.iter().position(|node| node.owner == which) {
            return Ok(nodes.swap_remove(at));
        }
        nodes.retain(|node| node.name == which && node.state != NodeState::Stopped);
        // One that is lost may wake up; beside a living one of its name it is not meant.
        if nodes.iter().any(|node| node.state.is_alive()) {
            nodes.retain(|node| node.state.is_alive());
        }
        match nodes.as_slice() {
            [] => Err(not_found(which)),
            [one] => Ok(one.clone()),
            several => Err(StoreError::SeveralNodes {
                name: which.to_owned(),
                owners: several.iter().map(|node| node.owner.clone()).collect(),
            }),
        }
    }

    /// Forgets nodes that have not been seen for a day.
    pub async fn forget_nodes(&self, now: Timestamp) -> Result<(), StoreError> {
        const FORGET: &str = "DELETE FROM nodes WHERE seen_at < $1";
        let before = now.minus(FORGOTTEN_AFTER);
        on_write_pool!(self, pool => sqlx::query(FORGET).bind(before.0).execute(pool).await.map(drop))?;
        Ok(())
    }
}

fn not_found(which: &str) -> StoreError {
    StoreError::NotFound {
        what: "node at work",
        name: which.to_owned(),
    }
}
