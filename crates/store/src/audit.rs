//! The audit log: who changed what, when, and from where. Entries are written in the transaction of the change where that is
//! the store's, and are never changed.

use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::StoreError;
use tidings_campaign::time::Timestamp;

/// Who makes a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// The person's address, `token NAME`, or `command line`.
    pub who: String,
    /// The network address that the request came from; empty on the command line.
    pub network: String,
}

/// The command line.
impl Default for By {
    fn default() -> By {
        By::command_line()
    }
}

impl By {
    /// Whoever may run commands on the server.
    pub fn command_line() -> By {
        By {
            who: "command line".to_owned(),
            network: String::new(),
        }
    }
}

/// An entry as it is read.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditEntry {
    /// Ascending with time.
    pub id: i64,
    /// Microseconds since 1970.
    pub at: i64,
    /// See [`By::who`].
    pub who: String,
    /// See [`By::network`].
    pub network: String,
    /// What was done: `signed in`, `paused a campaign`.
    pub what: String,
    /// What it was done to.
    pub about: String,
    /// Before and after, or whatever else is worth keeping.
    pub detail: String,
}

/// Characters of each text of an entry that are kept.
const LONGEST: usize = 500;

impl Store {
    /// Keeps that something was done.
    pub async fn audit(
        &self,
        by: &By,
        what: &str,
        (about, detail): (&str, &str),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        audit_in(&mut tx, by, what, (about, detail), now).await?;
        tx.commit().await
    }

    /// The newest entries, or those before the entry `before`.
    pub async fn audit_log(&self, before: Option<i64>, limit: i64) -> Result<Vec<AuditEntry>, StoreError> {
        const LOG: &str = "SELECT id, at, who, network, what, about, detail FROM audit_log WHERE id < $1 \
            ORDER BY id DESC LIMIT $2";
        let before = before.unwrap_or(i64::MAX);
        Ok(on_pool!(self, pool => sqlx::query_as(LOG).bind(before).bind(limit).fetch_all(pool).await)?)
    }
}

pub(crate) async fn audit_in(
    tx: &mut Tx,
    by: &By,
    what: &str,
    (about, detail): (&str, &str),
    now: Timestamp,
) -> Result<(), StoreError> {
    const KEEP: &str =
        "INSERT INTO audit_log (at, who, network, what, about, detail) VALUES ($1, $2, $3, $4, $5, $6)";
    let cut = |text: &str| text.chars().take(LONGEST).collect::<String>();
    on_tx!(tx, conn => sqlx::query(KEEP).bind(now.0).bind(cut(&by.who)).bind(cut(&by.network)).bind(cut(what))
        .bind(cut(about)).bind(cut(detail)).execute(conn).await.map(drop))?;
    Ok(())
}
