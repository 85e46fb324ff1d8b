//! Letters in the hands of a sender: `queued` or `deferred` → `leased` → `on_wire`, committed before the final dot → an outcome.

use crate::engine::{Store, Tx, on_pool, on_tx, on_write_pool, values_list};
use crate::error::{StoreError, bad_row};
use crate::leases::Claim;
use crate::letters::LETTERS_KEPT;
use crate::limit_usage::{self, Usage};
use crate::outcome::Outcome;
use tidings_campaign::address::EmailAddress;
use tidings_campaign::ids::LetterId;
use tidings_campaign::time::Timestamp;

/// A letter to be handed to a relay.
#[derive(Clone, Debug)]
pub struct DueLetter {
    /// Which.
    pub id: LetterId,
    /// To whom it goes.
    pub to: EmailAddress,
    /// The domain of its author.
    pub sender_domain: String,
    /// The whole message; dots are not doubled.
    pub message: Vec<u8>,
    /// Tries that ended.
    pub attempts: u32,
    /// When it was first tried.
    pub first_attempt_at: Option<Timestamp>,
    /// When it need not go any more.
    pub expires_at: Timestamp,
}

/// What became of a letter, as a session reports it.
#[derive(Clone, Debug)]
pub struct LetterOutcome {
    /// Which.
    pub id: LetterId,
    /// Through which relay; empty if none was asked.
    pub relay: String,
    /// What happened. `Returned` takes it off the wire, where it surely never was, and leaves it with the sender.
    pub outcome: Outcome,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    address: String,
    sender_domain: String,
    message: Option<Vec<u8>>,
    attempts: i64,
    first_attempt_at: Option<i64>,
    expires_at: i64,
}

impl TryFrom<Row> for DueLetter {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let bad = |problem: String| bad_row("letters", row.id, problem);
        Ok(DueLetter {
            id: LetterId(row.id),
            to: EmailAddress::parse(&row.address).map_err(|error| bad(format!("the address {error}")))?,
            message: row.message.ok_or_else(|| bad("it has no message".to_owned()))?,
            sender_domain: row.sender_domain,
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            first_attempt_at: row.first_attempt_at.map(Timestamp),
            expires_at: Timestamp(row.expires_at),
        })
    }
}

/// In front of what is asked about a letter's state, so that SQLite sees that the index of open letters will do.
macro_rules! open {
    () => {
        "state IN ('queued', 'leased', 'on_wire', 'deferred') AND "
    };
}

