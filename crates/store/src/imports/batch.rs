//! What the database knows about the addresses of a batch, and writing what becomes of its rows.

use super::hashed::{Hashed, HashedSet};
use crate::bulk::{Bulk, Value};
use crate::counters::Deltas;
use crate::engine::{Store, Tx, on_pool, on_tx, values_list};
use crate::error::{StoreError, bad_row};
use crate::suppressions::{keys_with_known_hash, keys_with_known_hash_in};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use tidings_campaign::csv_import::{Change, Counts, Known, Outcome, Row, decide};
use tidings_campaign::ids::{ImportId, ListId};
use tidings_campaign::recipient::Subscription;
use tidings_campaign::time::Timestamp;

/// Rows of one statement: with five values each below SQLite's limit of 32,766 and PostgreSQL's of 65,535. A quarter as
/// many took 10 % more time, for the hops to SQLite's thread and back.
pub(super) const ROWS: usize = 2_000;

/// What the database knows about the addresses of a batch, by comparison key.
#[derive(Default)]
pub(super) struct Standing {
    pub(super) known: HashMap<String, Found>,
    pub(super) suppressed: HashSet<String>,
    /// Of the recipients, those that the import has seen although another import has put its mark on them since.
    seen: HashSet<i64>,
}

/// A recipient that has an address of the batch.
pub(super) struct Found {
    id: i64,
    /// The import that saw it last.
    mark: Option<i64>,
    updated_at: i64,
    pub(super) known: Known,
}

/// What a batch changes.
#[derive(Default)]
pub(super) struct Changes<'a> {
    created: Vec<(&'a Row, Hashed<'a>)>,
    updated: Vec<Update<'a>>,
    unchanged: Vec<i64>,
    /// Recipients whose mark of another import is overwritten.
    overwritten: Vec<(i64, i64)>,
}

impl<'a> Changes<'a> {
    /// The keys of those that are created.
    pub(super) fn created_keys(&self) -> impl Iterator<Item = Hashed<'a>> {
        self.created.iter().map(|(_, key)| *key)
    }
}

impl Changes<'_> {
    /// `now`, or later than any of the recipients was changed: whoever waited for another import has looked at the clock before
    /// that changed them, and an undo tells by these times which change came after which.
    fn after_all_others(&self, now: Timestamp) -> Timestamp {
        let last = self.updated.iter().map(|update| update.found.updated_at).max();
        Timestamp(last.map_or(now.0, |last| now.0.max(last.saturating_add(1))))
    }
}

struct Update<'a> {
    found: &'a Found,
    after: Known,
}

/// Decides about every row of a batch. A row that the import has seen in an earlier batch is known by its mark in the
/// database, so that memory stays flat.
pub(super) fn judge<'a>(
    rows: &'a [Row],
    keys: &[Hashed<'a>],
    standing: &'a Standing,
    import: ImportId,
) -> (Counts, Changes<'a>) {
    let mut counts = Counts::default();
    let mut changes = Changes::default();
    let mut in_batch = HashedSet::with_capacity_and_hasher(rows.len(), Default::default());
    for (row, &key) in rows.iter().zip(keys) {
        let found = standing.known.get(key.key);
        let suppressed = standing.suppressed.contains(key.key);
        let marked = |found: &Found| found.mark == Some(import.0) || standing.seen.contains(&found.id);
        let seen = !in_batch.insert(key) || found.is_some_and(marked);
        let outcome = decide(row, found.map(|found| &found.known), suppressed, seen);
        counts.count(&outcome);
        match (outcome, found) {
            (Outcome::Created, _) => changes.created.push((row, key)),
            (Outcome::Updated(after), Some(found)) => {
                changes
                    .overwritten
                    .extend(found.mark.map(|mark| (mark, found.id)));
                changes.updated.push(Update { found, after });
            }
            (Outcome::Unchanged, Some(found)) => {
                changes
                    .overwritten
                    .extend(found.mark.map(|mark| (mark, found.id)));
                changes.unchanged.push(found.id);
            }
            _ => {}
        }
    }
    // In one order with whoever changes many, so that no two wait for each other.
    changes.updated.sort_unstable_by_key(|update| update.found.id);
    changes.unchanged.sort_unstable();
    // In the order of the unique index: its pages are then touched one after the other.
    changes.created.sort_unstable_by_key(|(_, key)| key.key);
    (counts, changes)
}

/// Makes everybody else who makes recipients wait until this transaction ends: they take their ids by the same row.
/// Returns the id that the next recipient gets.
pub(crate) async fn lock_recipients(tx: &mut Tx) -> Result<i64, StoreError> {
    allocate(tx, 0).await
}

