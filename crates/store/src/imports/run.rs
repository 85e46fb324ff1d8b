//! An import under way: begun or gone on with, its rows written batch by batch.

use super::batch::{ask_in_tx, judge, lock_recipients, recall_seen, write_changes};
use super::hashed::Hashed;
use super::lock::ImportLock;
use super::made::Made;
use super::suppress::suppress;
use super::{ImportRecord, ImportState};
use crate::audit::{By, audit_in};
use crate::counters::Deltas;
use crate::engine::{Store, Tuning, Tx, on_pool, on_tx, on_write_pool};
use crate::error::StoreError;
use crate::lists;
use std::hash::RandomState;
use tidings_campaign::csv_import::{Counts, Outcome, Row, Suppression};
use tidings_campaign::ids::{ImportId, ListId};
use tidings_campaign::time::Timestamp;

/// How often a batch is begun again because somebody else has changed the same rows at the same time.
pub(super) const TRIES: usize = 10;

/// What is recorded of an import when it begins.
#[derive(Clone, Debug, Default)]
pub struct NewImport {
    /// The list's name; the list is made if there is none.
    pub list: String,
    /// The files as they were named.
    pub files: String,
    /// Who begins it.
    pub started_by: String,
    /// Under what that is kept in the audit log.
    pub by: By,
    /// Where the recipients' consent comes from.
    pub consent: Option<String>,
    /// The same for the same files, list and options.
    pub fingerprint: Option<String>,
    /// Files with checksums, options, mapping; JSON that the caller knows.
    pub details: Option<String>,
}

impl NewImport {
    /// An import of these files into this list, of which nothing else is known.
    pub fn of(list: &str, files: &str) -> Self {
        NewImport {
            list: list.to_owned(),
            files: files.to_owned(),
            ..NewImport::default()
        }
    }
}

/// Some rows of an import, and how far its files have come with them.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportBatch<'a> {
    /// The recipients.
    pub rows: &'a [Row],
    /// Addresses that must not be mailed. They are suppressed before the recipients are looked at.
    pub suppressions: &'a [Suppression],
    /// How many rows of the batch are none.
    pub rejected: u64,
    /// How long the file of rejected rows is, with those of the batch.
    pub rejects_octets: u64,
    /// The same of the remarks.
    pub remarks_octets: u64,
}

impl<'a> ImportBatch<'a> {
    /// Recipients only.
    pub fn of(rows: &'a [Row]) -> Self {
        ImportBatch {
            rows,
            ..ImportBatch::default()
        }
    }
}

/// An import into a list that this process works on. Each batch commits by itself, so that a long import keeps no other
/// writer waiting for long; with it, in the same transaction, how far the import has come.
#[derive(Debug)]
pub struct Import {
    store: Store,
    list: ListId,
    id: ImportId,
    counts: Counts,
    /// The same as they are kept, and when that was touched. Who finds others there was taken over: the lock can be lost unnoticed,
    /// with a connection.
    kept: Option<String>,
    touched: Timestamp,
    /// All recipients, while it is certain that there are no others.
    made: Option<Made>,
    /// Hashes its addresses.
    state: RandomState,
    lock: ImportLock,
}

impl Import {
    /// Begins an import. The list is made if there is none.
    pub async fn begin(store: &Store, new: &NewImport, now: Timestamp) -> Result<Self, StoreError> {
        const BEGIN: &str = "INSERT INTO imports \
            (list_id, file_name, started_at, updated_at, started_by, consent, fingerprint, details) \
            VALUES ($1, $2, $3, $3, $4, $5, $6, $7) RETURNING id";
        let mut tx = store.begin_write().await?;
        tx.tune(Tuning::IMPORT).await?;
        let list = lists::find_or_create_in(&mut tx, &new.list, now).await?;
        let id: i64 = on_tx!(&mut tx, conn => sqlx::query_scalar(BEGIN)
            .bind(list.0).bind(&new.files).bind(now.0).bind(&new.started_by).bind(&new.consent)
            .bind(&new.fingerprint).bind(&new.details).fetch_one(conn).await)?;
        let id = ImportId(id);
        let made = Made::from_the_beginning(lock_recipients(&mut tx).await?);
        let (about, detail) = (about(id), format!("{} → {}", new.files, new.list));
        audit_in(&mut tx, &new.by, "began an import", (&about, &detail), now).await?;
        // Before anybody can see it, so that nobody takes it for one whose process is gone.
        let lock = ImportLock::take(store, id).await?;
        let lock = lock.expect("nobody else knows an import that is not committed");
        tx.commit().await?;
        Ok(Import {
            store: store.clone(),
            list,
            id,
            counts: Counts::default(),
            kept: None,
            touched: now,
            made,
            state: RandomState::new(),
            lock,
        })
    }

