//! What the senders say of their relays: whether each works, how many sessions it has, and what went wrong last.

use crate::engine::{Store, on_pool, on_tx};
use crate::error::{StoreError, bad_row};
use tidings_campaign::time::Timestamp;

/// Whether a relay takes mail, as far as a sender knows. In the order of how much it asks for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RelayHealth {
    /// Connections are opened as they are needed.
    Works,
    /// After faults one session tries whether it works again.
    Trying,
    /// After faults it is left alone for a while.
    Resting,
}

impl RelayHealth {
    const ALL: [RelayHealth; 3] = [RelayHealth::Works, RelayHealth::Trying, RelayHealth::Resting];

    /// As it stands in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            RelayHealth::Works => "works",
            RelayHealth::Trying => "trying",
            RelayHealth::Resting => "resting",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        RelayHealth::ALL
            .into_iter()
            .find(|health| health.as_str() == word)
    }
}

/// How a relay fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayStatus {
    /// Its name in the configuration.
    pub relay: String,
    /// Whether it takes mail.
    pub health: RelayHealth,
    /// Open sessions.
    pub sessions: i64,
    /// Sessions at once at most, of all nodes together.
    pub max_sessions: i64,
    /// Until when it is left alone.
    pub resting_until: Option<Timestamp>,
    /// What went wrong last since the sender started, one sentence, and when.
    pub fault: Option<(Timestamp, String)>,
}

impl RelayStatus {
    /// The same relay as another sender sees it: sessions are added and are at most what the larger configuration allows all of
    /// them; the worse health and the newer fault count.
    fn and(mut self, other: RelayStatus) -> RelayStatus {
        self.health = self.health.max(other.health);
        self.sessions += other.sessions;
        self.max_sessions = self.max_sessions.max(other.max_sessions);
        self.resting_until = self.resting_until.max(other.resting_until);
        self.fault = self.fault.max(other.fault);
        self
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    relay: String,
    health: String,
    sessions: i64,
    max_sessions: i64,
    resting_until: Option<i64>,
    fault: Option<String>,
    fault_at: Option<i64>,
}

impl Store {
    /// Says how this node's relays fare; what it said before is forgotten.
    pub async fn set_relay_statuses(
        &self,
        statuses: &[RelayStatus],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const FORGET: &str = "DELETE FROM relay_status WHERE node = $1";
        const SAY: &str = "INSERT INTO relay_status \
            (relay, node, health, sessions, max_sessions, resting_until, fault, fault_at, updated_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let mut tx = self.begin_write().await?;
        on_tx!(&mut tx, conn => sqlx::query(FORGET).bind(self.node()).execute(conn).await.map(drop))?;
        for status in statuses {
            let (at, fault) = status.fault.as_ref().map(|(at, fault)| (at.0, fault)).unzip();
            on_tx!(&mut tx, conn => sqlx::query(SAY).bind(&status.relay).bind(self.node())
                .bind(status.health.as_str()).bind(status.sessions).bind(status.max_sessions)
                .bind(status.resting_until.map(|until| until.0)).bind(fault).bind(at).bind(now.0)
                .execute(conn).await.map(drop))?;
        }
        tx.commit().await
    }

    /// What was said since `since`, all nodes together, by the relays' names; nothing if no sender is at work.
    pub async fn relay_statuses(&self, since: Timestamp) -> Result<Vec<RelayStatus>, StoreError> {
        const GET: &str = "SELECT relay, health, sessions, max_sessions, resting_until, fault, fault_at \
            FROM relay_status WHERE updated_at >= $1 ORDER BY relay, node";
        let rows: Vec<Row> = on_pool!(self, pool => sqlx::query_as(GET).bind(since.0).fetch_all(pool).await)?;
        let mut statuses: Vec<RelayStatus> = Vec::new();
        for row in rows {
            let health = RelayHealth::parse(&row.health).ok_or_else(|| {
                bad_row(
                    "relay_status",
                    &row.relay,
                    format!("unknown health `{}`", row.health),
                )
            })?;
            let status = RelayStatus {
                relay: row.relay,
                health,
                sessions: row.sessions,
                max_sessions: row.max_sessions,
                resting_until: row.resting_until.map(Timestamp),
                fault: row.fault_at.map(Timestamp).zip(row.fault),
            };
            match statuses.pop() {
                Some(last) if last.relay == status.relay => statuses.push(last.and(status)),
                last => statuses.extend(last.into_iter().chain([status])),
            }
        }
        Ok(statuses)
    }
}