/// The same for whoever gives a recipient another address. It leaves a gap in the ids, by which a first import sees that it does
/// not know all addresses any more.
pub(crate) async fn lock_addresses(tx: &mut Tx) -> Result<(), StoreError> {
    allocate(tx, 1).await.map(drop)
}

async fn allocate(tx: &mut Tx, n: usize) -> Result<i64, StoreError> {
    const ALLOCATE: &str =
        "UPDATE sequences SET next = next + $1 WHERE name = 'recipients' RETURNING next - $1";
    let n = i64::try_from(n).expect("a batch fits into memory");
    Ok(on_tx!(tx, conn => sqlx::query_scalar(ALLOCATE).bind(n).fetch_one(conn).await)?)
}

type KnownRow = (i64, String, String, String, Option<i64>, i64, Option<String>);

/// A subquery and not a join: PostgreSQL would read the whole list for each statement (6,000 rows a second).
fn known_text(n: usize) -> String {
    format!(
        "SELECT r.id, r.address_key, r.name, r.attributes, r.import_id, r.updated_at, \
         (SELECT s.state FROM subscriptions s WHERE s.list_id = $1 AND s.recipient_id = r.id) \
         FROM recipients r WHERE r.address_key IN {}",
        values_list(1, n, 2)
    )
}

fn suppressed_text(n: usize) -> String {
    format!(
        "SELECT address_key FROM suppressions WHERE address_key IN {}",
        values_list(1, n, 1)
    )
}

const ANY_SUPPRESSED: &str = "SELECT EXISTS (SELECT 1 FROM suppressions)";

/// The same questions in a transaction and outside one.
macro_rules! ask_with {
    ($on:ident, $where:expr, $list:expr, $perhaps_known:expr, $keys:expr) => {{
        let mut standing = Standing::default();
        for chunk in $perhaps_known.chunks(ROWS) {
            let text = $where.bulk_text(known_text(chunk.len()));
            let rows: Vec<KnownRow> = $on!($where, conn => {
                let mut query = sqlx::query_as(text).bind($list.0);
                for key in chunk {
                    query = query.bind(*key);
                }
                query.fetch_all(conn).await
            })?;
            standing.learn(rows)?;
        }
        let any: bool = $on!($where, conn => sqlx::query_scalar(ANY_SUPPRESSED).fetch_one(conn).await)?;
        for chunk in if any { $keys } else { &[] }.chunks(ROWS) {
            let text = $where.bulk_text(suppressed_text(chunk.len()));
            let rows: Vec<String> = $on!($where, conn => {
                let mut query = sqlx::query_scalar(text);
                for key in chunk {
                    query = query.bind(key.as_ref());
                }
                query.fetch_all(conn).await
            })?;
            standing.suppressed.extend(rows);
        }
        Ok::<Standing, StoreError>(standing)
    }};
}

/// Keeps others from changing the recipients of these keys until the transaction ends, in the order of their ids: what they change
/// meanwhile would be overwritten by what is read now. Nobody else writes on SQLite.
async fn hold(tx: &mut Tx, keys: &[&str]) -> Result<(), StoreError> {
    const HOLD: &str = "SELECT COUNT(*) FROM \
        (SELECT 1 FROM recipients WHERE address_key = ANY($1) ORDER BY id FOR NO KEY UPDATE) AS held";
    if let (Tx::Postgres(tx), false) = (tx, keys.is_empty()) {
        sqlx::query(HOLD).bind(keys).execute(&mut **tx).await?;
    }
    Ok(())
}

