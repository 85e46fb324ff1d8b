//! Which installation this is, and whether its database is where it last sent mail from. A copy of a database, or one
//! restored from a backup, knows less than was sent: it must not go on by itself.

use crate::engine::{Engine, Store, on_pool, on_tx};
use crate::error::StoreError;
use crate::servers::{place, since};

/// An installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// At random, made with the database, the same in every copy of it.
    pub id: String,
    /// Where the database was when it last sent mail, if it ever did.
    pub home: Option<String>,
    /// Leases taken so far; it only grows, except when a backup is restored.
    pub leases: i64,
}

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What tells this place from others. SQLite: the file's inode, which a copy does not have. PostgreSQL: the cluster,
    /// the database in it, and the timeline, which changes when a backup is recovered or a standby is promoted.
    pub name: String,
    /// When the PostgreSQL server there was started, in microseconds since 1970 by its own clock: while it runs nobody turns its disk
    /// back, but for those who turn back the machine's memory too. 0 with SQLite.
    pub since: i64,
}

impl Store {
    /// This installation.
    pub async fn instance(&self) -> Result<Instance, StoreError> {
        const GET: &str = "SELECT i.id, i.home, s.next FROM instance i, sequences s WHERE s.name = 'leases'";
        let (id, home, leases): (String, String, i64) =
            on_pool!(self, pool => sqlx::query_as(GET).fetch_one(pool).await)?;
        Ok(Instance {
            id,
            home: Some(home).filter(|home| !home.is_empty()),
            leases,
        })
    }

    /// Where this database is.
    pub async fn place(&self) -> Result<Place, StoreError> {
        const PLACE: &str = concat!("SELECT (", place!(), "), ", since!());
        let (name, since) = match &self.engine {
            Engine::Sqlite { file, .. } => {
                use std::os::unix::fs::MetadataExt;
                let metadata =
                    std::fs::metadata(file).map_err(|error| StoreError::Sql(sqlx::Error::Io(error)))?;
                (metadata.ino().to_string(), 0)
            }
            Engine::Postgres(servers) => sqlx::query_as(PLACE).fetch_one(&servers.pool()).await?,
        };
        Ok(Place { name, since })
    }

    /// From now on this database is used where it is and nowhere else: if another PostgreSQL server takes the place of this one, or
    /// this one is started again, nothing is read or written there before this is called again. On SQLite it does nothing.
    pub fn stay_at(&self, place: Place) {
        if let Engine::Postgres(servers) = &self.engine {
            servers.stay_at(Some(place));
        }
    }

    /// Where it is to stay.
    pub fn stays_at(&self) -> Option<Place> {
        match &self.engine {
            Engine::Sqlite { .. } => None,
            Engine::Postgres(servers) => servers.stays_at(),
        }
    }

    /// From now on it is used wherever it is.
    pub fn stay_nowhere(&self) {
        if let Engine::Postgres(servers) = &self.engine {
            servers.stay_at(None);
        }
    }

    /// The database where it was found instead, or as it was started again, if that is not where it is to be used.
    pub fn elsewhere(&self) -> Option<Store> {
        let Engine::Postgres(servers) = &self.engine else {
            return None;
        };
        Some(Store {
            engine: Engine::Postgres(servers.elsewhere()?),
            parts: self.parts,
            node: self.node.clone(),
        })
    }

    /// Whether each commit was on another server too before it was answered, so that a standby that takes the place of this one
    /// knows all of them.
    pub fn is_synchronous(&self) -> bool {
        match &self.engine {
            Engine::Sqlite { .. } => false,
            Engine::Postgres(servers) => servers.is_synchronous(),
        }
    }

    /// Makes `place` the home. `hold`: a reason to put every campaign aside that would send by itself, in the same
    /// transaction. Returns how many those are. Letters that have not gone out as far as is known here are `unknown` then: none
    /// is worth sending twice.
    pub async fn move_in(&self, place: &str, hold: Option<&str>) -> Result<u64, StoreError> {
        const HOME: &str = "UPDATE instance SET home = $1";
        const HOLD: &str = "UPDATE campaigns SET state = 'held', state_reason = $1 \
            WHERE state IN ('scheduled', 'sending', 'paused')";
        const LOSE_LETTERS: &str = "UPDATE letters SET state = 'unknown', settled_at = queued_at, message = NULL, reason = $1 \
            WHERE state IN ('queued', 'leased', 'on_wire', 'deferred')";
        let mut tx = self.begin_write().await?;
        on_tx!(&mut tx, conn => sqlx::query(HOME).bind(place).execute(conn).await.map(drop))?;
        if let Some(reason) = hold {
            on_tx!(&mut tx, conn => sqlx::query(LOSE_LETTERS).bind(reason).execute(conn).await.map(drop))?;
        }
        let held = match hold {
            Some(reason) => on_tx!(&mut tx, conn => sqlx::query(HOLD).bind(reason).execute(conn).await
                .map(|done| done.rows_affected()))?,
            None => 0,
        };
        tx.commit().await?;
        Ok(held)
    }
}