    /// Goes on with an import that has not come to its end; none if another process works on it. `by`: who asks for it, if it
    /// does not go on by itself.
    pub async fn resume(
        store: &Store,
        record: &ImportRecord,
        by: Option<&By>,
        now: Timestamp,
    ) -> Result<Option<(Self, ImportRecord)>, StoreError> {
        const RESUME: &str = "UPDATE imports SET state = 'running', reason = NULL, updated_at = $1 \
            WHERE id = $2 AND state IN ('running', 'stopped') RETURNING list_id, counts";
        let Some(lock) = ImportLock::take(store, record.id).await? else {
            return Ok(None);
        };
        let mut tx = store.begin_write().await?;
        tx.tune(Tuning::IMPORT).await?;
        let found: Option<(i64, Option<String>)> = on_tx!(&mut tx, conn => sqlx::query_as(RESUME)
            .bind(now.0).bind(record.id.0).fetch_optional(conn).await)?;
        if let (Some(by), Some(_)) = (by, &found) {
            audit_in(
                &mut tx,
                by,
                "went on with an import",
                (&about(record.id), &record.files),
                now,
            )
            .await?;
        }
        tx.commit().await?;
        let (Some((list, kept)), Some(record)) = (found, store.find_import(record.id).await?) else {
            return Err(StoreError::ImportNotAllowed {
                import: record.id,
                state: record.state.to_string(),
                advice: "only one that has not come to its end can be gone on with",
            });
        };
        let import = Import {
            store: store.clone(),
            list: ListId(list),
            id: record.id,
            counts: record.counts,
            kept,
            touched: now,
            made: None,
            state: RandomState::new(),
            lock,
        };
        Ok(Some((import, record)))
    }

    /// Its identity.
    pub fn id(&self) -> ImportId {
        self.id
    }

    /// What became of its rows so far. The sum is the number of rows that need not be read again.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Writes a batch in one transaction and counts what became of its rows. Returns the counts of the batch.
    pub async fn write(&mut self, batch: ImportBatch<'_>, now: Timestamp) -> Result<Counts, StoreError> {
        for _ in 1..TRIES {
            match self.try_write(batch, now).await {
                Err(error) if error.is_deadlock() => {}
                outcome => return outcome,
            }
        }
        self.try_write(batch, now).await
    }

    async fn try_write(&mut self, batch: ImportBatch<'_>, now: Timestamp) -> Result<Counts, StoreError> {
        let keys: Vec<_> = batch.rows.iter().map(|row| row.address.as_key()).collect();
        let hashed = Hashed::all(&keys, &self.state);
        let mut tx = self.store.begin_write().await?;
        // So that nobody else makes one of these between the question and the answer.
        let next_id = lock_recipients(&mut tx).await?;
        suppress(&mut tx, self.id, batch.suppressions, now).await?;
        let made = self.made.take().and_then(|made| made.if_complete(next_id));
        let perhaps_known = match &made {
            Some(made) => made.perhaps_known(&hashed),
            None => keys.iter().map(AsRef::as_ref).collect(),
        };
        let mut standing = ask_in_tx(&mut tx, self.list, &perhaps_known, &keys).await?;
        recall_seen(&mut tx, self.id, &mut standing).await?;
        let (mut counts, changes) = judge(batch.rows, &hashed, &standing, self.id);
        for _ in batch.suppressions {
            counts.count(&Outcome::Suppressed);
        }
        for _ in 0..batch.rejected {
            counts.count_reject();
        }
        let mut deltas = Deltas::default();
        write_changes(&mut tx, (self.list, self.id), &changes, &mut deltas, now).await?;
        let mut total = self.counts;
        total += counts;
        self.record_progress(&mut tx, &total, batch, now).await?;
        deltas.write(&mut tx, self.store.node(), now).await?;
        tx.commit().await?;
        self.counts = total;
        self.kept = Some(as_json(&total));
        self.touched = now;
        self.made = made.and_then(|made| made.with(changes.created_keys()));
        Ok(counts)
    }

