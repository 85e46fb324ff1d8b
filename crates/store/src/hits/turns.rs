//! A commit may be done although nobody heard of it: then the same hits are brought once more. By the number of the turn they are known,
//! and count once.

use super::NewHit;
use crate::engine::{Store, Tx, on_tx, on_write_pool};
use crate::error::StoreError;
use std::time::Duration;
use tidings_campaign::time::Timestamp;

/// Whoever has been cut off for longer and then tries again may count a turn twice.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// What a statement takes a turn with: `$1` is the writer, `$2` the number, `$3` when the newest of the hits came.
macro_rules! take {
    () => {
        "INSERT INTO hit_writers (writer, turn, at) VALUES ($1, $2, $3) \
         ON CONFLICT (writer) DO UPDATE SET turn = excluded.turn, at = excluded.at WHERE hit_writers.turn < excluded.turn"
    };
}
pub(super) use take;

/// The turns of one who keeps hits, one after the other.
#[derive(Debug)]
pub struct HitTurns(HitTurn);

/// One transaction that keeps hits. Tried again, because its outcome is not known, it is the same turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitTurn {
    pub(super) writer: i64,
    pub(super) number: i64,
}

impl HitTurns {
    /// `writer` is a number by chance: no two processes may have the same.
    pub fn of(writer: u64) -> HitTurns {
        HitTurns(HitTurn {
            writer: writer.cast_signed(),
            number: 0,
        })
    }

    /// The next, which is not to be taken before the outcome of the one before is known.
    pub fn next_turn(&mut self) -> HitTurn {
        self.0.number += 1;
        self.0
    }
}

impl HitTurn {
    /// False if it was taken before, so that nothing is left to do.
    pub(super) async fn take(self, tx: &mut Tx, hits: &[NewHit]) -> Result<bool, StoreError> {
        let taken = on_tx!(tx, conn => sqlx::query(take!()).bind(self.writer).bind(self.number).bind(newest(hits).0)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        Ok(taken == 1)
    }

    /// Forgets, at the first turn, who has not kept anything for a day.
    pub(super) async fn forget_others(self, store: &Store, hits: &[NewHit]) -> Result<(), StoreError> {
        const FORGET: &str = "DELETE FROM hit_writers WHERE at < $1";
        if self.number == 1 {
            let before = newest(hits).minus(REMEMBERED);
            on_write_pool!(store, pool => sqlx::query(FORGET).bind(before.0).execute(pool).await.map(drop))?;
        }
        Ok(())
    }
}

pub(super) fn newest(hits: &[NewHit]) -> Timestamp {
    hits.iter().map(|hit| hit.at).max().unwrap_or(Timestamp(0))
}
