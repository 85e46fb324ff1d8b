//! Sessions of people who have signed in.

use super::{Digest, Person, may_still_sign_in, person_columns, sign_out_in};
use crate::audit::{By, audit_in};
use crate::engine::{Store, on_pool, on_tx, on_write_pool};
use crate::error::StoreError;
use std::time::Duration;
use tidings_campaign::time::Timestamp;

/// A session ends when it has not been used for this long.
pub const SESSION_IDLES: Duration = Duration::from_secs(12 * 3_600);
/// A session ends after this long in any case.
pub const SESSION_ENDS_AFTER: Duration = Duration::from_secs(7 * 24 * 3_600);
/// That it was used is written this often at most.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// A session that begins.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// Of its cookie.
    pub digest: Digest,
    /// Whose.
    pub person: i64,
    /// Of the password that was found to be right.
    pub password_hash: &'a str,
    /// What every change must bring along.
    pub csrf: &'a str,
    /// What the browser calls itself.
    pub agent: &'a str,
}

/// A session that is open.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whose it is.
    pub person: Person,
    /// What every change must bring along.
    pub csrf: String,
}

/// A session as its person sees it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ListedSession {
    /// Of its cookie.
    pub digest: Vec<u8>,
    /// What the browser calls itself.
    pub agent: String,
    /// The network address that it was begun from.
    pub network: String,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// When it was last used, to a minute.
    pub seen_at: i64,
}

type Row = (
    i64,
    String,
    String,
    String,
    Option<String>,
    Option<i64>,
    String,
    i64,
);

impl Store {
    /// Begins a session. False, and nothing is done, if the person may not sign in any more, or not with that password: it was
    /// changed while it was checked.
    pub async fn open_session(
        &self,
        new: &NewSession<'_>,
        by: &By,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        const FORGET: &str = "DELETE FROM person_sessions WHERE seen_at <= $1 OR created_at <= $2";
        const OPEN: &str = "INSERT INTO person_sessions (digest, person_id, csrf, agent, network, created_at, seen_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $6)";
        let mut tx = self.begin_write().await?;
        if !may_still_sign_in(&mut tx, new.person, new.password_hash).await? {
            return Ok(false);
        }
        on_tx!(&mut tx, conn => sqlx::query(FORGET).bind(now.minus(SESSION_IDLES).0)
            .bind(now.minus(SESSION_ENDS_AFTER).0).execute(conn).await.map(drop))?;
        on_tx!(&mut tx, conn => sqlx::query(OPEN).bind(new.digest.as_slice()).bind(new.person).bind(new.csrf)
            .bind(new.agent).bind(&by.network).bind(now.0).execute(conn).await.map(drop))?;
        audit_in(&mut tx, by, "signed in", ("", ""), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The session of this cookie, if it is open and its person may still sign in.
    pub async fn session(&self, digest: Digest, now: Timestamp) -> Result<Option<Session>, StoreError> {
        const FIND: &str = concat!(
            "SELECT ",
            person_columns!(),
            ", s.csrf, s.seen_at FROM person_sessions s JOIN people p ON p.id = s.person_id \
             WHERE s.digest = $1 AND s.seen_at > $2 AND s.created_at > $3 AND p.disabled_at IS NULL"
        );
        const NOTE: &str = "UPDATE person_sessions SET seen_at = $1 WHERE digest = $2";
        let row: Option<Row> = on_pool!(self, pool => sqlx::query_as(FIND).bind(digest.as_slice())
            .bind(now.minus(SESSION_IDLES).0).bind(now.minus(SESSION_ENDS_AFTER).0)
            .fetch_optional(pool).await)?;
        let Some((id, email, name, role, hash, disabled, csrf, seen_at)) = row else {
            return Ok(None);
        };
        if now.since(Timestamp(seen_at)) > NOTED_EVERY {
            on_write_pool!(self, pool => sqlx::query(NOTE).bind(now.0).bind(digest.as_slice())
                .execute(pool).await.map(drop))?;
        }
        let person = Person::read((id, email, name, role, hash, disabled))?;
        Ok(Some(Session { person, csrf }))
    }

    /// Ends a session.
    pub async fn close_session(&self, digest: Digest, by: &By, now: Timestamp) -> Result<(), StoreError> {
        const CLOSE: &str = "DELETE FROM person_sessions WHERE digest = $1";
        let mut tx = self.begin_write().await?;
        on_tx!(&mut tx, conn => sqlx::query(CLOSE).bind(digest.as_slice()).execute(conn).await.map(drop))?;
        audit_in(&mut tx, by, "signed out", ("", ""), now).await?;
        tx.commit().await
    }

    /// Ends all sessions of a person.
    pub async fn close_sessions(&self, person: i64, by: &By, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin_write().await?;
        sign_out_in(&mut tx, person).await?;
        audit_in(&mut tx, by, "signed out everywhere", ("", ""), now).await?;
        tx.commit().await
    }

    /// The sessions of a person, the newest first.
    pub async fn sessions_of(&self, person: i64, now: Timestamp) -> Result<Vec<ListedSession>, StoreError> {
        const LIST: &str = "SELECT digest, agent, network, created_at, seen_at FROM person_sessions \
            WHERE person_id = $1 AND seen_at > $2 AND created_at > $3 ORDER BY created_at DESC";
        Ok(
            on_pool!(self, pool => sqlx::query_as(LIST).bind(person).bind(now.minus(SESSION_IDLES).0)
            .bind(now.minus(SESSION_ENDS_AFTER).0).fetch_all(pool).await)?,
        )
    }
}
