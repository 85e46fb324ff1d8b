//! Imports: rows of a file become recipients and subscriptions, batch by batch.

use crate::bulk::Bulk;
use crate::engine::{CHECKPOINT_PAGES, Store, Tx, on_pool, on_tx, values_list};
use crate::error::{StoreError, bad_row};
use crate::lists;
use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use tidings_campaign::csv_import::{Counts, Known, Outcome, Row, decide};
use tidings_campaign::ids::{ImportId, ListId};
use tidings_campaign::recipient::Subscription;
use tidings_campaign::time::Timestamp;

/// Rows of one statement: with five values each below SQLite's limit of 32,766 and PostgreSQL's of 65,535. A quarter as
/// many took 10 % more time, for the hops to SQLite's thread and back.
const ROWS: usize = 2_000;

/// Pages of SQLite's write-ahead log before they are moved into the database. Each batch touches pages all over the
/// unique index; moved rarely, a page moves once for many batches (1,000,000 rows: 15 s instead of 20 s).
const IMPORT_CHECKPOINT: u32 = 16_000;

/// One run of an import into a list. Each batch commits by itself, so that a long import keeps no other writer
/// waiting for long.
#[derive(Debug)]
pub struct Import {
    store: Store,
    list: String,
    files: String,
    /// Made with the first batch, in its transaction.
    place: Option<(ListId, ImportId)>,
}

/// A run that only counts. Addresses it has seen are kept as 64-bit hashes: 16 octets or so for each.
#[derive(Debug)]
pub struct DryRun {
    store: Store,
    list: Option<ListId>,
    seen: HashSet<u64>,
}

/// What the database knows about the addresses of a batch, by comparison key.
#[derive(Default)]
struct Standing {
    known: HashMap<String, (i64, Option<i64>, Known)>,
    suppressed: HashSet<String>,
}

/// What a batch changes.
#[derive(Default)]
struct Changes<'a> {
    created: Vec<(&'a Row, &'a str)>,
    updated: Vec<(i64, Known)>,
    unchanged: Vec<i64>,
}

impl Import {
    /// An import into the list of this name. Nothing is written before the first batch. `files` is for the record.
    pub fn new(store: &Store, list: &str, files: &str) -> Self {
        Import {
            store: store.clone(),
            list: list.to_owned(),
            files: files.to_owned(),
            place: None,
        }
    }

    /// The import's identity, from the first batch on.
    pub fn id(&self) -> Option<ImportId> {
        self.place.map(|(_, import)| import)
    }

    /// Writes a batch in one transaction and counts what became of its rows.
    pub async fn write(&mut self, rows: &[Row], now: Timestamp) -> Result<Counts, StoreError> {
        let keys: Vec<String> = rows.iter().map(|row| row.address.key()).collect();
        let mut tx = self.store.begin_write().await?;
        let place = match self.place {
            Some(place) => place,
            None => {
                tx.checkpoint_every(IMPORT_CHECKPOINT).await?;
                open(&mut tx, &self.list, &self.files, now).await?
            }
        };
        // Whoever makes recipients takes their ids in the same transaction. Taking none locks the sequence, so
        // that nobody else makes one of these between the question and the answer.
        allocate(&mut tx, 0).await?;
        let standing = ask_in_tx(&mut tx, place.0, &keys).await?;
        let (counts, changes) = judge(rows, &keys, &standing, place.1);
        write_changes(&mut tx, place, &changes, now).await?;
        tx.commit().await?;
        self.place = Some(place);
        Ok(counts)
    }

    /// Records that the import has come to its end, and its counts.
    pub async fn finish(&mut self, counts: &Counts, now: Timestamp) -> Result<ImportId, StoreError> {
        const FINISH: &str = "UPDATE imports SET finished_at = $1, counts = $2 WHERE id = $3";
        if self.place.is_none() {
            self.write(&[], now).await?;
        }
        let (_, import) = self.place.expect("the first batch has made the import");
        let counts = serde_json::to_string(counts).expect("numbers can always be written as JSON");
        let mut tx = self.store.begin_write().await?;
        tx.checkpoint_every(CHECKPOINT_PAGES).await?;
        on_tx!(&mut tx, conn => sqlx::query(FINISH).bind(now.0).bind(counts).bind(import.0)
            .execute(conn).await.map(drop))?;
        tx.commit().await?;
        Ok(import)
    }
}

impl DryRun {
    /// Counts what an import into the list of this name would do.
    pub async fn new(store: &Store, list: &str) -> Result<Self, StoreError> {
        let list = store.find_list(list).await?;
        Ok(DryRun {
            store: store.clone(),
            list,
            seen: HashSet::new(),
        })
    }