/// `perhaps_known`: the keys without those of which it is certain that no recipient has them.
pub(super) async fn ask_in_tx(
    tx: &mut Tx,
    list: ListId,
    perhaps_known: &[&str],
    keys: &[Cow<'_, str>],
) -> Result<Standing, StoreError> {
    hold(tx, perhaps_known).await?;
    let mut standing: Standing = ask_with!(on_tx, tx, list, perhaps_known, keys)?;
    standing
        .suppressed
        .extend(keys_with_known_hash_in(tx, keys).await?);
    Ok(standing)
}

pub(super) async fn ask(store: &Store, list: ListId, keys: &[Cow<'_, str>]) -> Result<Standing, StoreError> {
    let all: Vec<&str> = keys.iter().map(AsRef::as_ref).collect();
    let mut standing: Standing = ask_with!(on_pool, store, list, all, keys)?;
    standing
        .suppressed
        .extend(keys_with_known_hash(store, keys).await?);
    Ok(standing)
}

impl Standing {
    fn learn(&mut self, rows: Vec<KnownRow>) -> Result<(), StoreError> {
        for (id, key, name, attributes, mark, updated_at, state) in rows {
            let subscription = match state {
                None => None,
                Some(word) => Some(
                    Subscription::parse(&word)
                        .ok_or_else(|| bad_row("subscriptions", id, format!("unknown state `{word}`")))?,
                ),
            };
            self.known.insert(
                key,
                Found {
                    id,
                    mark,
                    updated_at,
                    known: Known {
                        name,
                        attributes,
                        subscription,
                    },
                },
            );
        }
        Ok(())
    }
}

/// Finds which of the recipients this import has seen before another import put its mark on them.
pub(super) async fn recall_seen(
    tx: &mut Tx,
    import: ImportId,
    standing: &mut Standing,
) -> Result<(), StoreError> {
    const ANY: &str = "SELECT EXISTS (SELECT 1 FROM import_seen WHERE import_id = $1)";
    let any: bool = on_tx!(tx, conn => sqlx::query_scalar(ANY).bind(import.0).fetch_one(conn).await)?;
    if !any {
        return Ok(());
    }
    let ids: Vec<i64> = standing.known.values().map(|found| found.id).collect();
    for chunk in ids.chunks(ROWS) {
        let text = tx.bulk_text(format!(
            "SELECT recipient_id FROM import_seen WHERE import_id = $1 AND recipient_id IN {}",
            values_list(1, chunk.len(), 2)
        ));
        let seen: Vec<i64> = on_tx!(tx, conn => {
            let mut query = sqlx::query_scalar(text).bind(import.0);
            for id in chunk {
                query = query.bind(*id);
            }
            query.fetch_all(conn).await
        })?;
        standing.seen.extend(seen);
    }
    Ok(())
}

/// Keeps the marks that this import overwrites: imports that are not at their end must know their duplicates, and who takes
/// an import back must know which others have its recipients too.
async fn remember_seen(tx: &mut Tx, overwritten: &[(i64, i64)]) -> Result<(), StoreError> {
    for rows in overwritten.chunks(ROWS) {
        let values = rows
            .iter()
            .flat_map(|&(mark, id)| [mark.into(), id.into()])
            .collect();
        let insert = Bulk::new(
            "INSERT INTO import_seen (import_id, recipient_id) VALUES ",
            " ON CONFLICT (import_id, recipient_id) DO NOTHING",
            values,
            rows.len(),
            2,
            rows.len() as u64,
        );
        tx.run(insert).await?;
    }
    Ok(())
}

pub(super) async fn write_changes(
    tx: &mut Tx,
    (list, import): (ListId, ImportId),
    changes: &Changes<'_>,
    deltas: &mut Deltas,
    now: Timestamp,
) -> Result<(), StoreError> {
    remember_seen(tx, &changes.overwritten).await?;
    if !changes.created.is_empty() {
        create(tx, (list, import), &changes.created, now).await?;
        deltas.confirmed(list, changes.created.len() as i64);
    }
    let now = changes.after_all_others(now);
    for rows in changes.updated.chunks(ROWS) {
        update(tx, import, rows, now).await?;
        remember_changes(tx, import, rows, now).await?;
        let confirmed = confirm(tx, (list, import), rows, now).await?;
        deltas.confirmed(list, confirmed as i64);
    }
    for ids in changes.unchanged.chunks(ROWS) {
        let text = tx.bulk_text(format!(
            "UPDATE recipients SET import_id = $1 WHERE id IN {}",
            values_list(1, ids.len(), 2)
        ));
        on_tx!(tx, conn => {
            let mut query = sqlx::query(text).bind(import.0);
            for id in ids {
                query = query.bind(*id);
            }
            query.execute(conn).await.map(drop)
        })?;
    }
    Ok(())
}

/// Makes recipients, and their subscriptions. While the database works on one statement the next is made ready.
async fn create(
    tx: &mut Tx,
    (list, import): (ListId, ImportId),
    rows: &[(&Row, Hashed<'_>)],
    now: Timestamp,
) -> Result<(), StoreError> {
    let first = allocate(tx, rows.len()).await?;
    let ready = tx.readying();
    let mut chunks = (first..).step_by(ROWS).zip(rows.chunks(ROWS));
    let mut make_next = || {
        chunks
            .next()
            .map(|(first, rows)| ready(insert_recipients(import, first, rows, now)))
    };
    let (remembered, mut next) = tokio::join!(
        biased;
        remember_created(tx, import, first, rows.len()),
        async { make_next() }
    );
    remembered?;
    while let Some(insert) = next {
        let (inserted, following) = tokio::join!(biased; tx.run_ready(insert), async { make_next() });
        inserted?;
        next = following;
    }
    const SUBSCRIBE: &str = "INSERT INTO subscriptions (list_id, recipient_id, state, updated_at, import_id) \
        SELECT CAST($1 AS BIGINT), id, 'confirmed', CAST($2 AS BIGINT), CAST($3 AS BIGINT) FROM recipients \
        WHERE id BETWEEN $4 AND $5";
    let last = first + rows.len() as i64 - 1;
    on_tx!(tx, conn => sqlx::query(SUBSCRIBE).bind(list.0).bind(now.0).bind(import.0).bind(first).bind(last)
        .execute(conn).await.map(drop))?;
    Ok(())
}

/// With the ids from `first` on. A key that is the address is not sent a second time. The rows stand before what all of them
/// have, with CROSS: SQLite then takes them as they come, and does not put them into a table of its own first.
fn insert_recipients(import: ImportId, first: i64, rows: &[(&Row, Hashed<'_>)], now: Timestamp) -> Bulk {
    let mut values = Vec::with_capacity(5 * rows.len() + 2);
    for (id, (row, Hashed { key, .. })) in (first..).zip(rows) {
        let address = row.address.as_str();
        values.extend([
            id.into(),
            address.into(),
            if *key == address {
                Value::Text(None)
            } else {
                (*key).into()
            },
            row.name.as_deref().unwrap_or_default().into(),
            row.attributes.as_str().into(),
        ]);
    }
    values.extend([import.0.into(), now.0.into()]);
    Bulk::new(
        "INSERT INTO recipients (id, address, address_key, name, attributes, import_id, created_at, updated_at) \
         SELECT v.column1, v.column2, COALESCE(v.column3, v.column2), v.column4, v.column5, \
         c.column1, c.column2, c.column2 FROM (VALUES ",
        ") AS v CROSS JOIN (VALUES (?,?)) AS c",
        values,
        rows.len(),
        5,
        rows.len() as u64,
    )
}

async fn remember_created(tx: &mut Tx, import: ImportId, first: i64, n: usize) -> Result<(), StoreError> {
    const CREATED: &str = "INSERT INTO import_created (import_id, first_id, last_id) VALUES ($1, $2, $3)";
    let last = first + n as i64 - 1;
    on_tx!(tx, conn => sqlx::query(CREATED).bind(import.0).bind(first).bind(last)
        .execute(conn).await.map(drop))?;
    Ok(())
}

/// Keeps what is changed, so that it can be taken back.
async fn remember_changes(
    tx: &mut Tx,
    import: ImportId,
    rows: &[Update<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut values: Vec<Value> = Vec::with_capacity(5 * rows.len());
    for Update { found, after } in rows {
        let change = Change::between(&found.known, after);
        let change = serde_json::to_string(&change).expect("a change can always be written as JSON");
        values.extend([
            import.0.into(),
            found.id.into(),
            change.as_str().into(),
            found.updated_at.into(),
            now.0.into(),
        ]);
    }
    let insert = Bulk::new(
        "INSERT INTO import_changes (import_id, recipient_id, change, updated_before, updated_after) VALUES ",
        "",
        values,
        rows.len(),
        5,
        rows.len() as u64,
    );
    tx.run(insert).await.map(drop)
}

async fn update(
    tx: &mut Tx,
    import: ImportId,
    rows: &[Update<'_>],
    now: Timestamp,
) -> Result<(), StoreError> {
    let text = tx.bulk_text(format!(
        "UPDATE recipients SET name = v.column2, attributes = v.column3, import_id = $1, updated_at = $2 \
         FROM (VALUES {}) AS v WHERE recipients.id = v.column1",
        values_list(rows.len(), 3, 3)
    ));
    on_tx!(tx, conn => {
        let mut query = sqlx::query(text).bind(import.0).bind(now.0);
        for Update { found, after } in rows {
            query = query.bind(found.id).bind(after.name.as_str()).bind(after.attributes.as_str());
        }
        query.execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// Subscribes recipients that are not on the list or have not confirmed; who has left stays away. Returns how many came to be
/// confirmed.
async fn confirm(
    tx: &mut Tx,
    (list, import): (ListId, ImportId),
    rows: &[Update<'_>],
    now: Timestamp,
) -> Result<u64, StoreError> {
    // WHERE TRUE tells SQLite that ON belongs to the insert and not to the join.
    let text = tx.bulk_text(format!(
        "INSERT INTO subscriptions (list_id, recipient_id, state, updated_at, import_id) \
         SELECT c.column1, v.column1, 'confirmed', c.column2, c.column3 \
         FROM (VALUES ($1,$2,$3)) AS c, (VALUES {}) AS v WHERE TRUE \
         ON CONFLICT (list_id, recipient_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at, \
         import_id = excluded.import_id WHERE subscriptions.state = 'pending'",
        values_list(rows.len(), 1, 4)
    ));
    Ok(on_tx!(tx, conn => {
        let mut query = sqlx::query(text).bind(list.0).bind(now.0).bind(import.0);
        for Update { found, .. } in rows {
            query = query.bind(found.id);
        }
        query.execute(conn).await.map(|done| done.rows_affected())
    })?)
}
