//! Taking an import back: what it created goes, what it changed gets its old values, and what others have done since stays
//! and is named. In steps that commit by themselves, so that it can be gone on with.

mod changed;
mod created;

use super::ImportState;
use super::batch::lock_recipients;
use super::lock::ImportLock;
use super::run::{TRIES, about};
use crate::audit::{By, audit_in};
use crate::counters::Deltas;
use crate::engine::{Store, Tx, on_tx, values_list};
use crate::error::StoreError;
use std::collections::{BTreeMap, HashMap};
use tidings_campaign::ids::{ImportId, ListId};
use tidings_campaign::time::Timestamp;

/// Recipients of one step.
const ROWS: usize = 2_000;

/// An import that this process takes back.
#[derive(Debug)]
pub struct Undo {
    store: Store,
    import: Mine,
    counts: UndoCounts,
    lock: ImportLock,
}

/// The import that is taken back, for the statements.
#[derive(Clone, Copy, Debug)]
struct Mine {
    id: ImportId,
    list: ListId,
    /// When it began.
    since: Timestamp,
}

/// What a step takes back.
struct Taken<'t> {
    counts: UndoCounts,
    deltas: &'t mut Deltas,
}

/// Recipients, ascending, by the import that they are handed over to.
type Heirs = BTreeMap<i64, Vec<i64>>;

/// What has been taken back, in recipients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UndoCounts {
    /// Had been created, and are gone.
    pub removed: u64,
    /// Had been changed, and are as before.
    pub restored: u64,
    /// Stay, or keep something that others have changed since.
    pub kept: u64,
    /// Addresses that had been suppressed, and may be mailed again.
    pub suppressions_lifted: u64,
}

/// A recipient that is not as it was before the import, or is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The address.
    pub address: String,
    /// Why.
    pub why: KeptWhy,
}

/// Why something of an import stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptWhy {
    /// These fields have other values by now.
    Changed(Vec<String>),
    /// The recipient was changed after the import created it.
    ChangedSince,
    /// Another import has it too.
    InImport(ImportId),
    /// A campaign was planned or sent to it.
    Mailed,
    /// It is on another list too.
    OnOtherList,
    /// It has said no, which must be remembered.
    Unsubscribed,
    /// It has signed up and confirmed, for this list or another.
    SignedUp,
}

impl std::fmt::Display for KeptWhy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeptWhy::Changed(fields) => write!(f, "changed since by others: {}", fields.join(", ")),
            KeptWhy::ChangedSince => f.write_str("the recipient was changed since by others"),
            KeptWhy::InImport(import) => write!(f, "the recipient is in import {import} too"),
            KeptWhy::Mailed => f.write_str("a campaign went to the recipient; it is off the list"),
            KeptWhy::OnOtherList => f.write_str("the recipient is on another list; it is off this one"),
            KeptWhy::SignedUp => f.write_str("the recipient has signed up"),
            KeptWhy::Unsubscribed => f.write_str("the recipient has unsubscribed, which is remembered"),
        }
    }
}

impl Undo {
    /// Begins to take an import back, or goes on with it; none if a process works on it.
    pub async fn begin(
        store: &Store,
        id: ImportId,
        by: &By,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        const UNDOING: &str = "UPDATE imports SET state = 'undoing', updated_at = $1 \
            WHERE id = $2 AND state <> 'undone' RETURNING list_id";
        let Some(record) = store.find_import(id).await? else {
            return Err(StoreError::NotFound {
                what: "import",
                name: id.to_string(),
            });
        };
        if record.state == ImportState::Undone {
            return Err(StoreError::ImportNotAllowed {
                import: id,
                state: record.state.to_string(),
                advice: "it has been taken back already",
            });
        }
        let Some(lock) = ImportLock::take(store, id).await? else {
            return Ok(None);
        };
        let mut tx = store.begin_write().await?;
        let list: i64 = on_tx!(&mut tx, conn => sqlx::query_scalar(UNDOING)
            .bind(now.0).bind(id.0).fetch_one(conn).await)?;
        // Who goes on with it after a stop does something else than who began: so each act has one entry.
        let what = match record.state {
            ImportState::Undoing => "went on taking back an import",
            _ => "took back an import",
        };
        audit_in(&mut tx, by, what, (&about(id), &record.files), now).await?;
        tx.commit().await?;
        Ok(Some(Undo {
            store: store.clone(),
            import: Mine {
                id,
                list: ListId(list),
                since: record.started_at,
            },
            counts: UndoCounts::default(),
            lock,
        }))
    }