impl Store {
    /// Leases up to `claim.size` letters that are due. Before that, what another sender left behind is put in order: on the
    /// wire it is `unknown`, else it goes again; and what is too late is `expired`. Nothing is written where nothing is to be
    /// done.
    pub async fn claim_letters(&self, claim: Claim<'_>) -> Result<Vec<DueLetter>, StoreError> {
        const WORK: &str = concat!(
            "SELECT EXISTS (SELECT 1 FROM letters WHERE ",
            open!(),
            "((state IN ('queued', 'deferred') AND (due_at <= $1 OR expires_at <= $1)) \
             OR (state IN ('leased', 'on_wire') AND held_until <= $1)))"
        );
        let is_there: bool = on_pool!(self, pool => sqlx::query_scalar(WORK).bind(claim.now.0)
            .fetch_one(pool).await)?;
        if !is_there {
            return Ok(Vec::new());
        }
        let mut tx = self.begin_write().await?;
        put_in_order(&mut tx, claim.now).await?;
        let text = format!(
            "UPDATE letters SET state = 'leased', owner = $1, held_until = $2 WHERE id IN (SELECT id FROM letters \
             WHERE {open}state IN ('queued', 'deferred') AND due_at <= $3 ORDER BY due_at, id LIMIT $4{}) \
             RETURNING id, address, sender_domain, message, attempts, first_attempt_at, expires_at",
            tx.skip_locked(),
            open = open!(),
        );
        let rows: Vec<Row> = on_tx!(&mut tx, conn => sqlx::query_as(sqlx::AssertSqlSafe(text)).bind(claim.owner)
            .bind(claim.expires_at.0).bind(claim.now.0).bind(claim.size).fetch_all(conn).await)?;
        let mut letters = rows
            .into_iter()
            .map(DueLetter::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        tx.commit().await?;
        letters.sort_by_key(|letter| letter.id);
        Ok(letters)
    }

    /// Prolongs the leases of those letters that `owner` has: at most as many as were claimed at once. What he does not name any
    /// more runs out; what is missing from the answer is lost.
    pub async fn renew_letters(
        &self,
        owner: &str,
        letters: &[LetterId],
        until: Timestamp,
    ) -> Result<Vec<LetterId>, StoreError> {
        if letters.is_empty() {
            return Ok(Vec::new());
        }
        let text = format!(
            "UPDATE letters SET held_until = $1 WHERE owner = $2 AND state IN ('leased', 'on_wire') AND id IN {} \
             RETURNING id",
            values_list(1, letters.len(), 3)
        );
        let held: Vec<i64> = on_write_pool!(self, pool => {
            let mut query = sqlx::query_scalar(sqlx::AssertSqlSafe(text)).bind(until.0).bind(owner);
            for letter in letters {
                query = query.bind(letter.0);
            }
            query.fetch_all(pool).await
        })?;
        Ok(held.into_iter().map(LetterId).collect())
    }

    /// Commits that a letter is about to be put on the wire, and what it uses of the limits. False: it must not be, since it
    /// is not this sender's any more.
    pub async fn put_letter_on_wire(
        &self,
        id: LetterId,
        owner: &str,
        usage: &[Usage],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const PUT: &str = "UPDATE letters SET state = 'on_wire', first_attempt_at = COALESCE(first_attempt_at, $1) \
            WHERE id = $2 AND owner = $3 AND state = 'leased' AND held_until > $1";
        let mut tx = self.begin_write().await?;
        let rows = on_tx!(&mut tx, conn => sqlx::query(PUT).bind(now.0).bind(id.0).bind(owner)
            .execute(conn).await.map(|done| done.rows_affected()))?;
        if rows != 1 {
            return Ok(false);
        }
        for statement in limit_usage::statements(usage, self.node(), now) {
            tx.run(statement).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Records what became of a letter, if it is this sender's, or is unknown since it was.
    pub async fn settle_letter(
        &self,
        settled: &LetterOutcome,
        owner: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const RETURN: &str =
            "UPDATE letters SET state = 'leased' WHERE id = $1 AND owner = $2 AND state = 'on_wire'";
        const SETTLE: &str = "UPDATE letters SET state = $1, due_at = COALESCE($2, due_at), settled_at = $3, \
            attempts = attempts + $4, first_attempt_at = CASE WHEN $4 = 1 THEN COALESCE(first_attempt_at, $5) \
            ELSE first_attempt_at END, message = CASE WHEN $3 IS NULL THEN message ELSE NULL END, \
            relay = $6, code = $7, enhanced = $8, reply = $9, class = $10, cause = $11, reason = $12 \
            WHERE id = $13 AND owner = $14 AND state IN ('leased', 'on_wire', 'unknown')";
        let outcome = &settled.outcome;
        let (state, due) = match outcome {
            Outcome::Returned => {
                on_write_pool!(self, pool => sqlx::query(RETURN).bind(settled.id.0).bind(owner)
                    .execute(pool).await.map(drop))?;
                return Ok(());
            }
            Outcome::Accepted(_) => ("accepted", None),
            Outcome::Deferred(_, _, due) | Outcome::PutAside { due, .. } => ("deferred", Some(*due)),
            Outcome::Rejected(..) | Outcome::Withheld { .. } => ("rejected", None),
            Outcome::Expired(..) => ("expired", None),
            Outcome::Unknown { .. } => ("unknown", None),
        };
        let was_tried = !matches!(outcome, Outcome::PutAside { .. });
        let reply = outcome.reply();
        on_write_pool!(self, pool => sqlx::query(SETTLE)
            .bind(state).bind(due.map(|due| due.0)).bind(due.is_none().then_some(now.0))
            .bind(i64::from(was_tried)).bind(now.0).bind(&settled.relay)
            .bind(reply.map(|r| i64::from(r.code))).bind(reply.and_then(|r| r.enhanced.clone()))
            .bind(reply.map(|r| r.text.clone())).bind(outcome.class()).bind(outcome.cause().map(str::to_owned))
            .bind(outcome.reason().map(str::to_owned)).bind(settled.id.0).bind(owner)
            .execute(pool).await.map(drop))?;
        Ok(())
    }

    /// A sender lets go of a letter without an outcome: not on the wire yet, it goes again; else nobody knows.
    pub async fn let_go_of_letter(
        &self,
        id: LetterId,
        owner: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const LET_GO: &str = "UPDATE letters SET state = CASE WHEN state = 'leased' THEN 'queued' ELSE 'unknown' END, \
            settled_at = CASE WHEN state = 'leased' THEN NULL ELSE $1 END, \
            message = CASE WHEN state = 'leased' THEN message ELSE NULL END, \
            reason = CASE WHEN state = 'leased' THEN NULL ELSE 'the sender stopped before the relay answered' END \
            WHERE id = $2 AND owner = $3 AND state IN ('leased', 'on_wire')";
        on_write_pool!(self, pool => sqlx::query(LET_GO).bind(now.0).bind(id.0).bind(owner)
            .execute(pool).await.map(drop))?;
        Ok(())
    }

    /// Forgets the letters that have been done with for [`LETTERS_KEPT`]. Returns how many those were.
    pub async fn forget_letters(&self, now: Timestamp) -> Result<u64, StoreError> {
        const FORGET: &str = "DELETE FROM letters WHERE settled_at <= $1";
        let before = now.minus(LETTERS_KEPT);
        Ok(
            on_write_pool!(self, pool => sqlx::query(FORGET).bind(before.0).execute(pool).await
            .map(|done| done.rows_affected()))?,
        )
    }
}

/// Ends leases that have run out, and what is too late.
async fn put_in_order(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    // The owner stays: his answer, if it comes after all, is the truth.
    const LOSE: &str = concat!(
        "UPDATE letters SET state = 'unknown', settled_at = $1, message = NULL, \
        reason = 'the sender stopped before the relay answered' WHERE ",
        open!(),
        "state = 'on_wire' AND held_until <= $1"
    );
    const FREE: &str = concat!(
        "UPDATE letters SET state = 'queued', owner = NULL WHERE ",
        open!(),
        "state = 'leased' AND held_until <= $1"
    );
    const EXPIRE: &str = concat!(
        "UPDATE letters SET state = 'expired', settled_at = $1, message = NULL WHERE ",
        open!(),
        "state IN ('queued', 'deferred') AND expires_at <= $1"
    );
    for text in [LOSE, FREE, EXPIRE] {
        let rows = on_tx!(tx, conn => sqlx::query(text).bind(now.0).execute(conn).await
            .map(|done| done.rows_affected()))?;
        if text == LOSE && rows > 0 {
            tracing::warn!(
                lost = rows,
                "letters of a sender that is gone were on the wire: unknown"
            );
        }
    }
    Ok(())
}
