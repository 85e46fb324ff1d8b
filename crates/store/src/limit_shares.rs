//! How several senders divide the limits among them: what each holds of every limit, changed by one sender at a time.

use crate::bulk::{Bulk, pieces};
use crate::engine::{Store, Tx, on_tx, on_write_pool, values_list};
use crate::error::StoreError;
use crate::limit_usage::{self, Usage};
use sqlx::AssertSqlSafe;
use tidings_campaign::time::Timestamp;

/// What one sender holds of one limit.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ShareRow {
    /// Where the limit stands; its name is the senders' own affair.
    pub place: String,
    /// Which of the place's limits.
    pub which: String,
    /// The sender.
    pub owner: String,
    /// Units of the limit that it may use.
    pub held: i64,
    /// Units that it could use.
    pub wanted: i64,
    /// In which of its rounds the sender wrote this.
    pub round: i64,
    /// From then on it uses nothing of it, and others may have it: microseconds since 1970.
    pub valid_until: i64,
}

/// What a sender wants to know before it decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharesAsked {
    /// Everybody's shares at these places.
    pub places: Vec<String>,
    /// What was used there since a minute (since 1970): place and minute.
    pub used_since: Vec<(String, i64)>,
}

/// What it gets to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharesSeen {
    /// Everybody's shares, also those that have run out.
    pub rows: Vec<ShareRow>,
    /// Of each place and minute that something was used since: how much, and the minute of the first.
    pub used: Vec<UsedSince>,
}

/// What was used at a place since a minute.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct UsedSince {
    /// The place.
    pub place: String,
    /// The minute that was asked for.
    pub since: i64,
    /// How many messages.
    pub n: i64,
    /// The minute of the first of them.
    pub first: i64,
}

/// What it decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShareChanges {
    /// These are gone: place, which, owner.
    pub removed: Vec<(String, String, String)>,
    /// These stand there from now on, whatever was there before.
    pub put: Vec<ShareRow>,
    /// So much was used of the limits that are counted by the minute.
    pub used: Vec<Usage>,
}

/// Senders take their turns by this advisory lock of PostgreSQL.
const TURN: i64 = 0x7469_6469_0000_0000 | 0x7368_6172;

/// A sender that is stopped in the middle of its turn is cut off so soon, or all others would wait for it.
const TURN_ENDS: &str = "SET LOCAL idle_in_transaction_session_timeout = '1500ms'";

impl Store {
    /// Whether several senders may work with this database at the same time, so that they must divide the limits.
    pub fn has_many_senders(&self) -> bool {
        self.sqlite_file().is_none()
    }

    /// One turn of a sender: it sees what all hold, decides, and what it decides is committed, with nobody else's turn in
    /// between. What was used counts for the minute of `now`. After an error the turn may have been committed all the same:
    /// the next one tells it by the rounds of the rows.
    pub async fn share_limits(
        &self,
        asked: &SharesAsked,
        now: Timestamp,
        decide: impl FnOnce(SharesSeen) -> ShareChanges + Send,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        if let Tx::Postgres(tx) = &mut tx {
            sqlx::query(TURN_ENDS).execute(&mut **tx).await?;
            let turn = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(TURN);
            turn.execute(&mut **tx).await?;
        }
        let seen = SharesSeen {
            rows: rows_at(&mut tx, &asked.places).await?,
            used: used_since(&mut tx, &asked.used_since).await?,
        };
        let changes = decide(seen);
        for removed in pieces(&changes.removed) {
            tx.run(removal(removed)).await?;
        }
        for rows in pieces(&changes.put) {
            tx.run(putting(rows)).await?;
        }
        for statement in limit_usage::statements(&changes.used, self.node(), now) {
            tx.run(statement).await?;
        }
        tx.commit().await
    }

