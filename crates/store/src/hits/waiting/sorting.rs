//! Rows as they came become rows of neighbours.

use super::packed::{Packed, WaitingHit};
use super::{AS_THEY_CAME, SORTED, UNREADABLE, count};
use crate::bulk::{Bulk, Value, pieces};
use crate::engine::{Store, Tx, on_pool, on_write_pool};
use crate::error::StoreError;
use std::collections::HashMap;

/// Hits that are sorted at once: some dozen megabytes of memory.
const RUN: i64 = 250_000;
/// Rows of hits that are looked at for it.
const ROWS: i64 = 2_000;
/// Hits of one sorted row, more or less: those of one recipient stay together. A transaction of so many takes some milliseconds, and
/// whoever wants to write meanwhile waits for it.
const BITE: usize = 1_000;

/// A row: its id, how many hits it says it has, and those.
struct Read {
    id: i64,
    n: i64,
    packed: Packed,
}

impl Store {
    /// Sorts the oldest of the rows as they came. False if there are none, or somebody else took some of them meanwhile.
    pub(super) async fn sort_waiting_hits(&self) -> Result<bool, StoreError> {
        let rows = self.oldest_as_they_came().await?;
        if rows.is_empty() {
            return Ok(false);
        }
        let taken: Vec<[i64; 2]> = rows.iter().map(|row| [row.id, row.n]).collect();
        let sorted = sorted(rows.into_iter().map(|row| row.packed));
        let mut tx = self.begin_write().await?;
        if !delete(&mut tx, &taken).await? {
            return Ok(false);
        }
        write(&mut tx, &sorted).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn oldest_as_they_came(&self) -> Result<Vec<Read>, StoreError> {
        const OLDEST: &str = "SELECT id, n FROM waiting_hits WHERE stage = $1 ORDER BY id LIMIT $2";
        const READ: &str =
            "SELECT id, n, packed FROM waiting_hits WHERE stage = $1 AND id >= $2 AND id <= $3 ORDER BY id";
        let oldest: Vec<(i64, i64)> = on_pool!(self, pool => sqlx::query_as(OLDEST)
            .bind(AS_THEY_CAME).bind(ROWS).fetch_all(pool).await)?;
        let mut n = 0;
        let within = oldest.iter().take_while(|(_, more)| {
            let is_within = n < RUN;
            n += more;
            is_within
        });
        let (Some((first, _)), Some((last, _))) = (oldest.first(), within.last()) else {
            return Ok(Vec::new());
        };
        let rows: Vec<(i64, i64, Vec<u8>)> = on_pool!(self, pool => sqlx::query_as(READ)
            .bind(AS_THEY_CAME).bind(first).bind(last).fetch_all(pool).await)?;
        let mut read = Vec::with_capacity(rows.len());
        for (id, n, octets) in rows {
            match Packed::read(&octets) {
                Some(packed) => read.push(Read { id, n, packed }),
                None => self.leave_unreadable(id).await?,
            }
        }
        Ok(read)
    }

    /// Lays a row aside that no version of this program has written so.
    pub(super) async fn leave_unreadable(&self, id: i64) -> Result<(), StoreError> {
        const LEAVE: &str = "UPDATE waiting_hits SET stage = $1 WHERE id = $2";
        tracing::error!(
            "table waiting_hits, row {id}: cannot be read, and is left there; its hits are not counted"
        );
        on_write_pool!(self, pool => sqlx::query(LEAVE).bind(UNREADABLE).bind(id).execute(pool).await.map(drop))?;
        Ok(())
    }
}

/// Deletes these rows, which are in the order of their ids, with how many hits they had. False if one is not there, or has fewer by now.
async fn delete(tx: &mut Tx, rows: &[[i64; 2]]) -> Result<bool, StoreError> {
    // The range is for SQLite, which would go through the table.
    const DELETE: &str = "DELETE FROM waiting_hits WHERE id >= ? AND id <= ? AND (id, n) IN (VALUES ";
    let mut deleted = 0;
    for rows in pieces(rows) {
        let range = rows
            .first()
            .zip(rows.last())
            .map(|(first, last)| [first[0], last[0]]);
        let values = range.iter().chain(rows).flatten().map(|n| Value::from(*n));
        let statement = Bulk::new(DELETE, ")", values.collect(), rows.len(), 2, 0);
        deleted += tx.run(statement.however_many()).await?;
    }
    Ok(deleted == rows.len() as u64)
}

/// Writes sorted rows.
pub(super) async fn write(tx: &mut Tx, rows: &[Packed]) -> Result<(), StoreError> {
    const WRITE: &str = "INSERT INTO waiting_hits (n, stage, packed) VALUES ";
    for rows in pieces(rows) {
        let values = rows
            .iter()
            .flat_map(|packed| [packed.n().into(), SORTED.into(), Value::Octets(packed.write())]);
        let statement = Bulk::new(WRITE, "", values.collect(), rows.len(), 3, rows.len() as u64);
        tx.run(statement).await?;
    }
    Ok(())
}

/// The same hits, cut into rows of neighbours.
fn sorted(rows: impl Iterator<Item = Packed>) -> Vec<Packed> {
    let mut all = Packed::default();
    let mut places: HashMap<String, usize> = HashMap::new();
    for row in rows {
        let agents = row.agents.into_iter().map(|name| {
            *places.entry(name).or_insert_with_key(|name| {
                all.agents.push(name.clone());
                all.agents.len() - 1
            })
        });
        let agents: Vec<usize> = agents.collect();
        row.counted
            .into_iter()
            .for_each(|counted| count(&mut all.counted, counted));
        all.hits.extend(row.hits.into_iter().map(|hit| WaitingHit {
            agent: agents[hit.agent],
            ..hit
        }));
    }
    all.hits
        .sort_unstable_by_key(|hit| (hit.campaign, hit.recipient, hit.at));
    let Packed {
        agents,
        counted,
        hits,
    } = all;
    let mut cut = vec![Packed {
        counted,
        ..Packed::default()
    }];
    let mut rest = &hits[..];
    while !rest.is_empty() {
        let (bite, after) = rest.split_at(end_of_bite(rest));
        rest = after;
        let packed = only(&agents, bite);
        match cut.first_mut() {
            // What is only counted goes with the first.
            Some(first) if first.hits.is_empty() => (first.agents, first.hits) = (packed.agents, packed.hits),
            _ => cut.push(packed),
        }
    }
    cut
}

/// Where a bite ends: behind all hits of a recipient.
fn end_of_bite(hits: &[WaitingHit]) -> usize {
    let key = |hit: &WaitingHit| (hit.campaign, hit.recipient);
    let Some(last) = hits.get(BITE - 1) else {
        return hits.len();
    };
    let more = hits[BITE..].iter().take_while(|hit| key(hit) == key(last));
    BITE + more.count()
}

/// These hits with the programs that they need, and no others.
pub(super) fn only(agents: &[String], hits: &[WaitingHit]) -> Packed {
    let mut packed = Packed::default();
    let mut places: HashMap<usize, usize> = HashMap::new();
    for hit in hits {
        let agent = *places.entry(hit.agent).or_insert_with(|| {
            packed.agents.push(agents[hit.agent].clone());
            packed.agents.len() - 1
        });
        packed.hits.push(WaitingHit { agent, ..*hit });
    }
    packed
}