    /// Counts what would become of these rows. Only reads.
    pub async fn count(&mut self, rows: &[Row]) -> Result<Counts, StoreError> {
        let keys: Vec<String> = rows.iter().map(|row| row.address.key()).collect();
        // No list has the id 0, so nobody is on a list that does not exist yet.
        let standing = ask(&self.store, self.list.unwrap_or(ListId(0)), &keys).await?;
        let mut counts = Counts::default();
        for (row, key) in rows.iter().zip(&keys) {
            let suppressed = standing.suppressed.contains(key);
            let seen = !suppressed && !self.seen.insert(hash(key));
            let known = standing.known.get(key).map(|(_, _, known)| known);
            counts.count(&decide(row, known, suppressed, seen));
        }
        Ok(counts)
    }
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// Decides about every row of a batch. A row that the import has seen in an earlier batch is known by its mark in the
/// database, so that memory stays flat.
fn judge<'a>(
    rows: &'a [Row],
    keys: &'a [String],
    standing: &Standing,
    import: ImportId,
) -> (Counts, Changes<'a>) {
    let mut counts = Counts::default();
    let mut changes = Changes::default();
    let mut in_batch: HashSet<&str> = HashSet::with_capacity(rows.len());
    for (row, key) in rows.iter().zip(keys) {
        let found = standing.known.get(key);
        let suppressed = standing.suppressed.contains(key);
        let seen = !in_batch.insert(key) || found.is_some_and(|(_, mark, _)| *mark == Some(import.0));
        let outcome = decide(row, found.map(|(_, _, known)| known), suppressed, seen);
        counts.count(&outcome);
        match (outcome, found) {
            (Outcome::Created, _) => changes.created.push((row, key)),
            (Outcome::Updated(after), Some((id, ..))) => changes.updated.push((*id, after)),
            (Outcome::Unchanged, Some((id, ..))) => changes.unchanged.push(*id),
            _ => {}
        }
    }
    // In the order of the unique index: its pages are then touched one after the other.
    changes.created.sort_unstable_by_key(|(_, key)| *key);
    (counts, changes)
}

async fn open(
    tx: &mut Tx,
    list: &str,
    files: &str,
    now: Timestamp,
) -> Result<(ListId, ImportId), StoreError> {
    const OPEN: &str =
        "INSERT INTO imports (list_id, file_name, started_at) VALUES ($1, $2, $3) RETURNING id";
    let list = lists::find_or_create_in(tx, list, now).await?;
    let import: i64 = on_tx!(tx, conn => sqlx::query_scalar(OPEN)
        .bind(list.0).bind(files).bind(now.0).fetch_one(conn).await)?;
    Ok((list, ImportId(import)))
}

async fn allocate(tx: &mut Tx, n: usize) -> Result<i64, StoreError> {
    const ALLOCATE: &str =
        "UPDATE sequences SET next = next + $1 WHERE name = 'recipients' RETURNING next - $1";
    let n = i64::try_from(n).expect("a batch fits into memory");
    Ok(on_tx!(tx, conn => sqlx::query_scalar(ALLOCATE).bind(n).fetch_one(conn).await)?)
}

type KnownRow = (i64, String, String, String, Option<i64>, Option<String>);

