//! Judging and counting what waited.

use super::SORTED;
use super::packed::Packed;
use super::sorting::{only, write};
use crate::engine::{Store, Tx, on_tx};
use crate::error::StoreError;
use crate::hits::deltas::HitDeltas;
use crate::hits::{HitNames, Kept, Key, TRIES, judge_and_write, seconds};
use sqlx::AssertSqlSafe;
use std::collections::BTreeMap;
use std::time::Duration;

/// A sorted row.
struct Bite {
    id: i64,
    n: i64,
    packed: Packed,
}

impl Store {
    /// Judges and counts some of the hits that wait, in one transaction of a few milliseconds, and returns how many; 0 if none wait that
    /// nobody else is folding. `names` and `keep`: as of [`record_hits`](Store::record_hits). Any number of processes may do so at once.
    ///
    /// # Errors
    /// If the database fails. A hit that it refuses is named in the log and dropped, and takes no other with it.
    pub async fn fold_waiting_hits(
        &self,
        names: &mut HitNames<'_>,
        keep: Duration,
    ) -> Result<i64, StoreError> {
        names.learn_rules(self).await?;
        let keep = seconds(keep);
        for tries in 0..TRIES {
            match self.try_fold(names, (keep, tries > 0)).await {
                Ok(Some(0)) if self.sort_waiting_hits().await? => {}
                Ok(Some(n)) => return Ok(n),
                Ok(None) => {}
                Err(error) if error.is_deadlock() => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Contended)
    }

    /// Folds a sorted row: how many hits, 0 if there is none. Nothing if somebody else wrote the same rows meanwhile.
    async fn try_fold(&self, names: &mut HitNames<'_>, how: (i64, bool)) -> Result<Option<i64>, StoreError> {
        let mut tx = self.begin_write().await?;
        let Some((id, n, octets)) = first_sorted(&mut tx).await? else {
            return Ok(Some(0));
        };
        let Some(packed) = Packed::read(&octets) else {
            drop(tx);
            self.leave_unreadable(id).await?;
            return Ok(None);
        };
        let bite = Bite { id, n, packed };
        match self.fold(&mut tx, &bite, names, how).await {
            Ok(true) => {
                tx.commit().await?;
                names.committed();
                Ok(Some(n))
            }
            Ok(false) => Ok(None),
            Err(error) if is_passing(&error) => Err(error),
            Err(error) => {
                drop(tx);
                self.divide(bite, &error).await?;
                Ok(None)
            }
        }
    }

    async fn fold(
        &self,
        tx: &mut Tx,
        bite: &Bite,
        names: &mut HitNames<'_>,
        how: (i64, bool),
    ) -> Result<bool, StoreError> {
        names.learn_in(tx, &bite.packed.agents).await?;
        let mut deltas = HitDeltas::default();
        for counted in &bite.packed.counted {
            deltas.counted(
                counted.campaign,
                counted.hour,
                counted.target,
                counted.verdict,
                counted.n,
            );
        }
        let hits = by_recipient(&bite.packed, names);
        if !judge_and_write(tx, hits, names, &mut deltas, how).await? {
            return Ok(false);
        }
        deltas.write(tx, self.node()).await?;
        delete(tx, bite).await
    }

    /// Makes two rows of one that the database refuses, so that the one hit that it does not take is found and takes no other with it.
    async fn divide(&self, bite: Bite, error: &StoreError) -> Result<(), StoreError> {
        let packed = &bite.packed;
        let parts = match &packed.hits[..] {
            hits if !packed.counted.is_empty() && !hits.is_empty() => {
                let counted = Packed {
                    counted: packed.counted.clone(),
                    ..Packed::default()
                };
                vec![counted, only(&packed.agents, hits)]
            }
            hits if hits.len() > 1 => {
                let (first, rest) = hits.split_at(hits.len() / 2);
                [first, rest].map(|hits| only(&packed.agents, hits)).into()
            }
            hits => {
                let campaign = hits.first().map(|hit| hit.campaign);
                let campaign = campaign.or(packed.counted.first().map(|counted| counted.campaign));
                let campaign = campaign.map_or(0, |campaign| campaign.0);
                tracing::error!(campaign.id = campaign, "a hit was not recorded: {error}");
                Vec::new()
            }
        };
        let mut tx = self.begin_write().await?;
        if delete(&mut tx, &bite).await? {
            write(&mut tx, &parts).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Deletes a row; false if it is not there as it was.
async fn delete(tx: &mut Tx, bite: &Bite) -> Result<bool, StoreError> {
    const DELETE: &str = "DELETE FROM waiting_hits WHERE id = $1 AND n = $2";
    let deleted = on_tx!(tx, conn => sqlx::query(DELETE).bind(bite.id).bind(bite.n).execute(conn).await
        .map(|done| done.rows_affected()))?;
    Ok(deleted == 1)
}

/// Whether it may go well another time.
fn is_passing(error: &StoreError) -> bool {
    error.is_transient() || error.is_deadlock() || matches!(error, StoreError::DiskFull)
}

/// The first sorted row that nobody else is folding.
async fn first_sorted(tx: &mut Tx) -> Result<Option<(i64, i64, Vec<u8>)>, StoreError> {
    const FIRST: &str = "SELECT id, n, packed FROM waiting_hits WHERE stage = $1 ORDER BY id LIMIT 1";
    let text = AssertSqlSafe(format!("{FIRST}{}", tx.skip_locked()));
    Ok(on_tx!(tx, conn => sqlx::query_as(text).bind(SORTED).fetch_optional(conn).await)?)
}

fn by_recipient(packed: &Packed, names: &mut HitNames<'_>) -> BTreeMap<Key, Vec<Kept>> {
    let agents: Vec<_> = packed
        .agents
        .iter()
        .map(|name| names.agent_with_id(name))
        .collect();
    let mut hits: BTreeMap<Key, Vec<Kept>> = BTreeMap::new();
    for hit in &packed.hits {
        let (agent_id, agent) = &agents[hit.agent];
        hits.entry((hit.campaign, hit.recipient)).or_default().push(Kept {
            at: hit.at,
            target: hit.target,
            delay: None,
            agent_id: *agent_id,
            agent: agent.clone(),
            network: hit.network,
            signs: hit.signs,
            judged: None,
        });
    }
    hits
}