    /// Takes the next recipients back, in one transaction. Returns those of whom something stays; none when there is
    /// nothing left to be done.
    pub async fn step(&mut self, now: Timestamp) -> Result<Option<Vec<Kept>>, StoreError> {
        for _ in 1..TRIES {
            match self.try_step(now).await {
                Err(error) if error.is_deadlock() => {}
                outcome => return outcome,
            }
        }
        self.try_step(now).await
    }

    async fn try_step(&mut self, now: Timestamp) -> Result<Option<Vec<Kept>>, StoreError> {
        let mut tx = self.store.begin_write().await?;
        // So that no import has looked at the recipients, or looks at them, before this is done: what it has of them counts.
        lock_recipients(&mut tx).await?;
        let others = others(&mut tx, self.import).await?;
        let mut deltas = Deltas::default();
        let mut taken = Taken {
            counts: self.counts,
            deltas: &mut deltas,
        };
        let done = match changed::take_back(&mut tx, self.import, &others, &mut taken, now).await? {
            Some(kept) => Some(kept),
            None => match created::take_back(&mut tx, self.import, &others, &mut taken).await? {
                Some(kept) => Some(kept),
                None => {
                    let lifted = lift_suppressions(&mut tx, self.import.id).await?;
                    taken.counts.suppressions_lifted += lifted;
                    (lifted > 0).then(Vec::new)
                }
            },
        };
        let counts = taken.counts;
        deltas.write(&mut tx, self.store.node(), now).await?;
        tx.commit().await?;
        self.counts = counts;
        Ok(done)
    }

    /// What has been taken back so far.
    pub fn counts(&self) -> UndoCounts {
        self.counts
    }

    /// Records that the import is taken back.
    pub async fn finish(self, now: Timestamp) -> Result<(), StoreError> {
        const UNDONE: &str = "UPDATE imports SET state = 'undone', updated_at = $1, finished_at = COALESCE(finished_at, $1) WHERE id = $2";
        const FORGET_SEEN: &str = "DELETE FROM import_seen WHERE import_id = $1";
        let mut tx = self.store.begin_write().await?;
        on_tx!(&mut tx, conn => sqlx::query(FORGET_SEEN).bind(self.import.id.0).execute(conn).await.map(drop))?;
        on_tx!(&mut tx, conn => sqlx::query(UNDONE).bind(now.0).bind(self.import.id.0)
            .execute(conn).await.map(drop))?;
        tx.commit().await?;
        self.lock.release().await
    }
}

/// Imports that may have seen the same recipients since and are not taken back, with their lists: those that were at work after this
/// one began.
async fn others(tx: &mut Tx, mine: Mine) -> Result<BTreeMap<i64, ListId>, StoreError> {
    const OTHERS: &str = "SELECT id, list_id FROM imports WHERE id <> $1 AND state <> 'undone' \
        AND (finished_at IS NULL OR finished_at > $2)";
    let rows: Vec<(i64, i64)> = on_tx!(tx, conn => sqlx::query_as(OTHERS)
        .bind(mine.id.0).bind(mine.since.0).fetch_all(conn).await)?;
    Ok(rows.into_iter().map(|(id, list)| (id, ListId(list))).collect())
}

/// Keeps others from changing these recipients until the transaction ends, in the order of their ids. What is read of them from then on
/// stays true. Nobody else writes on SQLite.
async fn hold(tx: &mut Tx, ids: &[i64]) -> Result<(), StoreError> {
    if let Tx::Postgres(tx) = tx {
        const HOLD: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM recipients WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE) AS held";
        sqlx::query(HOLD).bind(ids).execute(&mut **tx).await?;
    }
    Ok(())
}

