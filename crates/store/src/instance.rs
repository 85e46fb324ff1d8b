//! Which installation this is, and whether its database is where it last sent mail from. A copy of a database, or one
//! restored from a backup, knows less than was sent: it must not go on by itself.

use crate::engine::{Engine, Store, on_pool, on_tx};
use crate::error::StoreError;

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

    /// What tells this place from others. SQLite: the file's inode, which a copy does not have. PostgreSQL: the cluster,
    /// the database in it, and the timeline, which changes when a backup is recovered or a standby is promoted.
    pub async fn place(&self) -> Result<String, StoreError> {
        match &self.engine {
            Engine::Sqlite { file, .. } => {
                use std::os::unix::fs::MetadataExt;
                let metadata =
                    std::fs::metadata(file).map_err(|error| StoreError::Sql(sqlx::Error::Io(error)))?;
                Ok(metadata.ino().to_string())
            }
            Engine::Postgres(servers) => Ok(sqlx::query_scalar(crate::servers::place!())
                .fetch_one(&servers.pool())
                .await?),
        }
    }

    /// From now on this database is used where it is and nowhere else: if another PostgreSQL server takes the place of this one,
    /// nothing is read or written there before this is called again. On SQLite it does nothing.
    pub fn stay_at(&self, place: &str) {
        if let Engine::Postgres(servers) = &self.engine {
            servers.stay_at(place);
        }
    }

    /// The database where it was found instead, if that is not where it is to be used.
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