/// A subquery and not a join: PostgreSQL would read the whole list for each statement (6,000 rows a second).
fn known_text(n: usize) -> String {
    format!(
        "SELECT r.id, r.address_key, r.name, r.attributes, r.import_id, \
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
    ($on:ident, $where:expr, $list:expr, $keys:expr) => {{
        let mut standing = Standing::default();
        let any: bool = $on!($where, conn => sqlx::query_scalar(ANY_SUPPRESSED).fetch_one(conn).await)?;
        for chunk in $keys.chunks(ROWS) {
            let text = $where.bulk_text(known_text(chunk.len()));
            let rows: Vec<KnownRow> = $on!($where, conn => {
                let mut query = sqlx::query_as(text).bind($list.0);
                for key in chunk {
                    query = query.bind(key.as_str());
                }
                query.fetch_all(conn).await
            })?;
            standing.learn(rows)?;
            if any {
                let text = $where.bulk_text(suppressed_text(chunk.len()));
                let rows: Vec<String> = $on!($where, conn => {
                    let mut query = sqlx::query_scalar(text);
                    for key in chunk {
                        query = query.bind(key.as_str());
                    }
                    query.fetch_all(conn).await
                })?;
                standing.suppressed.extend(rows);
            }
        }
        Ok(standing)
    }};
}

async fn ask_in_tx(tx: &mut Tx, list: ListId, keys: &[String]) -> Result<Standing, StoreError> {
    ask_with!(on_tx, tx, list, keys)
}

async fn ask(store: &Store, list: ListId, keys: &[String]) -> Result<Standing, StoreError> {
    ask_with!(on_pool, store, list, keys)
}

impl Standing {
    fn learn(&mut self, rows: Vec<KnownRow>) -> Result<(), StoreError> {
        for (id, key, name, attributes, import, state) in rows {
            let subscription = match state {
                None => None,
                Some(word) => Some(
                    Subscription::parse(&word)
                        .ok_or_else(|| bad_row("subscriptions", id, format!("unknown state `{word}`")))?,
                ),
            };
            self.known.insert(
                key,
                (
                    id,
                    import,
                    Known {
                        name,
                        attributes,
                        subscription,
                    },
                ),
            );
        }
        Ok(())
    }
}

async fn write_changes(
    tx: &mut Tx,
    (list, import): (ListId, ImportId),
    changes: &Changes<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if !changes.created.is_empty() {
        let mut first = allocate(tx, changes.created.len()).await?;
        for rows in changes.created.chunks(ROWS) {
            create(tx, list, import, first, rows, now).await?;
            first += rows.len() as i64;
        }
    }
    for rows in changes.updated.chunks(ROWS) {
        update(tx, import, rows, now).await?;
        confirm(tx, list, rows, now).await?;
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

/// Makes recipients with the ids from `first` on, and their subscriptions.
async fn create(
    tx: &mut Tx,
    list: ListId,
    import: ImportId,
    first: i64,
    rows: &[(&Row, &str)],
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut values = vec![import.0.into(), now.0.into()];
    for (id, (row, key)) in (first..).zip(rows) {
        values.extend([
            id.into(),
            row.address.as_str().into(),
            (*key).into(),
            row.name.as_deref().unwrap_or_default().into(),
            row.attributes.as_str().into(),
        ]);
    }
    let insert = Bulk::new(
        "INSERT INTO recipients (id, address, address_key, name, attributes, import_id, created_at, updated_at) \
         SELECT v.column1, v.column2, v.column3, v.column4, v.column5, c.column1, c.column2, c.column2 \
         FROM (VALUES (?,?)) AS c, (VALUES ",
        ") AS v",
        values,
        rows.len(),
        5,
        rows.len() as u64,
    );
    tx.run(insert).await?;
    const SUBSCRIBE: &str = "INSERT INTO subscriptions (list_id, recipient_id, state, updated_at) \
        SELECT CAST($1 AS BIGINT), id, 'confirmed', CAST($2 AS BIGINT) FROM recipients WHERE id BETWEEN $3 AND $4";
    let last = first + rows.len() as i64 - 1;
    on_tx!(tx, conn => sqlx::query(SUBSCRIBE).bind(list.0).bind(now.0).bind(first).bind(last)
        .execute(conn).await.map(drop))?;
    Ok(())
}

async fn update(
    tx: &mut Tx,
    import: ImportId,
    rows: &[(i64, Known)],
    now: Timestamp,
) -> Result<(), StoreError> {
    let text = tx.bulk_text(format!(
        "UPDATE recipients SET name = v.column2, attributes = v.column3, import_id = $1, updated_at = $2 \
         FROM (VALUES {}) AS v WHERE recipients.id = v.column1",
        values_list(rows.len(), 3, 3)
    ));
    on_tx!(tx, conn => {
        let mut query = sqlx::query(text).bind(import.0).bind(now.0);
        for (id, after) in rows {
            query = query.bind(*id).bind(after.name.as_str()).bind(after.attributes.as_str());
        }
        query.execute(conn).await.map(drop)
    })?;
    Ok(())
}

/// Subscribes recipients that are not on the list or have not confirmed; who has left stays away.
async fn confirm(tx: &mut Tx, list: ListId, rows: &[(i64, Known)], now: Timestamp) -> Result<(), StoreError> {
    // WHERE TRUE tells SQLite that ON belongs to the insert and not to the join.
    let text = tx.bulk_text(format!(
        "INSERT INTO subscriptions (list_id, recipient_id, state, updated_at) \
         SELECT c.column1, v.column1, 'confirmed', c.column2 \
         FROM (VALUES ($1,$2)) AS c, (VALUES {}) AS v WHERE TRUE \
         ON CONFLICT (list_id, recipient_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at \
         WHERE subscriptions.state = 'pending'",
        values_list(rows.len(), 1, 3)
    ));
    on_tx!(tx, conn => {
        let mut query = sqlx::query(text).bind(list.0).bind(now.0);
        for (id, _) in rows {
            query = query.bind(*id);
        }
        query.execute(conn).await.map(drop)
    })?;
    Ok(())
}