async fn lift_suppressions(tx: &mut Tx, import: ImportId) -> Result<u64, StoreError> {
    // Also outside: of a row that somebody else is just changing, only that is looked at again.
    const LIFT: &str = "DELETE FROM suppressions WHERE import_id = $1 AND address_key IN \
        (SELECT address_key FROM suppressions WHERE import_id = $1 LIMIT 2000)";
    let lifted = on_tx!(tx, conn => sqlx::query(LIFT).bind(import.0)
        .execute(conn).await.map(|done| done.rows_affected()))?;
    Ok(lifted)
}

/// Other imports that have seen these recipients since, with their lists, the earliest first. `marks`: each recipient with
/// the import that has seen it last.
async fn claims(
    tx: &mut Tx,
    mine: Mine,
    marks: &[(i64, Option<i64>)],
    others: &BTreeMap<i64, ListId>,
) -> Result<HashMap<i64, BTreeMap<i64, ListId>>, StoreError> {
    let mut claims: HashMap<i64, BTreeMap<i64, ListId>> = HashMap::new();
    if others.is_empty() || marks.is_empty() {
        return Ok(claims);
    }
    // `CROSS JOIN`: the key of import_seen begins with the import.
    let text = tx.bulk_text(format!(
        "SELECT s.recipient_id, s.import_id FROM imports i CROSS JOIN import_seen s \
         WHERE i.id <> $1 AND i.state <> 'undone' AND (i.finished_at IS NULL OR i.finished_at > $2) \
         AND s.import_id = i.id AND s.recipient_id IN {}",
        values_list(1, marks.len(), 3)
    ));
    let overwritten: Vec<(i64, i64)> = on_tx!(tx, conn => {
        let mut query = sqlx::query_as(text).bind(mine.id.0).bind(mine.since.0);
        for (recipient, _) in marks {
            query = query.bind(*recipient);
        }
        query.fetch_all(conn).await
    })?;
    let last = marks
        .iter()
        .filter_map(|&(recipient, mark)| Some((recipient, mark?)));
    for (recipient, import) in overwritten.into_iter().chain(last) {
        if let Some(list) = others.get(&import) {
            claims.entry(recipient).or_default().insert(import, *list);
        }
    }
    Ok(claims)
}

/// Takes recipients off the list.
const LEAVE: &str = "DELETE FROM subscriptions";

/// Changes the standings on the list that the import gave and nobody has changed since: they are confirmed no more. `what`: the
/// statement before its WHERE.
async fn change_given_standings(
    tx: &mut Tx,
    deltas: &mut Deltas,
    mine: Mine,
    what: &'static str,
    ids: &[i64],
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let text = tx.bulk_text(format!(
        "{what} WHERE list_id = $1 AND import_id = $2 AND state = 'confirmed' AND recipient_id IN {}",
        values_list(1, ids.len(), 3)
    ));
    let rows = on_tx!(tx, conn => {
        let mut query = sqlx::query(text).bind(mine.list.0).bind(mine.id.0);
        for id in ids {
            query = query.bind(*id);
        }
        query.execute(conn).await.map(|done| done.rows_affected())
    })?;
    deltas.confirmed(mine.list, -(rows as i64));
    Ok(())
}

/// From now on they have come onto the list by the other import. Returns those of whom this holds: the others had not come by
/// this one.
async fn hand_over_standing(tx: &mut Tx, mine: Mine, heirs: &Heirs) -> Result<Heirs, StoreError> {
    let mut handed_over = Heirs::new();
    for (heir, ids) in heirs {
        let text = tx.bulk_text(format!(
            "UPDATE subscriptions SET import_id = $1 WHERE list_id = $2 AND import_id = $3 AND recipient_id IN {} \
             RETURNING recipient_id",
            values_list(1, ids.len(), 4)
        ));
        let came: Vec<i64> = on_tx!(&mut *tx, conn => {
            let mut query = sqlx::query_scalar(text).bind(*heir).bind(mine.list.0).bind(mine.id.0);
            for id in ids {
                query = query.bind(*id);
            }
            query.fetch_all(conn).await
        })?;
        handed_over.insert(*heir, came);
    }
    Ok(handed_over)
}
