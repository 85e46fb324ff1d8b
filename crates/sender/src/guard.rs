//! The restore guard: an installation that finds itself restored from a backup, or copied, starts with sending held.
//! What was sent after the backup was taken is not in its ledger and would go out again.
//!
//! Two witnesses: the database knows where it was when it last sent mail, and a small file beside it knows how many
//! leases had been taken by then.

use crate::recorder::Newest;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tidings_campaign::time::Moment;
use tidings_store::{Store, StoreError};

/// Why a campaign is held after a restore.
pub const REASON: &str = "this database was restored from a backup or copied: mail that was sent since is not in it and \
    would be sent again. Compare with the relay's log; `tidings campaign resume` lets the campaign go on";

const FAILED_OVER: &str = "another server has taken the place of the database, and what was written last may be missing: \
    campaigns are held";

const TURNED_BACK: &str =
    "the database was started again, and what was written last is missing: campaigns are held";

/// How long the database may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// What a node remembers outside the database.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    /// Of which installation.
    instance: String,
    /// Leases taken so far.
    leases: i64,
}

/// The file with what a node remembers.
#[derive(Clone, Debug)]
pub struct Witness {
    file: PathBuf,
    instance: String,
    /// What the file says; it never goes back.
    leases: Arc<AtomicI64>,
}

/// The guard itself failed.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The witness's file.
    #[error("cannot write {file}: {source}")]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Looks whether the database is what it was when this node last sent mail. If it is not, every campaign that would
/// send by itself is held.
pub async fn look(store: &Store, folder: &Path) -> Result<Witness, GuardError> {
    let witness = Witness::open(folder, store.instance().await?.id);
    witness.look_again(store).await?;
    Ok(witness)
}

impl Witness {
    /// A file that is not there, or not readable, or of another installation says nothing.
    fn open(folder: &Path, instance: String) -> Witness {
        let witness = Witness {
            file: folder.join("witness.json"),
            instance,
            leases: Arc::default(),
        };
        witness.leases.store(witness.said(), Ordering::Relaxed);
        witness
    }

    /// What the file says.
    fn said(&self) -> i64 {
        let memory = std::fs::read(&self.file)
            .ok()
            .and_then(|text| serde_json::from_slice::<Memory>(&text).ok());
        memory.map_or(0, |memory| match memory.instance == self.instance {
            true => memory.leases,
            false => 0,
        })
    }

    /// Looks once more, before anything is sent.
    pub(crate) async fn look_again(&self, store: &Store) -> Result<(), GuardError> {
        let instance = store.instance().await?;
        let place = store.place().await?.name;
        let elsewhere = instance.home.is_some_and(|home| home != place);
        let behind = instance.id == self.instance && self.leases.load(Ordering::Relaxed) > instance.leases;
        if elsewhere || behind {
            let held = store.move_in(&place, Some(REASON)).await?;
            tracing::warn!(held, "this database was restored or copied: campaigns are held");
            self.leases.store(0, Ordering::Relaxed);
            self.advance(store).await?;
        }
        Ok(())
    }

    /// Makes this place the home of the database, from which mail is about to be sent. It is not sent from anywhere else
    /// before that has been looked into ([`Witness::follow`]).
    pub(crate) async fn begin(&self, store: &Store) -> Result<(), GuardError> {
        let place = store.place().await?;
        store.move_in(&place.name, None).await?;
        store.stay_at(place);
        self.advance(store).await
    }

    /// If another PostgreSQL server has taken the place of the database while mail is sent, or the same was started again: goes on
    /// there if nothing can be missing in it. That is so if the newest that this process knows of are there, and each commit is kept: by
    /// the same server, unless its disk was turned back; by another, if it was there before it was answered. Otherwise what would
    /// send is held there, and a person looks.
    pub(crate) async fn follow(&self, store: &Store, newest: &Newest) -> Result<(), GuardError> {
        let Some(there) = store.elsewhere() else {
            return Ok(());
        };
        // First, so that a restart meanwhile makes it another place again.
        let place = there.place().await?;
        let instance = there.instance().await?;
        let is_the_same = store.stays_at().is_some_and(|here| here.name == place.name);
        let knows_leases = instance.leases >= self.leases.load(Ordering::Relaxed);
        let is_complete = (is_the_same || store.is_synchronous())
            && instance.id == self.instance
            && knows_leases
            && newest.is_known_to(&there).await?;
        match (is_complete, is_the_same) {
            (true, true) => {
                tracing::info!("the database was started again, with everything that was written")
            }
            (true, false) => {
                there.move_in(&place.name, None).await?;
                tracing::warn!(
                    "another server has taken the place of the database, with everything that was written: sending goes on"
                );
            }
            (false, _) => {
                let held = there.move_in(&place.name, Some(REASON)).await?;
                let what = if is_the_same { TURNED_BACK } else { FAILED_OVER };
                tracing::warn!(held, "{what}");
                self.leases.store(0, Ordering::Relaxed);
                newest.forget();
            }
        }
        store.stay_at(place);
        // Its end may take seconds, and what waits for this has less.
        tokio::spawn(async move { there.close().await });
        self.advance(store).await
    }

    /// Moves the database's count on by one and remembers it: a backup taken before can now be told.
    pub(crate) async fn advance(&self, store: &Store) -> Result<(), GuardError> {
        let taken = store.within(ANSWER, store.allocate_ids("leases", 1)).await?;
        self.remember(taken + 1)
    }

    /// Remembers that so many leases have been taken. The file is small and goes to the page cache: no wait that is
    /// worth a thread.
    pub(crate) fn remember(&self, leases: i64) -> Result<(), GuardError> {
        if self.leases.fetch_max(leases, Ordering::Relaxed) >= leases {
            return Ok(());
        }
        let failed = |source| GuardError::File {
            file: self.file.clone(),
            source,
        };
        let memory = Memory {
            instance: self.instance.clone(),
            leases,
        };
        let text = serde_json::to_vec(&memory).expect("a text and a number can always be written as JSON");
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        // Renamed into place, so that a crash leaves the old file or the new one. Several nodes may have one folder, and the same process
        // id where each has a container of its own.
        let (process, now) = (std::process::id(), Moment::now().0);
        let fresh = self.file.with_extension(format!("json.new-{process}-{now}"));
        std::fs::write(&fresh, text).map_err(failed)?;
        std::fs::rename(&fresh, &self.file).map_err(failed)
    }
}
