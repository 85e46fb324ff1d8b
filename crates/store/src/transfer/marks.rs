//! Who may open a database while its installation moves: never both, so that never both send.

use super::connection::{Conn, on_conn};
use super::{TransferError, shown};
use crate::engine::{Store, on_pool, on_tx};
use crate::error::StoreError;
use std::path::PathBuf;
use tidings_campaign::time::Timestamp;

/// Why a campaign is held in a database that its installation had left.
const REASON: &str = "this installation had moved to another database: what was sent there is not in this one and would be \
    sent again. Compare with the relay's log; `tidings campaign resume` lets the campaign go on";

/// What a database knows of a move.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct Mark {
    pub(super) id: String,
    role: String,
    other: String,
    pub(super) place: String,
    pub(super) verified_at: Option<i64>,
}

const MARK: &str = "SELECT id, role, other, place, verified_at FROM transfer";

impl Mark {
    pub(super) fn arrives(&self) -> bool {
        self.role == "arrives"
    }

    /// Why the database at `url` is not used.
    pub(super) fn refusal(self, url: &str) -> TransferError {
        if self.arrives() {
            return TransferError::Arriving { from: self.other };
        }
        TransferError::Left {
            to: self.other,
            from: shown(url),
            verified: self.verified_at.is_some(),
        }
    }

    /// Why nothing else can be begun with the database at `url`.
    pub(super) fn other_move(self, url: &str) -> TransferError {
        TransferError::OtherMove {
            to: self.other,
            from: shown(url),
        }
    }
}

/// A database that its installation leaves or has left, or that does not hold everything yet, is not used.
pub(crate) async fn refuse_if_moving(store: &Store, url: &str) -> Result<(), StoreError> {
    let mark: Option<Mark> = on_pool!(store, pool => sqlx::query_as(MARK).fetch_optional(pool).await)?;
    match mark {
        Some(mark) => Err(mark.refusal(url).into()),
        None => Ok(()),
    }
}

/// What the database knows of a move; an older schema knows of none.
pub(super) async fn of(conn: &mut Conn) -> Result<Option<Mark>, StoreError> {
    let there = match conn {
        Conn::Sqlite(_) => "SELECT COUNT(*) FROM sqlite_master WHERE name = 'transfer'",
        Conn::Postgres(_) => "SELECT COUNT(to_regclass('transfer'))",
    };
    if conn.number(there.to_owned()).await? == Some(0) {
        return Ok(None);
    }
    Ok(on_conn!(conn, c => sqlx::query_as(MARK).fetch_optional(c).await)?)
}

/// What is written into each of the two.
pub(super) struct NewMark<'m> {
    pub(super) id: &'m str,
    pub(super) role: &'static str,
    pub(super) other: &'m str,
    pub(super) place: &'m str,
    pub(super) now: Timestamp,
}

/// Marks a database, in the transaction that has been begun.
pub(super) async fn set(conn: &mut Conn, mark: &NewMark<'_>) -> Result<(), StoreError> {
    const SET: &str =
        "INSERT INTO transfer (one, id, role, other, place, begun_at) VALUES (1, $1, $2, $3, $4, $5)";
    on_conn!(conn, c => sqlx::query(SET).bind(mark.id).bind(mark.role).bind(mark.other).bind(mark.place)
        .bind(mark.now.0).execute(c).await.map(drop))?;
    Ok(())
}

/// A database that is used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Where the installation had moved to.
    pub to: String,
    /// Whether it had arrived there, so that it may have sent.
    pub arrived: bool,
    /// Campaigns that are held for it.
    pub held: u64,
}

impl Moved {
    /// Lets a database be used that its installation has left. If it had arrived in the other one, every campaign that would
    /// send is held.
    pub async fn release(url: &str, node: &str) -> Result<Moved, StoreError> {
        if let Some(file) = url.strip_prefix("sqlite://").map(PathBuf::from)
            && !file.exists()
        {
            return Err(TransferError::NoDatabase(file).into());
        }
        let (store, opening) = Store::connect(url, node).await?;
        drop(opening);
        let mut conn = Conn::to(&store).await?;
        let mark = of(&mut conn).await?;
        conn.close().await?;
        let Some(mark) = mark.filter(|mark| !mark.arrives()) else {
            return Err(TransferError::NotMoved.into());
        };
        let arrived = mark.verified_at.is_some();
        // Held first: after a crash in between it is still marked.
        let held = match arrived {
            true => store.move_in(&store.place().await?, Some(REASON)).await?,
            false => 0,
        };
        let mut tx = store.begin_write().await?;
        on_tx!(&mut tx, conn => sqlx::query("DELETE FROM transfer").execute(conn).await.map(drop))?;
        tx.commit().await?;
        store.close().await;
        Ok(Moved {
            to: mark.other,
            arrived,
            held,
        })
    }
}
