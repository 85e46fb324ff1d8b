//! What waits of one person: for the person, and to be taken out.

use super::UNREADABLE;
use super::packed::{Packed, WaitingHit};
use super::sorting::only;
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::StoreError;
use tidings_campaign::ids::RecipientId;

/// Rows that are read at once.
const PAGE: i64 = 100;

/// A row: its id and its octets.
type Row = (i64, Vec<u8>);

const NEXT: &str = "SELECT id, packed FROM waiting_hits WHERE id > $1 AND stage <> $2 ORDER BY id LIMIT $3";

/// Takes out what waits of a recipient. From then on nobody else folds, sorts or adds until the transaction ends, so it must come before
/// whatever a fold has locked.
pub(crate) async fn forget_waiting(tx: &mut Tx, recipient: RecipientId) -> Result<(), StoreError> {
    const CHANGE: &str = "UPDATE waiting_hits SET n = $1, packed = $2 WHERE id = $3";
    if let Tx::Postgres(tx) = &mut *tx {
        sqlx::query("LOCK TABLE waiting_hits IN EXCLUSIVE MODE")
            .execute(&mut **tx)
            .await?;
    }
    let mut after = 0;
    loop {
        let rows: Vec<Row> = on_tx!(&mut *tx, conn => sqlx::query_as(NEXT).bind(after).bind(UNREADABLE).bind(PAGE)
            .fetch_all(conn).await)?;
        let Some((last, _)) = rows.last() else {
            return Ok(());
        };
        after = *last;
        for (id, octets) in rows {
            let Some(packed) = without(&octets, recipient) else {
                continue;
            };
            let (n, octets) = (packed.n(), packed.write());
            on_tx!(&mut *tx, conn => sqlx::query(CHANGE).bind(n).bind(octets).bind(id).execute(conn).await.map(drop))?;
        }
    }
}

/// The row without this recipient's hits; nothing if it has none.
fn without(octets: &[u8], recipient: RecipientId) -> Option<Packed> {
    let packed = Packed::read(octets)?;
    let is_others = |hit: &&WaitingHit| hit.recipient != recipient;
    let others: Vec<WaitingHit> = packed.hits.iter().filter(is_others).copied().collect();
    if others.len() == packed.hits.len() {
        return None;
    }
    Some(Packed {
        counted: packed.counted,
        ..only(&packed.agents, &others)
    })
}

/// What waits of a recipient, with what the programs call themselves, in the order of time; `most` at most.
pub(crate) async fn waiting_of(
    store: &Store,
    recipient: RecipientId,
    most: usize,
) -> Result<Vec<(WaitingHit, String)>, StoreError> {
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let rows: Vec<Row> = on_pool!(store, pool => sqlx::query_as(NEXT).bind(after).bind(UNREADABLE).bind(PAGE)
            .fetch_all(pool).await)?;
        let Some((last, _)) = rows.last() else {
            break;
        };
        after = *last;
        for packed in rows.iter().filter_map(|(_, octets)| Packed::read(octets)) {
            let own = packed.hits.iter().filter(|hit| hit.recipient == recipient);
            found.extend(own.map(|hit| (*hit, packed.agents[hit.agent].clone())));
        }
    }
    found.sort_by_key(|(hit, _)| hit.at);
    found.truncate(most);
    Ok(found)
}
