//! Who may open a database while its installation moves: never both, so that never both send.

use super::catalogue::Table;
use super::connection::{Conn, on_conn};
use super::{TransferError, refuse_missing, shown};
use crate::engine::{Store, Tx, on_pool, on_tx};
use crate::error::StoreError;
use sqlx::AssertSqlSafe;
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

/// What the triggers of a database that was left are called, by which they are found again.
const TRIGGERS: &str = "moved_";

/// Lets nobody write into a SQLite database any more whose installation is elsewhere now: whoever had opened it before that
/// would write what is lost. An error tells them.
pub(super) async fn close_to_writers(tx: &mut Tx, tables: &[Table]) -> Result<(), StoreError> {
    let mut text = String::new();
    for table in tables.iter().map(|table| &table.name) {
        for what in ["INSERT", "UPDATE", "DELETE"] {
            text.push_str(&format!(
                "CREATE TRIGGER IF NOT EXISTS \"{TRIGGERS}{what}_{table}\" BEFORE {what} ON \"{table}\" BEGIN \
                 SELECT RAISE(ABORT, 'this installation has moved to another database: nothing is written here any more'); \
                 END; "
            ));
        }
    }
    on_tx!(tx, conn => sqlx::raw_sql(AssertSqlSafe(text)).execute(conn).await.map(drop))?;
    Ok(())
}

/// The contrary of [`close_to_writers`].
async fn open_to_writers(conn: &mut Conn) -> Result<(), StoreError> {
    const THERE: &str =
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, length($1)) = $1";
    let there: Vec<String> =
        on_conn!(&mut *conn, c => sqlx::query_scalar(THERE).bind(TRIGGERS).fetch_all(c).await)?;
    for name in there {
        conn.run(&format!("DROP TRIGGER \"{name}\"")).await?;
    }
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

/// A move that is to be given up.
#[derive(Debug)]
pub struct GivingUp {
    source: Store,
}

impl GivingUp {
    /// Opens the database that was left, and changes nothing. `from`: `sqlite://FILE`.
    pub async fn open(from: &str, node: &str) -> Result<GivingUp, StoreError> {
        refuse_missing(from)?;
        let (source, opening) = Store::connect(from, node).await?;
        drop(opening);
        Ok(GivingUp { source })
    }

    /// The database that was left: whoever gives the move up holds the right to send from it, as whoever moves it does.
    pub fn source(&self) -> &Store {
        &self.source
    }

    /// Lets the database be used again. If the installation had arrived in the other one, every campaign that would send is held.
    pub async fn run(self) -> Result<Moved, StoreError> {
        let mut conn = Conn::to(&self.source).await?;
        conn.run("BEGIN IMMEDIATE").await?;
        let mark = of(&mut conn).await?.filter(|mark| !mark.arrives());
        let mark = mark.ok_or(TransferError::NotMoved)?;
        open_to_writers(&mut conn).await?;
        conn.run("COMMIT").await?;
        let arrived = mark.verified_at.is_some();
        // Held before the mark goes: after a crash in between, nothing opens it still.
        let held = match arrived {
            true => {
                self.source
                    .move_in(&self.source.place().await?.name, Some(REASON))
                    .await?
            }
            false => 0,
        };
        forget(&mut conn, &mark).await?;
        conn.close().await?;
        self.source.close().await;
        Ok(Moved {
            to: mark.other,
            arrived,
            held,
        })
    }
}

/// Takes a mark away, if it is still the one that was read.
async fn forget(conn: &mut Conn, mark: &Mark) -> Result<(), StoreError> {
    const FORGET: &str = "DELETE FROM transfer WHERE id = $1 AND role = 'leaves' \
        AND COALESCE(verified_at, 0) = COALESCE($2, 0)";
    let rows = on_conn!(conn, c => sqlx::query(FORGET).bind(&mark.id).bind(mark.verified_at).execute(c).await
        .map(|done| done.rows_affected()))?;
    match rows {
        1 => Ok(()),
        _ => Err(TransferError::Changed.into()),
    }
}