    /// Forgets what a sender holds of these of any place's limits, because it surely uses nothing of them any more. Returns how many
    /// shares that were.
    pub async fn forget_shares_of(&self, owner: &str, which: &[&str]) -> Result<u64, StoreError> {
        let text = format!(
            "DELETE FROM limit_shares WHERE owner = $1 AND which IN {}",
            values_list(1, which.len(), 2)
        );
        let done = on_write_pool!(self, pool => {
            let query = sqlx::query(AssertSqlSafe(text)).bind(owner);
            which.iter().fold(query, |query, which| query.bind(*which)).execute(pool).await
            .map(|done| done.rows_affected())
        })?;
        Ok(done)
    }

    /// Forgets what was held until `before` and nobody has taken off since: of limits that are not used any more.
    pub async fn forget_limit_shares(&self, before: Timestamp) -> Result<u64, StoreError> {
        const FORGET: &str = "DELETE FROM limit_shares WHERE valid_until < $1";
        Ok(
            on_write_pool!(self, pool => sqlx::query(FORGET).bind(before.0).execute(pool).await
            .map(|done| done.rows_affected()))?,
        )
    }
}

async fn rows_at(tx: &mut Tx, places: &[String]) -> Result<Vec<ShareRow>, StoreError> {
    let mut all = Vec::new();
    for places in pieces(places) {
        let text = format!(
            "SELECT place, which, owner, held, wanted, round, valid_until FROM limit_shares \
            WHERE place IN {} ORDER BY place, which, owner",
            values_list(1, places.len(), 1)
        );
        let rows: Vec<ShareRow> = on_tx!(&mut *tx, conn => {
            let query = sqlx::query_as(AssertSqlSafe(text));
            places.iter().fold(query, |query, place| query.bind(place)).fetch_all(conn).await
        })?;
        all.extend(rows);
    }
    Ok(all)
}

async fn used_since(tx: &mut Tx, asked: &[(String, i64)]) -> Result<Vec<UsedSince>, StoreError> {
    let mut all = Vec::new();
    for asked in pieces(asked) {
        let text = format!(
            "SELECT v.column1 AS place, v.column2 AS since, CAST(SUM(u.n) AS BIGINT) AS n, MIN(u.minute) AS first \
            FROM (VALUES {}) AS v JOIN limit_usage u ON u.limit_key = v.column1 AND u.minute >= v.column2 \
            GROUP BY v.column1, v.column2",
            values_list(asked.len(), 2, 1)
        );
        let rows: Vec<UsedSince> = on_tx!(&mut *tx, conn => {
            let query = sqlx::query_as(AssertSqlSafe(text));
            let bound = asked.iter().fold(query, |query, (place, minute)| query.bind(place).bind(*minute));
            bound.fetch_all(conn).await
        })?;
        all.extend(rows);
    }
    Ok(all)
}

fn removal(removed: &[(String, String, String)]) -> Bulk {
    let texts = removed
        .iter()
        .flat_map(|(place, which, owner)| [place, which, owner]);
    Bulk::new(
        "DELETE FROM limit_shares WHERE (place, which, owner) IN (VALUES ",
        ")",
        texts.map(|text| text.as_str().into()).collect(),
        removed.len(),
        3,
        0,
    )
    .however_many()
}

fn putting(rows: &[ShareRow]) -> Bulk {
    let columns = |row: &ShareRow| {
        let [place, which, owner] = [&row.place, &row.which, &row.owner].map(|text| text.as_str().into());
        let [held, wanted] = [row.held, row.wanted].map(Into::into);
        [
            place,
            which,
            owner,
            held,
            wanted,
            row.round.into(),
            row.valid_until.into(),
        ]
    };
    Bulk::new(
        "INSERT INTO limit_shares (place, which, owner, held, wanted, round, valid_until) VALUES ",
        " ON CONFLICT (place, which, owner) DO UPDATE SET held = excluded.held, wanted = excluded.wanted, \
         round = excluded.round, valid_until = excluded.valid_until",
        rows.iter().flat_map(columns).collect(),
        rows.len(),
        7,
        0,
    )
    .however_many()
}
