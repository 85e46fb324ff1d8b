//! What was said in sessions that failed: the last few of each relay, for whoever has to find the fault. Secrets are
//! masked before they come here.

use crate::engine::{Store, on_pool, on_tx};
use crate::error::StoreError;
use tidings_campaign::time::Timestamp;

/// One failed session.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct Transcript {
    /// When it failed, UTC microseconds.
    pub at: i64,
    /// What went wrong, one sentence.
    pub fault: String,
    /// Both sides, line by line.
    pub text: String,
}

impl Store {
    /// Keeps a failed session of a relay, and of the older ones only so many that there are `keep`.
    pub async fn keep_transcript(
        &self,
        relay: &str,
        at: Timestamp,
        fault: &str,
        text: &str,
        keep: i64,
    ) -> Result<(), StoreError> {
        const KEEP: &str = "INSERT INTO transcripts (relay, at, fault, text) VALUES ($1, $2, $3, $4)";
        const FORGET: &str = "DELETE FROM transcripts WHERE relay = $1 AND id NOT IN \
            (SELECT id FROM transcripts WHERE relay = $1 ORDER BY id DESC LIMIT $2)";
        let mut tx = self.begin_write().await?;
        on_tx!(&mut tx, conn => sqlx::query(KEEP).bind(relay).bind(at.0).bind(fault).bind(text)
            .execute(conn).await.map(drop))?;
        on_tx!(&mut tx, conn => sqlx::query(FORGET).bind(relay).bind(keep).execute(conn).await.map(drop))?;
        tx.commit().await
    }

    /// The last failed sessions of a relay, at most `limit`, the newest first.
    pub async fn transcripts(&self, relay: &str, limit: i64) -> Result<Vec<Transcript>, StoreError> {
        const LAST: &str =
            "SELECT at, fault, text FROM transcripts WHERE relay = $1 ORDER BY id DESC LIMIT $2";
        Ok(on_pool!(self, pool => sqlx::query_as(LAST).bind(relay).bind(limit).fetch_all(pool).await)?)
    }
}
