//! Dropping whole parts of the ledger on PostgreSQL.

use super::{WAITS_FOR_ITS_PART, counted, over_at, stays};
use crate::engine::{Engine, Store};
use crate::error::StoreError;
use crate::parts::{LOCK, Part, Parts, TABLES};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tidings_campaign::ids::CampaignId;
use tidings_campaign::time::Timestamp;

/// A part that is taken off waits for whoever still reads it, and is left for the next time after so long.
const WAITING: &str = "SET lock_timeout = '10s'";

/// Tables that are or were parts of `$1`: name, the first campaign, whether it still is one, whether taking it off was begun.
const PARTS: &str = "SELECT p.relname, substring(p.relname FROM '[0-9]+$')::bigint, i.inhrelid IS NOT NULL, \
    COALESCE(i.inhdetachpending, FALSE) FROM pg_class p \
    LEFT JOIN pg_inherits i ON i.inhrelid = p.oid AND i.inhparent = to_regclass($1) \
    WHERE p.relkind = 'r' AND p.relnamespace = current_schema()::regnamespace \
    AND p.relname ~ ('^' || $1 || '_from_[0-9]+$') ORDER BY 2";

type PartRow = (String, i64, bool, bool);

/// Whether nothing of a range of campaigns is needed any more: all of them are over, those that had deliveries are marked, and
/// no campaign will be made there.
const IS_OVER: &str = "SELECT EXISTS (SELECT FROM campaigns WHERE id >= $2) AND EXISTS \
    (SELECT FROM campaigns WHERE id >= $1 AND id < $2 AND deliveries_removed_at IS NOT NULL) AND NOT EXISTS \
    (SELECT FROM campaigns WHERE id >= $1 AND id < $2 AND (state NOT IN ('finished', 'cancelled') \
        OR (planned > 0 AND deliveries_removed_at IS NULL)))";

impl Store {
    /// Drops the parts of the ledger of which every campaign is marked. Senders and readers do not wait for it. Returns the names
    /// of the tables. Nothing on SQLite, or while another process is at it.
    ///
    /// # Errors
    /// The first failure, when all parts have been tried: who reads one for hours does not keep the others.
    pub async fn drop_removed_parts(&self) -> Result<Vec<String>, StoreError> {
        let Engine::Postgres(servers) = &self.engine else {
            return Ok(Vec::new());
        };
        // A connection of its own: its lock ends with it, whatever happens.
        let mut connection = servers.pool().acquire().await?.detach();
        let is_ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut connection)
            .await?;
        let (mut dropped, mut failed) = (Vec::new(), None);
        if is_ours {
            sqlx::query(WAITING).execute(&mut connection).await?;
            for table in TABLES {
                for part in removable(&mut connection, self.parts, table).await? {
                    match drop_part(&mut connection, table, &part).await {
                        Ok(()) => {
                            tracing::info!(
                                "the table {} is dropped: all of its campaigns are older than deliveries are kept",
                                part.0
                            );
                            dropped.push(part.0);
                        }
                        Err(error) => drop(failed.get_or_insert(error)),
                    }
                }
            }
        }
        connection.close().await?;
        failed.map_or(Ok(dropped), Err)
    }

    /// Whether nothing of a part is needed any more, so that it goes at once, now or when nobody reads it any more.
    pub(super) async fn part_is_over(&self, part: Part) -> Result<bool, StoreError> {
        let (Engine::Postgres(servers), Some((first, end))) = (&self.engine, part.range(self.parts)) else {
            return Ok(false);
        };
        let is_over = sqlx::query_scalar(IS_OVER)
            .bind(first)
            .bind(end)
            .fetch_one(&servers.pool())
            .await?;
        Ok(is_over)
    }

    /// Whether the deliveries of a part had better wait, because all of it can go at once soon.
    pub(super) async fn part_waits(&self, part: Part, before: Timestamp) -> Result<bool, StoreError> {
        let Engine::Postgres(servers) = &self.engine else {
            return Ok(false);
        };
        let pool = &servers.pool();
        let Some((first, end)) = part.range(self.parts) else {
            return Ok(false);
        };
        // Those that keep the part from going at the end of the time, and those that are not old enough now.
        const OTHERS: &str = concat!(
            "SELECT COUNT(*) FILTER (WHERE over_at IS NULL OR over_at >= $4 OR stays IS NOT NULL), \
             COUNT(*) FILTER (WHERE over_at >= $3) FROM (SELECT ",
            over_at!(),
            " AS over_at, ",
            stays!(),
            " AS stays FROM campaigns c WHERE c.id >= $1 AND c.id < $2 AND c.deliveries_removed_at IS NULL \
             AND NOT (c.planned = 0 AND c.state IN ('finished', 'cancelled'))) AS o"
        );
        const IS_FULL: &str = "SELECT EXISTS (SELECT FROM campaigns WHERE id >= $1)";
        let is_full: bool = sqlx::query_scalar(IS_FULL).bind(end).fetch_one(pool).await?;
        if !is_full {
            return Ok(false);
        }
        let (hindering, young): (i64, i64) = sqlx::query_as(OTHERS)
            .bind(first)
            .bind(end)
            .bind(before.0)
            .bind(before.plus(WAITS_FOR_ITS_PART).0)
            .fetch_one(pool)
            .await?;
        Ok(hindering == 0 && young > 0)
    }
}

async fn removable(
    connection: &mut PgConnection,
    parts: Parts,
    table: &str,
) -> Result<Vec<PartRow>, StoreError> {
    let found: Vec<PartRow> = sqlx::query_as(PARTS)
        .bind(table)
        .fetch_all(&mut *connection)
        .await?;
    let mut removable = Vec::new();
    for part in found {
        let Some((first, end)) = parts.of(CampaignId(part.1)).range(parts) else {
            continue;
        };
        let is_over: bool = sqlx::query_scalar(IS_OVER)
            .bind(first)
            .bind(end)
            .fetch_one(&mut *connection)
            .await?;
        if is_over {
            removable.push(part);
        }
    }
    Ok(removable)
}

/// Takes a part off and drops it; what an earlier try has begun is brought to its end.
async fn drop_part(
    connection: &mut PgConnection,
    table: &str,
    (part, _, is_part, is_begun): &PartRow,
) -> Result<(), StoreError> {
    let off = match (is_part, is_begun) {
        (false, _) => None,
        (true, false) => Some(format!(
            "ALTER TABLE {table} DETACH PARTITION {part} CONCURRENTLY"
        )),
        (true, true) => Some(format!("ALTER TABLE {table} DETACH PARTITION {part} FINALIZE")),
    };
    for text in off.into_iter().chain([format!("DROP TABLE {part}")]) {
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
