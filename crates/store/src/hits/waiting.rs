//! Hits that come in a crowd wait: many in one row, which costs a commit and no more. They are folded into the other tables in
//! large bites, which is several times cheaper than one by one: those of a recipient lie together, and a page is written once for
//! many.
//!
//! Rows as they came are sorted first, a quarter of a million hits at once, and written anew as rows of some hundred hits of neighbours.
//! Each of these is folded in a transaction of its own, which also deletes it: so every hit counts once, whatever ends when. The
//! transactions are short, because SQLite's one writer has the next crowd to keep.

mod erased;
mod folding;
mod packed;
mod sorting;

use super::deltas::hour_of;
use super::names::name_of;
use super::turns::{newest, take};
use super::{HitNames, HitTurn, NewHit};
use crate::engine::{Engine, Store, on_pool, on_tx};
use crate::error::StoreError;
pub(crate) use packed::WaitingHit;
use packed::{Counted, Packed};
use std::collections::HashMap;

pub(crate) use erased::{forget_waiting, waiting_of};

/// `stage` of a row: as the hits came.
const AS_THEY_CAME: i64 = 0;
/// In the order of their recipients.
const SORTED: i64 = 1;
/// Not to be read.
const UNREADABLE: i64 = 2;

impl Store {
    /// Keeps hits, to be judged and counted by [`fold_waiting_hits`](Store::fold_waiting_hits); durable when it returns. Ten thousand or
    /// so at most. Hits of nobody are judged now, and nothing is kept of them but the count. A turn that was taken before is done.
    pub async fn let_hits_wait(
        &self,
        turn: HitTurn,
        hits: &[NewHit],
        names: &mut HitNames<'_>,
    ) -> Result<(), StoreError> {
        turn.forget_others(self, hits).await?;
        let packed = pack(hits, names);
        let (n, octets) = (packed.n(), packed.write());
        if let Engine::Postgres(servers) = &self.engine {
            // One way to the server and back, and not four.
            const TAKE_AND_KEEP: &str = concat!(
                "WITH taken AS (",
                take!(),
                " RETURNING 1) INSERT INTO waiting_hits (n, stage, packed) SELECT $4, $5, $6 FROM taken"
            );
            let query = sqlx::query(TAKE_AND_KEEP)
                .bind(turn.writer)
                .bind(turn.number)
                .bind(newest(hits).0);
            let query = query.bind(n).bind(AS_THEY_CAME).bind(octets);
            query.execute(&servers.pool()).await?;
            return Ok(());
        }
        const KEEP: &str = "INSERT INTO waiting_hits (n, stage, packed) VALUES ($1, $2, $3)";
        let mut tx = self.begin_write().await?;
        if turn.take(&mut tx, hits).await? {
            on_tx!(&mut tx, conn => sqlx::query(KEEP).bind(n).bind(AS_THEY_CAME).bind(octets)
                .execute(conn).await.map(drop))?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// How many hits wait to be judged and counted, of all campaigns.
    pub async fn count_waiting_hits(&self) -> Result<i64, StoreError> {
        const COUNT: &str = "SELECT CAST(COALESCE(SUM(n), 0) AS BIGINT) FROM waiting_hits WHERE stage <> $1";
        Ok(on_pool!(self, pool => sqlx::query_scalar(COUNT).bind(UNREADABLE).fetch_one(pool).await)?)
    }
}

fn pack(hits: &[NewHit], names: &mut HitNames<'_>) -> Packed {
    let mut packed = Packed::default();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for hit in hits {
        let Some(recipient) = hit.recipient else {
            count(&mut packed.counted, judged_alone(hit, names));
            continue;
        };
        let name = name_of(&hit.agent);
        let agent = *places.entry(name).or_insert_with(|| {
            packed.agents.push(name.to_owned());
            packed.agents.len() - 1
        });
        packed.hits.push(WaitingHit {
            campaign: hit.campaign,
            recipient,
            at: hit.at,
            target: hit.target,
            agent,
            network: hit.network,
            signs: hit.signs(),
        });
    }
    packed
}

fn judged_alone(hit: &NewHit, names: &mut HitNames<'_>) -> Counted {
    let kept = names.kept(hit);
    Counted {
        campaign: hit.campaign,
        hour: hour_of(hit.at),
        target: hit.target,
        verdict: names.rules.judge(&[kept.evidence()])[0].verdict,
        n: 1,
    }
}

/// Adds to what is alike; there are few kinds.
fn count(counted: &mut Vec<Counted>, more: Counted) {
    let is_alike = |known: &&mut Counted| Counted { n: more.n, ..**known } == more;
    match counted.iter_mut().find(is_alike) {
        Some(known) => known.n += more.n,
        None => counted.push(more),
    }
}