    async fn record_progress(
        &self,
        tx: &mut Tx,
        counts: &Counts,
        batch: ImportBatch<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const PROGRESS: &str = "UPDATE imports SET counts = $1, rejects_octets = $2, remarks_octets = $3, updated_at = $4 \
            WHERE id = $5 AND state = 'running' AND counts IS NOT DISTINCT FROM $6 AND updated_at = $7";
        let octets = |n: u64| i64::try_from(n).expect("a file has less than 8 EiB");
        let moved = on_tx!(tx, conn => sqlx::query(PROGRESS)
            .bind(as_json(counts)).bind(octets(batch.rejects_octets)).bind(octets(batch.remarks_octets))
            .bind(now.0).bind(self.id.0).bind(&self.kept).bind(self.touched.0)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if moved == 1 {
            return Ok(());
        }
        Err(not_running(self.id))
    }

    /// Records that the import has come to its end. What a person has said meanwhile stays: it is stopped then, and is
    /// gone on with.
    pub async fn finish(self, now: Timestamp) -> Result<(), StoreError> {
        const FINISH: &str = "UPDATE imports SET state = 'finished', finished_at = $1, updated_at = $1, counts = $2 \
            WHERE id = $3 AND state = 'running' AND counts IS NOT DISTINCT FROM $4 AND updated_at = $5";
        let mut tx = self.store.begin_write().await?;
        tx.tune(Tuning::LEDGER).await?;
        let finished = on_tx!(&mut tx, conn => sqlx::query(FINISH).bind(now.0).bind(as_json(&self.counts))
            .bind(self.id.0).bind(&self.kept).bind(self.touched.0)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        tx.commit().await?;
        if finished == 1 {
            forget_old_marks(&self.store).await?;
        }
        self.lock.release().await?;
        match finished {
            1 => Ok(()),
            _ => Err(not_running(self.id)),
        }
    }

    /// Records that the import does not go on by itself, and why. What a person has said about that stays, and so does what another
    /// process has gone on with.
    pub async fn stop(self, reason: &str, now: Timestamp) -> Result<(), StoreError> {
        const STOP: &str = "UPDATE imports SET state = $1, reason = $2, updated_at = $3 \
            WHERE id = $4 AND state = 'running' AND counts IS NOT DISTINCT FROM $5 AND updated_at = $6";
        let mut tx = self.store.begin_write().await?;
        tx.tune(Tuning::LEDGER).await?;
        on_tx!(&mut tx, conn => sqlx::query(STOP).bind(ImportState::Stopped.as_str()).bind(reason)
            .bind(now.0).bind(self.id.0).bind(&self.kept).bind(self.touched.0).execute(conn).await.map(drop))?;
        tx.commit().await?;
        self.lock.release().await
    }
}

/// Somebody has stopped it, or it was taken over.
fn not_running(import: ImportId) -> StoreError {
    StoreError::ImportNotAllowed {
        import,
        state: "not running any more".to_owned(),
        advice: "`tidings import show` says what has become of it",
    }
}

impl Store {
    /// Stops an import that is running, in whatever process, before its next batch: it goes on when a person says so. False if
    /// it is not running.
    pub async fn stop_import(&self, id: ImportId, by: &By, now: Timestamp) -> Result<bool, StoreError> {
        const STOP: &str = "UPDATE imports SET state = 'stopped', reason = $1, updated_at = $2 \
            WHERE id = $3 AND state = 'running'";
        let mut tx = self.begin_write().await?;
        let reason = format!("{} asked it to stop", by.who);
        let stopped = on_tx!(&mut tx, conn => sqlx::query(STOP).bind(reason).bind(now.0).bind(id.0)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if stopped == 1 {
            audit_in(&mut tx, by, "stopped an import", (&about(id), ""), now).await?;
        }
        tx.commit().await?;
        Ok(stopped == 1)
    }
}

/// How the audit log names an import.
pub(super) fn about(import: ImportId) -> String {
    format!("import {import}")
}

/// Of so many of the newest imports it is known whom they have seen, whatever other imports have seen since.
const REMEMBERED: i64 = 10;
/// Imports that are looked at for marks to be forgotten: those before have been looked at already.
const LOOKED_AT: i64 = 20;

/// In steps that commit by themselves, so that a sender does not wait for long.
async fn forget_old_marks(store: &Store) -> Result<(), StoreError> {
    const OLD: &str =
        "SELECT id FROM imports WHERE state IN ('finished', 'undone') ORDER BY id DESC LIMIT $1 OFFSET $2";
    const FORGET: &str = "DELETE FROM import_seen WHERE import_id = $1 AND recipient_id IN \
        (SELECT recipient_id FROM import_seen WHERE import_id = $1 LIMIT 20000)";
    let old: Vec<i64> = on_pool!(store, pool => sqlx::query_scalar(OLD)
        .bind(LOOKED_AT).bind(REMEMBERED).fetch_all(pool).await)?;
    for import in old {
        while on_write_pool!(store, pool => sqlx::query(FORGET).bind(import)
            .execute(pool).await.map(|done| done.rows_affected()))?
            > 0
        {}
    }
    Ok(())
}

fn as_json(counts: &Counts) -> String {
    serde_json::to_string(counts).expect("numbers can always be written as JSON")
}
